//! What the handlers of this process have done with: makes the effect of an event happen once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use docket_domain::{EventId, Instant};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict, Value};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, QueryFilter as _,
    QueryResult, QuerySelect as _, QueryTrait as _, Statement,
};
use uuid::Uuid;

use crate::among::{among, json_of};
use crate::entity::inbox::{ActiveModel, Column, Entity};
use crate::patience::in_time;
use crate::text::without_nul;
use crate::{Error, Store, Tx, inserted, micros};

/// An event that a handler is given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// The event.
    pub event: EventId,
    /// The replay that brings it once more, if one does.
    pub replay: Option<EventId>,
}

/// The name under which a handler's receipts of replays are in the inbox. They are not under its own name, because their
/// ids are whatever a message says that its replay is called: that may be the id of an event that is still to come.
pub fn of_replays(handler: &str) -> String {
    format!("{handler}#replay")
}

/// Events, each with whether it also came by itself, and with the replays that have brought it. Sorted, so that two who
/// are given the same events do not wait for each other in a circle.
pub(crate) type Arrived = BTreeMap<EventId, (bool, Vec<EventId>)>;

const DONE: &str = "DONE";
const DEAD: &str = "DEAD";

const KEY: [Column; 2] = [Column::EventId, Column::Handler];

/// The same text however many events it begins, like those below.
const BEGIN: &str = concat!(include_str!("inbox/begin.sql"), "SELECT event_id FROM begun");

/// The same on SQLite: first the receipts of the replays, then the events.
const RECEIPTS_IN_PROCESS: &str = include_str!("inbox/receipts.sqlite.sql");
const BEGIN_IN_PROCESS: &str = include_str!("inbox/begin.sqlite.sql");

impl Store {
    /// Of each of these whether [`Tx::inbox_begin`] would begin it, for a handler whose effect is elsewhere and may happen
    /// twice. One statement.
    pub async fn inbox_would_begin(&self, handler: &str, arrivals: &[Arrival]) -> Result<Vec<bool>, Error> {
        let ids = arrivals.iter().flat_map(|arrival| [Some(arrival.event), arrival.replay]).flatten();
        let ids = ids.map(|id| id.as_uuid()).collect();
        let of_replays = of_replays(handler);
        let rows = Entity::find()
            .select_only()
            .columns([Column::EventId, Column::Handler, Column::State])
            .filter(among(self.read.get_database_backend(), Column::EventId, ids))
            .filter(Column::Handler.is_in([handler, &of_replays]));
        let rows = rows.into_tuple::<(Uuid, String, String)>();
        let rows = self.told("look inbox", rows.all(&self.read)).await?;
        let (replays, events): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(_, name, _)| *name == of_replays);
        let replays: HashSet<Uuid> = replays.into_iter().map(|(id, ..)| id).collect();
        let events: HashMap<Uuid, String> = events.into_iter().map(|(id, _, state)| (id, state)).collect();
        let begins = |arrival: &Arrival| {
            let is_new = arrival.replay.is_none_or(|replay| !replays.contains(&replay.as_uuid()));
            let state = events.get(&arrival.event.as_uuid());
            is_new && state.is_none_or(|state| arrival.replay.is_some() && state == DEAD)
        };
        Ok(arrivals.iter().map(begins).collect())
    }

    /// Which handlers are done with which of these events; with which of these replays, under [`of_replays`]. One
    /// statement.
    pub async fn inbox_receipts(&self, events: &[EventId]) -> Result<HashSet<(EventId, String)>, Error> {
        let ids = events.iter().map(|event| event.as_uuid()).collect();
        let receipts = Entity::find().select_only().columns([Column::EventId, Column::Handler]);
        let receipts = receipts.filter(among(self.read.get_database_backend(), Column::EventId, ids));
        let found = in_time(self.read.query_all(receipts.as_query())).await?;
        let receipt = |row: &QueryResult| {
            Ok((EventId::from_uuid(row.try_get("", "event_id")?), row.try_get("", "handler")?))
        };
        found.iter().map(receipt).collect()
    }
}

