//! The tables as sea-orm sees them: rows only, no rules. Times are microseconds since 1970 in UTC.

#![expect(unreachable_pub, reason = "sea-orm's macros make public items")]

pub(crate) mod audit_entries;
pub(crate) mod dead_letter_actions;
pub(crate) mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod idempotency_keys;
pub(crate) mod inbox;
pub(crate) mod occurrences;
pub(crate) mod outbox;
pub(crate) mod preferences;
pub(crate) mod published_events;
pub(crate) mod reminder_tasks;
pub(crate) mod reminder_users;
pub(crate) mod reminders;
pub(crate) mod task_tags;
pub(crate) mod tasks;
pub(crate) mod user_sequences;
