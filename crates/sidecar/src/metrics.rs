//! What is measured of handlers: how many events they handle, how that ends, and how long it takes.

use std::sync::Arc;
use std::time::Duration;

use docket_telemetry::instruments::{Counter, Histogram, Meter};
use docket_telemetry::{KeyValue, SECONDS};

/// How it ended with an event, or with a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The handler did what is to be done.
    Done,
    /// It did not: the sidecar brings it again. Of a batch, the events are handled alone.
    Again,
    /// It never can, and it is kept as a dead letter.
    Dead,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Again => "again",
            Self::Dead => "dead",
        }
    }
}

/// The instruments of all handlers.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    duration: Histogram<f64>,
    handled: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let duration = meter
            .f64_histogram("messaging.process.duration")
            .with_unit("s")
            .with_description(
                "How long a handler took for an event with all its attempts, or for a batch at once",
            )
            .with_boundaries(SECONDS.to_vec());
        let handled = meter
            .u64_counter("docket.events.handled")
            .with_unit("{event}")
            .with_description("Events that a handler was given, by how that ended");
        Self { duration: duration.build(), handled: handled.build() }
    }

    /// A handler has come to an end with so many events at once; with none of them when it has to begin anew.
    pub(crate) fn handled(
        &self,
        topic: &Arc<str>,
        handler: &'static str,
        outcome: Outcome,
        events: usize,
        took: Duration,
    ) {
        let attributes = [
            KeyValue::new("messaging.system", "dapr"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.destination.name", topic.clone()),
            KeyValue::new("docket.handler", handler),
            KeyValue::new("docket.outcome", outcome.name()),
        ];
        self.duration.record(took.as_secs_f64(), &attributes);
        if let Ok(events @ 1..) = u64::try_from(events) {
            self.handled.add(events, &attributes);
        }
    }
}
