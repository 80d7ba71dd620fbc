//! Sends a batch of claimed rows of one channel, and writes down what became of each as soon as it is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docket_domain::Channel;
use docket_domain::source::Ids;
use docket_store::Error;
use docket_store::idempotency::Call;
use docket_store::notification::{Claimed, Delivery, Settled};
use futures::stream::{self, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::channel::{Outcome, Parcel, Recipient};
use crate::desk::{Desk, Done, Ready, by_need};
use crate::events::Events;
use crate::news::News;
use crate::render::Message;
use crate::trace::Traces;

/// The most rows that are settled in one transaction.
const MOST_SETTLED: usize = 500;

/// How long to wait before what the database did not take is written again.
const PAUSE: Duration = Duration::from_millis(500);

/// How often the log tells of an operator's mistake.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// What all lanes share.
pub(crate) struct Lane {
    pub(crate) desk: Desk,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) events_topic: String,
    /// When the log was last told of each mistake of an operator's.
    pub(crate) missing: Mutex<HashMap<String, Instant>>,
    pub(crate) news: News,
}

impl Lane {
    /// Sends these, as far as they can be begun until `begin_by`, and until the order to stop; the others are given back.
    pub(crate) async fn work(&self, claimed: Vec<Claimed>, begin_by: Instant, stop: &CancellationToken) {
        let in_flight = claimed.first().and_then(|one| self.desk.channels.get(&one.delivery.channel));
        let in_flight = in_flight.map_or(1, |channel| channel.in_flight());
        // Who waits for no tasks does not wait for those who do.
        for claimed in by_need(claimed).into_iter().filter(|claimed| !claimed.is_empty()) {
            self.work_on(claimed, in_flight, begin_by, stop).await;
        }
    }

    async fn work_on(
        &self,
        claimed: Vec<Claimed>,
        in_flight: usize,
        begin_by: Instant,
        stop: &CancellationToken,
    ) {
        let (ready, over) = self.desk.prepare(claimed).await;
        let (done, mut results) = mpsc::unbounded_channel();
        for over in over {
            // The other end is below.
            let _ = done.send(over);
        }
        let sending = async move {
            let send = async |one: Ready| {
                let span = one.span.clone();
                let _ = done.send(self.send(one, begin_by, stop).instrument(span).await);
            };
            stream::iter(ready).for_each_concurrent(in_flight, send).await;
        };
        let settling = async {
            let mut batch = Vec::new();
            while results.recv_many(&mut batch, MOST_SETTLED).await > 0 {
                self.settle(std::mem::take(&mut batch), begin_by).await;
            }
        };
        tokio::join!(sending, settling);
    }

    async fn send(&self, one: Ready, begin_by: Instant, stop: &CancellationToken) -> Done {
        let outcome = match stop.is_cancelled() || Instant::now() > begin_by {
            true => Outcome::NotBegun,
            false => self.hand_over(&one.delivery, &one.to, &one.message, begin_by).await,
        };
        let tried = outcome.name();
        let settled = self.desk.judge().outcome(&one.delivery, outcome);
        self.desk.done(&one.delivery, &one.span, settled, tried)
    }

    /// Gives a message to its channel.
    pub(crate) async fn hand_over(
        &self,
        delivery: &Delivery,
        to: &Recipient,
        message: &Message,
        begin_by: Instant,
    ) -> Outcome {
        let Some(channel) = self.desk.channels.get(&delivery.channel) else {
            return Outcome::Refused("the server does not offer the channel".to_owned());
        };
        fail::fail_point!("before-send", |_| std::process::abort());
        let now = self.desk.clock.now();
        let parcel = Parcel { id: delivery.id, user: &delivery.user_id, to, message, now, begin_by };
        let begun = Instant::now();
        let outcome = channel.send(parcel).await;
        if outcome != Outcome::NotBegun {
            self.desk.metrics.took(delivery.channel, begun.elapsed());
        }
        // The channel may have it, and nobody has written that down yet.
        fail::fail_point!("after-send", |_| std::process::abort());
        self.tell(delivery, &outcome);
        outcome
    }

