//! Ports of this machine that lead into the cluster.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::kubectl::Kubectl;
use super::site::{DOCKET, Site};
use crate::guard::Guard;

/// The targets with an API, and the port of this machine at which each is found: in kind always, elsewhere while
/// `cargo xtask forward` runs.
pub(super) const ENDPOINTS: [(&str, u16); 5] =
    [("tasks", 7600), ("audit", 7620), ("deadletters", 7630), ("reminders", 7640), ("notification", 7650)];

/// The port at which a pod serves the API, and the one at which it answers operators.
pub(super) const PUBLIC: u16 = 7600;
pub(super) const ADMIN: u16 = 7602;

/// How long kubectl may take until a port leads somewhere.
const LIMIT: Duration = Duration::from_secs(30);

/// How long there is between two looks at whether a port still leads somewhere.
const PAUSE: Duration = Duration::from_millis(500);

/// Ports that lead into the cluster for as long as this lives; a guard ends them even when this program is killed.
#[derive(Debug)]
pub(super) struct Forwards {
    kubectl: Kubectl,
    guard: Guard,
    open: Vec<Open>,
}

/// One of them.
#[derive(Debug)]
struct Open {
    deployment: String,
    local: u16,
    remote: u16,
    child: Child,
    group: Pid,
}

impl Forwards {
    /// None yet.
    pub(super) fn new(kubectl: &Kubectl) -> Result<Self> {
        Ok(Self { kubectl: kubectl.clone(), guard: Guard::start()?, open: Vec::new() })
    }

    /// Leads a port to one of a pod of a Deployment, on its loopback, too; port 0 takes a free one.
    pub(super) fn open(&mut self, deployment: &str, local: u16, remote: u16) -> Result<SocketAddr> {
        let (child, address) = start(&self.kubectl, deployment, local, remote)?;
        let group = i32::try_from(child.id()).map(Pid::from_raw).context("a process without a number")?;
        self.guard.watch(group)?;
        let deployment = deployment.to_owned();
        self.open.push(Open { deployment, local: address.port(), remote, child, group });
        Ok(address)
    }

    /// Opens those again whose pod has gone, for ever.
    pub(super) fn keep(&mut self) -> Result<()> {
        loop {
            std::thread::sleep(PAUSE);
            let gone = self.open.iter_mut().position(|open| !matches!(open.child.try_wait(), Ok(None)));
            let Some(gone) = gone else { continue };
            let open = self.open.swap_remove(gone);
            self.guard.forget(open.group)?;
            eprintln!("127.0.0.1:{} leads nowhere: the pod of {} has gone", open.local, open.deployment);
            self.open_again(&open)?;
            eprintln!("127.0.0.1:{} leads to {} again", open.local, open.deployment);
        }
    }

    fn open_again(&mut self, open: &Open) -> Result<()> {
        // The next pod may take its time; what else is wrong is said after that.
        let mut tries = 0;
        while let Err(error) = self.open(&open.deployment, open.local, open.remote) {
            tries += 1;
            if tries == 60 {
                return Err(error);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

impl Drop for Forwards {
    fn drop(&mut self) {
        for open in &mut self.open {
            // It fails only for one that has ended already, and a guard that is gone needs not be told.
            let _ = killpg(open.group, Signal::SIGTERM);
            let _ = open.child.wait();
            let _ = self.guard.forget(open.group);
        }
    }
}

/// Starts kubectl, and waits until it says where it listens.
fn start(kubectl: &Kubectl, deployment: &str, local: u16, remote: u16) -> Result<(Child, SocketAddr)> {
    let ports = if local == 0 { format!(":{remote}") } else { format!("{local}:{remote}") };
    let mut command = kubectl.command(["port-forward", "--namespace", DOCKET, "--address=127.0.0.1"]);
    command.arg(format!("deployment/{deployment}")).arg(ports);
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run kubectl port-forward")?;
    let (lines, said) = mpsc::channel();
    let outputs: [Option<Box<dyn std::io::Read + Send>>; 2] = [
        child.stdout.take().map(|output| Box::new(output) as _),
        child.stderr.take().map(|errors| Box::new(errors) as _),
    ];
    for output in outputs.into_iter().flatten() {
        let lines = lines.clone();
        std::thread::spawn(move || {
            // It says something for each connection, and must be read until its end, or it would wait for ever.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
    }
    drop(lines);
    let mut heard = Vec::new();
    while let Ok(line) = said.recv_timeout(LIMIT) {
        if let Some(port) = listens(&line) {
            return Ok((child, (Ipv4Addr::LOCALHOST, port).into()));
        }
        heard.push(line);
    }
    let _ = child.kill().and_then(|()| child.wait());
    bail!("no port leads to {deployment}: {}", heard.join("; "))
}

/// The port in `Forwarding from 127.0.0.1:43211 -> 7600`.
fn listens(line: &str) -> Option<u16> {
    line.strip_prefix("Forwarding from 127.0.0.1:")?.split(' ').next()?.parse().ok()
}

/// Where the APIs are, by target: at free ports that are opened for it.
pub(super) fn opened(site: &Site, forwards: &mut Forwards) -> Result<Vec<(&'static str, SocketAddr)>> {
    let mut found = Vec::new();
    for (target, _) in ENDPOINTS {
        found.push((target, forwards.open(&site.deployment(target)?, 0, PUBLIC)?));
    }
    Ok(found)
}

/// Where kind's node leads to them.
pub(super) fn stable() -> Vec<(&'static str, SocketAddr)> {
    ENDPOINTS.iter().map(|(target, port)| (*target, (Ipv4Addr::LOCALHOST, *port).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_read_from_what_kubectl_says() {
        assert_eq!(listens("Forwarding from 127.0.0.1:43211 -> 7600"), Some(43211));
        assert_eq!(listens("Forwarding from [::1]:43211 -> 7600"), None);
        assert_eq!(listens("error: unable to forward port because pod is not running"), None);
    }
}
