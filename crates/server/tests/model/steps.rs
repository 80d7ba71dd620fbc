//! What a user does next.

use docket_proto::v1;
use docket_proto::v1::task::State;
use rand::Rng as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use crate::model::call::Call;
use crate::model::model::Entry;
use crate::model::series::{due_micros, micros};
use crate::model::story::Story;
use crate::model::words;

/// With so many events on their way, the user waits.
const BACKLOG: usize = 15;

/// Whether a listing shows a task.
type Keep = Box<dyn Fn(&Entry) -> bool>;

/// How many of the newest tasks are mostly used.
const NEWEST: usize = 12;

impl Story {
    /// Does something.
    pub(crate) async fn step(&mut self) {
        let pending = self.pending();
        let roll = if pending.len() > BACKLOG { 40 } else { self.rng.random_range(0..100) };
        match roll {
            0..36 => {
                let call = self.anything();
                self.call(call).await;
            }
            36..62 => {
                let mut heads = pending;
                heads.shuffle(&mut self.rng);
                heads.truncate(self.rng.random_range(1..6));
                if !heads.is_empty() {
                    self.deliver(heads).await;
                }
            }
            62..72 => {
                if let Some(event) = self.delivered() {
                    self.deliver(vec![event]).await;
                }
            }
            72..77 => self.repeat().await,
            77..81 => self.intrude().await,
            81..85 => self.list_some().await,
            85..88 => {
                if let Some(id) = self.some_task() {
                    self.world.count("get");
                    self.call(Call::Get(id)).await;
                }
            }
            88..92 => {
                let calls = self.creations();
                self.race(calls).await;
            }
            _ => {
                if let Some(calls) = self.rivals() {
                    self.race(calls).await;
                }
            }
        }
    }

    fn some_task(&mut self) -> Option<String> {
        let ids: Vec<&String> = self.model.tasks.keys().collect();
        let newest = if self.rng.random_bool(0.9) { ids.len().saturating_sub(NEWEST) } else { 0 };
        ids[newest..].choose(&mut self.rng).map(ToString::to_string)
    }

    fn anything(&mut self) -> Call {
        let id = self.some_task();
        let mut call = match (id, self.rng.random_range(0..100)) {
            (None, _) | (_, 0..28) => self.creation(),
            (Some(id), roll) => self.change(&id, roll),
        };
        if self.rng.random_bool(0.5) {
            let fresh = self.request_id();
            call.request_id().unwrap().clone_from(&fresh);
        }
        match &mut call {
            Call::Create(v1::CreateTaskRequest { task, validate_only, .. })
            | Call::Update(v1::UpdateTaskRequest { task, validate_only, .. }) => {
                *validate_only = self.rng.random_ratio(1, 20);
                if self.rng.random_ratio(1, 40) {
                    task.as_mut().unwrap().title.clear();
                }
            }
            _ => {}
        }
        call
    }

    fn creation(&mut self) -> Call {
        let number = self.number();
        let mut task = words::task(&mut self.rng, number);
        if self.rng.random_bool(0.2) {
            task.task_id = uuid::Uuid::from_u128(self.rng.random()).to_string();
            if let (true, Some(taken)) = (self.rng.random_bool(0.1), self.some_task()) {
                task.task_id = taken;
            }
        }
        Call::Create(v1::CreateTaskRequest { task: Some(task), ..Default::default() })
    }

    /// A change of a task, allowed or not.
    fn change(&mut self, id: &str, roll: u32) -> Call {
        let entry = &self.model.tasks[id];
        let etag = match self.rng.random_range(0..10) {
            0 | 1 => entry.task.etag.clone(),
            2 => format!("v{}", self.rng.random_range(1..4)),
            _ => String::new(),
        };
        let task_id = id.to_owned();
        let request_id = String::new();
        match roll % 100 {
            0..50 => {
                let mut request = words::update(&mut self.rng, &entry.task, entry.marker());
                request.task.as_mut().unwrap().etag = etag;
                Call::Update(request)
            }
            50..78 => Call::Complete(v1::CompleteTaskRequest { task_id, etag, request_id }),
            78..93 => Call::Reopen(v1::ReopenTaskRequest { task_id, etag, request_id }),
            _ => Call::Delete(v1::DeleteTaskRequest { task_id, etag, request_id }),
        }
    }

    /// Repeats an earlier call, or uses its id for another one.
    async fn repeat(&mut self) {
        let Some(mut call) = self.earlier.choose(&mut self.rng).cloned() else { return };
        let id = call.claimed_id().unwrap().to_owned();
        if self.rng.random_bool(0.3) {
            self.world.count("request id used again");
            call = match call {
                Call::Complete(v1::CompleteTaskRequest { task_id, etag, request_id }) => {
                    Call::Reopen(v1::ReopenTaskRequest { task_id, etag, request_id })
                }
                _ => self.creation(),
            };
            call.request_id().unwrap().clone_from(&id);
        } else {
            self.world.count("call repeated");
        }
        self.call(call).await;
    }

