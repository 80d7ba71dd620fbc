//! Runs what was built, and ends it in an order in which nothing gets lost and nobody waits in vain.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use docket_rpc::{Health, Limits, Port, Server};
use docket_sidecar::Drain;
use docket_telemetry::Handle;
use futures::future::{join, select_all};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::reminding::Loops;
use super::{App, Door, SIDECAR};
use crate::config::Config;
use crate::identity::Identity;

/// How long spans may take to leave before the sidecar is told that it may go.
const FLUSH_TIME: Duration = Duration::from_secs(1);

/// How long the app port may take to close, beyond the time that everything else has.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// What runs, by when it ends.
#[derive(Default)]
struct Parts {
    /// Ends at once, with what is under way: what clients call, what only serves that, and what begins by itself.
    front: Stage,
    /// Ends when no event is being handled any more.
    relays: Stage,
    /// Ends when nothing needs the sidecar any more: what the sidecar calls.
    back: Stage,
    /// Ends last: what operators ask.
    admin: Stage,
}

/// Parts that end together.
#[derive(Default)]
struct Stage {
    stop: CancellationToken,
    parts: JoinSet<()>,
}

impl Stage {
    /// Begins a part. Each line that it logs says its name.
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        task: &'static str,
        part: impl FnOnce(CancellationToken) -> F,
    ) {
        self.parts.spawn(part(self.stop.clone()).instrument(background(task)));
    }

    /// Waits for the first that ends; for ever when there is none.
    async fn first_end(&mut self) -> Result<(), JoinError> {
        match self.parts.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    /// Tells all to end and waits until they have; gives up those that take longer.
    async fn end(&mut self, until: Instant) -> anyhow::Result<()> {
        self.stop.cancel();
        let mut outcome = Ok(());
        let ends = async {
            while let Some(ended) = self.parts.join_next().await {
                outcome = std::mem::replace(&mut outcome, Ok(())).and(ended.map_err(Into::into));
            }
        };
        if timeout_at(until, ends).await.is_err() {
            tracing::warn!(parts = self.parts.len(), "what did not end in time is given up");
            self.parts.shutdown().await;
        }
        outcome
    }
}

impl App {
    /// Runs until it is told to stop, or a part fails; then what is under way is finished.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let (public, app, admin) = (self.public.address, self.app_address(), self.admin_address());
        let mut parts = Parts::default();
        let limits = Arc::new(Limits::new(&self.config.limits, Arc::new(rand::random::<f64>)));
        let Identity { authenticator, tls, .. } = self.identity;
        let server = |port| {
            let (server, clock) = (self.config.server.clone(), self.clock.clone());
            Server::new(server, port, authenticator.clone(), clock, self.health.clone(), limits.clone())
                .with_meter(self.meters.meter("docket-rpc"))
        };
        let drain = Duration::from_secs(self.config.drain_seconds);
        let front = server(Port::Public).with_tls(tls.clone());
        let Door { listener, routes, .. } = self.public;
        parts
            .front
            .spawn("public_port", |stop| async move { front.serve(listener, routes, stop, drain).await });
        if let Some(Door { listener, routes, .. }) = self.app {
            let back = server(Port::App);
            parts
                .back
                .spawn("app_port", |stop| async move { back.serve(listener, routes, stop, drain).await });
        }
        parts.front.spawn("auth_keys", |stop| async move { authenticator.run(stop).await });
        if let Some(tls) = tls {
            parts.front.spawn("tls", |stop| async move { tls.run(stop).await });
        }
        if !self.relays.is_empty() {
            let statuses = self.relays.iter().map(docket_outbox::Relay::status).collect();
            let health = self.health.clone();
            parts.front.spawn("health", |stop| tell(statuses, health, stop));
        }
        let Loops { alarms, sender } = self.loops;
        if let Some(alarms) = alarms {
            parts.front.spawn("alarms", |stop| alarms.run(stop));
        }
        if let Some(sender) = sender {
            parts.front.spawn("sender", |stop| sender.run(stop));
        }
        if let Some(letters) = self.letters {
            parts.front.spawn("dead_letters", |stop| letters.run(stop));
        }
        for relay in self.relays {
            parts.relays.spawn("relay", |stop| relay.run(stop));
        }
        let purge = self.purge;
        parts.front.spawn("purge", |stop| async move { purge.run(stop).await });
        if let Some(lag) = self.lag {
            parts.front.spawn("consumer_lag", |stop| lag.run(stop));
        }
        if let Some((listener, admin)) = self.admin {
            let draining = stop.clone();
            parts.admin.spawn("admin_port", |stop| admin.serve(listener, draining, stop));
        }
        self.health.serving().await;
        let [app, admin] = [app, admin].map(|at| at.map_or_else(|| "none".to_owned(), |at| at.to_string()));
        tracing::info!(%public, app, admin, "docket is ready: clients call {public}, the sidecar calls {app}");

