//! Hands events to the sidecar, and says what became of each.

use std::fmt::Display;

use docket_sidecar::{Client, Error, Message};
use docket_store::outbox::PendingEvent;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Topic;
use crate::line::Line;
use crate::metrics::Metrics;
use crate::spans::Sending;

/// What one call may carry, in bytes of payload: the sidecar takes 4 MiB, and envelopes and encoding add to it.
const CALL_BYTES: usize = 2 << 20;

/// What became of the events of a call.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Events that the broker took.
    pub(crate) taken: Vec<PendingEvent>,
    /// Events that the broker may have taken: the call did not end in time.
    pub(crate) unknown: Vec<PendingEvent>,
    /// Events that it did not take, and why.
    pub(crate) failed: Vec<(PendingEvent, String)>,
    /// Why the rest was not sent: the sidecar as a whole is at fault.
    pub(crate) away: Option<Error>,
    /// The rest was not sent, because it was not certain to be over in time.
    pub(crate) late: bool,
}

/// Whether a call may begin. All calls of a pass share the end: what ends one of them keeps the others from beginning.
#[derive(Clone, Debug)]
pub(crate) struct Permit {
    until: Option<Instant>,
    ended: CancellationToken,
}

impl Permit {
    /// Until then, or for as long as it takes when there is no such time; and until the end.
    pub(crate) fn new(until: Option<Instant>, ended: CancellationToken) -> Self {
        Self { until, ended }
    }

    /// Whether a call may begin; notes when it may not because it is too late.
    fn may_begin(&self, outcome: &mut Outcome) -> bool {
        let late = self.until.is_some_and(|until| Instant::now() >= until);
        outcome.late |= late;
        !late && !self.ended.is_cancelled()
    }
}

/// Cuts lines into calls of at most so many heads, and of as many bytes as the sidecar takes.
pub(crate) fn calls(mut lines: Vec<Line>, most: usize) -> Vec<Vec<Line>> {
    let mut calls = Vec::new();
    while !lines.is_empty() {
        let rest = lines.split_off(fitting(&lines, most));
        calls.push(std::mem::replace(&mut lines, rest));
    }
    calls
}

/// How many of the heads fit into one call, at least one.
fn fitting(lines: &[Line], most: usize) -> usize {
    let mut bytes = 0;
    let fits = |line: &&Line| {
        bytes += line.head.payload.len();
        bytes <= CALL_BYTES
    };
    lines.iter().take(most).take_while(fits).count().max(1)
}

/// What events are published with.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) client: &'a Client,
    pub(crate) topic: &'a Topic,
    /// The name of the outbox.
    pub(crate) outbox: &'static str,
    pub(crate) metrics: &'a Metrics,
}

