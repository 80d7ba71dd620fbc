//! A write: one transaction with the change, its event, and the answer to its repetition.

use std::pin::Pin;
use std::sync::Arc;

use docket_domain::{Change, EventId, Instant, RequestId, Series, Task, TaskId, UserId};
use docket_proto::v1;
use docket_store::create::{Created, NewCall, NewTask};
use docket_store::idempotency::{self, Call, Earlier, Reused};
use docket_store::outbox::{NewEvent, Trace};
use docket_store::{Conflict, Store, Tx};
use prost::Message as _;

use crate::{Deps, Error};

/// The CloudEvents `source` of everything that this target publishes.
pub(crate) const SOURCE: &str = "docket/tasks";

/// Who asks for a change, and how it may be repeated.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) user: UserId,
    pub(crate) trace: Option<Trace>,
    pub(crate) method: &'static str,
    /// The request id, with a digest of the request.
    pub(crate) repeatable: Option<(RequestId, [u8; 32])>,
    /// The answer where it is known beforehand, which saves a statement.
    pub(crate) foreseen: Option<v1::Task>,
    /// Whether everything is to be checked and nothing to be stored.
    pub(crate) validate_only: bool,
}

impl Asked {
    fn call(&self) -> Option<Call<'_>> {
        // The id is for the call that is checked here, which is still to come.
        let (request_id, body_hash) = self.repeatable.filter(|_| !self.validate_only)?;
        Some(Call { user: &self.user, request_id, method: self.method, body_hash })
    }
}

/// What a mutation comes to.
pub(crate) struct Effect {
    /// The task to answer.
    pub(crate) answer: Task,
    /// What happens to which task, in the order of the events.
    pub(crate) changes: Vec<Change>,
    /// Claims and releases in the series, after the rows of the tasks.
    pub(crate) links: Vec<Link>,
}

/// A change to which task stands where in a series.
pub(crate) enum Link {
    /// The task takes its place, behind its predecessor if it has one.
    Claim { task: TaskId, series: Series, predecessor: Option<TaskId> },
    /// The task gives its place back.
    Release(TaskId),
    /// The task waits for its next occurrence no longer.
    Arrived(TaskId),
}

impl Link {
    /// The task takes its place, if it stands in a series.
    pub(crate) fn claim(task: &Task, predecessor: Option<TaskId>) -> Option<Self> {
        task.series.map(|series| Self::Claim { task: task.id, series, predecessor })
    }
}

impl Effect {
    /// One change and nothing else.
    pub(crate) fn of(change: Change) -> Self {
        Self { answer: change.after.clone(), changes: vec![change], links: Vec::new() }
    }

    /// No task changes.
    pub(crate) fn none(answer: Task) -> Self {
        Self { answer, changes: Vec::new(), links: Vec::new() }
    }
}

pub(crate) type Decision<'a> = Pin<Box<dyn Future<Output = Result<Effect, Error>> + Send + 'a>>;

/// Why a transaction is rolled back.
enum Stop {
    /// It can not be.
    Refused(Error),
    /// It could be, and nothing more was asked for.
    Checked(Box<v1::Task>),
}

impl From<docket_store::Error> for Stop {
    fn from(error: docket_store::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl Conflict for Stop {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused(error) if error.is_conflict())
    }

    fn store(&self) -> Option<&docket_store::Error> {
        match self {
            Self::Refused(error) => error.store(),
            Self::Checked(_) => None,
        }
    }
}

/// Writes changes.
#[derive(Clone)]
pub(crate) struct Writer {
    topic: Arc<str>,
    deps: Deps,
}

impl Writer {
    pub(crate) fn new(topic: String, deps: Deps) -> Self {
        Self { topic: topic.into(), deps }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.deps.store
    }

    pub(crate) fn now(&self) -> Instant {
        self.deps.clock.now()
    }

    pub(crate) fn uuid(&self) -> uuid::Uuid {
        self.deps.ids.uuid()
    }

