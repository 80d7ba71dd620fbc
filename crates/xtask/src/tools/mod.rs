//! The programs that the commands use: found on the machine, else built once into a cache folder. PostgreSQL is not
//! built, but installed; Kafka, the mail server and Strimzi's definitions are brought by Maven, Jaeger's pages by cargo.

mod apt;
mod build;
mod dapr;
mod folders;
mod jars;
mod java;
mod kafka;
mod mail;
mod pages;
mod postgres;
mod recipe;
mod release;
pub(crate) mod strimzi;
mod version;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::{process, workspace};
use recipe::Recipe;
use version::Version;

/// The oldest Dapr that Docket works with: before it, the scheduler can stop triggering jobs.
const OLDEST_DAPR: Version = Version::release(1, 18, 3);

/// The oldest Helm whose flags and annotations are used.
const OLDEST_HELM: Version = Version::release(4, 0, 0);

/// The oldest Compose that reads all of `deploy/compose.yaml`: contents of files inside it, and what starts again with another one.
const OLDEST_COMPOSE: Version = Version::release(2, 24, 0);

/// What `tools` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Which ones; those of `dev` when absent.
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Tool>,
    /// Prints one line `name=path` for each on standard output.
    #[arg(long)]
    print: bool,
}

/// A program that is not part of Docket.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub(crate) enum Tool {
    /// Dapr's sidecar.
    Daprd,
    /// Dapr's scheduler, which keeps the jobs.
    Scheduler,
    /// What gives pods their sidecars.
    Injector,
    /// What gives sidecars their components.
    Operator,
    /// What knows where actors are.
    Placement,
    /// What gives sidecars their certificates.
    Sentry,
    /// Calls gRPC services from a shell.
    Grpcurl,
    /// Lints the contract.
    Buf,
    /// Checks and tries alert rules.
    Promtool,
    /// Renders and installs charts.
    Helm,
    /// Tries charts.
    HelmUnittest,
    /// Checks manifests of Kubernetes.
    Kubeconform,
    /// Makes clusters in Docker.
    Kind,
    /// Reads files of services.
    Compose,
    /// Checks dependencies.
    CargoDeny,
    /// Feeds random input.
    CargoFuzz,
    /// The folder of PostgreSQL's programs.
    Postgres,
    /// Measures PostgreSQL, and comes with it.
    Pgbench,
    /// The folder of Kafka's jars.
    Kafka,
    /// The folder of the mail server's jar.
    Mail,
    /// The folder of the definitions of Strimzi's resources.
    Strimzi,
    /// Collects traces, and shows them.
    Jaeger,
    /// The folder of the pages by which it shows them.
    JaegerUi,
    /// Docket as it was released last.
    LastRelease,
}

impl Tool {
    /// What `dev` uses.
    pub(crate) const DEV: [Self; 3] = [Self::Daprd, Self::Scheduler, Self::Grpcurl];
    /// What the tests of the default ring use.
    pub(crate) const TEST: [Self; 7] =
        [Self::Daprd, Self::Scheduler, Self::Postgres, Self::Kafka, Self::Mail, Self::Jaeger, Self::Helm];
    /// What `dev --observe` uses besides.
    pub(crate) const OBSERVE: [Self; 2] = [Self::Jaeger, Self::JaegerUi];
    /// What `bench` uses.
    pub(crate) const BENCH: [Self; 2] = [Self::Postgres, Self::Pgbench];
    /// What `bench backbone` uses.
    pub(crate) const BACKBONE: [Self; 3] = [Self::Daprd, Self::Postgres, Self::Kafka];
    /// What `bench reminders` uses.
    pub(crate) const REMINDERS: [Self; 4] = [Self::Daprd, Self::Scheduler, Self::Postgres, Self::Kafka];
    /// What `bench traces` uses.
    pub(crate) const TRACES: [Self; 2] = [Self::Daprd, Self::Postgres];
    /// What `dapr init` installs.
    const DAPR: [Self; 2] = [Self::Daprd, Self::Scheduler];
    /// What `dapr init -k` installs besides. Nothing asks it for its version, and others have programs of these names, so
    /// none that is on the search path is taken.
    const CONTROL_PLANE: [Self; 4] = [Self::Injector, Self::Operator, Self::Placement, Self::Sentry];
    /// What is folders of jars, which Java runs.
    const JAVA: [Self; 2] = [Self::Kafka, Self::Mail];
    #[cfg(test)]
    const BUILT: [Self; 22] = [
        Self::Daprd,
        Self::Scheduler,
        Self::Injector,
        Self::Operator,
        Self::Placement,
        Self::Sentry,
        Self::Grpcurl,
        Self::Buf,
        Self::Promtool,
        Self::Helm,
        Self::HelmUnittest,
        Self::Kubeconform,
        Self::Kind,
        Self::Compose,
        Self::CargoDeny,
        Self::CargoFuzz,
        Self::Kafka,
        Self::Mail,
        Self::Strimzi,
        Self::Jaeger,
        Self::JaegerUi,
        Self::LastRelease,
    ];

