//! A call for each method of the contract at least, and what it protects.

use std::fmt::Debug;
use std::pin::Pin;

use docket_proto::v1;
use docket_proto::v1::create_task_request::OccurrenceOf;
use docket_proto::v1::preview_occurrences_request::Source;
use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{once, repeating};
use tonic::{Response, Status};

use crate::harness::{Caller, uuid};

/// What a method protects, and what the argument of its row is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protects {
    /// A task that the request names: the argument.
    Task,
    /// The id of a task that the request chooses: the argument.
    Id,
    /// The caller's own things, page by page: the argument is a page token.
    Page,
    /// A reminder of a task that the request names: the argument.
    Reminder,
    /// Those of the caller's own things that have to do with a task: the argument.
    OfTask,
    /// The caller's own settings, of which there are one for each. No argument.
    Own,
    /// What needs no token, because the request has one of its own. No argument.
    Open,
    /// What could not be handled, from all but those with the scope for it. The argument is a letter.
    Letter,
    /// All users' things, from those who are no service. The argument is a completed task of the caller's.
    Service,
}

/// What a call came to, and where it goes on.
pub(super) type Said = Result<(String, String), Status>;

/// A call as somebody, with the argument of its row.
pub(super) type Ask = fn(Caller, String) -> Pin<Box<dyn Future<Output = Said> + Send>>;

pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) protects: Protects,
    pub(super) ask: Ask,
}

async fn said<A: Debug>(call: impl Future<Output = Result<Response<A>, Status>>) -> Said {
    call.await.map(|answer| (format!("{:?}", answer.into_inner()), String::new()))
}

/// A row: the method, what it protects, and the call.
macro_rules! row {
    ($service:ident, $method:literal, $protects:ident, $call:ident($argument:ident) $request:expr) => {
        Row {
            method: $method,
            protects: Protects::$protects,
            ask: |caller, $argument| Box::pin(async move { said(caller.$service().$call($request)).await }),
        }
    };
}

