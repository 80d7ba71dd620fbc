//! A child process: its folder, its log, its ports, its end.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::guard::Guard;
use crate::port::Port;
use crate::{PATIENCE, wait_for};

/// What is inherited from the environment. All else is said by the builders, so that a developer's own settings change
/// no test.
const INHERITED: [&str; 4] = ["HOME", "PATH", "TMPDIR", "LLVM_PROFILE_FILE"];

/// How much of a log a failed test shows.
const LAST_LINES: usize = 30;

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
    /// The environment of the first start only.
    pub first_environment: BTreeMap<String, String>,
    /// The ports that it will listen on.
    pub ports: Vec<Port>,
}

impl Program {
    /// A program without arguments.
    pub fn new(name: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            first_environment: BTreeMap::new(),
            ports: Vec::new(),
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
        let guard = Guard::new(folder.path());
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
        let mut command = Command::new(&self.program.file);
        let inherited = INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.current_dir(self.folder.path()).env_clear().envs(inherited).envs(&self.program.environment);
        command
    }

    /// Sets a variable for the starts to come.
    pub fn set_env(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.program.environment.insert(name.into(), value.into());
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
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until its log has a line with this text, and gives that line.
    pub async fn wait_for_log(&self, text: &str) -> String {
        wait_for(&format!("{text:?} in the log of {}", self.name()), PATIENCE, async || {
            let log = self.log_text();
            log.lines().find(|line| line.contains(text)).map(str::to_owned).ok_or("no such line".to_owned())
        })
        .await
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
        self.kill();
        if std::thread::panicking() {
            self.show_log();
        }
    }
}

/// The group that a child leads.
fn group(child: &Child) -> Pid {
    // A pid_t, which the standard library shows as unsigned.
    Pid::from_raw(child.id().cast_signed())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::ExitStatusExt as _;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use nix::sys::signal::kill;

    use super::*;

    fn shell(script: &str) -> Process {
        let mut program = Program::new("shell", "sh");
        program.arguments = vec!["-c".to_owned(), script.to_owned()];
        let mut process = Process::new(program);
        process.spawn();
        process
    }

    fn runs(id: i32) -> bool {
        kill(Pid::from_raw(id), None).is_ok()
    }

    /// Leaves a grandchild, as a program that starts others would.
    const FAMILY: &str = "sleep 1000 & echo grandchild $!; wait";

    async fn grandchild(process: &Process) -> i32 {
        let line = process.wait_for_log("grandchild ").await;
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn panic_leaves_no_process_and_no_folder() {
        let process = shell(FAMILY);
        let (child, grandchild) = (process.id().unwrap().cast_signed(), grandchild(&process).await);
        let folder = process.folder().to_owned();
        assert!(runs(child) && runs(grandchild) && folder.is_dir());
        let fails = || {
            let _process = process;
            panic!("the test fails");
        };
        catch_unwind(AssertUnwindSafe(fails)).unwrap_err();
        assert!(!runs(child) && !folder.exists());
        // Nobody's child any more, so it is init who lets go of it.
        wait_for("the grandchild's end", PATIENCE, async || {
            (!runs(grandchild)).then_some(()).ok_or("runs".into())
        })
        .await;
    }

    /// The test kills itself, as a time-out of CI or an out-of-memory killer would.
    #[tokio::test]
    async fn killed_test_process_leaves_no_process_and_no_folder() {
        const VICTIM: &str = "DOCKET_TESTKIT_VICTIM";
        if std::env::var_os(VICTIM).is_some() {
            let process = shell(FAMILY);
            eprintln!("victim: {} {}", grandchild(&process).await, process.folder().display());
            return std::future::pending().await;
        }
        let name = "process::tests::killed_test_process_leaves_no_process_and_no_folder";
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(VICTIM, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stderr.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find(|line| line.contains("victim: ")).unwrap();
        let (id, folder) = line.split_once("victim: ").unwrap().1.split_once(' ').unwrap();
        let (id, folder) = (id.parse().unwrap(), Path::new(folder));
        assert!(runs(id) && folder.is_dir());
        victim.kill().unwrap();
        victim.wait().unwrap();
        wait_for("the end of what it left", PATIENCE, async || match (runs(id), folder.exists()) {
            (false, false) => Ok(()),
            (runs, exists) => Err(format!("process runs: {runs}, folder exists: {exists}")),
        })
        .await;
    }

    #[tokio::test]
    async fn signals_arrive_and_ends_are_told() {
        let mut process = shell("trap 'echo asked; exit 7' TERM; echo up; while :; do sleep 0.01; done");
        process.wait_for_log("up").await;
        process.pause();
        process.signal(Signal::SIGTERM);
        let stat = format!("/proc/{}/stat", process.id().unwrap());
        wait_for("a stop", PATIENCE, async || match std::fs::read_to_string(&stat) {
            Ok(stat) if stat.contains(") T ") => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        assert!(!process.log_text().contains("asked"));
        process.resume();
        assert_eq!(process.wait_exit().await.code(), Some(7));
        assert!(process.log_text().contains("asked"));

        process.spawn();
        process.signal(Signal::SIGABRT);
        assert_eq!(process.wait_exit().await.signal(), Some(Signal::SIGABRT as i32));
    }

    #[tokio::test]
    async fn first_environment_is_gone_after_the_first_start() {
        let mut program = Program::new("shell", "sh");
        program.arguments = vec!["-c".to_owned(), "echo \"$FIRST:$EVER:$CARGO_PKG_NAME\"".to_owned()];
        program.environment.insert("EVER".to_owned(), "e".to_owned());
        program.first_environment.insert("FIRST".to_owned(), "f".to_owned());
        let mut process = Process::new(program);
        for _ in 0..2 {
            process.spawn();
            assert!(process.wait_exit().await.success());
        }
        assert_eq!(process.log_text(), "f:e:\n:e:\n");
    }
}
