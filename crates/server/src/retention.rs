//! Forgets what is kept for a while only, a bounded number of rows at a time.

use std::sync::Arc;
use std::time::Duration;

use docket_domain::source::Clock;
use docket_domain::{Instant, TimeDelta};
use docket_sidecar::Jitter;
use docket_store::{Error, Schema, Store};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// How many rows one statement deletes.
pub const BATCH: u64 = 5_000;

/// How many dead letters one statement deletes: each may have megabytes.
pub const LETTERS_BATCH: u64 = 200;

/// How many such statements there are for one kind of rows in one cycle; the rest waits for the next.
pub const BATCHES: u32 = 20;

/// How long things are kept that are not kept for ever: the section `retention` of the configuration. 0 days mean for
/// ever.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What handlers are done with. An event that comes again after so long has its effect again, so this must be at least
    /// twice `topic_days` and `replay_window_days` together, and 0 if one of them is. Default 30.
    pub inbox_days: u32,
    /// The answers to calls with a `request_id`. The contract promises 7 days. Default 8.
    pub idempotency_keys_days: u32,
    /// Events of tasks after they were published, from which `docket audit verify --refill` fills gaps. Default 30.
    pub published_days: u32,
    /// Dead letters after they were replayed or discarded; those that nobody has dealt with are kept. Default 90.
    pub dead_letters_days: u32,
    /// The reminders of tasks after those were completed or deleted; the same is asked of it as of `inbox_days`. Default 90.
    pub reminders_days: u32,
    /// Messages to people after they were sent or given up. Default 90.
    pub deliveries_days: u32,
    /// How long the broker keeps an event of tasks; `docket topics` sees to it. Default 7.
    pub topic_days: u32,
    /// How long after its first failure a dead letter is replayed to all handlers of its topic; later it goes to the handler
    /// alone that had failed. Default 14.
    pub replay_window_days: u32,
    /// The pause between two cycles, in seconds; up to half of it is taken off at random. Default 60.
    pub cycle_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            inbox_days: 30,
            idempotency_keys_days: 8,
            published_days: 30,
            dead_letters_days: 90,
            reminders_days: 90,
            deliveries_days: 90,
            topic_days: 7,
            replay_window_days: 14,
            cycle_seconds: 60,
        }
    }
}

impl Config {
    /// What the contract promises of answers to repeated calls.
    const PROMISED_DAYS: u32 = 7;

    /// The longest that can be said; longer is for ever.
    const MAX_DAYS: u32 = 36_500;

    /// Everything that is wrong with it, with the keys' names.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let days = [
            ("inbox_days", self.inbox_days),
            ("idempotency_keys_days", self.idempotency_keys_days),
            ("published_days", self.published_days),
            ("dead_letters_days", self.dead_letters_days),
            ("reminders_days", self.reminders_days),
            ("deliveries_days", self.deliveries_days),
            ("topic_days", self.topic_days),
            ("replay_window_days", self.replay_window_days),
        ];
        let too_long = days.into_iter().filter(|(_, days)| *days > Self::MAX_DAYS);
        faults.extend(
            too_long
                .map(|(key, days)| format!("retention.{key} must be 0 to {}, not {days}", Self::MAX_DAYS)),
        );
        if (1..Self::PROMISED_DAYS).contains(&self.idempotency_keys_days) {
            faults.push(format!(
                "retention.idempotency_keys_days must be 0 (for ever) or at least {}, not {}",
                Self::PROMISED_DAYS,
                self.idempotency_keys_days
            ));
        }
        faults.extend(self.forgetful("inbox_days", self.inbox_days));
        faults.extend(self.forgetful("reminders_days", self.reminders_days));
        if !(1..=86_400).contains(&self.cycle_seconds) {
            faults.push(format!("retention.cycle_seconds must be 1 to 86400, not {}", self.cycle_seconds));
        }
        faults
    }

    /// Why the inboxes could forget an event that still comes, or the reminders how far a task had come.
    ///
    /// A handler may have been done with it as soon as it was in the topic, and another one fail when it had waited there
    /// for as long as it is kept. The last replay to all is a window later, and waits in the topic for as long again.
    fn forgetful(&self, key: &str, days: u32) -> Option<String> {
        if days == 0 {
            return None;
        }
        let comes = [("topic_days", self.topic_days), ("replay_window_days", self.replay_window_days)];
        if let Some((other, _)) = comes.into_iter().find(|(_, days)| *days == 0) {
            return Some(format!("retention.{key} must be 0 (for ever), because retention.{other} is"));
        }
        let least = self.topic_days.saturating_mul(2).saturating_add(self.replay_window_days);
        (days < least).then(|| {
            format!(
                "retention.{key} must be 0 (for ever) or at least 2 * retention.topic_days + retention.replay_window_days, which is {least}, not {days}"
            )
        })
    }

    /// How long after its first failure a dead letter is replayed to all handlers of its topic. None for ever.
    pub fn replay_to_all(&self) -> Option<TimeDelta> {
        let days = self.replay_window_days;
        (days > 0).then(|| TimeDelta::days(days.into()))
    }

    fn days(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Inbox => self.inbox_days,
            Kind::IdempotencyKeys => self.idempotency_keys_days,
            Kind::Published => self.published_days,
            Kind::DeadLetters => self.dead_letters_days,
            Kind::Reminders => self.reminders_days,
            Kind::Deliveries => self.deliveries_days,
        }
    }
}

