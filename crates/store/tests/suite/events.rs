//! Events, and the answers of calls: once each, in order, or not at all.

use std::collections::HashSet;
use std::time::Duration;

use docket_domain::{EventId, RequestId};
use docket_store::idempotency::{self, Call, Earlier, Reused};
use docket_store::inbox::Arrival;
use docket_store::outbox::{NewEvent, PendingEvent};
use docket_store::page::{self, PAGE_BYTES};
use docket_store::{Conflict, Error, Schema, StepState, Store};
use uuid::Uuid;

use super::{Data, at, event_id, full, id, put, task, user};

pub(crate) fn event(number: u128, topic: &str, key: &str) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(number)),
        topic: topic.to_owned(),
        key: key.to_owned(),
        event_type: "com.todo.task.updated",
        source: "docket/tasks".to_owned(),
        payload: b"{}".to_vec(),
        trace: None,
        time: at(1),
    }
}

async fn heads(store: &Store, after: i64, limit: u64) -> Vec<u128> {
    let topics = ["t".to_owned()];
    let heads = store.outbox_heads(&topics, after, limit).await.unwrap();
    heads.iter().map(|head| head.id.as_uuid().as_u128()).collect()
}

pub(crate) async fn the_outbox_shows_the_head_of_each_key_until_every_handler_has_it(data: &Data) {
    let store = data.tasks();
    store
        .transaction(|tx| {
            Box::pin(async move {
                let events =
                    vec![event(1, "t", "a"), event(2, "t", "a"), event(3, "t", "b\0"), event(4, "u", "a")];
                tx.outbox_append(events).await?;
                // The handler "one" is done with 1 and 3, "two" only with 3.
                for (handler, number) in [("one", 1), ("one", 3), ("two", 3)] {
                    let arrival = Arrival { event: event_id(number), replay: None };
                    assert!(tx.inbox_begin(handler, &arrival, at(2)).await?);
                    assert!(!tx.inbox_bury(handler, &arrival, "too late", at(2)).await?);
                }
                Ok::<_, Error>(())
            })
        })
        .await
        .unwrap();
    assert_eq!(heads(&store, 0, 10).await, [1, 3]);
    assert_eq!(heads(&store, 0, 1).await, [1]);
    assert_eq!(
        heads(&store, 1, 10).await,
        [3],
        "a pass goes on behind its last row, and skips no key's order"
    );
    let topics = ["t".to_owned()];
    let (lease, name) = (Duration::from_secs(60), Uuid::from_u128(1));
    let mut part = store.relay_join(name, lease).await.unwrap();
    store.relay_claim(&mut part, usize::MAX).await.unwrap();
    let before = store.statements().count();
    let found = store.relay_poll(&part, lease, &topics, 0, 10).await.unwrap().unwrap().heads;
    assert_eq!(found, store.outbox_heads(&topics, 0, 10).await.unwrap());
    let ids: Vec<EventId> = found.iter().map(|head| head.id).collect();
    let receipts = store.inbox_receipts(&ids).await.unwrap();
    let follow = store.outbox_next(&found, 1).await.unwrap();
    assert_eq!(store.statements().count() - before, 4);
    let receipt = |index: usize, handler: &str| (ids[index], handler.to_owned());
    assert_eq!(receipts, HashSet::from([receipt(0, "one"), receipt(1, "one"), receipt(1, "two")]));
    let follow: Vec<u128> = follow.iter().map(|next| next.id.as_uuid().as_u128()).collect();
    assert_eq!(follow, [2], "what follows in the key and topic of event 1; nothing does in that of event 3");
    assert!(store.outbox_next::<PendingEvent>(&[], 1).await.unwrap().is_empty());

    assert!(store.outbox_remove(&part, &ids[..1]).await.unwrap());
    assert_eq!(heads(&store, 0, 10).await, [2, 3], "the next event of the key moves up");
    assert!(store.outbox_remove(&part, &ids[1..]).await.unwrap());
    assert_eq!(store.outbox_depth().await.unwrap(), 2);
}

