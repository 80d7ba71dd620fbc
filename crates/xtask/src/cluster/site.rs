//! Which cluster it is, what is where in it, and how one finds again what `up` has made.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::kubectl::Kubectl;
use super::settings::{Broker, Choice as _, Cluster, Database, Settings, word};

/// Docket, and Jaeger with a sidecar of its own.
pub(super) const DOCKET: &str = "docket";
/// Kafka and PostgreSQL.
pub(super) const DATA: &str = "docket-data";
/// Dapr's control plane.
pub(super) const DAPR: &str = "dapr-system";
/// The operator of Kafka.
pub(super) const STRIMZI: &str = "strimzi-system";
/// The operator of PostgreSQL.
pub(super) const CNPG: &str = "cnpg-system";

/// The context of the cluster that kind makes.
pub(super) const KIND_CONTEXT: &str = "kind-docket";

/// What the namespaces carry that `up` has made: `down` removes those, and no other one.
pub(super) const MADE: &str = "docket.dev/made-by=up";

/// A cluster with Docket in it.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) kubectl: Kubectl,
    pub(super) made: Made,
}

/// How it was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Made {
    pub(super) cluster: Cluster,
    pub(super) broker: Broker,
    pub(super) database: Database,
}

impl Site {
    /// What `up` has made: in the cluster that is chosen, else in that of the current context, else in kind's.
    pub(super) fn find(settings: &Settings) -> Result<Self> {
        let mut places = Vec::new();
        if settings.cluster != Some(Cluster::Kind) {
            places.extend(Kubectl::current_context()?);
        }
        if settings.cluster != Some(Cluster::Existing) && Kubectl::knows(KIND_CONTEXT)? {
            places.push(KIND_CONTEXT.to_owned());
        }
        places.dedup();
        let mut silent = None;
        for context in &places {
            let kubectl = Kubectl::new(context)?;
            match Made::of(&kubectl) {
                Ok(Some(made)) => return Ok(Self { kubectl, made }),
                Ok(None) => {}
                Err(error) => silent = Some(error),
            }
        }
        let places = if places.is_empty() { "no context".to_owned() } else { places.join(", ") };
        let nothing = format!("nothing that `cargo xtask up` has made was found ({places})");
        match silent {
            Some(error) => Err(error.context(nothing)),
            None => bail!("{nothing}"),
        }
    }

    /// Where `up` makes it, and how: as it was made, else as it is chosen, else by default.
    pub(super) fn choose(settings: &Settings, kubectl: Kubectl) -> Result<Self> {
        let (cluster, broker, database) = (settings.cluster, settings.broker, settings.database);
        let Some(made) = Made::of(&kubectl)? else {
            let made = Made {
                cluster: cluster.unwrap_or_default(),
                broker: broker.unwrap_or_default(),
                database: database.unwrap_or_default(),
            };
            return Ok(Self { kubectl, made });
        };
        let same = |key: &str, is: &str, said: Option<&str>| {
            ensure!(
                said.is_none_or(|said| said == is),
                "this one was made with {key}={is}.\n  Leave {key} as it is, or begin anew after `cargo xtask down`."
            );
            Ok(())
        };
        same("BROKER", word(made.broker), broker.map(word))?;
        same("DATABASE", word(made.database), database.map(word))?;
        Ok(Self { kubectl, made })
    }

    /// The namespaces in which something of it is.
    pub(super) fn namespaces(&self) -> Vec<&'static str> {
        let strimzi = (self.made.broker == Broker::Strimzi).then_some(STRIMZI);
        let cnpg = (self.made.database == Database::Cnpg).then_some(CNPG);
        [DOCKET, DATA, DAPR].into_iter().chain(strimzi).chain(cnpg).collect()
    }

    /// The Deployments of Docket: one for each target, or one for all of them.
    pub(super) fn deployments(&self) -> Result<Vec<String>> {
        let chosen = "--selector=app.kubernetes.io/instance=docket,app.kubernetes.io/name=docket";
        let found = self.kubectl.list(&["deployments", "--namespace", DOCKET, chosen])?;
        let mut names: Vec<String> =
            found.iter().filter_map(|one| one["metadata"]["name"].as_str().map(str::to_owned)).collect();
        ensure!(!names.is_empty(), "there is no Deployment of Docket in the namespace {DOCKET}");
        names.sort();
        Ok(names)
    }

    /// The Deployment that plays a target's part.
    pub(super) fn deployment(&self, target: &str) -> Result<String> {
        let names = self.deployments()?;
        of_target(&names, target).map(str::to_owned).with_context(|| {
            format!("no Deployment of Docket has the target {target}; there are {}", names.join(", "))
        })
    }
}

