//! Tests of a channel in the ledger: who begins one sends it, and after a pause there may be another one.

use docket_domain::{Channel, DeliveryKind, DeliveryState};
use docket_store::notification::{Begun, Claimed, Delivery, NewDelivery};
use docket_store::{Error, Schema, Store};

use super::ledger::{add, bare, claim, delivery_id, ended, get, message, settle};
use super::{Data, at, user};

/// A test by mail, at the second with the same number.
pub(crate) fn test(number: u128) -> NewDelivery {
    bare(number, DeliveryKind::Test, &format!("test:{number}"))
}

/// Begins a test that must be so many seconds after the one before; its claim ends at `until`.
pub(crate) async fn begin(store: &Store, new: &NewDelivery, pause: i64, until: i64) -> Result<Begun, Error> {
    let since = new.create_time - chrono::TimeDelta::seconds(pause) + chrono::TimeDelta::microseconds(1);
    store
        .transaction(|tx| {
            let new = new.clone();
            Box::pin(async move { tx.test_begin(&new, at(until), since).await })
        })
        .await
}

fn ours(begun: Result<Begun, Error>) -> Delivery {
    match begun.unwrap() {
        Begun::Ours(delivery) => *delivery,
        Begun::Before { last } => panic!("there was one at {last}"),
    }
}

pub(crate) async fn a_test_that_is_begun_is_the_beginners_until_then(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    let before = store.statements().count();
    let begun = ours(begin(&store, &test(1), 10, 20).await);
    assert_eq!(store.statements().count() - before, if store.is_shared() { 3 } else { 2 });
    assert_eq!((begun.state, begun.attempts, begun.next_attempt), (DeliveryState::Sending, 1, None));
    assert_eq!(get(&store, begun.id).await, begun, "as it is in the ledger");
    assert_eq!(claim(&store, 19).await, []);
    let taken = claim(&store, 20).await;
    assert!(taken[0].was_sending);
    let late = ended(&Claimed { delivery: begun, was_sending: false }, DeliveryState::Sent, 21);
    assert_eq!(settle(&store, vec![late]).await.0, [], "too late");

    let other = NewDelivery { id: delivery_id(999), ..test(1) };
    let refused = begin(&store, &other, 0, 20).await.unwrap_err();
    assert!(matches!(refused, Error::Exists(_)), "the subject has a message on the channel");
    let begun = ours(begin(&store, &test(11), 10, 20).await);
    assert_eq!(
        settle(
            &store,
            vec![ended(&Claimed { delivery: begun.clone(), was_sending: false }, DeliveryState::Failed, 3)]
        )
        .await
        .0,
        [begun.id]
    );
}

pub(crate) async fn a_test_waits_for_the_pause_after_the_one_before_on_its_channel(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    // What is no test, or another one's, or by another way, is no reason to wait.
    let others = [
        NewDelivery { user_id: user("bob"), ..test(101) },
        NewDelivery { channel: Channel::Push, ..test(102) },
    ];
    for other in &others {
        ours(begin(&store, other, 0, 200).await);
    }
    add(&store, vec![message(103, Channel::Email)]).await;
    ours(begin(&store, &test(104), 10, 200).await);
    for number in 105..114 {
        let begun = begin(&store, &test(number), 10, 200).await.unwrap();
        assert_eq!(begun, Begun::Before { last: at(104) }, "{number}");
    }
    ours(begin(&store, &test(114), 10, 200).await);
    // Somebody's clock is ahead.
    assert_eq!(begin(&store, &test(110), 10, 200).await.unwrap(), Begun::Before { last: at(114) });
    let mine = store.delivery_get(&user("alice"), test(114).id).await.unwrap().unwrap();
    assert_eq!((mine.kind, mine.create_time), (DeliveryKind::Test, at(114)));
    assert_eq!(store.delivery_get(&user("bob"), mine.id).await.unwrap(), None, "somebody else's");
}
