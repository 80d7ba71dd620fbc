//! What kubectl says of pods, Deployments and Services, read from its JSON.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

/// A pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pod {
    pub(super) name: String,
    /// The target that it is a replica of, or `all`.
    pub(super) component: String,
    /// Whether all of it is ready, and nobody has told it to go.
    pub(super) ready: bool,
    /// Whether it was told to go, and is still there.
    pub(super) ending: bool,
    /// How often each of its containers was started again.
    pub(super) restarts: Vec<(String, u64)>,
}

impl Pod {
    fn read(pod: &Value) -> Option<Self> {
        let status = |list: &str| items(&pod["status"][list]).iter();
        let containers = || status("containerStatuses").chain(status("initContainerStatuses"));
        let condition = |name: &str| {
            let mut conditions = status("conditions");
            conditions.any(|condition| condition["type"] == name && condition["status"] == "True")
        };
        let restarts = containers().map(|one| {
            (one["name"].as_str().unwrap_or_default().to_owned(), one["restartCount"].as_u64().unwrap_or(0))
        });
        let ending = !pod["metadata"]["deletionTimestamp"].is_null();
        Some(Self {
            name: pod["metadata"]["name"].as_str()?.to_owned(),
            component: label(pod, "app.kubernetes.io/component").unwrap_or_default().to_owned(),
            ready: condition("Ready") && !ending,
            ending,
            restarts: restarts.collect(),
        })
    }

    /// How often this container was started again.
    pub(super) fn restarts_of(&self, container: &str) -> u64 {
        self.restarts.iter().filter(|(name, _)| name == container).map(|(_, count)| count).sum()
    }
}

/// The pods of a list.
pub(super) fn pods(list: &Value) -> Vec<Pod> {
    items(&list["items"]).iter().filter_map(Pod::read).collect()
}

/// The names of the objects of a list.
pub(super) fn names(list: &Value) -> Vec<String> {
    let name = |item: &Value| item["metadata"]["name"].as_str().map(str::to_owned);
    items(&list["items"]).iter().filter_map(name).collect()
}

/// Whether every Deployment and StatefulSet of a list has all of its replicas, of its newest kind and ready; else which has
/// not.
pub(super) fn complete(list: &Value) -> Result<(), String> {
    for workload in items(&list["items"]) {
        let (spec, status) = (&workload["spec"], &workload["status"]);
        let wanted = spec["replicas"].as_u64().unwrap_or(1);
        let seen = status["observedGeneration"] == workload["metadata"]["generation"];
        // What is none is left out.
        let count = |what: &str| status[what].as_u64().unwrap_or(0);
        let is = |what: &str| count(what) == wanted;
        // One that is updated `OnDelete` does not say how many are new.
        let updated = is("updatedReplicas") || spec["updateStrategy"]["type"] == "OnDelete";
        if !(seen && updated && is("replicas") && is("readyReplicas")) {
            let name = workload["metadata"]["name"].as_str().unwrap_or_default();
            let (ready, new) = (count("readyReplicas"), count("updatedReplicas"));
            return Err(format!("{name}: of {wanted} replicas {ready} are ready, {new} are new"));
        }
    }
    Ok(())
}

/// Where those are who stand behind a Service and are ready, by the list of all slices.
pub(super) fn endpoints(slices: &Value, service: &str) -> Vec<SocketAddr> {
    let of_service = items(&slices["items"])
        .iter()
        .filter(|slice| label(slice, "kubernetes.io/service-name") == Some(service));
    let mut found = Vec::new();
    for slice in of_service {
        let ports = items(&slice["ports"]).iter().filter_map(|port| port["port"].as_u64());
        let Some(port) = ports.filter_map(|port| u16::try_from(port).ok()).next() else { continue };
        let ready = items(&slice["endpoints"]).iter().filter(|one| one["conditions"]["ready"] == true);
        let addresses = ready.flat_map(|one| items(&one["addresses"])).filter_map(Value::as_str);
        found.extend(addresses.filter_map(|text| text.parse().ok()).map(|ip| SocketAddr::new(ip, port)));
    }
    found
}

