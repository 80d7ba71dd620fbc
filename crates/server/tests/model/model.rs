//! What a user's tasks must look like: maps in memory, and rules written from the contract.
//!
//! A task is what the API answers. What only the server can choose (ids, times) is empty until it has told, and from then
//! on must stay.

use std::collections::{BTreeMap, BTreeSet};

use docket_proto::v1;
use docket_proto::v1::task::{Due, State};

use crate::model::call::Call;
use crate::model::series::{Place, micros, next, timestamp};

/// How a call ended: with a task, or as `Code REASON key=value …`.
pub(crate) type Told = Result<v1::Task, String>;

const RETENTION_SECONDS: i64 = 30 * 86_400;
const DEFAULT_REMINDER_SECONDS: i64 = 30 * 60;

/// One event of a task; its place in the list is its version.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Without `com.todo.task.`.
    pub(crate) kind: &'static str,
    /// The task after it, as far as it was known then.
    pub(crate) task: v1::Task,
    /// What is to follow, with its place in the series. Not known before the time of completion is.
    pub(crate) follows: Option<(v1::Task, Place)>,
}

/// A task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) task: v1::Task,
    pub(crate) deleted: bool,
    pub(crate) place: Option<Place>,
    pub(crate) events: Vec<Event>,
    /// The task that follows it in its series.
    pub(crate) successor: Option<String>,
    /// The latest time of a change that was told.
    latest: i64,
}

/// The answer to a call that may be repeated; `None` while nobody has seen it.
#[derive(Clone, Debug)]
struct Kept {
    method: &'static str,
    body: Vec<u8>,
    answer: Option<v1::Task>,
}

/// A user's tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) tasks: BTreeMap<String, Entry>,
    kept: BTreeMap<String, Kept>,
    /// Ids that other users have.
    pub(crate) strangers: BTreeSet<String>,
}

/// What a call does.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time")]
pub(crate) enum Effect {
    /// Nothing: this answer was given before.
    Repeated(Option<v1::Task>),
    /// Nothing: an event that came too late, or for nothing.
    Ignored,
    /// The first is answered; all are stored, unless that was not asked for.
    Changed { entries: Vec<Entry>, stored: bool },
}

impl Model {
    /// What a call must come to.
    pub(crate) fn effect(&self, call: &Call) -> Result<Effect, String> {
        if call.is_invalid() {
            return Err("InvalidArgument INVALID_FIELDS".to_owned());
        }
        if let Some(id) = call.claimed_id()
            && let Some(kept) = self.kept.get(id)
        {
            if kept.method == call.method() && kept.body == call.body() {
                return Ok(Effect::Repeated(kept.answer.clone()));
            }
            return Err(format!("AlreadyExists REQUEST_ID_REUSED request_id={id}"));
        }
        let changed = |entries| Ok(Effect::Changed { entries, stored: true });
        match call {
            Call::Create(request) => {
                let entry = self.create(request.task.clone().unwrap_or_default())?;
                Ok(Effect::Changed { entries: vec![entry], stored: !request.validate_only })
            }
            Call::Update(request) => {
                let entry = self.update(request)?;
                Ok(Effect::Changed { entries: vec![entry], stored: !request.validate_only })
            }
            Call::Complete(request) => {
                let before = self.live(&request.task_id, &request.etag)?;
                changed(vec![before.with_state(State::Open, State::Completed, "completed")?])
            }
            Call::Reopen(request) => changed(self.reopen(&request.task_id, &request.etag)?),
            Call::Delete(request) => {
                changed(vec![self.live(&request.task_id, &request.etag)?.deleted("deleted")])
            }
            Call::Get(id) => Ok(Effect::Changed { entries: vec![self.find(id)?.clone()], stored: true }),
            Call::Arrive { task_id, version } => Ok(self.arrive(task_id, *version)),
        }
    }

