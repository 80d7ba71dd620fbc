//! The life of one connection: it must speak in time, may not be idle, and is told to go when it is old.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt as _;

use crate::limit::OpenStreams;
use crate::shell::Shell;
use crate::watched::Watched;

/// The preface of HTTP/2 and an empty SETTINGS frame (RFC 9113 section 3.4): what every client sends first.
const PREFACE_BYTES: u64 = 24 + 9;

/// How long a connection may live, and in what state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// By when the client must have spoken HTTP/2.
    pub(crate) handshake: Duration,
    /// How long it may be without a call.
    pub(crate) idle: Option<Duration>,
    /// When it is told to go.
    pub(crate) age: Option<Duration>,
    /// How long its calls may go on after it was told to.
    pub(crate) grace: Duration,
}

/// The orders that the port gives to all of its connections.
#[derive(Clone)]
pub(crate) struct Orders {
    /// Cancelled when the connection shall go as soon as its calls are done.
    pub(crate) leave: CancellationToken,
    /// Cancelled when it shall end now.
    pub(crate) sever: CancellationToken,
}

/// Serves the connection until it ends. Its calls end with it.
pub(crate) async fn serve<S>(
    stream: Watched<S>,
    shell: Shell<Routes>,
    http: Builder<Streams>,
    streams: Streams,
    life: Life,
    orders: Orders,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (activity, received) = (Activity::new(shell.streams_of_connection()), stream.received());
    let service = {
        let activity = activity.clone();
        service_fn(move |request: http::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(activity.clone());
            streams.next_ends(shell.give_up(&request));
            shell.clone().oneshot(request)
        })
    };
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut handshake = pin!(sleep(life.handshake));
    let mut old = pin!(after(life.age));
    let mut idle = pin!(activity.idle_for(life.idle));
    let (mut leaving, mut spoke) = (false, false);
    let mut overdue = pin!(sleep(Duration::MAX));

    loop {
        let told = tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
                }
                return;
            }
            () = orders.sever.cancelled() => return,
            () = &mut handshake, if !spoke => {
                if received.bytes() < PREFACE_BYTES {
                    tracing::debug!("a connection said nothing");
                    return;
                }
                spoke = true;
                continue;
            }
            () = &mut overdue, if leaving => {
                tracing::debug!("calls on an old connection took too long");
                return;
            }
            // Whoever drains sees to the end by itself.
            () = orders.leave.cancelled(), if !leaving => None,
            () = &mut old, if !leaving => Some(life.grace),
            () = &mut idle, if !leaving => Some(life.grace),
        };
        leaving = true;
        connection.as_mut().graceful_shutdown();
        if let Some(grace) = told {
            overdue.as_mut().reset(Instant::now() + grace);
        }
    }
}

/// Runs the streams of one connection, each until it has ended or its time is over.
///
/// An answer waits inside of hyper, where nothing asks it anything, for as long as the client opens no window for it.
/// Only who runs the stream can end it then: dropped, it is reset, and what it held is free.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<Option<Instant>>>);

impl Streams {
    /// When the stream has to end that is run next. Hyper asks the service for a future and gives it to the executor at
    /// once, in one go and for one stream after the other.
    fn next_ends(&self, end: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let end = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        tokio::spawn(async move {
            let over = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = stream => {}
                () = over => tracing::debug!("an answer was not taken in time"),
            }
        });
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => pending().await,
    }
}

/// The calls of one connection.
#[derive(Clone)]
pub(crate) struct Activity(Arc<Calls>);

struct Calls {
    start: Instant,
    open: OpenStreams,
    under_way: AtomicUsize,
    /// When the last call ended, in milliseconds since the start.
    ended: AtomicU64,
}

impl Activity {
    fn new(open: OpenStreams) -> Self {
        Self(Arc::new(Calls {
            start: Instant::now(),
            open,
            under_way: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
        }))
    }

    /// Counts a call as under way, until the answer is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.0.clone())
    }

    /// The open streams of this connection.
    pub(crate) fn open_streams(&self) -> &OpenStreams {
        &self.0.open
    }

    /// Waits until there was no call for so long.
    async fn idle_for(&self, silence: Option<Duration>) {
        let Some(silence) = silence else { return pending().await };
        let mut wake = Instant::now() + silence;
        loop {
            sleep_until(wake).await;
            let now = Instant::now();
            wake = if self.0.under_way.load(Ordering::Relaxed) > 0 {
                now + silence
            } else {
                self.0.start + Duration::from_millis(self.0.ended.load(Ordering::Relaxed)) + silence
            };
            if wake <= now {
                return;
            }
        }
    }
}

/// A call that is under way.
pub(crate) struct UnderWay(Arc<Calls>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        // First the time: who sees no call must see when the last one ended.
        let ended = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.ended.store(ended, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Release);
    }
}