    /// Runs `decide` in a transaction and writes what it decides; the answer is that of the first such call.
    ///
    /// Order of locks: idempotency key, task rows, outbox rows, the user's sequence.
    pub(crate) async fn mutate<'env, F>(
        &'env self,
        asked: &'env Asked,
        decide: &'env F,
    ) -> Result<v1::Task, Error>
    where
        F: for<'a> Fn(&'a Tx<'env>, Instant) -> Decision<'a> + Send + Sync,
    {
        let now = self.now();
        let outcome = self.store().transaction(|tx| {
            Box::pin(async move {
                match self.attempt(tx, asked, now, decide).await {
                    // Only the database knows everything that may stand in the way, so it is asked, too.
                    Ok(answer) if asked.validate_only => Err(Stop::Checked(Box::new(answer))),
                    outcome => outcome.map_err(Stop::Refused),
                }
            })
        });
        let answer = match outcome.await {
            Ok(answer) => answer,
            Err(Stop::Checked(answer)) => return Ok(*answer),
            Err(Stop::Refused(error)) => return Err(error),
        };
        self.committed();
        Ok(answer)
    }

    /// Creates a task in one go with others that are created at the same time; false when nothing was written, and
    /// [`Writer::mutate`] must find out what stands in the way.
    pub(crate) async fn create(
        &self,
        asked: &Asked,
        change: &Change,
        answer: &v1::Task,
    ) -> Result<bool, Error> {
        let call = asked.call().map(|call| NewCall {
            request_id: call.request_id,
            method: call.method,
            body_hash: call.body_hash,
            response: answer.encode_to_vec(),
        });
        let time = change.after.create_time;
        let new = NewTask { task: change.after.clone(), event: self.event(change, asked), call, time };
        let done = self.store().task_create(new).await? == Created::Done;
        if done {
            self.committed();
        }
        Ok(done)
    }

    fn committed(&self) {
        // The transaction is durable, and nobody has been told of it yet.
        fail::fail_point!("after-commit", |_| std::process::abort());
        self.deps.store.outbox_appended();
    }

    async fn attempt<'env, F>(
        &self,
        tx: &Tx<'env>,
        asked: &Asked,
        now: Instant,
        decide: &F,
    ) -> Result<v1::Task, Error>
    where
        F: for<'a> Fn(&'a Tx<'env>, Instant) -> Decision<'a> + Send + Sync,
    {
        if let Some(call) = asked.call() {
            let foreseen = asked.foreseen.as_ref().map(v1::Task::encode_to_vec).unwrap_or_default();
            match tx.call_claim(&call, foreseen, now).await? {
                Earlier::None => {}
                Earlier::Answered(response) => return Ok(idempotency::answer(&response)?),
                Earlier::Other => return Err(Reused { id: call.request_id }.into()),
            }
        }
        let effect = decide(tx, now).await?;
        let answer = docket_wire::answer::task_to_proto(&effect.answer);
        let call = asked.call().filter(|_| asked.foreseen.is_none());
        let kept = call.as_ref().map(|call| (call, answer.encode_to_vec()));
        self.write(tx, asked, &effect, kept).await?;
        Ok(answer)
    }

    /// Writes what was decided, and keeps the answer for a repetition of the call.
    async fn write(
        &self,
        tx: &Tx<'_>,
        asked: &Asked,
        effect: &Effect,
        kept: Option<(&Call<'_>, Vec<u8>)>,
    ) -> Result<(), Error> {
        if let [change @ Change { before: Some(before), after, .. }] = effect.changes.as_slice() {
            for link in &effect.links {
                follow(tx, link).await?;
            }
            return Ok(tx.task_change(before, after, self.event(change, asked), kept).await?);
        }
        for change in &effect.changes {
            match &change.before {
                Some(before) => tx.task_update(before, &change.after).await?,
                None => insert(tx, &change.after).await?,
            }
        }
        for link in &effect.links {
            follow(tx, link).await?;
        }
        if !effect.changes.is_empty() {
            let events = effect.changes.iter().map(|change| self.event(change, asked));
            tx.outbox_append(events.collect()).await?;
            let changed: Vec<TaskId> = effect.changes.iter().map(|change| change.after.id).collect();
            tx.sequence_advance(&asked.user, &changed).await?;
        }
        match kept {
            Some((call, response)) => Ok(tx.call_answer(call, response).await?),
            None => Ok(()),
        }
    }

    fn event(&self, change: &Change, asked: &Asked) -> NewEvent {
        let id = EventId::from_uuid(self.uuid());
        NewEvent {
            id,
            topic: self.topic.to_string(),
            key: change.after.id.to_string(),
            event_type: change.kind.event_type(),
            source: SOURCE.to_owned(),
            payload: docket_wire::event::encode(change, id),
            trace: asked.trace.clone(),
            time: change.after.update_time,
        }
    }
}

async fn insert(tx: &Tx<'_>, task: &Task) -> Result<(), Error> {
    match tx.task_insert(task).await {
        Err(docket_store::Error::Exists(_)) => Err(Error::IdTaken { id: task.id }),
        outcome => Ok(outcome?),
    }
}

async fn follow(tx: &Tx<'_>, link: &Link) -> Result<(), Error> {
    match link {
        Link::Release(task) => Ok(tx.occurrence_release(*task).await?),
        Link::Arrived(predecessor) => Ok(tx.successor_arrived(*predecessor).await?),
        Link::Claim { task, series, predecessor } => {
            match tx.occurrence_claim(*task, series, *predecessor).await {
                // Somebody else made the occurrence meanwhile: the next attempt finds it.
                Err(docket_store::Error::Exists(_)) => Err(Error::Conflict),
                outcome => Ok(outcome?),
            }
        }
    }
}
