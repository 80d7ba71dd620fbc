//! Says what is missing on this machine, all of it at once, and how to get it: `cargo xtask doctor`.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::Value;

use super::forward::ENDPOINTS;
use super::kubectl::Kubectl;
use super::settings::{Broker, Cluster, Database, Settings};
use super::site::KIND_CONTEXT;
use super::versions::Versions;
use crate::process;
use crate::tools::{self, Tool};

/// The oldest just that understands the menu. It is only that: `cargo xtask` does the work.
const OLDEST_JUST: &str = "1.13.0";

/// What everything needs, with the operators and without them. Measured at rest it is half of that.
const MEMORY_GIB: f64 = 6.0;
const MEMORY_PLAIN_GIB: f64 = 4.0;

/// What was found about one thing.
#[derive(Debug)]
struct Finding {
    what: &'static str,
    /// How it is.
    is: Result<String, Missing>,
}

/// What is wrong with it, and what helps.
#[derive(Debug)]
struct Missing {
    why: String,
    how: String,
    /// Whether one gets along without.
    optional: bool,
}

/// Says how everything is; an error when something is missing.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let findings = examine(&Settings::read(words)?, &Versions::read()?);
    std::io::stdout().write_all(tell(&findings).as_bytes())?;
    judge(&findings)
}

/// An error when something is missing, with all that is.
pub(super) fn require(settings: &Settings, versions: &Versions) -> Result<()> {
    let findings = examine(settings, versions);
    eprint!("{}", tell(&findings));
    judge(&findings)
}

fn judge(findings: &[Finding]) -> Result<()> {
    let missing = findings.iter().filter(|one| matches!(&one.is, Err(missing) if !missing.optional)).count();
    if missing > 0 { bail!("what is missing above has to be there first") } else { Ok(()) }
}

fn tell(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |text, Finding { what, is }| {
        let line = match is {
            Ok(detail) => format!("  ok       {what:<12} {detail}\n"),
            Err(Missing { why, how, optional }) => {
                let mark = if *optional { "optional" } else { "MISSING " };
                format!("  {mark} {what:<12} {why}\n{:24}{how}\n", "")
            }
        };
        text + &line
    })
}

fn examine(settings: &Settings, versions: &Versions) -> Vec<Finding> {
    let cluster = settings.cluster.unwrap_or_default();
    let kubectl = kubectl(&versions.kubernetes.oldest);
    let with_kubectl = kubectl.is_ok();
    let mut findings = vec![
        Finding { what: "kubectl", is: kubectl },
        Finding { what: "helm", is: tool(Tool::Helm) },
        Finding { what: "grpcurl", is: tool(Tool::Grpcurl) },
        Finding { what: "just", is: just() },
    ];
    match cluster {
        Cluster::Kind => {
            findings.push(Finding { what: "kind", is: tool(Tool::Kind) });
            let docker = docker();
            let memory = docker.as_ref().ok().map(|_| engine_memory(settings));
            findings.push(Finding { what: "docker", is: docker });
            findings.extend(memory.map(|is| Finding { what: "memory", is }));
            findings.push(Finding { what: "ports", is: ports() });
        }
        Cluster::Existing if with_kubectl => findings.extend(existing(settings, versions)),
        Cluster::Existing => {}
    }
    findings
}

/// It works with servers that are one version older or newer.
fn kubectl(oldest: &str) -> Result<String, Missing> {
    let how = "https://kubernetes.io/docs/tasks/tools/ (one file: put it on PATH)";
    let file = process::on_path("kubectl").ok_or_else(|| missing("is not on PATH", how))?;
    let said = process::answer(Command::new(&file).args(["version", "--client", "--output=json"]))
        .unwrap_or_default();
    let version =
        client_version(&said).ok_or_else(|| missing(&format!("{} says no version", file.display()), how))?;
    if !tools::is_at_least(&version, oldest) {
        return Err(missing(&format!("{} is {version}; {oldest} or newer is needed", file.display()), how));
    }
    Ok(format!("{version}, {}", file.display()))
}

/// The version in what `kubectl version --client` says, in which a warning may stand before.
fn client_version(said: &str) -> Option<String> {
    let json: Value = serde_json::from_str(&said[said.find('{')?..=said.rfind('}')?]).ok()?;
    json.pointer("/clientVersion/gitVersion")?.as_str().map(str::to_owned)
}

/// A program that is found, or built when it is not.
fn tool(tool: Tool) -> Result<String, Missing> {
    tools::outlook(tool).map_err(|error| {
        let text = format!("{error:#}");
        let (why, how) = text.split_once('\n').unwrap_or((&text, ""));
        missing(why, how.trim())
    })
}

