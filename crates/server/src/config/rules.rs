//! What a configuration must be besides well-formed: ranges, and rules that concern several keys at once.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Config, Error};
use crate::target::Target;

impl Config {
    /// What the types of the values leave open; everything that is wrong is told at once.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut wrong = self.out_of_range();
        let names = [
            ("tasks.topic", &self.tasks.topic),
            ("dapr.pubsub", &self.dapr.pubsub),
            ("recurrence.tasks_app_id", &self.recurrence.tasks_app_id),
            ("recurrence.binding", &self.recurrence.binding),
            ("reminders.topic", &self.reminders.topic),
            ("notification.reminders_app_id", &self.notification.reminders_app_id),
            ("notification.tasks_app_id", &self.notification.tasks_app_id),
        ];
        let empty = names.into_iter().filter(|(_, name)| name.trim().is_empty());
        wrong.extend(empty.map(|(key, _)| format!("{key} must not be empty")));
        if self.reminders.topic == self.tasks.topic {
            wrong.push("reminders.topic must be another one than tasks.topic".to_owned());
        }
        let pubsubs =
            [("deadletters.pubsub", &self.deadletters.pubsub), ("reminders.pubsub", &self.reminders.pubsub)];
        let empty =
            pubsubs.into_iter().filter(|(_, name)| name.as_ref().is_some_and(|name| name.trim().is_empty()));
        wrong.extend(empty.map(|(key, _)| format!("{key} must not be empty")));
        if self.log.parse::<tracing_subscriber::EnvFilter>().is_err() {
            wrong.push(format!("log: {:?} is not a filter", self.log));
        }
        wrong.extend(self.shared_addresses());
        wrong.extend(self.telemetry.check().into_iter().map(|what| format!("telemetry.{what}")));
        wrong.extend(self.auth.faults());
        if let Err(what) = self.outbox.check() {
            wrong.push(format!("outbox: {what}"));
        }
        if let Err(what) = self.notification.check() {
            wrong.push(format!("notification.{what}"));
        }
        wrong.extend(self.foreign_dead_letters());
        wrong.extend(self.large_letters());
        wrong.extend(self.retention.faults());
        wrong.extend(self.kafka.faults());
        if let Some(what) = self.short_lease() {
            wrong.push(what);
        }
        if let Some(what) = self.missing_receipts() {
            wrong.push(what);
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::Wrong(wrong.join("\n"))) }
    }

    /// The addresses of which only one could be listened on.
    fn shared_addresses(&self) -> Vec<String> {
        let app = self.dapr.enabled.then_some(self.listen.app);
        let listened = [("public", Some(self.listen.public)), ("app", app), ("admin", self.listen.admin)];
        let listened: Vec<_> = listened.into_iter().filter_map(|(key, at)| Some((key, at?))).collect();
        let one = |a: SocketAddr, b: SocketAddr| {
            let all = a.ip().is_unspecified() || b.ip().is_unspecified();
            a.port() != 0 && a.port() == b.port() && (all || a.ip() == b.ip())
        };
        let pairs = listened
            .iter()
            .enumerate()
            .flat_map(|(i, first)| listened[i + 1..].iter().map(move |other| (first, other)));
        let shared = pairs.filter(|((_, a), (_, b))| one(*a, *b));
        shared
            .map(|((a, _), (b, at))| {
                format!("listen.{b} must be another address than listen.{a}, not {at}, too")
            })
            .collect()
    }

    /// The numbers that cannot work, or only by accident: no connection, no attempt, a call that never ends.
    fn out_of_range(&self) -> Vec<String> {
        const MAX: u64 = u32::MAX as u64;
        let (database, server, dapr) = (&self.database, &self.server, &self.dapr);
        let (limits, tasks, reminders) = (&self.limits, &self.tasks, &self.reminders);
        let mut numbers = vec![
            ("drain_seconds", self.drain_seconds, 0..=600),
            ("database.read_connections", database.read_connections.into(), 1..=64),
            ("database.max_connections", database.max_connections.into(), 1..=1_000),
            ("database.acquire_timeout_ms", database.acquire_timeout_ms, 1..=60_000),
            ("server.max_deadline_seconds", server.max_deadline_seconds, 1..=3_600),
            ("server.max_request_bytes", server.max_request_bytes as u64, 1_024..=MAX),
            ("server.max_response_bytes", server.max_response_bytes as u64, 1_024..=MAX),
            ("server.max_concurrent_streams", server.max_concurrent_streams.into(), 1..=MAX),
            ("server.keepalive_seconds", server.keepalive_seconds, 1..=3_600),
            ("server.keepalive_timeout_seconds", server.keepalive_timeout_seconds, 1..=3_600),
            ("server.handshake_seconds", server.handshake_seconds, 1..=300),
            ("server.max_connection_idle_seconds", server.max_connection_idle_seconds, 0..=86_400),
            ("server.max_connection_age_seconds", server.max_connection_age_seconds, 0..=86_400),
            ("server.max_connection_age_grace_seconds", server.max_connection_age_grace_seconds, 1..=3_600),
            ("limits.rate_per_second", limits.rate_per_second.into(), 0..=1_000_000),
            ("limits.max_queue_ms", limits.max_queue_ms, 0..=10_000),
            ("tasks.max_per_user", tasks.max_per_user.into(), 0..=10_000_000),
            ("tasks.gap_seconds", tasks.gap_seconds.into(), 1..=86_400),
            ("reminders.late_seconds", reminders.late_seconds.into(), 60..=31_622_400),
            ("reminders.horizon_seconds", reminders.horizon_seconds.into(), 60..=31_622_400),
            ("reminders.poll_ms", reminders.poll_ms.into(), 100..=60_000),
            ("reminders.grace_seconds", reminders.grace_seconds.into(), 1..=3_600),
            ("reminders.job_retry_seconds", reminders.job_retry_seconds.into(), 1..=3_600),
            ("reminders.bucket_from", reminders.bucket_from as u64, 2..=501),
            ("reminders.republish_seconds", reminders.republish_seconds.into(), 60..=604_800),
            ("reminders.witness_seconds", reminders.witness_seconds.into(), 1..=3_600),
            ("auth.jwks_refresh_seconds", self.auth.jwks_refresh_seconds, 10..=86_400),
            ("auth.jwks_max_stale_seconds", self.auth.jwks_max_stale_seconds, 60..=2_592_000),
            ("auth.leeway_seconds", self.auth.leeway_seconds.into(), 0..=3_600),
            ("dapr.deadline_ms", dapr.deadline_ms, 1..=300_000),
            ("dapr.handler_timeout_ms", dapr.handler_timeout_ms, 1..=300_000),
            ("dapr.max_message_bytes", dapr.max_message_bytes as u64, 1_024..=128 << 20),
            ("dapr.keys_in_flight", dapr.keys_in_flight as u64, 1..=1_024),
            ("dapr.retry.attempts", dapr.retry.attempts.into(), 1..=10),
            ("dapr.retry.backoff_ms", dapr.retry.backoff_ms, 0..=60_000),
        ];
        if let Some(bytes) = server.max_header_list_bytes {
            numbers.push(("server.max_header_list_bytes", bytes.into(), 1_024..=MAX));
        }
        if let Some(bulk) = &dapr.bulk {
            numbers.push(("dapr.bulk.max_messages", bulk.max_messages.into(), 1..=10_000));
            numbers.push(("dapr.bulk.lanes", bulk.lanes as u64, 1..=16));
        }
        let wrong = numbers.into_iter().filter(|(_, number, range)| !range.contains(number));
        wrong
            .map(|(key, number, range)| {
                format!("{key} must be {} to {}, not {number}", range.start(), range.end())
            })
            .collect()
    }

    /// What the sidecar moves away must come where dead letters are read.
    fn foreign_dead_letters(&self) -> Option<String> {
        let (suffix, read) = (self.dapr.dead_letter_suffix.as_deref()?, docket_outbox::dead_letter_topic(""));
        (suffix != read).then(|| format!("dapr.dead_letter_suffix must be {read:?}, not {suffix:?}"))
    }

    /// The largest dead letter, with what is said of it, must fit into an answer.
    fn large_letters(&self) -> Option<String> {
        const AROUND_BYTES: usize = 1 << 20;
        let (most, least) =
            (self.server.max_response_bytes, self.dapr.max_letter_bytes().saturating_add(AROUND_BYTES));
        (self.runs(Target::DeadLetters) && most < least).then(|| {
            format!("server.max_response_bytes must be at least {least}, not {most}, so that an answer can have a dead letter of four times dapr.max_message_bytes")
        })
    }

    /// Where replicas share an outbox, nothing is published that may outlast the lease, so the rest of it must be longer
    /// than a call for a good while after it was renewed.
    fn short_lease(&self) -> Option<String> {
        let shared = self.dapr.enabled && !self.database.url.starts_with("sqlite:");
        let (lease, deadline) = (self.outbox.lease(), Duration::from_millis(self.dapr.deadline_ms));
        (shared && lease < deadline.mul_f64(1.5)).then(|| {
            format!("outbox.lease_seconds must be at least one and a half times dapr.deadline_ms, but {lease:?} is less than that for {deadline:?}")
        })
    }

    /// Receipts come from the handlers' inboxes, so every handler must be in this process: whoever publishes events needs
    /// those who handle them, some of whom publish others, and all leave dead letters.
    fn missing_receipts(&self) -> Option<String> {
        const HANDLERS: [Target; 5] =
            [Target::Audit, Target::Recurrence, Target::Reminders, Target::Notification, Target::DeadLetters];
        let needs = self.dapr.enabled && self.outbox.confirm == docket_outbox::Confirm::Receipts;
        let missing: Vec<&str> =
            HANDLERS.into_iter().filter(|target| !self.runs(*target)).map(Target::name).collect();
        (needs && !missing.is_empty()).then(|| {
            let missing = missing.join(", ");
            format!("outbox.confirm: \"receipts\" needs every handler in this process, but targets lacks {missing}; with a durable broker, set it to \"broker\"")
        })
    }
}