    /// Makes a call, checks how it ended if that is known, and learns from it. `seen` are tasks as they are now: who is
    /// not told the id of a new task may find it there.
    pub(crate) fn play(&mut self, call: &Call, told: Option<&Told>, seen: &[v1::Task]) -> Result<(), String> {
        let (mut entries, stored) = match (self.effect(call), told) {
            (Err(expect), Some(Err(told))) if expect == *told => return Ok(()),
            (Err(_), None) | (Ok(Effect::Ignored), _) => return Ok(()),
            (Ok(Effect::Repeated(expect)), told) => return self.repeated(call, expect, told),
            (Ok(Effect::Changed { entries, stored }), None | Some(Ok(_))) => (entries, stored),
            (expect, told) => return Err(format!("{told:?} instead of {expect:?}")),
        };
        if let Some(Ok(told)) = told {
            entries[0].agree(told)?;
        }
        if !stored {
            return Ok(());
        }
        if let [new] = entries.as_mut_slice()
            && call.is_creation()
        {
            if new.task.task_id.is_empty() {
                let unknown = |task: &&v1::Task| !self.tasks.contains_key(&task.task_id);
                let mut candidates = seen.iter().filter(|task| marker(task) == new.marker()).filter(unknown);
                let found = candidates.next().ok_or_else(|| format!("{:?} has not appeared", new.task))?;
                new.identify(found);
            }
            let id = &new.task.task_id;
            if self.tasks.contains_key(id) {
                return Err(format!("the id of {:?} is taken", new.task));
            }
            if let Call::Arrive { task_id, .. } = call {
                self.tasks.get_mut(task_id).unwrap().successor = Some(id.clone());
            }
        }
        if let Some(id) = call.claimed_id() {
            let answer = told.and_then(|told| told.clone().ok());
            self.kept.insert(id.to_owned(), Kept { method: call.method(), body: call.body(), answer });
        }
        self.tasks.extend(entries.into_iter().map(|entry| (entry.task.task_id.clone(), entry)));
        Ok(())
    }

    fn repeated(&mut self, call: &Call, expect: Option<v1::Task>, told: Option<&Told>) -> Result<(), String> {
        match (expect, told) {
            (_, None) => Ok(()),
            (Some(expect), Some(Ok(told))) if expect == *told => Ok(()),
            (None, Some(Ok(told))) => {
                let kept = call.claimed_id().and_then(|id| self.kept.get_mut(id));
                kept.unwrap().answer = Some(told.clone());
                Ok(())
            }
            (expect, told) => Err(format!("{told:?} instead of the first answer {expect:?}")),
        }
    }

    /// Takes note of a task as it is now.
    pub(crate) fn learn(&mut self, told: &v1::Task) -> Result<(), String> {
        let entry = self.tasks.get_mut(&told.task_id).ok_or_else(|| format!("nobody made {told:?}"))?;
        entry.agree(told)
    }

    fn find(&self, id: &str) -> Result<&Entry, String> {
        self.tasks.get(id).ok_or_else(|| format!("NotFound TASK_NOT_FOUND task_id={id}"))
    }

    /// A task at the version that the caller wants it to have.
    fn at(&self, id: &str, etag: &str) -> Result<&Entry, String> {
        let entry = self.find(id)?;
        if !etag.is_empty() && etag != entry.task.etag {
            return Err(format!("Aborted ETAG_MISMATCH etag={} task_id={id}", entry.task.etag));
        }
        Ok(entry)
    }

    fn live(&self, id: &str, etag: &str) -> Result<&Entry, String> {
        let entry = self.at(id, etag)?;
        entry.refuse_deleted()?;
        Ok(entry)
    }

    fn create(&self, asked: v1::Task) -> Result<Entry, String> {
        let id = &asked.task_id;
        if !id.is_empty() && (self.tasks.contains_key(id) || self.strangers.contains(id)) {
            return Err(format!("AlreadyExists TASK_ID_TAKEN task_id={id}"));
        }
        let place = asked.recurrence.as_ref().and(asked.due.as_ref()).map(Place::first);
        let mut task = v1::Task { state: State::Open.into(), ..asked };
        if let Some(Due::DueTime(_)) = task.due {
            let offset = pbjson_types::Duration { seconds: DEFAULT_REMINDER_SECONDS, nanos: 0 };
            let moment = Some(v1::reminder::Moment::Offset(offset));
            task.reminders = vec![v1::Reminder { moment, channels: Vec::new() }];
        }
        Ok(Entry { task, place, ..Entry::default() }.changed("created"))
    }

