//! Messages of a foreign producer that no handler can make anything of.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use docket_testkit::Kafka;
use docket_testkit::history::Poison;
use docket_testkit::kafka::{Client, Error, Record};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use uuid::Uuid;

/// How many come at once.
const COUNT: usize = 4;

/// The header that says what is wrong.
const MARK: &str = "docket-chaos";

/// Who reads the topic.
const CONSUMERS: [&str; 2] = ["audit", "recurrence"];

/// What can be wrong.
#[derive(Clone, Copy)]
enum Flaw {
    NotJson,
    NotText,
    NoEvent,
    StrangeId,
    UnknownType,
    UnknownVersion,
}

const FLAWS: [Flaw; 6] =
    [Flaw::NotJson, Flaw::NotText, Flaw::NoEvent, Flaw::StrangeId, Flaw::UnknownType, Flaw::UnknownVersion];

impl Flaw {
    fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not JSON",
            Self::NotText => "not UTF-8",
            Self::NoEvent => "not a CloudEvent",
            Self::StrangeId => "an id that is no UUID",
            Self::UnknownType => "an unknown type",
            Self::UnknownVersion => "an unknown schema version",
        }
    }

    /// How many letters come of it: what nobody could read has one, whoever tried.
    fn letters(self) -> u64 {
        match self {
            Self::UnknownType | Self::UnknownVersion => CONSUMERS.len() as u64,
            Self::NotJson | Self::NotText | Self::NoEvent | Self::StrangeId => 1,
        }
    }

    /// Unlike any other message.
    fn value(self, random: &mut StdRng) -> Vec<u8> {
        let id = uuid::Builder::from_random_bytes(random.random()).into_uuid();
        let event = |id: &str, event_type: &str, version: u32| {
            json!({
                "specversion": "1.0", "id": id, "source": "somebody/else", "type": event_type, "subject": id,
                "time": "2026-11-21T08:00:00Z", "datacontenttype": "application/json",
                "data": {"schema_version": version, "task_id": Uuid::nil(), "user_id": "nobody", "sequence": "1"},
            })
        };
        let known = "com.todo.task.completed";
        match self {
            Self::NotJson => format!("{{\"id\": \"{id}\",").into_bytes(),
            Self::NotText => [&[0xff, 0xfe][..], id.as_bytes()].concat(),
            Self::NoEvent => json!({ "hello": id }).to_string().into_bytes(),
            Self::StrangeId => event(&format!("number {id}"), known, 1).to_string().into_bytes(),
            Self::UnknownType => event(&id.to_string(), "com.todo.task.painted", 1).to_string().into_bytes(),
            Self::UnknownVersion => event(&id.to_string(), known, 99).to_string().into_bytes(),
        }
    }
}

/// What was planted so far, and how many letters are to come of it.
pub(crate) struct Planted {
    pub(crate) messages: Vec<Poison>,
    pub(crate) letters: u64,
}

/// Puts some onto the topic. The broker may be away: then it gets fewer, or none. What it has got, it tells itself;
/// answered is how many it has confirmed.
pub(crate) async fn plant(kafka: &Kafka, topic: &str, partitions: i32, seed: u64) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let mut confirmed = 0;
    for _ in 0..COUNT {
        let Some(flaw) = FLAWS.choose(&mut random).copied() else { break };
        let (partition, value) = (random.random_range(0..partitions), flaw.value(&mut random));
        let key = random.random::<bool>().then(|| Bytes::from(format!("key-{}", random.random::<u32>())));
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = Record {
            key,
            value: Some(Bytes::from(value)),
            headers: vec![(MARK.to_owned(), Bytes::from(flaw.name()))],
            timestamp: i64::try_from(timestamp.as_millis()).unwrap_or(i64::MAX),
        };
        if let Ok(mut client) = Client::connect(&kafka.access()).await {
            confirmed += usize::from(client.produce(topic, partition, &[record]).await.is_ok());
        }
    }
    confirmed
}

/// What is on the topic of it.
pub(crate) async fn planted(kafka: &Kafka, topic: &str) -> Result<Planted, Error> {
    let mut planted = Planted { messages: Vec::new(), letters: 0 };
    for record in Client::connect(&kafka.access()).await?.read(topic).await? {
        let Some(mark) = record.headers.get(MARK) else { continue };
        let Some(flaw) = FLAWS.into_iter().find(|flaw| flaw.name().as_bytes() == mark) else { continue };
        let consumers = CONSUMERS.map(str::to_owned).into_iter().collect();
        let (partition, offset) = (record.partition, record.offset);
        planted.messages.push(Poison { partition, offset, what: flaw.name(), consumers });
        planted.letters += flaw.letters();
    }
    Ok(planted)
}
