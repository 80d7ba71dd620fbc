//! Runs Docket on this machine: scheduler, `docket` and its sidecar, wired together, until Ctrl-C.

mod child;
mod guide;
mod mail;
mod observe;
mod ports;
mod stack;

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::progress::heading;
use crate::tools::{Plan, Tool};
use crate::{process, workspace};
use stack::Stack;

/// What `dev` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Forgets all tasks, jobs and logs of earlier runs first.
    #[arg(long)]
    reset: bool,
    /// Where the data is kept.
    #[arg(long, value_name = "DIR", default_value_os_t = workspace::root().join(".docket"))]
    data: PathBuf,
    /// The port of the API.
    #[arg(long, value_name = "PORT", default_value_t = 7600)]
    public_port: u16,
    /// Sends mail to a server of its own, where it can be read, and not into the log. Needs Java.
    #[arg(long)]
    mail: bool,
    /// Shows the trace of every call in Jaeger, which has a sidecar of its own.
    #[arg(long)]
    observe: bool,
}

/// What `dev` leaves in the folder of the data, and `--reset` removes. Nothing else there is touched.
const KEPT: [&str; 9] = [
    "docket.db",
    "docket.db.lock",
    "docket.db-wal",
    "docket.db-shm",
    "secret",
    "scheduler",
    "logs",
    mail::SECRETS,
    observe::CONFIGURATION,
];

/// Runs until Ctrl-C.
pub(crate) fn run(args: Args) -> Result<()> {
    let start = Instant::now();
    let public = SocketAddr::from((Ipv4Addr::LOCALHOST, args.public_port));
    if let Err(error) = std::net::TcpListener::bind(public) {
        bail!(
            "cannot listen on {public}: {error}.\n  Choose another port with --public-port, or end what uses this one."
        );
    }
    let data = std::path::absolute(&args.data).context("--data is no path")?;
    let _lock = claim(&data)?;
    let mail = args.mail.then_some(Tool::Mail);
    let observe = args.observe.then_some(Tool::OBSERVE).into_iter().flatten();
    let tools: Vec<Tool> = Tool::DEV.into_iter().chain(mail).chain(observe).collect();
    let plan = Plan::new(&tools)?;

    heading(start, "building docket (debug: it starts sooner than an optimized one)");
    process::run(workspace::cargo().args(["build", "--package", "docket-server", "--bin", "docket"]))?;
    let docket = built("docket")?;
    let tools = plan.carry_out()?;

    if args.reset {
        reset(&data)?;
    }
    heading(start, "starting");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let mut stack = Stack::new(data, public, docket, tools, args.mail, args.observe)?;
        let done = tokio::select! {
            done = serve(&mut stack, start) => done,
            () = signals.next() => Ok(()),
        };
        eprintln!("\nstopping ...");
        tokio::select! {
            () = stack.stop() => {}
            () = signals.next() => {
                eprintln!("at once ...");
                stack.kill().await;
            }
        }
        eprintln!("stopped; the data is kept in {}", stack.data().display());
        done
    })
}

/// Starts all, says how to use it, and watches it.
async fn serve(stack: &mut Stack, start: Instant) -> Result<()> {
    stack.start().await?;
    heading(start, "ready");
    guide::print(stack).await?;
    stack.watch().await
}

/// Makes the folder of the data and keeps a second run off it.
fn claim(data: &Path) -> Result<File> {
    fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    let path = data.join("dev.lock");
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another run uses {}.\n  Stop it, or give this one a folder of its own with --data DIR.",
            data.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn reset(data: &Path) -> Result<()> {
    for name in KEPT {
        let path = data.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where cargo leaves a program that it has built: beside this one.
fn built(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let file = own.parent().unwrap_or(&own).join(name);
    if process::is_program(&file) { Ok(file) } else { bail!("cargo has left no {}", file.display()) }
}

/// Ctrl-C, and what asks a program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reset_removes_what_dev_left_and_nothing_else() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir_all(data.path().join("scheduler/member")).unwrap();
        fs::write(data.path().join("docket.db"), "").unwrap();
        fs::write(data.path().join("notes.txt"), "").unwrap();
        reset(data.path()).unwrap();
        let left: Vec<_> =
            fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
    }

    #[test]
    fn second_run_on_the_same_data_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let first = claim(data.path()).unwrap();
        let error = claim(data.path()).unwrap_err().to_string();
        assert!(error.contains("another run uses"), "{error}");
        drop(first);
        claim(data.path()).unwrap();
    }
}
