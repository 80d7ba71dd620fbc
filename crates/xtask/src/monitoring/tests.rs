//! What is in `deploy/observability` belongs together: alerts, what tries them, what explains them, and the dashboard.

use std::collections::BTreeSet;

use super::*;

/// An alert as it is written.
struct Alert {
    name: String,
    rule: Value,
}

fn text_of(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&text_of(file)).unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn alerts() -> Vec<Alert> {
    let file = yaml("alerts.yaml");
    let rules = list(&file["groups"]).flat_map(|group| list(&group["rules"]));
    let alert = |rule: &Value| Some(Alert { name: rule["alert"].as_str()?.to_owned(), rule: rule.clone() });
    let alerts: Vec<Alert> = rules.filter_map(alert).collect();
    assert!(alerts.len() > 10, "{}", alerts.len());
    alerts
}

/// Title and text of each section of the runbook that is about an alert.
fn sections() -> Vec<(String, String)> {
    let book = text_of("RUNBOOK.md");
    let (_, alerts) = book.split_once("\n## Alerts\n").unwrap();
    let alerts = alerts.split_once("\n## ").map_or(alerts, |(alerts, _)| alerts);
    let sections = alerts.split("\n### ").skip(1);
    sections
        .map(|section| section.split_once('\n').unwrap())
        .map(|(title, text)| (title.into(), text.into()))
        .collect()
}

#[test]
fn each_alert_says_what_is_wrong_and_where_to_read_on() {
    for Alert { name, rule } in alerts() {
        let annotation = |key: &str| rule["annotations"][key].as_str().unwrap_or_default().to_owned();
        for key in ["summary", "description"] {
            assert!(!annotation(key).is_empty(), "{name} has no {key}");
        }
        // The anchor that a page of the runbook has for this title.
        let expect = format!("deploy/observability/RUNBOOK.md#{}", name.to_lowercase());
        assert_eq!(annotation("runbook_url"), expect);
        let severity = rule["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning")), "{name}: {severity:?}");
    }
}

#[test]
fn each_alert_has_its_section_in_the_runbook_and_each_section_its_alert() {
    let alerts: Vec<String> = alerts().into_iter().map(|alert| alert.name).collect();
    let sections = sections();
    let titles: Vec<&String> = sections.iter().map(|(title, _)| title).collect();
    assert_eq!(titles, alerts.iter().collect::<Vec<_>>());
    for (title, text) in &sections {
        for part in ["**Means.**", "**Look.**", "**Do.**"] {
            assert!(text.contains(part), "{title} lacks {part}");
        }
    }
}

#[test]
fn each_alert_is_tried_where_it_fires_and_where_it_is_silent() {
    let tests = yaml("alerts_test.yaml");
    let tries = list(&tests["tests"]).flat_map(|test| list(&test["alert_rule_test"]));
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for tried in tries {
        let seen = if list(&tried["exp_alerts"]).count() > 0 { &mut fires } else { &mut silent };
        seen.insert(tried["alertname"].as_str().unwrap().to_owned());
    }
    let alerts: BTreeSet<String> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(fires, alerts);
    assert_eq!(silent, alerts);
}

/// Every data source that a part of the dashboard names, with a path to it.
fn sources(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key == "datasource" {
                    found.push((path.to_owned(), value.clone()));
                }
                sources(value, &format!("{path}/{key}"), found);
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                sources(value, &format!("{path}/{number}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn dashboards_work_with_any_data_source() {
    for file in dashboards(&folder()).unwrap() {
        let dashboard = read(&file).unwrap();
        let mut found = Vec::new();
        sources(&dashboard, "", &mut found);
        // That of annotations is Grafana itself.
        found.retain(|(path, _)| !path.starts_with("/annotations"));
        assert!(found.len() > 10, "{found:?}");
        for (path, source) in found {
            assert_eq!(source, json!({"type": "prometheus", "uid": "${datasource}"}), "{path}");
        }
        let variables = list(&dashboard["templating"]["list"]);
        let known: Vec<&str> = variables.filter_map(|variable| variable["name"].as_str()).collect();
        assert!(known.contains(&"datasource"), "{known:?}");
        for Query { panel, text } in queries(&dashboard) {
            for (_, rest) in text.match_indices('$').map(|(at, _)| text.split_at(at + 1)) {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                assert!(known.contains(&&rest[..end]), "{panel}: no variable is called {}", &rest[..end]);
            }
        }
    }
}

#[test]
fn panels_of_dashboards_are_explained_and_lie_beside_each_other() {
    for file in dashboards(&folder()).unwrap() {
        let dashboard = read(&file).unwrap();
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&dashboard["panels"]) {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the id of another panel");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{title} is wider than the page");
            for place in
                (at("y")..at("y") + at("h")).flat_map(|y| (at("x")..at("x") + at("w")).map(move |x| (x, y)))
            {
                assert!(taken.insert(place), "{title} lies over another panel");
            }
            let explained = panel["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(explained || panel["type"] == "row", "{title} does not say what it shows");
        }
    }
}

#[test]
fn queries_are_found_in_rows_that_are_folded_up_too() {
    let dashboard = json!({"panels": [
        {"title": "open", "targets": [{"expr": "rate(a[$__rate_interval])"}, {"expr": "b"}]},
        {"title": "row", "panels": [{"title": "folded", "targets": [{"expr": "c"}]}]},
        {"title": "text"},
    ]});
    let query = |panel: &str, text: &str| Query { panel: panel.to_owned(), text: text.to_owned() };
    assert_eq!(queries(&dashboard), [query("open", "rate(a[5m])"), query("open", "b"), query("folded", "c")]);
}

#[test]
fn a_wrong_query_is_named_by_its_panel() {
    let query = |panel: &str| Query { panel: panel.to_owned(), text: "sum(".to_owned() };
    let queries: Vec<Query> = (0..12).map(|number| query(&format!("Panel {number}."))).collect();
    let said = " FAILED:\n2:47: group \"dashboard\", rule 2, \"panel_1\": could not parse expression: 1:5\n";
    let blamed = blamed(&queries, said);
    assert!(blamed.starts_with("Panel 1.: FAILED") && blamed.ends_with("1:5"), "{blamed}");
}
