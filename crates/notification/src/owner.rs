//! What is asked of others through the sidecar: which reminders still stand, and which tasks are due.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;
use chrono_tz::Tz;
use docket_domain::{Due, Instant, Priority, ReminderId, UserId};
use docket_proto::v1;
use docket_proto::v1::check_tasks_response::OpenTask;
use docket_proto::v1::reminder_service_client::ReminderServiceClient;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_rpc::ServiceToken;
use docket_rpc::auth::ACT_AS_KEY;
use docket_sidecar::{BoxError, InvocationChannel};
use tokio::time::timeout;
use tonic::Request;

use crate::render::{About, SECTION_TASKS, Tasks};

/// Whom a token names that is signed here.
const SERVICE: &str = "docket-notification";

/// How many tasks a page has.
const PAGE: i32 = 500;

/// How many pages of a user's tasks are counted: a message names a few of them, and is not kept waiting for the number of
/// the others.
const PAGES: usize = 4;

/// How long it may take to find out which tasks are open: without that, messages go out all the same in the end, and they are
/// claimed for a limited time.
const TASKS_TIME: Duration = Duration::from_secs(2);

/// Who says whether reminders stand.
const REMINDERS: &str = "the owner of the reminders";

/// Who has the tasks.
const TASKS: &str = "the task API";

/// Whether what was asked can not be answered now. Waiting may help, and nothing else does.
#[derive(Debug, thiserror::Error)]
#[error("{what} can not be asked now")]
pub(crate) struct Away {
    what: &'static str,
    #[source]
    source: BoxError,
}

fn away(what: &'static str) -> impl Fn(BoxError) -> Away {
    move |source| Away { what, source }
}

#[cfg(test)]
impl Away {
    pub(crate) fn new(what: &'static str, source: &'static str) -> Self {
        Self { what, source: source.into() }
    }
}

/// How it stands with a firing that nobody has called off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// It is to be sent.
    Stands,
    /// Its task is open, and has changed since the owner of the reminders heard of it: nobody can say whether it has moved.
    Behind {
        /// When the task last changed; a task API of an earlier release does not say it.
        changed: Option<Instant>,
    },
    /// Its owner has not called it off, and the task can not be asked for.
    Unsure,
}

/// Which firings still stand.
#[async_trait]
pub(crate) trait Owner: Send + Sync + 'static {
    /// How it stands with those of these, at most [`MOST_FIRINGS`], that are not called off: neither by their owner, nor by
    /// the end of their task. It fails when the owner does not answer; the task API alone may be away.
    async fn standing(&self, firings: &[ReminderId]) -> Result<HashMap<ReminderId, Standing>, Away>;
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
    /// Whether the task API did not say which tasks are open when it was last asked.
    tasks_away: AtomicBool,
}

impl Remote {
    pub(crate) fn new(
        reminders: InvocationChannel,
        tasks: InvocationChannel,
        token: Option<Arc<ServiceToken>>,
    ) -> Self {
        Self { reminders, tasks, token, tasks_away: AtomicBool::new(false) }
    }

    async fn signed<T>(&self, body: T) -> Result<Request<T>, BoxError> {
        let token = self.token.as_ref().ok_or("there is no service token without a sidecar")?;
        let mut request = Request::new(body);
        request.metadata_mut().insert("authorization", token.bearer(&SERVICE.parse()?).await?);
        Ok(request)
    }

    async fn check_reminders(
        &self,
        reminder_ids: Vec<String>,
    ) -> Result<v1::CheckRemindersResponse, BoxError> {
        let request = self.signed(v1::CheckRemindersRequest { reminder_ids }).await?;
        let mut client = ReminderServiceClient::new(self.reminders.clone());
        Ok(client.check_reminders(request).await?.into_inner())
    }

    async fn check_tasks(&self, task_ids: Vec<String>) -> Result<v1::CheckTasksResponse, BoxError> {
        let request = self.signed(v1::CheckTasksRequest { task_ids }).await?;
        let mut client = TaskServiceClient::new(self.tasks.clone());
        Ok(client.check_tasks(request).await?.into_inner())
    }

    /// Which of these tasks are open; none when the task API does not answer.
    async fn open(&self, task_ids: Vec<String>) -> Option<v1::CheckTasksResponse> {
        if task_ids.is_empty() {
            return Some(v1::CheckTasksResponse::default());
        }
        let asked = timeout(TASKS_TIME, self.check_tasks(task_ids)).await;
        let open = asked.unwrap_or_else(|late| Err(late.into())).map_err(away(TASKS));
        // It is told once, and not with every message that waits.
        let was_away = self.tasks_away.swap(open.is_err(), Ordering::Relaxed);
        match &open {
            Ok(_) if was_away => tracing::info!("the task API says again which tasks are open"),
            Err(away) if !was_away => {
                let error = away as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "reminders go out late, because the task API does not say which tasks are open"
                );
            }
            _ => {}
        }
        open.ok()
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
    async fn standing(&self, firings: &[ReminderId]) -> Result<HashMap<ReminderId, Standing>, Away> {
        let reminder_ids = firings.iter().map(ReminderId::to_string).collect();
        let stands = self.check_reminders(reminder_ids).await.map_err(away(REMINDERS))?;
        let mut tasks: Vec<String> = stands.standing.iter().map(|one| one.task_id.clone()).collect();
        tasks.sort_unstable();
        tasks.dedup();
        // The tasks are asked for last. The other way round, a change in between would pass unseen.
        let open = self.open(tasks).await;
        compared(&stands, open.as_ref()).map_err(away(REMINDERS))
    }
}

