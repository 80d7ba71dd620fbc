//! What pods say of themselves: whether they are ready, and what keeps them from it.

use serde_json::Value;

/// A pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    /// How many of its containers are ready, and how many it has. Those that run to an end before the others do not count.
    pub(super) ready: (usize, usize),
    /// How often containers of it were started again.
    pub(super) restarts: u64,
    /// How it is, in a word.
    pub(super) status: String,
    /// Whether a sidecar is in it.
    pub(super) sidecar: bool,
    pub(super) problems: Vec<Problem>,
}

/// What keeps it from being ready.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Problem {
    /// The container, unless it is the pod as a whole.
    pub(super) container: Option<String>,
    /// In a word, as Kubernetes says it.
    pub(super) reason: String,
    pub(super) message: String,
    /// Whether waiting longer is no use: nobody will make an image appear, or a Secret.
    pub(super) hopeless: bool,
}

/// What passes by itself.
const PASSING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// What does not, unless somebody does something.
const HOPELESS: [&str; 9] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
    "Unschedulable",
];

impl Pod {
    /// Reads one.
    pub(super) fn read(pod: &Value) -> Self {
        let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
        let phase = text(&status["phase"]);
        let done = phase == "Succeeded";
        let [initial, main] = ["initContainerStatuses", "containerStatuses"].map(|key| items(&status[key]));
        let stays = |name: &str| {
            items(&spec["initContainers"])
                .iter()
                .any(|container| container["name"] == name && container["restartPolicy"] == "Always")
        };
        let mut ready = (0, items(&spec["containers"]).len());
        let mut problems: Vec<Problem> = unschedulable(status).into_iter().collect();
        let mut restarts = 0;
        for (container, initial) in
            initial.iter().map(|one| (one, true)).chain(main.iter().map(|one| (one, false)))
        {
            let counts = !initial || stays(&text(&container["name"]));
            if initial && counts {
                ready.1 += 1;
            }
            ready.0 += usize::from(counts && container["ready"] == true);
            restarts += container["restartCount"].as_u64().unwrap_or_default();
            if !done {
                problems.extend(problem(container));
            }
        }
        let names = items(&spec["containers"]).iter().chain(items(&spec["initContainers"]));
        let sidecar = names.into_iter().any(|container| container["name"] == "daprd");
        let shown = problems.first().map_or(phase, |problem| problem.reason.clone());
        let ending = metadata.get("deletionTimestamp").is_some();
        Self {
            namespace: text(&metadata["namespace"]),
            name: text(&metadata["name"]),
            ready,
            restarts,
            status: if ending { "Terminating".to_owned() } else { shown },
            sidecar,
            problems,
        }
    }

    /// Whether it does what it is for, or has done it.
    pub(super) fn is_well(&self) -> bool {
        self.status == "Succeeded" || (self.status == "Running" && self.ready.0 == self.ready.1)
    }
}

/// How many are well, and what the first one that is not is about.
pub(super) fn summary(pods: &[Pod]) -> String {
    if pods.is_empty() {
        return "(no pods)".to_owned();
    }
    let well = pods.iter().filter(|pod| pod.is_well()).count();
    let mut text = format!("({well} of {} pods ready", pods.len());
    if let Some(pod) = pods.iter().find(|pod| !pod.is_well()) {
        text.push_str(&format!("; {}: {}", pod.name, pod.status));
    }
    text + ")"
}

fn unschedulable(status: &Value) -> Option<Problem> {
    let conditions = items(&status["conditions"]);
    let scheduled = conditions.iter().find(|condition| condition["type"] == "PodScheduled")?;
    (scheduled["status"] == "False").then(|| Problem {
        container: None,
        reason: text(&scheduled["reason"]),
        message: text(&scheduled["message"]),
        hopeless: HOPELESS.contains(&text(&scheduled["reason"]).as_str()),
    })
}

