//! `grpc.health.v1`: per service, per part, and for the server as a whole under the empty name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_check_response::ServingStatus as Told;
use tonic_health::pb::health_server::{Health as Service, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, HealthService};

/// Answers whether a part is ready, each time that somebody wants to know.
pub type Ask = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// How often a part is asked while somebody watches it.
const LOOK: Duration = Duration::from_secs(1);

/// What the server says about itself. Clones tell the same.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    services: Arc<[String]>,
    parts: Arc<BTreeMap<String, Ask>>,
}

impl Health {
    /// Knows these services, by their full names. None of them, nor the whole, is serving yet.
    pub async fn new<S: Into<String>>(services: impl IntoIterator<Item = S>) -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
            services: services.into_iter().map(Into::into).collect(),
            parts: Arc::default(),
        };
        health.not_serving().await;
        health
    }

    /// Knows these parts, too. Nobody tells of them: each is asked whenever somebody wants to know, and is serving when it is
    /// ready and the whole is serving.
    pub fn with_parts(self, parts: impl IntoIterator<Item = (String, Ask)>) -> Self {
        Self { parts: Arc::new(parts.into_iter().collect()), ..self }
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
    pub fn service(&self) -> HealthServer<Answers> {
        let told = Arc::new(HealthService::from_health_reporter(self.reporter.clone()));
        HealthServer::new(Answers { told, parts: self.parts.clone() })
    }
}

/// Answers for what was told, and for what is asked.
#[derive(Clone)]
pub struct Answers {
    told: Arc<HealthService>,
    parts: Arc<BTreeMap<String, Ask>>,
}

impl Answers {
    /// Whether a part is serving at the moment.
    async fn of(&self, part: &Ask) -> Result<HealthCheckResponse, Status> {
        // While the process starts or ends there is nothing to be asked.
        let whole = self.told.check(Request::new(HealthCheckRequest::default())).await?.into_inner();
        let serving = whole.status() == Told::Serving && part().await;
        let status = if serving { Told::Serving } else { Told::NotServing };
        Ok(HealthCheckResponse { status: status.into() })
    }
}

#[async_trait]
impl Service for Answers {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match self.parts.get(&request.get_ref().service) {
            Some(part) => Ok(Response::new(self.of(part).await?)),
            None => self.told.check(request).await,
        }
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let Some(part) = self.parts.get(&request.get_ref().service).cloned() else {
            let changes = self.told.watch(request).await?.into_inner();
            return Ok(Response::new(Box::pin(changes)));
        };
        Ok(Response::new(changes(self.clone(), part)))
    }
}

/// How it is with a part, and each change that is seen. Ends with whoever watches.
fn changes(answers: Answers, part: Ask) -> BoxStream<'static, Result<HealthCheckResponse, Status>> {
    let changes = stream::unfold((answers, part, None), |(answers, part, before)| async move {
        loop {
            match answers.of(&part).await {
                Ok(now) if before == Some(now) => tokio::time::sleep(LOOK).await,
                now => {
                    let known = now.as_ref().ok().copied();
                    return Some((now, (answers, part, known)));
                }
            }
        }
    });
    Box::pin(changes)
}