impl Way<'_> {
    /// Publishes the events in one call; when that fails, one by one.
    pub(crate) async fn publish(&self, events: Vec<PendingEvent>, permit: &Permit) -> Outcome {
        let mut outcome = Outcome::default();
        if permit.may_begin(&mut outcome) {
            self.together(events, permit, &mut outcome).await;
        }
        self.metrics.published(outcome.taken.len());
        outcome
    }

    async fn together(&self, events: Vec<PendingEvent>, permit: &Permit, outcome: &mut Outcome) {
        let batch = events.len();
        let (mut sent, mut messages) = (Vec::with_capacity(batch), Vec::with_capacity(batch));
        for event in events {
            if let Some((sending, message)) = self.begin(event, batch, outcome) {
                sent.push(sending);
                messages.push(message);
            }
        }
        if sent.is_empty() {
            return;
        }
        let Topic { pubsub, name, .. } = self.topic;
        match self.timed(self.client.bulk_publish(pubsub, name, &messages)).await {
            Ok(results) => {
                for (sending, result) in sent.into_iter().zip(results) {
                    match result {
                        Ok(()) => outcome.taken.push(sending.taken()),
                        Err(error) => self.failed(sending, "not_taken", &error, outcome),
                    }
                }
            }
            // What was alone has its answer.
            Err(error @ Error::Rejected { .. }) if sent.len() == 1 => {
                sent.into_iter().for_each(|sending| self.failed(sending, kind(&error), &error, outcome));
            }
            // The answer says nothing about the single events, and one of them may be the cause.
            Err(error @ Error::Rejected { .. }) => {
                self.metrics.unpublished(kind(&error), sent.len());
                let again = sent.into_iter().zip(messages).map(|(sending, message)| {
                    // What says in which attempt it came is made anew.
                    let message = Some(message).filter(|_| !sending.is_told());
                    (sending.failed(kind(&error)), message)
                });
                self.one_by_one(again.collect(), permit, outcome).await;
            }
            Err(error) => self.away(error, sent, permit, outcome),
        }
    }

    async fn one_by_one(
        &self,
        events: Vec<(PendingEvent, Option<Message>)>,
        permit: &Permit,
        outcome: &mut Outcome,
    ) {
        for (event, message) in events {
            if !permit.may_begin(outcome) {
                return;
            }
            let begun = match message {
                Some(message) => Some((Sending::begin(event, &self.topic.name, self.outbox, 1), message)),
                None => self.begin(event, 1, outcome),
            };
            let Some((sending, message)) = begun else { continue };
            let Topic { pubsub, name, .. } = self.topic;
            match self.timed(self.client.publish(pubsub, name, &message)).await {
                Ok(()) => outcome.taken.push(sending.taken()),
                Err(error @ Error::Rejected { .. }) => self.failed(sending, kind(&error), &error, outcome),
                Err(error) => self.away(error, vec![sending], permit, outcome),
            }
        }
    }

    async fn timed<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let begun = Instant::now();
        let outcome = call.await;
        self.metrics.called(&self.topic.name, begun.elapsed(), outcome.as_ref().err().map(kind));
        outcome
    }

    /// Begins an attempt; none when the event can not be a message.
    fn begin(&self, event: PendingEvent, batch: usize, outcome: &mut Outcome) -> Option<(Sending, Message)> {
        let sending = Sending::begin(event, &self.topic.name, self.outbox, batch);
        match sending.message() {
            Ok(message) => Some((sending, message)),
            Err(error) => {
                self.failed(sending, "invalid", &error, outcome);
                None
            }
        }
    }

    /// The event was not taken.
    fn failed(&self, sending: Sending, kind: &'static str, error: &dyn Display, outcome: &mut Outcome) {
        self.metrics.unpublished(kind, 1);
        outcome.failed.push((sending.failed(kind), error.to_string()));
    }

    /// The sidecar is at fault, and not an event.
    fn away(&self, error: Error, sent: Vec<Sending>, permit: &Permit, outcome: &mut Outcome) {
        permit.ended.cancel();
        self.metrics.unpublished(kind(&error), sent.len());
        let events = sent.into_iter().map(|sending| sending.failed(kind(&error)));
        let events: Vec<PendingEvent> = events.collect();
        if matches!(error, Error::Deadline(_)) {
            outcome.unknown.extend(events);
        }
        outcome.away = Some(error);
    }
}

/// An `error.type`.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Unavailable(_) => "unavailable",
        Error::Deadline(_) => "timeout",
        Error::Rejected { .. } => "rejected",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use docket_domain::EventId;
    use uuid::Uuid;

    fn of_bytes(bytes: usize) -> PendingEvent {
        PendingEvent {
            position: 1,
            id: EventId::from_uuid(Uuid::from_u128(1)),
            topic: "t".to_owned(),
            key: "k".to_owned(),
            shard: 1,
            event_type: "com.todo.task.created".to_owned(),
            source: "docket/tasks".to_owned(),
            payload: vec![b' '; bytes],
            trace: None,
            time: docket_domain::Instant::default(),
            raw: false,
            handler: None,
            republish_of: None,
        }
    }

    #[test]
    fn a_call_carries_no_more_than_the_sidecar_takes() {
        let check = |sizes: &[usize], expect: &[usize]| {
            let lines: Vec<Line> = sizes.iter().map(|bytes| of_bytes(*bytes).into()).collect();
            let calls: Vec<usize> = calls(lines, 3).iter().map(Vec::len).collect();
            assert_eq!(calls, expect, "{sizes:?}");
        };
        check(&[], &[]);
        check(&[1, 1, 1], &[3]);
        check(&[1, 1, 1, 1, 1, 1, 1], &[3, 3, 1]);
        check(&[CALL_BYTES, 1], &[1, 1]);
        check(&[CALL_BYTES / 2, CALL_BYTES / 2, 1], &[2, 1]);
        // One that is too large alone is sent alone, and refused alone.
        check(&[CALL_BYTES + 1, 1], &[1, 1]);
    }
}