/// Whose is a target: its own, or the one that has all of them.
pub(super) fn of_target<'a>(names: &'a [String], target: &str) -> Option<&'a str> {
    let own = format!("docket-{target}");
    names.iter().find(|name| **name == own || *name == "docket").map(String::as_str)
}

impl Made {
    /// What the namespace of Docket says, if `up` has made it.
    fn of(kubectl: &Kubectl) -> Result<Option<Self>> {
        let Some(namespace) = kubectl.find(&["namespace", DOCKET])? else { return Ok(None) };
        Self::read(&namespace)
    }

    fn read(namespace: &Value) -> Result<Option<Self>> {
        if !is_made(namespace) {
            return Ok(None);
        }
        let said = |key: &str| {
            let path = format!("/metadata/annotations/docket.dev~1{key}");
            let word = namespace.pointer(&path).and_then(Value::as_str);
            word.with_context(|| format!("the namespace {DOCKET} does not say its {key}"))
        };
        Ok(Some(Self {
            cluster: Cluster::read("cluster", said("cluster")?)?,
            broker: Broker::read("broker", said("broker")?)?,
            database: Database::read("database", said("database")?)?,
        }))
    }

    /// A namespace of it. No pod there may be more than `restricted` allows.
    pub(super) fn namespace(&self, name: &str) -> Value {
        let (key, value) = MADE.split_once('=').unwrap_or((MADE, ""));
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {
                    key: value,
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/warn": "restricted",
                },
                "annotations": {
                    "docket.dev/cluster": word(self.cluster),
                    "docket.dev/broker": word(self.broker),
                    "docket.dev/database": word(self.database),
                },
            },
        })
    }
}

/// Whether `up` has made a namespace.
fn is_made(namespace: &Value) -> bool {
    let (key, value) = MADE.split_once('=').unwrap_or((MADE, ""));
    namespace["metadata"]["labels"][key] == value
}

/// Whether a namespace is there, and `up` has made it.
pub(super) enum Standing {
    Absent,
    Ours,
    /// Somebody else has.
    Foreign,
}

impl Standing {
    /// How it is with this one.
    pub(super) fn of(kubectl: &Kubectl, name: &str) -> Result<Self> {
        Ok(match kubectl.find(&["namespace", name])? {
            None => Self::Absent,
            Some(namespace) if is_made(&namespace) => Self::Ours,
            Some(_) => Self::Foreign,
        })
    }
}

/// Makes a namespace that must be ours.
pub(super) fn claim(site: &Site, name: &str) -> Result<()> {
    if matches!(Standing::of(&site.kubectl, name)?, Standing::Foreign) {
        bail!(
            "there is a namespace {name} that `cargo xtask up` has not made, and `down` would remove it.\n  Remove it, or \
             install the chart by hand (deploy/chart/README.md)."
        );
    }
    site.kubectl.apply(&site.made.namespace(name).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_found_again() {
        let made = Made { cluster: Cluster::Existing, broker: Broker::Plain, database: Database::Cnpg };
        assert_eq!(Made::read(&made.namespace(DOCKET)).unwrap(), Some(made));
        let foreign =
            json!({"metadata": {"name": "docket", "labels": {"kubernetes.io/metadata.name": "docket"}}});
        assert_eq!(Made::read(&foreign).unwrap(), None);
        assert!(!is_made(&foreign));
    }

    #[test]
    fn target_is_found_in_both_shapes() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let split = names(&["docket-audit", "docket-tasks"]);
        assert_eq!(of_target(&split, "tasks"), Some("docket-tasks"));
        assert_eq!(of_target(&split, "reminders"), None);
        assert_eq!(of_target(&names(&["docket"]), "reminders"), Some("docket"));
    }
}
