//! One user of the API, and what tests do as one over and over.

mod notices;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use docket_proto::v1;
use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_proto::v1::notification_service_client::NotificationServiceClient;
use docket_proto::v1::recurrence::{Pattern, Rule};
use docket_proto::v1::reminder_service_client::ReminderServiceClient;
use docket_proto::v1::task::Due;
use docket_proto::v1::task_service_client::TaskServiceClient;
use futures::stream::{self, StreamExt as _};
use pbjson_types::Timestamp;
use tonic::Code;
use tonic::transport::Channel;

use crate::client::{Audit, Bearer, Notification, Reminders, Tasks};
use crate::discretion::keep_secret;
use crate::{PATIENCE, wait_for};

/// How many calls a user has under way when there are many to make.
const IN_FLIGHT: usize = 16;

/// The API as one user.
#[derive(Clone)]
pub struct User {
    tasks: Tasks,
    audit: Audit,
    reminders: Reminders,
    notification: Notification,
}

/// Which process serves which API.
#[derive(Clone, Debug)]
pub struct Servers {
    /// The task API.
    pub tasks: Channel,
    /// The audit log.
    pub audit: Channel,
    /// The reminders.
    pub reminders: Channel,
    /// The preferences and deliveries.
    pub notification: Channel,
}

/// A task that is never due. No log may have its title.
pub fn once(title: &str) -> v1::Task {
    keep_secret(title);
    v1::Task { title: title.to_owned(), ..v1::Task::default() }
}

/// A task that repeats: `due` in RFC 3339, `zone` by its IANA name.
pub fn repeating(title: &str, pattern: Pattern, due: &str, zone: &str) -> v1::Task {
    v1::Task {
        due: Some(Due::DueTime(at(due))),
        time_zone: zone.to_owned(),
        recurrence: Some(v1::Recurrence {
            rule: Some(Rule::Pattern(pattern.into())),
            interval: 1,
            ..v1::Recurrence::default()
        }),
        ..once(title)
    }
}

/// An instant in RFC 3339.
pub fn at(text: &str) -> Timestamp {
    let instant = DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    instant.to_utc().into()
}

/// When a task is due, in RFC 3339 and UTC, or as a day; empty for never.
pub fn due(task: &v1::Task) -> String {
    match task.due.clone() {
        Some(Due::DueTime(time)) => {
            let time: DateTime<Utc> = time.try_into().expect("the server answers valid times");
            time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
        }
        Some(Due::DueDate(day)) => day,
        None => String::new(),
    }
}

impl User {
    /// With this token.
    pub fn new(channel: Channel, token: &str) -> Self {
        let [tasks, audit, reminders] = std::array::from_fn(|_| channel.clone());
        Self::across(Servers { tasks, audit, reminders, notification: channel }, token)
    }

    /// With this token, where several processes serve the API.
    pub fn across(servers: Servers, token: &str) -> Self {
        let bearer = Bearer::new(token);
        Self {
            tasks: TaskServiceClient::with_interceptor(servers.tasks, bearer.clone()),
            audit: AuditServiceClient::with_interceptor(servers.audit, bearer.clone()),
            reminders: ReminderServiceClient::with_interceptor(servers.reminders, bearer.clone()),
            notification: NotificationServiceClient::with_interceptor(servers.notification, bearer),
        }
    }

    /// The task API.
    pub fn tasks(&self) -> Tasks {
        self.tasks.clone()
    }

    /// The audit API.
    pub fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// The API of the reminders.
    pub fn reminder_service(&self) -> Reminders {
        self.reminders.clone()
    }

    /// The API of preferences and deliveries.
    pub fn notification_service(&self) -> Notification {
        self.notification.clone()
    }

    /// Creates a task.
    pub async fn create(&self, task: v1::Task) -> v1::Task {
        keep_secret(&task.title);
        keep_secret(&task.description);
        let request = v1::CreateTaskRequest { task: Some(task), ..v1::CreateTaskRequest::default() };
        let created = self.tasks().create_task(request).await;
        created.unwrap_or_else(|status| panic!("CreateTask: {status}")).into_inner()
    }

    /// Completes a task.
    pub async fn complete(&self, task: &v1::Task) -> v1::Task {
        let request =
            v1::CompleteTaskRequest { task_id: task.task_id.clone(), ..v1::CompleteTaskRequest::default() };
        let completed = self.tasks().complete_task(request).await;
        completed.unwrap_or_else(|status| panic!("CompleteTask: {status}")).into_inner()
    }

    /// Creates many tasks, some at a time; the answers are in their order.
    pub async fn create_all(&self, tasks: impl IntoIterator<Item = v1::Task>) -> Vec<v1::Task> {
        stream::iter(tasks).map(|task| self.create(task)).buffered(IN_FLIGHT).collect().await
    }

