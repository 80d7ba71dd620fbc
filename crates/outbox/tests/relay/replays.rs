//! What is published once more.

use docket_outbox::{Config, Confirm};
use docket_store::inbox::Arrival;
use docket_store::outbox::NewReplay;
use docket_store::published::Again;
use docket_store::{Error, Store, Tx};
use docket_testkit::{PATIENCE, wait_for};

use crate::broker::{Answer, Broker};
use crate::{TOPIC, World, append, config, event, id, time};

async fn replay(store: &Store, replays: Vec<NewReplay>) {
    let replays = &replays;
    let done: Result<(), Error> =
        store.transaction(|tx: &Tx<'_>| Box::pin(tx.outbox_replay(replays.clone()))).await;
    done.unwrap();
    store.outbox_appended();
}

fn raw(number: u128, handler: Option<&str>, message: &[u8]) -> NewReplay {
    NewReplay {
        id: id(number),
        topic: TOPIC.to_owned(),
        key: "a".to_owned(),
        handler: handler.map(str::to_owned),
        message: message.to_vec(),
        trace: None,
        time: time(),
    }
}

#[tokio::test]
async fn a_message_is_published_byte_for_byte_in_the_order_of_its_key() {
    let (broker, client) = Broker::start(5_000, |_| Answer::Yes).await;
    let garbage: &[u8] = b"\xff not \0 an event";
    let world = World::start(config(), client, async |store| {
        append(store, vec![event("a", 1)]).await;
        replay(store, vec![raw(2, None, b"{ \"id\" : 1 }"), raw(3, Some("audit"), garbage)]).await;
        append(store, vec![event("a", 4)]).await;
    })
    .await;
    world.empty().await;
    let taken = broker.taken();
    let [first, whole, for_one, last] = taken.as_slice() else { panic!("{taken:?}") };
    assert!([first, whole, for_one, last].iter().all(|taken| taken.topic == TOPIC && taken.key() == "a"));
    assert_eq!((whole.bytes.as_slice(), for_one.bytes.as_slice()), (&b"{ \"id\" : 1 }"[..], garbage));
    let (second, third) = (id(2).to_string(), id(3).to_string());
    assert_eq!((whole.says("docket-replay"), whole.says("docket-handler")), (Some(second.as_str()), None));
    assert_eq!(
        (for_one.says("docket-replay"), for_one.says("docket-handler")),
        (Some(third.as_str()), Some("audit"))
    );
    for event in [first, last] {
        assert_eq!((event.says("docket-replay"), event.says("docket-handler")), (None, None));
    }
    assert_eq!((first.event_id(), last.event_id()), (id(1).to_string(), id(4).to_string()));
}

#[tokio::test]
async fn an_event_that_is_published_again_keeps_its_id() {
    let (broker, client) = Broker::start(5_000, |_| Answer::Yes).await;
    let world = World::start(config(), client, async |store| append(store, vec![event("a", 1)]).await).await;
    world.empty().await;
    let again = &[Again { event: id(1), replay: id(9) }];
    let count: Result<u64, Error> =
        world.store.transaction(|tx: &Tx<'_>| Box::pin(tx.published_again(again, "audit"))).await;
    assert_eq!(count.unwrap(), 1);
    world.store.outbox_appended();
    world.empty().await;

    let taken = broker.taken();
    let [first, again] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!(first.bytes, again.bytes, "the same event, with the same id");
    let replay = id(9).to_string();
    assert_eq!(
        (again.says("docket-replay"), again.says("docket-handler")),
        (Some(replay.as_str()), Some("audit"))
    );
}

#[tokio::test]
async fn receipts_are_given_under_the_replays_id() {
    let (broker, client) = Broker::start(5_000, |_| Answer::Yes).await;
    let config = Config { confirm: Confirm::Receipts, receipt_timeout_ms: 600_000, ..config() };
    let mut world = World::start(config, client, async |store| {
        replay(store, vec![raw(2, None, b"garbage")]).await;
    })
    .await;
    wait_for("the message", PATIENCE, async || match broker.taken().len() {
        1 => Ok(()),
        _ => Err("not there".to_owned()),
    })
    .await;
    let event = Arrival { event: id(2), replay: None };
    let event = &event;
    let begun: Result<bool, Error> =
        world.store.transaction(|tx: &Tx<'_>| Box::pin(tx.inbox_begin("audit", event, time()))).await;
    assert!(begun.unwrap(), "an event that is called like the replay");
    world.passes(3).await;
    assert_eq!(world.store.outbox_depth().await.unwrap(), 1, "no handler has done with it");
    let given: Result<(), Error> =
        world.store.transaction(|tx: &Tx<'_>| Box::pin(tx.inbox_receipt("audit", id(2), time()))).await;
    given.unwrap();
    world.empty().await;
    assert_eq!(broker.taken().len(), 1);
}
