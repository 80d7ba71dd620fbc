//! Users at work while the world around Docket fails: every call is repeated until it is acknowledged, so that it is known
//! exactly what must have come of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use docket_proto::v1;
use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::task::State;
use futures::future::{join, join_all};
use pbjson_types::FieldMask;
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::user::{User, once, repeating};
use crate::{PATIENCE, wait_for};

/// How many calls the users make that nobody waits for: what they leave behind must be carried away before a test ends.
const AHEAD: u64 = 600;

/// Users who work at the same time, each on one task after the other.
///
/// An error that Docket answers must be UNAVAILABLE or ABORTED, and say when to try again; every other one fails the
/// test, unless it was said to be expected.
pub struct Load {
    /// Each user, at each replica.
    users: Vec<Vec<User>>,
    /// How long a user waits for an answer.
    patience: Option<Duration>,
    /// Whether Docket may run out of its own time.
    slow: bool,
    stops: AtomicBool,
    acknowledged: AtomicU64,
    /// At how many acknowledged calls the users rest.
    enough: watch::Sender<u64>,
    refused: AtomicU64,
}

/// A task that a user has worked on.
pub struct Chore {
    user: usize,
    /// As Docket last answered it.
    task: v1::Task,
    /// What has happened to it, by the events' types.
    events: Vec<&'static str>,
}

impl Load {
    /// Each of the users, as a list of the same user at each replica.
    pub fn of(users: Vec<Vec<User>>) -> Self {
        let (stops, acknowledged, refused) = Default::default();
        let (enough, _) = watch::channel(AHEAD);
        Self { users, patience: None, slow: false, stops, acknowledged, enough, refused }
    }

    /// Replicas go away or hang: connections may break, and a user who has waited for so long tries another replica.
    pub fn giving_up_after(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Calls may take longer than Docket gives them.
    pub fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    /// Lets the users work as long as `events` happen, and until each has ended what it is at; answers what they have done.
    pub async fn during(&self, events: impl Future<Output = ()>) -> Vec<Chore> {
        let events = async {
            events.await;
            self.stops.store(true, Ordering::SeqCst);
            self.enough.send_modify(|_| {});
        };
        let work = join_all((0..self.users.len()).map(|user| self.work(user)));
        let (chores, ()) = join(work, events).await;
        chores.into_iter().flatten().collect()
    }

    /// Waits for so many acknowledged calls more.
    pub async fn acknowledged(&self, more: u64) {
        let enough = self.acknowledged.load(Ordering::SeqCst) + more + AHEAD;
        self.enough.send_modify(|now| *now = enough.max(*now));
        passes("acknowledged calls", &self.acknowledged, more).await;
    }

    /// Waits for so many refused calls more.
    pub async fn refused(&self, more: u64) {
        self.enough.send_modify(|now| *now += AHEAD);
        passes("refused calls", &self.refused, more).await;
    }

    /// Checks, when nothing is on its way any more, that everything that was acknowledged is there, and happened once:
    /// the tasks, each with its events in their order in the audit log, and one open occurrence after each completed one.
    pub async fn expect_all_once(&self, chores: &[Chore], replica: usize) {
        for (number, user) in self.users.iter().enumerate() {
            let chores: Vec<_> = chores.iter().filter(|chore| chore.user == number).collect();
            assert!(!chores.is_empty(), "user {number} has done nothing");
            expect_all_once(&user[replica], &chores).await;
        }
    }

    async fn work(&self, user: usize) -> Vec<Chore> {
        let mut worker = Worker { load: self, user, replica: user };
        let mut chores = Vec::new();
        let mut enough = self.enough.subscribe();
        let goes_on = |enough: &u64| {
            self.stops.load(Ordering::SeqCst) || self.acknowledged.load(Ordering::SeqCst) < *enough
        };
        loop {
            // Fails only when the load is gone, and this is a part of it.
            let _ = enough.wait_for(goes_on).await;
            if self.stops.load(Ordering::SeqCst) {
                return chores;
            }
            chores.push(worker.chore(chores.len()).await);
        }
    }

    /// Checks that an error is one that a client can live with.
    fn expect_explained(&self, method: &str, status: &Status) {
        if status.details().is_empty() {
            // Of the connection, or of the client's own patience.
            assert!(self.patience.is_some(), "{method}: {status:?}");
            return;
        }
        let details = status.get_error_details();
        let again = details.retry_info().is_some_and(|info| info.retry_delay.is_some());
        let expected = match status.code() {
            Code::Unavailable | Code::Aborted => again,
            Code::DeadlineExceeded => self.slow || self.patience.is_some(),
            _ => false,
        };
        assert!(expected, "{method}: {status:?}");
    }
}

/// One user at work.
struct Worker<'a> {
    load: &'a Load,
    user: usize,
    /// Where it calls; another one after each failure.
    replica: usize,
}