    /// The name of its file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Daprd => "daprd",
            Self::Scheduler => "scheduler",
            Self::Injector => "injector",
            Self::Operator => "operator",
            Self::Placement => "placement",
            Self::Sentry => "sentry",
            Self::Grpcurl => "grpcurl",
            Self::Buf => "buf",
            Self::Promtool => "promtool",
            Self::Helm => "helm",
            Self::HelmUnittest => "helm-unittest",
            Self::Kubeconform => "kubeconform",
            Self::Kind => "kind",
            Self::Compose => "docker-compose",
            Self::CargoDeny => "cargo-deny",
            Self::CargoFuzz => "cargo-fuzz",
            Self::Postgres => "postgres",
            Self::Pgbench => "pgbench",
            Self::Kafka => "kafka",
            Self::Mail => "mail",
            Self::Strimzi => "strimzi",
            Self::Jaeger => "jaeger",
            Self::JaegerUi => "jaeger-ui",
            Self::LastRelease => "last-release",
        }
    }

    /// The variable that names the file to use (the folder, for PostgreSQL, what Java runs, definitions and pages), whatever
    /// else is installed.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::Daprd => "TOOL_DAPRD",
            Self::Scheduler => "TOOL_SCHEDULER",
            Self::Injector => "TOOL_INJECTOR",
            Self::Operator => "TOOL_OPERATOR",
            Self::Placement => "TOOL_PLACEMENT",
            Self::Sentry => "TOOL_SENTRY",
            Self::Grpcurl => "TOOL_GRPCURL",
            Self::Buf => "TOOL_BUF",
            Self::Promtool => "TOOL_PROMTOOL",
            Self::Helm => "TOOL_HELM",
            Self::HelmUnittest => "TOOL_HELM_UNITTEST",
            Self::Kubeconform => "TOOL_KUBECONFORM",
            Self::Kind => "TOOL_KIND",
            Self::Compose => "TOOL_DOCKER_COMPOSE",
            Self::CargoDeny => "TOOL_CARGO_DENY",
            Self::CargoFuzz => "TOOL_CARGO_FUZZ",
            Self::Postgres => "TOOL_POSTGRES",
            Self::Pgbench => "TOOL_PGBENCH",
            Self::Kafka => "TOOL_KAFKA",
            Self::Mail => "TOOL_MAIL",
            Self::Strimzi => "TOOL_STRIMZI",
            Self::Jaeger => "TOOL_JAEGER",
            Self::JaegerUi => "TOOL_JAEGER_UI",
            Self::LastRelease => "TOOL_LAST_RELEASE",
        }
    }

    /// Whether this file is the tool, and new enough.
    fn accepts(self, file: &Path) -> Result<(), String> {
        match self {
            Self::Kafka => return kafka::accepts(file),
            Self::Mail => return mail::accepts(file),
            Self::Strimzi => return strimzi::accepts(file),
            Self::JaegerUi => return pages::accepts(file),
            _ => {}
        }
        if !process::is_program(file) {
            return Err("is not a program".to_owned());
        }
        if Self::CONTROL_PLANE.contains(&self) {
            return Ok(());
        }
        if self == Self::LastRelease {
            return release::accepts(file);
        }
        let mut ask = Command::new(file);
        match self {
            // It has no way to ask. A certificate that is not there ends it right after it has said its version, before
            // it listens or writes anywhere.
            Self::Scheduler => ask.args([
                "--tls-enabled",
                "--trust-anchors-file=/nonexistent",
                "--sentry-address=",
                "--enable-metrics=false",
                "--healthz-listen-address=127.0.0.1",
                "--healthz-port=0",
            ]),
            Self::Helm => ask.args(["version", "--short"]),
            // Says no version; what it is says its help.
            Self::HelmUnittest => ask.arg("--help"),
            Self::Kubeconform => ask.arg("-v"),
            _ => ask.arg("--version"),
        };
        let answer = process::answer(&mut ask).unwrap_or_default();
        let oldest = match self {
            Self::Daprd
            | Self::Scheduler
            | Self::Injector
            | Self::Operator
            | Self::Placement
            | Self::Sentry => OLDEST_DAPR,
            Self::Helm => OLDEST_HELM,
            Self::Compose => OLDEST_COMPOSE,
            Self::HelmUnittest if answer.contains("unittest") => return Ok(()),
            Self::HelmUnittest => return Err("is not helm-unittest".to_owned()),
            // Nothing that is used of it is younger than what anybody has.
            Self::Grpcurl if answer.contains("grpcurl") => return Ok(()),
            Self::Grpcurl => return Err("is not grpcurl".to_owned()),
            Self::Promtool if answer.contains("promtool, version") => return Ok(()),
            Self::Promtool => return Err("is not promtool".to_owned()),
            Self::Pgbench if answer.contains("(PostgreSQL)") => return Ok(()),
            Self::Postgres | Self::Pgbench => return Err("is not of PostgreSQL".to_owned()),
            Self::Buf
            | Self::Kubeconform
            | Self::Kind
            | Self::CargoDeny
            | Self::CargoFuzz
            | Self::Kafka
            | Self::Mail
            | Self::Strimzi
            | Self::Jaeger
            | Self::JaegerUi
            | Self::LastRelease => {
                match Version::parse(&Recipe::of(self).map_err(|error| error.to_string())?.version) {
                    Some(version) => version,
                    None => return Ok(()),
                }
            }
        };
        match Version::find(&answer) {
            Some(version) if version >= oldest && self == Self::Daprd => dapr::has_components(file),
            Some(version) if version >= oldest => Ok(()),
            Some(version) => Err(format!("is version {version}; {oldest} or newer is needed")),
            None => Err(format!("does not say a version; {oldest} or newer is needed")),
        }
    }

    /// Finds it on this machine.
    fn find(self) -> Result<Option<PathBuf>> {
        match self {
            Self::Postgres => return postgres::find(),
            Self::Kafka | Self::Mail | Self::Strimzi | Self::JaegerUi => {
                let named = if self == Self::Kafka { kafka::find()? } else { jars::named(self)? };
                return if named.is_some() { Ok(named) } else { Recipe::of(self)?.built() };
            }
            _ => {}
        }
        let variable = self.variable();
        if let Some(file) = std::env::var_os(variable).filter(|file| !file.is_empty()).map(PathBuf::from) {
            let file = std::path::absolute(&file).with_context(|| format!("{variable} is no path"))?;
            return match self.accepts(&file) {
                Ok(()) => Ok(Some(file)),
                Err(why) => bail!("{variable} names {}, which {why}", file.display()),
            };
        }
        if Self::CONTROL_PLANE.contains(&self) || self == Self::LastRelease {
            return Recipe::of(self)?.built();
        }
        if self == Self::Pgbench {
            let folder = postgres::find()?;
            return folder.map(|folder| postgres::beside(&folder, self.name())).transpose();
        }
        let dapr = workspace::home().map(|home| home.join(".dapr").join("bin").join(self.name()));
        let dapr = dapr.filter(|file| Self::DAPR.contains(&self) && file.exists());
        for file in process::on_path(self.name()).into_iter().chain(dapr) {
            match self.accepts(&file) {
                Ok(()) => return Ok(Some(file)),
                Err(why) => eprintln!("{} is not used: it {why}.", file.display()),
            }
        }
        Recipe::of(self)?.built()
    }
}

