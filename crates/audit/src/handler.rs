//! Stores every event of a task, and what became of its reminders.

use async_trait::async_trait;
use docket_domain::{Heard, ReminderEventKind};
use docket_sidecar::{Delivery, HandlerError, TopicHandler};
use docket_store::audit::{Entry, NewEntry};
use docket_store::inbox::Arrival;
use docket_telemetry::TraceContext;
use docket_wire::event::DecodeError;
use docket_wire::{ObjectText, event, preferences_event, reminder_event};

use crate::Deps;

/// Names the handler in the inbox.
const NAME: &str = "audit";

/// What the log keeps of an event, as it was received.
type Recorded = Entry<ObjectText>;

/// The handler of task events.
#[derive(Clone)]
pub struct Handler {
    deps: Deps,
}

impl Handler {
    pub(crate) fn new(deps: Deps) -> Self {
        Self { deps }
    }

    fn read(&self, delivery: &Delivery) -> Result<NewEntry<ObjectText>, HandlerError> {
        let entry = self.entry(delivery)?;
        let replay = delivery.metadata.replay();
        let arrival = Arrival { event: delivery.event_id, replay: replay.as_ref().map(|replay| replay.id) };
        let refills = replay.is_some_and(|replay| replay.handler.as_deref() == Some(NAME));
        Ok(NewEntry { arrival, refills, entry })
    }

    /// What the log keeps of an event; nothing of preferences, because addresses are not for ever.
    fn entry(&self, delivery: &Delivery) -> Result<Option<Recorded>, HandlerError> {
        fail::fail_point!("audit-hopeless", |_| Err(HandlerError::hopeless("failpoint")));
        match Heard::from_event_type(&delivery.event_type) {
            Some(Heard::Task(_)) => self.of_task(delivery).map(Some),
            Some(Heard::Reminder(
                ReminderEventKind::Sent | ReminderEventKind::Failed | ReminderEventKind::Missed,
            )) => self.of_reminder(delivery).map(Some),
            // On its way, which is told on a topic of its own.
            Some(Heard::Reminder(ReminderEventKind::Due)) => Ok(None),
            Some(Heard::Preferences) => {
                preferences_event::decode(&delivery.data).map_err(unreadable)?;
                Ok(None)
            }
            None => Err(HandlerError::hopeless(format!("unknown event type {}", delivery.event_type))),
        }
    }

    fn of_task(&self, delivery: &Delivery) -> Result<Recorded, HandlerError> {
        let event = event::decode(&delivery.data).map_err(unreadable)?;
        Ok(Entry {
            event_id: delivery.event_id,
            event_type: delivery.event_type.clone(),
            task_id: event.task_id,
            user_id: event.user_id,
            task_version: event.version,
            event_time: delivery.time,
            record_time: self.deps.clock.now(),
            before: event.before,
            after: event.after,
            trace_id: delivery.trace.as_ref().and_then(|trace| trace_id(&trace.parent)),
        })
    }

    fn of_reminder(&self, delivery: &Delivery) -> Result<Recorded, HandlerError> {
        let notice = reminder_event::decode(&delivery.data).map_err(unreadable)?;
        // As it was received, with the fields that this version does not know.
        let after = ObjectText::read(&delivery.data).map_err(DecodeError::NotJson);
        Ok(Entry {
            event_id: delivery.event_id,
            event_type: delivery.event_type.clone(),
            task_id: notice.task_id,
            user_id: notice.user_id,
            // It changes nothing of the task.
            task_version: 0,
            event_time: delivery.time,
            record_time: self.deps.clock.now(),
            before: None,
            after: after.map_err(unreadable)?,
            trace_id: delivery.trace.as_ref().and_then(|trace| trace_id(&trace.parent)),
        })
    }
}

fn unreadable(source: DecodeError) -> HandlerError {
    HandlerError::Hopeless { reason: "the event can not be read".to_owned(), source: Some(source.into()) }
}

#[async_trait]
impl TopicHandler for Handler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.store(&[self.read(delivery)?]).await
    }

    async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
        self.store(&HandlerError::read_all(deliveries, |delivery| self.read(delivery)).await?).await
    }
}

impl Handler {
    /// Stores what is new of these, in one transaction however many there are.
    async fn store(&self, events: &[NewEntry<ObjectText>]) -> Result<(), HandlerError> {
        fail::fail_point!("audit-error", |_| Err(HandlerError::retry("failpoint")));
        fail::fail_point!("audit-panic");
        let stored = self.deps.store.audit_record(NAME, events, self.deps.clock.now()).await;
        stored.map_err(|error| HandlerError::of_database(error.is_refused(), error))?;
        Ok(())
    }
}

