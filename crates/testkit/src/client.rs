//! Clients of the API, as one user each.

use std::net::SocketAddr;
use std::time::Duration;

use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_proto::v1::notification_service_client::NotificationServiceClient;
use docket_proto::v1::reminder_service_client::ReminderServiceClient;
use docket_proto::v1::task_service_client::TaskServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// How long a call of a test may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The task API, as a user.
pub type Tasks = TaskServiceClient<InterceptedService<Channel, Bearer>>;

/// The audit API, as a user.
pub type Audit = AuditServiceClient<InterceptedService<Channel, Bearer>>;

/// The API of the reminders, as a user.
pub type Reminders = ReminderServiceClient<InterceptedService<Channel, Bearer>>;

/// The API of preferences and deliveries, as a user.
pub type Notification = NotificationServiceClient<InterceptedService<Channel, Bearer>>;

/// A connection that is made on the first call, and again when it broke.
pub(crate) fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address makes a URI");
    endpoint.connect_timeout(DEADLINE).timeout(DEADLINE).connect_lazy()
}

/// Puts a token on every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// With this token.
    pub fn new(token: &str) -> Self {
        let value = format!("Bearer {token}").parse();
        Self(value.expect("a token is ASCII"))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}
