//! One user, who does this and that, and knows what must come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use docket_proto::v1;
use docket_testkit::User;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::timeout;
use tonic::{Response, Status};

use crate::model::broker::Published;
use crate::model::call::{Call, Ended, ended};
use crate::model::delivery::arrive;
use crate::model::host::Running;
use crate::model::model::{Effect, Model, marker};
use crate::model::race::{Open, Seen, explain};
use crate::model::world::World;

/// How many lines a user remembers, at least.
const REMEMBERED: usize = 300;

/// How many lines of a task's history a failure shows.
const SHOWN: usize = 60;

/// A user.
pub(crate) struct Story {
    pub(crate) world: Arc<World>,
    pub(crate) name: String,
    token: String,
    pub(crate) rng: StdRng,
    pub(crate) model: Model,
    /// What happened, for whoever reads a failure.
    log: Vec<String>,
    /// Calls with a request id.
    pub(crate) earlier: Vec<Call>,
    /// Counts markers and request ids.
    numbers: u32,
    /// How many events of each task were delivered.
    pub(crate) delivered: BTreeMap<String, usize>,
}

impl Story {
    pub(crate) fn new(world: Arc<World>, number: u64) -> Self {
        let name = format!("user-{number}");
        Self {
            token: world.host.token(&name),
            rng: StdRng::seed_from_u64(world.seed.wrapping_mul(1_000).wrapping_add(number)),
            name,
            world,
            model: Model::default(),
            log: Vec::new(),
            earlier: Vec::new(),
            numbers: 0,
            delivered: BTreeMap::new(),
        }
    }

    pub(crate) fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// The same ids as other users take, so that only together with the user they are unique.
    pub(crate) fn request_id(&mut self) -> String {
        uuid::Uuid::from_u128(u128::from(self.number())).to_string()
    }

    /// A task of somebody else's, if there is one.
    pub(crate) fn stranger(&mut self) -> Option<String> {
        let id = self.world.stranger(&mut self.rng, &self.model)?;
        self.model.strangers.insert(id.clone());
        Some(id)
    }

    pub(crate) fn note(&mut self, line: String) {
        if self.log.len() >= 2 * REMEMBERED {
            self.log.drain(..REMEMBERED);
        }
        self.log.push(line);
    }

    /// Ends the test, with what concerns these tasks.
    pub(crate) fn fail(&self, why: &str, about: &BTreeSet<String>) -> ! {
        let concerns = |line: &&String| about.iter().any(|what| line.contains(what.as_str()));
        let mut lines: Vec<&String> = self.log.iter().filter(concerns).collect();
        lines.drain(..lines.len().saturating_sub(SHOWN));
        let (seed, name, steps) = (self.world.seed, &self.name, self.world.steps.load(Ordering::SeqCst));
        panic!(
            "DOCKET_MODEL_SEED={seed}, {name}, after {steps} steps of all:\n{why}\nhistory of {about:?}:\n{lines:#?}"
        );
    }

    pub(crate) fn expect<T>(&self, outcome: Result<T, String>, about: &BTreeSet<String>) -> T {
        outcome.unwrap_or_else(|why| self.fail(&why, about))
    }

    /// What a call is about, as its lines in the log show it.
    pub(crate) fn about(&self, call: &Call) -> BTreeSet<String> {
        let id = match call {
            Call::Create(request) => {
                return request.task.iter().map(|task| marker(task).to_owned()).collect();
            }
            Call::Update(request) => request.task.as_ref().map(|task| &task.task_id),
            Call::Complete(request) => Some(&request.task_id),
            Call::Reopen(request) => Some(&request.task_id),
            Call::Delete(request) => Some(&request.task_id),
            Call::Get(id) | Call::Arrive { task_id: id, .. } => Some(id),
        };
        let entry = id.and_then(|id| self.model.tasks.get(id));
        entry.map(|entry| entry.marker().to_owned()).into_iter().collect()
    }

    /// Makes a call and checks how it ends.
    pub(crate) async fn call(&mut self, call: Call) {
        let about = self.about(&call);
        if !matches!(call, Call::Get(_)) {
            self.world.step(call.method());
        }
        let effect = self.model.effect(&call);
        let changes = matches!(effect, Ok(Effect::Changed { stored: true, .. }));
        let told = loop {
            let running = self.world.host.running().await;
            let user = running.user(&self.token);
            // Only of a call that would succeed: then its repetition settles what became of it.
            let impatient = changes && call.claimed_id().is_some() && self.rng.random_ratio(1, 12);
            let made = if impatient {
                let patience = Duration::from_micros(self.rng.random_range(0..5_000));
                let given_up = |_| Ended::Cut("given up".to_owned());
                timeout(patience, call.make(&user)).await.unwrap_or_else(given_up)
            } else {
                call.make(&user).await
            };
            self.note(format!("{about:?} {call:?}: {made:?}"));
            match made {
                Ended::Told(told) => break told,
                Ended::Conflict => self.world.count("call in conflict"),
                Ended::Cut(why) => {
                    if !impatient {
                        self.cut(&running, &why, &about);
                    }
                    self.world.count(if impatient { "call given up" } else { "call cut" });
                    let asks = call.claimed_id().is_some() || matches!(call, Call::Get(_)) || !changes;
                    if !asks {
                        return self.settle(vec![(call, None)]).await;
                    }
                }
            }
        };
        if told.is_err() {
            self.world.count("call refused");
        }
        let mut model = std::mem::take(&mut self.model);
        let outcome = model.play(&call, Some(&told), &[]);
        self.model = model;
        self.expect(outcome, &about);
        self.remember(&call, &told.ok().into_iter().collect::<Vec<_>>());
    }