/// The trace id of a `traceparent`: 32 digits, or nothing.
fn trace_id(traceparent: &str) -> Option<String> {
    TraceContext::parse(Some(traceparent), None).trace_id().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use docket_domain::source::Clock;
    use docket_domain::{EventId, Instant};
    use docket_sidecar::Metadata;
    use docket_store::audit::Listing;
    use docket_store::{Config, Schema, Store, Stores};
    use sea_orm::ConnectionTrait as _;

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Instant {
            "2027-01-01T12:00:00Z".parse().unwrap()
        }
    }

    async fn world() -> (Handler, Store, Stores) {
        let config = Config { url: "sqlite::memory:".to_owned(), ..Config::default() };
        let stores = Stores::open(&config, &[]).await.unwrap();
        stores.migrate_up(None).await.unwrap();
        let store = stores.of(Schema::Audit);
        (Handler::new(Deps { store: store.clone(), clock: Arc::new(Noon) }), store, stores)
    }

    fn id(number: u8) -> EventId {
        format!("0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e{number:02x}").parse().unwrap()
    }

    fn event(number: u8, metadata: &[(&str, &str)]) -> Delivery {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let data = include_bytes!("../../wire/goldens/task_event/v1/created.json");
        Delivery {
            event_id: id(number),
            event_type: "com.todo.task.created".to_owned(),
            source: "docket/tasks".to_owned(),
            subject: "a".to_owned(),
            time: Noon.now(),
            pubsub: "pubsub".to_owned(),
            topic: "task-events".to_owned(),
            trace: None,
            metadata: metadata.collect::<Metadata>(),
            data: Bytes::from_static(data),
            original: Bytes::new(),
        }
    }

    async fn stored(store: &Store, like: &Delivery) -> usize {
        let owner = event::decode(&like.data).unwrap().user_id;
        store.audit_list(&owner, &Listing { limit: 1_000, ..Listing::default() }).await.unwrap().0.len()
    }

    #[tokio::test]
    async fn a_batch_is_two_statements_however_large_it_is() {
        let (handler, store, stores) = world().await;
        let events: Vec<Delivery> = (0..100).map(|number| event(number, &[])).collect();
        for (count, expect) in [(1, 1), (100, 100), (100, 100)] {
            let before = stores.statements().count();
            handler.handle_all(&events[..count].iter().collect::<Vec<_>>()).await.unwrap();
            assert!(stores.statements().count() - before <= 2, "{count}");
            assert_eq!(stored(&store, &events[0]).await, expect, "each once, however often it comes");
        }
    }

    fn of(number: u8, kind: &str, data: &'static [u8]) -> Delivery {
        let event_type = format!("com.todo.{kind}");
        Delivery { event_type, data: Bytes::from_static(data), ..event(number, &[]) }
    }

    #[tokio::test]
    async fn what_became_of_a_reminder_is_kept_beside_its_task() {
        let (handler, store, _stores) = world().await;
        let sent = include_bytes!("../../wire/goldens/reminder_event/v1/sent.json");
        let failed = include_bytes!("../../wire/goldens/reminder_event/v1/failed.json");
        let missed = include_bytes!("../../wire/goldens/reminder_event/v1/missed.json");
        let events = [
            event(1, &[]),
            of(2, "reminder.sent", sent),
            of(3, "reminder.failed", failed),
            of(4, "reminder.missed", missed),
        ];
        for _ in 0..2 {
            handler.handle_all(&events.iter().collect::<Vec<_>>()).await.unwrap();
        }
        let task = event::decode(&events[0].data).unwrap();
        let listing = Listing { task_id: Some(task.task_id), limit: 10, ..Listing::default() };
        let (entries, _) = store.audit_list(&task.user_id, &listing).await.unwrap();
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (entry.event_id, entry.event_type.as_str(), entry.task_version))
            .collect();
        // All of one instant: the entry of the task's own version comes after those of none.
        let expect = [
            (id(2), "com.todo.reminder.sent", 0),
            (id(3), "com.todo.reminder.failed", 0),
            (id(4), "com.todo.reminder.missed", 0),
            (id(1), "com.todo.task.created", 1),
        ];
        assert_eq!(told, expect, "each once");
        assert_eq!(entries[0].after, serde_json::from_slice::<serde_json::Value>(sent).unwrap());
        assert_eq!(entries[0].before, None);
        let versions = store.audit_versions(None, 10).await.unwrap();
        let [versions] = versions.as_slice() else { panic!("{versions:?}") };
        assert_eq!(
            (versions.highest, versions.missing.as_slice()),
            (1, &[][..]),
            "no version is doubled or missing"
        );
    }

    #[tokio::test]
    async fn preferences_are_done_with_and_not_kept() {
        let (handler, store, _stores) = world().await;
        let updated = include_bytes!("../../wire/goldens/preferences_event/v1/updated.json");
        let due = include_bytes!("../../wire/goldens/reminder_event/v1/due.json");
        let others = [of(1, "preferences.updated", updated), of(2, "reminder.due", due)];
        handler.handle_all(&others.iter().collect::<Vec<_>>()).await.unwrap();
        assert_eq!(stored(&store, &event(3, &[])).await, 0);
        let arrivals: Vec<Arrival> =
            others.iter().map(|event| Arrival { event: event.event_id, replay: None }).collect();
        let open = store.inbox_would_begin(NAME, &arrivals).await.unwrap();
        assert_eq!(open, [false, false], "the receipt is there");
        for broken in ["preferences.updated", "reminder.sent", "reminder.rung"] {
            let error = handler.handle(&of(4, broken, b"{}")).await.unwrap_err();
            assert!(matches!(error, HandlerError::Hopeless { .. }), "{broken}: {error:?}");
        }
    }

    #[tokio::test]
    async fn what_a_release_gave_up_that_did_not_know_it_is_kept_after_a_replay() {
        let (handler, store, _stores) = world().await;
        let sent = of(2, "reminder.sent", include_bytes!("../../wire/goldens/reminder_event/v1/sent.json"));
        let arrival = &Arrival { event: id(2), replay: None };
        let reason = "unknown event type com.todo.reminder.sent";
        let dead: Result<bool, docket_store::Error> =
            store.transaction(|tx| Box::pin(tx.inbox_bury(NAME, arrival, reason, Noon.now()))).await;
        assert!(dead.unwrap());
        handler.handle(&sent).await.unwrap();
        assert_eq!(stored(&store, &event(1, &[])).await, 0, "it was given up");
        let metadata = event(2, &[("docket-replay", &id(9).to_string())]).metadata;
        let replay = Delivery { metadata, ..sent };
        for _ in 0..2 {
            handler.handle(&replay).await.unwrap();
            assert_eq!(stored(&store, &event(1, &[])).await, 1);
        }
    }

    #[tokio::test]
    async fn what_can_not_be_read_is_named_before_anything_is_stored() {
        let (handler, store, _stores) = world().await;
        let good = event(1, &[]);
        let strange = Delivery { event_type: "com.todo.task.painted".to_owned(), ..event(2, &[]) };
        let broken = Delivery { data: Bytes::from_static(b"{}"), ..event(3, &[]) };
        let failed = handler.handle_all(&[&good, &strange, &broken]).await.unwrap_err();
        assert!(matches!(&failed, HandlerError::HopelessAmong(places) if places == &[1, 2]), "{failed:?}");
        assert_eq!(stored(&store, &good).await, 0);
    }

    #[tokio::test]
    async fn what_is_published_again_for_the_log_is_stored_whatever_the_inbox_says() {
        let (handler, store, _stores) = world().await;
        let arrival = &Arrival { event: id(1), replay: None };
        let done: Result<bool, docket_store::Error> =
            store.transaction(|tx| Box::pin(tx.inbox_begin(NAME, arrival, Noon.now()))).await;
        done.unwrap();
        handler.handle(&event(1, &[])).await.unwrap();
        let replay = id(9).to_string();
        handler.handle(&event(1, &[("docket-replay", &replay)])).await.unwrap();
        assert_eq!(stored(&store, &event(1, &[])).await, 0, "it was done with before");
        let second = id(10).to_string();
        let for_the_log = [("docket-replay", second.as_str()), ("docket-handler", "audit")];
        handler.handle(&event(1, &for_the_log)).await.unwrap();
        assert_eq!(stored(&store, &event(1, &[])).await, 1);
    }

    #[test]
    fn a_trace_id_has_32_digits() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(), Some(id));
        for parent in ["", "\0", "00-4bf9-01", "00-a\0b-01", &format!("00-{}-01", "a".repeat(100_000))] {
            assert_eq!(trace_id(parent), None, "{parent:?}");
        }
    }

    #[tokio::test]
    async fn what_the_database_refuses_is_hopeless_and_its_absence_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let url = docket_store::url_of(&folder.path().join("docket.db"));
        let stores = Stores::open(&Config { url: url.clone(), ..Config::default() }, &[]).await.unwrap();
        stores.migrate_up(None).await.unwrap();
        let handler = Handler::new(Deps { store: stores.of(Schema::Audit), clock: Arc::new(Noon) });
        let raw = sea_orm::Database::connect(&url).await.unwrap();
        let picky = "CREATE TRIGGER picky BEFORE INSERT ON audit_entries \
            WHEN NEW.event_type = 'com.todo.task.deleted' BEGIN SELECT RAISE(ABORT, 'never deleted'); END";
        raw.execute_unprepared(picky).await.unwrap();
        let refused = Delivery { event_type: "com.todo.task.deleted".to_owned(), ..event(2, &[]) };
        let error = handler.handle(&refused).await.unwrap_err();
        let HandlerError::Hopeless { reason, source } = &error else { panic!("{error:?}") };
        assert_eq!(reason, "the database refuses what the event holds");
        assert!(format!("{source:?}").contains("never deleted"), "{source:?}");
        handler.handle_all(&[&event(1, &[]), &refused]).await.unwrap_err();
        handler.handle(&event(1, &[])).await.unwrap();

        raw.execute_unprepared("DROP TABLE audit_entries").await.unwrap();
        let error = handler.handle(&event(3, &[])).await.unwrap_err();
        assert!(matches!(error, HandlerError::Retry(_)), "{error:?}");
    }
}
