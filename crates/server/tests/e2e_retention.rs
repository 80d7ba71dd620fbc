//! What is kept for a while is forgotten after that, and nothing else is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use docket_domain::source::{Clock, Ids as _};
use docket_domain::{DeadLetterId, EventId, Instant, LetterState, TimeDelta};
use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::{CreateTaskRequest, SendTestNotificationRequest, Task};
use docket_server::retention::{BATCH, BATCHES, Config, LETTERS_BATCH, Purge};
use docket_server::source::{SystemClock, TimeOrderedIds};
use docket_store::Schema;
use docket_store::dead_letters::{Action, Deed, Filter, Listing, NewLetter};
use docket_store::inbox::Arrival;
use docket_testkit::callback::{Answer, TopicEvent};
use docket_testkit::{Opened, Stack, Storage, User, once, repeating};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// A clock that stands.
struct At(Instant);

impl Clock for At {
    fn now(&self) -> Instant {
        self.0
    }
}

/// What forgets, as if it were so much later, the old rows of all targets.
fn purge_after(age: TimeDelta, database: &Opened) -> Purge {
    let clock = At(SystemClock.now() + age);
    let purge = Purge::new(Config::default(), Arc::new(clock), Arc::new(|| 0.0));
    Schema::ALL.into_iter().fold(purge, |purge, schema| purge.target(schema, &database.of(schema)))
}

/// One cycle so much later.
async fn cycle_after(age: TimeDelta, database: &Opened) {
    purge_after(age, database).cycle(&CancellationToken::new()).await;
}

fn letter(n: usize) -> NewLetter {
    NewLetter {
        id: DeadLetterId::from_uuid(TimeOrderedIds.uuid()),
        handler: "audit".to_owned(),
        event_id: EventId::from_uuid(TimeOrderedIds.uuid()),
        event_type: None,
        pubsub: "pubsub".to_owned(),
        topic: "task-events".to_owned(),
        key: format!("key {n}"),
        partition: None,
        offset: None,
        headers: Default::default(),
        reason: "it is no event".to_owned(),
        original: b"no event".to_vec(),
        time: SystemClock.now(),
        replay: None,
    }
}

/// Three letters: one is open, one was replayed, one was discarded.
async fn keep_letters(database: &Opened) {
    let letters: Vec<NewLetter> = (0..3).map(letter).collect();
    let action =
        |deed| Action { id: TimeOrderedIds.uuid(), deed, actor: "root".to_owned(), time: SystemClock.now() };
    let replay = EventId::from_uuid(TimeOrderedIds.uuid());
    let actions = vec![
        (letters[1].id, action(Deed::Replayed { replay, only_failed_handler: false })),
        (letters[2].id, action(Deed::Discarded { reason: "it never was one".to_owned() })),
    ];
    let (letters, actions) = (&letters, &actions);
    let kept: Result<(), docket_store::Error> = database
        .of(Schema::DeadLetters)
        .transaction(|tx| {
            Box::pin(async move {
                tx.letters_keep(letters).await?;
                let (_locked, _more) = tx.letters_lock(&Filter::default(), 10).await?;
                tx.letters_act(actions).await.map(drop)
            })
        })
        .await;
    kept.unwrap();
}

