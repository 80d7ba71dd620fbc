//! The ledger of messages: each is there once, is sent by one at a time, and ends once.

use docket_domain::{Channel, DeliveryId, DeliveryKind, DeliveryState, ReminderId};
use docket_store::notification::{
    Claimed, Cursor, Delivery, Listing, NewDelivery, Settled, Settlement, Wake,
};
use docket_store::outbox::Trace;
use docket_store::{Error, Schema, Store};
use futures::FutureExt as _;
use uuid::Uuid;

use super::{Data, POSTGRES, at, id, user};

pub(crate) fn delivery_id(number: u128) -> DeliveryId {
    DeliveryId::from_uuid(Uuid::from_u128(number))
}

/// The message of a firing on a channel, at the second with the same number. Its id ends in the channel's.
pub(crate) fn message(firing: u128, channel: Channel) -> NewDelivery {
    let second = i64::try_from(firing).unwrap();
    let reminder_id = ReminderId::from_uuid(Uuid::from_u128(firing));
    NewDelivery {
        id: delivery_id(10 * firing + channel as u128),
        kind: DeliveryKind::Reminder,
        subject: reminder_id.to_string(),
        channel,
        user_id: user("alice"),
        task_id: Some(id(7)),
        reminder_id: Some(reminder_id),
        title: format!("Title {firing}"),
        content: serde_json::json!({ "number": 1, "text": "\"é\"" }),
        remind_time: at(second - 1),
        next_attempt: at(second),
        postponed: false,
        trace: Some(Trace { parent: "00-a".to_owned(), state: Some("b=c".to_owned()) }),
        create_time: at(second),
    }
}

/// The same, of nothing but what every message has.
pub(crate) fn bare(number: u128, kind: DeliveryKind, subject: &str) -> NewDelivery {
    NewDelivery {
        kind,
        subject: subject.to_owned(),
        task_id: None,
        reminder_id: None,
        trace: None,
        ..message(number, Channel::Email)
    }
}

pub(crate) async fn add(store: &Store, new: Vec<NewDelivery>) -> u64 {
    let added: Result<u64, Error> = store
        .transaction(|tx| {
            let new = new.clone();
            Box::pin(async move { Ok(tx.deliveries_add(&new).await?.len() as u64) })
        })
        .await;
    added.unwrap()
}

/// What is due at a second, claimed for the minute after it.
pub(crate) async fn claim(store: &Store, second: i64) -> Vec<Claimed> {
    let all = Channel::ALL.map(|channel| (channel, 100));
    store.deliveries_claim(&all, at(second), at(second + 60)).await.unwrap()
}

/// What became of what was claimed.
pub(crate) fn ended(claimed: &Claimed, state: DeliveryState, second: i64) -> Settled {
    Settled {
        id: claimed.delivery.id,
        attempts: claimed.delivery.attempts,
        state,
        next_attempt: None,
        postponed: false,
        reason: None,
        time: at(second),
    }
}

/// Answers what is known now, and the messages of the firings that are complete with it.
pub(crate) async fn settle(store: &Store, settled: Vec<Settled>) -> (Vec<DeliveryId>, Vec<DeliveryId>) {
    let done: Result<_, Error> = store
        .transaction(|tx| {
            let settled = settled.clone();
            Box::pin(async move {
                let Settlement { known, completed } = tx.deliveries_settle(&settled).await?;
                Ok((known, completed.iter().map(|delivery| delivery.id).collect()))
            })
        })
        .await;
    let (mut known, complete): (Vec<DeliveryId>, _) = done.unwrap();
    known.sort();
    (known, complete)
}

pub(crate) async fn get(store: &Store, delivery: DeliveryId) -> Delivery {
    let listing = Listing { limit: 10_000, ..Listing::default() };
    let (all, _) = store.deliveries_list(&user("alice"), &listing).await.unwrap();
    all.into_iter().find(|found| found.id == delivery).unwrap()
}

fn ids(claimed: &[Claimed]) -> Vec<u128> {
    claimed.iter().map(|claimed| claimed.delivery.id.as_uuid().as_u128()).collect()
}

