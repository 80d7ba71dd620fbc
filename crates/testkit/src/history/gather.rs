//! Reads what a run has left in PostgreSQL and in Kafka.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use docket_domain::{EventKind, Heard};
use docket_proto::{event as proto, v1};
use prost::Message as _;
use serde_json::Value;
use tokio_postgres::Row;
use uuid::Uuid;

use super::record::{Call, Consumer, Content, Done, Entry, Event, History, Key, Message, Planted, Task};
use super::{AUDIT, RECURRENCE};
use crate::kafka::Stored;
use crate::postgres::Client;

/// A setting that PostgreSQL needs, so that it knows afterwards in which order was committed.
pub const SETTING: (&str, &str) = ("track_commit_timestamp", "on");

/// Handlers' names that stand for whole consumers: what nobody could read, and what their sidecars gave up.
const EVERYBODY: [&str; 2] = ["envelope", "sidecar"];

/// The header by which a message is for one handler alone.
const ONLY: &str = "docket-handler";

/// When a row was committed, in microseconds; 0 for one that is older than [`SETTING`].
const ORDER: &str = "coalesce((extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint, 0)";

/// Where nobody knows it, all are alike.
const NO_ORDER: &str = "0::bigint";

/// A message that was put onto the topic to be given up.
#[derive(Clone, Debug)]
pub struct Poison {
    /// Its partition.
    pub partition: i32,
    /// Where it stands in its partition.
    pub offset: i64,
    /// What is wrong with it.
    pub what: &'static str,
    /// Who is to give it up.
    pub consumers: BTreeSet<String>,
}

/// Where a run has left what it did.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The database of all targets, as somebody who may read all of it. In which order was committed is known only with
    /// [`SETTING`].
    pub database: &'a Client,
    /// The topic of the tasks' events.
    pub topic: &'a str,
    /// What is stored of it.
    pub stored: &'a [Stored],
}

/// A letter, as the target `deadletters` keeps it.
struct Letter {
    handler: String,
    event: Uuid,
    place: Option<(i32, i64)>,
    replayed: bool,
}

impl History {
    /// Everything that is known of a run that is over.
    ///
    /// # Panics
    /// When something cannot be read.
    pub async fn gather(sources: Sources<'_>, calls: Vec<Call>, poison: &[Poison]) -> Self {
        let Sources { database: client, topic, stored } = sources;
        let letters = letters(client, topic).await;
        let others = stored.iter().filter_map(of_no_task).collect();
        let order = if keeps_order(client).await { ORDER } else { NO_ORDER };
        let mut consumers = Vec::new();
        for name in [AUDIT, RECURRENCE] {
            consumers.push(consumer(client, name, order, &letters, &others).await);
        }
        Self {
            calls,
            tasks: tasks(client).await,
            keys: keys(client).await,
            outbox: outbox(client, topic).await,
            topic: stored.iter().map(message).collect(),
            entries: entries(client, order).await,
            consumers,
            planted: poison.iter().map(|poison| planted(poison, &letters)).collect(),
        }
    }
}

/// Whether the cluster has [`SETTING`]; without it the order at the consumers can not be judged.
///
/// # Panics
/// When it does not answer.
pub async fn keeps_order(client: &Client) -> bool {
    let (name, value) = SETTING;
    let rows = rows(client, &format!("SELECT current_setting('{name}') AS setting")).await;
    rows.iter().any(|row| row.get::<_, &str>("setting") == value)
}

