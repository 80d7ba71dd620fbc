//! Publishing again: whole messages as they were, and events that were kept.

use std::time::Duration;

use docket_domain::EventId;
use docket_store::outbox::{NewReplay, PendingEvent, Trace};
use docket_store::published::Again;
use docket_store::relay::Part;
use docket_store::{Error, Store};
use uuid::Uuid;

use super::events::event;
use super::{Data, at, event_id, id};

const LEASE: Duration = Duration::from_secs(60);

/// A relay that has everything.
async fn relay(store: &Store) -> Part {
    let mut part = store.relay_join(Uuid::from_u128(1), LEASE).await.unwrap();
    store.relay_claim(&mut part, usize::MAX).await.unwrap();
    part
}

async fn heads(store: &Store, part: &Part) -> Vec<PendingEvent> {
    store.relay_poll(part, LEASE, &["t".to_owned()], 0, 100).await.unwrap().unwrap().heads
}

pub(crate) async fn a_replay_leaves_as_the_message_that_it_was(data: &Data) {
    let store = data.tasks();
    let replay = |number, key: &str, handler: Option<&str>| NewReplay {
        id: event_id(number),
        topic: "t".to_owned(),
        key: key.to_owned(),
        handler: handler.map(str::to_owned),
        message: b"\xff{ not even JSON".to_vec(),
        trace: Some(Trace { parent: "00-a-b-01".to_owned(), state: None }),
        time: at(5),
    };
    let before = store.statements().count();
    let appended: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                tx.outbox_replay(vec![
                    replay(1, "a", Some("audit")),
                    replay(2, "a", None),
                    replay(3, "b", None),
                ])
                .await?;
                tx.outbox_replay(vec![]).await
            })
        })
        .await;
    appended.unwrap();
    assert_eq!(store.statements().count() - before, 1);
    let many: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                tx.outbox_replay((100..2_600).map(|number| replay(number, "c", None)).collect()).await
            })
        })
        .await;
    many.unwrap();
    let part = relay(&store).await;
    let [first, third, many] = heads(&store, &part).await.try_into().unwrap();
    assert!(first.raw && first.is_replay());
    assert_eq!((first.id, first.handler.as_deref()), (event_id(1), Some("audit")));
    assert_eq!((first.republish_of, first.payload.as_slice()), (None, b"\xff{ not even JSON".as_slice()));
    assert_eq!((first.trace.clone().unwrap().parent.as_str(), first.time), ("00-a-b-01", at(5)));
    assert_eq!((third.id, third.handler), (event_id(3), None));
    assert_eq!(many.id, event_id(100), "in their order");
    // The one behind it, by the other statement that reads events.
    let [second] = store.outbox_next(&[first], 1).await.unwrap().try_into().unwrap();
    assert!(second.raw);
    assert_eq!((second.id, second.handler.as_deref()), (event_id(2), None));
    let of_key = store.outbox_of("t", "a", 0, 10).await.unwrap();
    assert_eq!(of_key.iter().map(|event| event.id).collect::<Vec<_>>(), [event_id(1), event_id(2)]);
    assert_eq!(store.outbox_of("t", "a", of_key[0].position, 10).await.unwrap(), [second]);
    assert_eq!(store.outbox_of("t", "a", 0, 1).await.unwrap(), of_key[..1]);
    assert_eq!(store.outbox_of("u", "a", 0, 10).await.unwrap(), []);
}

pub(crate) async fn what_leaves_the_outbox_of_the_tasks_is_kept_and_can_be_published_again(data: &Data) {
    let store = data.tasks();
    let key = id(7).to_string();
    let named = key.clone();
    let appended: Result<(), Error> = store
        .transaction(|tx| {
            let key = named.clone();
            Box::pin(async move {
                let mut later = event(2, "t", &key);
                later.time = at(9);
                later.trace = Some(Trace { parent: "00-a-b-01".to_owned(), state: Some("s=1".to_owned()) });
                let mut foreign = event(4, "t", &key);
                foreign.source = "docket/audit".to_owned();
                let elsewhere = event(6, "elsewhere", &key);
                tx.outbox_append(vec![
                    later,
                    event(1, "t", &key),
                    event(3, "t", "other"),
                    foreign,
                    elsewhere,
                ])
                .await?;
                let replay = NewReplay {
                    id: event_id(5),
                    topic: "t".to_owned(),
                    key,
                    handler: None,
                    message: b"raw".to_vec(),
                    trace: None,
                    time: at(1),
                };
                tx.outbox_replay(vec![replay]).await
            })
        })
        .await;
    appended.unwrap();
    let part = relay(&store).await;
    let all: Vec<EventId> = (1..=6).map(event_id).collect();
    let before = store.statements().count();
    assert!(store.outbox_remove(&part, &all).await.unwrap());
    assert_eq!(store.statements().count() - before, if store.is_shared() { 1 } else { 2 });
    assert_eq!(store.outbox_depth().await.unwrap(), 0);

    let kept = store.published_of("t", id(7), None, 10).await.unwrap();
    let ids: Vec<EventId> = kept.iter().map(|event| event.event_id).collect();
    assert_eq!(
        ids,
        [event_id(1), event_id(2)],
        "of the tasks alone, no raw ones, in the order of their times"
    );
    assert_eq!((kept[1].time, kept[1].trace.clone().unwrap().state.as_deref()), (at(9), Some("s=1")));
    assert_eq!((kept[1].topic.as_str(), kept[1].key.as_str()), ("t", key.as_str()));
    assert_eq!(
        (kept[1].event_type.as_str(), kept[1].payload.as_slice()),
        ("com.todo.task.updated", b"{}".as_slice())
    );
    assert!(kept[0].publish_time.timestamp() > 1_700_000_000, "{:?}", kept[0].publish_time);
    let elsewhere = store.published_of("elsewhere", id(7), None, 10).await.unwrap();
    assert_eq!(elsewhere.iter().map(|event| event.event_id).collect::<Vec<_>>(), [event_id(6)]);
    assert_eq!(store.published_of("t", id(7), None, 1).await.unwrap(), &kept[..1]);
    let after = Some((kept[0].time, kept[0].event_id));
    assert_eq!(store.published_of("t", id(7), after, 10).await.unwrap(), &kept[1..]);

    let again = |event, replay| Again { event: event_id(event), replay: event_id(replay) };
    let wanted = [again(2, 20), again(1, 10), again(99, 990)];
    let added: Result<u64, Error> =
        store.transaction(|tx| Box::pin(async move { tx.published_again(&wanted, "audit").await })).await;
    assert_eq!(added.unwrap(), 2, "what is not kept is left out");
    let [first] = heads(&store, &part).await.try_into().unwrap();
    assert_eq!((first.id, first.republish_of), (event_id(10), Some(event_id(1))));
    assert!(!first.raw && first.is_replay());
    assert_eq!((first.handler.as_deref(), first.source.as_str()), (Some("audit"), "docket/tasks"));
    let [second] = store.outbox_next(std::slice::from_ref(&first), 1).await.unwrap().try_into().unwrap();
    assert_eq!((second.id, second.republish_of), (event_id(20), Some(event_id(2))));
    assert_eq!((second.time, second.trace), (kept[1].time, kept[1].trace.clone()));
    assert_eq!(
        (second.key, second.topic, second.payload),
        (key, kept[1].topic.clone(), kept[1].payload.clone())
    );

    assert!(store.outbox_remove(&part, &[first.id, second.id]).await.unwrap());
    assert_eq!(store.outbox_depth().await.unwrap(), 0);
    assert_eq!(store.published_of("t", id(7), None, 10).await.unwrap(), kept, "each is kept once");
}
