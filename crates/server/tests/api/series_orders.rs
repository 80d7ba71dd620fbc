//! One series, whatever its owner does in whichever order, and whenever the events arrive: each completion is followed
//! once, and never blocked.

use std::collections::BTreeSet;

use docket_domain::{Task, TaskId};
use docket_proto::v1;
use docket_proto::v1::create_task_request::OccurrenceOf;
use docket_proto::v1::preview_occurrences_request::Source;
use docket_proto::v1::recurrence::{End, Pattern};
use docket_proto::v1::task::{Due, State};
use docket_testkit::{User, at, due, repeating};
use pbjson_types::FieldMask;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tonic::{Code, Response, Status};

use crate::harness::{Api, outcome, uuid};
use crate::series::{preview, reopen};

/// Far in the future, so that no instant of the series passes before its task is completed.
const FIRST: &str = "2127-03-24T08:00:00Z";
const DAY: i64 = 86_400;

const SEEDS: u64 = 40;
const STEPS: usize = 40;

fn weekly() -> v1::Task {
    repeating("Water the plants", Pattern::Weekly, FIRST, "Europe/Berlin")
}

/// A completion, as its event tells of it.
#[derive(Clone)]
struct Completion {
    task: v1::Task,
    /// When the next occurrence is due; `None` after the rule's end.
    next: Option<Due>,
}

impl Completion {
    async fn of(user: &User, task: v1::Task) -> Self {
        let next = preview(user, Source::TaskId(task.task_id.clone()), 1).await.unwrap();
        Self { next: next.first().map(|(due, _)| Due::DueTime(at(due))), task }
    }

    /// Does what the service does that hears of it: asks for the next occurrence, unless the rule has ended.
    async fn handle(&self, api: &Api) -> Option<Result<v1::Task, Status>> {
        let of = OccurrenceOf { task_id: self.task.task_id.clone(), version: self.task.version };
        let next = v1::Task { task_id: String::new(), due: Some(self.next.clone()?), ..self.task.clone() };
        let request =
            v1::CreateTaskRequest { task: Some(next), occurrence_of: Some(of), ..Default::default() };
        let service = api.service().acting_for(&self.task.user_id);
        Some(service.tasks().create_task(request).await.map(Response::into_inner))
    }
}

/// What has become of a series, with the random numbers that decide it.
struct Story<'a> {
    api: &'a Api,
    alice: User,
    rng: StdRng,
    /// Every task that was ever in the series.
    tasks: Vec<v1::Task>,
    /// Every completion, whether it counts any more or not.
    completions: Vec<Completion>,
    /// What happened, for whoever reads a failure.
    log: Vec<String>,
}

impl<'a> Story<'a> {
    async fn begin(api: &'a Api, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut task = weekly();
        if rng.random_bool(0.25) {
            task.recurrence.as_mut().unwrap().end = Some(End::Count(4));
        }
        let alice = api.user(&format!("alice-{seed}"));
        let tasks = vec![alice.create(task).await];
        let log = vec![format!("seed {seed}")];
        Self { api, alice, rng, tasks, completions: Vec::new(), log }
    }

    /// The owner does something to a task, or an event arrives, perhaps not for the first time.
    async fn step(&mut self) {
        // Rather one of the last than one whose story has ended.
        let last = self.tasks.len().saturating_sub(3);
        let task = self.tasks[last..].choose(&mut self.rng).unwrap().clone();
        let id = task.task_id.clone();
        let mut tasks = self.alice.tasks();
        let (name, answer) = match self.rng.random_range(0..20) {
            0..5 => {
                let request = v1::CompleteTaskRequest { task_id: id.clone(), ..Default::default() };
                let answer = tasks.complete_task(request).await.map(Response::into_inner);
                if let Ok(task) = &answer {
                    self.completions.push(Completion::of(&self.alice, task.clone()).await);
                }
                ("complete", answer)
            }
            5..9 => ("reopen", reopen(&self.alice, &task).await),
            9..12 => {
                let request = v1::DeleteTaskRequest { task_id: id.clone(), ..Default::default() };
                ("delete", tasks.delete_task(request).await.map(Response::into_inner))
            }
            12 => {
                let mut to = at(FIRST);
                to.seconds += self.rng.random_range(-30..30) * DAY;
                let content = v1::Task { due: Some(Due::DueTime(to)), ..Default::default() };
                ("move", self.update(&id, content, "due_time").await)
            }
            13 => {
                let content = v1::Task { title: format!("Step {}", self.log.len()), ..Default::default() };
                ("rename", self.update(&id, content, "title").await)
            }
            _ => return self.deliver_one().await,
        };
        self.log.push(format!("{name} {id}: {}", outcome(&answer)));
        let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        assert!(matches!(code, Code::Ok | Code::FailedPrecondition), "{:#?}", self.log);
    }

    /// Checks what holds at all times.
    async fn check(&self) {
        let (open, instants) = self.kept().await;
        assert!(open <= 1, "only the end of a series is open: {:#?}", self.log);
        assert_eq!(
            instants.iter().collect::<BTreeSet<_>>().len(),
            instants.len(),
            "an instant twice: {:#?}",
            self.log
        );
    }

