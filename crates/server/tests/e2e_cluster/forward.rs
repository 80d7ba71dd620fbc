//! Ports of this machine that lead to a pod, to its loopback, too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use docket_testkit::{Port, Process, Program};
use tonic::transport::{Channel, Endpoint};

/// How long there is between two looks at whether kubectl still runs.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a call may take.
const CALL: Duration = Duration::from_secs(30);

/// Ports that lead to a pod of a Deployment; to another one when that has gone.
pub(crate) struct Forward {
    ways: Vec<Way>,
    over: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

/// One of them.
struct Way {
    port: u16,
    local: SocketAddr,
    /// One for all calls: kubectl gives all ports up when a pod breaks a connection off, as it does with those that end early.
    channel: Channel,
}

impl Forward {
    /// To these ports of the Deployment's pod.
    pub(crate) async fn open(namespace: &str, deployment: &str, ports: &[u16]) -> Self {
        let reserved: Vec<(u16, Port)> = ports.iter().map(|port| (*port, Port::reserve())).collect();
        let ways = reserved.iter().map(|(port, local)| Way {
            port: *port,
            local: local.address(),
            channel: channel(local.address()),
        });
        let ways: Vec<Way> = ways.collect();
        let mut program = Program::new(format!("forward-{deployment}"), "kubectl");
        program.arguments =
            ["port-forward", "--namespace", namespace, "--address=127.0.0.1"].map(str::to_owned).into();
        program.arguments.push(format!("deployment/{deployment}"));
        program.arguments.extend(reserved.iter().map(|(port, local)| format!("{}:{port}", local.number())));
        program.environment.extend(std::env::var("KUBECONFIG").map(|file| ("KUBECONFIG".to_owned(), file)));
        program.ports = reserved.into_iter().map(|(_, local)| local).collect();

        let mut kubectl = Process::new(program);
        kubectl.spawn();
        for Way { local, port, .. } in &ways {
            kubectl.wait_for_log(&format!("Forwarding from {local} -> {port}")).await;
        }
        let over = Arc::new(AtomicBool::new(false));
        let keeper = std::thread::spawn({
            let over = over.clone();
            move || keep(kubectl, &over)
        });
        Self { ways, over, keeper: Some(keeper) }
    }

    fn way(&self, port: u16) -> &Way {
        let found = self.ways.iter().find(|way| way.port == port);
        found.unwrap_or_else(|| panic!("no way to port {port} was asked for"))
    }

    /// Where the port of the pod is found here.
    pub(crate) fn address(&self, port: u16) -> SocketAddr {
        self.way(port).local
    }

    /// A connection to the port, made on the first call and again when it broke.
    pub(crate) fn channel(&self, port: u16) -> Channel {
        self.way(port).channel.clone()
    }
}

fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect_timeout(CONNECT).timeout(CALL).connect_lazy()
}

/// Starts it, again and again: kubectl ends when its pod does.
fn keep(mut kubectl: Process, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        if !kubectl.runs() {
            kubectl.spawn();
        }
        std::thread::sleep(PAUSE);
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(keeper) = self.keeper.take() {
            // It has nothing to say that the test does not say itself.
            let _ = keeper.join();
        }
    }
}
