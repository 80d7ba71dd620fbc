//! Which app may call which service of which other one, as the certificates of their sidecars name them.

use docket_proto::v1;
use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_proto::v1::dead_letter_service_client::DeadLetterServiceClient;
use docket_proto::v1::notification_service_client::NotificationServiceClient;
use docket_proto::v1::reminder_service_client::ReminderServiceClient;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_testkit::once;
use tonic::Status;

use super::expect_denied;
use crate::sidecar::Sidecar;
use crate::site::{somebody, token};
use crate::stranger::Stranger;

/// Calls of other apps through one sidecar, as one user.
struct Calls<'a> {
    sidecar: &'a Sidecar,
    bearer: &'a str,
}

impl Calls<'_> {
    async fn list_tasks(&self) -> Result<(), Status> {
        let (channel, request) =
            self.sidecar.calls("docket-tasks", self.bearer, v1::ListTasksRequest::default());
        TaskServiceClient::new(channel).list_tasks(request).await.map(drop)
    }

    async fn create_task(&self, title: &str) -> Result<(), Status> {
        let body = v1::CreateTaskRequest { task: Some(once(title)), ..Default::default() };
        let (channel, request) = self.sidecar.calls("docket-tasks", self.bearer, body);
        TaskServiceClient::new(channel).create_task(request).await.map(drop)
    }

    async fn list_audit_entries(&self) -> Result<(), Status> {
        let body = v1::ListAuditEntriesRequest::default();
        let (channel, request) = self.sidecar.calls("docket-audit", self.bearer, body);
        AuditServiceClient::new(channel).list_audit_entries(request).await.map(drop)
    }

    async fn list_reminders(&self) -> Result<(), Status> {
        let body = v1::ListRemindersRequest::default();
        let (channel, request) = self.sidecar.calls("docket-reminders", self.bearer, body);
        ReminderServiceClient::new(channel).list_reminders(request).await.map(drop)
    }

    async fn get_preferences(&self) -> Result<(), Status> {
        let body = v1::GetPreferencesRequest::default();
        let (channel, request) = self.sidecar.calls("docket-notification", self.bearer, body);
        NotificationServiceClient::new(channel).get_preferences(request).await.map(drop)
    }

    async fn list_dead_letters(&self) -> Result<(), Status> {
        let body = v1::ListDeadLettersRequest::default();
        let (channel, request) = self.sidecar.calls("docket-deadletters", self.bearer, body);
        DeadLetterServiceClient::new(channel).list_dead_letters(request).await.map(drop)
    }
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn pod_with_a_foreign_app_id_calls_no_target() {
    let bearer = token(&somebody("caller")).await;
    let stranger = Stranger::start().await;
    let calls = Calls { sidecar: &stranger.sidecar, bearer: &bearer };
    expect_denied("ListTasks", &calls.list_tasks().await.unwrap_err());
    expect_denied("CreateTask", &calls.create_task("Nobody's").await.unwrap_err());
    expect_denied("ListAuditEntries", &calls.list_audit_entries().await.unwrap_err());
    expect_denied("ListReminders", &calls.list_reminders().await.unwrap_err());
    expect_denied("GetPreferences", &calls.get_preferences().await.unwrap_err());
    expect_denied("ListDeadLetters", &calls.list_dead_letters().await.unwrap_err());

    // Of one that may, by the same way and with the same token.
    let notification = Sidecar::of_docket("notification").await;
    Calls { sidecar: &notification, bearer: &bearer }.list_tasks().await.unwrap();
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn targets_call_what_they_need_and_no_more() {
    let bearer = token(&somebody("caller")).await;
    let recurrence = Sidecar::of_docket("recurrence").await;
    let recurrence = Calls { sidecar: &recurrence, bearer: &bearer };
    recurrence.create_task("Of recurrence").await.unwrap();
    expect_denied("ListDeadLetters by recurrence", &recurrence.list_dead_letters().await.unwrap_err());
    expect_denied("ListAuditEntries by recurrence", &recurrence.list_audit_entries().await.unwrap_err());
    expect_denied("ListTasks by recurrence", &recurrence.list_tasks().await.unwrap_err());

    let notification = Sidecar::of_docket("notification").await;
    let notification = Calls { sidecar: &notification, bearer: &bearer };
    notification.list_tasks().await.unwrap();
    expect_denied("CreateTask by notification", &notification.create_task("Its own").await.unwrap_err());
    expect_denied("ListReminders by notification", &notification.list_reminders().await.unwrap_err());

    let audit = Sidecar::of_docket("audit").await;
    let audit = Calls { sidecar: &audit, bearer: &bearer };
    expect_denied("ListTasks by audit", &audit.list_tasks().await.unwrap_err());
}
