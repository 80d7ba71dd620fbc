//! What a user sees of reminders and messages.

use docket_proto::v1;
use pbjson_types::FieldMask;

use super::User;
use crate::{PATIENCE, wait_for};

impl User {
    /// Every reminder of the user's, whatever became of it, in the order of the API.
    pub async fn reminders(&self) -> Vec<v1::TaskReminder> {
        let mut all = Vec::new();
        let mut request = v1::ListRemindersRequest { page_size: 500, ..v1::ListRemindersRequest::default() };
        loop {
            let page = self.reminder_service().list_reminders(request.clone()).await;
            let page = page.unwrap_or_else(|status| panic!("ListReminders: {status}")).into_inner();
            all.extend(page.reminders);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// The reminders of a task, by their numbers.
    pub async fn reminders_of(&self, task: &v1::Task) -> Vec<v1::TaskReminder> {
        let mut reminders = self.reminders().await;
        reminders.retain(|reminder| reminder.task_id == task.task_id);
        reminders.sort_by_key(|reminder| reminder.number);
        reminders
    }

    /// Every message to the user, sent or not, in the order of the API.
    pub async fn deliveries(&self) -> Vec<v1::Delivery> {
        let mut all = Vec::new();
        let mut request =
            v1::ListDeliveriesRequest { page_size: 500, ..v1::ListDeliveriesRequest::default() };
        loop {
            let page = self.notification_service().list_deliveries(request.clone()).await;
            let page = page.unwrap_or_else(|status| panic!("ListDeliveries: {status}")).into_inner();
            all.extend(page.deliveries);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// The messages about a task.
    pub async fn deliveries_of(&self, task: &v1::Task) -> Vec<v1::Delivery> {
        let mut deliveries = self.deliveries().await;
        deliveries.retain(|delivery| delivery.task_id == task.task_id);
        deliveries
    }

    /// Waits until at least so many messages about a task have an outcome, and gives all of them.
    pub async fn delivered_of(&self, task: &v1::Task, count: usize) -> Vec<v1::Delivery> {
        wait_for(&format!("{count} messages about {:?}", task.title), PATIENCE, async || {
            let deliveries = self.deliveries_of(task).await;
            let over = deliveries.iter().filter(|delivery| delivery.finish_time.is_some()).count();
            let seen = || deliveries.iter().map(|one| (one.channel(), one.state())).collect::<Vec<_>>();
            if over >= count { Ok(()) } else { Err(format!("{:?}", seen())) }
        })
        .await;
        self.deliveries_of(task).await
    }

    /// The user's preferences.
    pub async fn preferences(&self) -> v1::Preferences {
        let preferences = self.notification_service().get_preferences(v1::GetPreferencesRequest {}).await;
        preferences.unwrap_or_else(|status| panic!("GetPreferences: {status}")).into_inner()
    }

    /// Sets these fields of the user's preferences.
    pub async fn prefer(&self, preferences: v1::Preferences, fields: &[&str]) -> v1::Preferences {
        let paths = fields.iter().map(|&field| field.to_owned()).collect();
        let request = v1::UpdatePreferencesRequest {
            preferences: Some(preferences),
            update_mask: Some(FieldMask { paths }),
            ..Default::default()
        };
        let updated = self.notification_service().update_preferences(request).await;
        updated.unwrap_or_else(|status| panic!("UpdatePreferences: {status}")).into_inner()
    }
}