    /// Tries to get at somebody else's task.
    async fn intrude(&mut self) {
        let Some(task_id) = self.stranger() else { return };
        self.world.count("call for a task of somebody else's");
        let (etag, request_id) = (String::new(), String::new());
        let call = match self.rng.random_range(0..6) {
            0 => Call::Get(task_id),
            1 => Call::Complete(v1::CompleteTaskRequest { task_id, etag, request_id }),
            2 => Call::Reopen(v1::ReopenTaskRequest { task_id, etag, request_id }),
            3 => Call::Delete(v1::DeleteTaskRequest { task_id, etag, request_id }),
            4 => {
                let task = v1::Task { task_id, ..v1::Task::default() };
                Call::Update(words::update(&mut self.rng, &task, "#0#"))
            }
            _ => {
                let number = self.number();
                let task = v1::Task { task_id, ..words::task(&mut self.rng, number) };
                Call::Create(v1::CreateTaskRequest { task: Some(task), ..Default::default() })
            }
        };
        self.call(call).await;
    }

    /// Several creations at once; some of them are one and the same.
    fn creations(&mut self) -> Vec<Call> {
        let mut same = self.creation();
        let id = self.request_id();
        same.request_id().unwrap().clone_from(&id);
        let mut calls = vec![same; self.rng.random_range(1..4)];
        if self.rng.random_bool(0.4) {
            let mut other = self.creation();
            other.request_id().unwrap().clone_from(&id);
            calls.push(other);
        }
        for _ in 0..self.rng.random_range(0..3) {
            let mut call = self.creation();
            if self.rng.random_bool(0.5) {
                let fresh = self.request_id();
                call.request_id().unwrap().clone_from(&fresh);
            }
            calls.push(call);
        }
        calls.shuffle(&mut self.rng);
        calls
    }

    /// Several changes of one task at once, and perhaps the event of its completion.
    fn rivals(&mut self) -> Option<Vec<Call>> {
        let id = self.some_task()?;
        let mut calls = Vec::new();
        if let Some((task_id, version)) = self.pending().into_iter().find(|(task, _)| *task == id) {
            calls.push(Call::Arrive { task_id, version });
        }
        for _ in calls.len()..self.rng.random_range(2..5) {
            let roll = self.rng.random_range(28..100);
            let mut call = self.change(&id, roll);
            if self.rng.random_bool(0.3) {
                let fresh = self.request_id();
                call.request_id().unwrap().clone_from(&fresh);
                // The same call at the same time.
                if calls.len() < 4 && self.rng.random_bool(0.5) {
                    calls.push(call.clone());
                }
            }
            calls.push(call);
        }
        Some(calls)
    }

    /// A page-wise listing of some tasks, in some order.
    async fn list_some(&mut self) {
        self.world.count("list");
        self.learn_all().await;
        let (request, expect) = self.listing();
        let told = self.list(request.clone()).await;
        self.same(&request, &expect, &told);
    }

    /// A listing, and what it must come to.
    fn listing(&mut self) -> (v1::ListTasksRequest, Vec<v1::Task>) {
        let rng = &mut self.rng;
        let (tag, priority) = (words::TAGS.choose(rng).copied().unwrap(), words::priority(rng));
        let instant = words::due(rng).map_or(0, |due| due_micros(&due));
        let stamp = chrono::DateTime::from_timestamp_micros(instant).unwrap().to_rfc3339();
        let names = ["LOW", "MEDIUM", "HIGH", "URGENT"];
        let name = names[usize::try_from(priority).unwrap() - 1];
        let due = |entry: &Entry| entry.task.due.as_ref().map(due_micros);
        let (filter, keep): (String, Keep) = match rng.random_range(0..6) {
            0 => (String::new(), Box::new(|_| true)),
            1 => ("state = OPEN".to_owned(), Box::new(move |entry| entry.task.state() == State::Open)),
            2 => (format!("priority >= {name}"), Box::new(move |entry| entry.task.priority >= priority)),
            3 => (
                format!("tags:\"{tag}\""),
                Box::new(move |entry| entry.task.tags.iter().any(|one| one == tag)),
            ),
            4 => (
                format!("due < \"{stamp}\""),
                Box::new(move |entry| due(entry).is_some_and(|due| due < instant)),
            ),
            _ => {
                let filter = format!("state = COMPLETED AND due >= \"{stamp}\"");
                let completed = |entry: &Entry| entry.task.state() == State::Completed;
                (
                    filter,
                    Box::new(move |entry| completed(entry) && due(entry).is_some_and(|due| due >= instant)),
                )
            }
        };
        let field = *["create_time", "update_time", "due", "priority"].choose(rng).unwrap();
        let (descending, show_deleted) = (rng.random_bool(0.5), rng.random_bool(0.5));
        let page_size = rng.random_range(5..60);
        let key = |entry: &Entry| match field {
            "create_time" => entry.task.create_time.as_ref().map_or(0, micros),
            "update_time" => entry.task.update_time.as_ref().map_or(0, micros),
            "due" => due(entry).unwrap_or_default(),
            _ => i64::from(entry.task.priority),
        };
        let shown = |entry: &&Entry| keep(entry) && (show_deleted || !entry.deleted);
        let mut expect: Vec<&Entry> = self.model.tasks.values().filter(shown).collect();
        expect.sort_by_key(|entry| (key(entry), entry.task.task_id.clone()));
        if descending {
            expect.reverse();
        }
        if field == "due" {
            expect.sort_by_key(|entry| due(entry).is_none());
        }
        let expect = expect.into_iter().map(|entry| entry.task.clone()).collect();
        let order_by = if descending { format!("{field} desc") } else { field.to_owned() };
        let request =
            v1::ListTasksRequest { page_size, filter, order_by, show_deleted, ..Default::default() };
        (request, expect)
    }
}
