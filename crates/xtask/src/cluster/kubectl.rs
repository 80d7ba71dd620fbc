//! kubectl, for one cluster.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::call;
use crate::process;

/// Who made what is applied, for the API server: it tells the fields apart that others set.
const MANAGER: &str = "docket-up";

/// kubectl with the context of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Kubectl {
    program: PathBuf,
    context: String,
}

impl Kubectl {
    /// For the cluster of a context of the user's configuration.
    pub(super) fn new(context: &str) -> Result<Self> {
        Ok(Self { program: program()?, context: context.to_owned() })
    }

    /// The context that is used when none is named.
    pub(super) fn current_context() -> Result<Option<String>> {
        let mut command = Command::new(program()?);
        // Without one it ends with an error.
        Ok(call::text(command.args(["config", "current-context"])).ok().map(|name| name.trim().to_owned()))
    }

    /// Whether there is such a context.
    pub(super) fn knows(context: &str) -> Result<bool> {
        let names = call::text(Command::new(program()?).args(["config", "get-contexts", "--output=name"]))?;
        Ok(names.lines().any(|name| name == context))
    }

    /// The context.
    pub(super) fn context(&self) -> &str {
        &self.context
    }

    /// A command for this cluster.
    pub(super) fn command<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(format!("--context={}", self.context)).args(arguments);
        command
    }

    /// What it prints.
    pub(super) fn text(&self, arguments: &[&str]) -> Result<String> {
        call::text(&mut self.command(arguments))
    }

    /// The same of a command that is given something to read, which may be secret.
    pub(super) fn feed(&self, arguments: &[&str], input: &str) -> Result<String> {
        call::fed(&mut self.command(arguments), input)
    }

    /// An answer in JSON.
    pub(super) fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text =
            call::text(self.command(["get", "--output=json", "--request-timeout=20s"]).args(arguments))?;
        serde_json::from_str(&text).context("kubectl answers no JSON")
    }

    /// The same of something that need not be there.
    pub(super) fn find(&self, arguments: &[&str]) -> Result<Option<Value>> {
        let mut command =
            self.command(["get", "--output=json", "--request-timeout=20s", "--ignore-not-found"]);
        let text = call::text(command.args(arguments))?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&text).map(Some).context("kubectl answers no JSON")
    }

    /// The items of a list.
    pub(super) fn list(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        match self.get(arguments)?["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// Makes what a manifest says, or changes what is there so that it is that: also what somebody has changed by hand.
    ///
    /// It may be secret: it is on no disk, in no list of processes, and shown nowhere. Server-side, so that no copy of it is
    /// kept in an annotation either.
    pub(super) fn apply(&self, manifest: &str) -> Result<()> {
        let mut command = self.command(["apply", "--server-side", "--force-conflicts", "--filename=-"]);
        call::fed(command.arg(format!("--field-manager={MANAGER}")), manifest).map(drop)
    }
}

fn program() -> Result<PathBuf> {
    process::on_path("kubectl").context(
        "kubectl is not on PATH.\n  Get it from https://kubernetes.io/docs/tasks/tools/; `cargo xtask doctor` says what \
         else is missing.",
    )
}
