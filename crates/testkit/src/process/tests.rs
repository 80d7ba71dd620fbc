//! A process lives, hears, and leaves nothing behind.

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
    // It starts nothing after it is up: a shell that is stopped between a fork and its exec is not seen to be stopped.
    let mut process = shell("trap 'echo asked; exit 7' TERM; sleep 1000 & echo up; wait");
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

#[tokio::test]
async fn each_part_of_a_log_is_held_to_what_its_release_must_say() {
    const NOWHERE: &str = "echo 2026-11-21T12:00:00Z ERROR docket: lost";
    let mut process = shell(NOWHERE);
    process.wait_exit().await;
    let fails = |process: &Process, read| {
        catch_unwind(AssertUnwindSafe(|| process.check_discretion(read, true))).is_err()
    };
    assert!(fails(&process, 0));
    let read = process.check_discretion(0, false);
    assert!(!fails(&process, read), "another release has said it");
    process.spawn();
    process.wait_exit().await;
    assert!(fails(&process, read), "and then this one");
}