/// The port at which every node leads to a Service, by the list of all of them.
pub(super) fn node_port(services: &Value, service: &str) -> Option<u16> {
    let found = items(&services["items"]).iter().find(|one| one["metadata"]["name"] == service)?;
    let port = items(&found["spec"]["ports"]).first()?["nodePort"].as_u64()?;
    u16::try_from(port).ok()
}

/// Where the first node of a list is.
pub(super) fn node_address(nodes: &Value) -> Option<IpAddr> {
    let addresses = items(&items(&nodes["items"]).first()?["status"]["addresses"]);
    let internal = addresses.iter().find(|one| one["type"] == "InternalIP")?;
    internal["address"].as_str()?.parse().ok()
}

/// What selects the pods of a Service, as kubectl takes it.
pub(super) fn selector(service: &Value) -> Option<String> {
    let labels = service["spec"]["selector"].as_object()?;
    let labels = labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    Some(labels.collect::<Vec<_>>().join(","))
}

/// What a variable of the container `docket` is, in any Deployment of a list.
pub(super) fn variable<'a>(deployments: &'a Value, name: &str) -> Option<&'a str> {
    let containers = items(&deployments["items"])
        .iter()
        .flat_map(|deployment| items(&deployment["spec"]["template"]["spec"]["containers"]));
    let docket = containers.filter(|container| container["name"] == "docket");
    let mut variables = docket.flat_map(|container| items(&container["env"]));
    variables.find(|variable| variable["name"] == name)?["value"].as_str()
}

/// Where the name of a host leads to in a cluster: a namespace, and what kubectl forwards ports to. Without a namespace in
/// it, it is of `here`.
pub(super) fn place(host: &str, here: &str) -> Option<(String, String)> {
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [service] => Some((here.to_owned(), format!("service/{service}"))),
        [service, namespace] | [service, namespace, "svc", ..] => {
            Some(((*namespace).to_owned(), format!("service/{service}")))
        }
        [pod, _service, namespace, "svc", ..] => Some(((*namespace).to_owned(), format!("pod/{pod}"))),
        _ => None,
    }
}

fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["labels"].get(name)?.as_str()
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_are_read_with_what_is_ready_and_what_was_started_again() {
        let pod = |ready: &str, deleted: Value| {
            json!({
                "metadata": {"name": "docket-tasks-1", "deletionTimestamp": deleted,
                    "labels": {"app.kubernetes.io/component": "tasks"}},
                "status": {
                    "conditions": [{"type": "Ready", "status": ready}],
                    "containerStatuses": [{"name": "docket", "restartCount": 1}, {"name": "daprd", "restartCount": 2}],
                },
            })
        };
        let read = |pod: Value| pods(&json!({"items": [pod]})).remove(0);
        let well = read(pod("True", Value::Null));
        assert_eq!(
            (well.name.as_str(), well.component.as_str(), well.ready),
            ("docket-tasks-1", "tasks", true)
        );
        assert_eq!((well.restarts_of("daprd"), well.restarts_of("other")), (2, 0));
        assert!(!read(pod("False", Value::Null)).ready);
        let ending = read(pod("True", json!("2026-11-22T03:00:00Z")));
        assert_eq!((well.ending, ending.ending, ending.ready), (false, true, false));
    }

    #[test]
    fn a_workload_is_complete_when_all_of_its_replicas_are_new_and_ready() {
        let workload = |generation: u64, replicas: u64, updated: u64, ready: u64| {
            json!({"items": [{
                "metadata": {"name": "docket-tasks", "generation": 2}, "spec": {"replicas": 2},
                "status": {"observedGeneration": generation, "replicas": replicas, "updatedReplicas": updated,
                    "readyReplicas": ready},
            }]})
        };
        assert_eq!(complete(&workload(2, 2, 2, 2)), Ok(()));
        for other in [workload(1, 2, 2, 2), workload(2, 3, 2, 2), workload(2, 2, 1, 2), workload(2, 2, 2, 1)]
        {
            let error = complete(&other).unwrap_err();
            assert!(error.starts_with("docket-tasks: of 2 replicas "), "{error}");
        }
        let none = json!({"items": [{"metadata": {"name": "x", "generation": 1}, "spec": {"replicas": 0},
            "status": {"observedGeneration": 1}}]});
        assert_eq!(complete(&none), Ok(()));
    }

    #[test]
    fn those_behind_a_service_are_those_that_are_ready() {
        let slices = json!({"items": [
            {"metadata": {"labels": {"kubernetes.io/service-name": "docket-tasks"}}, "ports": [{"port": 7600}],
             "endpoints": [
                {"addresses": ["10.1.0.5"], "conditions": {"ready": true}},
                {"addresses": ["10.1.0.6"], "conditions": {"ready": false}}]},
            {"metadata": {"labels": {"kubernetes.io/service-name": "docket-audit"}}, "ports": [{"port": 7600}],
             "endpoints": [{"addresses": ["10.1.0.7"], "conditions": {"ready": true}}]},
        ]});
        assert_eq!(endpoints(&slices, "docket-tasks"), [([10, 1, 0, 5], 7600).into()]);
        assert_eq!(endpoints(&slices, "docket"), []);
    }

    #[test]
    fn services_and_nodes_say_where_they_are() {
        let services = json!({"items": [
            {"metadata": {"name": "docket-tasks"}, "spec": {"ports": [{"port": 7600}], "selector": {"a": "b", "c": "d"}}},
            {"metadata": {"name": "docket-tasks-local"}, "spec": {"ports": [{"port": 7600, "nodePort": 30600}]}},
        ]});
        assert_eq!(node_port(&services, "docket-tasks-local"), Some(30600));
        assert_eq!(node_port(&services, "docket-tasks"), None);
        assert_eq!(node_port(&services, "docket-local"), None);
        assert_eq!(selector(&services["items"][0]).as_deref(), Some("a=b,c=d"));
        assert_eq!(selector(&services["items"][1]), None);
        assert_eq!(names(&services), ["docket-tasks", "docket-tasks-local"]);
        let nodes = json!({"items": [{"status": {"addresses": [
            {"type": "Hostname", "address": "node"}, {"type": "InternalIP", "address": "10.250.0.1"}]}}]});
        assert_eq!(node_address(&nodes), Some([10, 250, 0, 1].into()));
        assert_eq!(node_address(&json!({"items": []})), None);
    }

    #[test]
    fn variables_are_those_of_docket() {
        let deployments = json!({"items": [{"spec": {"template": {"spec": {"containers": [
            {"name": "daprd", "env": [{"name": "X", "value": "no"}]},
            {"name": "docket", "env": [{"name": "X", "value": "yes"}, {"name": "Y", "valueFrom": {}}]}]}}}}]});
        assert_eq!(variable(&deployments, "X"), Some("yes"));
        assert_eq!(variable(&deployments, "Y"), None);
        assert_eq!(variable(&deployments, "Z"), None);
    }

    #[test]
    fn names_of_hosts_lead_to_services_and_pods() {
        let check = |host: &str, expect: Option<(&str, &str)>| {
            let expect = expect.map(|(namespace, target)| (namespace.to_owned(), target.to_owned()));
            assert_eq!(place(host, "docket"), expect, "{host}");
        };
        check("postgres", Some(("docket", "service/postgres")));
        check("postgres.docket-data", Some(("docket-data", "service/postgres")));
        check("kafka.docket-data.svc", Some(("docket-data", "service/kafka")));
        check("kafka.docket-data.svc.cluster.local", Some(("docket-data", "service/kafka")));
        check("kafka-0.kafka-brokers.docket-data.svc", Some(("docket-data", "pod/kafka-0")));
        check("db.example.com", None);
    }
}
