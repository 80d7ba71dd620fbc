//! Who tells.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use uuid::Uuid;

/// The process, as its spans and figures name it. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come before it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// `service.name`: the app id.
    pub service: String,
    /// `service.version`.
    pub version: &'static str,
    /// `service.instance.id`: another one for each process.
    pub instance: Uuid,
}

impl Identity {
    pub(crate) fn resource(&self) -> Resource {
        let own = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", self.service.clone()),
            KeyValue::new("service.namespace", "docket"),
            KeyValue::new("service.version", self.version),
            KeyValue::new("service.instance.id", self.instance.to_string()),
        ]);
        // The later ones come before the earlier ones.
        let told: [Box<dyn opentelemetry_sdk::resource::ResourceDetector>; 2] =
            [Box::new(opentelemetry_sdk::resource::EnvResourceDetector::new()), Box::new(ServiceName)];
        own.with_detectors(&told).build()
    }
}

/// `OTEL_SERVICE_NAME`. The SDK's own detector makes up a name where there is none.
struct ServiceName;

impl opentelemetry_sdk::resource::ResourceDetector for ServiceName {
    fn detect(&self) -> Resource {
        let name = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
        Resource::builder_empty()
            .with_attributes(name.map(|name| KeyValue::new("service.name", name)))
            .build()
    }
}