        // A part that ends before it is told to takes the others with it.
        let early = tokio::select! {
            () = stop.cancelled() => None,
            ended = parts.front.first_end() => Some(ended),
            ended = parts.relays.first_end() => Some(ended),
            ended = parts.back.first_end() => Some(ended),
            ended = parts.admin.first_end() => Some(ended),
        };
        tracing::info!("docket stops");
        stop.cancel();
        let ended = parts.end(&self.config, &self.drain, &self.telemetry).await;
        let outcome = match early {
            Some(ended) => ended.map_err(Into::into).and_then(|()| anyhow::bail!("a part ended early")),
            None => Ok(()),
        };
        let outcome = outcome.and(ended);
        self.stores.close().await?;
        drop(self.lock);
        outcome
    }
}

impl Parts {
    /// First nothing new begins, from clients, from the sidecar or by itself. What is under way is finished, and what it has committed
    /// can still be published, because the sidecar takes events as long as the app is well. Only then it is told that the
    /// app is not.
    async fn end(&mut self, config: &Config, drain: &Drain, telemetry: &Handle) -> anyhow::Result<()> {
        let time = Duration::from_secs(config.drain_seconds);
        let end = Instant::now() + time;
        drain.pause();
        let mut quiet = pin!(join(self.front.end(end + CLOSE_TIME), drain.idle()));
        // Clients that hang must not take the relays' time to give their shards back.
        let fronted = timeout_at(end - time / 2, &mut quiet).await;
        let relayed = self.relays.end(end).await;
        let fronted = match fronted {
            Ok(fronted) => Ok(fronted),
            Err(_elapsed) => timeout_at(end, quiet).await,
        };
        // What is left of them has no sidecar to wait for, and ends with the process.
        let outcome = fronted.map_or(Ok(()), |(fronted, ())| fronted).and(relayed);
        telemetry.flush(FLUSH_TIME).await;
        drain.fail_health();
        let outcome = outcome.and(self.back.end(end + CLOSE_TIME).await);
        // A client of operators that hangs does not hold up the end.
        outcome.and(self.admin.end(Instant::now() + CLOSE_TIME).await)
    }
}

/// A span around a part, for its log lines.
fn background(task: &'static str) -> Span {
    tracing::info_span!(target: docket_telemetry::BACKGROUND, parent: None, "background", task)
}

/// Tells health whether the sidecar takes events, by the word of all relays.
async fn tell(
    mut statuses: Vec<watch::Receiver<docket_outbox::Status>>,
    health: Health,
    stop: CancellationToken,
) {
    loop {
        let connected: Vec<bool> =
            statuses.iter_mut().map(|status| status.borrow_and_update().connected).collect();
        health.set(SIDECAR, connected.into_iter().all(|connected| connected)).await;
        let changes = statuses.iter_mut().map(|status| Box::pin(status.changed()));
        tokio::select! {
            () = stop.cancelled() => return,
            (changed, ..) = select_all(changes) => if changed.is_err() { return },
        }
    }
}
