//! kubectl, for one cluster.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::command::{Error, Said, run};
use super::{LIMIT, LONG_PATIENCE};
use crate::PATIENCE;
use crate::process::Program;

const KUBECTL: &str = "kubectl";

/// kubectl, bound to one context, also when the current one changes later.
#[derive(Clone, Debug)]
pub struct Kubectl {
    context: String,
}

impl Kubectl {
    /// For the cluster of the current context.
    pub async fn current() -> Result<Self, Error> {
        let mut command = Command::new(KUBECTL);
        command.args(["config", "current-context"]);
        let context = run(command, b"", PATIENCE).await?.answer()?;
        Ok(Self::of(context.trim()))
    }

    /// For the cluster of this context.
    pub fn of(context: impl Into<String>) -> Self {
        Self { context: context.into() }
    }

    /// The context.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// kubectl with this input, however it ends: for what runs in a pod, and what may be refused.
    pub async fn attempt(&self, arguments: &[&str], input: &[u8]) -> Result<Said, Error> {
        run(self.command(arguments), input, LONG_PATIENCE).await
    }

    /// What kubectl answers to what waits for nobody.
    pub async fn text(&self, arguments: &[&str]) -> Result<String, Error> {
        run(self.command(arguments), b"", PATIENCE).await?.answer()
    }

    /// What kubectl answers to what waits for pods: it is told how long.
    pub async fn wait(&self, arguments: &[&str]) -> Result<String, Error> {
        let limit = format!("--timeout={LIMIT}");
        self.attempt(&[arguments, &[&limit]].concat(), b"").await?.answer()
    }

    /// What kubectl finds, as JSON.
    pub async fn get(&self, arguments: &[&str]) -> Result<Value, Error> {
        let command = self.command(&[&["get", "--output=json"], arguments].concat());
        run(command, b"", PATIENCE).await?.json()
    }

    /// The items of a list.
    pub async fn list(&self, arguments: &[&str]) -> Result<Vec<Value>, Error> {
        Ok(items(self.get(arguments).await?))
    }

    /// Makes what is described, or changes what is there so that it is that. What may be secret is in no argument.
    pub async fn apply(&self, manifest: &Value) -> Result<(), Error> {
        let command = self.command(&["apply", "--filename=-"]);
        run(command, manifest.to_string().as_bytes(), PATIENCE).await?.answer().map(drop)
    }

    /// A value of a Secret. It is nowhere but in the answer.
    pub async fn secret(&self, namespace: &str, name: &str, key: &str) -> Result<String, Error> {
        self.text(&["get", "secret", name, "--namespace", namespace, &template(key)]).await
    }

    /// What removes objects when it is dropped, by these arguments of `kubectl delete`.
    pub fn removes(&self, arguments: Vec<String>) -> Removes {
        Removes { kubectl: self.clone(), arguments }
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(KUBECTL);
        command.arg(self.argument()).args(arguments);
        command
    }

    /// kubectl as a process that goes on.
    pub(super) fn program(&self, name: &str, arguments: &[&str]) -> Program {
        let mut program = Program::new(name, KUBECTL);
        program.arguments.push(self.argument());
        program.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        program.environment.extend(configuration().map(|files| ("KUBECONFIG".to_owned(), files)));
        program
    }

    fn argument(&self) -> String {
        format!("--context={}", self.context)
    }
}

/// The files of KUBECONFIG, which a process finds from a folder of its own, too.
fn configuration() -> Option<String> {
    let files = std::env::var_os("KUBECONFIG")?;
    let files = std::env::split_paths(&files).map(|file| std::path::absolute(&file).unwrap_or(file));
    std::env::join_paths(files).ok()?.into_string().ok()
}

/// What prints one value of a Secret. By its index, because a key may have a dot or a dash.
pub(super) fn template(key: &str) -> String {
    format!("--output=go-template={{{{index .data {key:?} | base64decode}}}}")
}

/// The items of a list, of which there may be none.
pub(super) fn items(mut list: Value) -> Vec<Value> {
    match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// Removes objects when dropped, however the test ends.
#[derive(Debug)]
pub struct Removes {
    kubectl: Kubectl,
    arguments: Vec<String>,
}

impl Drop for Removes {
    fn drop(&mut self) {
        let mut kubectl = self.kubectl.command(&["delete", "--ignore-not-found", "--wait=false"]).into_std();
        match kubectl.args(&self.arguments).stdin(Stdio::null()).output() {
            Ok(said) if said.status.success() => {}
            Ok(said) => {
                eprintln!("kubectl delete {:?}: {}", self.arguments, String::from_utf8_lossy(&said.stderr));
            }
            Err(error) => eprintln!("kubectl delete {:?}: {error}", self.arguments),
        }
    }
}
