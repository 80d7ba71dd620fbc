//! The store on SQLite in memory: what is written is read back, in the order and the number that was promised.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashSet;

use chrono::{NaiveDate, TimeZone as _, Utc};
use docket_domain::content::{Channel, Moment};
use docket_domain::filter::{Condition, Filter, Order, OrderField, StateName};
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Pattern};
use docket_domain::{
    Content, Description, Due, EventId, Instant, Priority, Recurrence, Reminder, RequestId, SeriesId, Tags,
    Task, TaskId, Title, UserId,
};
use docket_store::idempotency::{Call, Earlier};
use docket_store::inbox::Verdict;
use docket_store::outbox::NewEvent;
use docket_store::tasks::{Cursor, Listing};
use docket_store::{Config, Error, Store};
use uuid::Uuid;

async fn store() -> Store {
    let store =
        Store::open(&Config { url: "sqlite::memory:".to_owned(), ..Config::default() }).await.unwrap();
    store.migrate_up(None).await.unwrap();
    store
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn at(second: i64) -> Instant {
    Utc.timestamp_opt(1_800_000_000 + second, 0).unwrap()
}

fn id(number: u128) -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(number))
}

fn content(title: &str) -> Content {
    Content {
        title: Title::parse(title).unwrap(),
        description: Description::default(),
        priority: Priority::Medium,
        tags: Tags::default(),
        due: None,
        time_zone: chrono_tz::UTC,
        recurrence: None,
        reminders: Vec::new(),
    }
}

fn task(number: u128, owner: &str, content: Content) -> Task {
    let series = SeriesId::from_uuid(Uuid::from_u128(number + 1_000_000));
    Task::create(id(number), user(owner), content, series, at(i64::try_from(number).unwrap())).after
}

async fn put(store: &Store, task: &Task) -> Result<(), Error> {
    let task = task.clone();
    store
        .transaction(move |tx| {
            let task = task.clone();
            Box::pin(async move {
                tx.task_insert(&task).await?;
                tx.sequence_advance(&task.user_id, &[task.id]).await
            })
        })
        .await
}

fn full() -> Content {
    Content {
        title: Title::parse("Miete überweisen 🏠").unwrap(),
        description: Description::parse("line one\nline two").unwrap(),
        priority: Priority::Urgent,
        tags: Tags::collect(vec!["home".to_owned(), "a,b %_\\".to_owned()]).unwrap(),
        due: Some(Due::At(Utc.with_ymd_and_hms(2027, 1, 31, 8, 0, 0).unwrap())),
        time_zone: chrono_tz::Europe::Berlin,
        recurrence: Some(Recurrence {
            pattern: Pattern::Monthly,
            interval: 2,
            anchor: Anchor::CompletionTime,
            month_end: MonthEnd::Skip,
            missed: Missed::Each,
            end: End::Until(at(100_000_000)),
        }),
        reminders: vec![
            Reminder {
                moment: Moment::Before(std::time::Duration::from_secs(60)),
                channels: vec![Channel::Push, Channel::Email],
            },
            Reminder { moment: Moment::At(at(7)), channels: vec![Channel::Webhook] },
        ],
    }
}

#[tokio::test]
async fn a_task_reads_back_as_it_was_written() {
    let store = store().await;
    let all_day = Content {
        due: Some(Due::On(NaiveDate::from_ymd_opt(2027, 2, 28).unwrap())),
        recurrence: Some(Recurrence { end: End::Count(3), ..full().recurrence.unwrap() }),
        ..full()
    };
    for (number, content) in [(1, content("plain")), (2, full()), (3, all_day)] {
        let written = task(number, "alice", content);
        put(&store, &written).await.unwrap();
        assert_eq!(store.task_get(&user("alice"), id(number)).await.unwrap(), Some(written));
    }
    let before = store.task_get(&user("alice"), id(2)).await.unwrap().unwrap();
    let after = before.complete(at(50)).unwrap().after;
    let changed = Task { content: Content { tags: Tags::default(), ..after.content.clone() }, ..after };
    let (from, to) = (before.clone(), changed.clone());
    store
        .transaction(move |tx| {
            let (from, to) = (from.clone(), to.clone());
            Box::pin(async move { tx.task_update(&from, &to).await })
        })
        .await
        .unwrap();
    assert_eq!(store.task_get(&user("alice"), id(2)).await.unwrap(), Some(changed));
}