pub(crate) async fn a_subject_is_begun_in_the_ledger_once(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    let before = store.statements().count();
    let three = vec![
        message(2, Channel::Webhook),
        message(1, Channel::Email),
        bare(3, DeliveryKind::Digest, "digest:alice:2027-01-15"),
    ];
    assert_eq!(add(&store, three).await, 3);
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(add(&store, vec![]).await, 0);
    let again =
        |channel| NewDelivery { id: delivery_id(999), title: "Other".to_owned(), ..message(1, channel) };
    let others =
        vec![again(Channel::Email), again(Channel::Push), bare(5, DeliveryKind::Digest, "digest:bob")];
    assert_eq!(add(&store, others).await, 1, "what was begun is not begun again, on whatever channel");

    let new = message(1, Channel::Email);
    let whole = Delivery {
        id: new.id,
        kind: new.kind,
        subject: new.subject,
        channel: new.channel,
        user_id: new.user_id,
        task_id: new.task_id,
        reminder_id: new.reminder_id,
        title: new.title,
        content: new.content,
        trace: new.trace,
        remind_time: at(0),
        state: DeliveryState::Pending,
        attempts: 0,
        next_attempt: Some(at(1)),
        postponed: false,
        reason: None,
        create_time: at(1),
        finish_time: None,
    };
    assert_eq!(get(&store, delivery_id(10)).await, whole, "as it was first");
    let bare = get(&store, delivery_id(30)).await;
    assert_eq!((bare.task_id, bare.reminder_id, bare.trace), (None, None, None));

    // What a stranger has sent may have what no text of PostgreSQL can hold.
    let odd = NewDelivery {
        title: "a\0b".to_owned(),
        content: serde_json::json!({ "title": "a\0b" }),
        ..message(4, Channel::Email)
    };
    assert_eq!(add(&store, vec![odd.clone()]).await, 1);
    let kept = get(&store, odd.id).await;
    assert_eq!((kept.title.as_str(), kept.content), ("a\u{fffd}b", odd.content));

    let many = (1_000..4_000).map(|number| message(number, Channel::Push)).collect();
    assert_eq!(add(&store, many).await, 3_000, "a large batch");
}

pub(crate) async fn what_is_due_is_claimed_by_channel_the_oldest_first(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    let mut new: Vec<NewDelivery> = (1..=5).map(|number| message(number, Channel::Email)).collect();
    new.extend([message(1, Channel::Push), message(2, Channel::Webhook)]);
    // Asked for first, and to be sent last.
    new[0].next_attempt = at(5);
    let before = store.statements().count();
    assert_eq!(store.notification_wake().await.unwrap(), Wake::default(), "there is nothing");
    assert_eq!(store.statements().count() - before, 1);
    add(&store, new).await;
    let next = async || store.notification_wake().await.unwrap().delivery;
    assert_eq!(next().await, Some(at(1)), "on whatever channel");

    let before = store.statements().count();
    assert_eq!(claim(&store, 0).await, [], "nothing is due");
    assert_eq!(store.deliveries_claim(&[], at(100), at(160)).await.unwrap(), [], "nothing is wanted");
    assert_eq!(store.statements().count() - before, 1, "a look costs a statement");
    let before = store.statements().count();
    let wanted = [(Channel::Email, 2), (Channel::Push, 2)];
    let first = store.deliveries_claim(&wanted, at(4), at(64)).await.unwrap();
    assert_eq!(store.statements().count() - before, if store.is_shared() { 1 } else { 2 });
    assert_eq!(ids(&first), [11, 20, 30], "two mails, and the one push message; no webhook");
    let expect = Delivery {
        state: DeliveryState::Sending,
        attempts: 1,
        next_attempt: None,
        ..get(&store, delivery_id(20)).await
    };
    assert_eq!(first[1], Claimed { delivery: expect, was_sending: false });
    assert_eq!(get(&store, delivery_id(20)).await, first[1].delivery, "as it is in the ledger");

    assert_eq!(ids(&claim(&store, 63).await), [22, 40, 10, 50], "the others; none of those that are claimed");
    assert_eq!(next().await, Some(at(64)), "when the first claim ends");
    let expired = claim(&store, 64).await;
    assert_eq!(ids(&expired), [11, 20, 30], "the claim has ended");
    assert!(expired.iter().all(|claimed| claimed.was_sending && claimed.delivery.attempts == 2));
}

