//! The API of a sidecar, as whoever runs beside it in its pod can use it.

use std::net::SocketAddr;

use docket_testkit::callback::{Callback, TopicEvent};
use docket_testkit::kubernetes::Forward;
use docket_testkit::{http, publish};
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::kubectl::{self, DOCKET, expect};

/// Where a sidecar listens, on the loopback of its pod.
const HTTP: u16 = 3500;
const GRPC: u16 = 50001;

/// A sidecar, and the token that it wants to see.
pub(crate) struct Sidecar {
    forward: Forward,
    token: Option<String>,
}

impl Sidecar {
    /// That of a Deployment in Docket's namespace, which asks for no token.
    pub(crate) async fn of(deployment: &str) -> Self {
        Self { forward: kubectl::forward(DOCKET, deployment, &[HTTP, GRPC]).await, token: None }
    }

    /// That of a target of Docket's, with its token.
    pub(crate) async fn of_docket(target: &str) -> Self {
        let token = kubectl::secret(DOCKET, "docket-api-token", "token").await;
        Self { token: Some(token), ..Self::of(&format!("docket-{target}")).await }
    }

    /// The same, shown another token, or none.
    pub(crate) fn shown(self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self }
    }

    async fn http(&self) -> SocketAddr {
        expect(self.forward.open().await);
        self.forward.address(HTTP)
    }

    fn grpc(&self) -> Channel {
        self.forward.channel(GRPC)
    }

    /// The code and the body of its answer to a request by HTTP.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let headers: Vec<_> = self.token.iter().map(|token| ("dapr-api-token", token.as_str())).collect();
        http::exchange(self.http().await, method, path, &headers, body).await.unwrap()
    }

    /// The components that it has loaded, by name.
    pub(crate) async fn components(&self) -> Vec<String> {
        let (code, body) = self.ask("GET", "/v1.0/metadata", "").await;
        assert_eq!(code, 200, "metadata: {body}");
        let metadata: Value = serde_json::from_str(&body).unwrap();
        let components = metadata["components"].as_array().cloned().unwrap_or_default();
        components.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
    }

    /// Publishes an event as it is.
    pub(crate) async fn publish(&self, event: TopicEvent) -> Result<(), Status> {
        publish::publish(self.grpc(), self.token.as_deref(), event).await
    }

    /// Says to another app what only that app's own sidecar may say.
    pub(crate) fn callback(&self, app_id: &str) -> Callback {
        let callback = Callback::new(self.grpc()).with("dapr-app-id", app_id);
        match &self.token {
            Some(token) => callback.with_token(token),
            None => callback,
        }
    }

    /// A connection for calls of other apps, and what each of them needs.
    pub(crate) fn calls<T>(&self, app_id: &str, bearer: &str, message: T) -> (Channel, Request<T>) {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("dapr-app-id", app_id.parse().unwrap());
        metadata.insert("authorization", format!("Bearer {bearer}").parse().unwrap());
        if let Some(token) = &self.token {
            metadata.insert("dapr-api-token", token.parse().unwrap());
        }
        (self.grpc(), request)
    }
}
