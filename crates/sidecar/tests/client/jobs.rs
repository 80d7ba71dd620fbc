//! Jobs and output bindings.

use std::collections::HashMap;
use std::time::Duration;

use dapr::dapr::proto::common::v1::job_failure_policy::Policy;
use docket_sidecar::{BindingCall, Error, Job};
use tonic::Code;

use crate::sidecar::{Answer, start, unanswered};

fn job() -> Job {
    Job {
        name: "reminder-task-1".to_owned(),
        due: "2027-01-01T09:00:00.25Z".parse().unwrap(),
        data: b"{\"number\":1}".to_vec(),
        retry: Duration::from_millis(10_500),
    }
}

#[tokio::test]
async fn a_job_is_tried_without_end_and_with_pauses() {
    let (client, asked) = start(Answer::Yes, 5000).await;
    client.schedule_job(&job()).await.unwrap();
    let scheduled = asked.lock().unwrap().schedule.take().unwrap();
    assert!(scheduled.overwrite);
    let sent = scheduled.job.unwrap();
    assert_eq!(sent.name, "reminder-task-1");
    assert_eq!(sent.due_time.as_deref(), Some("2027-01-01T09:00:00.250000000Z"));
    assert_eq!((sent.schedule, sent.repeats, sent.ttl), (None, None, None), "once");
    assert_eq!(sent.data.unwrap().to_msg::<Vec<u8>>().unwrap(), job().data);
    let Some(Policy::Constant(policy)) = sent.failure_policy.unwrap().policy else { panic!("drops it") };
    assert_eq!(policy.interval, Some(prost_types::Duration { seconds: 10, nanos: 500_000_000 }));
    assert_eq!(policy.max_retries, None);
    assert_eq!(asked.lock().unwrap().headers["dapr-api-token"], "the-token-of-the-sidecar");
}

#[tokio::test]
async fn a_job_that_is_missing_is_told_from_a_scheduler_that_is_away() {
    let missing =
        "failed to get job due to: rpc error: code = NotFound desc = job not found: reminder-task-1";
    let away = "failed to get job due to: rpc error: code = Unavailable desc = not found in the ring";
    let check = async |answer: Answer, expect: Option<bool>| {
        let (client, asked) = start(answer, 5000).await;
        assert_eq!(client.job_exists("reminder-task-1").await.ok(), expect);
        assert_eq!(asked.lock().unwrap().job.as_deref(), Some("reminder-task-1"));
    };
    check(Answer::Yes, Some(true)).await;
    check(Answer::Internal(missing), Some(false)).await;
    check(Answer::No(Code::NotFound), Some(false)).await;
    check(Answer::Internal(away), None).await;
    check(Answer::No(Code::Unavailable), None).await;
    let (client, asked) = start(Answer::Silence, 5000).await;
    let given_up = unanswered(&asked, client.job_exists("reminder-task-1")).await.unwrap_err();
    assert!(matches!(given_up, Error::Deadline(_)), "{given_up:?}");
    assert_eq!(asked.lock().unwrap().job.as_deref(), Some("reminder-task-1"));
}

#[tokio::test]
async fn a_job_is_taken_back() {
    let (client, asked) = start(Answer::Yes, 5000).await;
    client.delete_job("reminder-task-1").await.unwrap();
    assert_eq!(asked.lock().unwrap().job.as_deref(), Some("reminder-task-1"));
    let (client, _) = start(Answer::Internal("no etcd"), 5000).await;
    let error = client.delete_job("reminder-task-1").await.unwrap_err();
    assert!(matches!(error, Error::Rejected { code: Code::Internal, .. }), "{error:?}");
    let error = client.schedule_job(&job()).await.unwrap_err();
    assert!(matches!(error, Error::Rejected { code: Code::Internal, .. }), "{error:?}");
}

fn call(deadline: Duration) -> BindingCall<'static> {
    let metadata = [("emailTo".to_owned(), "a@example.com".to_owned())].into();
    BindingCall { name: "smtp", operation: "create", data: b"<p>".to_vec(), metadata, deadline }
}

#[tokio::test]
async fn a_binding_is_called_within_a_deadline_of_its_own() {
    let (client, asked) = start(Answer::Yes, 5000).await;
    let answer = client.invoke_binding(call(Duration::from_secs(20))).await.unwrap();
    let expect: HashMap<_, _> = [("statusCode".to_owned(), "410".to_owned())].into();
    assert_eq!((answer.data, answer.metadata), (b"gone".to_vec(), expect));
    let asked = asked.lock().unwrap();
    let sent = asked.binding.as_ref().unwrap();
    assert_eq!(
        (sent.name.as_str(), sent.operation.as_str(), &sent.data[..]),
        ("smtp", "create", &b"<p>"[..])
    );
    assert_eq!(sent.metadata["emailTo"], "a@example.com");
    assert_eq!(asked.headers["grpc-timeout"], "20000000u");
}

#[tokio::test]
async fn a_binding_that_does_not_answer_has_perhaps_been_called() {
    let (client, asked) = start(Answer::Silence, 60_000).await;
    let deadline = Duration::from_secs(20);
    let error = unanswered(&asked, client.invoke_binding(call(deadline))).await.unwrap_err();
    assert!(matches!(error, Error::Deadline(after) if after == deadline), "{error:?}");
    assert!(asked.lock().unwrap().binding.is_some());
}
