//! Looking into what runs: logs, the database, topics, traces, and ports that lead there.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context as _, Result, bail, ensure};

use super::forward::{ENDPOINTS, Forwards, PUBLIC};
use super::settings::{Database, Settings};
use super::site::{DATA, DOCKET, Site};
use crate::process;

/// Jaeger's Deployment, and the port of its pages, which is the same on this machine.
pub(super) const JAEGER: &str = "otel-collector";
pub(super) const PAGES: u16 = 16_686;

/// What `logs` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Logs {
    /// Whose: a target, or jaeger, kafka, postgres.
    target: String,
    /// Settings, KEY=VALUE.
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// The sidecar's, in place of Docket's own.
    #[arg(long)]
    sidecar: bool,
    /// Those that were written, without waiting for more.
    #[arg(long)]
    no_follow: bool,
    /// How many lines of each pod to begin with.
    #[arg(long, default_value_t = 100)]
    tail: u32,
}

/// What `trace` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Trace {
    /// Which trace; without it the page that looks for them.
    id: Option<String>,
    /// Settings, KEY=VALUE.
    #[arg(value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// Shows what the pods of a target say.
pub(crate) fn logs(args: &Logs) -> Result<()> {
    let site = Site::find(&Settings::read(&args.settings)?)?;
    let (namespace, selector) = match args.target.as_str() {
        "jaeger" => (DOCKET, format!("app.kubernetes.io/name={JAEGER}")),
        "kafka" => (DATA, "app.kubernetes.io/name=kafka".to_owned()),
        // Its own label, and CloudNativePG's.
        "postgres" => (DATA, "app.kubernetes.io/name in (postgres,postgresql)".to_owned()),
        target => (DOCKET, of_docket(&site.deployment(target)?)),
    };
    let container = match (args.sidecar, args.target.as_str()) {
        (true, _) => Some("daprd"),
        (false, "kafka" | "postgres") => None,
        (false, "jaeger") => Some("jaeger"),
        (false, _) => Some("docket"),
    };
    let mut command =
        site.kubectl.command(["logs", "--namespace", namespace, "--prefix", "--selector", &selector]);
    command.args(container.map(|name| format!("--container={name}")));
    // A target may have many replicas; kubectl follows five unless told otherwise.
    command.arg(format!("--tail={}", args.tail)).arg("--max-log-requests=50");
    command.arg(format!("--follow={}", !args.no_follow));
    process::run(&mut command)
}

/// The pods of a Deployment of Docket's, among those of its release.
fn of_docket(deployment: &str) -> String {
    let component = deployment.strip_prefix("docket-").unwrap_or("all");
    format!("app.kubernetes.io/name=docket,app.kubernetes.io/component={component}")
}

/// Opens PostgreSQL's shell on Docket's database, as its superuser, inside the pod.
pub(crate) fn psql(words: &[String]) -> Result<()> {
    let (settings, statement) = split(words)?;
    let site = Site::find(&settings)?;
    let (pod, container) = match site.made.database {
        Database::Plain => ("postgres-0".to_owned(), "postgres"),
        Database::Cnpg => (primary(&site)?, "postgres"),
    };
    let mut command = site.kubectl.command(["exec", "--namespace", DATA, &pod, "--container", container]);
    if statement.is_none() {
        command.args(["--stdin", "--tty"]);
    }
    // The programs of the one are not on the path of its shell; the other has them there.
    let script = "test -e /etc/docket/programs.sh && . /etc/docket/programs.sh; exec psql --no-psqlrc --dbname=docket \"$@\"";
    command.args(["--", "sh", "-c", script, "psql"]);
    command.args(statement.map(|statement| format!("--command={statement}")));
    // Ctrl-C is for psql, and not for this program.
    Err(command.exec()).context("cannot run kubectl exec")
}

