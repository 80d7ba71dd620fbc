//! Removes all that `up` has made: `cargo xtask down`.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::call;
use super::helm::Helm;
use super::kind::Kind;
use super::kubectl::Kubectl;
use super::settings::{Broker, Cluster, Database, Settings};
use super::site::{CNPG, DAPR, DATA, DOCKET, KIND_CONTEXT, MADE, STRIMZI, Site, Standing};
use super::steps::Steps;
use super::watch;
use crate::tools::{Plan, Tool};

/// How long something may take to be gone.
const LIMIT: &str = "--timeout=5m";

/// Removes it: the cluster that kind has made, or what `up` has installed in another one.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let settings = Settings::read(words)?;
    if settings.cluster != Some(Cluster::Existing) && is_kinds(&settings)? {
        let kind = Kind(Plan::new(&[Tool::Kind])?.carry_out()?.of(Tool::Kind)?.to_owned());
        return kind.delete();
    }
    let site = Site::find(&settings).context("there is nothing to remove")?;
    let tools = Plan::new(&[Tool::Helm])?.carry_out()?;
    let helm = Helm::new(tools.of(Tool::Helm)?.to_owned(), &site.kubectl);
    remove(&site, &helm)
}

/// Whether it is kind's cluster that goes: it was named, or it is the one that was found. It goes even when `up` was
/// interrupted before anything was in it.
fn is_kinds(settings: &Settings) -> Result<bool> {
    if settings.cluster == Some(Cluster::Kind) {
        return Ok(true);
    }
    let found = Site::find(settings).map(|site| site.made.cluster);
    match found {
        Ok(cluster) => Ok(cluster == Cluster::Kind),
        Err(_) => Kubectl::knows(KIND_CONTEXT),
    }
}

/// Takes it out of a cluster that stays.
fn remove(site: &Site, helm: &Helm) -> Result<()> {
    let kubectl = &site.kubectl;
    let mut steps = Steps::new();
    steps.take("Docket", || helm.uninstall(kubectl, "docket", DOCKET))?;
    // While the operators run: they take back what they have made, and let go of what waits for them.
    steps.take("Kafka and PostgreSQL", || data(site))?;
    steps.take("namespaces of Docket", || namespaces(kubectl, &[DOCKET, DATA]))?;
    let operators =
        [("dapr", DAPR, "dapr.io"), ("strimzi", STRIMZI, "strimzi.io"), ("cnpg", CNPG, "cnpg.io")];
    for (name, namespace, group) in operators {
        if !matches!(Standing::of(kubectl, namespace)?, Standing::Ours) {
            continue;
        }
        steps.take(name, || {
            helm.uninstall(kubectl, name, namespace)?;
            definitions(kubectl, group)?;
            namespaces(kubectl, &[namespace])
        })?;
    }
    nothing_left(kubectl)?;
    eprintln!("\ndown, in context {}; the steps took\n\n{}", kubectl.context(), steps.times());
    Ok(())
}

/// What the operators look after.
fn data(site: &Site) -> Result<()> {
    let delete = |kinds: &str| -> Result<()> {
        let mut command = site.kubectl.command([
            "delete",
            kinds,
            "--all",
            "--namespace",
            DATA,
            "--ignore-not-found",
            LIMIT,
        ]);
        watch::run(&site.kubectl, &format!("removing {kinds}"), &mut command, &[DATA]).map(drop)
    };
    if site.made.broker == Broker::Strimzi && exists(site, "kafkas.kafka.strimzi.io")? {
        // Topics and users first: the operator that lets go of them goes with the Kafka.
        delete("kafkatopics.kafka.strimzi.io,kafkausers.kafka.strimzi.io")?;
        delete("kafkas.kafka.strimzi.io,kafkanodepools.kafka.strimzi.io")?;
    }
    if site.made.database == Database::Cnpg && exists(site, "clusters.postgresql.cnpg.io")? {
        delete("databases.postgresql.cnpg.io,clusters.postgresql.cnpg.io")?;
    }
    Ok(())
}

fn exists(site: &Site, definition: &str) -> Result<bool> {
    Ok(site.kubectl.find(&["crd", definition])?.is_some())
}

/// Removes namespaces, with all that is in them.
fn namespaces(kubectl: &Kubectl, names: &[&str]) -> Result<()> {
    let mut command = kubectl.command(["delete", "namespace", "--ignore-not-found", LIMIT]);
    command.args(names);
    watch::run(kubectl, &format!("removing {}", names.join(", ")), &mut command, names).map(drop)
}

/// Helm leaves the definitions of a chart's resources behind.
fn definitions(kubectl: &Kubectl, group: &str) -> Result<()> {
    let all = kubectl.list(&["crd"])?;
    let names = of_group(&all, group);
    if names.is_empty() {
        return Ok(());
    }
    let mut command = kubectl.command(["delete", "crd", "--ignore-not-found", LIMIT]);
    call::text(command.args(names)).map(drop)
}

/// The names of the definitions of a group, and of those below it.
fn of_group(definitions: &[Value], group: &str) -> Vec<String> {
    let is_of = |name: &str| name == group || name.ends_with(&format!(".{group}"));
    let of = definitions.iter().filter(|one| one["spec"]["group"].as_str().is_some_and(is_of));
    of.filter_map(|one| one["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

/// Makes sure of it.
fn nothing_left(kubectl: &Kubectl) -> Result<()> {
    let selector = format!("--selector={MADE}");
    let namespaces = kubectl.text(&["get", "namespaces", &selector, "--output=name"])?;
    let volumes = kubectl.list(&["persistentvolumes"])?;
    let bound = volumes.iter().filter(|volume| {
        let claim = volume.pointer("/spec/claimRef/namespace").and_then(Value::as_str);
        claim.is_some_and(|namespace| [DOCKET, DATA].contains(&namespace))
            && volume.pointer("/spec/persistentVolumeReclaimPolicy").is_some_and(|policy| policy == "Retain")
    });
    let kept: Vec<_> = bound.filter_map(|volume| volume["metadata"]["name"].as_str()).collect();
    if !kept.is_empty() {
        // The class says so, and whoever chose it may want the data.
        eprintln!("    kept, because their class says `Retain`: {}", kept.join(", "));
    }
    ensure!(namespaces.trim().is_empty(), "these are still there: {}", namespaces.trim().replace('\n', ", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn definitions_are_told_by_their_group() {
        let definition =
            |name: &str, group: &str| json!({"metadata": {"name": name}, "spec": {"group": group}});
        let all = [
            definition("components.dapr.io", "dapr.io"),
            definition("kafkas.kafka.strimzi.io", "kafka.strimzi.io"),
            definition("strimzipodsets.core.strimzi.io", "core.strimzi.io"),
            definition("things.notdapr.io", "notdapr.io"),
        ];
        assert_eq!(of_group(&all, "dapr.io"), ["components.dapr.io"]);
        assert_eq!(
            of_group(&all, "strimzi.io"),
            ["kafkas.kafka.strimzi.io", "strimzipodsets.core.strimzi.io"]
        );
        assert!(of_group(&all, "cnpg.io").is_empty());
    }
}