#[tokio::test]
async fn a_foreign_task_is_not_there_and_a_taken_id_is_refused() {
    let store = store().await;
    put(&store, &task(1, "alice", content("hers"))).await.unwrap();
    assert_eq!(store.task_get(&user("bob"), id(1)).await.unwrap(), None);
    assert!(matches!(put(&store, &task(1, "bob", content("his"))).await, Err(Error::Exists(_))));
    let hers = store.task_get(&user("alice"), id(1)).await.unwrap().unwrap();
    assert_eq!(hers.content.title.as_str(), "hers");
}

async fn listed(store: &Store, filter: Filter, order: Order, limit: u32) -> Vec<Vec<u128>> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let listing = Listing { filter: &filter, order, show_deleted: false, after, limit };
        let (tasks, more) = store.task_list(&user("alice"), &listing).await.unwrap();
        pages.push(tasks.iter().map(|task| task.id.as_uuid().as_u128()).collect());
        match tasks.last() {
            Some(last) if more => after = Some(Cursor::of(last, order.field)),
            _ => return pages,
        }
    }
}

#[tokio::test]
async fn listings_filter_sort_and_page_in_one_statement_a_page() {
    let store = store().await;
    let due = |second| Some(Due::At(at(second)));
    let rows = [
        Content { due: due(300), priority: Priority::Low, ..content("Buy Milk") },
        Content { due: None, priority: Priority::High, ..content("100% sure_thing") },
        Content {
            due: due(100),
            tags: Tags::collect(vec!["home".to_owned(), "x".to_owned()]).unwrap(),
            ..content("c")
        },
        Content { due: due(300), priority: Priority::Urgent, ..content("buy milk again") },
        Content { due: None, tags: Tags::collect(vec!["home".to_owned()]).unwrap(), ..content("Über e") },
    ];
    for (number, row) in (1..).zip(rows) {
        put(&store, &task(number, "alice", row)).await.unwrap();
    }
    put(&store, &task(77, "bob", content("not hers"))).await.unwrap();
    let gone = task(78, "alice", content("gone")).delete(at(99)).unwrap().after;
    put(&store, &gone).await.unwrap();

    let by = |field, descending| Order { field, descending };
    let created = by(OrderField::CreateTime, false);
    let cases: Vec<(Vec<Condition>, Order, Vec<Vec<u128>>)> = vec![
        (vec![], created, vec![vec![1, 2], vec![3, 4], vec![5]]),
        (vec![], by(OrderField::CreateTime, true), vec![vec![5, 4], vec![3, 2], vec![1]]),
        (vec![], by(OrderField::Due, false), vec![vec![3, 1], vec![4, 2], vec![5]]),
        (vec![], by(OrderField::Due, true), vec![vec![4, 1], vec![3, 5], vec![2]]),
        (vec![], by(OrderField::Priority, true), vec![vec![4, 2], vec![5, 3], vec![1]]),
        (vec![Condition::Tag("home".to_owned())], created, vec![vec![3, 5]]),
        (vec![Condition::Text("BUY milk".to_owned())], created, vec![vec![1, 4]]),
        (vec![Condition::Text("0% sure_".to_owned())], created, vec![vec![2]]),
        (vec![Condition::Text("0_".to_owned())], created, vec![vec![]]),
        (vec![Condition::Text("Über E".to_owned())], created, vec![vec![5]]),
        (vec![Condition::DueBefore(at(300))], created, vec![vec![3]]),
        (
            vec![Condition::DueFrom(at(300)), Condition::Priority(vec![Priority::Urgent])],
            created,
            vec![vec![4]],
        ),
        (vec![Condition::State(false, StateName::Open)], created, vec![vec![]]),
    ];
    for (conditions, order, expected) in cases {
        let before = store.statements().count();
        let shown = format!("{conditions:?} {order:?}");
        assert_eq!(listed(&store, Filter(conditions), order, 2).await, expected, "{shown}");
        assert_eq!(store.statements().count() - before, expected.len() as u64, "{shown}");
    }
}

