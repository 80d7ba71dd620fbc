//! What Docket knows about tasks and time, as pure functions: `now` is a parameter, nothing here does I/O.
#![doc = include_str!("../README.md")]

pub mod address;
pub mod clock;
pub mod content;
pub mod event;
pub mod filter;
pub mod ids;
pub mod letter;
pub mod notice;
pub mod recurrence;
pub mod reminder;
pub mod series;
pub mod source;
pub mod task;

pub use address::{EmailAddress, WebhookOrigin, WebhookUrl};
pub use clock::{ClockTime, QuietHours};
pub use content::{Channel, Content, Description, Due, Priority, Reminder, Tags, Title};
pub use event::{Change, EventKind, Heard, ReminderEventKind};
pub use ids::{DeadLetterId, DeliveryId, EventId, ReminderId, RequestId, SeriesId, TaskId, UserId};
pub use letter::LetterState;
pub use notice::{Delivery, DeliveryEnd, DeliveryKind, DeliveryState, Digest, Locale, Preferences};
pub use recurrence::Recurrence;
pub use reminder::{Firing, FiringEnd, Planned, ReminderNumber, ReminderState, TaskReminder};
pub use series::Series;
pub use source::{Clock, Ids};
pub use task::{Refused, State, Task};

/// A point on the time line, to the microsecond.
pub type Instant = chrono::DateTime<chrono::Utc>;

pub use chrono::TimeDelta;
