//! Where the replicas of each target are, and connections that find them: as a client does that looks a headless Service up.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use docket_testkit::kubernetes::Helm;
use docket_testkit::{Role, Servers, User};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::objects;

/// How long a replica may take to let somebody in, before the next one is tried.
const CONNECT: Duration = Duration::from_secs(1);

/// How often a connection is asked whether it still lives while it is used, and how long it may take to answer: a pod that is
/// gone says nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How long everything that is known is believed; what the DNS of a cluster says of a headless Service is as old.
const TTL: Duration = Duration::from_secs(2);

/// Where the replicas of each target are.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    known: Arc<Mutex<BTreeMap<Role, Vec<SocketAddr>>>>,
    turns: Arc<AtomicUsize>,
}

impl Directory {
    /// Looks everything up.
    pub(super) async fn refresh(&self, helm: &Helm, given: &BTreeMap<String, SocketAddr>) -> Result<()> {
        let (kubectl, namespace) = (&helm.kubectl, helm.namespace.as_str());
        let services = kubectl.get(&["services", "--namespace", namespace, &helm.selector()]).await?;
        let slices = kubectl.get(&["endpointslices", "--namespace", namespace]).await?;
        let node = objects::node_address(&kubectl.get(&["nodes"]).await?);
        let mut found = BTreeMap::new();
        for role in Role::ALL {
            let names = [format!("docket-{}", role.name()), "docket".to_owned()];
            let ports = names.iter().filter_map(|name| {
                let port = objects::node_port(&services, &format!("{name}-local"))?;
                Some(SocketAddr::from((node?, port)))
            });
            let pods = || names.iter().flat_map(|name| objects::endpoints(&slices, name)).collect();
            let there: Vec<_> = match given.get(role.name()) {
                Some(address) => vec![*address],
                None => {
                    Some(ports.collect::<Vec<_>>()).filter(|ports| !ports.is_empty()).unwrap_or_else(pods)
                }
            };
            found.insert(role, there);
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// Looks everything up again and again.
    pub(super) async fn keep(self, helm: Helm, given: BTreeMap<String, SocketAddr>) {
        loop {
            tokio::time::sleep(TTL).await;
            // What is known stays good while nobody answers.
            let _ = self.refresh(&helm, &given).await;
        }
    }

    /// The replicas of a target.
    pub(super) fn of(&self, role: Role) -> Vec<SocketAddr> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&role).cloned().unwrap_or_default()
    }

    /// A user with connections of its own, one to each target, which are made on the first call.
    pub(super) fn user(&self, token: &str) -> Result<User> {
        let servers = Servers {
            tasks: self.channel(Role::Tasks)?,
            audit: self.channel(Role::Audit)?,
            reminders: self.channel(Role::Reminders)?,
            notification: self.channel(Role::Notification)?,
        };
        Ok(User::across(servers, token))
    }

    /// One connection at a time to a replica of a target, for as long as the replica keeps it.
    pub(super) fn channel(&self, role: Role) -> Result<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://docket-{}:7600", role.name()));
        let endpoint = endpoint.context("a name makes a URI")?;
        let directory = self.clone();
        let connector = service_fn(move |_uri| {
            let directory = directory.clone();
            async move { directory.connect(role).await.map(TokioIo::new) }
        });
        let endpoint =
            endpoint.http2_keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(KEEP_ALIVE).tcp_nodelay(true);
        Ok(endpoint.connect_with_connector_lazy(connector))
    }

    /// Connects to the replica whose turn it is, or to the next one that lets it in.
    async fn connect(&self, role: Role) -> io::Result<TcpStream> {
        let replicas = self.of(role);
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{} has no replicas", role.name()));
        for number in 0..replicas.len() {
            let address = replicas[(turn + number) % replicas.len()];
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                Err(_elapsed) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}