pub(crate) async fn what_follows_in_a_key_is_read_some_at_a_time(data: &Data) {
    let store = data.tasks();
    let keys = ["a", "b", "a", "a", "c", "b", "a", "a"];
    let events: Vec<NewEvent> =
        keys.into_iter().zip(1..).map(|(key, number)| event(number, "t", key)).collect();
    let appended: Result<(), Error> =
        store.transaction(|tx| Box::pin(tx.outbox_append(events.clone()))).await;
    appended.unwrap();
    let heads = store.outbox_heads(&["t".to_owned()], 0, 10).await.unwrap();
    let next = async |each| {
        let before = store.statements().count();
        let next = store.outbox_next(&heads, each).await.unwrap();
        assert_eq!(store.statements().count() - before, 1);
        next.iter().map(|event| event.id.as_uuid().as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(next(1).await, [3, 6]);
    assert_eq!(next(3).await, [3, 4, 6, 7]);
    assert_eq!(next(9).await, [3, 4, 6, 7, 8]);
}

pub(crate) async fn a_look_into_the_outbox_takes_no_more_than_a_page(data: &Data) {
    let store = data.tasks();
    // Three of them are the first to reach it.
    let large = usize::try_from(PAGE_BYTES / 3 + 1).unwrap();
    let of_key = |number: u128, key: &str| NewEvent { payload: vec![b' '; large], ..event(number, "t", key) };
    let events: Vec<NewEvent> = ["a", "b", "c", "d"]
        .into_iter()
        .zip(1..)
        .flat_map(|(key, number)| [of_key(number, key), of_key(number + 10, key)])
        .collect();
    let append =
        |event: NewEvent| store.transaction(move |tx| Box::pin(tx.outbox_append(vec![event.clone()])));
    for event in events {
        let appended: Result<(), Error> = append(event).await;
        appended.unwrap();
    }
    let (lease, name) = (Duration::from_secs(60), Uuid::from_u128(2));
    let mut part = store.relay_join(name, lease).await.unwrap();
    store.relay_claim(&mut part, usize::MAX).await.unwrap();
    let poll = async |after| {
        store.relay_poll(&part, lease, &["t".to_owned()], after, 10).await.unwrap().unwrap().heads
    };
    let numbers = |events: &[PendingEvent]| -> Vec<u128> {
        events.iter().map(|event| event.id.as_uuid().as_u128()).collect()
    };
    let first = poll(0).await;
    assert_eq!((numbers(&first).as_slice(), page::is_full(&first)), ([1, 2, 3].as_slice(), true));
    let rest = poll(first[2].position).await;
    assert_eq!((numbers(&rest).as_slice(), page::is_full(&rest)), ([4].as_slice(), false));
    let all = [first, rest].concat();
    let next = store.outbox_next(&all, 1).await.unwrap();
    assert_eq!((numbers(&next).as_slice(), page::is_full(&next)), ([11, 12, 13].as_slice(), true));
}

async fn claim(store: &Store, method: &'static str, body: u8) -> Earlier {
    let claimed: Result<Earlier, Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                let alice = user("alice");
                let request_id = RequestId::from_uuid(Uuid::from_u128(5));
                let call = Call { user: &alice, request_id, method, body_hash: [body; 32] };
                let earlier = tx.call_claim(&call, Vec::new(), at(1)).await?;
                if earlier == Earlier::None {
                    tx.call_answer(&call, b"first".to_vec()).await?;
                }
                Ok(earlier)
            })
        })
        .await;
    claimed.unwrap()
}

pub(crate) async fn a_call_is_claimed_once_and_answers_the_same_ever_after(data: &Data) {
    let store = data.tasks();
    let claim = |method, body| claim(&store, method, body);
    assert_eq!(claim("CompleteTask", 1).await, Earlier::None);
    assert_eq!(claim("CompleteTask", 1).await, Earlier::Answered(b"first".to_vec()));
    assert_eq!(claim("CompleteTask", 2).await, Earlier::Other);
    assert_eq!(claim("DeleteTask", 1).await, Earlier::Other);
}

/// The targets whose calls may be repeated.
const REPEATABLE: [Schema; 3] = [Schema::Tasks, Schema::Reminders, Schema::Notification];

#[derive(Debug)]
enum Refused {
    Store(Error),
    Reused(Reused),
    /// By what the call does.
    Late,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<Reused> for Refused {
    fn from(reused: Reused) -> Self {
        Self::Reused(reused)
    }
}

impl Conflict for Refused {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }

