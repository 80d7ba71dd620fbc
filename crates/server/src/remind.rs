//! `docket remind`: looks after one's own reminders and how one is told, as a client of the server; and after those that
//! were missed, as an operator.

mod args;
pub mod refill;
mod show;

use anyhow::bail;
use docket_proto::v1;
use docket_proto::v1::notification_service_client::NotificationServiceClient;
use docket_proto::v1::reminder_service_client::ReminderServiceClient;

pub use args::{Action, Changes, Name, PreferencesAction, Quiet, Refill, Remind, Until, Which};

use crate::args::Format;
use crate::client::{self, Connection, Refused, Server};
use crate::config::Config;
use crate::terminal::{look, note, say};

/// The most rows of one page.
const PAGE: u32 = 500;

/// `docket remind`. Answers whether all is well, for the command that looks.
pub async fn run(config: &Config, asked: Remind) -> anyhow::Result<bool> {
    let Remind { server, format, action } = asked;
    match action {
        Action::Refill(asked) => refill::run(config, &asked, format).await,
        action => ask(config, &server, format, action).await.map(|()| true),
    }
}

/// What is a client of the server.
async fn ask(config: &Config, server: &Server, format: Format, action: Action) -> anyhow::Result<()> {
    if let Action::Unsubscribe { link } = action {
        let channel = client::connect_as_nobody(config, server).await?;
        let request = v1::UnsubscribeRequest { token: link };
        let answer = NotificationServiceClient::new(channel).unsubscribe(request).await.map_err(Refused)?;
        let answer = answer.into_inner();
        return say(&look(format, || show::stopped(&answer), || show::stopped_json(&answer)));
    }
    let connection = client::connect(config, server, &[]).await?;
    let reminders = ReminderServiceClient::new(connection.clone());
    let notifications = NotificationServiceClient::new(connection);
    Desk { reminders, notifications, format }.act(action).await
}

struct Desk {
    reminders: ReminderServiceClient<Connection>,
    notifications: NotificationServiceClient<Connection>,
    format: Format,
}

impl Desk {
    async fn act(&mut self, action: Action) -> anyhow::Result<()> {
        match action {
            Action::List { states, which } => self.list(which.reminders(&states), which.limit).await,
            Action::Snooze { name, until } => {
                let (task_id, number) = (name.task.to_string(), name.number);
                let request = v1::SnoozeReminderRequest {
                    task_id,
                    number,
                    until: until.to_proto(),
                    ..Default::default()
                };
                let answer = self.reminders.snooze_reminder(request).await.map_err(Refused)?;
                self.reminder(&answer.into_inner())
            }
            Action::Dismiss { name } => {
                let (task_id, number) = (name.task.to_string(), name.number);
                let request = v1::DismissReminderRequest { task_id, number, ..Default::default() };
                let answer = self.reminders.dismiss_reminder(request).await.map_err(Refused)?;
                self.reminder(&answer.into_inner())
            }
            Action::Preferences { action } => {
                let answer = match action.unwrap_or(PreferencesAction::Show) {
                    PreferencesAction::Show => {
                        self.notifications.get_preferences(v1::GetPreferencesRequest {}).await
                    }
                    PreferencesAction::Set(changes) => {
                        self.notifications.update_preferences(changes.to_proto()).await
                    }
                };
                let preferences = answer.map_err(Refused)?.into_inner();
                let text = || show::preferences(&preferences);
                say(&look(self.format, text, || show::preferences_json(&preferences)))
            }
            Action::Deliveries { states, which } => {
                self.deliveries(which.deliveries(&states), which.limit).await
            }
            Action::Test { channel } => self.test(channel).await,
            // Done before there was a token.
            Action::Unsubscribe { .. } | Action::Refill(_) => Ok(()),
        }
    }

    fn reminder(&self, reminder: &v1::TaskReminder) -> anyhow::Result<()> {
        say(&look(self.format, || show::reminder_after(reminder), || show::reminder_json(reminder)))
    }

    async fn list(&mut self, mut request: v1::ListRemindersRequest, limit: u32) -> anyhow::Result<()> {
        let mut listed = Listed::new(show::REMINDERS, limit, self.format);
        loop {
            request.page_size = listed.page_size();
            let page = self.reminders.list_reminders(request.clone()).await.map_err(Refused)?.into_inner();
            let row = |one| look(self.format, || show::reminder(one), || show::reminder_json(one));
            if !listed.page(page.reminders.iter().map(row), &page.next_page_token)? {
                return Ok(());
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn deliveries(&mut self, mut request: v1::ListDeliveriesRequest, limit: u32) -> anyhow::Result<()> {
        let mut listed = Listed::new(show::DELIVERIES, limit, self.format);
        loop {
            request.page_size = listed.page_size();
            let page = self.notifications.list_deliveries(request.clone()).await;
            let page = page.map_err(Refused)?.into_inner();
            let row = |one| look(self.format, || show::delivery(one), || show::delivery_json(one));
            if !listed.page(page.deliveries.iter().map(row), &page.next_page_token)? {
                return Ok(());
            }
            request.page_token = page.next_page_token;
        }
    }

    async fn test(&mut self, channel: v1::reminder::Channel) -> anyhow::Result<()> {
        let request = v1::SendTestNotificationRequest { channel: channel.into(), ..Default::default() };
        let answer = self.notifications.send_test_notification(request).await.map_err(Refused)?;
        let delivery = answer.into_inner();
        say(&look(self.format, || show::tested(&delivery), || show::delivery_json(&delivery)))?;
        match delivery.state() {
            v1::delivery::State::Sent => Ok(()),
            _ => bail!("the test was not sent"),
        }
    }
}

/// A list on the way to the terminal.
struct Listed {
    head: Option<&'static str>,
    limit: u32,
    left: u32,
}

impl Listed {
    /// With names over the columns, when people read it.
    fn new(head: &'static str, limit: u32, format: Format) -> Self {
        Self { head: (format == Format::Text).then_some(head), limit, left: limit }
    }

    fn page_size(&self) -> i32 {
        self.left.min(PAGE).cast_signed()
    }

    /// Tells a page, and whether the next one is wanted.
    fn page(&mut self, rows: impl Iterator<Item = String>, next: &str) -> anyhow::Result<bool> {
        for row in rows {
            if let Some(head) = self.head.take() {
                say(head)?;
            }
            say(&row)?;
            self.left = self.left.saturating_sub(1);
        }
        let more = !next.is_empty();
        if more && self.left == 0 {
            note(&format!("there are more than {}; --limit lists more", self.limit))?;
        }
        Ok(more && self.left > 0)
    }
}