/// What is forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Inbox,
    IdempotencyKeys,
    Published,
    DeadLetters,
    Reminders,
    Deliveries,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Published => "published",
            Self::DeadLetters => "dead_letters",
            Self::Reminders => "reminders",
            Self::Deliveries => "deliveries",
        }
    }

    /// How many rows one statement deletes.
    const fn batch(self) -> u64 {
        match self {
            Self::Inbox | Self::IdempotencyKeys | Self::Published | Self::Reminders | Self::Deliveries => {
                BATCH
            }
            Self::DeadLetters => LETTERS_BATCH,
        }
    }

    /// What a target has that is forgotten.
    const fn of(schema: Schema) -> &'static [Self] {
        match schema {
            Schema::Tasks => &[Self::Inbox, Self::IdempotencyKeys, Self::Published],
            Schema::Recurrence | Schema::Audit => &[Self::Inbox],
            Schema::DeadLetters => &[Self::Inbox, Self::DeadLetters],
            Schema::Reminders => &[Self::Inbox, Self::IdempotencyKeys, Self::Reminders],
            Schema::Notification => &[Self::Inbox, Self::IdempotencyKeys, Self::Deliveries],
        }
    }

    /// Deletes what is older, at most so many rows, and answers how many there were.
    async fn purge(self, store: &Store, before: Instant, limit: u64) -> Result<u64, Error> {
        match self {
            Self::Inbox => store.purge_inbox(before, limit).await,
            Self::IdempotencyKeys => store.purge_idempotency_keys(before, limit).await,
            Self::Published => store.purge_published(before, limit).await,
            Self::DeadLetters => store.purge_dead_letters(before, limit).await,
            Self::Reminders => store.purge_reminders(before, limit).await,
            Self::Deliveries => store.purge_deliveries(before, limit).await,
        }
    }
}

/// Forgets, again and again.
///
/// Events that wait in an outbox are not among what it forgets, however old they are: they leave when they have arrived.
pub struct Purge {
    config: Config,
    clock: Arc<dyn Clock>,
    jitter: Jitter,
    work: Vec<(Kind, Store)>,
}

impl Purge {
    /// Of no target yet. `jitter` keeps replicas apart.
    pub fn new(config: Config, clock: Arc<dyn Clock>, jitter: Jitter) -> Self {
        Self { config, clock, jitter, work: Vec::new() }
    }

    /// Forgets what this target keeps, too. What several targets share is gone through once.
    pub fn target(mut self, schema: Schema, store: &Store) -> Self {
        for kind in Kind::of(schema) {
            if !self.work.iter().any(|(other, shared)| other == kind && shared.is_same(store)) {
                self.work.push((*kind, store.clone()));
            }
        }
        self
    }

    /// Runs until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let cycle = Duration::from_secs(self.config.cycle_seconds);
        let pause = || tokio::time::sleep(cycle.mul_f64(1.0 - (self.jitter)().clamp(0.0, 1.0) / 2.0));
        while stop.run_until_cancelled(pause()).await.is_some() {
            self.cycle(&stop).await;
        }
    }

    /// One cycle. What fails is told of and left to the next one.
    pub async fn cycle(&self, stop: &CancellationToken) {
        for (kind, store) in &self.work {
            let days = self.config.days(*kind);
            let age = TimeDelta::days(days.into());
            let Some(before) = self.clock.now().checked_sub_signed(age).filter(|_| days > 0) else {
                continue;
            };
            let kind_name = kind.name();
            match self.purge(*kind, store, before, stop).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(kind = kind_name, rows, "{rows} rows of {kind_name} forgotten"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        kind = kind_name,
                        error,
                        "what is old of {kind_name} could not be forgotten"
                    );
                }
            }
        }
    }

    async fn purge(
        &self,
        kind: Kind,
        store: &Store,
        before: Instant,
        stop: &CancellationToken,
    ) -> Result<u64, Error> {
        let mut rows = 0;
        for _ in 0..BATCHES {
            if stop.is_cancelled() {
                break;
            }
            let batch = kind.purge(store, before, kind.batch()).await?;
            rows += batch;
            if batch < kind.batch() {
                break;
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_forgotten_before_every_event_of_it_has_come() {
        assert_eq!(Config::default().faults(), [""; 0]);
        for key in ["inbox_days", "reminders_days"] {
            let faults = |days, topic_days, replay_window_days| {
                let all = Config {
                    inbox_days: 0,
                    reminders_days: 0,
                    topic_days,
                    replay_window_days,
                    ..Config::default()
                };
                match key {
                    "inbox_days" => Config { inbox_days: days, ..all }.faults(),
                    _ => Config { reminders_days: days, ..all }.faults(),
                }
            };
            for (days, topic, window) in
                [(28, 7, 14), (3, 1, 1), (0, 7, 14), (0, 0, 14), (0, 7, 0), (0, 0, 0)]
            {
                assert_eq!(faults(days, topic, window), [""; 0], "{key}: {days} {topic} {window}");
            }
            let short = |least: u32, days: u32| {
                format!(
                    "retention.{key} must be 0 (for ever) or at least 2 * retention.topic_days + retention.replay_window_days, which is {least}, not {days}"
                )
            };
            assert_eq!(faults(27, 7, 14), [short(28, 27)]);
            assert_eq!(faults(2, 1, 1), [short(3, 2)]);
            let ever =
                |other: &str| format!("retention.{key} must be 0 (for ever), because retention.{other} is");
            assert_eq!(faults(30, 0, 14), [ever("topic_days")]);
            assert_eq!(faults(36_500, 7, 0), [ever("replay_window_days")]);
        }
    }

    #[test]
    fn the_window_is_what_was_said() {
        let window = |days| Config { replay_window_days: days, ..Config::default() }.replay_to_all();
        assert_eq!(window(3), Some(TimeDelta::days(3)));
        assert_eq!(window(0), None);
    }
}