    fn update(&self, request: &v1::UpdateTaskRequest) -> Result<Entry, String> {
        let asked = request.task.clone().unwrap_or_default();
        let before = self.at(&asked.task_id, &asked.etag)?;
        let mut after = before.clone();
        for path in &request.update_mask.clone().unwrap_or_default().paths {
            match path.as_str() {
                "title" => after.task.title.clone_from(&asked.title),
                "description" => after.task.description.clone_from(&asked.description),
                "priority" => after.task.priority = asked.priority,
                "tags" => after.task.tags.clone_from(&asked.tags),
                "due_time" | "due_date" => after.task.due.clone_from(&asked.due),
                "recurrence" => after.task.recurrence.clone_from(&asked.recurrence),
                other => panic!("the model does not know {other}"),
            }
        }
        if after.task.due.is_none() {
            after.task.reminders.clear();
            if after.task.recurrence.is_some() {
                return Err("InvalidArgument INVALID_FIELDS".to_owned());
            }
        }
        before.refuse_deleted()?;
        if after.task == before.task {
            return Ok(after);
        }
        let plan = |task: &v1::Task| (task.due.clone(), task.recurrence.clone());
        if plan(&after.task) != plan(&before.task) {
            before.expect_state(State::Open)?;
            if let (Some(_), Some(due)) = (&after.task.recurrence, &after.task.due) {
                let place = before.place.as_ref();
                after.place = Some(place.map_or_else(|| Place::first(due), |place| place.rescheduled(due)));
            }
        }
        Ok(after.changed("updated"))
    }

    fn reopen(&self, id: &str, etag: &str) -> Result<Vec<Entry>, String> {
        let before = self.live(id, etag)?;
        let mut after = before.with_state(State::Completed, State::Open, "reopened")?;
        let Some(next) = after.successor.take().map(|id| &self.tasks[&id]) else { return Ok(vec![after]) };
        let completed = next.task.state == i32::from(State::Completed);
        if next.successor.is_some() || completed || (!next.deleted && next.task.version > 1) {
            let next = &next.task.task_id;
            return Err(format!("FailedPrecondition SUCCESSOR_CHANGED successor_id={next} task_id={id}"));
        }
        if next.deleted { Ok(vec![after]) } else { Ok(vec![after, next.deleted("deleted")]) }
    }

    /// The event of a completion came: the next occurrence appears, unless that is out of date.
    fn arrive(&self, id: &str, version: i64) -> Effect {
        let entry = &self.tasks[id];
        let event = &entry.events[usize::try_from(version).unwrap() - 1];
        let last = entry.events.iter().rposition(|event| matches!(event.kind, "completed" | "reopened"));
        let counts = event.kind == "completed" && last.is_some_and(|last| last as i64 + 1 == version);
        let Some((task, place)) = event.follows.clone().filter(|_| counts && entry.successor.is_none())
        else {
            return Effect::Ignored;
        };
        let new = Entry { task, place: Some(place), ..Entry::default() }.changed("created");
        Effect::Changed { entries: vec![new], stored: true }
    }
}

impl Entry {
    /// What stays of a task's title, whatever it is called: `#12#`.
    pub(crate) fn marker(&self) -> &str {
        marker(&self.task)
    }

    fn refuse_deleted(&self) -> Result<(), String> {
        if self.deleted {
            Err(format!("FailedPrecondition TASK_DELETED task_id={}", self.task.task_id))
        } else {
            Ok(())
        }
    }

    fn expect_state(&self, state: State) -> Result<(), String> {
        if self.task.state() == state {
            return Ok(());
        }
        let name = self.task.state().as_str_name().trim_start_matches("STATE_");
        Err(format!("FailedPrecondition TASK_STATE state={name} task_id={}", self.task.task_id))
    }

    fn with_state(&self, from: State, to: State, kind: &'static str) -> Result<Self, String> {
        self.expect_state(from)?;
        let mut after = self.clone();
        after.task.state = to.into();
        after.task.complete_time = None;
        Ok(after.changed(kind))
    }

