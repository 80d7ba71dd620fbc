//! Many reminders around a moment at which something fails, and what must have become of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use docket_domain::{Instant, TimeDelta};
use docket_proto::v1;
use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::task_reminder::State;
use docket_testkit::{Hooks, Mail, wait_for};
use serde_json::Value;

use crate::lateness::Lateness;
use crate::person::{Person, is_final, reminded_at};

/// Tasks with one reminder each, at even distances.
pub(crate) struct Batch {
    person: Person,
    tasks: Vec<v1::Task>,
}

/// Where messages come to.
#[derive(Clone, Copy)]
pub(crate) struct Receivers<'a> {
    mail: &'a Mail,
    hooks: Option<&'a Hooks>,
}

impl<'a> From<&'a Mail> for Receivers<'a> {
    fn from(mail: &'a Mail) -> Self {
        Self { mail, hooks: None }
    }
}

impl<'a> Receivers<'a> {
    /// Both of them.
    pub(crate) fn new(mail: &'a Mail, hooks: &'a Hooks) -> Self {
        Self { mail, hooks: Some(hooks) }
    }
}

/// How often a message may have come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Often {
    /// Once, whatever happened.
    Once,
    /// Once, unless nobody could know whether one had gone out: then it was tried again, as the policy says, and its row
    /// counts the attempts.
    OncePerAttempt,
}

impl Batch {
    /// Tasks of a person of which the first reminder is at `first`, and the last one so much later.
    pub(crate) async fn create(person: &Person, count: usize, first: Instant, spread: Duration) -> Self {
        let step = TimeDelta::from_std(spread).unwrap() / i32::try_from(count).unwrap();
        let tasks = (0..count)
            .map(|n| reminded_at(&format!("Task {n:03}"), &[first + step * i32::try_from(n).unwrap()]));
        Self { tasks: person.user.create_all(tasks).await, person: person.clone() }
    }

    /// The same, whose owner is served by others now.
    pub(crate) fn seen_by(self, person: Person) -> Self {
        Self { person, ..self }
    }

    /// Waits until so many of its reminders are SENT, or on their way.
    pub(crate) async fn given(&self, count: usize, limit: Duration) {
        wait_for(&format!("{count} reminders that were given"), limit, async || {
            let reminders = self.person.reminders(None).await.map_err(|status| status.to_string())?;
            let given =
                reminders.iter().filter(|one| matches!(one.state(), State::Fired | State::Sent)).count();
            if given >= count { Ok(()) } else { Err(format!("{given} are")) }
        })
        .await;
    }

    /// Waits until every reminder is SENT, with one row of the ledger for each channel and what has come by each, and the
    /// audit log tells it once.
    pub(crate) async fn expect_sent_once(
        &self,
        what: &str,
        to: impl Into<Receivers<'_>>,
        often: Often,
        limit: Duration,
    ) {
        let rows = self.ended(what, limit).await;
        let mut known: BTreeMap<(&str, Channel), &v1::Delivery> = BTreeMap::new();
        for row in &rows {
            assert_eq!(row.state(), Sent::Sent, "{what}: {row:?}");
            let twice = known.insert((&row.task_id, row.channel()), row);
            assert!(
                twice.is_none(),
                "{what}: one effect for each channel, but there are {row:?} and {twice:?}"
            );
        }
        let asked = |task| self.person.channels.iter().map(move |channel| (task, *channel));
        let wanted: BTreeSet<_> = self.tasks.iter().flat_map(|task| asked(task.task_id.as_str())).collect();
        assert!(known.keys().eq(&wanted), "{what}: a row for every task and channel, not {known:?}");
        let came = self.came(what, to.into()).await;
        assert!(came.keys().map(|(task, channel)| (task.as_str(), *channel)).eq(wanted), "{what}: {came:?}");
        for ((task, channel), count) in came {
            let attempts = known[&(task.as_str(), channel)].attempts;
            let most = if often == Often::Once { 1 } else { attempts };
            assert!(count <= most, "{what}: {count} messages in {attempts} attempts: {task}");
            if count > 1 {
                eprintln!("{what}: {count} messages in {attempts} attempts, since nobody could know");
            }
        }
        for task in &self.tasks {
            self.person.expect_told(task, &["sent"]).await;
        }
        let reminders = self.person.reminders(None).await.unwrap();
        eprintln!(
            "{what}: fired {}; sent {}",
            Lateness::of_firings(&reminders),
            Lateness::of_messages(&rows)
        );
    }

    /// How often a message has come to each task's owner by each channel.
    async fn came(&self, what: &str, to: Receivers<'_>) -> BTreeMap<(String, Channel), i32> {
        let mut came = BTreeMap::new();
        for mail in to.mail.messages_of(&self.person.email).await {
            assert_eq!(mail.to, [self.person.email.as_str()], "{what}: {mail:?}");
            let task = self.tasks.iter().find(|task| mail.subject.contains(&task.title));
            let task = task.unwrap_or_else(|| panic!("{what}: nobody asked for {mail:?}"));
            *came.entry((task.task_id.clone(), Channel::Email)).or_default() += 1;
        }
        let requests = to.hooks.map(|hooks| hooks.calls_of(&self.person.webhook())).unwrap_or_default();
        for request in requests {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let task = body["data"]["task_id"].as_str().unwrap().to_owned();
            *came.entry((task, Channel::Webhook)).or_default() += 1;
        }
        came
    }

    /// Waits until every reminder is SENT, and gives the person's ledger.
    async fn ended(&self, what: &str, limit: Duration) -> Vec<v1::Delivery> {
        wait_for(&format!("{what}: every reminder is sent"), limit, async || {
            let failed = |status: tonic::Status| status.to_string();
            let reminders = self.person.reminders(None).await.map_err(failed)?;
            let mut states: BTreeMap<String, usize> = BTreeMap::new();
            for reminder in &reminders {
                *states.entry(format!("{:?}", reminder.state())).or_default() += 1;
            }
            let rows = self.person.ledger(None).await.map_err(failed)?;
            let open: Vec<&v1::Delivery> = rows.iter().filter(|row| !is_final(row)).collect();
            let sent = reminders.iter().filter(|reminder| reminder.state() == State::Sent).count();
            if sent == self.tasks.len() && open.is_empty() {
                return Ok(rows);
            }
            Err(format!(
                "{states:?}, {} rows, of which the first that is open is {:?}",
                rows.len(),
                open.first()
            ))
        })
        .await
    }
}