fn just() -> Result<String, Missing> {
    let absent = |why: &str| Missing {
        why: why.to_owned(),
        how: format!(
            "`cargo install just`, or https://just.systems ({OLDEST_JUST} or newer); `cargo xtask NAME` does what `just NAME` does"
        ),
        optional: true,
    };
    let file = process::on_path("just").ok_or_else(|| absent("is not on PATH"))?;
    let said = process::answer(Command::new(&file).arg("--version")).unwrap_or_default();
    if tools::is_at_least(&said, OLDEST_JUST) { Ok(said.trim().to_owned()) } else { Err(absent(said.trim())) }
}

fn docker() -> Result<String, Missing> {
    let how = "https://docs.docker.com/engine/install/, and let it run; a cluster that is there does without (CLUSTER=existing)";
    let file = process::on_path("docker").ok_or_else(|| missing("is not on PATH", how))?;
    let said = process::answer(Command::new(file).args(["version", "--format={{.Server.Version}}"]))
        .unwrap_or_default();
    let said = said.trim();
    let runs = said.starts_with(|first: char| first.is_ascii_digit());
    if runs {
        Ok(format!("engine {said}"))
    } else {
        Err(missing(&format!("no engine answers: {}", last_line(said)), how))
    }
}

fn engine_memory(settings: &Settings) -> Result<String, Missing> {
    let said =
        process::answer(Command::new("docker").args(["info", "--format={{.MemTotal}}"])).unwrap_or_default();
    let bytes: f64 = said.trim().parse().unwrap_or_default();
    enough_memory(bytes / GIB, settings, "Docker Desktop: Settings, Resources")
}

const GIB: f64 = (1_u64 << 30) as f64;

fn enough_memory(gib: f64, settings: &Settings, where_: &str) -> Result<String, Missing> {
    let plain = settings.broker == Some(Broker::Plain) && settings.database == Some(Database::Plain);
    let needed = if plain { MEMORY_PLAIN_GIB } else { MEMORY_GIB };
    let is = format!("{gib:.1} GiB");
    if gib >= needed {
        return Ok(is);
    }
    let less = if plain { "" } else { "; BROKER=plain DATABASE=plain does with 4 GiB" };
    Err(missing(&format!("{is} of at least {needed} GiB"), &format!("{where_}{less}")))
}

/// Whether the ports of the API can be had: they can when the cluster that has them is ours.
fn ports() -> Result<String, Missing> {
    if Kubectl::knows(KIND_CONTEXT).unwrap_or_default() {
        return Ok("those of the cluster that is there".to_owned());
    }
    let taken = ENDPOINTS.iter().filter(|(_, port)| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err());
    let taken: Vec<String> = taken.map(|(_, port)| port.to_string()).collect();
    if taken.is_empty() {
        let all: Vec<String> = ENDPOINTS.iter().map(|(_, port)| port.to_string()).collect();
        return Ok(format!("{} are free", all.join(", ")));
    }
    let how = "end what listens there (`ss -ltnp`); `cargo xtask dev` is one that does";
    Err(missing(&format!("{} are taken on 127.0.0.1", taken.join(", ")), how))
}

/// What a cluster that is there must have.
fn existing(settings: &Settings, versions: &Versions) -> Vec<Finding> {
    let context = Kubectl::current_context().ok().flatten();
    let Some(kubectl) = context.and_then(|context| Kubectl::new(&context).ok()) else {
        let how = "`kubectl config use-context NAME`; KUBECONFIG says where the contexts are";
        return vec![Finding { what: "cluster", is: Err(missing("kubectl has no current context", how)) }];
    };
    let server = kubectl.text(&["version", "--output=json", "--request-timeout=10s"]);
    let server = server.ok().and_then(|said| serde_json::from_str::<Value>(&said).ok());
    let version = server.as_ref().and_then(|said| said.pointer("/serverVersion/gitVersion")?.as_str());
    let Some(version) = version else {
        let why = format!("the API server of context {} does not answer", kubectl.context());
        return vec![Finding { what: "cluster", is: Err(missing(&why, "`kubectl cluster-info`")) }];
    };
    let oldest = &versions.kubernetes.oldest;
    let is = if tools::is_at_least(version, oldest) {
        Ok(format!("{version}, context {}", kubectl.context()))
    } else {
        Err(missing(
            &format!("{version}; {oldest} or newer is needed"),
            "upgrade it, or use kind (CLUSTER=kind)",
        ))
    };
    let rights =
        [("create", "namespaces"), ("create", "customresourcedefinitions"), ("create", "clusterroles")];
    let lacking = rights.iter().filter(|(verb, what)| kubectl.text(&["auth", "can-i", verb, what]).is_err());
    let lacking: Vec<String> = lacking.map(|(verb, what)| format!("{verb} {what}")).collect();
    let rights = if lacking.is_empty() {
        Ok("may make namespaces and what a cluster has once".to_owned())
    } else {
        let why = format!("this login may not {}", lacking.join(", "));
        Err(missing(&why, "log in as an administrator of the cluster"))
    };
    vec![
        Finding { what: "cluster", is },
        Finding { what: "rights", is: rights },
        Finding { what: "storage", is: storage(&kubectl) },
        Finding { what: "memory", is: nodes_memory(&kubectl, settings) },
    ]
}