    fn deleted(&self, kind: &'static str) -> Self {
        Self { deleted: true, ..self.clone() }.changed(kind)
    }

    /// The next version.
    fn changed(mut self, kind: &'static str) -> Self {
        let task = &mut self.task;
        task.version += 1;
        task.etag = format!("v{}", task.version);
        task.update_time = None;
        task.occurrence_time = None;
        task.series_id.clear();
        if let (Some(place), Some(_)) = (&self.place, &task.recurrence) {
            task.occurrence_time = Some(timestamp(place.occurrence));
            task.series_id.clone_from(&place.series_id);
        }
        self.events.push(Event { kind, task: task.clone(), follows: None });
        self
    }

    /// Takes over what only the server knows; the rest must be as expected.
    pub(crate) fn agree(&mut self, told: &v1::Task) -> Result<(), String> {
        let mut expect = self.task.clone();
        let fill = |expect: &mut String, told: &String| {
            if expect.is_empty() {
                expect.clone_from(told)
            }
        };
        fill(&mut expect.task_id, &told.task_id);
        fill(&mut expect.user_id, &told.user_id);
        if expect.recurrence.is_some() {
            fill(&mut expect.series_id, &told.series_id);
        }
        expect.create_time = expect.create_time.or(told.create_time);
        expect.update_time = expect.update_time.or(told.update_time);
        if expect.state() == State::Completed {
            expect.complete_time = expect.complete_time.or(told.complete_time);
        }
        if self.deleted {
            let times = (told.delete_time, told.purge_time);
            (expect.delete_time, expect.purge_time) =
                (expect.delete_time.or(times.0), expect.purge_time.or(times.1));
        }
        if expect != *told {
            return Err(format!("the task is\n  {told:?}\ninstead of\n  {expect:?}"));
        }
        let missing = [(true, &told.create_time), (true, &told.update_time)].into_iter();
        let missing = missing.chain([(expect.state() == State::Completed, &told.complete_time)]);
        if missing.chain([(self.deleted, &told.delete_time)]).any(|(needed, time)| needed != time.is_some()) {
            return Err(format!("times are wrong: {told:?}"));
        }
        if let (Some(delete), Some(purge)) = (told.delete_time, told.purge_time)
            && purge.seconds - delete.seconds != RETENTION_SECONDS
        {
            return Err(format!("purged at the wrong time: {told:?}"));
        }
        let updated = told.update_time.as_ref().map_or(0, micros);
        if updated < self.latest {
            return Err(format!("the time of the last change went back: {told:?}"));
        }
        self.latest = updated;
        self.task = expect;
        if let Some(place) = self.place.as_mut().filter(|_| self.task.recurrence.is_some()) {
            fill(&mut place.series_id, &told.series_id);
        }
        self.plan();
        Ok(())
    }

    /// Works out what follows the completion, now that its time is known.
    fn plan(&mut self) {
        let (Some(completed), Some(place)) = (&self.task.complete_time, &self.place) else { return };
        let last = self.events.iter_mut().rfind(|event| event.kind == "completed").unwrap();
        if last.follows.is_none() {
            last.follows = next(&self.task, place, micros(completed)).map(|(due, place)| {
                let content = v1::Task {
                    task_id: String::new(),
                    user_id: self.task.user_id.clone(),
                    due: Some(due),
                    state: State::Open.into(),
                    version: 0,
                    create_time: None,
                    complete_time: None,
                    ..last.task.clone()
                };
                (content, place)
            });
        }
    }

    /// This is the task that was seen.
    fn identify(&mut self, seen: &v1::Task) {
        self.task.task_id.clone_from(&seen.task_id);
        if let Some(place) = &mut self.place {
            place.series_id.clone_from(&seen.series_id);
            self.task.series_id.clone_from(&seen.series_id);
        }
    }
}

/// What stays of a task's title, whatever it is called: `#12#`.
pub(crate) fn marker(task: &v1::Task) -> &str {
    task.title.split(' ').next().unwrap_or_default()
}
