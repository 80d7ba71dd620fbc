//! What nobody can handle, in the middle of what everybody waits for: neighbours in the same partition go on, each poison
//! is kept with its reason, and what can be helped takes effect once when it is replayed. One by one, and in batches.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use bytes::Bytes;
use docket_domain::source::Clock as _;
use docket_proto::v1;
use docket_proto::v1::recurrence::Pattern;
use docket_server::source::SystemClock;
use docket_testkit::callback::TopicEvent;
use docket_testkit::kafka::Record;
use docket_testkit::{
    Connection, Kafka, PATIENCE, Stack, StackBuilder, Storage, once, publish, repeating, wait_for,
};
use serde_json::{Value, json};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// An event's data as Docket publishes it.
const DATA: &str = include_str!("../../../wire/goldens/task_event/v1/created.json");

/// The same, of a recurring task that was completed.
const COMPLETED: &str = include_str!("../../../wire/goldens/task_event/v1/completed_recurring.json");

/// How the sidecar delivers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    OneByOne,
    Batches,
}

/// Makes two tests of each function `async fn name(mode: Mode)`.
macro_rules! in_both_modes {
    ($($case:ident),+ $(,)?) => {$(
        mod $case {
            use super::Mode;

            #[tokio::test]
            async fn one_by_one() {
                super::$case(Mode::OneByOne).await;
            }

            #[tokio::test]
            async fn in_batches() {
                super::$case(Mode::Batches).await;
            }
        }
    )+};
}

mod claims;

async fn stack(kafka: &Kafka, mode: Mode) -> StackBuilder {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&Storage::postgres().await);
    let stack = stack.kafka(kafka, Connection::Plain).await;
    if mode == Mode::OneByOne { stack.one_by_one() } else { stack }
}

/// `docket dlq`; each line is what it says about a letter.
fn dlq(stack: &Stack, arguments: &[&str]) -> Vec<Value> {
    let said = stack.docket.run(&[&["dlq", "--format", "json"], arguments].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All letters, with all that is known of them.
fn letters(stack: &Stack) -> Vec<Value> {
    let listed = dlq(stack, &["list"]);
    listed
        .iter()
        .flat_map(|letter| dlq(stack, &["show", letter["dead_letter_id"].as_str().unwrap()]))
        .collect()
}

/// The message that a letter is about.
fn original(letter: &Value) -> Vec<u8> {
    match (letter["original"].as_str(), letter["original_base64"].as_str()) {
        (Some(text), None) => text.as_bytes().to_vec(),
        (None, Some(text)) => base64::prelude::BASE64_STANDARD.decode(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Chores of Alice's whose events are all in one partition, and that partition.
async fn neighbours(stack: &Stack, kafka: &Kafka) -> (Vec<v1::Task>, i32) {
    let chores = (0..24).map(|number| once(&format!("Chore {number}")));
    let chores = stack.user("alice").create_all(chores).await;
    stack.settled_on(kafka).await;
    let mut partitions: BTreeMap<i32, Vec<v1::Task>> = BTreeMap::new();
    for record in kafka.read(stack.topic()).await {
        let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
        let chore = chores.iter().find(|chore| chore.task_id == key).unwrap();
        partitions.entry(record.partition).or_default().push(chore.clone());
    }
    let (partition, chores) = partitions.into_iter().max_by_key(|(_, chores)| chores.len()).unwrap();
    (chores, partition)
}

/// Completes chores, and waits until the audit log has heard of it.
async fn expect_to_flow(stack: &Stack, chores: &[v1::Task]) {
    let alice = stack.user("alice");
    alice.complete_all(chores).await;
    for chore in chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
}

/// A message that no other one is like.
fn event(change: impl FnOnce(&mut Value)) -> Value {
    let (id, task) = (uuid::Uuid::new_v4().to_string(), uuid::Uuid::new_v4().to_string());
    let mut data: Value = serde_json::from_str(DATA).unwrap();
    data["task_id"] = json!(task);
    data["user_id"] = json!("mallory");
    let mut event = json!({
        "specversion": "1.0",
        "id": id,
        "source": "somebody/else",
        "type": "com.todo.task.created",
        "subject": task,
        "time": "2027-01-01T10:20:30Z",
        "datacontenttype": "application/json",
        "data": data,
    });
    change(&mut event);
    event
}

/// A recurring task of Mallory's was completed, which nobody has.
fn completed(schema_version: u32) -> Value {
    event(|event| {
        let mut data: Value = serde_json::from_str(COMPLETED).unwrap();
        data["schema_version"] = json!(schema_version);
        data["task_id"] = event["subject"].clone();
        data["user_id"] = json!("mallory");
        event["type"] = json!("com.todo.task.completed");
        event["data"] = data;
    })
}

fn record(value: impl Into<Bytes>, headers: &[(&str, &[u8])]) -> Record {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value)));
    Record {
        key: Some(Bytes::from_static("k\u{e4}y, not a task's".as_bytes())),
        value: Some(value.into()),
        headers: headers.collect(),
        timestamp: SystemClock.now().timestamp_millis(),
    }
}

/// Headers with which a foreign producer could break, or fool, the call that carries them to an app.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let text = |name, value: &str| (name, value.as_bytes().to_vec());
    vec![
        text("", "no name"),
        text("two words", "a name that HTTP/2 does not know"),
        text("sp\u{e4}\u{df}", "a name that is not ASCII"),
        text("line\nfeed", "a name with a line feed"),
        text("x-tenant", "M\u{fc}ller & S\u{f6}hne\r\nx: y"),
        ("x-bytes", vec![0xff, 0x00, 0xfe]),
        ("x-bytes-bin", vec![0xff, 0x00, 0xfe]),
        text(":authority", "somewhere.example"),
        text("grpc-timeout", "1n"),
        text("grpc-encoding", "gzip"),
        text("content-type", "text/html"),
        text("content-length", "7"),
        text("connection", "close"),
        text("transfer-encoding", "chunked"),
        text("upgrade", "h2c"),
        text("te", "gzip"),
        text("host", "somewhere.example"),
        text("authorization", "Bearer nobody"),
        text("docket-act-as", "alice"),
        text("dapr-app-id", "docket"),
        text("dapr-callee-app-id", "docket"),
        text("dapr-caller-app-id", "docket"),
        text("dapr-api-token", "guessed"),
        text("traceparent", "not a trace"),
        text("docket-replay", "not a UUID"),
        text("docket-handler", "nobody"),
        text("__offset", "7"),
        text("__partition", "7"),
        text("__key", "forged"),
        text("partitionKey", "forged"),
        text("rawPayload", "false"),
        text("ttlInSeconds", "0"),
        ("x-large", vec![b'\n'; 200_000]),
    ]
}

/// Something that no handler can take: what it is, and who keeps it why.
struct Poison {
    bytes: Vec<u8>,
    handlers: &'static [&'static str],
    reason: &'static str,
}

