//! What the store does for many at once: each call is whole, whatever becomes of the others.

use std::collections::BTreeSet;

use docket_domain::{EventId, RequestId, Task};
use docket_store::create::{Created, NewCall, NewTask};
use docket_store::idempotency::{Call, Earlier};
use docket_store::outbox::NewEvent;
use docket_store::{Error, Store};
use futures::future::join_all;
use sea_orm::{ConnectionTrait as _, Statement};
use uuid::Uuid;

use super::{Data, POSTGRES, at, content, full, id, put, task, user};

fn event(of: &Task, number: u128) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(number)),
        topic: "task-events".to_owned(),
        key: of.id.to_string(),
        event_type: "com.todo.task.created",
        source: "docket/tasks".to_owned(),
        payload: b"{}".to_vec(),
        trace: None,
        time: of.update_time,
    }
}

fn request(number: u128) -> RequestId {
    RequestId::from_uuid(Uuid::from_u128(number))
}

/// A new task; `call` makes its creation repeatable.
pub(crate) fn new(number: u128, owner: &str, call: Option<u128>) -> NewTask {
    let content = if number.is_multiple_of(3) { full() } else { content(&format!("Task {number}")) };
    let task = task(number, owner, content);
    let call = call.map(|call| NewCall {
        request_id: request(call),
        method: "CreateTask",
        body_hash: [1; 32],
        response: number.to_string().into_bytes(),
    });
    NewTask { event: event(&task, 1_000_000 + number), call, time: task.create_time, task }
}

/// The numbers of a user's tasks in the user's sequence, of all its tasks.
async fn numbers(data: &Data, owner: &str) -> Vec<i64> {
    let (backend, schema) =
        (data.raw.get_database_backend(), if data.kind == POSTGRES { "tasks." } else { "" });
    let sql = format!("SELECT user_seq FROM {schema}tasks WHERE user_id = '{owner}' ORDER BY user_seq");
    let rows = data.raw.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "user_seq").unwrap()).collect()
}

pub(crate) async fn tasks_created_together_are_each_whole(data: &Data) {
    let store = &data.tasks();
    // Of alice's, every second one is repeatable; each of bob's is asked for twice at the same time.
    let alices = (1..=150).map(|number| new(number, "alice", number.is_multiple_of(2).then_some(number)));
    let bobs = (201..=240)
        .flat_map(|number| [new(number, "bob", Some(number)), new(number + 100, "bob", Some(number))]);
    let all: Vec<NewTask> = alices.chain(bobs).collect();
    let created = join_all(all.iter().map(|new| store.task_create(new.clone()))).await;
    let created: Vec<Created> = created.into_iter().collect::<Result<_, _>>().unwrap();
    let done = |from: usize, to: usize| created[from..to].iter().filter(|one| **one == Created::Done).count();
    assert_eq!((done(0, 150), done(150, 230)), (150, 40), "of a call and its repetition, one is made");

    // Got together, too; nobody gets another one's.
    let got = join_all(all.iter().map(|new| store.task_get(&new.task.user_id, new.task.id))).await;
    for ((new, outcome), got) in all.iter().zip(&created).zip(got) {
        let expect = (*outcome == Created::Done).then(|| new.task.clone());
        assert_eq!(got.unwrap(), expect, "{}", new.task.id);
    }
    let bob = user("bob");
    let foreign = join_all((1..=20).map(|number| store.task_get(&bob, id(number)))).await;
    assert!(foreign.into_iter().all(|got| got.unwrap().is_none()));

    for (owner, count) in [("alice", 150), ("bob", 40)] {
        assert_eq!(
            numbers(data, owner).await,
            (1..=count).collect::<Vec<_>>(),
            "{owner}: no gap, none twice"
        );
    }
    assert_eq!(store.outbox_depth().await.unwrap(), 190, "an event for each");

    // Made once, answered ever after; also when a task of its own is there already.
    let again = store.task_create(new(2, "alice", Some(2))).await.unwrap();
    let taken = store.task_create(new(1, "alice", None)).await.unwrap();
    assert_eq!((again, taken), (Created::NotDone, Created::NotDone));
    assert_eq!(answer_of(store, "alice", 2).await, Earlier::Answered(b"2".to_vec()));
    assert_eq!(store.outbox_depth().await.unwrap(), 190, "nothing was left behind");
}

async fn answer_of(store: &Store, owner: &str, call: u128) -> Earlier {
    let owner = user(owner);
    let claimed = store.transaction(|tx| {
        let owner = owner.clone();
        Box::pin(async move {
            let call =
                Call { user: &owner, request_id: request(call), method: "CreateTask", body_hash: [1; 32] };
            tx.call_claim(&call, Vec::new(), at(0)).await
        })
    });
    let claimed: Result<Earlier, Error> = claimed.await;
    claimed.unwrap()
}

pub(crate) async fn a_change_comes_with_its_event_its_number_and_its_answer(data: &Data) {
    let store = &data.tasks();
    for number in [1, 2] {
        put(store, &task(number, "alice", full())).await.unwrap();
    }
    let before = store.task_get(&user("alice"), id(1)).await.unwrap().unwrap();
    let completed = before.complete(at(60)).unwrap().after;
    let mut untagged = completed.clone();
    (untagged.content.tags, untagged.version) = (Default::default(), completed.version + 1);
    for (number, from, to) in [(1, &before, &completed), (2, &completed, &untagged)] {
        let outcome = store.transaction(|tx| {
            let (from, to) = (from.clone(), to.clone());
            Box::pin(async move {
                let owner = user("alice");
                let hash = [u8::try_from(number).unwrap(); 32];
                let call = Call { user: &owner, request_id: request(number), method: "X", body_hash: hash };
                assert_eq!(tx.call_claim(&call, Vec::new(), at(0)).await?, Earlier::None);
                tx.task_change(&from, &to, event(&to, number), Some((&call, vec![7]))).await?;
                tx.call_claim(&call, Vec::new(), at(0)).await
            })
        });
        let outcome: Result<Earlier, Error> = outcome.await;
        assert_eq!(outcome.unwrap(), Earlier::Answered(vec![7]), "kept in the same transaction");
        assert_eq!(store.task_get(&user("alice"), id(1)).await.unwrap().as_ref(), Some(to));
    }
    assert_eq!(numbers(data, "alice").await, [2, 4], "it moved to the end of the sequence, twice");
    assert_eq!(store.outbox_depth().await.unwrap(), 2);
    // Only its completion makes it wait for a successor, and a later change does not end that.
    let (gaps, _) = store.series_gap_list(at(100), None, 10).await.unwrap();
    assert_eq!(gaps.iter().map(|task| task.id).collect::<BTreeSet<_>>(), BTreeSet::from([id(1)]));
}