fn event(number: u128, topic: &str, key: &str) -> NewEvent {
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

#[tokio::test]
async fn the_outbox_shows_the_head_of_each_key_until_every_handler_has_it() {
    let store = store().await;
    store
        .transaction(|tx| {
            Box::pin(async move {
                let events =
                    vec![event(1, "t", "a"), event(2, "t", "a"), event(3, "t", "b"), event(4, "u", "a")];
                tx.outbox_append(events).await?;
                // The handler "one" is done with 1 and 3, "two" only with 3.
                for (handler, number) in [("one", 1), ("one", 3), ("two", 3)] {
                    let event = EventId::from_uuid(Uuid::from_u128(number));
                    assert!(tx.inbox_insert(handler, event, Verdict::Done, at(2)).await?);
                    assert!(!tx.inbox_insert(handler, event, Verdict::Dead("again"), at(2)).await?);
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
    let before = store.statements().count();
    let found = store.outbox_heads(&["t".to_owned()], 0, 10).await.unwrap();
    let receipts: Vec<&[String]> = found.iter().map(|head| head.receipts.as_slice()).collect();
    assert_eq!(receipts[0], ["one"], "two has not seen event 1");
    assert_eq!(HashSet::from_iter(receipts[1]), HashSet::from([&"one".to_owned(), &"two".to_owned()]));
    let follow = store.outbox_next(&found).await.unwrap();
    assert_eq!(store.statements().count() - before, 2);
    let follow: Vec<u128> = follow.iter().map(|next| next.id.as_uuid().as_u128()).collect();
    assert_eq!(follow, [2], "what follows in the key and topic of event 1; nothing does in that of event 3");
    assert!(store.outbox_next(&[]).await.unwrap().is_empty());

    store.outbox_remove(&[found[0].id]).await.unwrap();
    assert_eq!(heads(&store, 0, 10).await, [2, 3], "the next event of the key moves up");
    store.outbox_remove(&[found[1].id]).await.unwrap();
    assert_eq!(store.outbox_depth().await.unwrap(), 2);
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

#[tokio::test]
async fn a_call_is_claimed_once_and_answers_the_same_ever_after() {
    let store = store().await;
    let claim = |method, body| claim(&store, method, body);
    assert_eq!(claim("CompleteTask", 1).await, Earlier::None);
    assert_eq!(claim("CompleteTask", 1).await, Earlier::Answered(b"first".to_vec()));
    assert_eq!(claim("CompleteTask", 2).await, Earlier::Other);
    assert_eq!(claim("DeleteTask", 1).await, Earlier::Other);
}

#[tokio::test]
async fn an_error_leaves_nothing_behind() {
    let store = store().await;
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

#[tokio::test]
async fn the_schema_goes_down_and_up_again() {
    let store = store().await;
    let applied = async || -> Vec<bool> {
        store.migrations().await.unwrap().iter().map(|(_, applied)| *applied).collect()
    };
    let steps = applied().await.len();
    assert!(steps > 0);
    assert_eq!(applied().await, vec![true; steps]);
    store.migrate_down(u32::try_from(steps).unwrap()).await.unwrap();
    assert_eq!(applied().await, vec![false; steps]);
    assert!(store.task_get(&user("alice"), id(1)).await.is_err(), "the table is gone");
    store.migrate_up(None).await.unwrap();
    put(&store, &task(1, "alice", full())).await.unwrap();
}
