//! What a mutation did: the difference that is stored, published and audited.

use crate::Task;

/// What happened to a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// It was created.
    Created,
    /// Fields of it changed.
    Updated,
    /// It was completed.
    Completed,
    /// It was opened again.
    Reopened,
    /// It was deleted.
    Deleted,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Created, Self::Updated, Self::Completed, Self::Reopened, Self::Deleted];

    /// The CloudEvents `type`.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Created => "com.todo.task.created",
            Self::Updated => "com.todo.task.updated",
            Self::Completed => "com.todo.task.completed",
            Self::Reopened => "com.todo.task.reopened",
            Self::Deleted => "com.todo.task.deleted",
        }
    }

    /// The kind with this CloudEvents `type`.
    pub fn from_event_type(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.event_type() == event_type)
    }
}

/// One mutation of one task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: EventKind,
    /// The task before it; absent for a creation.
    pub before: Option<Task>,
    /// The task after it.
    pub after: Task,
}
