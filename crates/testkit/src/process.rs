//! A child process: its folder, its log, its ports, its end.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::discretion;
use crate::guard::Guard;
use crate::port::Port;
use crate::{PATIENCE, wait_for};

/// What is inherited from the environment. All else is said by the builders, so that a developer's own settings change
/// no test.
const INHERITED: [&str; 4] = ["HOME", "PATH", "TMPDIR", "LLVM_PROFILE_FILE"];

/// How much of a log a failed test shows.
const LAST_LINES: usize = 30;

/// How long a program may take to end in its own way. The guard waits as long.
const END: Duration = Duration::from_secs(10);

/// What is to be run.
#[derive(Debug)]
pub struct Program {
    /// Names the process in messages.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// The arguments.
    pub arguments: Vec<String>,
    /// The environment, beside what every process gets.
    pub environment: BTreeMap<String, String>,
    /// How the names of variables begin that it is not given, whatever the environment says.
    pub unknown: &'static [&'static str],
    /// The environment of the first start only.
    pub first_environment: BTreeMap<String, String>,
    /// The ports that it will listen on.
    pub ports: Vec<Port>,
    /// The account that it runs under, when that is another than the test's. Its folder belongs to it.
    pub account: Option<Account>,
    /// What ends it when it is dropped: SIGKILL, or what is as fast but lets it take back what the kernel would keep.
    pub end: Signal,
}

/// A user of this machine and its group, by number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Account {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
}

impl Program {
    /// A program without arguments.
    pub fn new(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            unknown: &[],
            first_environment: BTreeMap::new(),
            ports: Vec::new(),
            account: None,
            end: Signal::SIGKILL,
        }
    }
}

/// A child process. Ends, with everything that it left, when dropped.
#[derive(Debug)]
pub struct Process {
    program: Program,
    child: Option<Child>,
    // Dropped before the folder, which it removes too.
    guard: Guard,
    folder: TempDir,
}