/// Which tools there are, and which have to be built or installed.
#[derive(Debug)]
pub(crate) struct Plan {
    found: BTreeMap<Tool, PathBuf>,
    missing: Vec<Recipe>,
    /// What comes with PostgreSQL, which is not there.
    of_postgres: Vec<Tool>,
    /// The packages without which nothing of Java runs.
    for_java: Vec<&'static str>,
}

impl Plan {
    /// Looks for the tools, and makes sure that those which are missing can be had. Changes nothing.
    pub(crate) fn new(tools: &[Tool]) -> Result<Self> {
        let mut plan = Self {
            found: BTreeMap::new(),
            missing: Vec::new(),
            of_postgres: Vec::new(),
            for_java: Vec::new(),
        };
        for &tool in tools {
            match tool.find()? {
                Some(file) => {
                    plan.found.insert(tool, file);
                }
                None if matches!(tool, Tool::Postgres | Tool::Pgbench) => plan.of_postgres.push(tool),
                None => plan.missing.push(Recipe::of(tool)?),
            }
        }
        if !plan.of_postgres.is_empty() {
            postgres::check_prerequisites()?;
        }
        let of_java = |tools: &mut dyn Iterator<Item = Tool>| -> Vec<&'static str> {
            tools.filter(|tool| Tool::JAVA.contains(tool)).map(Tool::name).collect()
        };
        let missing = of_java(&mut plan.missing.iter().map(|recipe| recipe.tool));
        plan.for_java = java::prerequisites(&of_java(&mut tools.iter().copied()), &missing)?;
        if plan.missing.iter().any(|recipe| recipe.tool == Tool::Strimzi) {
            strimzi::check_prerequisites()?;
        }
        build::check_prerequisites(&plan.missing)?;
        Ok(plan)
    }

    /// Installs and builds what is missing.
    pub(crate) fn carry_out(mut self) -> Result<Paths> {
        if !self.of_postgres.is_empty() {
            postgres::install()?;
        }
        for tool in self.of_postgres {
            let path = tool.find()?.with_context(|| format!("{} is still missing", tool.name()))?;
            self.found.insert(tool, path);
        }
        if !self.for_java.is_empty() {
            java::install(&self.for_java)?;
        }
        for recipe in self.missing {
            let file = build::build(&recipe)?;
            self.found.insert(recipe.tool, file);
        }
        Ok(Paths(self.found))
    }
}

