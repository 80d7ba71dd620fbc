//! Other programs: what they answer, and how they are waited for.

use std::io::{Read, Write as _};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::line;

/// What it prints. When it fails, the error is what it complained of.
pub(super) fn text(command: &mut Command) -> Result<String> {
    let said = line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {said}"))?;
    finished(&said, output)
}

/// The same of one that is given something to read. That may be secret, so it is never shown.
pub(super) fn fed(command: &mut Command, input: &str) -> Result<String> {
    let said = line(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {said}"))?;
    let mut pipe = child.stdin.take().context("a program without an input")?;
    let input = input.to_owned();
    // Beside the reading, because a pipe takes only so much. One that does not read on says itself why.
    let writer = std::thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    let output = child.wait_with_output().with_context(|| format!("{said} is lost"))?;
    let _ = writer.join();
    finished(&said, output)
}

fn finished(said: &str, output: Output) -> Result<String> {
    if !output.status.success() {
        bail!("{said}: {}", complaint(&String::from_utf8_lossy(&output.stderr), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What it complained of, or how it ended if it did not.
fn complaint(errors: &str, status: ExitStatus) -> String {
    let errors = errors.trim();
    if errors.is_empty() { status.to_string() } else { errors.to_owned() }
}

/// A program that runs while others are asked how far it is.
#[derive(Debug)]
pub(super) struct Running {
    said: String,
    child: std::process::Child,
    /// Both outputs, each read to its end so that no pipe gets full.
    outputs: Option<[JoinHandle<String>; 2]>,
}

impl Running {
    /// How long there is between two looks at it.
    pub(super) const PAUSE: Duration = Duration::from_millis(100);

    /// Starts it.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let said = line(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {said}"))?;
        let output = child.stdout.take().context("a program without an output")?;
        let errors = child.stderr.take().context("a program without an output for errors")?;
        Ok(Self { said, child, outputs: Some([listen(output), listen(errors)]) })
    }

    /// What it printed, once it has ended; its complaint if it failed.
    pub(super) fn ended(&mut self) -> Option<Result<String>> {
        let status = match self.child.try_wait() {
            Ok(status) => status?,
            Err(error) => return Some(Err(error).with_context(|| format!("{} is lost", self.said))),
        };
        let [output, errors] = self.outputs.take()?.map(|reader| reader.join().unwrap_or_default());
        if status.success() {
            return Some(Ok(output));
        }
        Some(Err(anyhow::anyhow!("{}: {}", self.said, complaint(&errors, status))))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails only for one that has ended already.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn listen(mut output: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came until then is better than nothing.
        let _ = output.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn complaint_is_the_error() {
        assert_eq!(text(&mut shell("echo out")).unwrap(), "out\n");
        let error = text(&mut shell("echo out; echo why >&2; exit 3")).unwrap_err().to_string();
        assert!(error.ends_with("exit 3: why"), "{error}");
        let error = text(&mut shell("exit 3")).unwrap_err().to_string();
        assert!(error.ends_with("exit status: 3"), "{error}");
    }

    #[test]
    fn input_of_any_size_is_read_and_never_shown() {
        let long = "x".repeat(1 << 20);
        assert_eq!(fed(&mut shell("wc -c"), &long).unwrap().trim(), "1048576");
        let error = fed(&mut shell("cat >/dev/null; exit 1"), "secret").unwrap_err();
        assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        fed(&mut shell("exit 0"), &long).expect("one that does not read is no error");
    }

    #[test]
    fn running_one_is_heard_at_its_end_and_ended_when_it_is_given_up() {
        let mut running = Running::start(&mut shell("echo so; echo why >&2; exit 1")).unwrap();
        let ended = loop {
            if let Some(ended) = running.ended() {
                break ended;
            }
            std::thread::yield_now();
        };
        assert!(ended.unwrap_err().to_string().ends_with(": why"));

        let start = Instant::now();
        drop(Running::start(Command::new("sleep").arg("600")).unwrap());
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
