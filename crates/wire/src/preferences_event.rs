//! The codec of the events of preferences: the `data` of CloudEvents of type `com.todo.preferences.updated`.

use docket_domain::{ClockTime, EventId, UserId};
use docket_proto::event;

use crate::Violations;
use crate::event::{DecodeError, SCHEMA_VERSION, mapping};

/// What others have to know of a user's preferences.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PreferencesNotice {
    /// Names the event: the same for every delivery.
    pub id: EventId,
    /// The user.
    pub user_id: UserId,
    /// Counts the user's changes, from 1.
    pub sequence: i64,
    /// The time of day from which reminders of all-day tasks are counted.
    pub all_day_time: ClockTime,
}

/// Writes an event.
pub fn encode(notice: &PreferencesNotice) -> Vec<u8> {
    let message = event::PreferencesEvent {
        schema_version: SCHEMA_VERSION,
        user_id: notice.user_id.to_string(),
        sequence: notice.sequence,
        idempotency_key: notice.id.to_string(),
        all_day_time: notice.all_day_time.to_string(),
    };
    mapping::write(&message).to_string().into_bytes()
}

/// Reads an event. Fields that this version does not know are passed over, because later ones may add some.
pub fn decode(bytes: &[u8]) -> Result<PreferencesNotice, DecodeError> {
    let message: event::PreferencesEvent = mapping::read(bytes)?;
    let mut violations = Violations::default();
    let v = &mut violations;
    let id = v.check("idempotency_key", message.idempotency_key.parse());
    let user_id = v.check("user_id", message.user_id.parse());
    if message.sequence < 1 {
        v.add("sequence", "must be 1 or more");
    }
    let all_day_time = v.check("all_day_time", message.all_day_time.parse());
    let notice = id.zip(user_id).zip(all_day_time).map(|((id, user_id), all_day_time)| PreferencesNotice {
        id,
        user_id,
        sequence: message.sequence,
        all_day_time,
    });
    violations.into_result(notice).map_err(DecodeError::InvalidFields)
}
