//! What is asked of others through the sidecar: which reminders still stand, and which tasks are due.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use chrono_tz::Tz;
use docket_domain::{Due, Priority, ReminderId, UserId};
use docket_proto::v1;
use docket_proto::v1::reminder_service_client::ReminderServiceClient;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_rpc::ServiceToken;
use docket_rpc::auth::ACT_AS_KEY;
use docket_sidecar::{BoxError, InvocationChannel};
use tonic::Request;

use crate::render::{About, SECTION_TASKS, Tasks};

/// Whom a token names that is signed here.
const SERVICE: &str = "docket-notification";

/// How many tasks a page has.
const PAGE: i32 = 500;

/// How many pages of a user's tasks are counted: a message names a few of them, and is not kept waiting for the number of
/// the others.
const PAGES: usize = 4;

/// Whether what was asked can not be answered now. Waiting may help, and nothing else does.
#[derive(Debug, thiserror::Error)]
#[error("{what} can not be asked now")]
pub(crate) struct Away {
    what: &'static str,
    #[source]
    source: BoxError,
}

#[cfg(test)]
impl Away {
    pub(crate) fn new(what: &'static str, source: &'static str) -> Self {
        Self { what, source: source.into() }
    }
}

/// Which firings still stand.
#[async_trait]
pub(crate) trait Owner: Send + Sync + 'static {
    /// Those of these that do: at most [`MOST_FIRINGS`].
    async fn standing(&self, firings: &[ReminderId]) -> Result<HashSet<ReminderId>, Away>;
}

/// The most firings of one question.
pub(crate) const MOST_FIRINGS: usize = 500;

/// What a user has to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Agenda {
    /// Open tasks that were due before the day.
    pub(crate) overdue: Tasks,
    /// Open tasks that are due on the day.
    pub(crate) today: Tasks,
}

/// The tasks of users.
#[async_trait]
pub(crate) trait Agendas: Send + Sync + 'static {
    /// What a user has to do on a day of a zone.
    async fn agenda(&self, user: &UserId, day: NaiveDate, zone: Tz) -> Result<Agenda, Away>;
}

/// The other targets behind the sidecar.
pub(crate) struct Remote {
    reminders: InvocationChannel,
    tasks: InvocationChannel,
    token: Option<Arc<ServiceToken>>,
}

impl Remote {
    pub(crate) fn new(
        reminders: InvocationChannel,
        tasks: InvocationChannel,
        token: Option<Arc<ServiceToken>>,
    ) -> Self {
        Self { reminders, tasks, token }
    }

    async fn signed<T>(&self, body: T) -> Result<Request<T>, BoxError> {
        let token = self.token.as_ref().ok_or("there is no service token without a sidecar")?;
        let mut request = Request::new(body);
        request.metadata_mut().insert("authorization", token.bearer(&SERVICE.parse()?).await?);
        Ok(request)
    }

    async fn list(&self, user: &UserId, filter: &str, zone: Tz) -> Result<Tasks, BoxError> {
        let mut tasks = Tasks::default();
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let body = v1::ListTasksRequest {
                page_size: PAGE,
                page_token,
                filter: filter.to_owned(),
                order_by: "due".to_owned(),
                time_zone: zone.name().to_owned(),
                ..v1::ListTasksRequest::default()
            };
            let mut request = self.signed(body).await?;
            request.metadata_mut().insert(ACT_AS_KEY, user.as_str().parse()?);
            let page = TaskServiceClient::new(self.tasks.clone()).list_tasks(request).await?.into_inner();
            tasks.total += page.tasks.len();
            let room = SECTION_TASKS.saturating_sub(tasks.named.len());
            tasks.named.extend(page.tasks.iter().filter_map(about).take(room));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(tasks)
    }
}

#[async_trait]
impl Owner for Remote {
    async fn standing(&self, firings: &[ReminderId]) -> Result<HashSet<ReminderId>, Away> {
        let away = |source| Away { what: "the owner of the reminders", source };
        let reminder_ids = firings.iter().map(ReminderId::to_string).collect();
        let request = self.signed(v1::CheckRemindersRequest { reminder_ids }).await.map_err(away)?;
        let mut client = ReminderServiceClient::new(self.reminders.clone());
        let answer = client.check_reminders(request).await.map_err(|status| away(status.into()))?;
        let standing = answer.into_inner().standing_reminder_ids;
        standing.iter().map(|id| id.parse()).collect::<Result<_, _>>().map_err(|error| away(Box::new(error)))
    }
}

#[async_trait]
impl Agendas for Remote {
    async fn agenda(&self, user: &UserId, day: NaiveDate, zone: Tz) -> Result<Agenda, Away> {
        let away = |source| Away { what: "the task API", source };
        let next = day.succ_opt().unwrap_or(day);
        let overdue = format!("state = OPEN AND due < {day}");
        let today = format!("state = OPEN AND due >= {day} AND due < {next}");
        Ok(Agenda {
            overdue: self.list(user, &overdue, zone).await.map_err(away)?,
            today: self.list(user, &today, zone).await.map_err(away)?,
        })
    }
}

/// What a message tells of a task; none of one that this release can not read.
fn about(task: &v1::Task) -> Option<About> {
    let due = match &task.due {
        Some(v1::task::Due::DueTime(time)) => Some(Due::At((*time).try_into().ok()?)),
        Some(v1::task::Due::DueDate(day)) => Some(Due::On(day.parse().ok()?)),
        None => None,
    };
    let priority = match task.priority() {
        v1::task::Priority::Low => Priority::Low,
        v1::task::Priority::Medium | v1::task::Priority::Unspecified => Priority::Medium,
        v1::task::Priority::High => Priority::High,
        v1::task::Priority::Urgent => Priority::Urgent,
    };
    Some(About {
        task: task.task_id.parse().ok()?,
        title: task.title.clone(),
        priority,
        due,
        zone: task.time_zone.parse().ok()?,
    })
}
