//! Creating tasks, many at once: the commit and, on PostgreSQL, the round trip are shared by all that come together.
//!
//! Only what cannot fail by itself goes this way: a task whose id the server chose, in a series of its own. Whatever the
//! batch finds out of the ordinary it leaves undone, for a transaction that can say what it is.

mod postgres;

use std::collections::{BTreeMap, HashSet};

use docket_domain::{Instant, RequestId, Task};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{
    ActiveModelTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    TryIntoModel as _,
};
use tracing::Span;
use uuid::Uuid;

use crate::entity::{idempotency_keys, occurrences, outbox, task_tags, tasks};
use crate::lane::{Lane, Limits};
use crate::outbox::NewEvent;
use crate::postgres::Suspicion;
use crate::row::{event_row, to_row};
use crate::spans::batch;
use crate::tasks::raise;
use crate::transaction::begin;
use crate::{Error, Statements, Store, inserted, micros};

/// A task that is to be created, with all that belongs to it.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// The task, under an id that nobody else can have chosen.
    pub task: Task,
    /// Tells of it.
    pub event: NewEvent,
    /// What makes the call repeatable.
    pub call: Option<NewCall>,
    /// When it is created.
    pub time: Instant,
}

/// A call that its caller may repeat.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// What makes another call the same as this one.
    pub request_id: RequestId,
    /// The method's name.
    pub method: &'static str,
    /// A digest of the request.
    pub body_hash: [u8; 32],
    /// The answer, also to a repetition.
    pub response: Vec<u8>,
}

/// What became of a task that was to be created.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Created {
    /// It is there, durably.
    Done,
    /// Nothing was written: the call's id is taken, or the batch met something that only a transaction of its own can
    /// tell apart.
    NotDone,
}

pub(crate) type Creating = Lane<NewTask, Result<Created, Error>>;

/// Two batches: while one waits for its commit, the next is put together. More would only make them smaller.
const LIMITS: Limits = Limits { width: 2, batch: 256, waiting: 4_096 };

/// How often a batch that ran into another transaction is tried.
const ATTEMPTS: u32 = 3;

impl Store {
    /// Creates a task, together with others that are created at the same time. Wholly or not at all, whatever happens to
    /// the others.
    pub async fn task_create(&self, new: NewTask) -> Result<Created, Error> {
        let created = self
            .told("create tasks", async {
                let (created, together) = self.creating.submit(new).await?;
                batch(&Span::current(), together);
                created
            })
            .await;
        // It is durable, and whoever asked for it does not hear so.
        fail::fail_point!("commit-unknown", |_| Err(Error::Interrupted));
        created
    }
}

pub(crate) fn lane(write: DatabaseConnection, statements: Statements) -> Creating {
    Lane::new(LIMITS, move |batch| {
        let (write, statements) = (write.clone(), statements.clone());
        async move { create_all(&write, &statements, batch).await }
    })
}

async fn create_all(
    write: &DatabaseConnection,
    statements: &Statements,
    batch: Vec<NewTask>,
) -> Vec<Result<Created, Error>> {
    let rows = match Rows::of(&batch) {
        Ok(rows) => rows,
        // One of them cannot be written. Each will find out whether it is the one.
        Err(_) => return batch.iter().map(|_| Ok(Created::NotDone)).collect(),
    };
    let mut attempt = 1;
    let outcome = loop {
        let written = match write.get_database_backend() {
            DbBackend::Postgres => postgres::write(write, statements, &rows).await,
            _ => write_in_process(write, &rows).await,
        };
        match written {
            Err(error) if attempt < ATTEMPTS && Error::from(error.clone()).is_conflict() => attempt += 1,
            outcome => break outcome,
        }
    };
    let answer = |task: &Uuid| match &outcome {
        Ok(done) if done.contains(task) => Ok(Created::Done),
        // It may have been written before the connection broke, so it must not be tried again under this id.
        Err(error) if is_ambiguous(error) => Err(Error::from(error.clone())),
        Ok(_) | Err(_) => Ok(Created::NotDone),
    };
    batch.iter().map(|new| answer(&new.task.id.as_uuid())).collect()
}

/// Whether the batch may have been written all the same. What waited too long for somebody's lock was not.
fn is_ambiguous(error: &DbErr) -> bool {
    let error = Error::from(error.clone());
    error.is_unavailable() && !error.is_timeout_of_server()
}

/// The rows of a batch, one of each for each task but where said otherwise.
pub(crate) struct Rows {
    pub(crate) tasks: Vec<tasks::Model>,
    pub(crate) events: Vec<outbox::Model>,
    pub(crate) calls: Vec<Option<idempotency_keys::Model>>,
    /// All tags of all tasks.
    pub(crate) tags: Vec<task_tags::Model>,
}