/// The pod that takes writes.
fn primary(site: &Site) -> Result<String> {
    let selector = "--selector=cnpg.io/cluster=docket,cnpg.io/instanceRole=primary";
    let pods = site.kubectl.text(&["get", "pods", "--namespace", DATA, selector, "--output=name"])?;
    pods.lines().next().map(str::to_owned).context("PostgreSQL has no primary just now")
}

/// Settings, and what else there is.
fn split(words: &[String]) -> Result<(Settings, Option<String>)> {
    let is_setting = |word: &String| {
        word.split_once('=').is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    let (settings, rest): (Vec<String>, Vec<String>) = words.iter().cloned().partition(is_setting);
    ensure!(rest.len() < 2, "one statement, in quotes: {}", rest.join(" "));
    Ok((Settings::read(&settings)?, rest.into_iter().next()))
}

/// Says how the topics are, as `docket topics` does.
pub(crate) fn topics(words: &[String]) -> Result<()> {
    let site = Site::find(&Settings::read(words)?)?;
    let deployment = format!("deployment/{}", site.deployment("tasks")?);
    process::run(&mut site.kubectl.command(docket(&deployment, &["topics"])))
}

/// The words by which kubectl runs `docket` in a pod of a Deployment.
pub(super) fn docket<'a>(deployment: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["exec", "--namespace", DOCKET, deployment, "--container=docket", "--", "docket"];
    words.extend(arguments);
    words
}

/// Brings Jaeger's pages to this machine until Ctrl-C, and says where a trace is.
pub(crate) fn trace(args: &Trace) -> Result<()> {
    let mut settings = args.settings.clone();
    // The id may be left out, and a setting be there all the same.
    let id = args.id.as_ref().filter(|id| {
        let setting = id.contains('=');
        settings.extend(setting.then(|| (*id).clone()));
        !setting
    });
    if let Some(id) = id {
        ensure!(
            is_trace(id),
            "{id} is no id of a trace: 32 hexadecimal digits, `trace_id` in a line of the log"
        );
    }
    let site = Site::find(&Settings::read(&settings)?)?;
    let mut forwards = Forwards::new(&site.kubectl)?;
    let address = forwards.open(JAEGER, PAGES, PAGES)?;
    let page = id.map_or_else(|| "search".to_owned(), |id| format!("trace/{id}"));
    eprintln!("\n  http://{address}/{page}\n\nCtrl-C ends it.");
    forwards.keep()
}

fn is_trace(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Leads the ports of the API to pods until Ctrl-C.
pub(crate) fn forward(words: &[String]) -> Result<()> {
    let site = Site::find(&Settings::read(words)?)?;
    let mut forwards = Forwards::new(&site.kubectl)?;
    for (target, port) in ENDPOINTS {
        let deployment = site.deployment(target)?;
        match forwards.open(&deployment, port, PUBLIC) {
            Ok(address) => eprintln!("  {address}  {deployment}"),
            Err(error) => bail!(
                "{error:#}\n  kind's node leads there by itself; `cargo xtask dev` has some of the ports, too."
            ),
        }
    }
    eprintln!("\nCtrl-C ends it.");
    forwards.keep()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_is_told_from_settings() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let (settings, statement) = split(&words(&["CLUSTER=existing", "SELECT 1 = 1"])).unwrap();
        assert!(settings.cluster.is_some());
        assert_eq!(statement.as_deref(), Some("SELECT 1 = 1"));
        assert!(split(&words(&["SELECT", "1"])).is_err());
        assert!(split(&words(&["CLUSTERS=existing"])).is_err());
    }

    #[test]
    fn pods_are_those_of_the_target() {
        assert_eq!(
            of_docket("docket-audit"),
            "app.kubernetes.io/name=docket,app.kubernetes.io/component=audit"
        );
        assert_eq!(of_docket("docket"), "app.kubernetes.io/name=docket,app.kubernetes.io/component=all");
    }

    #[test]
    fn trace_has_an_id_of_32_digits() {
        assert!(is_trace("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(!is_trace("4bf92f35") && !is_trace("zbf92f3577b34da6a3ce929d0e0e4736"));
    }
}