    /// Completes many tasks, some at a time.
    pub async fn complete_all(&self, tasks: &[v1::Task]) {
        stream::iter(tasks)
            .for_each_concurrent(IN_FLIGHT, async |task| drop(self.complete(task).await))
            .await;
    }

    /// Every task of the user's, oldest first.
    pub async fn all_tasks(&self) -> Vec<v1::Task> {
        let mut all = Vec::new();
        let mut request = v1::ListTasksRequest { page_size: 500, ..v1::ListTasksRequest::default() };
        loop {
            let page = self.tasks().list_tasks(request.clone()).await;
            let page = page.unwrap_or_else(|status| panic!("ListTasks: {status}")).into_inner();
            all.extend(page.tasks);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Every entry of the user's audit log.
    pub async fn audit_log(&self) -> Vec<v1::AuditEntry> {
        let mut all = Vec::new();
        let mut request =
            v1::ListAuditEntriesRequest { page_size: 500, ..v1::ListAuditEntriesRequest::default() };
        loop {
            let page = self.audit().list_audit_entries(request.clone()).await;
            let page = page.unwrap_or_else(|status| panic!("ListAuditEntries: {status}")).into_inner();
            all.extend(page.entries);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// The occurrences of a task's series in their order, the task itself among them.
    pub async fn series_of(&self, task: &v1::Task) -> Vec<v1::Task> {
        assert!(!task.series_id.is_empty(), "task {:?} is in no series", task.title);
        let mut series = self.all_tasks().await;
        series.retain(|other| other.series_id == task.series_id);
        series.sort_by_key(|task| task.occurrence_time.as_ref().map(|time| (time.seconds, time.nanos)));
        series
    }

    /// Waits for the occurrence after a completed one.
    pub async fn successor_of(&self, task: &v1::Task) -> v1::Task {
        wait_for(&format!("an occurrence after {}", due(task)), PATIENCE, async || {
            let series = self.series_of(task).await;
            let known = series.iter().map(due).collect::<Vec<_>>().join(", ");
            let mut later = series.into_iter().skip_while(|other| other.task_id != task.task_id).skip(1);
            later.next().ok_or(format!("there are {known}"))
        })
        .await
    }

    /// Checks that each of the completed tasks, all from different series, is followed by one open task, and that the
    /// user has no other tasks.
    pub async fn expect_followed_once(&self, completed: &[v1::Task]) {
        let mut series: BTreeMap<String, Vec<v1::Task>> = BTreeMap::new();
        for task in self.all_tasks().await {
            series.entry(task.series_id.clone()).or_default().push(task);
        }
        for task in completed {
            let occurrences = series.remove(&task.series_id).unwrap_or_default();
            let open = |other: &&v1::Task| other.state() == v1::task::State::Open;
            let dues: Vec<String> = occurrences.iter().map(due).collect();
            let title = &task.title;
            assert_eq!(occurrences.len(), 2, "occurrences of {title:?}: {dues:?}");
            assert_eq!(occurrences.iter().filter(open).count(), 1, "open occurrences of {title:?}: {dues:?}");
        }
        assert!(series.is_empty(), "tasks that nobody asked for: {series:?}");
    }

    /// What the audit log has of a task's changes, oldest first; nothing when it has not heard of it. What it has of the
    /// task's reminders, which are no versions, is left out.
    pub async fn story_of(&self, task: &v1::Task) -> Vec<v1::AuditEntry> {
        let request = v1::ListAuditEntriesRequest {
            task_id: task.task_id.clone(),
            page_size: 500,
            ..v1::ListAuditEntriesRequest::default()
        };
        match self.audit().list_audit_entries(request).await {
            Ok(page) => {
                page.into_inner().entries.into_iter().filter(|entry| entry.task_version > 0).collect()
            }
            Err(status) if status.code() == Code::NotFound => Vec::new(),
            Err(status) => panic!("ListAuditEntries: {status}"),
        }
    }

    /// Waits until the audit log has at least as many entries of a task as `expect` names, and checks that they are
    /// these, each once, and in the order of the task's versions. Names are types without `com.todo.task.`.
    pub async fn expect_story(&self, task: &v1::Task, expect: &[&str]) -> Vec<v1::AuditEntry> {
        let story =
            wait_for(&format!("{expect:?} in the audit log of {:?}", task.title), PATIENCE, async || {
                let story = self.story_of(task).await;
                if story.len() < expect.len() { Err(format!("{:?}", types(&story))) } else { Ok(story) }
            })
            .await;
        assert_eq!(types(&story), expect, "what the audit log tells of {:?}", task.title);
        let versions: Vec<i64> = story.iter().map(|entry| entry.task_version).collect();
        assert!(
            versions.iter().copied().eq(1..=versions.len() as i64),
            "versions {versions:?} of {:?}",
            task.title
        );
        story
    }
}

fn types(story: &[v1::AuditEntry]) -> Vec<&str> {
    story.iter().map(|entry| entry.event_type.trim_start_matches("com.todo.task.")).collect()
}
