//! What is published together, what waits for what, and what becomes of failures.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use docket_outbox::{Config, Confirm};
use docket_store::outbox::NewEvent;
use docket_testkit::{PATIENCE, wait_for};
use tonic::Code;

use crate::broker::{Answer, Broker, Call};
use crate::{World, append, config, event, id};

fn keys(calls: &[Call]) -> Vec<Vec<String>> {
    calls.iter().map(|call| call.keys.clone()).collect()
}

/// The numbers of the events of a key, as the broker has them.
fn of_key(broker: &Broker, key: &str) -> Vec<String> {
    broker.taken().iter().filter(|taken| taken.key() == key).map(|taken| taken.event_id()).collect()
}

fn ids(numbers: impl IntoIterator<Item = u128>) -> Vec<String> {
    numbers.into_iter().map(|number| id(number).to_string()).collect()
}

#[tokio::test]
async fn a_call_has_one_event_of_each_key_and_a_key_one_call() {
    let (broker, client) = Broker::start(5_000, |_| Answer::Yes).await;
    let world = World::start(config(), client, async |store| {
        append(store, vec![event("a", 1), event("a", 2), event("b", 3), event("a", 4)]).await;
    })
    .await;
    world.empty().await;
    assert_eq!(keys(&broker.calls()), [vec!["a", "b"], vec!["a"], vec!["a"]]);
    assert_eq!(of_key(&broker, "a"), ids([1, 2, 4]));
}

#[tokio::test]
async fn some_calls_are_under_way_at_once_each_with_other_keys() {
    let (broker, client) = Broker::held(60_000).await;
    let config = Config { batch: 5, calls_in_flight: 3, ..config() };
    let world = World::start(config, client, async |store| {
        // Two events of each of forty keys: eight calls for the first ones.
        let first = (0..40).map(|key| event(&format!("k{key:02}"), 1 + key));
        let second = (0..40).map(|key| event(&format!("k{key:02}"), 101 + key));
        append(store, first.chain(second).collect()).await;
    })
    .await;
    wait_for("three calls at once", PATIENCE, async || match broker.under_way() {
        3 => Ok(()),
        calls => Err(format!("{calls} calls")),
    })
    .await;
    let held = broker.calls();
    assert!(held.iter().all(|call| call.bulk && call.keys.len() == 5), "{held:?}");
    let distinct: HashSet<_> = held.iter().flat_map(|call| &call.keys).collect();
    assert_eq!(distinct.len(), 15, "a key is on its way once: {held:?}");

    broker.let_go(1_000);
    world.empty().await;
    assert_eq!(broker.most_under_way(), 3);
    for key in 0..40 {
        assert_eq!(of_key(&broker, &format!("k{key:02}")), ids([1 + key, 101 + key]), "k{key:02}");
    }
}

/// The key of the first call that was begun when one of the first two had ended, and the other had not; and that of the
/// one that had.
async fn third_call(events: Vec<NewEvent>) -> (String, String) {
    let (broker, client) = Broker::held(60_000).await;
    let config = Config { batch: 1, calls_in_flight: 2, ..config() };
    let world = World::start(config, client, async |store| append(store, events).await).await;
    let calls = async |count: usize| {
        wait_for("so many calls", PATIENCE, async || match broker.calls().len() {
            calls if calls == count => Ok(()),
            calls => Err(format!("{calls} of {count} calls")),
        })
        .await;
    };
    calls(2).await;
    broker.let_go(1);
    calls(3).await;
    let ended = broker.taken()[0].key().to_owned();
    let third = broker.calls()[2].keys[0].clone();
    broker.let_go(1_000);
    world.empty().await;
    (third, ended)
}

#[tokio::test]
async fn what_follows_an_event_does_not_wait_for_the_calls_of_other_keys() {
    let (third, ended) = third_call(vec![event("a", 1), event("b", 2), event("a", 3), event("b", 4)]).await;
    assert_eq!(third, ended);
}

#[tokio::test]
async fn the_next_page_does_not_wait_for_the_last_call_of_the_one_before() {
    let (third, _) = third_call(vec![event("a", 1), event("b", 2), event("c", 3), event("d", 4)]).await;
    assert_eq!(third, "c");
}

#[tokio::test]
async fn after_a_failed_call_its_events_are_tried_alone_and_only_the_guilty_key_waits() {
    // A call is refused as a whole when the event that is too large is in it.
    let (broker, client) = Broker::start(5_000, |call| match call.keys.iter().any(|key| key == "large") {
        true => Answer::No(Code::InvalidArgument),
        false => Answer::Yes,
    })
    .await;
    let mut world = World::start(config(), client, async |store| {
        append(store, vec![event("a", 1), event("large", 2), event("b", 3), event("large", 4)]).await;
    })
    .await;
    // More attempts than one, so that it is known to be the event's own fault.
    world.status.wait_for(|status| status.parked == 1).await.unwrap();
    append(&world.store, vec![event("a", 5), event("c", 6)]).await;
    wait_for("the neighbours", PATIENCE, async || match world.store.outbox_depth().await.unwrap() {
        2 => Ok(()),
        depth => Err(format!("{depth} events")),
    })
    .await;
    assert_eq!(broker.calls()[0], Call { bulk: true, keys: vec!["a".into(), "large".into(), "b".into()] });
    let mut alone = broker.calls()[1..4].to_vec();
    alone.sort_by(|left, right| left.keys.cmp(&right.keys));
    assert_eq!(keys(&alone), [["a"], ["b"], ["large"]]);
    assert!(alone.iter().all(|call| !call.bulk));
    assert_eq!(of_key(&broker, "a"), ids([1, 5]));
    assert_eq!((of_key(&broker, "b"), of_key(&broker, "c")), (ids([3]), ids([6])));
    assert!(world.status.borrow().connected, "the sidecar is not at fault");
    world.passes(1).await;
    assert_eq!(world.status.borrow().parked, 1, "still the one key");
}