    fn tell(&self, delivery: &Delivery, outcome: &Outcome) {
        let (id, channel, attempts) = (delivery.id, delivery.channel.name(), delivery.attempts);
        match outcome {
            Outcome::Sent => tracing::debug!(delivery.id = %id, channel, attempts, "sent"),
            Outcome::Missing { binding } => self.tell_missing(delivery.channel, binding),
            Outcome::Denied(reason) => self.tell_denied(delivery.channel, reason),
            Outcome::NotBegun => {}
            Outcome::Later(reason) | Outcome::Refused(reason) | Outcome::Unknown(reason) => {
                tracing::warn!(delivery.id = %id, channel, attempts, reason, "not sent: {reason}");
            }
        }
    }

    /// Once a minute for each binding: every message would say it.
    fn tell_missing(&self, channel: Channel, binding: &str) {
        let channel = channel.name();
        if self.is_news(format!("no binding {binding}")) {
            tracing::error!(
                channel,
                binding,
                "the sidecar has no output binding {binding:?}: messages by {channel} wait until it has"
            );
        }
    }

    /// Once a minute for each channel.
    fn tell_denied(&self, channel: Channel, reason: &str) {
        let channel = channel.name();
        if self.is_news(format!("no credentials of {channel}")) {
            tracing::error!(
                channel,
                reason,
                "the credentials of the output binding of {channel} are refused: messages wait until it has others"
            );
        }
    }

    /// Whether the log was not told of this for a minute; it counts as told then.
    fn is_news(&self, what: String) -> bool {
        let now = Instant::now();
        // Nothing panics while it is held.
        let mut told = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.get(&what).is_none_or(|last| now >= *last + TELL_AGAIN);
        if is_news {
            told.insert(what, now);
        }
        is_news
    }

    /// Writes down what became of attempts. When the database does not take it, it is written again for as long as the
    /// claims may last: else what went out would go out again.
    async fn settle(&self, done: Vec<Done>, begin_by: Instant) {
        let (mut settled, mut traces) = (Vec::with_capacity(done.len()), Traces::new());
        for one in done {
            traces.extend(one.trace.map(|trace| (one.settled.id, trace)));
            settled.push(one.settled);
        }
        let until = begin_by + self.desk.config.send_time();
        let mut failures = 0;
        while let Err(error) = self.write(&settled, &traces, None).await {
            failures += 1;
            if failures == 1 {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "what became of {} messages can not be written down yet",
                    settled.len()
                );
            }
            if Instant::now() > until {
                tracing::error!("what became of {} messages could not be written down", settled.len());
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// One transaction: the rows, an event for each firing that has come to its end with them, in the trace of one that has
    /// ended it, and the answer to a repetition of the call that waits for that.
    pub(crate) async fn write(
        &self,
        settled: &[Settled],
        traces: &Traces,
        kept: Option<&(Call<'_>, Vec<u8>)>,
    ) -> Result<(), Error> {
        fail::fail_point!("settle-error", |_| Err(Error::Interrupted));
        let events = Events { topic: &self.events_topic, ids: self.ids.as_ref(), now: self.desk.clock.now() };
        let events = &events;
        let told: Result<bool, Error> = self
            .desk
            .store
            .transaction(|tx| {
                Box::pin(async move {
                    if let Some((call, answer)) = kept {
                        tx.call_answer(call, answer.clone()).await?;
                    }
                    let completed = events.completed(&tx.deliveries_settle(settled).await?.completed, traces);
                    let tells = !completed.is_empty();
                    tx.outbox_append(completed).await?;
                    Ok(tells)
                })
            })
            .await;
        if told? {
            self.news.add();
        }
        Ok(())
    }
}
