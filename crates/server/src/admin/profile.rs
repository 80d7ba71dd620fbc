//! Where the process spends its time, in the format of pprof.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use pprof::protos::Message as _;
use pprof::{ProfilerGuard, ProfilerGuardBuilder};
use serde::Deserialize;

use super::{Shared, refuse};

/// How often a second the process is looked at. A prime, so that it does not keep time with what the process does.
const FREQUENCY: i32 = 97;

/// How long a profile may take, in seconds.
const SECONDS: std::ops::RangeInclusive<u64> = 1..=60;

/// Where it is not looked: to walk the stack there may wait for a lock that the thread holds.
const BLOCKED: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    seconds: u64,
}

impl Default for Asked {
    fn default() -> Self {
        Self { seconds: 10 }
    }
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Profiler(#[from] pprof::Error),
    #[error(transparent)]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Takes a profile; only one at a time.
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let seconds = match asked {
        Ok(Query(Asked { seconds })) if SECONDS.contains(&seconds) => seconds,
        Ok(_) => {
            let why = format!("seconds must be {} to {}", SECONDS.start(), SECONDS.end());
            return refuse(StatusCode::BAD_REQUEST, &why);
        }
        Err(rejected) => return refuse(StatusCode::BAD_REQUEST, &rejected.body_text()),
    };
    let begun = ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&BLOCKED).build();
    let guard = match begun {
        Ok(guard) => guard,
        Err(pprof::Error::Running) => {
            return refuse(StatusCode::CONFLICT, "another profile is being taken");
        }
        Err(error) => return failed(&error.into()),
    };
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
        () = shared.draining.cancelled() => return refuse(StatusCode::SERVICE_UNAVAILABLE, "the process ends"),
    }
    match encode(guard).await {
        Ok(profile) => ([(CONTENT_TYPE, "application/octet-stream")], profile).into_response(),
        Err(error) => failed(&error),
    }
}

/// It takes a while to find the names of functions.
async fn encode(guard: ProfilerGuard<'static>) -> Result<Vec<u8>, Error> {
    tokio::task::spawn_blocking(move || Ok(guard.report().build()?.pprof()?.encode_to_vec())).await?
}

fn failed(error: &Error) -> Response {
    tracing::warn!(error = error as &dyn std::error::Error, "no profile can be taken");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, &format!("no profile can be taken: {error}"))
}
