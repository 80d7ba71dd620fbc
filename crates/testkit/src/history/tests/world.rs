//! A Docket without faults, in memory: what it does for its clients, and what they and others see of it.

use std::collections::BTreeMap;
use std::time::Duration;

use docket_domain::EventKind;
use uuid::Uuid;

use crate::history::{
    Answer, Call, Consumer, Content, Done, Entry, Event, History, Key, Message, Method, Outcome, Planted,
    Task,
};

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const PARTITIONS: i32 = 3;

/// One thing that a client does, as numbers that any may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// What.
    pub(super) action: u8,
    /// Whose, or with which task.
    pub(super) subject: u8,
    /// What the client hears of it.
    pub(super) fate: u8,
    /// How its events arrive.
    pub(super) echo: u8,
}

/// A Docket.
#[derive(Default)]
pub(super) struct World {
    history: History,
    /// Ids so far.
    ids: u128,
    now: Duration,
    offsets: BTreeMap<i32, i64>,
    order: i64,
    /// Messages that will come once more at the end.
    again: Vec<Event>,
}

/// Steps with every action, every fate and every echo.
pub(super) fn everything() -> Vec<Step> {
    let numbers = 0..400_u32;
    let byte = |number: u32| (number % 256) as u8;
    let step = |number: u32| Step {
        action: byte(number * 7 + number / 11),
        subject: byte(number * 13 + 5),
        fate: byte(number * 3 + number / 7),
        echo: byte(number * 5 + number / 13),
    };
    numbers.map(step).collect()
}

