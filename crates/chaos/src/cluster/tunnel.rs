//! A port of this machine that leads to a pod, and can be dug anew when the pod has gone.

use std::net::SocketAddr;
use std::time::Duration;

use docket_testkit::Process;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::kube::Kube;

/// How long kubectl may take until its port is open.
const PATIENCE: Duration = Duration::from_secs(15);
const INTERVAL: Duration = Duration::from_millis(50);

/// A port that leads into the cluster. The number stays the same.
#[derive(Debug)]
pub(super) struct Tunnel {
    process: Mutex<Process>,
    address: SocketAddr,
}

impl Tunnel {
    /// To this port of a `pod/…` or a `service/…`. Nothing is dug before it is needed.
    pub(super) fn to(kube: &Kube, namespace: &str, target: &str, port: u16) -> Self {
        let program = kube.forward(namespace, target, port);
        let address = program.ports[0].address();
        Self { process: Mutex::new(Process::new(program)), address }
    }

    /// Where it begins.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes sure that it is there. Whether it leads to somebody is seen when it is used.
    pub(super) async fn open(&self) -> Result<(), String> {
        let mut process = self.process.lock().await;
        if !process.runs() {
            process.spawn();
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            if !process.runs() {
                let log = process.log_text();
                return Err(format!(
                    "kubectl port-forward: {}",
                    log.lines().last().unwrap_or("it has ended")
                ));
            }
            sleep(INTERVAL).await;
        }
        Err("kubectl port-forward opens no port".to_owned())
    }

    /// Digs it anew when it is opened next: the pod at its end has gone.
    pub(super) async fn renew(&self) {
        self.process.lock().await.kill();
    }
}