pub(super) fn chore() -> v1::Task {
    repeating("Feed the cat", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")
}

pub(super) fn next_chore() -> v1::Task {
    repeating("Feed the cat", Pattern::Daily, "2027-02-02T07:00:00Z", "UTC")
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row!(tasks, "docket.v1.TaskService/GetTask", Task, get_task(task_id) v1::GetTaskRequest { task_id }),
        row!(tasks, "docket.v1.TaskService/UpdateTask", Task, update_task(task_id) v1::UpdateTaskRequest {
            task: Some(v1::Task { task_id, ..once("Mine now") }),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/UpdateTask", Task, update_task(task_id) v1::UpdateTaskRequest {
            task: Some(v1::Task { task_id, etag: "v1".to_owned(), ..once("Mine now") }),
            request_id: uuid(),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/UpdateTask", Task, update_task(task_id) v1::UpdateTaskRequest {
            task: Some(v1::Task { task_id, etag: "v0".to_owned(), ..once("Mine now") }),
            validate_only: true,
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/DeleteTask", Task, delete_task(task_id) v1::DeleteTaskRequest {
            task_id,
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/DeleteTask", Task, delete_task(task_id) v1::DeleteTaskRequest {
            task_id,
            etag: "v0".to_owned(),
            request_id: uuid(),
        }),
        row!(tasks, "docket.v1.TaskService/CompleteTask", Task, complete_task(task_id) v1::CompleteTaskRequest {
            task_id,
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/CompleteTask", Task, complete_task(task_id) v1::CompleteTaskRequest {
            task_id,
            etag: "v0".to_owned(),
            request_id: uuid(),
        }),
        row!(tasks, "docket.v1.TaskService/ReopenTask", Task, reopen_task(task_id) v1::ReopenTaskRequest {
            task_id,
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/ReopenTask", Task, reopen_task(task_id) v1::ReopenTaskRequest {
            task_id,
            etag: "v0".to_owned(),
            request_id: uuid(),
        }),
        row!(tasks, "docket.v1.TaskService/PreviewOccurrences", Task,
        preview_occurrences(task_id) v1::PreviewOccurrencesRequest {
            source: Some(Source::TaskId(task_id)),
            page_size: 3,
        }),
        row!(audit, "docket.v1.AuditService/ListAuditEntries", Task,
            list_audit_entries(task_id) v1::ListAuditEntriesRequest { task_id, ..Default::default() }),
        row!(tasks, "docket.v1.TaskService/CreateTask", Id, create_task(task_id) v1::CreateTaskRequest {
            task: Some(v1::Task { task_id, ..once("Bob's own") }),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/CreateTask", Id, create_task(task_id) v1::CreateTaskRequest {
            task: Some(v1::Task { task_id, ..chore() }),
            request_id: uuid(),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/CreateTask", Service, create_task(task_id) v1::CreateTaskRequest {
            task: Some(next_chore()),
            occurrence_of: Some(OccurrenceOf { task_id, version: 2 }),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/ListSeriesGaps", Service,
            list_series_gaps(_task_id) v1::ListSeriesGapsRequest::default()),
        row!(tasks, "docket.v1.TaskService/CheckTasks", Service,
            check_tasks(task_id) v1::CheckTasksRequest { task_ids: vec![task_id] }),
        row!(letters, "docket.v1.DeadLetterService/ListDeadLetters", Letter,
            list_dead_letters(_letter) v1::ListDeadLettersRequest::default()),
        row!(letters, "docket.v1.DeadLetterService/GetDeadLetter", Letter,
            get_dead_letter(dead_letter_id) v1::GetDeadLetterRequest { dead_letter_id }),
        row!(letters, "docket.v1.DeadLetterService/ReplayDeadLetters", Letter,
        replay_dead_letters(letter) v1::ReplayDeadLettersRequest {
            dead_letter_ids: vec![letter],
            validate_only: true,
            ..Default::default()
        }),
        row!(letters, "docket.v1.DeadLetterService/ReplayDeadLetters", Letter,
        replay_dead_letters(_letter) v1::ReplayDeadLettersRequest {
            filter: Some(v1::DeadLetterFilter::default()),
            ..Default::default()
        }),
        row!(letters, "docket.v1.DeadLetterService/DiscardDeadLetters", Letter,
        discard_dead_letters(letter) v1::DiscardDeadLettersRequest {
            dead_letter_ids: vec![letter],
            reason: "mine now".to_owned(),
            ..Default::default()
        }),
        row!(reminders, "docket.v1.ReminderService/SnoozeReminder", Reminder,
        snooze_reminder(task_id) v1::SnoozeReminderRequest {
            task_id,
            number: 1,
            until: Some(v1::snooze_reminder_request::Until::Delay(pbjson_types::Duration { seconds: 60, nanos: 0 })),
            ..Default::default()
        }),
        row!(reminders, "docket.v1.ReminderService/DismissReminder", Reminder,
            dismiss_reminder(task_id) v1::DismissReminderRequest { task_id, number: 1, ..Default::default() }),
        row!(reminders, "docket.v1.ReminderService/ListReminders", OfTask,
            list_reminders(task_id) v1::ListRemindersRequest { task_id, ..Default::default() }),
        row!(reminders, "docket.v1.ReminderService/CheckReminders", Service,
            check_reminders(reminder) v1::CheckRemindersRequest { reminder_ids: vec![reminder] }),
        row!(notifications, "docket.v1.NotificationService/ListDeliveries", OfTask,
            list_deliveries(task_id) v1::ListDeliveriesRequest { task_id, ..Default::default() }),
        row!(notifications, "docket.v1.NotificationService/GetPreferences", Own,
            get_preferences(_nothing) v1::GetPreferencesRequest {}),
        row!(notifications, "docket.v1.NotificationService/UpdatePreferences", Own,
        update_preferences(_nothing) v1::UpdatePreferencesRequest {
            preferences: Some(v1::Preferences { locale: "de".to_owned(), ..Default::default() }),
            ..Default::default()
        }),
        row!(notifications, "docket.v1.NotificationService/SendTestNotification", Own,
        send_test_notification(_nothing) v1::SendTestNotificationRequest {
            channel: v1::reminder::Channel::Email.into(),
            ..Default::default()
        }),
        row!(notifications, "docket.v1.NotificationService/Unsubscribe", Open,
            unsubscribe(_nothing) v1::UnsubscribeRequest { token: "AAAA".to_owned() }),
        Row {
            method: "docket.v1.ReminderService/ListReminders",
            protects: Protects::Page,
            ask: |caller, page_token| {
                let request = v1::ListRemindersRequest { page_size: 1, page_token, ..Default::default() };
                Box::pin(async move {
                    let page = caller.reminders().list_reminders(request).await?.into_inner();
                    Ok((format!("{:?}", page.reminders), page.next_page_token))
                })
            },
        },
        Row {
            method: "docket.v1.NotificationService/ListDeliveries",
            protects: Protects::Page,
            ask: |caller, page_token| {
                let request = v1::ListDeliveriesRequest { page_size: 1, page_token, ..Default::default() };
                Box::pin(async move {
                    let page = caller.notifications().list_deliveries(request).await?.into_inner();
                    Ok((format!("{:?}", page.deliveries), page.next_page_token))
                })
            },
        },
        Row {
            method: "docket.v1.TaskService/ListTasks",
            protects: Protects::Page,
            ask: |caller, page_token| {
                let request = v1::ListTasksRequest {
                    page_size: 1,
                    page_token,
                    show_deleted: true,
                    ..Default::default()
                };
                Box::pin(async move {
                    let page = caller.tasks().list_tasks(request).await?.into_inner();
                    Ok((format!("{:?}", page.tasks), page.next_page_token))
                })
            },
        },
        Row {
            method: "docket.v1.AuditService/ListAuditEntries",
            protects: Protects::Page,
            ask: |caller, page_token| {
                let request = v1::ListAuditEntriesRequest { page_size: 1, page_token, ..Default::default() };
                Box::pin(async move {
                    let page = caller.audit().list_audit_entries(request).await?.into_inner();
                    Ok((format!("{:?}", page.entries), page.next_page_token))
                })
            },
        },
    ]
}

/// The rows of what needs a token.
pub(super) fn rows_of_users() -> Vec<Row> {
    rows().into_iter().filter(|row| row.protects != Protects::Open).collect()
}
