//! A TCP proxy whose network can fail: it cuts, delays, swallows, and forgets one end.
//!
//! It runs on a thread of its own, so that a test which blocks its runtime does not hold up the traffic.

mod connection;
mod loss;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::port::Port;
use crate::{PATIENCE, wait_for};
use connection::Connection;
pub use loss::Loss;
use loss::Losses;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// What clients say.
    ToTarget,
    /// What the target answers.
    ToClient,
    /// Both.
    Both,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Who connected.
    Client,
    /// Whom the proxy stands for.
    Target,
}

/// A proxy in front of an address on loopback. Ends, with all connections through it, when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    network: watch::Sender<Network>,
    traffic: Arc<Traffic>,
    thread: Option<JoinHandle<()>>,
}

/// The state of the network.
#[derive(Clone, Debug, Default)]
struct Network {
    /// Whether the proxy ends.
    over: bool,
    /// Whether it refuses connections.
    refuses: bool,
    /// How often it was cut: connections from before a cut are gone.
    cuts: u64,
    /// Which end of all connections is gone without the other's knowledge.
    lost: Option<End>,
    /// It has forgotten all connections with lower numbers.
    forgotten: Option<u64>,
    to_target: Flow,
    to_client: Flow,
    /// Which answers it loses.
    losses: Option<Arc<Losses>>,
}

/// How bytes go one way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Flow {
    #[default]
    Free,
    Delayed {
        least: Duration,
        jitter: Duration,
        seed: u64,
    },
    Held,
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Traffic {
    listens: std::sync::atomic::AtomicBool,
    connections: AtomicU64,
    open: AtomicU64,
    to_target: AtomicU64,
    to_client: AtomicU64,
    lost: AtomicU64,
}

impl Proxy {
    /// A proxy in front of the target, with a network in order.
    pub async fn start(target: SocketAddr) -> Self {
        let mut port = Port::reserve();
        port.release();
        let address = port.address();
        let (network, state) = watch::channel(Network::default());
        let traffic = Arc::new(Traffic::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let serve = serve(address, target, state, Arc::clone(&traffic));
        let thread = Some(std::thread::spawn(move || runtime.block_on(serve)));
        let proxy = Self { port, network, traffic, thread };
        proxy.listens(true).await;
        proxy
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Resets all connections, and refuses new ones until [`Proxy::heal`]. Returns when it is so.
    pub async fn cut(&self) {
        self.change(|network| {
            network.cuts += 1;
            network.refuses = true;
        });
        self.listens(false).await;
        self.closed().await;
    }

    /// Resets all connections; new ones are served. Returns when they are gone.
    pub async fn reset(&self) {
        let before = self.connections();
        self.change(|network| network.cuts += 1);
        wait_for("the end of the connections", PATIENCE, async || {
            // Those that came meanwhile are none of them.
            let (open, since) = (self.open(), self.connections() - before);
            if open <= since { Ok(()) } else { Err(format!("{open} open, {since} of them new")) }
        })
        .await;
    }

    /// Delays what goes this way from now on by at least so long, and by up to `jitter` more, which the seed decides.
    /// The order of bytes is kept, and so is how many may be on their way.
    pub fn delay(&self, way: Way, least: Duration, jitter: Duration, seed: u64) {
        self.flow(way, Flow::Delayed { least, jitter, seed });
    }

    /// Lets nothing through this way: connections stay open and new ones are accepted, but nothing is read. What was held
    /// arrives after [`Proxy::heal`].
    pub fn blackhole(&self, way: Way) {
        self.flow(way, Flow::Held);
    }

    /// Takes one end of all connections away without the other's knowledge, which has an open connection on which nothing
    /// happens. It learns it with [`Proxy::heal`], as one does whose packets reach a machine that has restarted.
    /// Connections that are made meanwhile are accepted, and then nothing happens.
    pub fn half_open(&self, gone: End) {
        self.change(|network| network.lost = Some(gone));
    }

    /// Forgets all connections, as a router does, or an address that moves to another machine: they stay open, and nothing
    /// happens on them. New ones are served. Both ends learn it with [`Proxy::heal`].
    pub fn forget(&self) {
        let connections = self.connections();
        self.change(|network| network.forgotten = Some(connections));
    }

    /// Loses what the target answers to the next so many clients who say this text, which the target gets: they cannot know
    /// what it did. Until [`Proxy::heal`]. Each connection counts once.
    pub fn lose_answers_to(&self, text: &[u8], times: u64, how: Loss) {
        let losses = Losses { text: text.to_owned(), how, left: AtomicU64::new(times) };
        self.change(|network| network.losses = Some(Arc::new(losses)));
    }

    /// How many answers it has lost so far: the target has given them.
    pub fn answers_lost(&self) -> u64 {
        self.traffic.lost.load(Ordering::SeqCst)
    }

    /// Puts the network in order. Returns when it accepts connections.
    pub async fn heal(&self) {
        self.change(|network| *network = Network { cuts: network.cuts, ..Network::default() });
        self.listens(true).await;
    }

    /// How many connections it has accepted so far.
    pub fn connections(&self) -> u64 {
        self.traffic.connections.load(Ordering::SeqCst)
    }

    /// How many of them are open.
    pub fn open(&self) -> u64 {
        self.traffic.open.load(Ordering::SeqCst)
    }

    /// How many bytes it has handed over so far.
    pub fn bytes(&self, way: Way) -> u64 {
        let (to_target, to_client) = (&self.traffic.to_target, &self.traffic.to_client);
        match way {
            Way::ToTarget => to_target.load(Ordering::SeqCst),
            Way::ToClient => to_client.load(Ordering::SeqCst),
            Way::Both => self.bytes(Way::ToTarget) + self.bytes(Way::ToClient),
        }
    }

    fn flow(&self, way: Way, flow: Flow) {
        self.change(|network| {
            if way != Way::ToClient {
                network.to_target = flow;
            }
            if way != Way::ToTarget {
                network.to_client = flow;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Network)) {
        self.network.send_modify(change);
    }

    async fn listens(&self, expect: bool) {
        wait_for("the proxy's listener", PATIENCE, async || {
            let listens = self.traffic.listens.load(Ordering::SeqCst);
            if listens == expect { Ok(()) } else { Err(format!("listens: {listens}")) }
        })
        .await;
    }

    async fn closed(&self) {
        wait_for("the end of the connections", PATIENCE, async || match self.open() {
            0 => Ok(()),
            open => Err(format!("{open} open")),
        })
        .await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.change(|network| network.over = true);
        // It has panicked if its port was taken from it, and a test that noticed has failed already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Serves until the proxy is dropped.
async fn serve(
    address: SocketAddr,
    target: SocketAddr,
    mut network: watch::Receiver<Network>,
    traffic: Arc<Traffic>,
) {
    let mut connections = JoinSet::new();
    loop {
        match network.wait_for(|network| network.over || !network.refuses).await {
            Ok(state) if !state.over => {}
            _ => return,
        }
        let listener = TcpListener::bind(address).await.expect("the port is the proxy's own");
        traffic.listens.store(true, Ordering::SeqCst);
        let mut faults = network.clone();
        loop {
            tokio::select! {
                // Whoever connects after a cut is refused.
                biased;
                _ = faults.wait_for(|network| network.over || network.refuses) => break,
                Some(_) = connections.join_next() => {}
                Ok((client, _)) = listener.accept() => {
                    let connection = Connection::accepted(client, target, network.clone(), &traffic);
                    connections.spawn(connection.run());
                }
            }
        }
        drop(listener);
        traffic.listens.store(false, Ordering::SeqCst);
    }
}
