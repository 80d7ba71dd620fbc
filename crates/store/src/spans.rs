//! Says in spans how long the database is worked for a call, and how that ends.
//!
//! Only inside a span that is recorded: polls, and calls that nobody records, pay for one question. sea-orm could make spans
//! itself (`tracing-spans`), one for each statement, recorded or not. They hold the statements' texts, and know nothing of
//! what goes past it: the batches of a lane, which are not in the caller's task at all.

use sea_orm::DbErr;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};

use crate::{Error, Store};

impl Store {
    /// A span of what is asked of the database now; none where nobody would see it. `summary` is what is done, and with what.
    pub(crate) fn span(&self, summary: &'static str) -> Span {
        if !docket_telemetry::is_sampled(&Span::current()) {
            return Span::none();
        }
        // Only PostgreSQL's targets have schemas of their own; the other one calls its only schema so.
        let (system, namespace) = self.schema.map_or(("sqlite", "main"), |own| ("postgresql", own.name()));
        info_span!(
            "database",
            otel.name = summary,
            otel.kind = "client",
            db.system.name = system,
            db.namespace = namespace,
            db.query.summary = summary,
            db.operation.batch.size = Empty,
            docket.rolled_back = Empty,
        )
    }

    /// Says how long the work takes, and whether it fails.
    pub(crate) async fn told<T, E: Kind>(
        &self,
        summary: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let span = self.span(summary);
        let outcome = work.instrument(span.clone()).await;
        if let Err(error) = &outcome {
            fail(&span, error.kind());
        }
        outcome
    }
}

/// What an error is, in one of few words.
pub(crate) trait Kind {
    fn kind(&self) -> &'static str;
}

impl Kind for Error {
    fn kind(&self) -> &'static str {
        match self {
            error if error.is_conflict() => "conflict",
            error if error.is_unavailable() => "unavailable",
            error if error.is_refused() => "refused",
            Self::Corrupt { .. } => "corrupt",
            _ => "database",
        }
    }
}

impl Kind for DbErr {
    fn kind(&self) -> &'static str {
        Error::from(self.clone()).kind()
    }
}

/// Says that the work did not succeed.
pub(crate) fn fail(span: &Span, kind: &'static str) {
    if !span.is_none() {
        docket_telemetry::fail(span, kind);
    }
}

/// Notes with how many others the work was done.
pub(crate) fn batch(span: &Span, size: usize) {
    // One is no batch, by the conventions.
    if size > 1 {
        span.record("db.operation.batch.size", count(size));
    }
}

/// How many, as an attribute can say it.
pub(crate) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
