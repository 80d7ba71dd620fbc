//! A target whose surroundings are played.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono_tz::Tz;
use docket_domain::content::{Moment, Tags};
use docket_domain::source::{Clock, Ids};
use docket_domain::{
    Change, Content, Description, Due, EventId, Instant, Priority, Reminder, ReminderState, SeriesId, Task,
    TaskId, TaskReminder, TimeDelta, Title, UserId,
};
use docket_sidecar::{BoxError, Client, Delivery, Error, Job, JobHandler, Metadata, Trace};
use docket_store::outbox::PendingEvent;
use docket_store::reminders::Listing;
use docket_store::{Schema, Store, Stores};
use docket_telemetry::{Handle, Identity, Meters};
use docket_wire::event;
use uuid::Uuid;

use crate::jobs::Scheduler;
use crate::{Config, Deps, Reminders, Service};

/// The moment at which everything begins.
pub(crate) fn morning() -> Instant {
    "2027-01-01T09:00:00Z".parse().unwrap()
}

pub(crate) fn alice() -> UserId {
    "alice".parse().unwrap()
}

pub(crate) struct Hands(Mutex<Instant>);

impl Hands {
    pub(crate) fn set(&self, now: Instant) {
        *self.0.lock().unwrap() = now;
    }

    pub(crate) fn pass(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for Hands {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Ids for Counted {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128((0xA << 64) + u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

/// Keeps jobs as a scheduler does, but does not trigger them.
pub(crate) struct Played {
    pub(crate) app_id: Mutex<String>,
    pub(crate) jobs: Mutex<BTreeMap<String, Job>>,
    /// Every call that scheduled a job.
    pub(crate) scheduled: Mutex<Vec<String>>,
    pub(crate) away: Mutex<bool>,
    /// The job takes its place, and nobody hears so.
    pub(crate) silent: Mutex<bool>,
}

impl Played {
    fn answer<T>(&self, answer: T) -> Result<T, Error> {
        match *self.away.lock().unwrap() || *self.silent.lock().unwrap() {
            true => Err(Error::Deadline(std::time::Duration::ZERO)),
            false => Ok(answer),
        }
    }

    /// The names of the jobs that stand for reminders, and their data.
    pub(crate) fn alarms(&self) -> Vec<(String, Bytes)> {
        let jobs = self.jobs.lock().unwrap();
        let alarms = jobs.values().filter(|job| !job.name.starts_with("reminder-witness-"));
        alarms.map(|job| (job.name.clone(), Bytes::from(job.data.clone()))).collect()
    }
}

#[async_trait]
impl Scheduler for Played {
    async fn app_id(&self) -> Result<String, Error> {
        self.answer(self.app_id.lock().unwrap().clone())
    }

    async fn schedule(&self, job: &Job) -> Result<(), Error> {
        if !*self.away.lock().unwrap() {
            self.scheduled.lock().unwrap().push(job.name.clone());
            self.jobs.lock().unwrap().insert(job.name.clone(), job.clone());
        }
        self.answer(())
    }

    async fn exists(&self, name: &str) -> Result<bool, Error> {
        self.answer(self.jobs.lock().unwrap().contains_key(name))
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<Hands>,
    pub(crate) scheduler: Arc<Played>,
    pub(crate) store: Store,
    pub(crate) stores: Stores,
    pub(crate) target: Reminders,
    meters: Meters,
    service: Service,
    next: AtomicU64,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("sqlite::memory:", Config::default()).await
    }

    pub(crate) async fn with(url: &str, config: Config) -> Self {
        let database = docket_store::Config { url: url.to_owned(), ..docket_store::Config::default() };
        let stores = Stores::open(&database, &[]).await.unwrap();
        stores.migrate_up(None).await.unwrap();
        let store = stores.of(Schema::Reminders);
        let clock = Arc::new(Hands(Mutex::new(morning())));
        let scheduler = Arc::new(Played {
            app_id: Mutex::new("docket".to_owned()),
            jobs: Mutex::default(),
            scheduled: Mutex::default(),
            away: Mutex::default(),
            silent: Mutex::default(),
        });
        let identity = Identity { service: "test".to_owned(), version: "0", instance: Uuid::nil() };
        let meters = Handle::detached(&identity).unwrap().meters;
        let deps = Deps {
            store: store.clone(),
            clock: clock.clone(),
            ids: Arc::new(Counted::default()),
            jitter: Arc::new(|| 0.5),
            client: Client::connect_lazy(&docket_sidecar::Config::default()).unwrap(),
            events_topic: "task-events".to_owned(),
            meter: meters.meter("test"),
        };
        let service = Service::new(store.clone(), clock.clone());
        let target = config.with_scheduler(deps, scheduler.clone());
        Self { clock, scheduler, store, stores, target, meters, service, next: AtomicU64::new(0) }
    }

    /// What is told of a figure, in the text that Prometheus reads: the lines that begin with its name.
    pub(crate) fn figures(&self, name: &str) -> Vec<String> {
        let text = self.meters.render().unwrap();
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An event as it is delivered.
    pub(crate) fn delivery(
        &self,
        event_type: &str,
        subject: &str,
        encode: impl FnOnce(EventId) -> Vec<u8>,
    ) -> Delivery {
        let event_id = EventId::from_uuid(Uuid::from_u128((0xE << 64) + u128::from(self.number())));
        Delivery {
            event_id,
            event_type: event_type.to_owned(),
            source: "docket/tasks".to_owned(),
            subject: subject.to_owned(),
            time: self.clock.now(),
            pubsub: "pubsub".to_owned(),
            topic: "task-events".to_owned(),
            trace: Some(Trace { parent: format!("00-{:032x}-00f067aa0ba902b7-01", 0x4bf9), state: None }),
            metadata: Metadata::default(),
            data: encode(event_id).into(),
            original: Bytes::new(),
        }
    }

    pub(crate) fn event(&self, change: &Change) -> Delivery {
        let subject = change.after.id.to_string();
        self.delivery(change.kind.event_type(), &subject, |id| event::encode(change, id))
    }

    pub(crate) async fn hear(&self, deliveries: &[Delivery]) {
        self.target.handler.handle_all(&deliveries.iter().collect::<Vec<_>>()).await.unwrap();
    }

    /// A new task of alice's, with its creation heard.
    pub(crate) async fn task(&self, content: Content) -> Task {
        let change = self.create(content);
        self.hear(&[self.event(&change)]).await;
        change.after
    }

    pub(crate) fn create(&self, content: Content) -> Change {
        let id = |kind: u128| Uuid::from_u128((kind << 64) + u128::from(self.number()));
        let series = SeriesId::from_uuid(id(0x5));
        Task::create(TaskId::from_uuid(id(0x7)), alice(), content, series, self.clock.now())
    }

    /// A change of a task, heard. Answers the task after it.
    pub(crate) async fn change(&self, change: Change) -> Task {
        self.hear(&[self.event(&change)]).await;
        change.after
    }

    /// Moves when a task is due.
    pub(crate) fn moved(&self, task: &Task, due: Due) -> Change {
        let content = Content { due: Some(due), ..task.content.clone() };
        task.update(content, SeriesId::from_uuid(Uuid::from_u128(9)), self.clock.now()).unwrap().unwrap()
    }

    /// All rows of alice's, by their moments.
    pub(crate) async fn rows(&self) -> Vec<TaskReminder> {
        let listing = Listing { limit: 5_000, ..Listing::default() };
        self.store
            .reminders_list(&alice(), &listing)
            .await
            .unwrap()
            .0
            .into_iter()
            .map(|(row, _)| row)
            .collect()
    }

    /// The only row.
    pub(crate) async fn row(&self) -> TaskReminder {
        let mut rows = self.rows().await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    pub(crate) async fn states(&self) -> Vec<ReminderState> {
        self.rows().await.into_iter().map(|row| row.state).collect()
    }

    /// One turn of the loop: looks, and sets alarms.
    pub(crate) async fn turn(&mut self) {
        let app_id = self.target.alarms.arming.greet().await.unwrap();
        let seen = self.target.alarms.watch.look(true).await.unwrap();
        self.target.alarms.arming.arm(&app_id, seen.unarmed).await.unwrap();
    }

    /// Turns until everything near has an alarm.
    pub(crate) async fn arm_all(&mut self) {
        while self.unarmed().await > 0 {
            self.turn().await;
        }
    }

    /// Looks for the witness as if it had not been looked for just now.
    pub(crate) async fn greet(&mut self) {
        self.target.alarms.arming.look_for_witness();
        self.target.alarms.arming.greet().await.unwrap();
    }

    /// How many rows have no alarm.
    pub(crate) async fn unarmed(&self) -> usize {
        self.target.alarms.watch.look(true).await.unwrap().unarmed.len()
    }

    pub(crate) async fn trigger(&self, (name, data): &(String, Bytes)) -> Result<(), BoxError> {
        JobHandler::run(self.target.jobs.as_ref(), name, data.clone()).await
    }

    /// What waits to be published on a topic.
    pub(crate) async fn outbox(&self, topic: &str) -> Vec<PendingEvent> {
        let (topics, mut all, mut after) = ([topic.to_owned()], Vec::new(), 0);
        loop {
            let mut heads = self.store.outbox_heads(&topics, after, 200).await.unwrap();
            let Some(last) = heads.last() else { return all };
            after = last.position;
            while !heads.is_empty() {
                let next = self.store.outbox_next(&heads, 1).await.unwrap();
                all.append(&mut heads);
                heads = next;
            }
        }
    }
}

/// Due so many seconds after the beginning, with a reminder at that moment.
pub(crate) fn due_in(seconds: i64) -> Content {
    content(Some(Due::At(morning() + TimeDelta::seconds(seconds))), &[0])
}

/// With reminders so many minutes before.
pub(crate) fn content(due: Option<Due>, minutes: &[u64]) -> Content {
    let before = |minutes: &u64| Reminder {
        moment: Moment::Before(std::time::Duration::from_secs(minutes * 60)),
        channels: Vec::new(),
    };
    Content {
        title: Title::parse("Water the plants").unwrap(),
        description: Description::default(),
        priority: Priority::Medium,
        tags: Tags::collect(Vec::new()).unwrap(),
        due,
        time_zone: Tz::Europe__Berlin,
        recurrence: None,
        reminders: minutes.iter().map(before).collect(),
    }
}
