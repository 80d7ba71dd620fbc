//! Ends what `dev` has started when `dev` is killed and cannot do it.
//!
//! The children of `dev` are in process groups of their own, so that Ctrl-C reaches `dev` alone and they stop in order.
//! The price is that nothing ends them when `dev` is gone without a word (SIGKILL, out of memory). So `dev` starts this
//! program a second time and tells it the groups through a pipe; however `dev` ends, the kernel closes the pipe.

use std::io::BufRead;
use std::process::{ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The end of the pipe that `dev` holds.
#[derive(Debug)]
pub(crate) struct Guard(ChildStdin);

impl Guard {
    /// Starts the guard.
    pub(crate) fn start() -> Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let mut guard = Command::new(program)
            .arg("guard")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the guard of the child processes")?;
        Ok(Self(guard.stdin.take().context("the guard has no input")?))
    }

    /// Adds a process group.
    pub(crate) fn watch(&mut self, group: Pid) -> Result<()> {
        self.tell(&format!("+{group}"))
    }

    /// Takes a process group off, since it has ended.
    pub(crate) fn forget(&mut self, group: Pid) -> Result<()> {
        self.tell(&format!("-{group}"))
    }

    fn tell(&mut self, word: &str) -> Result<()> {
        use std::io::Write as _;
        writeln!(self.0, "{word}").context("the guard of the child processes is gone")
    }
}

/// The guard itself.
pub(crate) fn run() -> Result<()> {
    for group in left(std::io::stdin().lock()) {
        // One that has ended by itself cannot be ended again, and that is fine.
        let _ = killpg(group, Signal::SIGKILL);
    }
    Ok(())
}

/// The groups that were added and not taken off until the end of the input.
fn left(words: impl BufRead) -> Vec<Pid> {
    let mut groups = Vec::new();
    for word in words.lines().map_while(Result::ok) {
        let Ok(group) = word.get(1..).unwrap_or_default().parse().map(Pid::from_raw) else { continue };
        groups.retain(|known| *known != group);
        if word.starts_with('+') {
            groups.push(group);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_left_are_those_not_taken_off() {
        let check = |words: &str, expect: &[i32]| {
            let expect: Vec<Pid> = expect.iter().copied().map(Pid::from_raw).collect();
            assert_eq!(left(words.as_bytes()), expect, "{words:?}");
        };
        check("+7\n+8\n+9\n-8\n", &[7, 9]);
        check("+7\n-7\n", &[]);
        // A word that was cut off by a kill names nothing.
        check("+7\n+", &[7]);
    }
}
