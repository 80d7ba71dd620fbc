//! A call that is repeated with its `request_id`: the first answer again, and no second effect.

use std::collections::BTreeSet;

use docket_proto::v1;
use docket_testkit::{User, once};
use futures::future::join_all;
use tonic::{Response, Status};

use crate::harness::{Api, outcome, uuid};

/// A mutation that may be repeated.
#[derive(Clone)]
enum Call {
    Create(v1::CreateTaskRequest),
    Update(v1::UpdateTaskRequest),
    Complete(v1::CompleteTaskRequest),
    Reopen(v1::ReopenTaskRequest),
    Delete(v1::DeleteTaskRequest),
}

impl Call {
    async fn make(&self, user: &User) -> Result<v1::Task, Status> {
        let mut tasks = user.tasks();
        let answer = match self.clone() {
            Self::Create(request) => tasks.create_task(request).await,
            Self::Update(request) => tasks.update_task(request).await,
            Self::Complete(request) => tasks.complete_task(request).await,
            Self::Reopen(request) => tasks.reopen_task(request).await,
            Self::Delete(request) => tasks.delete_task(request).await,
        };
        answer.map(Response::into_inner)
    }
}

fn create(request_id: &str, title: &str) -> Call {
    let request_id = request_id.to_owned();
    Call::Create(v1::CreateTaskRequest { task: Some(once(title)), request_id, ..Default::default() })
}

fn update(request_id: &str, task_id: &str, title: &str) -> Call {
    let task = Some(v1::Task { task_id: task_id.to_owned(), ..once(title) });
    Call::Update(v1::UpdateTaskRequest { task, request_id: request_id.to_owned(), ..Default::default() })
}

fn complete(request_id: &str, task_id: &str) -> Call {
    let (task_id, request_id) = (task_id.to_owned(), request_id.to_owned());
    Call::Complete(v1::CompleteTaskRequest { task_id, request_id, ..Default::default() })
}

fn reopen(request_id: &str, task_id: &str) -> Call {
    let (task_id, request_id) = (task_id.to_owned(), request_id.to_owned());
    Call::Reopen(v1::ReopenTaskRequest { task_id, request_id, ..Default::default() })
}

fn delete(request_id: &str, task_id: &str) -> Call {
    let (task_id, request_id) = (task_id.to_owned(), request_id.to_owned());
    Call::Delete(v1::DeleteTaskRequest { task_id, request_id, ..Default::default() })
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_whatever_happened_since() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let ids: [String; 5] = std::array::from_fn(|_| uuid());
    let first = create(&ids[0], "Buy milk");
    let created = first.make(&alice).await.unwrap();
    let id = created.task_id.as_str();
    let mut made = vec![(first, created.clone())];
    for call in
        [update(&ids[1], id, "Buy oat milk"), complete(&ids[2], id), reopen(&ids[3], id), delete(&ids[4], id)]
    {
        let answer = call.make(&alice).await.unwrap();
        made.push((call, answer));
    }
    // Each call would be refused or do something else, were it made for the first time now.
    for (version, (call, answer)) in (1..).zip(&made) {
        assert_eq!(answer.version, version);
        assert_eq!(call.make(&alice).await.unwrap(), *answer, "version {version}");
    }
    let request = v1::GetTaskRequest { task_id: id.to_owned() };
    let there = alice.tasks().get_task(request).await.unwrap().into_inner();
    assert_eq!(there, made[4].1, "no repetition had an effect");
    assert!(alice.all_tasks().await.is_empty(), "none made a second task");
}

#[tokio::test]
async fn a_request_id_is_good_for_one_call() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let used = uuid();
    let task = create(&used, "Buy milk").make(&alice).await.unwrap();
    let id = task.task_id.as_str();
    let expect = format!("AlreadyExists REQUEST_ID_REUSED request_id={used}");
    for (name, call) in [
        ("another body", create(&used, "Buy oat milk")),
        ("another method", update(&used, id, "Buy oat milk")),
        ("another method", complete(&used, id)),
        ("another method", reopen(&used, id)),
        ("another method", delete(&used, id)),
    ] {
        assert_eq!(outcome(&call.make(&alice).await), expect, "{name}");
    }
    let again = uuid();
    complete(&again, id).make(&alice).await.unwrap();
    let expect = format!("AlreadyExists REQUEST_ID_REUSED request_id={again}");
    assert_eq!(outcome(&complete(&again, &uuid()).make(&alice).await), expect, "another task");
    assert_eq!(outcome(&reopen(&again, id).make(&alice).await), expect, "a method with the same fields");
    assert_eq!(alice.all_tasks().await.len(), 1);
}

#[tokio::test]
async fn two_users_may_choose_the_same_request_id() {
    let api = Api::start().await;
    let call = create(&uuid(), "Buy milk");
    let (alices, bobs) =
        (call.make(&api.user("alice")).await.unwrap(), call.make(&api.user("bob")).await.unwrap());
    assert_ne!(alices.task_id, bobs.task_id);
    assert_eq!((alices.user_id.as_str(), bobs.user_id.as_str()), ("alice", "bob"));
}

#[tokio::test]
async fn a_call_that_was_refused_may_be_made_again() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice.create(once("Buy milk")).await;
    let call = reopen(&uuid(), &task.task_id);
    let expect = format!("FailedPrecondition TASK_STATE state=OPEN task_id={}", task.task_id);
    assert_eq!(outcome(&call.make(&alice).await), expect);
    alice.complete(&task).await;
    assert_eq!(call.make(&alice).await.unwrap().version, 3, "its id was not used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_the_same_time_have_one_effect() {
    const AT_ONCE: usize = 32;
    let api = Api::start().await;
    let alice = api.user("alice");
    let all = async |call: Call| -> v1::Task {
        let answers = join_all((0..AT_ONCE).map(|_| call.make(&alice))).await;
        let mut answers = answers.into_iter().map(Result::unwrap);
        let first = answers.next().unwrap();
        answers.for_each(|answer| assert_eq!(answer, first));
        first
    };
    let created = all(create(&uuid(), "Buy milk")).await;
    assert_eq!(alice.all_tasks().await, std::slice::from_ref(&created));
    let completed = all(complete(&uuid(), &created.task_id)).await;
    assert_eq!(completed.version, 2);
    assert_eq!(alice.all_tasks().await, [completed]);

    // Without a request id, each is a call of its own, and the etag lets one through.
    let request = |n: usize| v1::UpdateTaskRequest {
        task: Some(v1::Task {
            task_id: created.task_id.clone(),
            etag: "v2".to_owned(),
            ..once(&format!("Title {n}"))
        }),
        ..Default::default()
    };
    let answers = join_all((0..AT_ONCE).map(|n| {
        let (mut tasks, request) = (alice.tasks(), request(n));
        async move { tasks.update_task(request).await }
    }))
    .await;
    let outcomes: Vec<String> = answers.iter().map(outcome).collect();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "OK").count(), 1, "{outcomes:?}");
    let lost = format!("Aborted ETAG_MISMATCH etag=v3 task_id={}", created.task_id);
    let kinds: BTreeSet<String> = outcomes.into_iter().collect();
    assert_eq!(kinds, BTreeSet::from(["OK".to_owned(), lost]));
}
