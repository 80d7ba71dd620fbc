//! The admin port: what operators and their tools ask a process of itself, by HTTP.

mod config;
mod log;
mod outbox;
mod profile;
mod ready;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use docket_telemetry::{Levels, Meters};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub(crate) use outbox::Outbox;
use ready::Readiness;

use crate::databases::Databases;

/// The most bytes of a body: directives are short.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// What the port tells of, and changes.
pub(crate) struct Deps {
    pub(crate) config: Config,
    pub(crate) meters: Meters,
    /// None where somebody else decides what is logged.
    pub(crate) levels: Option<Levels>,
    /// Of the targets that this process runs.
    pub(crate) databases: Arc<Databases>,
    /// Where there is a sidecar, what leaves through it.
    pub(crate) outboxes: Vec<Outbox>,
}

/// What is asked, ready to be served.
pub(crate) struct Admin(Deps);

/// What the answers are made of.
struct Shared {
    meters: Meters,
    levels: Option<Levels>,
    outboxes: Arc<[Outbox]>,
    readiness: Readiness,
    draining: CancellationToken,
}

impl Admin {
    pub(crate) fn new(deps: Deps) -> Self {
        Self(deps)
    }

    /// Serves until it is told to stop. From the moment of `draining` on the process is not ready.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        draining: CancellationToken,
        stop: CancellationToken,
    ) {
        let served =
            axum::serve(listener, self.routes(draining)).with_graceful_shutdown(stop.cancelled_owned());
        // It goes on accepting after an error, so there is none.
        if let Err(error) = served.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the admin port has failed");
        }
    }

    fn routes(self, draining: CancellationToken) -> Router {
        let Deps { config, meters, levels, databases, outboxes } = self.0;
        let outboxes: Arc<[Outbox]> = outboxes.into();
        let readiness = Readiness::new(databases, outboxes.clone(), draining.clone());
        let shared = Arc::new(Shared { meters, levels, outboxes, readiness, draining });
        let mut routes = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .route("/debug/outbox", get(outboxes_now))
            .route("/debug/log", get(log::get).put(log::put))
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
        if config.profiling {
            routes = routes.route("/debug/pprof/profile", get(profile::get));
        }
        routes.with_state(shared)
    }
}

/// All figures, as Prometheus reads them.
async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match shared.meters.render() {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the figures can not be shown");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "the figures can not be shown; the log says why")
        }
    }
}

/// Whether clients can be served.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let report = shared.readiness.report().await;
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &report)
}

/// What waits in each outbox.
async fn outboxes_now(State(shared): State<Arc<Shared>>) -> Response {
    let asked = shared.outboxes.iter().map(Outbox::report);
    json(StatusCode::OK, &futures::future::join_all(asked).await)
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => (status, [(CONTENT_TYPE, "application/json")], text + "\n").into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, format!("{why}\n")).into_response()
}