impl Process {
    /// Makes the folder of a process; does not start it.
    pub fn new(program: Program) -> Self {
        let prefix = format!("docket-test-{}-", program.name);
        let folder =
            tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary folder can be made");
        if let Some(Account { user, group }) = program.account {
            chown(folder.path(), Some(user), Some(group)).expect("a folder can be given away");
        }
        let guard = Guard::new(folder.path(), program.end);
        Self { program, child: None, guard, folder }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Its own folder, which is its working directory too.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it runs, stopped or not.
    pub fn runs(&mut self) -> bool {
        self.child.is_some() && self.exited().is_none()
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it runs already, or cannot be run.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name());
        for port in &mut self.program.ports {
            port.release();
        }
        let log = self.log_file();
        let mut command = self.command();
        command
            .args(&self.program.arguments)
            .envs(std::mem::take(&mut self.program.first_environment))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log can be opened twice"))
            .stderr(log)
            .process_group(0);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{} can not be run: {error}", self.program.file.display()),
        };
        self.guard.watch(Some(group(&child).as_raw()));
        self.child = Some(child);
    }

    /// The program in its folder and environment, without arguments.
    pub(crate) fn command(&self) -> Command {
        self.command_of(&self.program.file)
    }

    /// Another program in the same folder and environment, under the same account.
    pub(crate) fn command_of(&self, file: &Path) -> Command {
        let Program { environment, unknown, .. } = &self.program;
        let known =
            environment.iter().filter(|(name, _)| !unknown.iter().any(|other| name.starts_with(other)));
        let mut command = Command::new(file);
        command.current_dir(self.folder.path()).env_clear().envs(inherited()).envs(known);
        if let Some(Account { user, group }) = self.program.account {
            command.uid(user).gid(group);
        }
        command
    }

    /// Sets a variable for the starts to come.
    pub fn set_env(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.program.environment.insert(name.into(), value.into());
    }

    /// Has another file, which does not know variables that begin so, be run from the next start on, and for other commands.
    pub(crate) fn change_to(&mut self, file: &Path, unknown: &'static [&'static str]) {
        self.program.file = file.to_owned();
        self.program.unknown = unknown;
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        let Some(child) = &self.child else { panic!("{} does not run", self.name()) };
        // It may have ended just now; it stays a zombie until `wait_exit`, so the number is still its own.
        let _ = killpg(group(child), signal);
    }

    /// Ends it at once (SIGKILL), if it runs.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = killpg(group(&child), Signal::SIGKILL);
            // Nothing but SIGKILL's effect is waited for.
            let _ = child.wait();
            self.guard.watch(None);
        }
    }

    /// Ends it in its own way, and by SIGKILL when that takes too long.
    fn end(&mut self) {
        const PAUSE: Duration = Duration::from_millis(5);
        let Some(child) = &mut self.child else { return };
        if self.program.end != Signal::SIGKILL {
            let group = group(child);
            // A process that is paused would not hear it.
            let _ = killpg(group, Signal::SIGCONT).and_then(|()| killpg(group, self.program.end));
            let deadline = Instant::now() + END;
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(PAUSE);
            }
        }
        self.kill();
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait_exit().await
    }

    /// Stops it where it is (SIGSTOP).
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Waits until it ends by itself.
    pub async fn wait_exit(&mut self) -> ExitStatus {
        let name = self.name().to_owned();
        wait_for(&format!("the end of {name}"), PATIENCE, async || {
            self.exited().ok_or("still runs".to_owned())
        })
        .await
    }

    /// How it ended, if it did just now.
    fn exited(&mut self) -> Option<ExitStatus> {
        let Some(child) = &mut self.child else { panic!("{} does not run", self.program.name) };
        let status = child.try_wait().expect("a child can be waited for")?;
        self.child = None;
        self.guard.watch(None);
        Some(status)
    }

    /// Asks until the answer is `Ok`; fails at once when the process ends instead.
    pub(crate) async fn ready<T>(&mut self, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
        let what = format!("{} to be ready", self.name());
        wait_for(&what, PATIENCE, async || {
            if let Some(status) = self.exited() {
                panic!("{} ended before it was ready: {status}", self.name());
            }
            ask().await
        })
        .await
    }

    /// What it has said so far, in all its runs.
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&self.log_bytes()).into_owned()
    }

    /// Waits until its log has a line with this text, and gives that line.
    pub async fn wait_for_log(&self, text: &str) -> String {
        wait_for(&format!("{text:?} in the log of {}", self.name()), PATIENCE, async || {
            let log = self.log_text();
            log.lines().find(|line| line.contains(text)).map(str::to_owned).ok_or("no such line".to_owned())
        })
        .await
    }

    /// Fails when its log, without so many bytes of its beginning, has what is secret or personal, or, of the release under test,
    /// an error that belongs nowhere. Answers how long the log is.
    pub(crate) fn check_discretion(&self, read: usize, under_test: bool) -> usize {
        let log = self.log_bytes();
        let text = String::from_utf8_lossy(&log[read..]);
        discretion::check(self.name(), &text, &self.program.environment, under_test);
        log.len()
    }

    /// Nothing where it was never started.
    fn log_bytes(&self) -> Vec<u8> {
        std::fs::read(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log_file(&self) -> File {
        let file = OpenOptions::new().create(true).append(true).open(self.log_path());
        file.expect("a log can be opened")
    }

    fn show_log(&self) {
        let log = self.log_text();
        let skipped = log.lines().count().saturating_sub(LAST_LINES);
        let last: Vec<&str> = log.lines().skip(skipped).collect();
        eprintln!("---- {}: the end of its log ----\n{}", self.name(), last.join("\n"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            self.show_log();
        }
    }
}

/// What every program gets of the test's own environment.
pub(crate) fn inherited() -> impl Iterator<Item = (&'static str, OsString)> {
    INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// The group that a child leads.
fn group(child: &Child) -> Pid {
    // A pid_t, which the standard library shows as unsigned.
    Pid::from_raw(child.id().cast_signed())
}