    fn store(&self) -> Option<&Error> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

/// Makes a call whose effect is an event, and whose answer is a text. The call is the body's.
async fn make(
    store: &Store,
    request: Option<u128>,
    number: u128,
    body: &'static str,
) -> Result<String, Refused> {
    let body = body.to_owned();
    store
        .transaction(|tx| {
            let body = body.clone();
            Box::pin(async move {
                let alice = user("alice");
                let call = request.map(|id| Call {
                    user: &alice,
                    request_id: RequestId::from_uuid(Uuid::from_u128(id)),
                    method: "SnoozeReminder",
                    body_hash: idempotency::digest(&body),
                });
                let first = async {
                    if body == "too late" {
                        return Err(Refused::Late);
                    }
                    tx.outbox_append(vec![event(number, "t", &number.to_string())]).await?;
                    Ok(format!("{body}: {number}"))
                };
                tx.call_once(call.as_ref(), at(1), first).await
            })
        })
        .await
}

pub(crate) async fn a_call_is_made_once_and_its_answer_is_kept_with_the_effect(data: &Data) {
    for (schema, number) in REPEATABLE.into_iter().zip([100_u128, 200, 300]) {
        let store = data.stores.of(schema);
        let before = store.outbox_depth().await.unwrap();
        let added = async || store.outbox_depth().await.unwrap() - before;
        // On SQLite all have one table.
        let request = Some(number);
        let make = |request, number, body| make(&store, request, number, body);
        let counted = store.statements().count();
        let first = make(request, number, "first").await.unwrap();
        assert_eq!((first.as_str(), added().await), (format!("first: {number}").as_str(), 1), "{schema}");
        assert_eq!(
            store.statements().count() - counted,
            3 + 1,
            "{schema}: claim, effect, answer; and the look"
        );
        assert_eq!(make(request, number + 1, "first").await.unwrap(), first, "{schema}");
        let other = make(request, number + 2, "second").await.unwrap_err();
        assert!(
            matches!(other, Refused::Reused(Reused { id }) if id.as_uuid().as_u128() == number),
            "{other:?}"
        );
        assert_eq!(added().await, 1, "{schema}: repetitions have no effect");
        let late = make(Some(number + 3), number + 3, "too late").await.unwrap_err();
        assert!(matches!(late, Refused::Late), "{late:?}");
        let again = make(Some(number + 3), number + 4, "in time").await.unwrap();
        assert_eq!(again, format!("in time: {}", number + 4), "{schema}: what was refused has used no id up");
        let counted = store.statements().count();
        make(None, number + 5, "first").await.unwrap();
        assert_eq!(store.statements().count() - counted, 1, "{schema}: without an id it costs nothing");
        assert_eq!(added().await, 3, "{schema}");
    }
}

pub(crate) async fn an_error_leaves_nothing_behind(data: &Data) {
    let store = data.tasks();
    let outcome: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                tx.task_insert(&task(1, "alice", full())).await?;
                tx.outbox_append(vec![event(1, "t", "a")]).await?;
                tx.task_insert(&task(1, "alice", full())).await
            })
        })
        .await;
    assert!(matches!(outcome, Err(Error::Exists(_))));
    assert_eq!(store.task_get(&user("alice"), id(1)).await.unwrap(), None);
    assert_eq!(store.outbox_depth().await.unwrap(), 0);
}

pub(crate) async fn the_schema_goes_down_and_up_again(data: &Data) {
    let stores = &data.stores;
    let states = async || -> Vec<StepState> {
        stores.migrations().await.unwrap().iter().map(|step| step.state).collect()
    };
    let steps = states().await.len();
    assert!(steps > 0);
    assert_eq!(states().await, vec![StepState::Applied; steps]);
    stores.check_schema().await.unwrap();
    stores.migrate_down(1).await.unwrap();
    let refused = stores.check_schema().await.unwrap_err();
    let newest = stores.migrations().await.unwrap().into_iter().find(|step| step.state == StepState::Pending);
    assert!(refused.to_string().contains(&newest.unwrap().name), "{refused}");
    assert!(refused.to_string().contains("`docket migrate up`"), "{refused}");
    stores.migrate_down(u32::MAX).await.unwrap();
    assert_eq!(states().await, vec![StepState::Pending; steps]);
    assert!(data.tasks().task_get(&user("alice"), id(1)).await.is_err(), "the table is gone");
    stores.migrate_up(Some(1)).await.unwrap();
    assert_eq!(states().await[0], StepState::Applied);
    stores.migrate_up(None).await.unwrap();
    put(&data.tasks(), &task(1, "alice", full())).await.unwrap();
}
