//! Keeping failures: each is a new letter, or another failure of one.

use std::collections::BTreeMap;

use docket_domain::{DeadLetterId, EventId, Instant};
use sea_orm::sea_query::{ArrayType, Value};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::among::digits;
use crate::text::without_nul;
use crate::{Error, Tx, micros};

/// A failure of a handler.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewLetter {
    /// Names the letter, if it is a new one.
    pub id: DeadLetterId,
    /// The handler that gave up.
    pub handler: String,
    /// The event.
    pub event_id: EventId,
    /// The CloudEvents `type`, if it could be read.
    pub event_type: Option<String>,
    /// The component that the message came through.
    pub pubsub: String,
    /// Where it came from.
    pub topic: String,
    /// What it is in order with.
    pub key: String,
    /// The partition that it was in, where the broker has some; 0 or more.
    pub partition: Option<i32>,
    /// Its place in the partition; 0 or more.
    pub offset: Option<i64>,
    /// The headers of the message.
    pub headers: BTreeMap<String, String>,
    /// Why.
    pub reason: String,
    /// The message, byte for byte.
    pub original: Vec<u8>,
    /// When.
    pub time: Instant,
    /// The replay that had brought the event, if one had.
    pub replay: Option<EventId>,
}

/// The same text however many letters it keeps.
const KEEP: &str = include_str!("keep.sql");
const KEEP_IN_PROCESS: &str = include_str!("keep.sqlite.sql");

impl Tx<'_> {
    /// Keeps failures; a letter that is there already and failed again after a replay is open again. One statement; one
    /// more for each time that a letter is there again in the batch, with another replay.
    ///
    /// Several may tell of the same failure: without a replay it makes a letter and nothing else, and what a replay came to
    /// is counted once. What failed before a letter was last replayed or discarded does not open it again, unless it is
    /// the newest replay of the letter that failed.
    pub async fn letters_keep(&self, letters: &[NewLetter]) -> Result<(), Error> {
        for rows in rounds(letters) {
            let keep = match self.0.get_database_backend() {
                DbBackend::Postgres => {
                    Statement::from_sql_and_values(DbBackend::Postgres, KEEP, columns(&rows))
                }
                _ => {
                    let rows = rows.iter().map(|row| to_json(row)).collect::<serde_json::Value>().to_string();
                    Statement::from_sql_and_values(DbBackend::Sqlite, KEEP_IN_PROCESS, [rows.into()])
                }
            };
            self.0.execute_raw(keep).await?;
        }
        Ok(())
    }
}

/// One row is written once by a statement, so each round has each letter once, the first failure in the first round. The
/// letters are sorted as their rows are locked.
fn rounds(letters: &[NewLetter]) -> Vec<Vec<&NewLetter>> {
    let mut failures = BTreeMap::<_, BTreeMap<_, &NewLetter>>::new();
    for letter in letters {
        let key = (letter.event_id, letter.handler.as_str(), letter.topic.as_str());
        let told = failures.entry(key).or_default().entry(letter.replay).or_insert(letter);
        if letter.time < told.time {
            *told = letter;
        }
    }
    let mut rounds = Vec::<Vec<&NewLetter>>::new();
    for of_letter in failures.into_values() {
        let mut of_letter: Vec<&NewLetter> = of_letter.into_values().collect();
        // What no replay brought comes before what replays brought, also where clocks differ.
        of_letter.sort_by_key(|failure| (failure.replay.is_some(), failure.time));
        for (round, failure) in of_letter.into_iter().enumerate() {
            match rounds.get_mut(round) {
                Some(rows) => rows.push(failure),
                None => rounds.push(vec![failure]),
            }
        }
    }
    rounds
}

fn to_json(letter: &NewLetter) -> serde_json::Value {
    serde_json::json!({
        "letter_id": digits(letter.id.as_uuid()),
        "handler": letter.handler,
        "event_id": digits(letter.event_id.as_uuid()),
        "event_type": letter.event_type.as_deref().map(without_nul),
        "pubsub": letter.pubsub,
        "topic": letter.topic,
        "partition_key": without_nul(&letter.key),
        "source_partition": letter.partition,
        "source_offset": letter.offset,
        "headers": serde_json::json!(letter.headers).to_string(),
        "reason": without_nul(&letter.reason),
        "original": hex(&letter.original),
        "failure_time": micros(letter.time),
        "replay_id": letter.replay.map(|replay| digits(replay.as_uuid())),
    })
}

/// The columns of the rows, as arrays. Those hold no NULL: an empty text, -1, and the id of zeros stand for it.
fn columns(rows: &[&NewLetter]) -> [Value; 14] {
    fn of<T>(rows: &[&NewLetter], column: impl Fn(&NewLetter) -> T) -> Vec<T> {
        rows.iter().map(|row| column(row)).collect()
    }
    let originals = of(rows, |letter| Value::from(letter.original.clone()));
    [
        of(rows, |letter| letter.id.as_uuid()).into(),
        of(rows, |letter| letter.handler.clone()).into(),
        of(rows, |letter| letter.event_id.as_uuid()).into(),
        of(rows, |letter| letter.event_type.as_deref().map(without_nul).unwrap_or_default()).into(),
        of(rows, |letter| letter.pubsub.clone()).into(),
        of(rows, |letter| letter.topic.clone()).into(),
        of(rows, |letter| without_nul(&letter.key)).into(),
        of(rows, |letter| letter.partition.unwrap_or(-1)).into(),
        of(rows, |letter| letter.offset.unwrap_or(-1)).into(),
        of(rows, |letter| serde_json::json!(letter.headers).to_string()).into(),
        of(rows, |letter| without_nul(&letter.reason)).into(),
        Value::Array(ArrayType::Bytes, Some(Box::new(originals))),
        of(rows, |letter| micros(letter.time)).into(),
        of(rows, |letter| letter.replay.map(|replay| replay.as_uuid()).unwrap_or_default()).into(),
    ]
}

/// Bytes as `unhex` reads them.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // A text takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