#[tokio::test]
async fn a_key_that_was_not_taken_goes_on_in_its_order_after_a_pause() {
    let refusals = AtomicUsize::new(3);
    let (broker, client) = Broker::start(5_000, move |call| {
        let strikes = call.keys.iter().any(|key| key == "a")
            && refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if strikes { Answer::Not(BTreeSet::from(["a".to_owned()])) } else { Answer::Yes }
    })
    .await;
    let world = World::start(config(), client, async |store| {
        append(store, vec![event("a", 1), event("b", 2), event("a", 3), event("b", 4)]).await;
    })
    .await;
    world.empty().await;
    assert_eq!(of_key(&broker, "a"), ids([1, 3]), "the second does not overtake the first");
    assert_eq!(of_key(&broker, "b"), ids([2, 4]));
    let with_a = broker.calls().iter().filter(|call| call.keys.iter().any(|key| key == "a")).count();
    assert_eq!(with_a, 3 + 2);
}

/// What the broker has of a key of six events when it answers the call with the third one so, once. All but the first were
/// read behind it.
async fn around_the_third(deadline_ms: u64, answer: Answer) -> Vec<String> {
    let calls = AtomicUsize::new(0);
    let (broker, client) = Broker::start(deadline_ms, move |call| {
        let third = call.keys == ["a"] && calls.fetch_add(1, Ordering::SeqCst) == 2;
        if third { answer.clone() } else { Answer::Yes }
    })
    .await;
    let world = World::start(config(), client, async |store| {
        append(store, (1..=6).map(|number| event("a", number)).collect()).await;
    })
    .await;
    world.empty().await;
    of_key(&broker, "a")
}

#[tokio::test]
async fn what_was_read_behind_an_event_does_not_overtake_it_whatever_becomes_of_it() {
    let once = ids(1..=6);
    let refused = Answer::Not(BTreeSet::from(["a".to_owned()]));
    assert_eq!(around_the_third(5_000, refused).await, once);
    assert_eq!(around_the_third(300, Answer::Silence).await, once);
    for code in [Code::Internal, Code::Unavailable] {
        assert_eq!(
            around_the_third(5_000, Answer::YesBut(code)).await,
            ids([1, 2, 3, 3, 4, 5, 6]),
            "{code:?}"
        );
    }
}

#[tokio::test]
async fn an_error_after_the_event_was_taken_repeats_it_and_loses_nothing() {
    for code in [Code::Internal, Code::Unavailable] {
        let lies = AtomicUsize::new(1);
        let (broker, client) = Broker::start(5_000, move |_| {
            let lie = lies.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if lie.is_ok() { Answer::YesBut(code) } else { Answer::Yes }
        })
        .await;
        let world = World::start(config(), client, async |store| {
            append(store, vec![event("a", 1), event("b", 2), event("a", 3)]).await;
        })
        .await;
        world.empty().await;
        assert_eq!(of_key(&broker, "a"), ids([1, 1, 3]), "{code:?}: the same id, and before the next one");
        assert_eq!(of_key(&broker, "b"), ids([2, 2]), "{code:?}");
    }
}

#[tokio::test]
async fn a_call_that_never_ends_does_not_undo_the_others_of_its_round() {
    let silences = AtomicUsize::new(1);
    let (broker, client) = Broker::start(300, move |call| {
        let silent = call.keys.iter().any(|key| key == "k0")
            && silences.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if silent { Answer::Silence } else { Answer::Yes }
    })
    .await;
    let config = Config { batch: 1, calls_in_flight: 4, ..config() };
    let world = World::start(config, client, async |store| {
        append(store, (0..4).map(|key| event(&format!("k{key}"), 1 + key)).collect()).await;
    })
    .await;
    world.empty().await;
    for key in 0..4 {
        assert_eq!(of_key(&broker, &format!("k{key}")), ids([1 + key]), "k{key} was published once");
    }
}

#[tokio::test]
async fn what_waits_for_its_receipt_is_not_published_again() {
    let (broker, client) = Broker::start(5_000, |_| Answer::YesBut(Code::DeadlineExceeded)).await;
    let config = Config { confirm: Confirm::Receipts, receipt_timeout_ms: 600_000, ..config() };
    let mut world = World::start(config, client, async |store| {
        append(store, vec![event("a", 1)]).await;
    })
    .await;
    wait_for("the event", PATIENCE, async || match broker.taken().len() {
        1 => Ok(()),
        _ => Err("not there".to_owned()),
    })
    .await;
    world.passes(5).await;
    assert_eq!(of_key(&broker, "a"), ids([1]), "nobody knows what became of it, and it may still arrive");
}

#[tokio::test]
async fn what_is_under_way_is_finished_when_the_relay_is_told_to_stop() {
    let (broker, client) = Broker::held(60_000).await;
    let world = World::start(Config { batch: 1, ..config() }, client, async |store| {
        append(store, (0..2).map(|key| event(&format!("k{key}"), 1 + key)).collect()).await;
    })
    .await;
    wait_for("two calls", PATIENCE, async || match broker.under_way() {
        2 => Ok(()),
        calls => Err(format!("{calls} calls")),
    })
    .await;
    world.stop.cancel();
    broker.let_go(2);
    world.relay.await.unwrap();
    assert_eq!(world.store.outbox_depth().await.unwrap(), 0, "what was taken has left");
}