fn poisons() -> Vec<Poison> {
    let unreadable = |bytes: Vec<u8>, reason| Poison { bytes, handlers: &["envelope"], reason };
    let refused =
        |handlers, event: Value, reason| Poison { bytes: event.to_string().into_bytes(), handlers, reason };
    let strange = event(|event| event["datacontenttype"] = json!("application/xml")).to_string();
    vec![
        unreadable(b"{\"specversion\": ".to_vec(), "not a CloudEvent in JSON"),
        unreadable(b"\xff\xfe no text".to_vec(), "not a CloudEvent in JSON"),
        unreadable(Vec::new(), "not a CloudEvent in JSON"),
        unreadable(strange.into_bytes(), "datacontenttype \"application/xml\" is not application/json"),
        unreadable(vec![0x01; 1_000_000], "not a CloudEvent in JSON"),
        // Whoever would do something about it keeps it: `recurrence` waits for tasks that are completed.
        refused(
            &["audit", "reminders"],
            event(|event| event["data"]["schema_version"] = json!(99)),
            "schema_version 99",
        ),
        refused(&["audit", "recurrence", "reminders"], completed(99), "schema_version 99"),
        refused(
            &["audit", "recurrence", "reminders"],
            event(|event| event["type"] = json!("com.todo.task.painted")),
            "com.todo.task.painted",
        ),
        refused(
            &["audit", "reminders"],
            event(|event| event["data"]["task_id"] = json!("no UUID")),
            "invalid fields",
        ),
    ]
}

