//! What is logged, read and changed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use docket_telemetry::Levels;

use super::{Shared, refuse};

/// The directives of the log's filter.
pub(super) async fn get(State(shared): State<Arc<Shared>>) -> Response {
    answer(&shared, directives)
}

/// Other ones, until the next start, or until the configuration is read again.
pub(super) async fn put(State(shared): State<Arc<Shared>>, body: String) -> Response {
    answer(&shared, |levels| match levels.set(&body) {
        Ok(()) => {
            tracing::info!(log = levels.get(), "the log was changed by the admin port");
            directives(levels)
        }
        Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    })
}

fn directives(levels: &Levels) -> Response {
    (levels.get() + "\n").into_response()
}

fn answer(shared: &Shared, with: impl FnOnce(&Levels) -> Response) -> Response {
    match &shared.levels {
        Some(levels) => with(levels),
        None => refuse(StatusCode::NOT_IMPLEMENTED, "somebody else decides what this process logs"),
    }
}