/// How it stands with firings, by what the owner of the reminders and the owner of the tasks have answered, if that has.
fn compared(
    stands: &v1::CheckRemindersResponse,
    open: Option<&v1::CheckTasksResponse>,
) -> Result<HashMap<ReminderId, Standing>, BoxError> {
    // An owner of an earlier release names the firings alone.
    let named = stands.standing_reminder_ids.iter().map(|id| Ok((id.parse()?, Standing::Stands)));
    let mut standing = named.collect::<Result<HashMap<ReminderId, Standing>, BoxError>>()?;
    let tasks: Option<HashMap<&str, &OpenTask>> =
        open.map(|open| open.open_tasks.iter().map(|task| (task.task_id.as_str(), task)).collect());
    for one in &stands.standing {
        let firing = one.reminder_id.parse()?;
        let Some(tasks) = &tasks else {
            standing.insert(firing, Standing::Unsure);
            continue;
        };
        match tasks.get(one.task_id.as_str()) {
            None => standing.remove(&firing),
            Some(task) if task.version > one.task_version => {
                let changed = task.update_time.and_then(|time| time.try_into().ok());
                standing.insert(firing, Standing::Behind { changed })
            }
            Some(_) => standing.insert(firing, Standing::Stands),
        };
    }
    Ok(standing)
}

#[async_trait]
impl Agendas for Remote {
    async fn agenda(&self, user: &UserId, day: NaiveDate, zone: Tz) -> Result<Agenda, Away> {
        let next = day.succ_opt().unwrap_or(day);
        let overdue = format!("state = OPEN AND due < {day}");
        let today = format!("state = OPEN AND due >= {day} AND due < {next}");
        Ok(Agenda {
            overdue: self.list(user, &overdue, zone).await.map_err(away(TASKS))?,
            today: self.list(user, &today, zone).await.map_err(away(TASKS))?,
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

#[cfg(test)]
mod tests {
    use docket_proto::v1::check_reminders_response::Standing as Told;
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> String {
        Uuid::from_u128(number).to_string()
    }

    /// Firings of tasks, each with the version that the owner of the reminders knows.
    fn told(firings: &[(u128, u128, i64)]) -> v1::CheckRemindersResponse {
        let told = |(firing, task, task_version): &(u128, u128, i64)| Told {
            reminder_id: id(*firing),
            task_id: id(*task),
            task_version: *task_version,
        };
        v1::CheckRemindersResponse {
            standing_reminder_ids: firings.iter().map(|(firing, ..)| id(*firing)).collect(),
            standing: firings.iter().map(told).collect(),
        }
    }

    /// When tasks came to this version.
    fn changed(version: i64) -> Instant {
        Instant::from_timestamp(version * 60, 0).unwrap()
    }

    fn firing(number: u128) -> ReminderId {
        ReminderId::from_uuid(Uuid::from_u128(number))
    }

    fn open(tasks: &[(u128, i64)]) -> v1::CheckTasksResponse {
        let open = |(task, version): &(u128, i64)| OpenTask {
            task_id: id(*task),
            version: *version,
            update_time: Some(changed(*version).into()),
        };
        v1::CheckTasksResponse { open_tasks: tasks.iter().map(open).collect() }
    }

    #[test]
    fn a_firing_stands_by_the_version_of_its_task() {
        // Two of one task; one of a task that has changed; one of a task that is over; one of a database that was restored.
        let stands = told(&[(1, 11, 3), (2, 11, 3), (3, 13, 3), (4, 14, 3), (5, 15, 3)]);
        let found = compared(&stands, Some(&open(&[(11, 3), (13, 4), (15, 2), (99, 1)]))).unwrap();
        let behind = Standing::Behind { changed: Some(changed(4)) };
        let expect = [(1, Standing::Stands), (2, Standing::Stands), (3, behind), (5, Standing::Stands)];
        assert_eq!(found, HashMap::from(expect.map(|(number, standing)| (firing(number), standing))));
    }

    #[test]
    fn a_task_api_of_an_earlier_release_does_not_say_when_a_task_has_changed() {
        let mut open = open(&[(11, 4)]);
        open.open_tasks[0].update_time = None;
        let found = compared(&told(&[(1, 11, 3)]), Some(&open)).unwrap();
        assert_eq!(found, HashMap::from([(firing(1), Standing::Behind { changed: None })]));
    }

    #[test]
    fn while_the_task_api_is_away_nothing_is_sure_and_nothing_is_called_off() {
        let found = compared(&told(&[(1, 11, 3), (2, 12, 1)]), None).unwrap();
        assert_eq!(found, HashMap::from([1, 2].map(|number| (firing(number), Standing::Unsure))));
    }

    #[test]
    fn the_word_of_an_owner_of_an_earlier_release_is_enough() {
        let stands = v1::CheckRemindersResponse { standing: Vec::new(), ..told(&[(1, 11, 3)]) };
        let found = compared(&stands, Some(&open(&[]))).unwrap();
        assert_eq!(found, HashMap::from([(firing(1), Standing::Stands)]));
        let nameless =
            v1::CheckRemindersResponse { standing_reminder_ids: vec!["7".to_owned()], ..Default::default() };
        assert!(compared(&nameless, Some(&open(&[]))).is_err());
    }
}
