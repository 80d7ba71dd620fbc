//! What the target `reminders` has missed: how far the tasks have come, how far it knows them, and what is on its way.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use docket_domain::content::Moment;
use docket_domain::{Content, Due, Reminder, Task, TaskId};
use docket_store::outbox::{NewEvent, NewReplay};
use docket_store::refill::{Heard, Standing};
use docket_store::{Error, Schema, Store};
use uuid::Uuid;

use super::events::event;
use super::reminders::{learn, snapshot};
use super::{Data, at, content, event_id, full, id, put, task};

const HANDLER: &str = "reminders";

async fn costs<T>(statements: u64, store: &Store, asked: impl Future<Output = Result<T, Error>>) -> T {
    let before = store.statements().count();
    let answer = asked.await.unwrap();
    assert_eq!(store.statements().count() - before, statements);
    answer
}

pub(crate) async fn how_far_the_tasks_have_come_is_told_page_by_page(data: &Data) {
    let store = data.tasks();
    let before = || Reminder { moment: Moment::Before(Duration::from_secs(60)), channels: Vec::new() };
    let fixed = || Reminder { moment: Moment::At(at(70)), channels: Vec::new() };
    let with = |due, reminders| Content { due, reminders, ..content("t") };
    let day = Some(Due::On("2027-03-28".parse().unwrap()));
    let timed = Some(Due::At(at(90)));
    let created = |number, content| task(number, "alice", content);
    let completed = created(6, full()).complete(at(50)).unwrap().after;
    let tasks = [
        created(1, full()),
        created(2, with(timed, vec![])),
        created(3, with(None, vec![before()])),
        created(4, with(None, vec![before(), fixed()])),
        created(5, with(day, vec![before()])),
        completed.clone(),
        completed.delete(at(60)).map(|change| Task { id: id(7), ..change.after }).unwrap(),
        created(8, full()).delete(at(60)).unwrap().after,
    ];
    for task in &tasks {
        put(&store, task).await.unwrap();
    }
    let standing = |place: usize, open, reminds| Standing {
        task_id: tasks[place].id,
        version: tasks[place].version,
        update_time: tasks[place].update_time,
        open,
        reminds,
    };
    let first = costs(1, &store, store.task_standings_after(None, 5)).await;
    let expect = [(0, true), (1, false), (2, false), (3, true), (4, true)];
    assert_eq!(first, expect.map(|(place, reminds)| standing(place, true, reminds)));
    let rest = store.task_standings_after(Some(id(5)), 5).await.unwrap();
    assert_eq!(rest, [5, 6, 7].map(|place| standing(place, false, true)));
    assert_eq!(rest.iter().map(|standing| standing.version).collect::<Vec<_>>(), [2, 3, 2]);
    assert_eq!(store.task_standings_after(Some(id(8)), 5).await.unwrap(), []);

    let mut named = costs(1, &store, store.tasks_named(&[id(8), id(99), id(1), id(6)])).await;
    named.sort_by_key(|task| task.id);
    assert_eq!(named, [0, 5, 7].map(|place| tasks[place].clone()), "with their tags");
    assert_eq!(store.tasks_named(&[]).await.unwrap(), []);
}

pub(crate) async fn what_reminders_knows_of_tasks_is_one_statement(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    let mut over = snapshot(2, "bob", 7, 90);
    over.open = false;
    learn(&store, &[snapshot(1, "alice", 3, 90), over, snapshot(3, "carol", 1, 90)]).await.unwrap();
    let heard = costs(1, &store, store.reminders_heard(&[id(1), id(2), id(4)])).await;
    let expect = [(1, 3, true), (2, 7, false)];
    let expect = expect.map(|(task, version, open)| (id(task), Heard { version, open }));
    assert_eq!(heard, HashMap::from(expect));
}

fn of(number: u128, task: u128) -> NewEvent {
    event(number, "t", &id(task).to_string())
}

async fn waiting(store: &Store, handler: &str) -> HashSet<TaskId> {
    let ids: Vec<TaskId> = (1..=9).map(id).collect();
    costs(1, store, store.outbox_waiting("t", &ids, handler)).await
}

pub(crate) async fn what_is_on_its_way_to_a_handler_is_found(data: &Data) {
    let store = data.tasks();
    let added: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                let notice = NewEvent { source: "docket/notification".to_owned(), ..of(40, 4) };
                let elsewhere = event(50, "u", &id(5).to_string());
                tx.outbox_append(vec![of(10, 1), of(11, 1), notice, elsewhere]).await?;
                tx.outbox_again_for(HANDLER, vec![(of(20, 2), event_id(21))]).await?;
                tx.outbox_again_for("audit", vec![(of(30, 3), event_id(31))]).await?;
                let raw = NewReplay {
                    id: event_id(61),
                    topic: "t".to_owned(),
                    key: id(6).to_string(),
                    handler: None,
                    message: b"raw".to_vec(),
                    trace: None,
                    time: at(1),
                };
                tx.outbox_replay(vec![raw]).await
            })
        })
        .await;
    added.unwrap();
    assert_eq!(waiting(&store, HANDLER).await, HashSet::from([id(1), id(2)]));
    assert_eq!(waiting(&store, "audit").await, HashSet::from([id(1), id(3)]));
    let [again] = &store.outbox_of("t", &id(2).to_string(), 0, 9).await.unwrap()[..] else { panic!("one") };
    assert_eq!((again.id, again.republish_of), (event_id(21), Some(event_id(20))));
    assert!(again.is_replay() && !again.raw);
    assert_eq!((again.handler.as_deref(), again.payload.as_slice()), (Some(HANDLER), b"{}".as_slice()));
}

pub(crate) async fn what_was_published_is_found_by_when_it_happened(data: &Data) {
    let store = data.tasks();
    let events: Vec<NewEvent> = [(1, 7, 10), (2, 7, 11), (3, 7, 11), (4, 8, 11), (5, 9, 12)]
        .map(|(number, task, second)| NewEvent { time: at(second), ..of(number, task) })
        .into();
    let added: Result<(), Error> = store.transaction(|tx| Box::pin(tx.outbox_append(events.clone()))).await;
    added.unwrap();
    let part = {
        let lease = Duration::from_secs(60);
        let mut part = store.relay_join(Uuid::from_u128(1), lease).await.unwrap();
        store.relay_claim(&mut part, usize::MAX).await.unwrap();
        part
    };
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert!(store.outbox_remove(&part, &ids).await.unwrap());
    let wanted = [(id(7), at(11)), (id(8), at(10)), (id(9), at(12)), (id(6), at(1))];
    let found = costs(1, &store, store.published_at("t", &wanted)).await;
    let mut found: Vec<_> = found.iter().map(|event| (event.event_id, event.time)).collect();
    found.sort();
    let expect = [(2, 11), (3, 11), (5, 12)].map(|(number, second)| (event_id(number), at(second)));
    assert_eq!(found, expect);
    assert_eq!(store.published_at("u", &wanted).await.unwrap(), []);
}
