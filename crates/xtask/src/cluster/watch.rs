//! Waits for a program that waits for a cluster: says how far it is, and gives up when there is no hope.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::call::Running;
use super::kubectl::Kubectl;
use super::pods::{self, Pod, Problem};
use super::trouble;
use crate::progress::Progress;

/// How often the pods are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// How long something hopeless may last. A registry that was away for a moment, and a program that ends while what it needs
/// comes up, are tried again meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a program to its end, and says meanwhile how the pods of these namespaces are. When it fails, so does this, with what
/// is wrong with them.
pub(super) fn run(
    kubectl: &Kubectl,
    what: &str,
    command: &mut Command,
    namespaces: &[&str],
) -> Result<String> {
    let mut progress = Progress::new(what.to_owned());
    let mut running = Running::start(command)?;
    let (mut looked, mut detail) = (Instant::now(), String::new());
    let mut despair = Despair::default();
    let failure = loop {
        match running.ended() {
            Some(Ok(text)) => {
                progress.end("done");
                return Ok(text);
            }
            Some(Err(error)) => break error,
            None => {}
        }
        if looked.elapsed() > EVERY {
            // An API server that does not answer now is the program's own trouble.
            let pods = all(kubectl, namespaces).unwrap_or_default();
            detail = pods::summary(&pods);
            if let Some(why) = despair.look(&pods, Instant::now()) {
                break anyhow!("{why}");
            }
            looked = Instant::now();
        }
        progress.tick(&detail);
        std::thread::sleep(Running::PAUSE);
    };
    progress.end("FAILED");
    drop(running);
    bail!("{what}: {failure:#}{}", trouble::report(kubectl, namespaces))
}

/// The pods of some namespaces.
pub(super) fn all(kubectl: &Kubectl, namespaces: &[&str]) -> Result<Vec<Pod>> {
    let mut pods = Vec::new();
    for namespace in namespaces {
        pods.extend(kubectl.list(&["pods", "--namespace", namespace])?.iter().map(Pod::read));
    }
    Ok(pods)
}

/// Since when hopeless things are as they are.
#[derive(Debug, Default)]
struct Despair(HashMap<(String, Option<String>), Instant>);

impl Despair {
    /// What has been hopeless for too long.
    fn look(&mut self, pods: &[Pod], now: Instant) -> Option<String> {
        let hopeless = |pod: &Pod| -> Vec<(String, Problem)> {
            let problems = pod.problems.iter().filter(|problem| problem.hopeless);
            problems.map(|problem| (pod.name.clone(), problem.clone())).collect()
        };
        let found: Vec<(String, Problem)> = pods.iter().flat_map(hopeless).collect();
        // By container, because the reasons of one cause alternate: ErrImagePull, ImagePullBackOff.
        self.0.retain(|(pod, container), _| {
            found.iter().any(|(name, problem)| name == pod && problem.container == *container)
        });
        for (pod, problem) in found {
            let since = *self.0.entry((pod.clone(), problem.container.clone())).or_insert(now);
            if now.duration_since(since) > PATIENCE {
                return Some(format!("{pod}: {} for {} s", problem.reason, PATIENCE.as_secs()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(reason: &str, hopeless: bool) -> Pod {
        let problem = Problem {
            container: Some("docket".to_owned()),
            reason: reason.to_owned(),
            message: String::new(),
            hopeless,
        };
        Pod {
            namespace: "docket".to_owned(),
            name: "docket-tasks-1".to_owned(),
            ready: (0, 1),
            restarts: 0,
            status: reason.to_owned(),
            sidecar: false,
            problems: vec![problem],
        }
    }

    #[test]
    fn what_is_hopeless_for_long_is_given_up() {
        let (mut despair, start) = (Despair::default(), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(despair.look(&[pod("ErrImagePull", true)], start), None);
        assert_eq!(despair.look(&[pod("ImagePullBackOff", true)], later(119)), None);
        let said = despair.look(&[pod("ImagePullBackOff", true)], later(121)).unwrap();
        assert_eq!(said, "docket-tasks-1: ImagePullBackOff for 120 s");
    }

    #[test]
    fn what_was_better_meanwhile_is_not() {
        let (mut despair, start) = (Despair::default(), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(despair.look(&[pod("CrashLoopBackOff", true)], start), None);
        assert_eq!(despair.look(&[pod("Error", false)], later(60)), None);
        assert_eq!(despair.look(&[pod("CrashLoopBackOff", true)], later(130)), None);
    }
}
