//! Somebody who is reminded by mail, whichever release serves at the moment.

use docket_domain::Instant;
use docket_proto::v1;
use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::reminder::{Channel, Moment};
use docket_proto::v1::task_reminder::State;
use docket_testkit::{Fleet, PATIENCE, User, once, wait_for};

use crate::site::Site;

pub(crate) struct Person {
    name: &'static str,
    email: String,
}

impl Person {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, email: format!("{name}@example.com") }
    }

    /// The API as this one.
    pub(crate) fn at(&self, fleet: &Fleet) -> User {
        fleet.user(self.name).remove(0)
    }

    /// Says where mails go to. The last release has nobody to tell.
    pub(crate) async fn prefer_mail(&self, fleet: &Fleet) {
        let preferences = v1::Preferences { email: self.email.clone(), ..Default::default() };
        self.at(fleet).prefer(preferences, &["email"]).await;
    }

    /// Tasks that this one is to be reminded of at a moment.
    pub(crate) async fn create(
        &self,
        fleet: &Fleet,
        title: &str,
        count: usize,
        moment: Instant,
    ) -> Vec<v1::Task> {
        let reminder = v1::Reminder { moment: Some(Moment::RemindTime(moment.into())), channels: Vec::new() };
        let task =
            |number| v1::Task { reminders: vec![reminder.clone()], ..once(&format!("{title} {number:02}")) };
        self.at(fleet).create_all((0..count).map(task)).await
    }

    /// Waits until the one reminder of each task stands like this.
    pub(crate) async fn expect_state(&self, fleet: &Fleet, tasks: &[v1::Task], expect: State) {
        let user = self.at(fleet);
        for task in tasks {
            wait_for(&format!("{expect:?} of the reminder of {:?}", task.title), PATIENCE, async || {
                let reminders = user.reminders_of(task).await;
                let states: Vec<State> = reminders.iter().map(v1::TaskReminder::state).collect();
                if states == [expect] { Ok(()) } else { Err(format!("{states:?}")) }
            })
            .await;
        }
    }

    /// Waits until the reminder of each task was sent, and checks that it was once: one row of the ledger, one mail.
    pub(crate) async fn expect_sent_once(&self, site: &Site, tasks: &[v1::Task]) {
        self.expect_state(&site.fleet, tasks, State::Sent).await;
        let user = self.at(&site.fleet);
        let mails = site.mail.messages_of(&self.email).await;
        for task in tasks {
            let rows = user.deliveries_of(task).await;
            let [row] = rows.as_slice() else { panic!("one row, not {rows:?}") };
            assert_eq!((row.channel(), row.state()), (Channel::Email, Sent::Sent), "{row:?}");
            let count = mails.iter().filter(|mail| mail.subject.contains(&task.title)).count();
            assert_eq!(count, 1, "mails about {:?}: {mails:?}", task.title);
        }
    }

    /// Checks that nothing was ever sent of these tasks.
    pub(crate) async fn expect_not_sent(&self, site: &Site, tasks: &[v1::Task]) {
        let user = self.at(&site.fleet);
        let mails = site.mail.messages_of(&self.email).await;
        for task in tasks {
            let rows = user.deliveries_of(task).await;
            assert!(rows.iter().all(|row| row.state() == Sent::Cancelled), "{rows:?}");
            assert!(!mails.iter().any(|mail| mail.subject.contains(&task.title)), "{mails:?}");
        }
    }

    /// Checks that the audit log tells of each of these tasks once that a reminder was sent, and of no others.
    pub(crate) async fn expect_told_once(&self, fleet: &Fleet, tasks: &[v1::Task]) {
        let log = self.at(fleet).audit_log().await;
        let sent = log.iter().filter(|entry| entry.event_type == "com.todo.reminder.sent");
        let mut told: Vec<&str> = sent.map(|entry| entry.task_id.as_str()).collect();
        let mut expect: Vec<&str> = tasks.iter().map(|task| task.task_id.as_str()).collect();
        told.sort_unstable();
        expect.sort_unstable();
        assert_eq!(told, expect);
    }
}