impl Rows {
    fn of(batch: &[NewTask]) -> Result<Self, Error> {
        let mut seen = HashSet::new();
        let (mut tasks, mut events, mut calls, mut tags) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for new in batch {
            // Of a call and its repetition in the same batch, the first is made.
            if new.call.as_ref().is_some_and(|call| !seen.insert((&new.task.user_id, call.request_id))) {
                continue;
            }
            let task = new.task.id.as_uuid();
            tasks.push(to_row(&new.task)?.try_into_model()?);
            events.push(event_row(new.event.clone()));
            calls.push(new.call.as_ref().map(|call| idempotency_keys::Model {
                user_id: new.task.user_id.to_string(),
                request_id: call.request_id.as_uuid(),
                method: call.method.to_owned(),
                body_hash: call.body_hash.to_vec(),
                response: call.response.clone(),
                create_time: micros(new.time),
            }));
            let tag = |tag: &String| task_tags::Model { task_id: task, tag: tag.clone() };
            tags.extend(new.task.content.tags.as_slice().iter().map(tag));
        }
        Ok(Self { tasks, events, calls, tags })
    }
}

/// One transaction for all, and few statements: for a database that is in this process. Answers the tasks that are
/// written.
async fn write_in_process(write: &DatabaseConnection, rows: &Rows) -> Result<HashSet<Uuid>, DbErr> {
    let tx = begin(write, &Suspicion::default()).await?;
    let mut fresh = HashSet::new();
    for (task, call) in rows.tasks.iter().zip(&rows.calls) {
        if claim(&tx, call.as_ref()).await? {
            fresh.insert(task.task_id);
        }
    }
    let is_fresh = |task: &Uuid| fresh.contains(task);
    // The only writer there is, so that nobody waits for a number meanwhile.
    let mut numbers = take_numbers(&tx, rows.tasks.iter().filter(|task| is_fresh(&task.task_id))).await?;
    let numbered = rows.tasks.iter().filter(|task| is_fresh(&task.task_id)).map(|task| {
        let number = numbers.entry(&task.user_id).and_modify(|number| *number += 1).or_default();
        tasks::ActiveModel { user_seq: Set(*number), ..task.clone().into() }
    });
    insert_all(&tx, numbered.collect::<Vec<_>>()).await?;
    let tags = rows.tags.iter().filter(|tag| is_fresh(&tag.task_id));
    insert_all(&tx, tags.map(|tag| task_tags::ActiveModel::from(tag.clone())).collect()).await?;
    let places = rows.tasks.iter().filter(|task| is_fresh(&task.task_id)).filter_map(place);
    insert_all(&tx, places.collect()).await?;
    let events = rows.tasks.iter().zip(&rows.events).filter(|(task, _)| is_fresh(&task.task_id));
    let event = |event: &outbox::Model| outbox::ActiveModel { position: NotSet, ..event.clone().into() };
    insert_all(&tx, events.map(|(_, row)| event(row)).collect()).await?;
    tx.commit().await?;
    Ok(fresh)
}

async fn claim(tx: &DatabaseTransaction, call: Option<&idempotency_keys::Model>) -> Result<bool, DbErr> {
    let Some(call) = call else { return Ok(true) };
    let key = [idempotency_keys::Column::UserId, idempotency_keys::Column::RequestId];
    let insert = idempotency_keys::Entity::insert(idempotency_keys::ActiveModel::from(call.clone()));
    Ok(inserted(insert.on_conflict_do_nothing_on(key).exec_without_returning(tx).await?))
}

/// The number before the first new one, for each user.
async fn take_numbers<'a>(
    tx: &DatabaseTransaction,
    tasks: impl Iterator<Item = &'a tasks::Model>,
) -> Result<BTreeMap<&'a str, i64>, DbErr> {
    let mut steps = BTreeMap::<&str, i64>::new();
    for task in tasks {
        *steps.entry(&task.user_id).or_default() += 1;
    }
    for (user, number) in &mut steps {
        *number = raise(tx, user, *number).await? - *number;
    }
    Ok(steps)
}

/// The place of a task in its series, if it stands in one.
fn place(task: &tasks::Model) -> Option<occurrences::ActiveModel> {
    let (series_id, occurrence_time) = task.series_id.zip(task.occurrence_time)?;
    Some(occurrences::ActiveModel {
        task_id: Set(task.task_id),
        series_id: Set(series_id),
        occurrence_time: Set(occurrence_time),
        predecessor_id: Set(None),
    })
}

async fn insert_all<A>(tx: &DatabaseTransaction, rows: Vec<A>) -> Result<(), DbErr>
where
    A: ActiveModelTrait,
{
    if !rows.is_empty() {
        <A::Entity as EntityTrait>::insert_many(rows).exec_without_returning(tx).await?;
    }
    Ok(())
}
