//! Tasks: what is written is read back, in the order and the number that was promised.

use chrono::NaiveDate;
use docket_domain::filter::{Condition, Filter, Order, OrderField, StateName};
use docket_domain::recurrence::End;
use docket_domain::{Content, Due, Priority, Recurrence, Tags, Task};
use docket_store::tasks::{Cursor, Listing};
use docket_store::{Error, OpenTask, Store};

use super::{Data, at, content, full, id, put, task, user};

pub(crate) async fn a_task_reads_back_as_it_was_written(data: &Data) {
    let store = data.tasks();
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

pub(crate) async fn a_foreign_task_is_not_there_and_a_taken_id_is_refused(data: &Data) {
    let store = data.tasks();
    put(&store, &task(1, "alice", content("hers"))).await.unwrap();
    assert_eq!(store.task_get(&user("bob"), id(1)).await.unwrap(), None);
    assert!(matches!(put(&store, &task(1, "bob", content("his"))).await, Err(Error::Exists(_))));
    let hers = store.task_get(&user("alice"), id(1)).await.unwrap().unwrap();
    assert_eq!(hers.content.title.as_str(), "hers");
}

pub(crate) async fn open_tasks_of_all_users_are_told_with_their_versions(data: &Data) {
    let store = data.tasks();
    let open = task(1, "alice", content("open"));
    let of_bob = Task { version: 7, update_time: at(40), ..task(2, "bob", content("his")) };
    let done = task(3, "alice", content("done")).complete(at(50)).unwrap().after;
    let gone = task(4, "alice", content("gone")).delete(at(50)).unwrap().after;
    for task in [&open, &of_bob, &done, &gone, &task(5, "alice", content("not asked for"))] {
        put(&store, task).await.unwrap();
    }
    let asked: Vec<_> = [4, 3, 2, 1, 99].map(id).into();
    let before = store.statements().count();
    let mut found = store.tasks_open(&asked).await.unwrap();
    assert_eq!(store.statements().count() - before, 1);
    found.sort_unstable();
    let told = |task: &Task| OpenTask { id: task.id, version: task.version, update_time: task.update_time };
    assert_eq!(found, [told(&open), told(&of_bob)]);
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

pub(crate) async fn listings_filter_sort_and_page_in_one_statement_a_page(data: &Data) {
    let store = data.tasks();
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
