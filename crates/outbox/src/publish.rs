//! Hands a batch to the sidecar, and says what became of each event.

use docket_sidecar::{Client, CloudEvent, Error, Message, Trace};
use docket_store::outbox::PendingEvent;

use crate::Topic;

/// What one call may carry, in bytes of payload: the sidecar takes 4 MiB, and envelopes and encoding add to it.
const CALL_BYTES: usize = 2 << 20;

/// What became of a batch.
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

impl Outcome {
    fn has_ended(&self) -> bool {
        self.away.is_some() || self.late
    }
}

/// Publishes the events in as few calls as they fit into; those of a call that failed one by one. Each call begins only
/// when `may_call` says that there is the time for it.
pub(crate) async fn publish(
    client: &Client,
    topic: &Topic,
    mut events: Vec<PendingEvent>,
    may_call: impl Fn() -> bool,
) -> Outcome {
    let mut outcome = Outcome::default();
    while !events.is_empty() && !outcome.has_ended() {
        let rest = events.split_off(fitting(&events));
        call(client, topic, std::mem::replace(&mut events, rest), &may_call, &mut outcome).await;
    }
    outcome
}

/// How many of the events fit into one call, at least one.
fn fitting(events: &[PendingEvent]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&PendingEvent| {
        bytes += event.payload.len();
        bytes <= CALL_BYTES
    };
    events.iter().take_while(fits).count().max(1)
}

async fn call(
    client: &Client,
    topic: &Topic,
    events: Vec<PendingEvent>,
    may_call: &impl Fn() -> bool,
    outcome: &mut Outcome,
) {
    if !may_call() {
        outcome.late = true;
        return;
    }
    let envelopes: Vec<CloudEvent> = events.iter().map(envelope).collect();
    let messages: Vec<Message<'_>> = events
        .iter()
        .zip(&envelopes)
        .map(|(event, envelope)| Message { key: &event.key, event: envelope })
        .collect();
    match client.bulk_publish(&topic.pubsub, &topic.name, &messages).await {
        Ok(results) => {
            for (event, result) in events.into_iter().zip(results) {
                match result {
                    Ok(()) => outcome.taken.push(event),
                    Err(error) => outcome.failed.push((event, error.to_string())),
                }
            }
        }
        Err(error @ Error::Unavailable(_)) => outcome.away = Some(error),
        Err(error @ Error::Deadline(_)) => {
            outcome.unknown.extend(events);
            outcome.away = Some(error);
        }
        // The answer says nothing about the single events, and one of them may be the cause.
        Err(_) => {
            for (event, envelope) in events.into_iter().zip(&envelopes) {
                if outcome.has_ended() {
                    break;
                }
                if may_call() {
                    one(client, topic, event, envelope, outcome).await;
                } else {
                    outcome.late = true;
                }
            }
        }
    }
}

async fn one(
    client: &Client,
    topic: &Topic,
    event: PendingEvent,
    envelope: &CloudEvent,
    outcome: &mut Outcome,
) {
    match client.publish(&topic.pubsub, &topic.name, &event.key, envelope).await {
        Ok(()) => outcome.taken.push(event),
        Err(error @ Error::Unavailable(_)) => outcome.away = Some(error),
        Err(error @ Error::Deadline(_)) => {
            outcome.unknown.push(event);
            outcome.away = Some(error);
        }
        Err(error) => outcome.failed.push((event, error.to_string())),
    }
}

fn envelope(event: &PendingEvent) -> CloudEvent {
    CloudEvent {
        id: event.id,
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
        }
    }

    #[test]
    fn a_call_carries_no_more_than_the_sidecar_takes() {
        let check = |sizes: &[usize], expect: usize| {
            let events: Vec<PendingEvent> = sizes.iter().map(|bytes| of_bytes(*bytes)).collect();
            assert_eq!(fitting(&events), expect, "{sizes:?}");
        };
        check(&[1, 1, 1], 3);
        check(&[CALL_BYTES, 1], 1);
        check(&[CALL_BYTES / 2, CALL_BYTES / 2, 1], 2);
        // One that is too large alone is sent alone, and refused alone.
        check(&[CALL_BYTES + 1, 1], 1);
    }
}
