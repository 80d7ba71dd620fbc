//! The reference: pgbench, which sends the same statements to the same PostgreSQL.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::script::Script;
use crate::world::World;

/// A pgbench that runs.
pub(crate) struct Pgbench {
    child: Child,
    said: Lines<BufReader<ChildStderr>>,
    line: Regex,
}

/// What it has done since it said so the last time: a second ago, or more when the machine keeps it from saying so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Seconds since it started.
    pub(crate) time: f64,
    /// Transactions per second.
    pub(crate) tps: f64,
    /// Their mean latency in milliseconds.
    pub(crate) latency: f64,
}

/// What one run needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// How many tasks there are.
    pub(crate) tasks: u64,
    /// Connections, each with one transaction after the other.
    pub(crate) clients: usize,
    /// For how long.
    pub(crate) seconds: u64,
    /// Tells the ids of one run from those of another.
    pub(crate) number: u64,
    /// The moment of the recording, in microseconds.
    pub(crate) epoch: i64,
}

impl Pgbench {
    /// Starts it.
    pub(crate) fn start(
        program: &Path,
        world: &World,
        script: &Script,
        file: &Path,
        run: Run,
    ) -> Result<Self> {
        std::fs::write(file, &script.text)?;
        let first = run.number << 26;
        let numbers = [
            ("seq", first.to_string()),
            ("first", first.to_string()),
            ("tasks", run.tasks.to_string()),
            ("clients", run.clients.to_string()),
            ("epoch", run.epoch.to_string()),
        ];
        let variables = numbers.iter().map(|(name, value)| format!("{name}={value}"));
        let mut command = Command::new(program);
        command.args(["--no-vacuum", "--protocol=prepared", "--progress=1", "--jobs=2"]);
        command.arg(format!("--client={}", run.clients)).arg(format!("--time={}", run.seconds));
        command.arg("--file").arg(file);
        for variable in variables.chain(script.variables.iter().cloned()) {
            command.arg("--define").arg(variable);
        }
        command
            .arg(world.database().url())
            .env("LC_ALL", "C")
            // As Docket itself connects.
            .env("PGOPTIONS", "-c role=docket_tasks -c search_path=tasks")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let stderr = child.stderr.take().context("pgbench has no output")?;
        let line = Regex::new(r"^progress: ([0-9.]+) s, ([0-9.]+) tps, lat ([0-9.]+) ms")?;
        Ok(Self { child, said: BufReader::new(stderr).lines(), line })
    }

    /// Its process.
    pub(crate) fn id(&self) -> Result<u32> {
        self.child.id().context("pgbench has ended")
    }

    /// Waits until it says how far it is.
    pub(crate) async fn progress(&mut self) -> Result<Progress> {
        let mut other = Vec::new();
        while let Some(line) = self.said.next_line().await? {
            if let Some(found) = self.line.captures(&line) {
                return Ok(Progress {
                    time: found[1].parse()?,
                    tps: found[2].parse()?,
                    latency: found[3].parse()?,
                });
            }
            other.push(line);
        }
        anyhow::bail!("pgbench has ended early: {}", other.join("\n"))
    }

    /// Waits for its end; the transactions of the whole run.
    pub(crate) async fn end(mut self) -> Result<u64> {
        let mut rest = Vec::new();
        while let Some(line) = self.said.next_line().await? {
            rest.push(line);
        }
        let mut said = String::new();
        self.child.stdout.take().context("pgbench has no output")?.read_to_string(&mut said).await?;
        let status = self.child.wait().await?;
        ensure!(status.success(), "pgbench: {status}: {}", rest.join("\n"));
        let number = |pattern: &str| -> Result<u64> {
            let found = Regex::new(pattern)?;
            let found =
                found.captures(&said).with_context(|| format!("pgbench says nothing of {pattern}"))?;
            Ok(found[1].parse()?)
        };
        ensure!(number("failed transactions: ([0-9]+)")? == 0, "pgbench: {said}");
        number("transactions actually processed: ([0-9]+)")
    }
}
