//! How far the handlers of this process are behind on Kafka, by what their consumer group has committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use docket_kafka::Client;
use docket_outbox::dead_letter_topic;
use docket_telemetry::KeyValue;
use docket_telemetry::instruments::Meter;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::target::Target;
use crate::topics;

/// Looks at the broker from time to time.
pub(crate) struct Lag {
    config: topics::Config,
    /// What this process handles.
    topics: Vec<Topic>,
    /// Knows its app id, which the names of groups have.
    sidecar: docket_sidecar::Client,
    seen: Seen,
}

/// A topic, and who reads it.
#[derive(Debug, Eq, PartialEq)]
struct Topic {
    name: String,
    /// With a place for the app id.
    group: String,
}

/// How many records a group has not committed.
struct Behind {
    group: String,
    topic: String,
    /// By partition.
    lags: BTreeMap<i32, i64>,
}

/// What the last look has found; empty when it has failed.
type Seen = Arc<Mutex<Vec<Behind>>>;

impl Lag {
    /// None where there is nothing to look at: no broker is named, or nothing is handled, or it is not wanted.
    pub(crate) fn new(config: &Config, sidecar: &docket_sidecar::Client, meter: &Meter) -> Option<Self> {
        let topics = handled(config);
        let kafka = config.kafka.clone();
        let wanted = config.dapr.enabled && !kafka.brokers.is_empty() && kafka.lag_seconds > 0;
        if !wanted || topics.is_empty() {
            return None;
        }
        let seen = Seen::default();
        let told = seen.clone();
        meter
            .i64_observable_gauge("docket.consumer.lag")
            .with_unit("{message}")
            .with_description("Records that a group has not committed")
            .with_callback(move |observer| {
                let seen = told.lock().unwrap_or_else(PoisonError::into_inner);
                for Behind { group, topic, lags } in seen.iter() {
                    for (partition, lag) in lags {
                        observer.observe(*lag, &labels(group, topic, *partition));
                    }
                }
            })
            .build();
        Some(Self { config: kafka, topics, sidecar: sidecar.clone(), seen })
    }

    /// Looks until it is told to stop. What fails hurts nobody, and is told at ever longer distances.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let (mut client, mut failures) = (None, 0_u32);
        loop {
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = self.look(&mut client) => looked,
            };
            match &looked {
                Ok(_) => failures = 0,
                Err(error) => {
                    client = None;
                    failures = failures.saturating_add(1);
                    if failures.is_power_of_two() {
                        let error = format!("{error:#}");
                        tracing::warn!(error, failures, "nobody knows how far behind the handlers are");
                    }
                }
            }
            // An old figure would look like a good one.
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = looked.unwrap_or_default();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(self.config.lag_seconds)) => {}
            }
        }
    }

    async fn look(&self, client: &mut Option<Client>) -> anyhow::Result<Vec<Behind>> {
        let app_id = self.sidecar.app_id().await.context("the sidecar does not say its app id")?;
        let client = match client {
            Some(client) => client,
            None => client.insert(Client::connect(&topics::access(&self.config)?).await?),
        };
        let mut all = Vec::new();
        for Topic { name, group } in &self.topics {
            let group = group.replace(topics::APP_ID, &app_id);
            let lags = client.lag(&group, name).await?;
            all.push(Behind { group, topic: name.clone(), lags });
        }
        Ok(all)
    }
}

/// The topics that have a handler in this process.
fn handled(config: &Config) -> Vec<Topic> {
    let runs = |targets: &[Target]| targets.iter().any(|target| config.runs(*target));
    let (events, due, groups) = (&config.tasks.topic, &config.reminders.topic, &config.kafka.groups);
    let (letters, letters_run) = (&groups.dead_letters, runs(&[Target::DeadLetters]));
    let topics = [
        (events.clone(), &groups.events, runs(&[Target::Audit, Target::Recurrence, Target::Reminders])),
        (due.clone(), &groups.reminders, runs(&[Target::Notification])),
        (dead_letter_topic(events), letters, letters_run),
        (dead_letter_topic(due), letters, letters_run),
    ];
    let handled = topics.into_iter().filter(|(_, _, handled)| *handled);
    handled.map(|(name, group, _)| Topic { name, group: group.clone() }).collect()
}

fn labels(group: &str, topic: &str, partition: i32) -> [KeyValue; 3] {
    [
        KeyValue::new("messaging.consumer.group.name", group.to_owned()),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
        KeyValue::new("messaging.destination.partition.id", partition.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_handled_here_is_looked_at() {
        let check = |targets: &[Target], expect: &[&str]| {
            let config = Config { targets: targets.to_vec(), ..Config::default() };
            let handled: Vec<(String, String)> = handled(&config)
                .into_iter()
                .map(|Topic { name, group }| (name, group.replace("{appID}", "app")))
                .collect();
            let expect = expect.iter().map(|name| {
                let end = if name.ends_with("-dlq") {
                    "-dead-letters"
                } else if *name == "reminders" {
                    "-reminders"
                } else {
                    ""
                };
                ((*name).to_owned(), format!("app{end}"))
            });
            assert_eq!(handled, expect.collect::<Vec<_>>(), "{targets:?}");
        };
        check(&[], &["task-events", "reminders", "task-events-dlq", "reminders-dlq"]);
        check(&[Target::Tasks], &[]);
        check(&[Target::Tasks, Target::Recurrence], &["task-events"]);
        check(&[Target::Notification], &["reminders"]);
        check(&[Target::DeadLetters], &["task-events-dlq", "reminders-dlq"]);
    }
}
