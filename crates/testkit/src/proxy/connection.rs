//! One connection through the proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::loss::Fate;
use super::{End, Flow, Network, Traffic};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// How many chunks may be on their way.
const ON_THE_WAY: usize = 256;

/// A connection that was accepted.
pub(super) struct Connection {
    client: TcpStream,
    target: SocketAddr,
    network: watch::Receiver<Network>,
    traffic: Arc<Traffic>,
    /// The first has the number 0, so that jitter is the same in every run.
    number: u64,
    /// How often the network was cut before it.
    cuts: u64,
}

/// One way of a connection.
struct Pipe<'a> {
    network: watch::Receiver<Network>,
    flow: fn(&Network) -> Flow,
    /// Tells the ways of all connections apart.
    number: u64,
    bytes: &'a AtomicU64,
    /// Whether it has what the client says; the target's answers otherwise.
    forth: bool,
    fate: &'a Fate<'a>,
}

/// What is on its way, and when it arrives.
type Packet = (Instant, Vec<u8>);

impl Connection {
    pub(super) fn accepted(
        client: TcpStream,
        target: SocketAddr,
        network: watch::Receiver<Network>,
        traffic: &Arc<Traffic>,
    ) -> Self {
        let number = traffic.connections.fetch_add(1, Ordering::SeqCst);
        traffic.open.fetch_add(1, Ordering::SeqCst);
        let cuts = network.borrow().cuts;
        Self { client, target, network, traffic: Arc::clone(traffic), number, cuts }
    }

    /// Carries bytes until both ends have said all, or the network has enough.
    pub(super) async fn run(mut self) {
        self.live().await;
        let traffic = Arc::clone(&self.traffic);
        // Closed first, and then counted as such.
        drop(self);
        traffic.open.fetch_sub(1, Ordering::SeqCst);
    }

    async fn live(&mut self) {
        let (cuts, number) = (self.cuts, self.number);
        let mut faults = self.network.clone();
        let connected = tokio::select! {
            biased;
            _ = faults.wait_for(|network| network.cuts != cuts) => None,
            connected = connect(self.target, self.network.clone()) => connected,
        };
        let Some(mut target) = connected else { return reset(&self.client) };
        let gone = tokio::select! {
            biased;
            state = faults.wait_for(|network| {
                network.cuts != cuts || network.lost.is_some() || network.has_forgotten(number)
            }) => {
                state.map_or(None, |state| if state.cuts == cuts { state.lost } else { None })
            }
            said = self.carry(&mut target) => match said {
                Ok(()) => return,
                Err(_) => None,
            },
        };
        let Some(gone) = gone else {
            let _ = faults.wait_for(|network| network.cuts != cuts || !network.has_forgotten(number)).await;
            reset(&target);
            return reset(&self.client);
        };
        if gone == End::Client {
            std::mem::swap(&mut self.client, &mut target);
        }
        reset(&target);
        drop(target);
        // The end that is left hears nothing until the network is in order.
        let _ = faults.wait_for(|network| network.cuts != cuts || network.lost.is_none()).await;
        reset(&self.client);
    }

    /// Ends when both ends have said all, or when one is broken.
    async fn carry(&mut self, target: &mut TcpStream) -> std::io::Result<()> {
        let (from_client, to_client) = self.client.split();
        let (from_target, to_target) = target.split();
        let fate = Fate::new(self.network.clone(), &self.traffic.lost);
        let to = |flow, forth: bool, bytes| Pipe {
            network: self.network.clone(),
            flow,
            number: 2 * self.number + u64::from(!forth),
            bytes,
            forth,
            fate: &fate,
        };
        let forth = to(|network| network.to_target, true, &self.traffic.to_target);
        let back = to(|network| network.to_client, false, &self.traffic.to_client);
        tokio::try_join!(forth.carry(from_client, to_target), back.carry(from_target, to_client))?;
        Ok(())
    }
}

impl Pipe<'_> {
    async fn carry(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> std::io::Result<()> {
        let (sender, receiver) = mpsc::channel(ON_THE_WAY);
        tokio::try_join!(self.read(from, sender), self.write(receiver, to))?;
        Ok(())
    }

    async fn read(&self, mut from: ReadHalf<'_>, sender: mpsc::Sender<Packet>) -> std::io::Result<()> {
        let mut network = self.network.clone();
        let mut jitters: Option<(u64, StdRng)> = None;
        let mut last = Instant::now();
        let mut chunk = vec![0; CHUNK];
        loop {
            // Held bytes stay where they are, so that the sender's buffer fills as it would.
            let _ = network.wait_for(|network| (self.flow)(network) != Flow::Held).await;
            let read = tokio::select! {
                biased;
                _ = network.wait_for(|network| (self.flow)(network) == Flow::Held) => continue,
                read = from.read(&mut chunk) => read?,
            };
            if self.forth {
                self.fate.hear(&chunk[..read]);
            } else {
                self.fate.pass().await?;
            }
            let flow = (self.flow)(&network.borrow());
            let delay = match flow {
                Flow::Free | Flow::Held => Duration::ZERO,
                Flow::Delayed { least, jitter, seed } => {
                    if jitters.as_ref().is_none_or(|(of, _)| *of != seed) {
                        let own = seed ^ self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                        jitters = Some((seed, StdRng::seed_from_u64(own)));
                    }
                    let random = jitters.as_mut().map_or(0.0, |(_, random)| random.random::<f64>());
                    least + jitter.mul_f64(random)
                }
            };
            // Nothing overtakes what was sent before it.
            last = last.max(Instant::now() + delay);
            // Nobody receives any more when the other end is gone, and then `write` has said so.
            if sender.send((last, chunk[..read].to_vec())).await.is_err() || read == 0 {
                return Ok(());
            }
        }
    }

    async fn write(
        &self,
        mut receiver: mpsc::Receiver<Packet>,
        mut to: WriteHalf<'_>,
    ) -> std::io::Result<()> {
        let mut network = self.network.clone();
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            // It may have been read right before.
            let _ = network.wait_for(|network| (self.flow)(network) != Flow::Held).await;
            if bytes.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&bytes).await?;
            self.bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Network {
    fn has_forgotten(&self, number: u64) -> bool {
        self.forgotten.is_some_and(|below| number < below)
    }
}

/// Connects when the network lets it; nothing when nobody listens.
async fn connect(target: SocketAddr, mut network: watch::Receiver<Network>) -> Option<TcpStream> {
    let passes = |network: &Network| {
        network.lost.is_none() && network.to_target != Flow::Held && network.to_client != Flow::Held
    };
    network.wait_for(passes).await.ok()?;
    let stream = TcpStream::connect(target).await.ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// Lets the connection end with a reset, and what was not sent yet be lost, when it is dropped.
fn reset(stream: &TcpStream) {
    // Fails when the other side has gone, and then there is nobody to tell.
    let _ = stream.set_zero_linger();
}