    /// How many tasks are open, and the instants of all, without those that were deleted.
    async fn kept(&self) -> (usize, Vec<(i64, i32)>) {
        let tasks = self.alice.all_tasks().await;
        (tasks.iter().filter(|task| task.state() == State::Open).count(), tasks.iter().map(instant).collect())
    }

    async fn update(&self, id: &str, content: v1::Task, path: &str) -> Result<v1::Task, Status> {
        let request = v1::UpdateTaskRequest {
            task: Some(v1::Task { task_id: id.to_owned(), ..content }),
            update_mask: Some(FieldMask { paths: vec![path.to_owned()] }),
            ..Default::default()
        };
        self.alice.tasks().update_task(request).await.map(Response::into_inner)
    }

    async fn deliver_one(&mut self) {
        let last = self.completions.len().saturating_sub(3);
        if let Some(completion) = self.completions[last..].choose(&mut self.rng).cloned() {
            self.deliver(&completion).await;
        }
    }

    async fn deliver(&mut self, completion: &Completion) {
        let Some(answer) = completion.handle(self.api).await else { return };
        let v1::Task { task_id, version, .. } = &completion.task;
        self.log.push(format!("event {task_id} v{version}: {}", outcome(&answer)));
        match answer {
            Ok(next) => {
                if self.tasks.iter().all(|known| known.task_id != next.task_id) {
                    self.tasks.push(next);
                }
            }
            Err(status) => {
                let code = status.code();
                assert!(matches!(code, Code::FailedPrecondition | Code::NotFound), "{:#?}", self.log);
            }
        }
    }

    /// The series as it is now, deleted tasks too.
    async fn series(&self) -> Vec<v1::Task> {
        let mut series = Vec::new();
        for task in &self.tasks {
            let request = v1::GetTaskRequest { task_id: task.task_id.clone() };
            series.push(self.alice.tasks().get_task(request).await.unwrap().into_inner());
        }
        series
    }

    /// Lets every event arrive, and checks the end.
    async fn end(mut self) {
        for completion in self.completions.clone() {
            self.deliver(&completion).await;
        }
        self.check().await;
        let series = self.series().await;
        let mut followers = BTreeSet::new();
        for completion in &self.completions {
            let now = series.iter().find(|task| task.task_id == completion.task.task_id).unwrap();
            let counts =
                now.state() == State::Completed && now.complete_time == completion.task.complete_time;
            if !counts {
                continue;
            }
            let Some(answer) = completion.handle(self.api).await else { continue };
            let next = answer.unwrap_or_else(|status| panic!("{status}: {:#?}", self.log));
            assert_eq!(next.series_id, now.series_id);
            assert!(instant(&next) > instant(now), "{} after {}: {:#?}", due(&next), due(now), self.log);
            assert!(followers.insert(next.task_id.clone()), "{} follows two: {:#?}", next.task_id, self.log);
            assert!(series.contains(&next), "one more, though every event has come: {:#?}", self.log);
        }
        assert_eq!(gaps(self.api).await, [], "{:#?}", self.log);
    }
}

fn instant(task: &v1::Task) -> (i64, i32) {
    task.occurrence_time.map(|time| (time.seconds, time.nanos)).unwrap()
}

/// The completed tasks that nothing has followed.
async fn gaps(api: &Api) -> Vec<Task> {
    let store = api.store().await;
    let (gaps, _) = store.series_gap_list("2200-01-01T00:00:00Z".parse().unwrap(), None, 500).await.unwrap();
    store.close().await.unwrap();
    gaps
}

#[tokio::test]
async fn any_order_of_calls_and_events_leaves_the_series_whole() {
    let api = Api::start().await;
    for seed in 0..SEEDS {
        let mut story = Story::begin(&api, seed).await;
        for _ in 0..STEPS {
            story.step().await;
            story.check().await;
        }
        story.end().await;
    }
}

#[tokio::test]
async fn an_instant_that_is_taken_all_the_same_is_answered_with_its_task() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice.create(weekly()).await;
    let completion = Completion::of(&alice, alice.complete(&task).await).await;

    // No call leads there: a task of the same series at the next instant, which is no successor.
    let store = api.store().await;
    let first =
        store.task_get(&"alice".parse().unwrap(), task.task_id.parse().unwrap()).await.unwrap().unwrap();
    let mut series = first.next().unwrap().series;
    series.index += 1;
    let id: TaskId = uuid().parse().unwrap();
    let mut stray =
        Task::create(id, first.user_id.clone(), first.content.clone(), series.id, first.create_time).after;
    stray.series = Some(series);
    let stray = &stray;
    let stored: Result<(), docket_store::Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                tx.task_insert(stray).await?;
                tx.occurrence_claim(stray.id, &series, None).await?;
                tx.sequence_advance(&stray.user_id, &[stray.id]).await
            })
        })
        .await;
    stored.unwrap();
    store.close().await.unwrap();
    assert_eq!(gaps(&api).await.len(), 1);

    for _ in 0..2 {
        let answer = completion.handle(&api).await.unwrap().unwrap();
        assert_eq!(answer.task_id, id.to_string());
        assert_eq!(gaps(&api).await, [], "it waits no longer");
    }
    assert_eq!(alice.all_tasks().await.len(), 2);
}
