//! The alerts and the dashboard of `deploy/observability` ask for nothing that a process does not tell.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docket_server::app::App;
use docket_server::config::Config;
use docket_server::telling;
use docket_telemetry::SECONDS;
use docket_telemetry::testing::Instruments;
use docket_testkit::wait_for;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::promql::Asked;

/// A process that takes longer to start has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What others tell: Prometheus itself, the blackbox exporter, and OpenTelemetry's SDK where spans are sent.
const OF_OTHERS: [&str; 5] = [
    "ALERTS",
    "otel_sdk_exporter_span_exported_total",
    "otel_sdk_processor_span_processed_total",
    "probe_success",
    "up",
];

/// The labels that come with being scraped, that of histograms, and those of Prometheus's own series.
const LABELS_OF_OTHERS: [&str; 6] = ["alertname", "alertstate", "app", "instance", "job", "le"];

/// A query, and where it stands.
#[derive(Debug)]
struct Query {
    place: String,
    asked: Asked,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn rules() -> Vec<Value> {
    let file = fs::read_to_string(root().join("deploy/observability/alerts.yaml")).unwrap();
    let file: Value = serde_saphyr::from_str(&file).unwrap();
    list(&file, "groups").iter().flat_map(|group| list(group, "rules").to_vec()).collect()
}

fn panels() -> Vec<Value> {
    let file = fs::read_to_string(root().join("deploy/observability/grafana/docket.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    list(&file, "panels").to_vec()
}

/// The queries of all rules and of all panels.
fn queries() -> Vec<Query> {
    let query = |place: &str, text: &str| Query { place: place.to_owned(), asked: Asked::of(text) };
    let mut queries = Vec::new();
    for rule in rules() {
        let place = [&rule["alert"], &rule["record"]].map(text).concat();
        queries.push(query(&place, text(&rule["expr"])));
    }
    for panel in panels() {
        let targets = list(&panel, "targets").iter();
        queries.extend(targets.map(|target| query(text(&panel["title"]), text(&target["expr"]))));
    }
    assert!(queries.len() > 50, "{}", queries.len());
    queries
}

/// Words in double quotes of everything that the process is made of: names of attributes and their values.
fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                words.extend(source.split('"').map(|word| word.replace('.', "_")));
            }
        }
    }
    words
}

/// The names of all series of a process with all targets.
async fn told() -> BTreeSet<String> {
    let folder = tempfile::Builder::new().prefix("docket-test-figures-").tempdir().unwrap();
    let mut config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
    config.database.url = format!("sqlite:{}", folder.path().join("docket.db").display());
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    (config.listen.public, config.listen.app, config.listen.admin) = (free, free, Some(free));
    // Nobody listens on port 1.
    config.dapr.endpoint = Some("http://127.0.0.1:1".to_owned());
    config.dapr.app_api_token = Some("app-api-token".to_owned().try_into().unwrap());
    // How far handlers are behind is told where a broker is named.
    config.kafka.brokers = vec!["127.0.0.1:1".to_owned()];
    let (instruments, handle) = Instruments::watch(&telling::identity(&config)).unwrap();
    let app = App::build(config, handle).await.unwrap();
    let stop = CancellationToken::new();
    let _end = stop.clone().drop_guard();
    tokio::spawn(app.run(stop));
    // What is told of calls is not there before they are served.
    wait_for("figures of calls", PATIENCE, async || {
        let series = instruments.series().unwrap();
        if series.contains("docket_calls_under_way") { Ok(series) } else { Err(format!("{series:?}")) }
    })
    .await
}

#[tokio::test]
async fn rules_and_dashboard_ask_for_series_that_there_are() {
    let mut known = told().await;
    for expect in ["rpc_server_call_duration_seconds_bucket", "docket_outbox_pending", "docket_consumer_lag"]
    {
        assert!(known.contains(expect), "{known:?}");
    }
    known.extend(OF_OTHERS.map(str::to_owned));
    known.extend(rules().iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned())));
    for Query { place, asked } in queries() {
        assert!(!asked.series.is_empty(), "{place} asks for nothing");
        for series in asked.series {
            assert!(
                known.contains(&series),
                "{place} asks for {series}, which nobody tells; there are {known:?}"
            );
        }
    }
}

#[test]
fn rules_and_dashboard_choose_by_labels_and_values_that_there_are() {
    let words = words();
    let is_label = |label: &str| LABELS_OF_OTHERS.contains(&label) || words.contains(label);
    for Query { place, asked } in queries() {
        for label in &asked.labels {
            assert!(is_label(label), "{place}: nobody has the label {label}");
        }
        for (label, value) in &asked.values {
            let is_value = match &**label {
                // Counted up to one of the limits that histograms have.
                "le" => SECONDS.contains(&value.parse().unwrap()),
                // None at all, or a variable of the dashboard.
                _ if value.is_empty() || value.starts_with('$') => true,
                label => LABELS_OF_OTHERS.contains(&label) || words.contains(value),
            };
            assert!(is_value, "{place}: nobody's {label} is {value:?}");
        }
    }
}

#[test]
fn what_is_shown_of_alerts_and_panels_names_labels_that_they_have() {
    // What is left after grouping is what there is to be shown.
    for rule in rules() {
        let asked = Asked::of(text(&rule["expr"]));
        let texts = rule["annotations"].as_object().into_iter().flat_map(|annotations| annotations.values());
        let texts: String = texts.map(text).collect();
        for (_, rest) in texts.match_indices("$labels.").map(|(at, found)| texts.split_at(at + found.len())) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let label = &rest[..end];
            let given =
                asked.labels.contains(label) || is_recorded(label, &asked) || is_scraped(label, &asked);
            assert!(given, "{}: {label} is shown, and not asked for", rule["alert"]);
        }
    }
    for panel in panels() {
        for target in list(&panel, "targets") {
            let asked = Asked::of(text(&target["expr"]));
            let legend = text(&target["legendFormat"]);
            for part in legend.split("{{").skip(1) {
                let label = part.split("}}").next().unwrap_or_default();
                let given = asked.labels.contains(label) || is_recorded(label, &asked);
                assert!(given, "{}: {label} is shown, and not asked for", panel["title"]);
            }
        }
    }
}

/// Whether a rule that is asked for keeps the label.
fn is_recorded(label: &str, asked: &Asked) -> bool {
    let rules = rules();
    let mut of = rules.iter().filter(|rule| asked.series.contains(text(&rule["record"])));
    of.any(|rule| Asked::of(text(&rule["expr"])).labels.contains(label))
}

/// Whether it comes with what is scraped, as it is.
fn is_scraped(label: &str, asked: &Asked) -> bool {
    let plain = ["up", "probe_success"];
    matches!(label, "app" | "instance") && asked.series.iter().all(|series| plain.contains(&&**series))
}
