//! Hands events to the sidecar, and says what became of each.

use docket_sidecar::{Client, CloudEvent, EnvelopeError, Error, Message, Replay, Trace};
use docket_store::outbox::PendingEvent;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Topic;
use crate::line::Line;

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

/// Publishes the events in one call; when that fails, one by one.
pub(crate) async fn publish(
    client: &Client,
    topic: &Topic,
    events: Vec<PendingEvent>,
    permit: &Permit,
) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut sent, mut messages) = (Vec::with_capacity(events.len()), Vec::with_capacity(events.len()));
    for event in events {
        match message(&event) {
            Ok(message) => {
                sent.push(event);
                messages.push(message);
            }
            Err(error) => outcome.failed.push((event, error.to_string())),
        }
    }
    if sent.is_empty() || !permit.may_begin(&mut outcome) {
        return outcome;
    }
    match client.bulk_publish(&topic.pubsub, &topic.name, &messages).await {
        Ok(results) => {
            for (event, result) in sent.into_iter().zip(results) {
                match result {
                    Ok(()) => outcome.taken.push(event),
                    Err(error) => outcome.failed.push((event, error.to_string())),
                }
            }
        }
        // What was alone has its answer.
        Err(error @ Error::Rejected { .. }) if sent.len() == 1 => {
            let error = error.to_string();
            outcome.failed.extend(sent.into_iter().map(|event| (event, error.clone())));
        }
        // The answer says nothing about the single events, and one of them may be the cause.
        Err(Error::Rejected { .. }) => {
            one_by_one(client, topic, sent.into_iter().zip(messages), permit, &mut outcome).await;
        }
        Err(error) => away(error, sent, permit, &mut outcome),
    }
    outcome
}

async fn one_by_one(
    client: &Client,
    topic: &Topic,
    events: impl Iterator<Item = (PendingEvent, Message)>,
    permit: &Permit,
    outcome: &mut Outcome,
) {
    for (event, message) in events {
        if !permit.may_begin(outcome) {
            return;
        }
        match client.publish(&topic.pubsub, &topic.name, &message).await {
            Ok(()) => outcome.taken.push(event),
            Err(error @ Error::Rejected { .. }) => outcome.failed.push((event, error.to_string())),
            Err(error) => away(error, vec![event], permit, outcome),
        }
    }
}

/// The sidecar is at fault, and not an event.
fn away(error: Error, events: Vec<PendingEvent>, permit: &Permit, outcome: &mut Outcome) {
    permit.ended.cancel();
    if matches!(error, Error::Deadline(_)) {
        outcome.unknown.extend(events);
    }
    outcome.away = Some(error);
}

/// The event as it is published.
fn message(event: &PendingEvent) -> Result<Message, EnvelopeError> {
    let bytes = match event.raw {
        true => event.payload.clone(),
        false => envelope(event).encode()?,
    };
    let replay = event.is_replay().then(|| Replay { id: event.id, handler: event.handler.clone() });
    Ok(Message { key: event.key.clone(), bytes, replay })
}

fn envelope(event: &PendingEvent) -> CloudEvent {
    CloudEvent {
        id: event.republish_of.unwrap_or(event.id),
        source: event.source.clone(),
        event_type: event.event_type.clone(),
        subject: event.key.clone(),
        time: event.time,
        trace: event.trace.clone().map(|trace| Trace { parent: trace.parent, state: trace.state }),
        data: event.payload.clone().into(),
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
