//! A client that records a trace of its own.

use docket_proto::v1;
use docket_testkit::User;
use tonic::Request;
use uuid::Uuid;

/// The trace that a client has begun, and the span in which it calls. That span is with the client's own collector.
pub(crate) struct Client {
    pub(crate) trace: String,
    pub(crate) span: String,
}

impl Client {
    /// A new trace.
    pub(crate) fn new() -> Self {
        let [trace, span] = [(); 2].map(|()| Uuid::new_v4().simple().to_string());
        Self { trace, span: span[..16].to_owned() }
    }

    /// Completes a task.
    pub(crate) async fn complete(&self, user: &User, task: &v1::Task) {
        let request = v1::CompleteTaskRequest { task_id: task.task_id.clone(), ..Default::default() };
        user.tasks().complete_task(self.traced(request)).await.unwrap();
    }

    /// Creates a task.
    pub(crate) async fn create(&self, user: &User, task: v1::Task) -> v1::Task {
        let request = v1::CreateTaskRequest { task: Some(task), ..Default::default() };
        user.tasks().create_task(self.traced(request)).await.unwrap().into_inner()
    }

    fn traced<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let parent = format!("00-{}-{}-01", self.trace, self.span);
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        request
    }
}
