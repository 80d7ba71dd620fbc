//! Somebody who is to be reminded, and what tests ask on their behalf.

use std::time::Duration;

use docket_domain::{Instant, TimeDelta};
use docket_proto::v1;
use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::reminder::{Channel, Moment};
use docket_proto::v1::snooze_reminder_request::Until;
use docket_proto::v1::task::Due;
use docket_proto::v1::task_reminder::State;
use docket_testkit::{Fleet, Hooks, PATIENCE, Stack, User, once, wait_for};
use tonic::{Response, Status};
use uuid::Uuid;

use crate::now;

/// The most rows that a list answers.
const PAGE: i32 = 500;

/// Somebody with a mailbox of their own.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) user: User,
    pub(crate) name: String,
    pub(crate) email: String,
    /// The ways that they prefer.
    pub(crate) channels: Vec<Channel>,
}

/// A task that is due at this moment, with reminders so many seconds before.
pub(crate) fn due_at(title: &str, due: Instant, before: &[u64]) -> v1::Task {
    let offset = |seconds: &u64| pbjson_types::Duration::from(Duration::from_secs(*seconds));
    let reminders = before.iter().map(|seconds| reminder(Moment::Offset(offset(seconds)), &[]));
    v1::Task { due: Some(Due::DueTime(due.into())), reminders: reminders.collect(), ..once(title) }
}

/// A task with reminders at these moments.
pub(crate) fn reminded_at(title: &str, moments: &[Instant]) -> v1::Task {
    let reminders = moments.iter().map(|moment| reminder(Moment::RemindTime((*moment).into()), &[]));
    v1::Task { reminders: reminders.collect(), ..once(title) }
}

/// A reminder on these ways; on those that the owner prefers when there are none.
pub(crate) fn reminder(moment: Moment, channels: &[Channel]) -> v1::Reminder {
    let channels = channels.iter().map(|channel| (*channel).into()).collect();
    v1::Reminder { moment: Some(moment), channels }
}

/// So many milliseconds from now.
pub(crate) fn ahead(millis: i64) -> Instant {
    now() + TimeDelta::milliseconds(millis)
}

pub(crate) fn instant(time: Option<pbjson_types::Timestamp>) -> Instant {
    time.unwrap().try_into().unwrap()
}

impl Person {
    /// A user of a stack that has mail.
    pub(crate) async fn of(stack: &Stack, name: &str) -> Self {
        Self::settled(name, |name| stack.user(name)).await
    }

    /// A user of a fleet that has mail.
    pub(crate) async fn across(fleet: &Fleet, name: &str) -> Self {
        Self::settled(name, |name| fleet.user(name).remove(0)).await
    }

    /// The same one, whom a stack serves from now on.
    pub(crate) fn moved_to(&self, stack: &Stack) -> Self {
        Self { user: stack.user(&self.name), ..self.clone() }
    }

    /// The same one, whom a fleet serves from now on.
    pub(crate) fn moved_across(&self, fleet: &Fleet) -> Self {
        Self { user: fleet.user(&self.name).remove(0), ..self.clone() }
    }

    async fn settled(name: &str, user: impl FnOnce(&str) -> User) -> Self {
        let name = format!("{name}-{}", Uuid::new_v4().simple());
        let channels = vec![Channel::Email];
        let person = Self { user: user(&name), email: format!("{name}@example.com"), name, channels };
        let preferences = v1::Preferences { email: person.email.clone(), ..Default::default() };
        person.prefer(preferences).await.unwrap();
        person
    }

    /// The same one, who wants signed requests besides mails.
    pub(crate) async fn with_webhook(self, hooks: &Hooks) -> Self {
        let channels = vec![Channel::Email, Channel::Webhook];
        let webhook_url = format!("{}{}", hooks.url(), self.webhook());
        let wish = channels.iter().map(|channel| (*channel).into()).collect();
        self.prefer(v1::Preferences { webhook_url, channels: wish, ..Default::default() }).await.unwrap();
        Self { channels, ..self }
    }

    /// The path of their webhook.
    pub(crate) fn webhook(&self) -> String {
        format!("/of/{}", self.name)
    }

    /// Changes the preferences that are set.
    pub(crate) async fn prefer(&self, preferences: v1::Preferences) -> Result<v1::Preferences, Status> {
        let request = v1::UpdatePreferencesRequest { preferences: Some(preferences), ..Default::default() };
        self.user.notification_service().update_preferences(request).await.map(Response::into_inner)
    }

