//! Asks for the next occurrence of every completed task.

use async_trait::async_trait;
use docket_domain::{EventKind, Task, TaskId, UserId};
use docket_proto::v1;
use docket_proto::v1::create_task_request::OccurrenceOf;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_rpc::TraceContext;
use docket_rpc::auth::ACT_AS_KEY;
use docket_sidecar::{BoxError, Delivery, HandlerError, InvocationChannel, TopicHandler, Trace};
use docket_store::inbox::Verdict;
use docket_wire::{answer, event};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::Deps;

/// Names the handler in the inbox.
const NAME: &str = "recurrence";

/// Whom a token names that is signed here.
const SERVICE: &str = "docket-recurrence";

/// The metadata of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The handler of task events.
pub struct Handler {
    tasks: InvocationChannel,
    deps: Deps,
}

/// A completion and what is to follow.
struct Following {
    owner: UserId,
    predecessor: TaskId,
    version: i64,
    task: v1::Task,
}

impl Handler {
    pub(crate) fn new(tasks: InvocationChannel, deps: Deps) -> Self {
        Self { tasks, deps }
    }

    /// Asks the task API for the occurrence; it answers the one there is when the event came before.
    ///
    /// Without a request id: that could only refuse a repetition whose bytes another version of this handler wrote.
    async fn ask(&self, following: Following, delivery: &Delivery) -> Result<(), HandlerError> {
        let occurrence_of =
            OccurrenceOf { task_id: following.predecessor.to_string(), version: following.version };
        let body = v1::CreateTaskRequest {
            task: Some(following.task),
            occurrence_of: Some(occurrence_of),
            ..v1::CreateTaskRequest::default()
        };
        let request = self.signed(body, &following.owner, delivery).await.map_err(HandlerError::Retry)?;
        match TaskServiceClient::new(self.tasks.clone()).create_task(request).await {
            Ok(created) => {
                let (predecessor, id) = (following.predecessor, created.into_inner().task_id);
                tracing::info!(task.id = %predecessor, occurrence.id = id, "task {predecessor} is followed by {id}");
                Ok(())
            }
            Err(status) => judge(status, following.predecessor),
        }
    }

    async fn signed<T>(&self, body: T, owner: &UserId, delivery: &Delivery) -> Result<Request<T>, BoxError> {
        let bearer = self.deps.token.bearer(&SERVICE.parse()?).await?;
        let mut request = Request::new(body);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", bearer);
        metadata.insert(ACT_AS_KEY, owner.as_str().parse()?);
        if let Some(trace) = &delivery.trace {
            carry_on(trace, metadata);
        }
        Ok(request)
    }

    async fn done(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let now = self.deps.clock.now();
        let noted: Result<bool, docket_store::Error> = self
            .deps
            .store
            .transaction(|tx| Box::pin(tx.inbox_insert(NAME, delivery.event_id, Verdict::Done, now)))
            .await;
        noted.map(drop).map_err(HandlerError::retry)
    }
}

#[async_trait]
impl TopicHandler for Handler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        fail::fail_point!("recurrence-error", |_| Err(HandlerError::retry("failpoint")));
        match EventKind::from_event_type(&delivery.event_type) {
            Some(EventKind::Completed) => {}
            Some(_) => return self.done(delivery).await,
            None => {
                return Err(HandlerError::hopeless(format!("unknown event type {}", delivery.event_type)));
            }
        }
        if self.deps.store.inbox_has(NAME, delivery.event_id).await.map_err(HandlerError::retry)? {
            return Ok(());
        }
        if let Some(following) = following(delivery)? {
            self.ask(following, delivery).await?;
        }
        self.done(delivery).await
    }
}

/// What is to follow a completion; nothing when the task does not repeat or its rule has ended.
fn following(delivery: &Delivery) -> Result<Option<Following>, HandlerError> {
    let unreadable = |source: event::DecodeError| HandlerError::Hopeless {
        reason: "the event can not be read".to_owned(),
        source: Some(source.into()),
    };
    let event = event::decode(&delivery.data).map_err(unreadable)?;
    let task: Task = event.task().map_err(unreadable)?;
    Ok(task.next().map(|next| Following {
        owner: event.user_id.clone(),
        predecessor: task.id,
        version: event.version,
        task: answer::content_to_proto(&task.next_content(next.due)),
    }))
}

/// Continues a trace in a call. What came is opaque: what can not be sent, or would not be taken, is left out, because a
/// series is worth more than its trace.
fn carry_on(trace: &Trace, metadata: &mut MetadataMap) {
    let value = |text: &str| MetadataValue::try_from(text).ok();
    let mut sent = MetadataMap::new();
    if let Some(parent) = value(&trace.parent) {
        sent.insert(TRACEPARENT, parent);
    }
    if let Some(state) = trace.state.as_deref().and_then(value) {
        sent.insert(TRACESTATE, state);
    }
    let taken = TraceContext::of(&sent.into_headers());
    for (key, text) in [(TRACEPARENT, taken.traceparent), (TRACESTATE, taken.tracestate)] {
        if let Some(value) = text.as_deref().and_then(value) {
            metadata.insert(key, value);
        }
    }
}

/// What an answer means that is not OK.
fn judge(status: Status, predecessor: TaskId) -> Result<(), HandlerError> {
    // The sidecar has errors of its own with the same codes; only the task API's carry its domain.
    let details = status.get_error_details();
    let ours = details.error_info().is_some_and(|info| info.domain == docket_rpc::status::DOMAIN);
    match status.code() {
        _ if !ours => Err(HandlerError::retry(status)),
        // The task was opened again, or is gone: nothing is to follow.
        Code::FailedPrecondition | Code::NotFound => {
            let reason = status.message();
            tracing::info!(task.id = %predecessor, reason, "task {predecessor} is not followed: {reason}");
            Ok(())
        }
        // Repeating the same bytes can not help.
        Code::InvalidArgument | Code::OutOfRange => Err(HandlerError::Hopeless {
            reason: format!("the task API refuses the next occurrence: {}", status.message()),
            source: Some(status.into()),
        }),
        // All others: the sidecar or the task API may be away, or be told the right configuration soon.
        _ => Err(HandlerError::retry(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_as_far_as_it_can() {
        const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let long = "x".repeat(10_000);
        let check = |parent: &str, state: Option<&str>, expect: [Option<&str>; 2]| {
            let trace = Trace { parent: parent.to_owned(), state: state.map(str::to_owned) };
            let mut metadata = MetadataMap::new();
            carry_on(&trace, &mut metadata);
            let sent =
                [TRACEPARENT, TRACESTATE].map(|key| metadata.get(key).map(|value| value.to_str().unwrap()));
            assert_eq!(sent, expect, "{parent:?} {state:?}");
        };
        check(PARENT, Some("vendor=1"), [Some(PARENT), Some("vendor=1")]);
        check(PARENT, None, [Some(PARENT), None]);
        check(PARENT, Some("two\nlines"), [Some(PARENT), None]);
        check(PARENT, Some(&long), [Some(PARENT), None]);
        check("two\nlines", Some("vendor=1"), [None, None]);
        check("ä", Some("vendor=1"), [None, None]);
        check(&long, Some("vendor=1"), [None, None]);
    }
}