async fn rows(client: &Client, sql: &str) -> Vec<Row> {
    client.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

fn id(row: &Row, column: &str) -> Uuid {
    optional_id(row, column).unwrap_or_else(|| panic!("{column} has no id"))
}

fn optional_id(row: &Row, column: &str) -> Option<Uuid> {
    let text: Option<String> = row.get(column);
    text.map(|text| text.parse().unwrap_or_else(|error| panic!("{column} {text:?}: {error}")))
}

async fn tasks(client: &Client) -> Vec<Task> {
    let sql =
        "SELECT t.task_id::text, user_id, version, title, state, complete_version, delete_time IS NOT NULL AS deleted,
            recurrence IS NOT NULL AS repeats, t.series_id::text, t.occurrence_time, predecessor_id::text
        FROM tasks.tasks t LEFT JOIN tasks.occurrences o ON o.task_id = t.task_id";
    let task = |row: &Row| Task {
        id: id(row, "task_id"),
        user: row.get("user_id"),
        version: row.get("version"),
        content: Content { title: row.get("title"), completed: row.get::<_, &str>("state") == "COMPLETED" },
        completed: row.get("complete_version"),
        deleted: row.get("deleted"),
        repeats: row.get("repeats"),
        series: optional_id(row, "series_id").zip(row.get("occurrence_time")),
        predecessor: optional_id(row, "predecessor_id"),
    };
    rows(client, sql).await.iter().map(task).collect()
}

async fn keys(client: &Client) -> Vec<Key> {
    let sql = "SELECT user_id, request_id::text, response FROM tasks.idempotency_keys";
    let key = |row: &Row| {
        let answer = v1::Task::decode(row.get::<_, &[u8]>("response")).expect("a kept answer is a task");
        let task = answer.task_id.parse().expect("a task has an id");
        let (user, request) = (row.get("user_id"), id(row, "request_id"));
        Key { user, request, task, version: answer.version, content: Content::of(&answer) }
    };
    rows(client, sql).await.iter().map(key).collect()
}

async fn outbox(client: &Client, topic: &str) -> Vec<Event> {
    let sql =
        "SELECT event_id::text, topic, event_type, payload, traceparent FROM tasks.outbox WHERE NOT raw";
    let rows = rows(client, sql).await;
    let of_topic = rows.iter().filter(|row| row.get::<_, &str>("topic") == topic);
    let event = |row: &Row| {
        let data = serde_json::from_slice(row.get("payload")).expect("an event is JSON");
        let trace: Option<&str> = row.get("traceparent");
        event(id(row, "event_id"), row.get("event_type"), &data, trace)
            .expect("the outbox has events of tasks")
    };
    of_topic.map(event).collect()
}

async fn entries(client: &Client, order: &str) -> Vec<Entry> {
    let sql = format!(
        "SELECT event_id::text, event_type, task_id::text, user_id, task_version, trace_id,
            after::text, {order} AS committed
         FROM audit.audit_entries WHERE task_version > 0"
    );
    let entry = |row: &Row| {
        let kind: &str = row.get("event_type");
        let trace: Option<&str> = row.get("trace_id");
        let after: Value = serde_json::from_str(row.get("after")).expect("an entry is JSON");
        let event = Event {
            id: id(row, "event_id"),
            kind: EventKind::from_event_type(kind).unwrap_or_else(|| panic!("an entry of the type {kind}")),
            task: id(row, "task_id"),
            version: row.get("task_version"),
            user: row.get("user_id"),
            content: content(&after).unwrap_or_else(|| panic!("an entry with {after}")),
            cause: trace.and_then(|trace| trace.parse().ok()),
        };
        Entry { event, order: row.get("committed") }
    };
    rows(client, &sql).await.iter().map(entry).collect()
}

async fn letters(client: &Client, topic: &str) -> Vec<Letter> {
    let sql = "SELECT handler, event_id::text, topic, source_partition, source_offset, state FROM deadletters.dead_letters";
    let rows = rows(client, sql).await;
    let letter = |row: &Row| {
        let (partition, offset): (Option<i32>, Option<i64>) =
            (row.get("source_partition"), row.get("source_offset"));
        Letter {
            handler: row.get("handler"),
            event: id(row, "event_id"),
            place: partition.zip(offset),
            replayed: row.get::<_, &str>("state") == "REPLAYED",
        }
    };
    rows.iter().filter(|row| row.get::<_, &str>("topic") == topic).map(letter).collect()
}

/// What a consumer did with changes of tasks. That it heard of `others` is not told; that it gave one up is.
async fn consumer(
    client: &Client,
    name: &str,
    order: &str,
    letters: &[Letter],
    others: &HashSet<Uuid>,
) -> Consumer {
    let sql = format!("SELECT handler, event_id::text, state, {order} AS committed FROM {name}.inbox");
    let mine = |handler: &str| handler == name || EVERYBODY.contains(&handler);
    let open = letters.iter().filter(|letter| mine(&letter.handler) && !letter.replayed);
    let mut consumer = Consumer {
        name: name.to_owned(),
        letters: open.map(|letter| letter.event).collect(),
        ..Consumer::default()
    };
    for row in rows(client, &sql).await.iter().filter(|row| mine(row.get("handler"))) {
        let event = id(row, "event_id");
        match row.get::<_, &str>("state") {
            "DONE" if others.contains(&event) => {}
            "DONE" => consumer.done.push(Done { event, order: row.get("committed") }),
            "DEAD" => drop(consumer.dead.insert(event)),
            other => panic!("an inbox row is {other:?}"),
        }
    }
    consumer
}

/// What was planted is known by its place, and so is its letter.
fn planted(poison: &Poison, letters: &[Letter]) -> Planted {
    let place = (poison.partition, poison.offset);
    let letter = letters.iter().find(|letter| letter.place == Some(place));
    // Without a letter it has no id that anybody has heard of.
    let unheard =
        || Uuid::from_u64_pair(poison.partition.cast_unsigned().into(), poison.offset.cast_unsigned());
    let event = letter.map_or_else(unheard, |letter| letter.event);
    Planted { event, consumers: poison.consumers.clone() }
}

fn message(stored: &Stored) -> Message {
    let event = stored.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
    Message {
        partition: stored.partition,
        offset: stored.offset,
        only: header(stored, ONLY).map(str::to_owned),
        event: event.as_ref().and_then(cloud_event),
    }
}

fn header<'a>(stored: &'a Stored, name: &str) -> Option<&'a str> {
    std::str::from_utf8(stored.headers.get(name)?).ok()
}

