//! The programs that the commands use: found on the machine, else built once into a cache folder. PostgreSQL is not
//! built, but installed; Kafka and the mail server are brought by Maven, Jaeger's pages by cargo.

mod apt;
mod build;
mod dapr;
mod jars;
mod java;
mod kafka;
mod mail;
mod pages;
mod postgres;
mod recipe;
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
    /// Calls gRPC services from a shell.
    Grpcurl,
    /// Lints the contract.
    Buf,
    /// Checks and tries alert rules.
    Promtool,
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
    /// Collects traces, and shows them.
    Jaeger,
    /// The folder of the pages by which it shows them.
    JaegerUi,
}

impl Tool {
    /// What `dev` uses.
    pub(crate) const DEV: [Self; 3] = [Self::Daprd, Self::Scheduler, Self::Grpcurl];
    /// What the tests of the default ring use.
    pub(crate) const TEST: [Self; 6] =
        [Self::Daprd, Self::Scheduler, Self::Postgres, Self::Kafka, Self::Mail, Self::Jaeger];
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
    /// What is folders of jars, which Java runs.
    const JAVA: [Self; 2] = [Self::Kafka, Self::Mail];
    #[cfg(test)]
    const BUILT: [Self; 11] = [
        Self::Daprd,
        Self::Scheduler,
        Self::Grpcurl,
        Self::Buf,
        Self::Promtool,
        Self::CargoDeny,
        Self::CargoFuzz,
        Self::Kafka,
        Self::Mail,
        Self::Jaeger,
        Self::JaegerUi,
    ];

    /// The name of its file.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Daprd => "daprd",
            Self::Scheduler => "scheduler",
            Self::Grpcurl => "grpcurl",
            Self::Buf => "buf",
            Self::Promtool => "promtool",
            Self::CargoDeny => "cargo-deny",
            Self::CargoFuzz => "cargo-fuzz",
            Self::Postgres => "postgres",
            Self::Pgbench => "pgbench",
            Self::Kafka => "kafka",
            Self::Mail => "mail",
            Self::Jaeger => "jaeger",
            Self::JaegerUi => "jaeger-ui",
        }
    }

    /// The variable that names the file to use (the folder, for PostgreSQL, what Java runs, and pages), whatever else is
    /// installed.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::Daprd => "TOOL_DAPRD",
            Self::Scheduler => "TOOL_SCHEDULER",
            Self::Grpcurl => "TOOL_GRPCURL",
            Self::Buf => "TOOL_BUF",
            Self::Promtool => "TOOL_PROMTOOL",
            Self::CargoDeny => "TOOL_CARGO_DENY",
            Self::CargoFuzz => "TOOL_CARGO_FUZZ",
            Self::Postgres => "TOOL_POSTGRES",
            Self::Pgbench => "TOOL_PGBENCH",
            Self::Kafka => "TOOL_KAFKA",
            Self::Mail => "TOOL_MAIL",
            Self::Jaeger => "TOOL_JAEGER",
            Self::JaegerUi => "TOOL_JAEGER_UI",
        }
    }

    /// Whether this file is the tool, and new enough.
    fn accepts(self, file: &Path) -> Result<(), String> {
        match self {
            Self::Kafka => return kafka::accepts(file),
            Self::Mail => return mail::accepts(file),
            Self::JaegerUi => return pages::accepts(file),
            _ => {}
        }
        if !process::is_program(file) {
            return Err("is not a program".to_owned());
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
            _ => ask.arg("--version"),
        };
        let answer = process::answer(&mut ask).unwrap_or_default();
        let oldest = match self {
            Self::Daprd | Self::Scheduler => OLDEST_DAPR,
            // Nothing that is used of it is younger than what anybody has.
            Self::Grpcurl if answer.contains("grpcurl") => return Ok(()),
            Self::Grpcurl => return Err("is not grpcurl".to_owned()),
            Self::Promtool if answer.contains("promtool, version") => return Ok(()),
            Self::Promtool => return Err("is not promtool".to_owned()),
            Self::Pgbench if answer.contains("(PostgreSQL)") => return Ok(()),
            Self::Postgres | Self::Pgbench => return Err("is not of PostgreSQL".to_owned()),
            Self::Buf
            | Self::CargoDeny
            | Self::CargoFuzz
            | Self::Kafka
            | Self::Mail
            | Self::Jaeger
            | Self::JaegerUi => {
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
            Self::Kafka | Self::Mail | Self::JaegerUi => {
                let named = match self {
                    Self::Kafka => kafka::find()?,
                    Self::Mail => mail::find()?,
                    _ => pages::find()?,
                };
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
#[derive(Debug)]
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
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Makes a program.
    pub(super) fn script(file: &Path, text: &str) {
        // Copied by another process: a file that this one writes stays open in whatever another test starts meanwhile,
        // and a program that is open for writing cannot be run.
        let draft = file.with_extension("draft");
        fs::write(&draft, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Command::new("cp").arg("-p").arg(&draft).arg(file).status().unwrap().success());
    }

    /// What is said about a program that answers `says`.
    fn judged(tool: Tool, says: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(tool.name());
        let inside: String = dapr::methods().map(|method| format!("# {method}\n")).collect();
        script(&file, &format!("{inside}echo '{says}' >&2\nexit 1"));
        tool.accepts(&file)
    }

    #[test]
    fn installed_programs_are_taken_when_new_enough() {
        let old = "1.18.3 or newer is needed";
        let check = |tool, says: &str, expect: Result<(), &str>| match (judged(tool, says), expect) {
            (Ok(()), Ok(())) => {}
            (Err(why), Err(expect)) => assert!(why.contains(expect), "{why}"),
            (got, _) => panic!("{says:?}: {got:?}"),
        };
        check(Tool::Daprd, "1.18.3", Ok(()));
        check(Tool::Daprd, "1.19.0-rc.1", Ok(()));
        check(Tool::Daprd, "1.18.2", Err(old));
        check(Tool::Daprd, "1.18.3-rc.2", Err(old));
        check(Tool::Daprd, "edge", Err(old));
        check(
            Tool::Scheduler,
            "time=\"05.58\" msg=\"Starting Dapr Scheduler Service -- version 1.18.4 -- commit \"",
            Ok(()),
        );
        check(Tool::Scheduler, "Error: unknown flag: --trust-anchors-file", Err(old));
        check(Tool::Grpcurl, "grpcurl dev build <no version set>", Ok(()));
        check(Tool::Buf, "1.2.0", Err("is version 1.2.0"));
        check(Tool::Promtool, "promtool, version 2.53.0 (branch: HEAD, revision: 4c35b92)", Ok(()));
        check(Tool::Promtool, "1.2.0", Err("is not promtool"));
        check(Tool::Jaeger, "jaeger version v2.13.0", Ok(()));
        check(Tool::Jaeger, "jaeger version v1.62.0", Err("is version 1.62.0"));
    }

    #[test]
    fn sidecar_is_taken_with_all_components_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("daprd");
        script(&file, "echo 1.18.3");
        assert_eq!(Tool::Daprd.accepts(&file), Err("was built without bindings.smtp".to_owned()));
    }

    #[test]
    fn what_is_no_program_is_not_taken() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Tool::Daprd.accepts(file.path()), Err("is not a program".to_owned()));
    }
}