pub(crate) async fn an_attempt_is_settled_by_who_made_it_and_a_message_ends_once(data: &Data) {
    use DeliveryState::{Failed, Pending, Sent, Unknown};
    let store = data.stores.of(Schema::Notification);
    let email = delivery_id(10);
    add(&store, vec![message(1, Channel::Email), message(1, Channel::Push)]).await;
    let first = claim(&store, 1).await;

    // Put off by quiet hours, while the other one was refused.
    let settled = vec![
        Settled { next_attempt: Some(at(30)), postponed: true, ..ended(&first[0], Pending, 2) },
        Settled { reason: Some("no\0such device".to_owned()), ..ended(&first[1], Failed, 3) },
    ];
    let before = store.statements().count();
    let both = vec![email, delivery_id(11)];
    assert_eq!(settle(&store, settled.clone()).await, (both, vec![]));
    let statements = if data.kind == POSTGRES { 1 } else { 2 };
    assert_eq!(store.statements().count() - before, statements, "to settle, and what is complete");
    assert_eq!(settle(&store, settled).await, (vec![], vec![]), "they are settled already");
    assert_eq!(settle(&store, vec![]).await, (vec![], vec![]));
    let push = get(&store, delivery_id(11)).await;
    assert_eq!((push.state, push.finish_time), (Failed, Some(at(3))));
    assert_eq!(push.reason.as_deref(), Some("no\u{fffd}such device"));
    let waiting = get(&store, email).await;
    assert_eq!((waiting.state, waiting.next_attempt, waiting.postponed), (Pending, Some(at(30)), true));
    assert_eq!((waiting.reason, waiting.finish_time), (None, None));
    assert_eq!(claim(&store, 29).await, []);

    // Refused for now, without a time; it is tried again at once.
    let second = claim(&store, 30).await;
    assert_eq!((ids(&second), second[0].delivery.attempts, second[0].was_sending), (vec![10], 2, false));
    settle(&store, vec![Settled { reason: Some("try later".to_owned()), ..ended(&second[0], Pending, 31) }])
        .await;
    // The third attempt never says what became of it, and a fourth is made.
    let third = claim(&store, 31).await;
    let fourth = claim(&store, 91).await;
    assert!(fourth[0].was_sending);
    assert_eq!((third[0].delivery.attempts, fourth[0].delivery.attempts), (3, 4));
    assert_eq!(settle(&store, vec![ended(&third[0], Unknown, 92)]).await, (vec![], vec![]), "too late");
    let last = vec![ended(&third[0], Failed, 93), ended(&fourth[0], Sent, 93)];
    assert_eq!(settle(&store, vec![last[1].clone()]).await, (vec![email], vec![email, delivery_id(11)]));
    assert_eq!(settle(&store, last).await, (vec![], vec![]), "it has ended");
    let sent = get(&store, email).await;
    assert_eq!((sent.state, sent.attempts, sent.next_attempt), (Sent, 4, None));
    assert_eq!((sent.postponed, sent.reason.as_deref()), (true, Some("try later")), "what was said stays");
    assert_eq!(sent.finish_time, Some(at(93)));
    assert_eq!(claim(&store, 100_000).await, []);
}

pub(crate) async fn a_firing_is_complete_with_its_last_message(data: &Data) {
    use DeliveryState::{Cancelled, Failed, Pending, Sent, Unknown};
    let store = data.stores.of(Schema::Notification);
    let mut new = vec![message(9, Channel::Email), bare(8, DeliveryKind::Test, "test:8")];
    for firing in 1..=3 {
        new.extend(Channel::ALL.map(|channel| message(firing, channel)));
    }
    add(&store, new).await;
    let claimed = claim(&store, 100).await;
    let of =
        |number: u128| claimed.iter().find(|claimed| claimed.delivery.id == delivery_id(number)).unwrap();
    let end = |number, state| ended(of(number), state, 101);
    let numbers = |ids: &[DeliveryId]| ids.iter().map(|id| id.as_uuid().as_u128()).collect::<Vec<_>>();

    let (_, none) = settle(&store, vec![end(10, Sent), end(11, Failed), end(20, Sent)]).await;
    assert_eq!(none, []);
    // One is complete with it, one would be but for a message that waits, and one has one message.
    let batch = vec![end(12, Unknown), end(21, Cancelled), end(22, Pending), end(90, Failed), end(80, Sent)];
    let (known, complete) = settle(&store, batch).await;
    assert_eq!(numbers(&known), [12, 21, 22, 80, 90]);
    assert_eq!(numbers(&complete), [10, 11, 12, 90], "firing by firing; what is no reminder has none");
    let (_, none) = settle(&store, vec![end(10, Sent), end(30, Sent)]).await;
    assert_eq!(none, [], "what was complete is not told again");
    let again = claim(&store, 101).await;
    let (_, complete) = settle(&store, vec![ended(&again[0], Sent, 102)]).await;
    assert_eq!(numbers(&complete), [20, 21, 22]);

    // With all that is needed to tell of it.
    let last: Result<Vec<Delivery>, Error> = store
        .transaction(|tx| {
            let settled = [end(31, Failed), end(32, Failed)];
            Box::pin(async move { Ok(tx.deliveries_settle(&settled).await?.completed) })
        })
        .await;
    let last = last.unwrap();
    assert_eq!(last[0], get(&store, delivery_id(30)).await);
    assert_eq!(last.iter().map(|delivery| delivery.state).collect::<Vec<_>>(), [Sent, Failed, Failed]);
}

