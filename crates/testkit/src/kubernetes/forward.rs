//! Ports of this machine that lead to a pod, to its loopback, too.

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::Kubectl;
use super::command::Error;
use crate::port::Port;
use crate::process::{Process, Program};

/// How long kubectl may take until its ports are open: the next pod may just be starting.
const PATIENCE: Duration = Duration::from_secs(30);
const INTERVAL: Duration = Duration::from_millis(20);

/// How long a call may take.
const CALL: Duration = Duration::from_secs(30);

/// Ports that lead to a pod; to another one, if there is one, when that has gone. Their numbers stay the same. All of them
/// lead to the same pod.
///
/// kubectl ends with its pod. It is not started before it is needed, and again when it is needed again: by
/// [`Forward::open`], and by a [`Forward::channel`] that connects.
#[derive(Debug)]
pub struct Forward {
    ways: Vec<Way>,
    kubectl: Arc<Mutex<Keeper>>,
}

/// One of them.
#[derive(Debug)]
struct Way {
    port: u16,
    local: SocketAddr,
    /// One for all calls: kubectl gives all ports up when a pod breaks a connection off, as it does with those that end early.
    channel: OnceLock<Channel>,
}

/// kubectl, started again and again.
#[derive(Debug)]
struct Keeper {
    target: String,
    process: Process,
    /// What a line begins with that says that a port is open.
    signs: Vec<String>,
    /// How much of the log is of earlier runs.
    before: usize,
}

impl Forward {
    /// To these ports of a `pod/…`, a `deployment/…` or a `service/…`.
    pub fn to(kubectl: &Kubectl, namespace: &str, target: &str, ports: &[u16]) -> Self {
        let arguments = ["port-forward", "--namespace", namespace, "--address=127.0.0.1", target];
        let program = kubectl.program(&format!("forward-{}", target.replace('/', "-")), &arguments);
        Self::by(program, target, ports)
    }

    /// By a program that takes ports as kubectl does, and says what kubectl says.
    fn by(mut program: Program, target: &str, ports: &[u16]) -> Self {
        let way = |port: u16, local: &Port| Way { port, local: local.address(), channel: OnceLock::new() };
        program.ports = ports.iter().map(|_| Port::reserve()).collect();
        let ways: Vec<Way> =
            ports.iter().zip(&program.ports).map(|(&port, local)| way(port, local)).collect();
        program.arguments.extend(ways.iter().map(|way| format!("{}:{}", way.local.port(), way.port)));
        // What follows is the port of a container, which need not be that of a Service.
        let signs = ways.iter().map(|way| format!("Forwarding from {} -> ", way.local)).collect();
        let process = Process::new(program);
        let keeper = Keeper { target: target.to_owned(), process, signs, before: 0 };
        Self { ways, kubectl: Arc::new(Mutex::new(keeper)) }
    }

    /// Where a port of the pod is found here, while the ways are open.
    ///
    /// # Panics
    /// When no way to this port was asked for.
    pub fn address(&self, port: u16) -> SocketAddr {
        self.way(port).local
    }

    /// Makes sure that the ways are open. Whether they lead to somebody is seen when they are used: a connection that is made
    /// to see it would end early.
    pub async fn open(&self) -> Result<(), Error> {
        self.kubectl.lock().await.open().await
    }

    /// Opens the ways anew when they are opened next: the pod at their end has gone.
    pub async fn renew(&self) {
        self.kubectl.lock().await.process.kill();
    }

    /// A connection to a port, made on the first call and again when it broke. It opens the ways itself, and leads nowhere
    /// when this is dropped.
    ///
    /// # Panics
    /// When no way to this port was asked for.
    pub fn channel(&self, port: u16) -> Channel {
        let way = self.way(port);
        let make = || {
            let (kubectl, local) = (Arc::downgrade(&self.kubectl), way.local);
            let connector = service_fn(move |_uri| {
                let kubectl = kubectl.clone();
                async move {
                    let kubectl = kubectl.upgrade().ok_or(io::ErrorKind::NotConnected)?;
                    kubectl.lock().await.open().await.map_err(io::Error::other)?;
                    TcpStream::connect(local).await.map(TokioIo::new)
                }
            });
            let endpoint = Endpoint::from_shared(format!("http://{local}")).expect("an address makes a URI");
            endpoint.timeout(CALL).connect_with_connector_lazy(connector)
        };
        way.channel.get_or_init(make).clone()
    }

    fn way(&self, port: u16) -> &Way {
        let found = self.ways.iter().find(|way| way.port == port);
        found.unwrap_or_else(|| panic!("no way to port {port} was asked for"))
    }
}

impl Keeper {
    /// Waits until kubectl says that all ports are open. Who gives up waiting leaves it to the next one who asks.
    async fn open(&mut self) -> Result<(), Error> {
        if !self.process.runs() {
            self.before = self.process.log_text().len();
            self.process.spawn();
        }
        let start = Instant::now();
        while !self.is_open() {
            if !self.process.runs() {
                return Err(self.closed("kubectl has ended"));
            }
            if start.elapsed() >= PATIENCE {
                self.process.kill();
                return Err(self.closed(&format!("not within {PATIENCE:?}")));
            }
            sleep(INTERVAL).await;
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        let said = self.said();
        self.signs.iter().all(|sign| said.lines().any(|line| line.starts_with(sign)))
    }

    /// What it has said since it was started last.
    fn said(&self) -> String {
        self.process.log_text().split_off(self.before)
    }

    fn closed(&self, otherwise: &str) -> Error {
        let said = self.said();
        let why = said.lines().last().unwrap_or(otherwise).to_owned();
        Error::Closed { target: self.target.clone(), why }
    }
}