impl Tx<'_> {
    /// Notes that the handler is done with the event, in the transaction that has the effect; false when the effect must
    /// not happen again.
    ///
    /// An event that was given up is begun again by a replay of it, and by nothing else. A replay has a row of its own,
    /// which is its receipt and is kept whatever the answer is; when that row was there before, the answer is false.
    pub async fn inbox_begin(&self, handler: &str, arrival: &Arrival, now: Instant) -> Result<bool, Error> {
        let begun = self.inbox_begin_all(handler, std::slice::from_ref(arrival), now).await?;
        Ok(begun.first().is_some_and(|begun| *begun))
    }

    /// The same for many, in their order; of an event that is there several times, the first is begun. One statement; two
    /// on SQLite when there are replays.
    pub async fn inbox_begin_all(
        &self,
        handler: &str,
        arrivals: &[Arrival],
        now: Instant,
    ) -> Result<Vec<bool>, Error> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let arrived = arrived(arrivals.iter());
        let mut begun = match self.0.get_database_backend() {
            DbBackend::Postgres => self.begin_on_postgres(handler, &arrived, now).await?,
            _ => self.begin_in_process(handler, &arrived, now).await?,
        };
        let begun: Vec<bool> = arrivals.iter().map(|arrival| begun.remove(&arrival.event)).collect();
        self.1.duplicates(handler, begun.iter().filter(|begun| !**begun).count());
        Ok(begun)
    }

    async fn begin_on_postgres(
        &self,
        handler: &str,
        arrived: &Arrived,
        now: Instant,
    ) -> Result<HashSet<EventId>, Error> {
        let values = values_of(handler, arrived, now);
        let begin = Statement::from_sql_and_values(DbBackend::Postgres, BEGIN, values);
        Ok(ids(&self.0.query_all_raw(begin).await?)?)
    }

    async fn begin_in_process(
        &self,
        handler: &str,
        arrived: &Arrived,
        now: Instant,
    ) -> Result<HashSet<EventId>, Error> {
        let write = async |sql, name: &str, arrays: Vec<Vec<Uuid>>| {
            let mut values = vec![name.into(), micros(now).into()];
            values.extend(arrays.iter().map(|ids| json_of(ids).into()));
            let write = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
            ids(&self.0.query_all_raw(write).await?)
        };
        let receipts: Vec<Uuid> = replays_of(arrived).map(|(_, replay)| replay.as_uuid()).collect();
        let fresh = match receipts.as_slice() {
            [] => HashSet::new(),
            _ => write(RECEIPTS_IN_PROCESS, &of_replays(handler), vec![receipts]).await?,
        };
        let again = replays_of(arrived).filter(|(_, replay)| fresh.contains(replay)).map(|(event, _)| event);
        let again: BTreeSet<EventId> = again.collect();
        let begins = arrived.iter().filter(|(event, (plain, _))| *plain || again.contains(event));
        let begins: Vec<Uuid> = begins.map(|(event, _)| event.as_uuid()).collect();
        let again: Vec<Uuid> = again.iter().map(|event| event.as_uuid()).collect();
        Ok(write(BEGIN_IN_PROCESS, handler, vec![begins, again]).await?)
    }

    /// Notes that the handler gives the event up; false when it has done so before, or, for a replay, has done so with the
    /// same replay: then it is told already. One statement, two for a replay.
    pub async fn inbox_bury(
        &self,
        handler: &str,
        arrival: &Arrival,
        reason: &str,
        now: Instant,
    ) -> Result<bool, Error> {
        let dead = |name: &str, id| Entity::insert(row(name, id, DEAD, Some(reason), now));
        let named = match arrival.replay {
            Some(replay) => dead(&of_replays(handler), replay),
            None => dead(handler, arrival.event),
        };
        let named = named.on_conflict_do_nothing_on(KEY);
        let first = inserted(named.exec_without_returning(&self.0).await?);
        if first && arrival.replay.is_some() {
            // The reason is the newest, and so is the time that its retention is counted from.
            let still_dead = OnConflict::columns(KEY)
                .update_columns([Column::Reason, Column::CreateTime])
                .action_and_where(Expr::col((Entity, Column::State)).eq(DEAD))
                .to_owned();
            dead(handler, arrival.event).on_conflict(still_dead).exec_without_returning(&self.0).await?;
        }
        Ok(first)
    }

    /// Gives the receipt of a replay that is not for the handler.
    pub async fn inbox_receipt(&self, handler: &str, replay: EventId, now: Instant) -> Result<(), Error> {
        let receipt = row(&of_replays(handler), replay, DONE, None, now);
        let receipt = Entity::insert(receipt).on_conflict_do_nothing_on(KEY);
        receipt.exec_without_returning(&self.0).await?;
        Ok(())
    }
}

pub(crate) fn arrived<'a>(arrivals: impl Iterator<Item = &'a Arrival>) -> Arrived {
    let mut arrived = Arrived::new();
    for arrival in arrivals {
        let (plain, replays) = arrived.entry(arrival.event).or_default();
        *plain |= arrival.replay.is_none();
        replays.extend(arrival.replay);
    }
    arrived
}

/// What `inbox/begin.sql` is given.
pub(crate) fn values_of(handler: &str, arrived: &Arrived, now: Instant) -> [Value; 7] {
    let events = arrived.keys().map(|event| event.as_uuid());
    let plain = arrived.values().map(|(plain, _)| *plain);
    let (replayed, replays): (Vec<_>, Vec<_>) =
        replays_of(arrived).map(|(event, replay)| (event.as_uuid(), replay.as_uuid())).unzip();
    [
        handler.into(),
        micros(now).into(),
        events.collect::<Vec<_>>().into(),
        plain.collect::<Vec<_>>().into(),
        replayed.into(),
        replays.into(),
        of_replays(handler).into(),
    ]
}

fn row(handler: &str, id: EventId, state: &str, reason: Option<&str>, now: Instant) -> ActiveModel {
    ActiveModel {
        event_id: Set(id.as_uuid()),
        handler: Set(handler.to_owned()),
        state: Set(state.to_owned()),
        reason: Set(reason.map(without_nul)),
        create_time: Set(micros(now)),
    }
}

fn replays_of(arrived: &Arrived) -> impl Iterator<Item = (EventId, EventId)> {
    arrived.iter().flat_map(|(event, (_, replays))| replays.iter().map(|replay| (*event, *replay)))
}

fn ids(rows: &[QueryResult]) -> Result<HashSet<EventId>, DbErr> {
    rows.iter().map(|row| Ok(EventId::from_uuid(row.try_get("", "event_id")?))).collect()
}
