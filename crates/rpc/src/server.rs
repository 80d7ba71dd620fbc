//! One listening port: HTTP/2 settings, the shell around its services, and a drain that ends in bounded time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use docket_domain::Clock;
use docket_telemetry::instruments::Meter;
use docket_telemetry::no_meter;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::TokioTimer;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tower::Layer as _;

use crate::auth::Authenticator;
use crate::caller::Port;
use crate::connection::{self, Life, Orders, Streams};
use crate::health::Health;
use crate::limit::Limits;
use crate::shell::{Rules, Shell, ShellLayer};
use crate::tls::Tls;
use crate::watched::{Pulse, Watched};

/// How long connections may be silent before they are cut, once no call is under way any more.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// How long a port that can not accept, for want of file handles, say, waits before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// daprd puts what it knows of a message into headers, and they are many.
const APP_HEADER_LIST_BYTES: u32 = 4 << 20;

const PUBLIC_HEADER_LIST_BYTES: u32 = 16 << 10;

/// How many calls of one connection may be given up by the client before they were even looked at; with more, the
/// connection is closed (CVE-2023-44487, "rapid reset"). All users share the connections of daprd, so that one user's
/// short deadlines would end the calls of the others: there, as many as may be under way.
const APP_PENDING_RESETS: usize = 1024;

/// A client with short deadlines that sends many calls at once is honest too, and the default of 20 is soon reached. It
/// is still few enough that a flood of resets ends with its connection.
const PUBLIC_PENDING_RESETS: usize = 128;

/// How many bytes of an answer may wait for the network after its call has ended; the rest waits with the call.
const SEND_BUFFER_BYTES: usize = 16 << 10;

/// How a port is served.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The longest that a call may take, in seconds; a client may ask for less. Default 30.
    pub max_deadline_seconds: u64,
    /// The largest request message, in bytes. Default 1 MiB. For the services' `max_decoding_message_size`.
    pub max_request_bytes: usize,
    /// The largest answer message, in bytes. Default 8 MiB: a dead letter, which has a whole message in it, may be larger
    /// than the 4 MiB that clients take unless they are told otherwise. For the services' `max_encoding_message_size`.
    pub max_response_bytes: usize,
    /// The largest list of headers, in bytes. Default: 16 KiB on the public port, 4 MiB on the app port.
    pub max_header_list_bytes: Option<u32>,
    /// How many calls one connection may have under way. Default 1024.
    pub max_concurrent_streams: u32,
    /// How often a silent connection is probed, in seconds. Default 30.
    pub keepalive_seconds: u64,
    /// How long the answer to a probe may take before the connection is closed, in seconds. Default 20.
    pub keepalive_timeout_seconds: u64,
    /// By when a new connection must have spoken HTTP/2, in seconds. Default 10.
    pub handshake_seconds: u64,
    /// How long a connection of a client may be without a call before it is told to go, in seconds; 0 for ever.
    /// Default 300.
    pub max_connection_idle_seconds: u64,
    /// When a connection of a client is told to go, in seconds, give or take a tenth; 0 never. Clients connect anew then,
    /// and so find replicas that are. Default 600.
    pub max_connection_age_seconds: u64,
    /// How long the calls on a connection may go on after it was told to go, in seconds. Default 60.
    pub max_connection_age_grace_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_deadline_seconds: 30,
            max_request_bytes: 1 << 20,
            max_response_bytes: 8 << 20,
            max_header_list_bytes: None,
            max_concurrent_streams: 1024,
            keepalive_seconds: 30,
            keepalive_timeout_seconds: 20,
            handshake_seconds: 10,
            max_connection_idle_seconds: 300,
            max_connection_age_seconds: 600,
            max_connection_age_grace_seconds: 60,
        }
    }
}

/// A port, ready to be served.
pub struct Server {
    config: Config,
    port: Port,
    authenticator: Arc<Authenticator>,
    clock: Arc<dyn Clock>,
    health: Health,
    limits: Arc<Limits>,
    tls: Option<Arc<Tls>>,
    meter: Meter,
}

impl Server {
    /// Takes what the port's shell needs. The caller adds the services of `health` and of [`crate::reflection`] to the
    /// routes where they belong. All ports of a process share its `limits`.
    pub fn new(
        config: Config,
        port: Port,
        authenticator: Arc<Authenticator>,
        clock: Arc<dyn Clock>,
        health: Health,
        limits: Arc<Limits>,
    ) -> Self {
        Self { config, port, authenticator, clock, health, limits, tls: None, meter: no_meter() }
    }

    /// The same, for clients that speak TLS, and for no others. Whoever gives it runs it.
    pub fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// The same, which counts its calls.
    pub fn with_meter(self, meter: Meter) -> Self {
        Self { meter, ..self }
    }