async fn poison_is_kept_and_its_neighbours_go_on(mode: Mode) {
    let kafka = Kafka::shared().await;
    let mut stack = stack(kafka, mode).await.start().await;
    let (chores, partition) = neighbours(&stack, kafka).await;

    let mut expect = BTreeMap::new();
    for poison in poisons() {
        let record = record(poison.bytes.clone(), &[("x-tenant", b"7")]);
        let offset = kafka.produce(stack.topic(), partition, record).await;
        for handler in poison.handlers {
            let place = (partition, offset, (*handler).to_owned());
            expect.insert(place, (poison.bytes.clone(), poison.reason));
        }
    }
    expect_to_flow(&stack, &chores).await;
    stack.settled_on(kafka).await;

    for letter in letters(&stack) {
        let partition = i32::try_from(letter["partition"].as_i64().unwrap()).unwrap();
        let handler = letter["handler"].as_str().unwrap().to_owned();
        let place = (partition, letter["offset"].as_i64().unwrap(), handler);
        let Some((bytes, reason)) = expect.remove(&place) else { panic!("nobody knows {letter:#}") };
        assert_eq!(original(&letter), bytes, "byte for byte");
        assert!(letter["reason"].as_str().unwrap().contains(reason), "{reason} in {letter:#}");
        assert_eq!(letter["headers"]["x-tenant"], "7", "{letter:#}");
        assert_eq!((&letter["topic"], &letter["state"]), (&json!(stack.topic()), &json!("OPEN")));
    }
    assert!(expect.is_empty(), "there is no letter about {:?}", expect.keys());

    // What is too large for the topic never gets there, and whoever sends it hears of it.
    let before = kafka.read(stack.topic()).await.len();
    let large = event(|event| event["data"]["payload"]["title"] = json!("x".repeat(2 << 20))).to_string();
    let refused = kafka.client().await.produce(stack.topic(), 0, &[record(large.clone(), &[])]).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("MessageTooLarge"), "the broker says so: {refused}");
    let (token, topic) = (stack.api_token().to_owned(), stack.topic().to_owned());
    let said =
        publish::publish(stack.daprd().channel(), Some(&token), TopicEvent::raw("pubsub", &topic, large));
    let said = said.await.unwrap_err();
    assert!(said.message().contains("larger than"), "so does the sidecar: {said}");
    assert_eq!(kafka.read(&topic).await.len(), before);
}

async fn headers_of_a_foreign_producer_break_nothing(mode: Mode) {
    let kafka = Kafka::shared().await;
    let stack = stack(kafka, mode).await.start().await;
    let (chores, partition) = neighbours(&stack, kafka).await;

    // Each alone, and all together.
    let hostile = hostile();
    for (name, value) in &hostile {
        let event = event(|_| {}).to_string();
        kafka.produce(stack.topic(), partition, record(event, &[(name, value)])).await;
    }
    let all: Vec<(&str, &[u8])> = hostile.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    kafka.produce(stack.topic(), partition, record(event(|_| {}).to_string(), &all)).await;
    let offset = kafka.produce(stack.topic(), partition, record("no event at all", &all)).await;
    expect_to_flow(&stack, &chores).await;
    stack.settled_on(kafka).await;

    let heard = stack.user("mallory").audit_log().await;
    assert_eq!(heard.len(), hostile.len() + 1, "each event had its effect, whatever its headers");
    let letters = letters(&stack);
    let [letter] = letters.as_slice() else { panic!("{letters:#?}") };
    assert_eq!(letter["offset"], json!(offset), "where it really was");
    let kept = letter["headers"].as_object().unwrap();
    assert!(kept.contains_key("x-tenant") && !kept.contains_key("x-large"), "{:?}", kept.keys());
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("1 of its headers are not kept"), "it is told that one is too large: {reason}");
    let kept = kept.keys().filter(|name| name.starts_with("dapr-") || name.starts_with("__"));
    assert_eq!(kept.count(), 0, "{letter:#}");
}

