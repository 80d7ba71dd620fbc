//! What the manifests of `deploy/platform` must be: pods that may do no more than `restricted` allows, no secret, and a Jaeger
//! that only Docket's apps reach.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::workspace;

/// The resources of a manifest.
fn read(name: &str) -> Vec<Value> {
    let file = workspace::root().join("deploy/platform").join(name);
    serde_saphyr::from_multiple(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Those that we run without an operator.
fn ours() -> Vec<Value> {
    ["jaeger.yaml", "plain/kafka.yaml", "plain/postgres.yaml"].into_iter().flat_map(read).collect()
}

fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn pods_may_do_no_more_than_restricted_allows() {
    let ours = ours();
    let pods: Vec<&Value> = ours.iter().filter_map(|one| one.pointer("/spec/template/spec")).collect();
    assert_eq!(pods.len(), 3);
    for pod in pods {
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"], true, "{pod}");
        assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{pod}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{pod}");
        for container in list(pod, "/initContainers").iter().chain(list(pod, "/containers")) {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{container}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{container}");
            assert_eq!(security["capabilities"]["drop"][0], "ALL", "{container}");
            let resources = &container["resources"];
            assert!(resources["requests"]["cpu"].is_string(), "{container}");
            assert!(resources["limits"]["memory"].is_string(), "{container}");
        }
    }
}

#[test]
fn no_manifest_has_a_secret() {
    let operators = ["strimzi/kafka.yaml", "strimzi/topics.yaml", "strimzi/user.yaml", "cnpg/postgres.yaml"];
    for one in ours().into_iter().chain(operators.into_iter().flat_map(read)) {
        assert_ne!(one["kind"], "Secret", "{one}");
        assert_eq!(
            one["metadata"]["namespace"].as_str().map(|name| name.starts_with("docket")),
            Some(true),
            "{one}"
        );
    }
}

#[test]
fn secrets_of_logins_are_not_those_that_an_operator_makes() {
    let resources = read("cnpg/postgres.yaml");
    let cluster = resources.iter().find(|one| one["kind"] == "Cluster").unwrap();
    let name = cluster["metadata"]["name"].as_str().unwrap();
    // Of its authorities, its certificates, and the logins that it has by default.
    let made = ["ca", "server", "replication", "superuser", "app"].map(|what| format!("{name}-{what}"));
    let secrets: Vec<&str> = list(cluster, "/spec/managed/roles")
        .iter()
        .filter_map(|role| role.pointer("/passwordSecret/name")?.as_str())
        .collect();
    assert_eq!(secrets.len(), 2);
    for secret in secrets {
        assert!(!made.iter().any(|one| one == secret), "{secret} is CloudNativePG's own");
    }
}

#[test]
fn database_does_not_wait_for_clients_that_stay() {
    let resources = read("cnpg/postgres.yaml");
    let cluster = resources.iter().find(|one| one["kind"] == "Cluster").unwrap();
    assert_eq!(cluster["spec"]["smartShutdownTimeout"], 0);
}

#[test]
fn spans_reach_jaeger_through_its_sidecar_and_nothing_else() {
    let resources = read("jaeger.yaml");
    let of = |kind: &str| resources.iter().find(|one| one["kind"] == kind).unwrap();
    let text = of("ConfigMap")["data"]["jaeger.yaml"].as_str().unwrap();
    let configuration: Value = serde_saphyr::from_str(text).unwrap();
    let receivers = configuration["receivers"].as_object().unwrap();
    assert_eq!(receivers.keys().collect::<Vec<_>>(), ["otlp"]);
    let otlp = configuration.pointer("/receivers/otlp/protocols").unwrap().as_object().unwrap();
    assert_eq!(otlp.keys().collect::<Vec<_>>(), ["grpc"]);
    let port = otlp["grpc"]["endpoint"].as_str().unwrap().strip_prefix("127.0.0.1:").expect("loopback");
    let pages = configuration.pointer("/extensions/jaeger_query/http/endpoint").unwrap();
    assert_eq!(pages.as_str().unwrap(), format!("127.0.0.1:{}", super::inspect::PAGES));

    let deployment = of("Deployment");
    assert_eq!(deployment["metadata"]["name"], super::inspect::JAEGER);
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["dapr.io/app-port"], port);
    assert_eq!(annotations["dapr.io/config"], of("Configuration")["metadata"]["name"]);
    let values = fs::read_to_string(workspace::root().join("deploy/chart/values-kind.yaml")).unwrap();
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    assert_eq!(annotations["dapr.io/app-id"], values["config"]["telemetry"]["collector_app_id"]);
}

#[test]
fn dockets_apps_may_hand_spans_over_and_nobody_else() {
    let resources = read("jaeger.yaml");
    let control = resources.iter().find_map(|one| one.pointer("/spec/accessControl")).unwrap();
    assert_eq!(control["defaultAction"], "deny");
    let policies = list(control, "/policies");
    let apps: BTreeSet<&str> = policies.iter().map(|policy| policy["appId"].as_str().unwrap()).collect();
    // In both shapes of the chart.
    let targets = ["tasks", "recurrence", "audit", "reminders", "notification", "deadletters"];
    let expect: BTreeSet<String> =
        targets.iter().map(|target| format!("docket-{target}")).chain(["docket".to_owned()]).collect();
    assert_eq!(apps, expect.iter().map(String::as_str).collect());
    for policy in policies {
        assert_eq!(
            (&policy["defaultAction"], &policy["namespace"]),
            (&"deny".into(), &super::site::DOCKET.into())
        );
        let operations = list(policy, "/operations").iter().map(|one| one["name"].as_str().unwrap());
        assert!(
            operations.clone().all(|name| name.starts_with("/opentelemetry.proto.collector.")),
            "{policy}"
        );
        assert!(operations.clone().any(|name| name.ends_with(".trace.v1.TraceService/Export")), "{policy}");
    }
}
