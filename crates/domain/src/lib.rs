//! What Docket knows about tasks and time, as pure functions: `now` is a parameter, nothing here does I/O.
#![doc = include_str!("../README.md")]

pub mod content;
pub mod event;
pub mod filter;
pub mod ids;
pub mod letter;
pub mod recurrence;
pub mod series;
pub mod source;
pub mod task;

pub use content::{Content, Description, Due, Priority, Reminder, Tags, Title};
pub use event::{Change, EventKind};
pub use ids::{DeadLetterId, EventId, RequestId, SeriesId, TaskId, UserId};
pub use letter::LetterState;
pub use recurrence::Recurrence;
pub use series::Series;
pub use source::{Clock, Ids};
pub use task::{Refused, State, Task};

/// A point on the time line, to the microsecond.
pub type Instant = chrono::DateTime<chrono::Utc>;

pub use chrono::TimeDelta;
