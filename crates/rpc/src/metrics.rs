//! What is measured of calls: how many, how they end, how long they take, and how many are under way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use docket_telemetry::instruments::{Histogram, Meter, UpDownCounter};
use docket_telemetry::{KeyValue, SECONDS};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::caller::Port;
use crate::trace::{code_name, is_own_fault};

/// Stands for the names that a client made up: whoever counts by method must not be flooded with them.
pub(crate) const OTHER: &str = "_OTHER";

/// The methods of Docket's own contract, by their names in the path: `docket.v1.TaskService/GetTask`.
#[derive(Clone, Debug)]
pub(crate) struct Methods(Arc<BTreeSet<Arc<str>>>);

impl Methods {
    /// All of them, whether or not this process serves them.
    pub(crate) fn of_contract() -> Self {
        // It is what the compiler of the contract has written; without it every method would be called `_OTHER`.
        let files = FileDescriptorSet::decode(docket_proto::FILE_DESCRIPTOR_SET).unwrap_or_default().file;
        let mut methods = BTreeSet::new();
        for file in &files {
            for service in &file.service {
                let (package, service_name) = (file.package(), service.name());
                let name = |method: &str| Arc::from(format!("{package}.{service_name}/{method}"));
                methods.extend(service.method.iter().map(|method| name(method.name())));
            }
        }
        Self(Arc::new(methods))
    }

    /// The name, if it is a method's.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<str>> {
        self.0.get(name).cloned()
    }
}

/// The instruments of a port.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    duration: Histogram<f64>,
    under_way: UpDownCounter<i64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let duration = meter
            .f64_histogram("rpc.server.call.duration")
            .with_unit("s")
            .with_description("How long calls of the API took, until their answer was given")
            .with_boundaries(SECONDS.to_vec());
        let under_way = meter
            .i64_up_down_counter("docket.calls.under_way")
            .with_unit("{call}")
            .with_description("Calls of the API that have arrived and whose answer is not given yet");
        Self { duration: duration.build(), under_way: under_way.build() }
    }

    /// One more is under way, or one less.
    pub(crate) fn under_way(&self, port: Port, change: i64) {
        self.under_way.add(change, &[port_of(port)]);
    }

    /// A call has ended.
    pub(crate) fn ended(&self, port: Port, method: Option<&Arc<str>>, code: Code, took: Duration) {
        let method = match method {
            Some(known) => KeyValue::new("rpc.method", known.clone()),
            None => KeyValue::new("rpc.method", OTHER),
        };
        let name = KeyValue::new("rpc.response.status_code", code_name(code));
        let system = KeyValue::new("rpc.system.name", "grpc");
        let mut attributes = vec![system, method, name, port_of(port)];
        if is_own_fault(code) {
            attributes.push(KeyValue::new("error.type", code_name(code)));
        }
        self.duration.record(took.as_secs_f64(), &attributes);
    }
}

fn port_of(port: Port) -> KeyValue {
    let name = match port {
        Port::Public => "public",
        Port::App => "app",
    };
    KeyValue::new("docket.port", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_of_the_contract_are_known_and_nothing_else() {
        let methods = Methods::of_contract();
        for known in ["docket.v1.TaskService/CreateTask", "docket.v1.NotificationService/Unsubscribe"] {
            assert_eq!(methods.known(known).as_deref(), Some(known));
        }
        for unknown in
            ["docket.v1.TaskService/Nope", "docket.v1.TaskService", "/docket.v1.TaskService/GetTask", ""]
        {
            assert_eq!(methods.known(unknown), None, "{unknown}");
        }
    }
}
