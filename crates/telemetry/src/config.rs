//! What of it leaves the process, and where to.

use serde::{Deserialize, Serialize};

/// Traces and metrics. What OpenTelemetry's own variables say (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`,
/// `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_RESOURCE_ATTRIBUTES`, ...) comes before it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where spans and figures are sent to: `none` (the default), `sidecar` or `direct`.
    pub export: Export,
    /// Whether spans are sent. Default true.
    pub traces: bool,
    /// The app id of the collector, which has a sidecar of its own. Default `otel-collector`.
    pub collector_app_id: String,
    /// How many of the traces that begin here are recorded, 0 to 1. Those that a client began are as it says. Default 1.
    pub sample_ratio: f64,
    /// How often figures are sent, in seconds; 0 never. The admin port has them at any time. Default 30.
    pub metrics_interval_seconds: u64,
    /// How long the last spans and figures may take at the end of the process, in milliseconds. Default 3000.
    pub flush_ms: u64,
}

/// Where spans and figures are sent to, by OTLP over gRPC.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Export {
    /// Nowhere.
    #[default]
    None,
    /// To the collector's app, through the sidecar.
    Sidecar,
    /// To the endpoint of `OTEL_EXPORTER_OTLP_ENDPOINT`, or `http://localhost:4317`.
    Direct,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            export: Export::None,
            traces: true,
            collector_app_id: "otel-collector".to_owned(),
            sample_ratio: 1.0,
            metrics_interval_seconds: 30,
            flush_ms: 3_000,
        }
    }
}

/// A configuration that can not be used; it begins with the key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidConfig {
    /// It is not between 0 and 1.
    #[error("sample_ratio: must be between 0 and 1")]
    SampleRatio,
    /// It can not be the name of an app.
    #[error("collector_app_id: must be a name of printable ASCII without spaces")]
    CollectorAppId,
    /// It is too long, or would be none.
    #[error("flush_ms: must be between 1 and 60000")]
    Flush,
    /// It is too long.
    #[error("metrics_interval_seconds: must be at most 3600")]
    MetricsInterval,
}

impl Config {
    /// The configuration as OpenTelemetry's variables change it: who names an endpoint wants to send there,
    /// `OTEL_TRACES_EXPORTER=none` and `OTEL_METRICS_EXPORTER=none` end one of the two, and `OTEL_SDK_DISABLED=true` both.
    pub fn or_environment(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|text| !text.is_empty());
        let disabled = set("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let export = match () {
            () if disabled => Export::None,
            // That of one signal alone says nothing of the other: who has it also says `direct`.
            () if set("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() => Export::Direct,
            () => self.export,
        };
        let none = |name: &str| set(name).is_some_and(|text| text.eq_ignore_ascii_case("none"));
        let metrics_interval_seconds = match none("OTEL_METRICS_EXPORTER") {
            true => 0,
            false => self.metrics_interval_seconds,
        };
        Self {
            export,
            traces: self.traces && !none("OTEL_TRACES_EXPORTER"),
            metrics_interval_seconds,
            ..self
        }
    }

    /// Everything that is wrong with it.
    pub fn check(&self) -> Vec<InvalidConfig> {
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let checks = [
            ((0.0..=1.0).contains(&self.sample_ratio), InvalidConfig::SampleRatio),
            (is_name(&self.collector_app_id), InvalidConfig::CollectorAppId),
            ((1..=60_000).contains(&self.flush_ms), InvalidConfig::Flush),
            (self.metrics_interval_seconds <= 3_600, InvalidConfig::MetricsInterval),
        ];
        checks.into_iter().filter(|(is_well, _)| !is_well).map(|(_, wrong)| wrong).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_where_to_send() {
        let check = |export, variables: &[(&str, &str)], expect| {
            let config = Config { export, ..Config::default() };
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
            };
            assert_eq!(config.or_environment(variable).export, expect, "{variables:?}");
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        check(Export::None, &[], Export::None);
        check(Export::Sidecar, &[], Export::Sidecar);
        check(Export::Sidecar, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], Export::Sidecar);
        check(Export::None, &[endpoint], Export::Direct);
        check(Export::Sidecar, &[endpoint], Export::Direct);
        check(
            Export::Sidecar,
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1")],
            Export::Sidecar,
        );
        check(Export::Sidecar, &[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], Export::None);
        check(Export::Sidecar, &[("OTEL_SDK_DISABLED", "false")], Export::Sidecar);
    }

    #[test]
    fn the_environment_says_what_is_not_sent() {
        let without = |name: &'static str| {
            let config = Config { export: Export::Sidecar, ..Config::default() };
            let config = config.or_environment(|asked| (asked == name).then(|| "none".to_owned()));
            (config.traces, config.metrics_interval_seconds > 0)
        };
        assert_eq!(without("OTEL_TRACES_EXPORTER"), (false, true));
        assert_eq!(without("OTEL_METRICS_EXPORTER"), (true, false));
        assert_eq!(without("OTEL_LOGS_EXPORTER"), (true, true));
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        assert_eq!(Config::default().check(), []);
        let wrong = Config {
            collector_app_id: "a b".to_owned(),
            sample_ratio: 1.5,
            flush_ms: 0,
            metrics_interval_seconds: 3_601,
            ..Config::default()
        };
        let keys: Vec<String> = wrong.check().iter().map(ToString::to_string).collect();
        assert_eq!(keys.len(), 4, "{keys:?}");
        assert!(Config { sample_ratio: f64::NAN, ..Config::default() }.check().len() == 1);
    }
}
