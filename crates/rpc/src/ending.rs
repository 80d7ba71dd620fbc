//! What is told of a call: its span, and, once, how it ended: to the span, to the log and to the figures.

use std::sync::Arc;

use docket_telemetry::instruments::Meter;
use docket_telemetry::{BACKGROUND, TraceContext, continue_trace, fail, no_meter};
use tokio::time::Instant;
use tonic::Code;
use tracing::Span;
use tracing::field::Empty;

use crate::caller::{Method, Port};
use crate::metrics::{Methods, Metrics, OTHER};
use crate::shell::Kind;
use crate::trace::{code_name, is_own_fault};

/// Watches the calls of a port. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Watch {
    port: Port,
    methods: Methods,
    metrics: Metrics,
}

impl Watch {
    pub(crate) fn new(port: Port) -> Self {
        Self { port, methods: Methods::of_contract(), metrics: Metrics::new(&no_meter()) }
    }

    pub(crate) fn with_meter(self, meter: &Meter) -> Self {
        Self { metrics: Metrics::new(meter), ..self }
    }

    /// A call has arrived.
    pub(crate) fn begin(&self, kind: Kind, method: &Method, trace: &TraceContext) -> Ending {
        if !kind.is_api() {
            let span = match kind {
                // What the sidecar brings has spans of its own; this one is for the lines about what has none.
                Kind::Callback => tracing::info_span!(
                    target: BACKGROUND,
                    "background",
                    task = "callback",
                    rpc.method = method.0,
                    rpc.response.status_code = Empty
                ),
                // Probes say nothing.
                _ => tracing::debug_span!("rpc", rpc.method = method.0, rpc.response.status_code = Empty),
            };
            return Ending::new(span, None);
        }
        let known = self.methods.known(&method.0);
        let name = known.as_deref().unwrap_or(OTHER);
        let span = tracing::info_span!(
            "rpc",
            otel.name = name,
            otel.kind = "server",
            rpc.system.name = "grpc",
            rpc.method = name,
            rpc.method_original = known.is_none().then_some(method.0.as_str()),
            rpc.response.status_code = Empty,
            // Told by whoever serves the call, where it is about one.
            docket.task.id = Empty,
            trace_id = Empty
        );
        continue_trace(&span, trace);
        let (metrics, port) = (self.metrics.clone(), self.port);
        Ending::new(span, Some(Measured { metrics, port, method: known, arrived: Instant::now() }))
    }
}

/// A call of which is still to be told how it ends. Who drops it before has ended it: the client did not wait.
pub(crate) struct Ending {
    pub(crate) span: Span,
    measured: Option<Measured>,
    told: bool,
}

/// What only calls of the API are asked for.
struct Measured {
    metrics: Metrics,
    port: Port,
    /// None for one that is not in the contract.
    method: Option<Arc<str>>,
    arrived: Instant,
}

impl Ending {
    fn new(span: Span, measured: Option<Measured>) -> Self {
        if let Some(Measured { metrics, port, .. }) = &measured {
            metrics.under_way(*port, 1);
        }
        Self { span, measured, told: false }
    }

    /// It was answered.
    pub(crate) fn tell(&mut self, code: Code) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        self.span.record("rpc.response.status_code", code_name(code));
        if is_own_fault(code) {
            fail(&self.span, code_name(code));
        }
        tracing::debug!(parent: &self.span, code = code_name(code), "call answered");
        if let Some(Measured { metrics, port, method, arrived }) = &self.measured {
            metrics.ended(*port, method.as_ref(), code, arrived.elapsed());
        }
    }

    /// It was no call of gRPC, and was answered as HTTP answers it.
    pub(crate) fn no_call(&mut self) {
        self.told = true;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.tell(Code::Cancelled);
        if let Some(Measured { metrics, port, .. }) = &self.measured {
            metrics.under_way(*port, -1);
        }
    }
}
