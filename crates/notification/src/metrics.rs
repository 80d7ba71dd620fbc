//! The figures of this target.

use std::time::Duration;

use docket_domain::source::seconds;
use docket_domain::{Channel, DeliveryKind, DeliveryState, Instant, TaskId};
use docket_store::notification::{Delivery, Settled};
use docket_telemetry::instruments::{Counter, Histogram, Meter};
use docket_telemetry::{KeyValue, SECONDS};

/// From a second to a month: reminders are asked for long before.
const CREATED_TO_SENT: [f64; 13] =
    [1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0];

/// The instruments.
pub(crate) struct Metrics {
    deliveries: Counter<u64>,
    duration: Histogram<f64>,
    lateness: Histogram<f64>,
    created_to_sent: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let histogram = |name, description, limits: &[f64]| {
            let builder = meter.f64_histogram(name).with_unit("s").with_description(description);
            builder.with_boundaries(limits.to_vec()).build()
        };
        Self {
            deliveries: meter
                .u64_counter("docket.deliveries")
                .with_unit("{delivery}")
                .with_description("Messages that somebody has set about sending, by what became of that")
                .build(),
            duration: histogram(
                "docket.delivery.duration",
                "How long a channel took for a message",
                &SECONDS,
            ),
            lateness: histogram(
                "docket.delivery.lateness",
                "How long after its moment a reminder was sent; not of those that quiet hours have put off",
                &SECONDS,
            ),
            created_to_sent: histogram(
                "docket.task_created_to_sent.duration",
                "From the creation of a task, as its id tells it (UUID version 7), to the sending of a reminder",
                &CREATED_TO_SENT,
            ),
        }
    }

    /// A channel has answered.
    pub(crate) fn took(&self, channel: Channel, time: Duration) {
        self.duration.record(time.as_secs_f64(), &[of(channel)]);
    }

    /// Somebody has set about a message, and `word` became of it.
    pub(crate) fn ended(&self, delivery: &Delivery, settled: &Settled, word: &'static str) {
        self.deliveries.add(1, &[of(delivery.channel), KeyValue::new("docket.outcome", word)]);
        if settled.state != DeliveryState::Sent || delivery.kind != DeliveryKind::Reminder {
            return;
        }
        let since = |moment: Instant| seconds(settled.time - moment);
        if !delivery.postponed {
            self.lateness.record(since(delivery.remind_time), &[]);
        }
        if let Some(created) = delivery.task_id.and_then(created) {
            self.created_to_sent.record(since(created), &[]);
        }
    }
}

/// What became of an attempt: its end, or why there is none. `tried` is the name of what the channel said.
pub(crate) fn word(settled: &Settled, tried: &'static str) -> &'static str {
    match settled.state {
        DeliveryState::Sent => "sent",
        DeliveryState::Failed => "failed",
        DeliveryState::Unknown => "unknown",
        DeliveryState::Cancelled => "cancelled",
        DeliveryState::Pending | DeliveryState::Sending if settled.postponed => "postponed",
        DeliveryState::Pending | DeliveryState::Sending => tried,
    }
}

/// What a channel is called in figures and traces.
pub(crate) fn name_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email",
        Channel::Push => "push",
        Channel::Webhook => "webhook",
    }
}

fn of(channel: Channel) -> KeyValue {
    KeyValue::new("docket.channel", name_of(channel))
}

/// When a task was created whose id tells it: ids that the server chose do. Those of occurrences, and most that clients
/// choose, do not.
fn created(task: TaskId) -> Option<Instant> {
    let id = task.as_uuid();
    let (seconds, nanos) = id.get_timestamp().filter(|_| id.get_version_num() == 7)?.to_unix();
    Instant::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_task_may_tell_when_it_was_created() {
        let check = |id: &str, expect: Option<&str>| {
            let expect: Option<Instant> = expect.map(|time| time.parse().unwrap());
            assert_eq!(created(id.parse().unwrap()), expect, "{id}");
        };
        check("0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f", Some("2024-11-03T06:40:44.348Z"));
        check("0192f0c1-2b3c-4d4e-8f50-6a7b8c9d0e1f", None);
        check("0192f0c1-2b3c-8d4e-8f50-6a7b8c9d0e1f", None);
    }
}