/// Where the tools are.
#[derive(Debug, Default)]
pub(crate) struct Paths(BTreeMap<Tool, PathBuf>);

impl Paths {
    /// Where one is that was asked for.
    pub(crate) fn of(&self, tool: Tool) -> Result<&Path> {
        self.0.get(&tool).map(PathBuf::as_path).with_context(|| format!("{} was not asked for", tool.name()))
    }
}

/// The Java that runs what is made of jars.
pub(crate) fn java() -> Result<PathBuf> {
    java::found().map_err(anyhow::Error::msg)
}

/// Where a tool is, or that it will be built, and how long that takes; an error says what it takes to have it.
pub(crate) fn outlook(tool: Tool) -> Result<String> {
    let plan = Plan::new(&[tool])?;
    let found = plan.found.get(&tool).map(|file| file.display().to_string());
    let built = plan
        .missing
        .first()
        .map(|recipe| format!("{} is built once, about {} on two cores", recipe.version, recipe.takes));
    found.or(built).with_context(|| format!("{} is not there", tool.name()))
}

/// Whether the first version in a text is this one or a newer one.
pub(crate) fn is_at_least(text: &str, oldest: &str) -> bool {
    Version::find(text) >= Version::parse(oldest)
}

/// Whether Docket works with a version of Dapr.
pub(crate) fn dapr_is_new_enough(version: &str) -> bool {
    Version::parse(version) >= Some(OLDEST_DAPR)
}

/// Finds or builds.
pub(crate) fn run(args: &Args) -> Result<()> {
    let names = if args.names.is_empty() { Tool::DEV.to_vec() } else { args.names.clone() };
    let paths = Plan::new(&names)?.carry_out()?;
    for (tool, file) in &paths.0 {
        if args.print {
            writeln!(std::io::stdout(), "{}={}", tool.name(), file.display())?;
        } else {
            eprintln!("{}: {}", tool.name(), file.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