    /// Serves the routes until `shutdown` is cancelled and the calls under way have ended.
    ///
    /// Then health says NOT_SERVING, the listener closes, connections are told to go away, and calls that still arrive
    /// on them are answered UNAVAILABLE. Calls that are not done when `drain` is over are answered UNAVAILABLE too. Once no
    /// call is under way, connections that stay open though nothing passes on them are cut: a peer that hangs costs a
    /// second, and not the whole drain.
    pub async fn serve(
        self,
        listener: TcpListener,
        routes: Routes,
        shutdown: CancellationToken,
        drain: Duration,
    ) {
        let (draining, cut, severed) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        // Whoever drops this future ends its connections too.
        let _severed = severed.clone().drop_guard();
        let calls = TaskTracker::new();
        let shell = ShellLayer::new(Rules {
            port: self.port,
            authenticator: self.authenticator.clone(),
            clock: self.clock.clone(),
            max_deadline: Duration::from_secs(self.config.max_deadline_seconds),
            limits: self.limits.clone(),
            draining: draining.clone(),
            cut: cut.clone(),
            calls: calls.clone(),
        })
        .with_meter(&self.meter);
        let door = Door {
            shell: shell.layer(routes.prepare()),
            pulse: Pulse::default(),
            orders: Orders { leave: draining.clone(), sever: severed.clone() },
            connections: TaskTracker::new(),
            tls: self.tls.clone(),
        };

        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            never = self.accept(&listener, &door) => match never {},
        }
        self.health.not_serving().await;
        drop(listener);
        draining.cancel();
        calls.close();
        door.connections.close();
        let idle = async {
            calls.wait().await;
            // Answers may still be on their way, to a slow client for a while.
            door.pulse.stops(CLOSE_TIME).await;
        };
        tokio::select! {
            () = door.connections.wait() => return,
            () = idle => {}
            () = tokio::time::sleep(drain) => {
                if !calls.is_empty() {
                    let (seconds, calls) = (drain.as_secs_f64(), calls.len());
                    tracing::warn!(drain.seconds = seconds, calls, "calls still under way are given up");
                }
                cut.cancel();
                if tokio::time::timeout(CLOSE_TIME, door.connections.wait()).await.is_ok() {
                    return;
                }
            }
        }
        severed.cancel();
        door.connections.wait().await;
    }

    /// Takes connections for ever, up to the limit; those beyond it are closed at once, so that their clients try
    /// another replica instead of waiting for this one.
    async fn accept(&self, listener: &TcpListener, door: &Door) -> std::convert::Infallible {
        let most = self.limits.max_connections().unwrap_or(usize::MAX);
        let mut full = false;
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                // A connection that broke while it was accepted is nobody's loss.
                Err(error) if is_of_the_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a connection can not be accepted"
                    );
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if door.connections.len() >= most {
                if !full {
                    tracing::warn!(connections = most, "the port is full: new connections are closed");
                }
                full = true;
                continue;
            }
            full = false;
            // Fails only when the connection is gone, and then the next read says so.
            let _ = stream.set_nodelay(true);
            let streams = Streams::default();
            door.open(stream, self.life(), self.http(&streams), streams);
        }
    }

    fn http(&self, streams: &Streams) -> Builder<Streams> {
        let config = &self.config;
        let (header_list, pending_resets) = match self.port {
            Port::Public => (PUBLIC_HEADER_LIST_BYTES, PUBLIC_PENDING_RESETS),
            Port::App => (APP_HEADER_LIST_BYTES, APP_PENDING_RESETS),
        };
        let mut http = Builder::new(streams.clone());
        http.timer(TokioTimer::new())
            .max_header_list_size(config.max_header_list_bytes.unwrap_or(header_list))
            .max_pending_accept_reset_streams(Some(pending_resets))
            .max_concurrent_streams(config.max_concurrent_streams)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .keep_alive_interval(Some(Duration::from_secs(config.keepalive_seconds)))
            .keep_alive_timeout(Duration::from_secs(config.keepalive_timeout_seconds));
        http
    }

    /// The sidecar has no other replica to go to: its connections stay.
    fn life(&self) -> Life {
        let some =
            |seconds: u64| (seconds > 0 && self.port == Port::Public).then(|| Duration::from_secs(seconds));
        let spread = 0.9 + 0.2 * self.limits.jitter();
        Life {
            handshake: Duration::from_secs(self.config.handshake_seconds),
            idle: some(self.config.max_connection_idle_seconds),
            age: some(self.config.max_connection_age_seconds).map(|age| age.mul_f64(spread)),
            grace: Duration::from_secs(self.config.max_connection_age_grace_seconds),
        }
    }
}

/// What the connections of a port share.
struct Door {
    shell: Shell<Routes>,
    pulse: Pulse,
    orders: Orders,
    connections: TaskTracker,
    tls: Option<Arc<Tls>>,
}

impl Door {
    fn open(&self, stream: TcpStream, life: Life, http: Builder<Streams>, streams: Streams) {
        let (pulse, shell) = (self.pulse.clone(), self.shell.clone());
        let orders = self.orders.clone();
        let Some(tls) = self.tls.clone() else {
            let stream = Watched::new(stream, pulse);
            self.connections.spawn(connection::serve(stream, shell, http, streams, life, orders));
            return;
        };
        self.connections.spawn(async move {
            let shaken = tokio::select! {
                shaken = tls.handshake(stream, life.handshake) => shaken,
                () = orders.leave.cancelled() => return,
            };
            match shaken {
                Ok(stream) => {
                    let stream = Watched::new(stream, pulse);
                    connection::serve(stream, shell, http, streams, life, orders).await;
                }
                // Scanners do it all day long, and so do clients that speak no TLS.
                Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "no TLS handshake"),
            }
        });
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