impl World {
    /// What is known of a run of these steps.
    pub(super) fn run(steps: &[Step]) -> History {
        let mut world = Self::default();
        for name in ["audit", "recurrence"] {
            world.history.consumers.push(Consumer { name: name.to_owned(), ..Consumer::default() });
        }
        for step in steps {
            world.step(*step);
        }
        world.poison();
        for event in std::mem::take(&mut world.again) {
            world.publish(&event);
        }
        world.history
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn tick(&mut self) -> Duration {
        self.now += Duration::from_millis(1);
        self.now
    }

    fn step(&mut self, step: Step) {
        let user = USERS[usize::from(step.subject) % USERS.len()];
        let mine: Vec<usize> = (0..self.history.tasks.len())
            .filter(|task| self.history.tasks[*task].user == user && !self.history.tasks[*task].deleted)
            .collect();
        let task = mine.get(usize::from(step.subject) % mine.len().max(1)).copied();
        let (method, task) = match (step.action % 10, task) {
            (2..=3, Some(task)) => (Method::Update, Some(task)),
            (4..=5, Some(task)) if self.history.tasks[task].completed.is_none() => {
                (Method::Complete, Some(task))
            }
            (4..=6, Some(task)) if self.may_reopen(task) => (Method::Reopen, Some(task)),
            (7, Some(task)) if !self.is_follower(task) => (Method::Delete, Some(task)),
            (8, Some(task)) => return self.read(user, task),
            _ => (Method::Create, None),
        };
        let request = self.id();
        let new = self.id();
        let named = match (method, step.action % 2) {
            (Method::Create, 0) => None,
            (Method::Create, _) => Some(new),
            _ => task.map(|task| self.history.tasks[task].id),
        };
        let call = |outcome, answered: Option<Duration>, invoked| Call {
            process: usize::from(step.subject),
            user: user.to_owned(),
            request: Some(request),
            method,
            task: named,
            invoked,
            answered,
            outcome,
        };
        let (takes_place, outcomes) = fate(step.fate);
        let mut answer = Vec::new();
        for (number, outcome) in outcomes.iter().enumerate() {
            let invoked = self.tick();
            if takes_place == Some(number) {
                answer = self.take_place(method, task, request, new, user, step.echo);
            }
            let answered = self.tick();
            let (outcome, answered) = match outcome {
                Heard::Ok => (Outcome::Ok(answer.clone()), Some(answered)),
                Heard::Fail => (Outcome::Fail("FAILED_PRECONDITION".to_owned()), Some(answered)),
                Heard::Nothing => (Outcome::Unknown("no answer".to_owned()), None),
            };
            self.history.calls.push(call(outcome, answered, invoked));
        }
    }

    fn may_reopen(&self, task: usize) -> bool {
        let task = &self.history.tasks[task];
        let follower = self.history.tasks.iter().find(|other| other.predecessor == Some(task.id));
        task.completed.is_some() && follower.is_none_or(|follower| follower.version == 1)
    }

    fn is_follower(&self, task: usize) -> bool {
        self.history.tasks[task].predecessor.is_some()
    }

    fn read(&mut self, user: &str, task: usize) {
        let task = &self.history.tasks[task];
        let (user_id, content) = (task.user.clone(), task.content.clone());
        let answer = Answer { task: task.id, version: task.version, user: user_id, content };
        let (invoked, answered) = (self.tick(), self.tick());
        self.history.calls.push(Call {
            process: 0,
            user: user.to_owned(),
            request: None,
            method: Method::Read,
            task: Some(answer.task),
            invoked,
            answered: Some(answered),
            outcome: Outcome::Ok(vec![answer]),
        });
    }

    /// What is asked for happens, and what follows from it.
    fn take_place(
        &mut self,
        method: Method,
        task: Option<usize>,
        request: Uuid,
        new: Uuid,
        user: &str,
        echo: u8,
    ) -> Vec<Answer> {
        let task = task.unwrap_or_else(|| {
            let series = (echo.is_multiple_of(2)).then(|| (self.id(), 0));
            self.insert(new, user, series, None)
        });
        match method {
            Method::Complete => {
                self.history.tasks[task].completed = Some(self.history.tasks[task].version + 1)
            }
            Method::Reopen => self.history.tasks[task].completed = None,
            Method::Delete => self.history.tasks[task].deleted = true,
            _ => {}
        }
        let kind = method.tells().expect("it changes something");
        let answer = self.change(task, kind, request, echo);
        self.history.keys.push(Key {
            user: user.to_owned(),
            request,
            task: answer.task,
            version: answer.version,
            content: answer.content.clone(),
        });
        match method {
            Method::Complete => self.follow(task, request, user, echo),
            Method::Reopen => self.take_back(task, request, echo),
            _ => {}
        }
        vec![answer]
    }

    fn insert(
        &mut self,
        id: Uuid,
        user: &str,
        series: Option<(Uuid, i64)>,
        predecessor: Option<Uuid>,
    ) -> usize {
        let user = user.to_owned();
        let repeats = series.is_some();
        let (version, completed, deleted) = (0, None, false);
        let content = Content { title: String::new(), completed: false };
        self.history.tasks.push(Task {
            id,
            user,
            version,
            content,
            completed,
            deleted,
            repeats,
            series,
            predecessor,
        });
        self.history.tasks.len() - 1
    }

    fn follow(&mut self, task: usize, request: Uuid, user: &str, echo: u8) {
        let Task { id, series, .. } = self.history.tasks[task];
        if let Some((series, instant)) = series {
            let new = self.id();
            let follower = self.insert(new, user, Some((series, instant + 1)), Some(id));
            self.change(follower, EventKind::Created, request, echo);
        }
    }

    fn take_back(&mut self, task: usize, request: Uuid, echo: u8) {
        let id = self.history.tasks[task].id;
        let follower = self.history.tasks.iter().position(|other| other.predecessor == Some(id));
        if let Some(follower) = follower {
            self.history.tasks[follower].deleted = true;
            self.history.tasks[follower].predecessor = None;
            self.change(follower, EventKind::Deleted, request, echo);
        }
    }

    /// A new version, its event, and what becomes of that.
    fn change(&mut self, task: usize, kind: EventKind, request: Uuid, echo: u8) -> Answer {
        let id = self.id();
        let task = &mut self.history.tasks[task];
        task.version += 1;
        if matches!(kind, EventKind::Created | EventKind::Updated) {
            task.content.title = format!("Version {}", task.version);
        }
        task.content.completed = task.completed.is_some();
        let (version, user, content) = (task.version, task.user.clone(), task.content.clone());
        let answer = Answer { task: task.id, version, user: user.clone(), content: content.clone() };
        let cause = Some(request);
        let event = Event { id, kind, task: task.id, version, user, content, cause };
        self.publish(&event);
        self.order += 1;
        self.history.entries.push(Entry { event: event.clone(), order: self.order });
        for consumer in &mut self.history.consumers {
            consumer.done.push(Done { event: id, order: self.order });
        }
        match echo % 5 {
            0 => self.publish(&event),
            1 => self.again.push(event),
            _ => {}
        }
        answer
    }

    fn publish(&mut self, event: &Event) {
        let partition = (event.task.as_u128() % PARTITIONS as u128) as i32;
        self.message(partition, Some(event.clone()));
    }

    fn message(&mut self, partition: i32, event: Option<Event>) {
        let offset = self.offsets.entry(partition).or_default();
        let message = Message { partition, offset: *offset, only: None, event };
        *offset += 1;
        self.history.topic.push(message);
    }

    /// An event that nobody can handle.
    fn poison(&mut self) {
        let event = self.id();
        self.message(0, None);
        for consumer in &mut self.history.consumers {
            consumer.dead.insert(event);
            consumer.letters.insert(event);
        }
        let consumers = self.history.consumers.iter().map(|consumer| consumer.name.clone()).collect();
        self.history.planted.push(Planted { event, consumers });
    }
}

#[derive(Clone, Copy)]
enum Heard {
    Ok,
    Fail,
    Nothing,
}

/// During which of its calls an operation takes place, and what each of them hears.
fn fate(fate: u8) -> (Option<usize>, &'static [Heard]) {
    match fate % 12 {
        0 => (None, &[Heard::Fail]),
        1 => (Some(0), &[Heard::Nothing]),
        2 => (None, &[Heard::Nothing]),
        3 => (Some(0), &[Heard::Nothing, Heard::Ok]),
        4 => (Some(1), &[Heard::Nothing, Heard::Ok]),
        // The first arrives after all, behind the second.
        5 => (Some(1), &[Heard::Nothing, Heard::Fail]),
        6 => (Some(0), &[Heard::Ok, Heard::Ok]),
        _ => (Some(0), &[Heard::Ok]),
    }
}
