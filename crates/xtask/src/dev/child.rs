//! A program that runs beside this one, with its output in a log.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::process;

/// How long a program may take to end once it was asked to: more than `docket` gives the calls that are under way (20
/// seconds).
const PATIENCE: Duration = Duration::from_secs(25);

/// A running program, in a process group of its own: Ctrl-C must not reach it before its turn.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    log: PathBuf,
    group: Pid,
    child: tokio::process::Child,
}

impl Child {
    /// Starts it, with its output in `<logs>/<name>.log`.
    pub(crate) fn spawn(name: &'static str, command: std::process::Command, logs: &Path) -> Result<Self> {
        let (log, file) = open(name, logs)?;
        let errors = file.try_clone().context("cannot write a log twice")?;
        Self::start(name, command, log, file.into(), errors.into())
    }

    /// Starts it, with its output in `<logs>/<name>.log` and on this program's own.
    pub(crate) fn spawn_aloud(
        name: &'static str,
        command: std::process::Command,
        logs: &Path,
    ) -> Result<Self> {
        let (log, file) = open(name, logs)?;
        let mut child = Self::start(name, command, log, Stdio::piped(), Stdio::piped())?;
        let (lines, mut heard) = mpsc::channel::<String>(256);
        if let (Some(output), Some(errors)) = (child.child.stdout.take(), child.child.stderr.take()) {
            tokio::spawn(listen(output, lines.clone()));
            tokio::spawn(listen(errors, lines));
        }
        let mut file = tokio::fs::File::from_std(file);
        tokio::spawn(async move {
            while let Some(line) = heard.recv().await {
                eprintln!("{name} | {line}");
                // A full disk is no reason to stop the program by no longer reading what it says.
                let _ = file.write_all(format!("{line}\n").as_bytes()).await;
                let _ = file.flush().await;
            }
        });
        Ok(child)
    }

    fn start(
        name: &'static str,
        command: std::process::Command,
        log: PathBuf,
        output: Stdio,
        errors: Stdio,
    ) -> Result<Self> {
        let mut command = Command::from(command);
        command.process_group(0).kill_on_drop(true).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).context("a process without a number")?;
        Ok(Self { name, log, group: Pid::from_raw(group), child })
    }

    /// Its process group.
    pub(crate) fn group(&self) -> Pid {
        self.group
    }

    /// Its status, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// What to say when it ended though nobody asked it to.
    pub(crate) fn obituary(&self, status: ExitStatus) -> anyhow::Error {
        let Self { name, log, .. } = self;
        anyhow::anyhow!(
            "{name} ended by itself ({status}); the end of {}:\n{}",
            log.display(),
            process::tail(log, 20)
        )
    }

    /// Asks it to end, and ends it when it takes too long.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            eprintln!("{} does not stop, and is killed", self.name);
            self.kill().await;
        }
    }

    /// Ends it.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        // It fails only for a process that was waited for already.
        let _ = self.child.wait().await;
    }

    fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            // It may have ended just now.
            let _ = killpg(self.group, signal);
        }
    }
}

fn open(name: &str, logs: &Path) -> Result<(PathBuf, File)> {
    let log = logs.join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    Ok((log, file))
}

async fn listen(output: impl AsyncRead + Unpin, lines: mpsc::Sender<String>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if lines.send(text).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> std::process::Command {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[tokio::test]
    async fn child_that_ends_is_reported_with_the_end_of_its_log() {
        let logs = tempfile::tempdir().unwrap();
        let mut child = Child::spawn("part", shell("echo out; echo why >&2; exit 7"), logs.path()).unwrap();
        let status = child.child.wait().await.unwrap();
        let said = child.obituary(status).to_string();
        assert!(said.contains("part ended by itself (exit status: 7)"), "{said}");
        assert!(said.contains("out") && said.contains("why"), "{said}");
    }

    #[tokio::test]
    async fn stop_ends_a_child_and_what_it_started() {
        let logs = tempfile::tempdir().unwrap();
        let mut child = Child::spawn("part", shell("sleep 600 & wait"), logs.path()).unwrap();
        child.stop().await;
        assert!(child.ended().is_some());
        // A group that has no process left cannot be signalled. Its last one may be a zombie for a moment.
        let gone = async {
            while killpg(child.group(), None).is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("nothing of the group is left");
    }
}
