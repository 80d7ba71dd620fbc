//! Runs kubectl and Helm, and says how they ended.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// What went wrong. It names the command and what that complained of, and neither its input nor its answer: they may be
/// secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not there, or is no program.
    #[error("{command}: cannot be run: {error}")]
    Start {
        /// The program with its arguments.
        command: String,
        /// What the system says.
        error: io::Error,
    },
    /// It was ended, because it took too long.
    #[error("{command}: not within {limit:?}")]
    Late {
        /// The program with its arguments.
        command: String,
        /// How long it had.
        limit: Duration,
    },
    /// It failed.
    #[error("{command}: {status}: {errors}")]
    Failed {
        /// The program with its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it complained of.
        errors: String,
    },
    /// It answered what nobody can read.
    #[error("{command}: {wrong}")]
    Answer {
        /// The program with its arguments.
        command: String,
        /// What is wrong with the answer.
        wrong: String,
    },
    /// No port leads into the cluster.
    #[error("no port leads to {target}: {why}")]
    Closed {
        /// Where it was to lead.
        target: String,
        /// What kubectl said last.
        why: String,
    },
}

/// What a command came to.
pub struct Said {
    command: String,
    status: ExitStatus,
    /// What it answered.
    pub output: Vec<u8>,
    /// What it complained of.
    pub errors: String,
}

impl Said {
    /// Whether it went well.
    pub fn well(&self) -> bool {
        self.status.success()
    }

    /// The answer as a text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// The answer of what went well.
    pub(super) fn answer(self) -> Result<String, Error> {
        if self.well() {
            return Ok(self.text());
        }
        let Self { command, status, errors, .. } = self;
        Err(Error::Failed { command, status, errors: errors.trim().to_owned() })
    }

    /// The same, which is JSON.
    pub(super) fn json(self) -> Result<Value, Error> {
        let command = self.command.clone();
        serde_json::from_str(&self.answer()?)
            .map_err(|error| Error::Answer { command, wrong: format!("answers no JSON: {error}") })
    }
}

impl fmt::Debug for Said {
    /// Without the answer, which may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, status, output, errors } = self;
        write!(formatter, "{command}: {status}, {} bytes of an answer: {errors}", output.len())
    }
}

/// Runs a command with this input, however it ends. It does not outlive the limit.
pub(super) async fn run(mut command: Command, input: &[u8], limit: Duration) -> Result<Said, Error> {
    let named = name(&command);
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let start = |error| Error::Start { command: named.clone(), error };
    let mut child = command.spawn().map_err(start)?;
    let pipe = child.stdin.take();
    // Beside the reading, because a pipe takes only so much. A program that does not read on says itself why.
    let write = async {
        if let Some(mut pipe) = pipe {
            let _ = pipe.write_all(input).await;
        }
    };
    let ended = timeout(limit, async { tokio::join!(child.wait_with_output(), write).0 }).await;
    let Ok(ended) = ended else { return Err(Error::Late { command: named, limit }) };
    let Output { status, stdout, stderr } = ended.map_err(start)?;
    let errors = String::from_utf8_lossy(&stderr).into_owned();
    Ok(Said { command: named, status, output: stdout, errors })
}

/// The program with its arguments.
fn name(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