/// Kafka, PostgreSQL and Dapr's scheduler ask for claims of no class.
fn storage(kubectl: &Kubectl) -> Result<String, Missing> {
    let classes = kubectl.list(&["storageclasses"]).unwrap_or_default();
    let default = classes.iter().find(|class| {
        let key = "storageclass.kubernetes.io/is-default-class";
        class["metadata"]["annotations"][key] == "true"
    });
    let name = default.and_then(|class| class["metadata"]["name"].as_str());
    let how = "annotate one with storageclass.kubernetes.io/is-default-class=true";
    name.map(|name| format!("default class {name}"))
        .ok_or_else(|| missing("no storage class is the default", how))
}

fn nodes_memory(kubectl: &Kubectl, settings: &Settings) -> Result<String, Missing> {
    let nodes = kubectl.list(&["nodes"]).unwrap_or_default();
    let bytes: f64 =
        nodes.iter().filter_map(|node| quantity(node["status"]["allocatable"]["memory"].as_str()?)).sum();
    enough_memory(bytes / GIB, settings, "more nodes, or larger ones")
}

/// Bytes of a quantity as Kubernetes writes them: `16384Mi`, `32Gi`, `33554432Ki`, `1000000`.
fn quantity(text: &str) -> Option<f64> {
    let units = [
        ("Ki", 1024.0),
        ("Mi", 1024.0 * 1024.0),
        ("Gi", GIB),
        ("Ti", 1024.0 * GIB),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
    ];
    let unit = units.iter().find_map(|(name, size)| Some((text.strip_suffix(name)?, *size)));
    let (number, size) = unit.unwrap_or((text, 1.0));
    number.parse::<f64>().ok().map(|number| number * size)
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

fn missing(why: &str, how: &str) -> Missing {
    Missing { why: why.to_owned(), how: how.to_owned(), optional: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_missing_is_told_with_what_helps() {
        let findings = [
            Finding { what: "helm", is: Ok("4.3.1".to_owned()) },
            Finding { what: "docker", is: Err(missing("no engine answers", "start it")) },
            Finding {
                what: "just",
                is: Err(Missing {
                    why: "is not on PATH".to_owned(),
                    how: "get it".to_owned(),
                    optional: true,
                }),
            },
            Finding { what: "ports", is: Err(missing("7600 are taken", "end it")) },
        ];
        let told = tell(&findings);
        for expect in [
            "ok       helm",
            "MISSING  docker",
            "no engine answers\n",
            "start it",
            "optional just",
            "MISSING  ports",
        ] {
            assert!(told.contains(expect), "{expect}: {told}");
        }
        assert!(judge(&findings).is_err());
        assert!(
            judge(&findings[..1]).is_ok() && judge(&findings[2..3]).is_ok(),
            "what is optional stops nobody"
        );
    }

    #[test]
    fn memory_is_enough_or_said_to_be_too_little() {
        let plain =
            Settings { broker: Some(Broker::Plain), database: Some(Database::Plain), ..Settings::default() };
        assert!(enough_memory(4.0, &plain, "").is_ok());
        let less = enough_memory(4.0, &Settings::default(), "Docker").unwrap_err();
        assert_eq!(
            (less.why.as_str(), less.how.as_str()),
            ("4.0 GiB of at least 6 GiB", "Docker; BROKER=plain DATABASE=plain does with 4 GiB")
        );
    }

    #[test]
    fn quantities_are_bytes() {
        let check = |text, expect| assert_eq!(quantity(text), expect, "{text}");
        check("16Gi", Some(16.0 * GIB));
        check("2048Ki", Some(2_097_152.0));
        check("1000", Some(1000.0));
        check("much", None);
    }

    #[test]
    fn version_of_kubectl_is_found_behind_a_warning() {
        let said = "WARNING: old\n{\"clientVersion\": {\"gitVersion\": \"v1.36.1\"}}\n";
        assert_eq!(client_version(said).as_deref(), Some("v1.36.1"));
        assert_eq!(client_version("error: unknown command"), None);
    }
}
