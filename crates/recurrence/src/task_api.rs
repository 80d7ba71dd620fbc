//! Calls the task API through the sidecar, as one of Docket's own services.

use std::sync::Arc;

use async_trait::async_trait;
use docket_domain::UserId;
use docket_proto::v1;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_rpc::ServiceToken;
use docket_rpc::auth::ACT_AS_KEY;
use docket_sidecar::{BoxError, HandlerError, InvocationChannel, Trace};
use docket_telemetry::{BACKGROUND, TraceContext, current};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tracing::Instrument as _;

/// Whom a token names that is signed here.
const SERVICE: &str = "docket-recurrence";

/// Why the task API did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It may do so later.
    #[error("the task API can not be asked now")]
    Later(#[source] BoxError),
    /// It never will.
    #[error("the task API refuses: {}", .0.message())]
    Never(#[source] Box<Status>),
}

impl From<Failure> for HandlerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Later(source) => Self::Retry(source),
            Failure::Never(status) => Self::Hopeless {
                reason: format!("the task API refuses the next occurrence: {}", status.message()),
                source: Some(status),
            },
        }
    }
}

/// What is asked of the task API.
#[async_trait]
pub(crate) trait TaskApi: Send + Sync + 'static {
    /// Makes the next occurrence of a completed task of `owner`'s. Done as well when there is one, and when none is to be:
    /// the task was opened again, or is gone. It belongs to `trace`, or else to the span in which it is asked for.
    async fn follow(
        &self,
        next: v1::CreateTaskRequest,
        owner: &UserId,
        trace: Option<&Trace>,
    ) -> Result<(), Failure>;

    /// A page of the completed tasks that nothing followed; the first one for an empty token.
    async fn gaps(&self, page_token: &str, page_size: i32) -> Result<v1::ListSeriesGapsResponse, Failure>;
}

/// The task API behind the sidecar.
pub(crate) struct Remote {
    channel: InvocationChannel,
    token: Arc<ServiceToken>,
}

impl Remote {
    pub(crate) fn new(channel: InvocationChannel, token: Arc<ServiceToken>) -> Self {
        Self { channel, token }
    }

    fn client(&self) -> TaskServiceClient<InvocationChannel> {
        TaskServiceClient::new(self.channel.clone())
    }

    async fn signed<T>(&self, body: T) -> Result<Request<T>, BoxError> {
        let bearer = self.token.bearer(&SERVICE.parse()?).await?;
        let mut request = Request::new(body);
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }

    async fn create(
        &self,
        next: v1::CreateTaskRequest,
        owner: &UserId,
        trace: TraceContext,
    ) -> Result<(), Failure> {
        let of = next.occurrence_of.as_ref().map(|of| of.task_id.clone()).unwrap_or_default();
        let request = self.signed_for(owner, next, trace).await.map_err(Failure::Later)?;
        match self.client().create_task(request).await.map_err(judge) {
            Ok(created) => {
                let id = created.into_inner().task_id;
                tracing::info!(task.id = of, occurrence.id = id, "task {of} is followed by {id}");
                Ok(())
            }
            Err(Failure::Never(status)) if ends_the_matter(&status) => {
                let reason = status.message();
                tracing::info!(task.id = of, reason, "task {of} is not followed: {reason}");
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    async fn signed_for<T>(
        &self,
        owner: &UserId,
        body: T,
        trace: TraceContext,
    ) -> Result<Request<T>, BoxError> {
        let mut request = self.signed(body).await?;
        request.metadata_mut().insert(ACT_AS_KEY, owner.as_str().parse()?);
        request.extensions_mut().insert(trace);
        Ok(request)
    }
}

#[async_trait]
impl TaskApi for Remote {
    async fn follow(
        &self,
        next: v1::CreateTaskRequest,
        owner: &UserId,
        trace: Option<&Trace>,
    ) -> Result<(), Failure> {
        let trace = trace.map_or_else(current, Trace::context);
        // Of a batch, the lines of each event say which trace they belong to.
        let lines = tracing::info_span!(target: BACKGROUND, "follow", trace_id = trace.trace_id());
        self.create(next, owner, trace).instrument(lines).await
    }

    async fn gaps(&self, page_token: &str, page_size: i32) -> Result<v1::ListSeriesGapsResponse, Failure> {
        let body = v1::ListSeriesGapsRequest { page_size, page_token: page_token.to_owned() };
        let request = self.signed(body).await.map_err(Failure::Later)?;
        let answer = self.client().list_series_gaps(request).await.map_err(judge)?;
        Ok(answer.into_inner())
    }
}

/// The task was opened again, or is gone: nothing is to follow.
fn ends_the_matter(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::NotFound)
}

/// Whether to ask again what was answered with an error.
fn judge(status: Status) -> Failure {
    // The sidecar has errors of its own with the same codes; only the task API's carry its domain.
    let details = status.get_error_details();
    let ours = details.error_info().is_some_and(|info| info.domain == docket_rpc::status::DOMAIN);
    match status.code() {
        Code::FailedPrecondition | Code::NotFound if ours => Failure::Never(Box::new(status)),
        // Repeating the same bytes can not help.
        Code::InvalidArgument | Code::OutOfRange if ours => Failure::Never(Box::new(status)),
        // All others: the sidecar or the task API may be away, or be told the right configuration soon.
        _ => Failure::Later(status.into()),
    }
}