pub(crate) async fn the_ledger_is_listed_the_newest_first_in_pages_that_stay(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    let mut new: Vec<NewDelivery> = (1..=6).map(|number| message(number, Channel::Email)).collect();
    new[1].task_id = Some(id(8));
    // Two of the same moment, and one of somebody else.
    new[4].create_time = at(4);
    new[5].user_id = user("bob");
    new.push(bare(7, DeliveryKind::Test, "test:7"));
    add(&store, new).await;
    let claimed = claim(&store, 2).await;
    settle(&store, vec![ended(&claimed[0], DeliveryState::Sent, 3)]).await;

    let check = async |listing: Listing, expect: &[u128]| {
        let listing = Listing { limit: 10, ..listing };
        let (page, more) = store.deliveries_list(&user("alice"), &listing).await.unwrap();
        let found: Vec<u128> = page.iter().map(|delivery| delivery.id.as_uuid().as_u128()).collect();
        assert_eq!((found.as_slice(), more), (expect, false), "{listing:?}");
    };
    let states = |states: &[DeliveryState]| Listing { states: states.to_vec(), ..Listing::default() };
    use DeliveryState::{Failed, Sending, Sent};
    check(Listing::default(), &[70, 50, 40, 30, 20, 10]).await;
    check(Listing { task_id: Some(id(7)), ..Listing::default() }, &[50, 40, 30, 10]).await;
    check(states(&[Sent]), &[10]).await;
    check(states(&[Sending, Failed, Sent]), &[20, 10]).await;
    check(Listing { start_time: Some(at(3)), end_time: Some(at(7)), ..Listing::default() }, &[50, 40, 30])
        .await;

    // Pages, one of which ends between the two of the same moment; what comes meanwhile does not move them.
    let mut listing = Listing { limit: 2, ..Listing::default() };
    let before = store.statements().count();
    let (page, more) = store.deliveries_list(&user("alice"), &listing).await.unwrap();
    assert_eq!(store.statements().count() - before, 1);
    assert!(more && page.len() == 2);
    assert_eq!(page[0], get(&store, delivery_id(70)).await);
    add(&store, vec![message(100, Channel::Email)]).await;
    let cursor = serde_json::to_string(&Cursor::of(&page[1])).unwrap();
    listing.after = Some(serde_json::from_str(&cursor).unwrap());
    listing.limit = 4;
    let (page, more) = store.deliveries_list(&user("alice"), &listing).await.unwrap();
    let found: Vec<u128> = page.iter().map(|delivery| delivery.id.as_uuid().as_u128()).collect();
    assert_eq!((found, more), (vec![40, 30, 20, 10], false));
}

pub(crate) async fn what_has_ended_is_purged_and_what_waits_stays(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    add(&store, (1..=5).map(|number| message(number, Channel::Email)).collect()).await;
    let claimed = claim(&store, 4).await;
    let ends =
        [(0, DeliveryState::Failed, 20), (1, DeliveryState::Sent, 10), (2, DeliveryState::Cancelled, 30)];
    settle(&store, ends.map(|(index, state, second)| ended(&claimed[index], state, second)).to_vec()).await;
    assert_eq!(store.purge_deliveries(at(10), 100).await.unwrap(), 0);
    let before = store.statements().count();
    assert_eq!(store.purge_deliveries(at(1_000), 2).await.unwrap(), 2);
    assert_eq!(store.statements().count() - before, 1);
    let left = async || {
        let listing = Listing { limit: 10, ..Listing::default() };
        let (page, _) = store.deliveries_list(&user("alice"), &listing).await.unwrap();
        page.iter().map(|delivery| delivery.id.as_uuid().as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(left().await, [50, 40, 30], "those that ended first");
    assert_eq!(store.purge_deliveries(at(1_000_000), 100).await.unwrap(), 1);
    assert_eq!(left().await, [50, 40], "one that waits, and one that is being sent");
}

pub(crate) async fn who_sends_is_woken_and_one_word_before_counts(data: &Data) {
    let store = data.stores.of(Schema::Notification);
    let waits = || store.deliveries_change().now_or_never();
    assert_eq!(waits(), None);
    store.outbox_changed();
    assert_eq!(waits(), None, "that is for the relay");
    store.deliveries_changed();
    store.clone().deliveries_changed();
    assert_eq!((waits(), waits()), (Some(()), None));
    // Who waits already is woken.
    tokio::join!(store.deliveries_change(), async { store.deliveries_changed() });
    assert_eq!(waits(), None);
}
