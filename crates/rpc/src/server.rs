//! One listening port: HTTP/2 settings, the shell around its services, and a drain that ends in bounded time.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use docket_domain::Clock;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::auth::Authenticator;
use crate::caller::Port;
use crate::health::Health;
use crate::sever::{Pulse, Severable};
use crate::shell::{Rules, ShellLayer};

/// How long connections may be silent before they are cut, once no call is under way any more.
const CLOSE_TIME: Duration = Duration::from_secs(1);

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

/// How a port is served.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The longest that a call may take, in seconds; a client may ask for less. Default 30.
    pub max_deadline_seconds: u64,
    /// The largest request message, in bytes. Default 1 MiB. For the services' `max_decoding_message_size`.
    pub max_request_bytes: usize,
    /// The largest answer message, in bytes. Default 4 MiB, which is what clients take. For the services'
    /// `max_encoding_message_size`.
    pub max_response_bytes: usize,
    /// The largest list of headers, in bytes. Default: 16 KiB on the public port, 4 MiB on the app port.
    pub max_header_list_bytes: Option<u32>,
    /// How many calls one connection may have under way. Default 1024.
    pub max_concurrent_streams: u32,
    /// How often a silent connection is probed, in seconds. Default 30.
    pub keepalive_seconds: u64,
    /// How long the answer to a probe may take before the connection is closed, in seconds. Default 20.
    pub keepalive_timeout_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_deadline_seconds: 30,
            max_request_bytes: 1 << 20,
            max_response_bytes: 4 << 20,
            max_header_list_bytes: None,
            max_concurrent_streams: 1024,
            keepalive_seconds: 30,
            keepalive_timeout_seconds: 20,
        }
    }
}

/// Why a port is no longer served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The transport gave up.
    #[error("the gRPC server failed")]
    Transport(#[source] tonic::transport::Error),
    /// The transport ended though nobody asked it to.
    #[error("the gRPC server stopped by itself")]
    Stopped,
}

/// A port, ready to be served.
pub struct Server {
    config: Config,
    port: Port,
    authenticator: Arc<Authenticator>,
    clock: Arc<dyn Clock>,
    health: Health,
}

impl Server {
    /// Takes what the port's shell needs. The caller adds the services of `health` and of [`crate::reflection`] to the
    /// routes where they belong.
    pub fn new(
        config: Config,
        port: Port,
        authenticator: Arc<Authenticator>,
        clock: Arc<dyn Clock>,
        health: Health,
    ) -> Self {
        Self { config, port, authenticator, clock, health }
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
    ) -> Result<(), Error> {
        let (draining, cut, severed) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let (calls, pulse) = (TaskTracker::new(), Pulse::default());
        let (header_list, pending_resets) = match self.port {
            Port::Public => (PUBLIC_HEADER_LIST_BYTES, PUBLIC_PENDING_RESETS),
            Port::App => (APP_HEADER_LIST_BYTES, APP_PENDING_RESETS),
        };
        let incoming = {
            let (pulse, severed) = (pulse.clone(), severed.clone());
            TcpListenerStream::new(listener).filter_map(move |accepted| {
                // A connection that broke while it was accepted is nobody's loss.
                let stream = accepted.ok()?;
                // Fails only when the connection is gone, and then the next read says so.
                let _ = stream.set_nodelay(true);
                Some(Ok::<_, Infallible>(Severable::new(stream, pulse.clone(), severed.clone())))
            })
        };
        let shell = ShellLayer::new(Rules {
            port: self.port,
            authenticator: self.authenticator,
            clock: self.clock,
            max_deadline: Duration::from_secs(self.config.max_deadline_seconds),
            draining: draining.clone(),
            cut: cut.clone(),
            calls: calls.clone(),
        });
        let served = tonic::transport::Server::builder()
            .http2_max_header_list_size(self.config.max_header_list_bytes.unwrap_or(header_list))
            .http2_max_pending_accept_reset_streams(Some(pending_resets))
            .max_concurrent_streams(self.config.max_concurrent_streams)
            .http2_keepalive_interval(Some(Duration::from_secs(self.config.keepalive_seconds)))
            .http2_keepalive_timeout(Some(Duration::from_secs(self.config.keepalive_timeout_seconds)))
            .layer(shell)
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, draining.clone().cancelled_owned());
        let mut served = pin!(served);

        tokio::select! {
            ended = &mut served => return ended.map_err(Error::Transport).and(Err(Error::Stopped)),
            () = shutdown.cancelled() => {}
        }
        self.health.not_serving().await;
        draining.cancel();
        calls.close();
        let idle = async {
            calls.wait().await;
            // Answers may still be on their way, to a slow client for a while.
            pulse.stops(CLOSE_TIME).await;
        };
        tokio::select! {
            closed = &mut served => return closed.map_err(Error::Transport),
            () = idle => {}
            () = tokio::time::sleep(drain) => {
                if !calls.is_empty() {
                    let (seconds, calls) = (drain.as_secs_f64(), calls.len());
                    tracing::warn!(drain.seconds = seconds, calls, "calls still under way are given up");
                }
                cut.cancel();
                if let Ok(closed) = tokio::time::timeout(CLOSE_TIME, &mut served).await {
                    return closed.map_err(Error::Transport);
                }
            }
        }
        severed.cancel();
        served.await.map_err(Error::Transport)
    }
}