async fn events_of_tasks_that_are_gone_are_no_failure(mode: Mode) {
    let kafka = Kafka::shared().await;
    let stack = stack(kafka, mode).await.start().await;
    let alice = stack.user("alice");
    let chore = alice.create(repeating("Sweep", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")).await;
    stack.settled_on(kafka).await;
    stack.pause_sidecars();
    alice.complete(&chore).await;
    let request = v1::DeleteTaskRequest { task_id: chore.task_id.clone(), ..Default::default() };
    alice.tasks().delete_task(request).await.unwrap();
    stack.resume_sidecars();
    // One that nobody has ever had, or that was purged.
    kafka.produce(stack.topic(), 0, record(completed(1).to_string(), &[])).await;

    alice.expect_story(&chore, &["created", "completed", "deleted"]).await;
    stack.settled_on(kafka).await;
    let titles: Vec<String> = alice.all_tasks().await.into_iter().map(|task| task.title).collect();
    assert_eq!(titles, ["Sweep"], "the series goes on: it was completed before it was deleted");
    assert_eq!(stack.user("mallory").audit_log().await.len(), 1, "the log keeps what it is told");
    assert_eq!(stack.user("mallory").all_tasks().await, [], "nothing follows a task that there is not");
    assert_eq!(letters(&stack), Vec::<Value>::new(), "that is no failure");
}

async fn what_was_refused_takes_effect_once_when_it_is_replayed(mode: Mode) {
    let kafka = Kafka::shared().await;
    let mut stack = stack(kafka, mode).await.failpoint("audit-hopeless", "return").start().await;
    let alice = stack.user("alice");
    let chores = (0..5)
        .map(|number| repeating(&format!("Chore {number}"), Pattern::Daily, "2027-02-01T07:00:00Z", "UTC"));
    let chores = alice.create_all(chores).await;
    alice.complete_all(&chores).await;
    for chore in &chores {
        alice.successor_of(chore).await;
    }
    stack.settled_on(kafka).await;
    // Created and completed, and the successor created.
    assert_eq!(letters(&stack).len(), 3 * chores.len());
    assert!(alice.audit_log().await.is_empty(), "the log has heard of nothing");

    // The cause is gone. Somebody asks twice.
    stack.docket.restart().await;
    stack.ready().await;
    let named: Vec<String> =
        letters(&stack).iter().map(|letter| letter["dead_letter_id"].as_str().unwrap().to_owned()).collect();
    let replay: Vec<&str> = std::iter::once("replay").chain(named.iter().map(String::as_str)).collect();
    assert_eq!(dlq(&stack, &replay).len(), named.len());
    assert_eq!(dlq(&stack, &replay).len(), named.len());
    stack.settled_on(kafka).await;
    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
    assert_eq!(alice.audit_log().await.len(), named.len(), "each event once");
    alice.expect_followed_once(&chores).await;
    assert!(letters(&stack).iter().all(|letter| letter["state"] == "REPLAYED"));
}

async fn without_the_topic_of_dead_letters_nothing_is_lost(mode: Mode) {
    let kafka = Kafka::shared().await;
    let mut stack = stack(kafka, mode).await.start().await;
    let (chores, partition) = neighbours(&stack, kafka).await;
    let letters_topic = stack.dead_letter_topic();
    kafka.delete_topic(&letters_topic).await;

    kafka.produce(stack.topic(), partition, record("no event", &[])).await;
    let (first, rest) = chores.split_at(chores.len() / 2);
    expect_to_flow(&stack, first).await;
    // What came before it in its partition was handled, so it was, too; its letter has nowhere to go.
    kafka.caught_up(stack.app_id(), stack.topic()).await;
    assert_eq!(stack.waiting_on(&letters_topic).await.len(), 1);
    assert_eq!(letters(&stack), Vec::<Value>::new());
    stack.docket.restart().await;
    stack.daprd().restart().await;
    expect_to_flow(&stack, rest).await;

    kafka.create_topic(&letters_topic, 1).await;
    let letter = wait_for("the letter", 2 * PATIENCE, async || match letters(&stack).as_slice() {
        [letter] => Ok(letter.clone()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(original(&letter), b"no event");
    stack.settled_on(kafka).await;
    assert_eq!(letters(&stack).len(), 1);
}

#[tokio::test]
async fn a_batch_of_the_largest_messages_passes() {
    const MANY: usize = 60;
    let kafka = Kafka::shared().await;
    // Time enough for a batch to fill.
    let stack =
        stack(kafka, Mode::Batches).await.env("DOCKET_DAPR__BULK__MAX_AWAIT_MS", "3000").start().await;
    stack.pause_sidecars();
    for _ in 0..MANY {
        // Space between the fields: as large as the topic takes, and an event like any other.
        let large = event(|_| {}).to_string().replacen(',', &format!(",{}", " ".repeat(1_040_000)), 1);
        kafka.produce(stack.topic(), 0, record(large, &[])).await;
    }
    stack.resume_sidecars();
    stack.settled_on(kafka).await;
    assert_eq!(stack.user("mallory").audit_log().await.len(), MANY);
}

in_both_modes!(
    poison_is_kept_and_its_neighbours_go_on,
    headers_of_a_foreign_producer_break_nothing,
    events_of_tasks_that_are_gone_are_no_failure,
    what_was_refused_takes_effect_once_when_it_is_replayed,
    without_the_topic_of_dead_letters_nothing_is_lost,
);
