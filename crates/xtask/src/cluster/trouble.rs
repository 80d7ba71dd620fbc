//! What is wrong: the pods that are not well, what happened to them, and the end of what they said.

use std::fmt::Write as _;

use serde_json::Value;

use super::kubectl::Kubectl;
use super::pods::Pod;
use super::watch;

/// How much of a log is shown.
const LINES: &str = "--tail=20";

/// How many events are shown of a namespace: the last ones.
const EVENTS: usize = 12;

/// All that helps somebody who has to find out why; what cannot be had is left out.
pub(super) fn report(kubectl: &Kubectl, namespaces: &[&str]) -> String {
    let mut text = String::new();
    for namespace in namespaces {
        let pods = watch::all(kubectl, &[namespace]).unwrap_or_default();
        // One that is on its way out and does its work until then has nothing to tell.
        let ends_well = |pod: &Pod| pod.status == "Terminating" && pod.ready.0 == pod.ready.1;
        for pod in pods.iter().filter(|pod| !pod.is_well() && !ends_well(pod)) {
            text.push_str(&of_pod(kubectl, pod));
        }
        let warnings = kubectl
            .list(&[
                "events",
                "--namespace",
                namespace,
                "--field-selector=type=Warning",
                "--sort-by=.lastTimestamp",
            ])
            .unwrap_or_default();
        text.push_str(&events(namespace, &warnings));
    }
    text
}

fn of_pod(kubectl: &Kubectl, pod: &Pod) -> String {
    let (ready, all) = pod.ready;
    let mut text =
        format!("\n\npod {} in {}: {}, {ready} of {all} ready", pod.name, pod.namespace, pod.status);
    for problem in &pod.problems {
        let container = problem.container.as_deref().unwrap_or("the pod");
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {container}: {} {}", problem.reason, problem.message);
    }
    for container in containers(pod) {
        let mut arguments = vec!["logs", "--namespace", &pod.namespace, &pod.name, LINES];
        match container.as_deref() {
            Some(name) => arguments.extend(["--container", name]),
            None => arguments.extend(["--all-containers", "--prefix"]),
        }
        // One that is about to be started again has said why before.
        let before = kubectl.text(&[&arguments[..], &["--previous"]].concat()).ok();
        let now = kubectl.text(&arguments).ok();
        let said = [before, now].into_iter().flatten().find(|said| !said.trim().is_empty());
        if let Some(said) = said {
            let _ = write!(text, "\n  the end of its log:");
            said.lines().for_each(|line| {
                let _ = write!(text, "\n    {line}");
            });
        }
    }
    text
}

/// Whose log tells something: those of which something is known, else all.
fn containers(pod: &Pod) -> Vec<Option<String>> {
    let mut named: Vec<Option<String>> = pod
        .problems
        .iter()
        .filter(|problem| problem.container.is_some())
        .map(|problem| problem.container.clone())
        .collect();
    named.dedup();
    if named.is_empty() && pod.ready.0 < pod.ready.1 { vec![None] } else { named }
}

/// The last warnings of a namespace, the newest last.
fn events(namespace: &str, warnings: &[Value]) -> String {
    let field = |event: &Value, path: &str| {
        event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut lines: Vec<String> = Vec::new();
    for event in warnings {
        let object =
            format!("{} {}", field(event, "/involvedObject/kind"), field(event, "/involvedObject/name"));
        let line = format!("{object}: {}: {}", field(event, "/reason"), field(event, "/message").trim());
        // What is said again counts where it was said last.
        lines.retain(|known| *known != line);
        lines.push(line);
    }
    let last = lines.len().saturating_sub(EVENTS);
    if lines.is_empty() {
        return String::new();
    }
    lines[last..]
        .iter()
        .fold(format!("\n\nwarnings of Kubernetes in {namespace}:"), |text, line| text + "\n  " + line)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn warnings_are_told_once_and_the_newest_last() {
        let event = |name: &str, message: &str| json!({"involvedObject": {"kind": "Pod", "name": name}, "reason": "Failed", "message": message});
        let told =
            events("docket", &[event("a", "no image"), event("b", "no secret"), event("a", "no image")]);
        assert_eq!(
            told,
            "\n\nwarnings of Kubernetes in docket:\n  Pod b: Failed: no secret\n  Pod a: Failed: no image"
        );
        assert_eq!(events("docket", &[]), "");
        let many: Vec<Value> = (0..30).map(|number| event("a", &number.to_string())).collect();
        let told = events("docket", &many);
        assert!(told.contains(": 29") && told.contains(": 18\n") && !told.contains(": 17\n"), "{told}");
    }
}