    /// The reminders of one task, or of all.
    pub(crate) async fn reminders(&self, task: Option<&v1::Task>) -> Result<Vec<v1::TaskReminder>, Status> {
        let task_id = task.map(|task| task.task_id.clone()).unwrap_or_default();
        let request = v1::ListRemindersRequest { task_id, page_size: PAGE, ..Default::default() };
        let page = self.user.reminder_service().list_reminders(request).await?.into_inner();
        assert_eq!(page.next_page_token, "", "more than {PAGE}");
        Ok(page.reminders)
    }

    /// What the ledger has of one task, or of all, the oldest first.
    pub(crate) async fn ledger(&self, task: Option<&v1::Task>) -> Result<Vec<v1::Delivery>, Status> {
        let task_id = task.map(|task| task.task_id.clone()).unwrap_or_default();
        let request = v1::ListDeliveriesRequest { task_id, page_size: PAGE, ..Default::default() };
        let mut page = self.user.notification_service().list_deliveries(request).await?.into_inner();
        assert_eq!(page.next_page_token, "", "more than {PAGE}");
        page.deliveries.sort_by_key(|row| (instant(row.create_time), row.channel));
        Ok(page.deliveries)
    }

    /// Sends a test.
    pub(crate) async fn send_test(&self, channel: Channel) -> Result<v1::Delivery, Status> {
        let request = v1::SendTestNotificationRequest { channel: channel.into(), ..Default::default() };
        self.user.notification_service().send_test_notification(request).await.map(Response::into_inner)
    }

    /// Puts a reminder off until this moment.
    pub(crate) async fn snooze(
        &self,
        task: &v1::Task,
        number: i32,
        moment: Instant,
    ) -> Result<v1::TaskReminder, Status> {
        let until = Some(Until::RemindTime(moment.into()));
        let task_id = task.task_id.clone();
        let request = v1::SnoozeReminderRequest { task_id, number, until, ..Default::default() };
        self.user.reminder_service().snooze_reminder(request).await.map(Response::into_inner)
    }

    /// Does away with a reminder.
    pub(crate) async fn dismiss(&self, task: &v1::Task, number: i32) -> Result<v1::TaskReminder, Status> {
        let task_id = task.task_id.clone();
        let request = v1::DismissReminderRequest { task_id, number, ..Default::default() };
        self.user.reminder_service().dismiss_reminder(request).await.map(Response::into_inner)
    }

    /// Waits until the reminders of a task stand like this, in the order of their numbers.
    pub(crate) async fn expect_reminders(&self, task: &v1::Task, expect: &[State]) -> Vec<v1::TaskReminder> {
        let what = format!("{expect:?} of the reminders of {:?}", task.title);
        wait_for(&what, PATIENCE, async || {
            let mut reminders = self.reminders(Some(task)).await.map_err(|status| status.to_string())?;
            reminders.sort_by_key(|reminder| reminder.number);
            let states: Vec<State> = reminders.iter().map(v1::TaskReminder::state).collect();
            if states == expect { Ok(reminders) } else { Err(format!("{states:?}")) }
        })
        .await
    }

    /// Waits until the ledger has these rows of a task and no others, the oldest first.
    pub(crate) async fn expect_ledger(
        &self,
        task: &v1::Task,
        expect: &[(Channel, Sent)],
    ) -> Vec<v1::Delivery> {
        let what = format!("{expect:?} in the ledger of {:?}", task.title);
        wait_for(&what, PATIENCE, async || {
            let rows = self.ledger(Some(task)).await.map_err(|status| status.to_string())?;
            let seen: Vec<(Channel, Sent)> = rows.iter().map(|row| (row.channel(), row.state())).collect();
            if seen == expect { Ok(rows) } else { Err(format!("{rows:?}")) }
        })
        .await
    }

    /// How often the audit log tells each thing of a task's reminders; types without `com.todo.reminder.`.
    pub(crate) async fn told(&self, task: &v1::Task) -> Vec<String> {
        let mut log = self.user.audit_log().await;
        log.retain(|entry| entry.task_id == task.task_id);
        let told = log.iter().filter_map(|entry| entry.event_type.strip_prefix("com.todo.reminder."));
        told.map(str::to_owned).collect()
    }

    /// Waits until the audit log tells this of a task's reminders.
    pub(crate) async fn expect_told(&self, task: &v1::Task, expect: &[&str]) {
        wait_for(&format!("{expect:?} in the audit log of {:?}", task.title), PATIENCE, async || {
            let told = self.told(task).await;
            if told == expect { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }
}

/// Whether a row of the ledger has come to its end.
pub(crate) fn is_final(row: &v1::Delivery) -> bool {
    !matches!(row.state(), Sent::Unspecified | Sent::Pending | Sent::Sending)
}
