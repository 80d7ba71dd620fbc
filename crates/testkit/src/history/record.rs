//! What is known of a run: what clients asked for and were told, what the databases have, what was on the topic, and what
//! each consumer did.

use std::collections::BTreeSet;
use std::time::Duration;

use docket_domain::EventKind;
use uuid::Uuid;

/// Everything that is known of a run.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What clients asked for, in any order.
    pub calls: Vec<Call>,
    /// The tasks that there are, deleted ones too.
    pub tasks: Vec<Task>,
    /// The answers that are kept for repetitions.
    pub keys: Vec<Key>,
    /// What is still in the outbox.
    pub outbox: Vec<Event>,
    /// What an observer of its own read from the topic, in any order.
    pub topic: Vec<Message>,
    /// What the audit log has, in any order.
    pub entries: Vec<Entry>,
    /// Who handles the topic.
    pub consumers: Vec<Consumer>,
    /// Events that were put onto the topic to be given up.
    pub planted: Vec<Planted>,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// CreateTask.
    Create,
    /// UpdateTask, which changes something.
    Update,
    /// CompleteTask.
    Complete,
    /// ReopenTask.
    Reopen,
    /// DeleteTask.
    Delete,
    /// GetTask or ListTasks: answers what is committed.
    Read,
    /// ListAuditEntries: lags behind.
    Story,
}

/// One call of a client. An operation that is tried again is several calls with the same request id.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who called: one client makes one call at a time.
    pub process: usize,
    /// As whom.
    pub user: String,
    /// The request id, which no other operation has, whoever's it is. It is the trace id, too.
    pub request: Option<Uuid>,
    /// What was asked for.
    pub method: Method,
    /// Of which task: the chosen id for a creation.
    pub task: Option<Uuid>,
    /// When it was asked, on a clock that all clients share.
    pub invoked: Duration,
    /// When it was answered; absent when it was not.
    pub answered: Option<Duration>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a client knows of a call.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It took place.
    Ok(Vec<Answer>),
    /// It did not take place, for this reason.
    Fail(String),
    /// It may have taken place, or may still do so.
    Unknown(String),
}

/// What a version of a task says, as far as it is compared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// Its title.
    pub title: String,
    /// Whether it is completed.
    pub completed: bool,
}

/// A version of a task that an answer shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The task.
    pub task: Uuid,
    /// Its version.
    pub version: i64,
    /// Its owner.
    pub user: String,
    /// What it says.
    pub content: Content,
}

/// A task as the database has it.
#[derive(Clone, Debug)]
pub struct Task {
    /// Names it.
    pub id: Uuid,
    /// Its owner.
    pub user: String,
    /// Its version.
    pub version: i64,
    /// What it says.
    pub content: Content,
    /// At which version it was completed; absent while it is open.
    pub completed: Option<i64>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Whether its completion is followed by a next occurrence.
    pub repeats: bool,
    /// Its series, and the instant in it.
    pub series: Option<(Uuid, i64)>,
    /// The task that it follows.
    pub predecessor: Option<Uuid>,
}

/// An answer that is kept for repetitions.
#[derive(Clone, Debug)]
pub struct Key {
    /// Whose request.
    pub user: String,
    /// The request.
    pub request: Uuid,
    /// The task of the answer.
    pub task: Uuid,
    /// Its version.
    pub version: i64,
    /// What the answer says of it.
    pub content: Content,
}

/// What happened to a task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Names the event.
    pub id: Uuid,
    /// What happened.
    pub kind: EventKind,
    /// The task.
    pub task: Uuid,
    /// The version that it made.
    pub version: i64,
    /// The owner.
    pub user: String,
    /// What the task says after it.
    pub content: Content,
    /// The request that caused it, as far as the trace tells.
    pub cause: Option<Uuid>,
}

/// A message on the topic.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its partition.
    pub partition: i32,
    /// Where it stands in its partition.
    pub offset: i64,
    /// The only consumer that it is for, when it is not for all.
    pub only: Option<String>,
    /// The event; absent when it is none of Docket's.
    pub event: Option<Event>,
}

/// An entry of the audit log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it tells of.
    pub event: Event,
    /// When it was committed: any number that grows.
    pub order: i64,
}

/// Who handles the topic.
#[derive(Clone, Debug, Default)]
pub struct Consumer {
    /// Its name in the inbox.
    pub name: String,
    /// What it is done with.
    pub done: Vec<Done>,
    /// What it has given up, by the inbox.
    pub dead: BTreeSet<Uuid>,
    /// What it has given up, by the letters that were not replayed.
    pub letters: BTreeSet<Uuid>,
}

/// A consumer is done with an event.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// The event.
    pub event: Uuid,
    /// When that was committed: any number that grows.
    pub order: i64,
}

/// An event that was put onto the topic to be given up.
#[derive(Clone, Debug)]
pub struct Planted {
    /// The id that it is given up under.
    pub event: Uuid,
    /// Who is to give it up.
    pub consumers: BTreeSet<String>,
}

impl Method {
    /// What a change of this kind tells; nothing for those that only read.
    pub(super) fn tells(self) -> Option<EventKind> {
        match self {
            Self::Create => Some(EventKind::Created),
            Self::Update => Some(EventKind::Updated),
            Self::Complete => Some(EventKind::Completed),
            Self::Reopen => Some(EventKind::Reopened),
            Self::Delete => Some(EventKind::Deleted),
            Self::Read | Self::Story => None,
        }
    }
}
