//! Any bytes as an event of each kind: no panic, and what is read is written and read the same.
#![no_main]

use docket_domain::{Change, EventKind};
use docket_fuzz::{assert_tells, plant};
use docket_wire::event::{DecodeError, decode, encode};
use docket_wire::{preferences_event, reminder_event};
use libfuzzer_sys::{Corpus, fuzz_target};

/// The events of every version that were ever published.
const GOLDENS: [&[u8]; 8] = [
    include_bytes!("../../wire/goldens/task_event/v1/completed_recurring.json"),
    include_bytes!("../../wire/goldens/task_event/v1/created.json"),
    include_bytes!("../../wire/goldens/task_event/v1/created_all_day.json"),
    include_bytes!("../../wire/goldens/reminder_event/v1/due.json"),
    include_bytes!("../../wire/goldens/reminder_event/v1/sent.json"),
    include_bytes!("../../wire/goldens/reminder_event/v1/called_off.json"),
    include_bytes!("../../wire/goldens/reminder_event/v1/missed.json"),
    include_bytes!("../../wire/goldens/preferences_event/v1/updated.json"),
];

fuzz_target!(init: plant(GOLDENS.map(<[u8]>::to_vec)), |data: &[u8]| -> Corpus {
    of_reminder(data);
    of_preferences(data);
    let event = match decode(data) {
        Ok(event) => event,
        Err(DecodeError::InvalidFields(refusal)) => {
            assert_tells(&refusal);
            return Corpus::Keep;
        }
        // Most of what random bytes are; JSON that follows another version is worth a place.
        Err(DecodeError::NotJson(_)) => return Corpus::Reject,
        Err(_) => return Corpus::Keep,
    };
    let task = match event.task() {
        Ok(task) => task,
        Err(DecodeError::InvalidFields(refusal)) => {
            assert_tells(&refusal);
            return Corpus::Keep;
        }
        Err(other) => panic!("a decoded event is refused as {other:?}"),
    };
    assert_eq!((task.id, &task.user_id, task.version), (event.task_id, &event.user_id, event.version));

    // What follows from an event is worked out by whoever receives it, so it must be possible for each.
    let _ = task.next();

    let created = Change { kind: EventKind::Created, before: None, after: task };
    let again = decode(&encode(&created, event.id)).expect("what was written is read");
    assert_eq!((again.id, again.version, &again.user_id), (event.id, event.version, &event.user_id));
    assert_eq!(again.task().expect("with its task"), created.after);

    let updated = Change { kind: EventKind::Updated, before: Some(again.task().unwrap()), after: created.after };
    let again = decode(&encode(&updated, event.id)).expect("what was written is read");
    assert_eq!(again.changed_fields, [""; 0], "nothing has changed");
    Corpus::Keep
});

fn of_reminder(data: &[u8]) {
    match reminder_event::decode(data) {
        Ok(mut notice) => {
            // Those become spaces when they are written.
            for outcome in &mut notice.outcomes {
                outcome.reason = outcome.reason.replace(char::is_control, " ");
            }
            let again = reminder_event::decode(&reminder_event::encode(&notice));
            assert_eq!(again.expect("what was written is read"), notice);
        }
        Err(DecodeError::InvalidFields(refusal)) => assert_tells(&refusal),
        Err(_) => {}
    }
}

fn of_preferences(data: &[u8]) {
    match preferences_event::decode(data) {
        Ok(notice) => {
            let again = preferences_event::decode(&preferences_event::encode(&notice));
            assert_eq!(again.expect("what was written is read"), notice);
        }
        Err(DecodeError::InvalidFields(refusal)) => assert_tells(&refusal),
        Err(_) => {}
    }
}
