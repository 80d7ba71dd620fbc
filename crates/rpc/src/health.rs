//! `grpc.health.v1`: per service, and for the server as a whole under the empty name.

use std::sync::Arc;

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// What the server says about itself. Clones tell the same.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    services: Arc<[String]>,
}

impl Health {
    /// Knows these services, by their full names. None of them, nor the whole, is serving yet.
    pub async fn new<S: Into<String>>(services: impl IntoIterator<Item = S>) -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
            services: services.into_iter().map(Into::into).collect(),
        };
        health.not_serving().await;
        health
    }

    /// All is ready: the services first, then the whole.
    pub async fn serving(&self) {
        for service in self.services.iter() {
            self.reporter.set_service_status(service, ServingStatus::Serving).await;
        }
        self.reporter.set_service_status("", ServingStatus::Serving).await;
    }

    /// Send no more calls: the whole first, then the services.
    pub async fn not_serving(&self) {
        self.reporter.set_service_status("", ServingStatus::NotServing).await;
        for service in self.services.iter() {
            self.reporter.set_service_status(service, ServingStatus::NotServing).await;
        }
    }

    /// Tells whether one further part is serving, by a name of its own.
    pub async fn set(&self, part: &str, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status(part, status).await;
    }

    /// The service to add to a port's routes.
    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }
}
