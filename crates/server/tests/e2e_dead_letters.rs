//! What can not be handled is kept with its reason, stands in the way of nothing else, and comes back when it is asked to.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use docket_domain::TimeDelta;
use docket_domain::source::Clock as _;
use docket_proto::v1::recurrence::Pattern;
use docket_server::source::SystemClock;
use docket_testkit::callback::{Answer, TopicEvent};
use docket_testkit::{PATIENCE, Stack, StackBuilder, Storage, User, repeating, wait_for};
use futures::future::join_all;
use serde_json::{Value, json};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

fn stack(storage: &Storage) -> StackBuilder {
    Stack::builder(Path::new(DOCKET)).storage(storage)
}

/// `docket dlq` as Carol, on the machine of the server; each line is what it says about a letter.
fn dlq(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    dlq_as("carol", stack, arguments)
}

fn dlq_as(user: &str, stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    let common = ["dlq", "--format", "json", "--user", user];
    let said = stack.docket.run(&[&common, arguments].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn letters(stack: &Stack) -> Vec<Value> {
    dlq(stack, &["list"])
}

/// So many letters, with all that is known of them.
async fn whole_letters(stack: &Stack, count: usize) -> Vec<Value> {
    let listed = wait_for("the letters", PATIENCE, async || {
        let letters = letters(stack);
        if letters.len() == count { Ok(letters) } else { Err(format!("{letters:#?}")) }
    })
    .await;
    listed.iter().flat_map(|letter| dlq(stack, &["show", id_of(letter)])).collect()
}

fn id_of(letter: &Value) -> &str {
    letter["dead_letter_id"].as_str().unwrap()
}

fn ids(letters: &[Value]) -> Vec<&str> {
    letters.iter().map(id_of).collect()
}

/// State, handler and failures of each letter, in order.
fn summary(letters: &[Value]) -> Vec<(String, String, i64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |letter: &Value| {
        (text(&letter["state"]), text(&letter["handler"]), letter["failures"].as_i64().unwrap())
    };
    let mut all: Vec<_> = letters.iter().map(one).collect();
    all.sort();
    all
}

fn expected(state: &str, handlers: &[(&str, i64)]) -> Vec<(String, String, i64)> {
    handlers.iter().map(|(handler, failures)| (state.to_owned(), (*handler).to_owned(), *failures)).collect()
}

/// An event that no handler knows.
fn painted(id: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "docket/tasks",
        "type": "com.todo.task.painted",
        "subject": uuid::Uuid::new_v4(),
        "time": "2027-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {},
    })
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Alice completes a chore, and its successor appears.
async fn completes_a_chore(stack: &Stack) -> (User, docket_proto::v1::Task) {
    let alice = stack.user("alice");
    let chore = alice.create(repeating("Sweep", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")).await;
    alice.complete(&chore).await;
    alice.successor_of(&chore).await;
    (alice, chore)
}

async fn an_event_that_cannot_be_handled_is_kept_and_the_others_go_on(storage: Storage) {
    let stack = stack(&storage).start().await;
    let id = uuid();
    let strange = painted(&id).to_string();
    let garbage = b"\xff not an event".to_vec();
    // Delivered again and again, as a broker does that lost the answer, and to all replicas at the same time.
    for _ in 0..3 {
        for bytes in [strange.clone().into_bytes(), garbage.clone()] {
            let event = TopicEvent::raw("pubsub", "task-events", bytes);
            let sidecars = stack.sidecars();
            let sidecars: Vec<_> = sidecars.into_iter().map(|one| one.with("x-tenant", "7")).collect();
            let answers = sidecars.iter().map(|sidecar| sidecar.topic_event(event.clone()));
            for answer in join_all(answers).await {
                assert_eq!(answer.unwrap(), Answer::Success, "acknowledged, because it is kept");
            }
        }
    }
    stack.settled().await;

    // One letter for each handler that gave up, and one for what never reached a handler.
    let letters = whole_letters(&stack, 4).await;
    let once_each = [("audit", 1), ("envelope", 1), ("recurrence", 1), ("reminders", 1)];
    assert_eq!(summary(&letters), expected("OPEN", &once_each), "however often the events came");
    for letter in &letters {
        assert_eq!((&letter["topic"], &letter["pubsub"]), (&json!("task-events"), &json!("pubsub")));
        assert_eq!(letter["headers"]["x-tenant"], "7", "{letter:#}");
    }
    let unknown = letters.iter().find(|letter| letter["handler"] == "audit").unwrap();
    assert_eq!((&unknown["event_id"], &unknown["event_type"]), (&json!(id), &json!("com.todo.task.painted")));
    assert_eq!(unknown["reason"], "unknown event type com.todo.task.painted");
    assert_eq!(unknown["original"], strange, "byte for byte");
    let unreadable = letters.iter().find(|letter| letter["handler"] == "envelope").unwrap();
    assert_eq!(unreadable["original_base64"], "/yBub3QgYW4gZXZlbnQ=");

    let (alice, chore) = completes_a_chore(&stack).await;
    alice.expect_followed_once(std::slice::from_ref(&chore)).await;
    alice.expect_story(&chore, &["created", "completed"]).await;
}

async fn what_was_refused_has_its_effect_once_when_it_is_replayed(storage: Storage) {
    let mut stack = stack(&storage).failpoint_everywhere("audit-hopeless", "return").start().await;
    let (alice, chore) = completes_a_chore(&stack).await;
    let successor = alice.successor_of(&chore).await;
    stack.settled().await;
    // Created, completed; the successor created.
    let letters = whole_letters(&stack, 3).await;
    assert_eq!(summary(&letters), expected("OPEN", &[("audit", 1); 3]));
    for letter in &letters {
        let original: Value = serde_json::from_str(letter["original"].as_str().unwrap()).unwrap();
        assert_eq!((&original["id"], &original["type"]), (&letter["event_id"], &letter["event_type"]));
        assert_eq!((&letter["key"], &letter["reason"]), (&original["subject"], &json!("failpoint")));
    }
    assert!(alice.audit_log().await.is_empty(), "the log has heard of nothing");

    // The cause is gone. Two look after it at the same time, and one of them twice.
    stack.restart().await;
    assert_eq!(ids(&self::letters(&stack)), ids(&letters), "letters outlive the process");
    let named: Vec<&str> = [&["replay"][..], &ids(&letters)].concat();
    std::thread::scope(|scope| {
        for admin in ["dora", "emil"] {
            let (stack, named) = (&stack, &named);
            scope.spawn(move || dlq_as(admin, stack, named));
        }
    });
    dlq(&stack, &named);
    stack.settled().await;

    alice.expect_story(&chore, &["created", "completed"]).await;
    alice.expect_story(&successor, &["created"]).await;
    assert_eq!(alice.audit_log().await.len(), 3, "each event once");
    alice.expect_followed_once(std::slice::from_ref(&chore)).await;
    assert_eq!(alice.all_tasks().await.len(), 2, "the other handlers did nothing again");
    let letters = whole_letters(&stack, 3).await;
    assert_eq!(summary(&letters), expected("REPLAYED", &[("audit", 1); 3]));
    for letter in &letters {
        let actions = letter["actions"].as_array().unwrap();
        let mut actors: Vec<&str> = actions.iter().map(|one| one["actor"].as_str().unwrap()).collect();
        actors.sort_unstable();
        assert_eq!(actors, ["carol", "dora", "emil"], "who did it");
    }
    assert!(dlq(&stack, &["replay", "--all"]).is_empty(), "none is open");
}

async fn what_fails_again_is_the_same_letter_until_it_is_discarded(storage: Storage) {
    let mut stack = stack(&storage).start().await;
    let event = painted(&uuid()).to_string();
    let delivered = stack.sidecar().topic_event(TopicEvent::raw("pubsub", "task-events", event)).await;
    assert_eq!(delivered.unwrap(), Answer::Success);
    let letters = whole_letters(&stack, 3).await;
    for failures in [2, 3] {
        assert_eq!(dlq(&stack, &["replay", "--all", "--handler", "audit", "--only-failed-handler"]).len(), 1);
        let failed = wait_for("another failure", PATIENCE, async || {
            let letters = self::letters(&stack);
            let expect = expected("OPEN", &[("audit", failures), ("recurrence", 1), ("reminders", 1)]);
            if summary(&letters) == expect { Ok(letters) } else { Err(format!("{letters:#?}")) }
        })
        .await;
        assert_eq!(ids(&failed), ids(&letters), "the same letters");
    }
    stack.settled().await;
    let given_up = dlq(&stack, &["discard", "--all", "--reason", "nobody paints tasks"]);
    assert_eq!(given_up.len(), 3);
    stack.restart().await;
    let letters = whole_letters(&stack, 3).await;
    let expect = expected("DISCARDED", &[("audit", 3), ("recurrence", 1), ("reminders", 1)]);
    assert_eq!(summary(&letters), expect);
    for letter in &letters {
        let last = letter["actions"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["actor"], &last["reason"]), (&json!("carol"), &json!("nobody paints tasks")));
    }
    let refused = stack.docket.output_of(&["dlq", "replay", id_of(&letters[0])]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("DEAD_LETTER_STATE"), "{refused:?}");
}

/// A letter of `audit` as it arrives that long after the failure.
fn old_failure(event: &Value, age: TimeDelta) -> String {
    json!({
        "specversion": "1.0",
        "id": uuid(),
        "source": "docket/audit",
        "type": "com.todo.dead_letter.created",
        "subject": event["subject"],
        "time": (SystemClock.now() - age).to_rfc3339(),
        "datacontenttype": "application/json",
        "data": {
            "schema_version": 1,
            "handler": "audit",
            "reason": "the ink was dry",
            "pubsub": "pubsub",
            "topic": "task-events",
            "key": event["subject"],
            "headers": {},
            "event_id": event["id"],
            "original": event.to_string(),
        },
    })
    .to_string()
}

async fn a_letter_older_than_what_is_remembered_goes_to_the_failed_handler_alone(storage: Storage) {
    // A window of a day, which is the least that can be said.
    let stack = stack(&storage)
        .env("DOCKET_RETENTION__INBOX_DAYS", "3")
        .env("DOCKET_RETENTION__TOPIC_DAYS", "1")
        .env("DOCKET_RETENTION__REPLAY_WINDOW_DAYS", "1")
        .start()
        .await;
    // No handler has heard of these events, as if all had forgotten.
    let (old, young) = (painted(&uuid()), painted(&uuid()));
    for (event, age) in [(&old, TimeDelta::hours(25)), (&young, TimeDelta::hours(23))] {
        let letter = TopicEvent::raw("pubsub", "task-events-dlq", old_failure(event, age));
        assert_eq!(stack.sidecar().topic_event(letter).await.unwrap(), Answer::Success);
    }
    let replays = dlq(&stack, &["replay", "--all"]);
    let only: Vec<(&Value, bool)> =
        replays.iter().map(|one| (&one["event_id"], one["only_failed_handler"].as_bool().unwrap())).collect();
    assert_eq!(only, [(&old["id"], true), (&young["id"], false)]);
    // Whoever gets an event refuses it, and leaves a letter.
    let letters = wait_for("four failures", PATIENCE, async || {
        let letters = self::letters(&stack);
        let expect = expected("OPEN", &[("audit", 2), ("audit", 2), ("recurrence", 1), ("reminders", 1)]);
        if summary(&letters) == expect { Ok(letters) } else { Err(format!("{letters:#?}")) }
    })
    .await;
    stack.settled().await;
    assert_eq!(self::letters(&stack), letters, "and nothing more");
    for handler in ["recurrence", "reminders"] {
        let letter = letters.iter().find(|letter| letter["handler"] == handler).unwrap();
        assert_eq!(letter["event_id"], young["id"], "only the young one reached {handler}");
    }
}

async fn what_the_sidecar_moves_away_is_kept_and_comes_back(storage: Storage) {
    // Without a policy for retries the sidecar moves an event at its first failure.
    let mut stack = stack(&storage)
        .env("DOCKET_DAPR__DEAD_LETTER_SUFFIX", "-dlq")
        .env("DOCKET_OUTBOX__CONFIRM", "broker")
        .failpoint_everywhere("audit-error", "return")
        .start()
        .await;
    let (alice, chore) = completes_a_chore(&stack).await;
    let letters = whole_letters(&stack, 3).await;
    assert_eq!(summary(&letters), expected("OPEN", &[("sidecar", 1); 3]));
    for letter in &letters {
        assert_eq!((&letter["topic"], &letter["pubsub"]), (&json!("task-events"), &json!("pubsub")));
        let original: Value = serde_json::from_str(letter["original"].as_str().unwrap()).unwrap();
        assert_eq!(original["id"], letter["event_id"], "the message itself");
        assert!(letter["reason"].as_str().unwrap().contains("sidecar"), "{letter:#}");
    }
    assert!(alice.audit_log().await.is_empty(), "the log has heard of nothing");

    // It is moved again: the same letters.
    assert_eq!(dlq(&stack, &["replay", "--all"]).len(), 3);
    wait_for("another failure of each", PATIENCE, async || {
        let letters = self::letters(&stack);
        let expect = expected("OPEN", &[("sidecar", 2); 3]);
        if summary(&letters) == expect { Ok(()) } else { Err(format!("{letters:#?}")) }
    })
    .await;

    stack.restart().await;
    for _ in 0..2 {
        dlq(&stack, &[&["replay"][..], &ids(&letters)].concat());
    }
    alice.expect_story(&chore, &["created", "completed"]).await;
    alice.expect_story(&alice.successor_of(&chore).await, &["created"]).await;
    alice.expect_followed_once(std::slice::from_ref(&chore)).await;
    assert_eq!(alice.audit_log().await.len(), 3, "each event once");
    assert_eq!(summary(&self::letters(&stack)), expected("REPLAYED", &[("sidecar", 2); 3]));
}

docket_testkit::on_each_database!(
    an_event_that_cannot_be_handled_is_kept_and_the_others_go_on,
    what_was_refused_has_its_effect_once_when_it_is_replayed,
    what_fails_again_is_the_same_letter_until_it_is_discarded,
    a_letter_older_than_what_is_remembered_goes_to_the_failed_handler_alone,
    what_the_sidecar_moves_away_is_kept_and_comes_back,
);
docket_testkit::with_two_replicas!(
    an_event_that_cannot_be_handled_is_kept_and_the_others_go_on,
    what_was_refused_has_its_effect_once_when_it_is_replayed,
    what_fails_again_is_the_same_letter_until_it_is_discarded,
);