impl Worker<'_> {
    /// A task's life: every second one repeats, and two of three are completed.
    async fn chore(&mut self, number: usize) -> Chore {
        let title = format!("Chore {number}");
        let task = match number.is_multiple_of(2) {
            true => once(&title),
            false => repeating(&title, Pattern::Daily, "2027-02-01T07:00:00Z", "UTC"),
        };
        let request_id = || uuid::Uuid::new_v4().to_string();
        let request =
            v1::CreateTaskRequest { task: Some(task), request_id: request_id(), ..Default::default() };
        let created = self.call("CreateTask", request, async |user, it| user.tasks().create_task(it).await);
        let task = created.await;
        let mut chore = Chore { user: self.user, task, events: vec!["created"] };

        let task = v1::Task {
            task_id: chore.task.task_id.clone(),
            title: format!("{title}, renamed"),
            ..Default::default()
        };
        let request = v1::UpdateTaskRequest {
            task: Some(task),
            update_mask: Some(FieldMask { paths: vec!["title".to_owned()] }),
            request_id: request_id(),
            ..Default::default()
        };
        let updated = self.call("UpdateTask", request, async |user, it| user.tasks().update_task(it).await);
        chore.happened("updated", updated.await);

        let request = v1::GetTaskRequest { task_id: chore.task.task_id.clone() };
        let got = self.call("GetTask", request, async |user, it| user.tasks().get_task(it).await).await;
        assert_eq!(got, chore.task, "a user reads what was acknowledged");
        let request = v1::ListTasksRequest { page_size: 5, ..v1::ListTasksRequest::default() };
        self.call("ListTasks", request, async |user, it| user.tasks().list_tasks(it).await).await;

        if !number.is_multiple_of(3) {
            let request = v1::CompleteTaskRequest {
                task_id: chore.task.task_id.clone(),
                request_id: request_id(),
                ..Default::default()
            };
            let completed =
                self.call("CompleteTask", request, async |user, it| user.tasks().complete_task(it).await);
            chore.happened("completed", completed.await);
        }
        chore
    }

    /// Calls until the call is acknowledged.
    async fn call<Q: Clone, A>(
        &mut self,
        method: &str,
        question: Q,
        ask: impl AsyncFn(&User, Request<Q>) -> Result<Response<A>, Status>,
    ) -> A {
        let replicas = &self.load.users[self.user];
        wait_for(method, PATIENCE, async || {
            let mut request = Request::new(question.clone());
            if let Some(patience) = self.load.patience {
                request.set_timeout(patience);
            }
            match ask(&replicas[self.replica % replicas.len()], request).await {
                Ok(answer) => {
                    self.load.acknowledged.fetch_add(1, Ordering::SeqCst);
                    Ok(answer.into_inner())
                }
                Err(status) => {
                    self.load.expect_explained(method, &status);
                    self.load.refused.fetch_add(1, Ordering::SeqCst);
                    self.replica += 1;
                    Err(status.to_string())
                }
            }
        })
        .await
    }
}

impl Chore {
    fn happened(&mut self, event: &'static str, task: v1::Task) {
        self.events.push(event);
        assert_eq!(task.version, self.events.len() as i64, "{:?} was {event} once", task.title);
        self.task = task;
    }

    fn is_followed(&self) -> bool {
        self.task.state() == State::Completed && self.task.recurrence.is_some()
    }
}

async fn passes(what: &str, counter: &AtomicU64, more: u64) {
    let goal = counter.load(Ordering::SeqCst) + more;
    wait_for(&format!("{more} {what}"), PATIENCE, async || {
        let now = counter.load(Ordering::SeqCst);
        if now < goal { Err(format!("{} are missing", goal - now)) } else { Ok(()) }
    })
    .await;
}

async fn expect_all_once(user: &User, chores: &[&Chore]) {
    let mut stories: BTreeMap<String, Vec<v1::AuditEntry>> = BTreeMap::new();
    for entry in user.audit_log().await {
        stories.entry(entry.task_id.clone()).or_default().push(entry);
    }
    let mut tasks: BTreeMap<_, _> =
        user.all_tasks().await.into_iter().map(|task| (task.task_id.clone(), task)).collect();
    for chore in chores {
        assert_eq!(tasks.remove(&chore.task.task_id).as_ref(), Some(&chore.task), "as it was acknowledged");
        expect_story(stories.remove(&chore.task.task_id), &chore.task, &chore.events);
    }
    // What is left follows from what they did.
    for chore in chores.iter().filter(|chore| chore.is_followed()) {
        let task = &chore.task;
        let successors = tasks.extract_if(.., |_, other| other.series_id == task.series_id);
        let successors: Vec<_> = successors.map(|(_, task)| task).collect();
        let [successor] = successors.as_slice() else { panic!("after {task:?}: {successors:?}") };
        assert_eq!((successor.state(), successor.version), (State::Open, 1), "{successor:?}");
        expect_story(stories.remove(&successor.task_id), successor, &["created"]);
    }
    assert!(tasks.is_empty(), "tasks that nobody asked for: {tasks:?}");
    assert!(stories.is_empty(), "events that nobody caused: {stories:?}");
}

/// Checks what the audit log tells of a task: each event once, stored in the order of the task's versions.
fn expect_story(story: Option<Vec<v1::AuditEntry>>, task: &v1::Task, events: &[&str]) {
    let mut story = story.unwrap_or_default();
    // The task's reminders have entries, too.
    story.retain(|entry| entry.task_version > 0);
    let recorded = |entry: &v1::AuditEntry| entry.record_time.as_ref().map(|time| (time.seconds, time.nanos));
    story.sort_by_key(|entry| entry.task_version);
    let told: Vec<_> = story
        .iter()
        .map(|entry| (entry.event_type.trim_start_matches("com.todo.task."), entry.task_version))
        .collect();
    let expect: Vec<_> = events.iter().copied().zip(1..).collect();
    assert_eq!(told, expect, "what the audit log tells of {task:?}");
    assert!(story.is_sorted_by_key(recorded), "stored out of order: {story:?}");
}