    pub(crate) fn remember(&mut self, call: &Call, told: &[v1::Task]) {
        let known = told.iter().filter(|task| self.model.tasks.contains_key(&task.task_id));
        if call.is_creation() {
            self.world.ids.lock().unwrap().extend(known.map(|task| task.task_id.clone()));
        }
        if call.claimed_id().is_some() {
            self.earlier.push(call.clone());
        }
    }

    /// Only the end of a run is a reason for a call to be cut.
    pub(crate) fn cut(&self, running: &Running, why: &str, about: &BTreeSet<String>) {
        if !self.world.host.is_over(running) {
            self.fail(&format!("a call was cut, though nobody ended Docket: {why}"), about);
        }
    }

    /// Makes calls at the same time, and lets events arrive meanwhile.
    pub(crate) async fn race(&mut self, calls: Vec<Call>) {
        let world = self.world.clone();
        for call in &calls {
            match call {
                Call::Arrive { .. } => world.count("delivery in a race"),
                _ => world.step(call.method()),
            }
        }
        world.count("race");
        let whole = world.host.whole.read().await;
        let running = world.host.running().await;
        let user = running.user(&self.token);
        let mut events = Vec::new();
        for call in &calls {
            events.push(match call {
                Call::Arrive { task_id, version } => vec![self.event(task_id, *version).await],
                _ => Vec::new(),
            });
        }
        let made = calls.into_iter().zip(events).map(|(call, events)| race(&running, &user, call, events));
        let made = futures::future::join_all(made.collect::<Vec<_>>()).await;
        drop(whole);
        let mut open = Vec::new();
        let mut again = Vec::new();
        for (call, made) in made {
            let about = self.about(&call);
            self.note(format!("{about:?} at the same time {call:?}: {made:?}"));
            match made {
                Some(Ended::Told(told)) => open.push((call, Some(told))),
                Some(Ended::Conflict) => self.world.count("call in conflict"),
                Some(Ended::Cut(why)) => self.fail(&format!("cut in a race: {why}"), &about),
                // It may not have been handled yet.
                None => {
                    if let Call::Arrive { task_id, version } = &call {
                        again.push((task_id.clone(), *version));
                    }
                    open.push((call, None));
                }
            }
        }
        for event in &again {
            self.bring(std::slice::from_ref(event)).await;
        }
        self.settle(open).await;
        for (task, version) in again {
            self.took(&task, version);
        }
    }

    /// Finds out what calls have come to.
    pub(crate) async fn settle(&mut self, calls: Vec<Open>) {
        let about: BTreeSet<String> = calls.iter().flat_map(|(call, _)| self.about(call)).collect();
        let mut seen = Vec::new();
        for marker in &about {
            seen.extend(self.series(marker).await);
        }
        let explained = explain(&self.model, &calls, &Seen { markers: &about, tasks: &seen });
        let model = self.expect(explained, &about);
        self.model = model;
        for (call, told) in &calls {
            let happened = told.as_ref().is_some_and(Result::is_ok);
            self.remember(call, if happened || told.is_none() { &seen } else { &[] });
        }
    }

    /// Every task whose title begins with a marker.
    pub(crate) async fn series(&mut self, marker: &str) -> Vec<v1::Task> {
        let filter = format!("text:\"{marker}\"");
        let request =
            v1::ListTasksRequest { filter, show_deleted: true, page_size: 500, ..Default::default() };
        let mut tasks = self.list(request).await;
        tasks.retain(|task| task.title.starts_with(marker));
        tasks
    }

    /// Every page of a listing.
    pub(crate) async fn list(&mut self, mut request: v1::ListTasksRequest) -> Vec<v1::Task> {
        let mut all = Vec::new();
        loop {
            let asked = |user: User| {
                let asked = request.clone();
                async move { user.tasks().list_tasks(asked).await }
            };
            let page = self.ask(asked).await;
            all.extend(page.tasks);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Asks something that changes nothing, until there is an answer.
    pub(crate) async fn ask<T, F>(&self, question: impl Fn(User) -> F) -> T
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        loop {
            let running = self.world.host.running().await;
            match question(running.user(&self.token)).await {
                Ok(answer) => return answer.into_inner(),
                Err(status) => match ended(&status) {
                    Ended::Cut(why) => self.cut(&running, &why, &BTreeSet::new()),
                    Ended::Conflict => {}
                    Ended::Told(told) => self.fail(&format!("{told:?}"), &BTreeSet::new()),
                },
            }
        }
    }
}

/// Makes a call of several at the same time. Of an event nobody knows what it has come to.
async fn race(running: &Running, user: &User, call: Call, events: Vec<Published>) -> (Call, Option<Ended>) {
    let made = match call {
        Call::Arrive { .. } => arrive(running, &events).await.err().map(|status| ended(&status)),
        _ => Some(call.make(user).await),
    };
    (call, made)
}
