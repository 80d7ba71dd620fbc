//! Dead letters that the database will not have as they are.

use std::sync::Arc;

use docket_domain::Instant;
use docket_domain::source::Clock;
use docket_outbox::Burial;
use docket_sidecar::{DeadLetter, DeadLetters as _, Metadata, Trace};
use docket_store::inbox::of_replays;
use docket_store::{Config, Schema, Stores};
use sea_orm::ConnectionTrait as _;

use crate::{Random, TOPIC, id, time};

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Instant {
        time()
    }
}

fn letter(event: u128, trace: &str) -> DeadLetter {
    let replay = id(event + 100).to_string();
    let headers = [("x-tenant", "7"), ("docket-replay", &replay), ("__offset", "9")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    DeadLetter {
        handler: "audit".to_owned(),
        event_id: id(event),
        pubsub: "pubsub".to_owned(),
        topic: TOPIC.to_owned(),
        key: "a-task".to_owned(),
        reason: "bad".to_owned(),
        trace: Some(Trace { parent: trace.to_owned(), state: None }),
        metadata: headers.into_iter().collect::<Metadata>(),
        original: b"{}".as_slice().into(),
    }
}

#[tokio::test]
async fn a_letter_that_the_database_refuses_is_kept_without_what_came_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = docket_store::url_of(&folder.path().join("docket.db"));
    let stores = Stores::open(&Config { url: url.clone(), ..Config::default() }, &[]).await.unwrap();
    stores.migrate_up(None).await.unwrap();
    let raw = sea_orm::Database::connect(&url).await.unwrap();
    raw.execute_unprepared(
        "CREATE TRIGGER picky BEFORE INSERT ON outbox WHEN NEW.traceparent = 'bad' \
         BEGIN SELECT RAISE(ABORT, 'a bad trace'); END",
    )
    .await
    .unwrap();
    let store = stores.of(Schema::Tasks);
    let burial = Burial { store: store.clone(), clock: Arc::new(Noon), ids: Arc::new(Random) };

    for _ in 0..2 {
        burial.bury(letter(1, "good")).await.unwrap();
        burial.bury(letter(2, "bad")).await.unwrap();
    }
    let topic = docket_outbox::dead_letter_topic(TOPIC);
    let mut kept = store.outbox_of(&topic, "a-task", 0, 10).await.unwrap();
    kept.extend(store.outbox_of(&topic, &id(2).to_string(), 0, 10).await.unwrap());
    let [whole, reduced] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((whole.trace.is_some(), reduced.trace.is_some()), (true, false));
    let data = |payload: &[u8]| serde_json::from_slice::<serde_json::Value>(payload).unwrap();
    let (whole, reduced) = (data(&whole.payload), data(&reduced.payload));
    assert_eq!((&whole["headers"]["x-tenant"], &whole["event_id"]), (&"7".into(), &id(1).to_string().into()));
    assert_eq!(reduced["headers"], serde_json::json!({}));
    for (letter, event) in [(&whole, 1), (&reduced, 2)] {
        assert_eq!((&letter["key"], &letter["reason"]), (&"a-task".into(), &"bad".into()));
        assert_eq!((&letter["original"], &letter["offset"]), (&"{}".into(), &9.into()));
        assert_eq!(letter["replay_id"], id(event + 100).to_string());
    }
    let noted = store.inbox_receipts(&[id(2), id(102)]).await.unwrap();
    assert!(noted.contains(&(id(2), "audit".to_owned())) && noted.contains(&(id(102), of_replays("audit"))));

    // What is wrong with the database is no reason to leave anything out.
    raw.execute_unprepared("DROP TABLE outbox").await.unwrap();
    burial.bury(letter(3, "good")).await.unwrap_err();
    assert!(store.inbox_receipts(&[id(3)]).await.unwrap().is_empty());
}