/// The id of an event of Docket's that tells of no change of a task: of a reminder, or of preferences.
fn of_no_task(stored: &Stored) -> Option<Uuid> {
    let envelope: Value = serde_json::from_slice(stored.value.as_deref()?).ok()?;
    match Heard::from_event_type(envelope["type"].as_str()?)? {
        Heard::Task(_) => None,
        Heard::Reminder(_) | Heard::Preferences => envelope["id"].as_str()?.parse().ok(),
    }
}

/// The task's event in a CloudEvent; nothing when it is something else.
fn cloud_event(envelope: &Value) -> Option<Event> {
    let id = envelope["id"].as_str()?.parse().ok()?;
    event(id, envelope["type"].as_str()?, &envelope["data"], envelope["traceparent"].as_str())
}

fn event(id: Uuid, event_type: &str, data: &Value, traceparent: Option<&str>) -> Option<Event> {
    // Protobuf's JSON has 64-bit numbers as text.
    let version = match &data["sequence"] {
        Value::String(text) => text.parse().ok()?,
        number => number.as_i64()?,
    };
    Some(Event {
        id,
        kind: EventKind::from_event_type(event_type)?,
        task: data["task_id"].as_str()?.parse().ok()?,
        version,
        user: data["user_id"].as_str()?.to_owned(),
        content: content(&data["payload"])?,
        cause: traceparent.and_then(|parent| parent.split('-').nth(1)?.parse().ok()),
    })
}

/// What a task says after an event.
fn content(after: &Value) -> Option<Content> {
    let title = after["title"].as_str()?.to_owned();
    Some(Content {
        title,
        completed: after["status"].as_str()? == proto::TaskStatus::Completed.as_str_name(),
    })
}

/// How many messages were read of each partition, for a report.
pub fn by_partition(history: &History) -> BTreeMap<i32, usize> {
    let mut counts = BTreeMap::new();
    for message in &history.topic {
        *counts.entry(message.partition).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000001";
    const TASK: &str = "00000000-0000-0000-0000-000000000002";
    const CAUSE: &str = "00000000000000000000000000000003";

    fn stored(value: &str, headers: &[(&str, &str)]) -> Stored {
        let header = |(name, value): &(&str, &str)| ((*name).to_owned(), Bytes::from((*value).to_owned()));
        Stored {
            partition: 1,
            offset: 7,
            timestamp: 0,
            key: None,
            value: Some(Bytes::from(value.to_owned())),
            headers: headers.iter().map(header).collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_published() {
        let value = format!(
            r#"{{"specversion":"1.0","id":"{ID}","type":"com.todo.task.completed","traceparent":"00-{CAUSE}-0000000000000001-00",
                "data":{{"task_id":"{TASK}","user_id":"alice","sequence":"2",
                    "payload":{{"title":"Write","status":"TASK_STATUS_COMPLETED"}}}}}}"#
        );
        let read = message(&stored(&value, &[(ONLY, "audit")]));
        let event = read.event.unwrap();
        assert_eq!((read.partition, read.offset, read.only.as_deref()), (1, 7, Some("audit")));
        assert_eq!((event.kind, event.version, event.user.as_str()), (EventKind::Completed, 2, "alice"));
        assert_eq!(event.task.to_string(), TASK);
        assert_eq!(event.content, Content { title: "Write".to_owned(), completed: true });
        assert_eq!(event.cause.unwrap().simple().to_string(), CAUSE);
    }

    #[test]
    fn what_is_no_event_of_a_task_is_none() {
        for (kind, other) in [
            ("task.created", false),
            ("task.painted", false),
            ("reminder.sent", true),
            ("preferences.updated", true),
        ] {
            let event = stored(&format!(r#"{{"id":"{ID}","type":"com.todo.{kind}","data":{{}}}}"#), &[]);
            assert_eq!(of_no_task(&event), other.then(|| ID.parse().unwrap()), "{kind}");
            assert!(message(&event).event.is_none());
        }
        for value in ["", "{", "{}", r#"{"id":"x","type":"com.todo.task.created"}"#, r#"{"id":null}"#] {
            assert_eq!(message(&stored(value, &[])).event, None, "{value}");
        }
    }
}