async fn letters(database: &Opened) -> Vec<(LetterState, u64)> {
    let all = Listing { limit: u32::MAX, ..Listing::default() };
    let (letters, _more) = database.of(Schema::DeadLetters).letter_list(&all).await.unwrap();
    let mut counts = BTreeMap::new();
    for letter in letters {
        *counts.entry(letter.state).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// The kept events of a task as they were published.
async fn published(database: &Opened, task: &Task) -> Vec<String> {
    let task_id = task.task_id.parse().unwrap();
    let events = database.of(Schema::Tasks).published_of("task-events", task_id, None, 100).await.unwrap();
    let message = |event: docket_store::published::Published| {
        json!({
            "specversion": "1.0",
            "id": event.event_id.to_string(),
            "source": event.source,
            "type": event.event_type,
            "subject": event.key,
            "time": event.time.to_rfc3339(),
            "datacontenttype": "application/json",
            "data": serde_json::from_slice::<serde_json::Value>(&event.payload).unwrap(),
        })
        .to_string()
    };
    events.into_iter().map(message).collect()
}

/// Creates a task under this request id, and answers how many tasks of its title there are then.
async fn created_again(user: &User, request_id: &str) -> usize {
    let task = once("Call the plumber");
    let request = CreateTaskRequest {
        task: Some(task.clone()),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    user.tasks().create_task(request).await.unwrap();
    user.all_tasks().await.into_iter().filter(|other| other.title == task.title).count()
}

/// Delivers events once more to every replica; each must be acknowledged.
async fn deliver(stack: &Stack, events: &[String]) {
    for sidecar in stack.sidecars() {
        for event in events {
            let event = TopicEvent::raw("pubsub", "task-events", event.clone());
            assert_eq!(sidecar.topic_event(event).await.unwrap(), Answer::Success);
        }
    }
}

/// The handlers of the target's inbox that know the event.
async fn handled(database: &Opened, event: EventId) -> Vec<&'static str> {
    let mut handlers = Vec::new();
    let all =
        [(Schema::Audit, "audit"), (Schema::Recurrence, "recurrence"), (Schema::Reminders, "reminders")];
    for (schema, handler) in all {
        let arrival = Arrival { event, replay: None };
        if database.of(schema).inbox_would_begin(handler, &[arrival]).await.unwrap() == [false] {
            handlers.push(handler);
        }
    }
    handlers
}

async fn what_is_old_goes_and_what_is_young_stays(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let alice = stack.user("alice");
    let request_id = uuid::Uuid::new_v4().to_string();
    assert_eq!(created_again(&alice, &request_id).await, 1);
    let chore = alice.create(repeating("Sweep", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")).await;
    alice.complete(&chore).await;
    alice.successor_of(&chore).await;
    let test = SendTestNotificationRequest { channel: Channel::Email.into(), ..Default::default() };
    alice.notification_service().send_test_notification(test).await.unwrap();
    stack.settled().await;
    let database = stack.docket.database().await;
    keep_letters(&database).await;
    let events = published(&database, &chore).await;
    assert_eq!(events.len(), 2, "{events:?}");
    let completed = database
        .of(Schema::Tasks)
        .published_of("task-events", chore.task_id.parse().unwrap(), None, 2)
        .await
        .unwrap();
    let completed = completed[1].event_id;
    let (day, hour) = (TimeDelta::days, TimeDelta::hours(1));

    cycle_after(day(8) - hour, &database).await;
    assert_eq!(created_again(&alice, &request_id).await, 1, "the first answer is kept");
    cycle_after(day(8) + hour, &database).await;
    assert_eq!(created_again(&alice, &request_id).await, 2, "it was forgotten, and the call is a new one");

    cycle_after(day(30) - hour, &database).await;
    assert_eq!(published(&database, &chore).await, events);
    deliver(&stack, &events).await;
    alice.expect_story(&chore, &["created", "completed"]).await;
    assert_eq!(alice.series_of(&chore).await.len(), 2, "one occurrence follows");
    assert_eq!(handled(&database, completed).await, ["audit", "recurrence", "reminders"]);

    cycle_after(day(30) + hour, &database).await;
    assert_eq!(published(&database, &chore).await, [""; 0]);
    assert_eq!(handled(&database, completed).await, [""; 0]);

    use LetterState::{Discarded, Open, Replayed};
    cycle_after(day(90) - hour, &database).await;
    assert_eq!(letters(&database).await, [(Open, 1), (Replayed, 1), (Discarded, 1)]);
    assert_eq!(alice.reminders_of(&chore).await.len(), 1, "it was cancelled");
    assert_eq!(alice.deliveries().await.len(), 1);
    cycle_after(day(90) + hour, &database).await;
    assert_eq!(letters(&database).await, [(Open, 1)], "nobody has dealt with it");
    assert_eq!(alice.reminders_of(&chore).await, []);
    assert_eq!(alice.reminders().await.len(), 1, "that of the next occurrence is still to come");
    assert_eq!(alice.deliveries().await, []);

    // What has not arrived is never too old.
    stack.pause_sidecars();
    alice.create(once("Wait")).await;
    let waiting = database.depth().await.unwrap();
    assert!(waiting > 0);
    cycle_after(day(10_000), &database).await;
    assert_eq!(database.depth().await.unwrap(), waiting);
    database.close().await;
    stack.resume_sidecars();
    stack.settled().await;
    assert_eq!(alice.all_tasks().await.len(), 5, "tasks stay");
    alice.expect_story(&chore, &["created", "completed"]).await;
}

/// Fills an inbox with what a handler was done with an hour ago.
async fn fill_inbox(database: &Opened, rows: u64) {
    let now = SystemClock.now() - TimeDelta::hours(1);
    let arrival = |_| Arrival { event: EventId::from_uuid(TimeOrderedIds.uuid()), replay: None };
    let arrivals: Vec<Arrival> = (0..rows).map(arrival).collect();
    for some in arrivals.chunks(5_000) {
        let begun: Result<Vec<bool>, docket_store::Error> = database
            .of(Schema::Audit)
            .transaction(|tx| Box::pin(tx.inbox_begin_all("audit", some, now)))
            .await;
        begun.unwrap();
    }
}

async fn a_cycle_is_a_bounded_number_of_bounded_statements(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).without_dapr().start().await;
    let database = stack.docket.database().await;
    let inbox = database.of(Schema::Audit);
    let most = BATCH * u64::from(BATCHES);
    fill_inbox(&database, most + BATCH + 10).await;
    let purge = Purge::new(
        Config::default(),
        Arc::new(At(SystemClock.now() + TimeDelta::days(30))),
        Arc::new(|| 0.0),
    );
    let purge = purge.target(Schema::Audit, &inbox);
    let cycle = async || {
        let before = inbox.statements().count();
        purge.cycle(&CancellationToken::new()).await;
        inbox.statements().count() - before
    };
    assert_eq!(cycle().await, u64::from(BATCHES));
    let left = inbox.purge_inbox(SystemClock.now(), 2 * most).await.unwrap();
    assert_eq!(left, BATCH + 10, "what was left to the next cycle");

    fill_inbox(&database, BATCH + 10).await;
    assert_eq!(cycle().await, 2);
    assert_eq!(inbox.purge_inbox(SystemClock.now(), BATCH).await.unwrap(), 0);
    let stop = CancellationToken::new();
    stop.cancel();
    fill_inbox(&database, 10).await;
    purge.cycle(&stop).await;
    assert_eq!(
        inbox.purge_inbox(SystemClock.now(), BATCH).await.unwrap(),
        10,
        "nothing begins after the order to stop"
    );
    database.close().await;
}

async fn letters_go_a_few_at_a_time(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).without_dapr().start().await;
    let database = stack.docket.database().await;
    let store = database.of(Schema::DeadLetters);
    let kept: Vec<NewLetter> = (0..LETTERS_BATCH as usize + 10).map(letter).collect();
    let discarded = |letter: &NewLetter| {
        let deed = Deed::Discarded { reason: "it never was one".to_owned() };
        let time = SystemClock.now();
        (letter.id, Action { id: TimeOrderedIds.uuid(), deed, actor: "root".to_owned(), time })
    };
    let actions: Vec<(DeadLetterId, Action)> = kept.iter().map(discarded).collect();
    let (kept, actions) = (&kept, &actions);
    let done: Result<(), docket_store::Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                tx.letters_keep(kept).await?;
                tx.letters_act(actions).await.map(drop)
            })
        })
        .await;
    done.unwrap();
    assert_eq!(letters(&database).await, [(LetterState::Discarded, LETTERS_BATCH + 10)]);
    let clock = At(SystemClock.now() + TimeDelta::days(90));
    let before = store.statements().count();
    let purge = Purge::new(Config::default(), Arc::new(clock), Arc::new(|| 0.0));
    purge.target(Schema::DeadLetters, &store).cycle(&CancellationToken::new()).await;
    assert_eq!(store.statements().count() - before, 3, "one for the inbox, two for letters");
    assert_eq!(letters(&database).await, []);
    database.close().await;
}