/// What a container says that is not as it should be.
fn problem(container: &Value) -> Option<Problem> {
    let name = Some(text(&container["name"]));
    let waiting = &container["state"]["waiting"];
    if waiting.is_object() {
        let reason = text(&waiting["reason"]);
        let passes = PASSING.contains(&reason.as_str());
        let hopeless = HOPELESS.contains(&reason.as_str());
        return (!passes).then(|| Problem {
            container: name,
            message: text(&waiting["message"]),
            reason,
            hopeless,
        });
    }
    let ended = &container["state"]["terminated"];
    let code = ended["exitCode"].as_i64().filter(|code| *code != 0)?;
    let message = format!("ended with {code}. {}", text(&ended["message"])).trim_end().to_owned();
    Some(Problem { container: name, reason: text(&ended["reason"]), message, hopeless: false })
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(phase: &str, containers: Value) -> Value {
        json!({
            "metadata": {"namespace": "docket", "name": "docket-tasks-1"},
            "spec": {"containers": [{"name": "docket"}, {"name": "daprd"}]},
            "status": {"phase": phase, "containerStatuses": containers},
        })
    }

    #[test]
    fn pod_is_well_when_all_of_it_is_ready() {
        let running = json!({"running": {}});
        let all = pod(
            "Running",
            json!([
                {"name": "docket", "ready": true, "restartCount": 2, "state": running},
                {"name": "daprd", "ready": true, "restartCount": 1, "state": running},
            ]),
        );
        let read = Pod::read(&all);
        assert_eq!((read.ready, read.restarts, read.sidecar, read.is_well()), ((2, 2), 3, true, true));
        let mut one = all.clone();
        one["status"]["containerStatuses"][1]["ready"] = json!(false);
        let read = Pod::read(&one);
        assert_eq!((read.ready, read.status.as_str(), read.is_well()), ((1, 2), "Running", false));
        let mut ending = all;
        ending["metadata"]["deletionTimestamp"] = json!("2026-11-21T05:12:27Z");
        assert_eq!(Pod::read(&ending).status, "Terminating");
    }

    #[test]
    fn job_that_ran_to_its_end_is_well() {
        let ended = json!([{"name": "migrate", "ready": false, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]);
        assert!(Pod::read(&pod("Succeeded", ended)).is_well());
    }

    #[test]
    fn sidecar_that_is_started_before_the_others_counts() {
        let mut native = pod("Running", json!([{"name": "docket", "ready": true, "state": {"running": {}}}]));
        native["spec"] = json!({
            "containers": [{"name": "docket"}],
            "initContainers": [{"name": "once"}, {"name": "daprd", "restartPolicy": "Always"}],
        });
        native["status"]["initContainerStatuses"] = json!([
            {"name": "once", "ready": true, "state": {"terminated": {"exitCode": 0}}},
            {"name": "daprd", "ready": true, "state": {"running": {}}},
        ]);
        let read = Pod::read(&native);
        assert_eq!((read.ready, read.sidecar, read.is_well()), ((2, 2), true, true));
    }

    #[test]
    fn what_keeps_it_is_named_and_what_passes_is_not() {
        let check = |state: Value, expect: Option<(&str, bool)>| {
            let read = Pod::read(&pod("Pending", json!([{"name": "docket", "state": state}])));
            let found = read.problems.first().map(|problem| (problem.reason.as_str(), problem.hopeless));
            assert_eq!(found, expect, "{read:?}");
        };
        check(json!({"waiting": {"reason": "ContainerCreating"}}), None);
        check(json!({"waiting": {"reason": "ErrImagePull"}}), Some(("ErrImagePull", true)));
        check(
            json!({"waiting": {"reason": "CreateContainerConfigError"}}),
            Some(("CreateContainerConfigError", true)),
        );
        check(json!({"terminated": {"exitCode": 1, "reason": "Error"}}), Some(("Error", false)));
        let mut nowhere = pod("Pending", json!([]));
        nowhere["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}]);
        let read = Pod::read(&nowhere);
        assert_eq!((read.status.as_str(), read.ready), ("Unschedulable", (0, 2)));
        assert_eq!(summary(&[read]), "(0 of 1 pods ready; docket-tasks-1: Unschedulable)");
    }
}
