//! Tests of a channel: messages that somebody sends at once, and waits for.

use docket_domain::{Channel, DeliveryId, DeliveryKind, DeliveryState, Instant, ReminderId, TaskId, UserId};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Statement,
};

use super::deliveries::{Delivery, NewDelivery, delivery};
use crate::entity::deliveries::{Column, Entity, Model};
use crate::patience::in_time;
use crate::text::without_nul;
use crate::{Error, Store, Tx, instant, micros};

/// What came of beginning a test.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// It is in the ledger, and the caller's to send.
    Ours(Box<Delivery>),
    /// The user has had one on the channel.
    Before {
        /// When the last one came into the ledger.
        last: Instant,
    },
}

impl Tx<'_> {
    /// Adds a test that is the caller's to send, as if it had been claimed until `until`; nothing happens when the user has
    /// had one on the channel at `since` or later. Whoever does the same for this user and channel waits until the
    /// transaction has ended. Two statements; on PostgreSQL three.
    pub async fn test_begin(
        &self,
        new: &NewDelivery,
        until: Instant,
        since: Instant,
    ) -> Result<Begun, Error> {
        // Before the look, whose snapshot then has what the one before has written.
        self.tests_lock(&new.user_id, new.channel).await?;
        let last = tests_query(&new.user_id, new.channel, since).into_tuple().one(&self.0);
        if let Some(last) = in_time(last).await? {
            return Ok(Begun::Before { last: instant(last)? });
        }
        let row = row(new, until);
        in_time(Entity::insert(row.clone().into_active_model()).exec_without_returning(&self.0)).await?;
        Ok(Begun::Ours(Box::new(delivery(row)?)))
    }

    /// There may be no row yet that could be locked. On SQLite one transaction writes at a time.
    async fn tests_lock(&self, user: &UserId, channel: Channel) -> Result<(), Error> {
        let backend = self.0.get_database_backend();
        if backend == DbBackend::Postgres {
            let tests = format!("test {} {user}", channel.name());
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            let lock = Statement::from_sql_and_values(backend, sql, [tests.into()]);
            in_time(self.0.execute_raw(lock)).await?;
        }
        Ok(())
    }
}

impl Store {
    /// A message of the user's. One statement.
    pub async fn delivery_get(&self, owner: &UserId, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        let mine = Entity::find_by_id(id.as_uuid()).filter(Column::UserId.eq(owner.as_str()));
        mine.one(&self.read).await?.map(delivery).transpose()
    }
}

/// When the user's tests on the channel were: a range of one index, of the last moments only.
pub(crate) fn tests_query(user: &UserId, channel: Channel, since: Instant) -> Select<Entity> {
    Entity::find()
        .select_only()
        .column(Column::CreateTime)
        .filter(Column::UserId.eq(user.as_str()))
        .filter(Column::CreateTime.gte(micros(since)))
        .filter(Column::Kind.eq(DeliveryKind::Test.name()))
        .filter(Column::Channel.eq(channel.name()))
        .order_by_desc(Column::CreateTime)
        .limit(1)
}

fn row(new: &NewDelivery, until: Instant) -> Model {
    Model {
        delivery_id: new.id.as_uuid(),
        kind: new.kind.name().to_owned(),
        subject: new.subject.clone(),
        channel: new.channel.name().to_owned(),
        user_id: new.user_id.to_string(),
        task_id: new.task_id.map(TaskId::as_uuid),
        reminder_id: new.reminder_id.map(ReminderId::as_uuid),
        title: without_nul(&new.title),
        content: new.content.clone(),
        traceparent: new.trace.as_ref().map(|trace| trace.parent.clone()),
        tracestate: new.trace.as_ref().and_then(|trace| trace.state.clone()),
        remind_time: micros(new.remind_time),
        state: DeliveryState::Sending.name().to_owned(),
        attempts: 1,
        wake_time: Some(micros(until)),
        postponed: false,
        reason: None,
        create_time: micros(new.create_time),
        finish_time: None,
    }
}