async fn replicas_forget_side_by_side(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).without_dapr().start().await;
    let (one, other) = (stack.docket.database().await, stack.docket.database().await);
    let later = TimeDelta::days(30);
    fill_inbox(&one, 4 * BATCH).await;
    tokio::join!(cycle_after(later, &one), cycle_after(later, &other));
    let left = one.of(Schema::Audit).purge_inbox(SystemClock.now(), 4 * BATCH).await.unwrap();
    assert!(left <= BATCH, "one may have left to its next cycle what the other was at: {left}");

    // One that stands still in the middle of a batch holds nobody up.
    if let Storage::Postgres(database) = &storage {
        fill_inbox(&one, 10).await;
        let still = database.superuser_client().await;
        still
            .batch_execute("BEGIN; SELECT 1 FROM audit.inbox ORDER BY create_time LIMIT 3 FOR UPDATE")
            .await
            .unwrap();
        cycle_after(later, &one).await;
        let rows = still.query_one("SELECT count(*) FROM audit.inbox", &[]).await.unwrap();
        assert_eq!(rows.get::<_, i64>(0), 3);
        still.batch_execute("ROLLBACK").await.unwrap();
        cycle_after(later, &other).await;
        assert_eq!(one.of(Schema::Audit).purge_inbox(SystemClock.now(), BATCH).await.unwrap(), 0);
    }
    one.close().await;
    other.close().await;
}

docket_testkit::on_each_database!(
    what_is_old_goes_and_what_is_young_stays,
    a_cycle_is_a_bounded_number_of_bounded_statements,
    letters_go_a_few_at_a_time,
    replicas_forget_side_by_side,
);
docket_testkit::with_two_replicas!(what_is_old_goes_and_what_is_young_stays);
