//! A ledger in memory, and everything around it made of fakes: clock, channels, owner of the reminders, tasks.

mod behind;
mod called_off;
mod channels;
mod config;
mod digests;
mod handling;
mod lanes;
mod probes;
mod render;
mod sending;
mod service;
mod traces;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::NaiveDate;
use chrono_tz::Tz;
use docket_domain::source::{Clock, Ids};
use docket_domain::{
    Channel as Way, DeliveryState, EventId, Instant, Preferences, Priority, ReminderId, ReminderNumber,
    TaskId, TimeDelta, UserId,
};
use docket_sidecar::{
    BindingAnswer, BindingCall, Delivery as Arrived, Error as SidecarError, Metadata, TopicHandler as _,
};
use docket_store::notification::{Delivery, Listing, StoredPreferences};
use docket_store::{Schema, Store, Stores};
use docket_telemetry::{Handle, Identity, Meters, TraceContext};
use docket_wire::reminder_event::{self, ReminderNotice};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::channel::{Bindings, Channel, Channels, Outcome, Parcel, Recipient};
use crate::config::Config;
use crate::desk::Desk;
use crate::lane::Lane;
use crate::metrics::Metrics;
use crate::news::News;
use crate::owner::{Agenda, Agendas, Away, Owner, Standing};
use crate::render::Renderer;
use crate::sender::Lanes;
use crate::{Notification, assemble};

/// The moment at which every world begins: a Friday.
pub(crate) const START: &str = "2026-12-04T14:30:00Z";

/// A clock that is set by hand.
pub(crate) struct Hand(Mutex<Instant>);

impl Hand {
    pub(crate) fn turn(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hand {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
}

#[derive(Default)]
struct Numbers(AtomicU64);

impl Ids for Numbers {
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(
            0x0192_f0c1_2b3c_7d4e,
            0x8f50_0000_0000_0000 + self.0.fetch_add(1, Ordering::SeqCst),
        )
    }
}

/// A way that does as it is told, and remembers what it was given.
#[derive(Default)]
pub(crate) struct Fake {
    /// What comes of the next messages; everything is taken after that.
    pub(crate) script: Mutex<VecDeque<Outcome>>,
    /// The ids and the subjects of what it was given.
    pub(crate) given: Mutex<Vec<(String, String)>>,
    /// Lets messages through, where there is one.
    pub(crate) gate: Option<Semaphore>,
    pub(crate) homeless: AtomicBool,
    /// Panics at the next message.
    pub(crate) broken: AtomicBool,
    /// The traces in which it was given them.
    pub(crate) traces: Mutex<Vec<TraceContext>>,
}

impl Fake {
    pub(crate) fn will(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.script.lock().unwrap().extend(outcomes);
    }

    /// The ids of what it was given since this was last asked.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.given.lock().unwrap()).into_iter().map(|(id, _)| id).collect()
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        self.given.lock().unwrap().iter().map(|(_, subject)| subject.clone()).collect()
    }
}

#[async_trait]
impl Channel for Fake {
    fn in_flight(&self) -> usize {
        4
    }

    fn has_address(&self, _: &Recipient) -> bool {
        !self.homeless.load(Ordering::SeqCst)
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        self.given.lock().unwrap().push((parcel.id.to_string(), parcel.message.subject.clone()));
        self.traces.lock().unwrap().push(docket_telemetry::current());
        assert!(!self.broken.swap(false, Ordering::SeqCst), "as it was told");
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.script.lock().unwrap().pop_front().unwrap_or(Outcome::Sent)
    }
}

/// The owner of the reminders, and the tasks.
#[derive(Default)]
pub(crate) struct Others {
    pub(crate) away: AtomicBool,
    pub(crate) fallen: Mutex<HashSet<ReminderId>>,
    /// Those that do not simply stand.
    pub(crate) unclear: Mutex<HashMap<ReminderId, Standing>>,
    pub(crate) questions: AtomicUsize,
    /// The traces in which they were asked.
    pub(crate) traces: Mutex<Vec<TraceContext>>,
    pub(crate) agenda: Mutex<Agenda>,
}

impl Others {
    fn there(&self) -> Result<(), Away> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        self.traces.lock().unwrap().push(docket_telemetry::current());
        match self.away.load(Ordering::SeqCst) {
            true => Err(Away::new("the owner", "it is away")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Owner for Others {
    async fn standing(&self, firings: &[ReminderId]) -> Result<HashMap<ReminderId, Standing>, Away> {
        self.there()?;
        let (fallen, unclear) = (self.fallen.lock().unwrap(), self.unclear.lock().unwrap());
        let standing =
            |firing: &ReminderId| (*firing, unclear.get(firing).copied().unwrap_or(Standing::Stands));
        Ok(firings.iter().filter(|firing| !fallen.contains(firing)).map(standing).collect())
    }
}

#[async_trait]
impl Agendas for Others {
    async fn agenda(&self, _: &UserId, _: NaiveDate, _: Tz) -> Result<Agenda, Away> {
        self.there()?;
        Ok(self.agenda.lock().unwrap().clone())
    }
}

/// A sidecar without bindings.
struct NoSidecar;

#[async_trait]
impl Bindings for NoSidecar {
    async fn call(&self, _: BindingCall<'_>) -> Result<BindingAnswer, SidecarError> {
        panic!("not called here")
    }

    async fn components(&self) -> Result<Vec<String>, SidecarError> {
        Ok(Vec::new())
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<Hand>,
    pub(crate) email: Arc<Fake>,
    pub(crate) webhook: Arc<Fake>,
    pub(crate) others: Arc<Others>,
    pub(crate) store: Store,
    pub(crate) parts: Notification,
    meters: Meters,
    ids: Arc<Numbers>,
    _stores: Arc<Stores>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::made(config, Arc::default()).await
    }

    pub(crate) async fn made(config: Config, email: Arc<Fake>) -> Self {
        let database = docket_store::Config { url: "sqlite::memory:".to_owned(), ..Default::default() };
        let stores = Stores::open(&database, &[]).await.unwrap();
        stores.migrate_up(None).await.unwrap();
        let clock = Arc::new(Hand(Mutex::new(START.parse().unwrap())));
        let shared = (Arc::new(stores), clock, Arc::new(Numbers::default()), Arc::new(Others::default()));
        Self::on(config, email, shared)
    }

    /// Another process on the same database, with the same channels.
    pub(crate) fn twin(&self, config: Config) -> Self {
        let shared = (self._stores.clone(), self.clock.clone(), self.ids.clone(), self.others.clone());
        let mut twin = Self::on(config, self.email.clone(), shared);
        twin.webhook = self.webhook.clone();
        twin
    }

    fn on(
        config: Config,
        email: Arc<Fake>,
        (stores, clock, ids, others): (Arc<Stores>, Arc<Hand>, Arc<Numbers>, Arc<Others>),
    ) -> Self {
        let store = stores.of(Schema::Notification);
        let identity = Identity { service: "test".to_owned(), version: "0", instance: Uuid::nil() };
        let meters = Handle::detached(&identity).unwrap().meters;
        let webhook = Arc::new(Fake::default());
        let channels: Channels = BTreeMap::from([
            (Way::Email, email.clone() as Arc<dyn Channel>),
            (Way::Webhook, webhook.clone() as Arc<dyn Channel>),
        ]);
        let desk = Desk {
            config,
            store: store.clone(),
            clock: clock.clone(),
            jitter: Arc::new(|| 0.0),
            owner: others.clone(),
            agendas: others.clone(),
            channels,
            renderer: Renderer::new(None).unwrap(),
            hold: Default::default(),
            metrics: Metrics::new(&meters.meter("test")),
        };
        let topic = "task-events".to_owned();
        let lane = Lane {
            desk,
            ids: ids.clone(),
            events_topic: topic,
            missing: Mutex::default(),
            news: News::default(),
        };
        let counter = AtomicU64::new(1);
        let random = Arc::new(move || {
            let n = counter.fetch_add(1, Ordering::SeqCst);
            std::array::from_fn(|i| u8::try_from(n).unwrap().wrapping_add(u8::try_from(i).unwrap()))
        });
        let parts = assemble(Arc::new(lane), Arc::new(NoSidecar), random);
        Self { clock, email, webhook, others, store, parts, meters, ids, _stores: stores }
    }

    /// What is told of a figure, in the text that Prometheus reads: the lines that begin with its name.
    pub(crate) fn figures(&self, name: &str) -> Vec<String> {
        let text = self.meters.render().unwrap();
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    /// Says how `alice` wants to be told.
    pub(crate) async fn prefer(&self, preferences: Preferences) {
        let user = alice();
        let before = self.store.preferences(&user).await.unwrap();
        let version = before.as_ref().map(|before| before.version);
        let stored = StoredPreferences {
            preferences,
            version: version.unwrap_or_default() + 1,
            webhook_secret: Some([7; 32]),
            unsubscribe: [9; 16],
            next_digest_time: before.and_then(|before| before.next_digest_time),
            update_time: self.clock.now(),
        };
        let (stored, user) = (&stored, &user);
        let put: Result<bool, docket_store::Error> =
            self.store.transaction(|tx| Box::pin(tx.preferences_put(user, stored, version))).await;
        assert!(put.unwrap());
    }

    /// The reminder's moment comes: its event is delivered.
    pub(crate) async fn due(&self, notice: &ReminderNotice) {
        self.parts.handler.handle(&arrived(notice)).await.unwrap();
    }

    /// One look at the ledger, and everything that follows from it.
    pub(crate) async fn turn(&self) {
        self.turn_until(&CancellationToken::new()).await;
    }

    pub(crate) async fn turn_until(&self, stop: &CancellationToken) {
        let (mut lanes, mut digests) = (Lanes::default(), tokio::time::Instant::now());
        self.parts.sender.round(&mut lanes, &mut digests, stop).await.unwrap();
        lanes.finish().await;
    }

    /// The rows of `alice`, the oldest first.
    pub(crate) async fn rows(&self) -> Vec<Delivery> {
        let listing = Listing { limit: 500, ..Listing::default() };
        let (mut rows, _) = self.store.deliveries_list(&alice(), &listing).await.unwrap();
        rows.reverse();
        rows
    }

    /// How it stands with each row, by channel.
    pub(crate) async fn states(&self) -> Vec<(Way, DeliveryState)> {
        let mut states: Vec<_> = self.rows().await.iter().map(|row| (row.channel, row.state)).collect();
        states.sort_by_key(|(way, _)| *way);
        states
    }

    /// What was told of a task: the types of the events, each with what became of it on each channel.
    pub(crate) async fn told(&self, notice: &ReminderNotice) -> Vec<(String, Vec<(Way, String)>)> {
        let key = notice.task_id.to_string();
        let events = self.store.outbox_of("task-events", &key, 0, 100).await.unwrap();
        let told = |event: &docket_store::outbox::PendingEvent| {
            let read = reminder_event::decode(&event.payload).unwrap();
            assert_eq!((read.id, read.reminder_id), (event.id, notice.reminder_id));
            assert_eq!(event.source, "docket/notification");
            let results = read.outcomes.iter().map(|one| (one.channel, format!("{:?}", one.result)));
            (event.event_type.clone(), results.collect())
        };
        events.iter().map(told).collect()
    }

    /// Of each event of a task, whether it says that the reminder was called off.
    pub(crate) async fn called_off(&self, notice: &ReminderNotice) -> Vec<bool> {
        let key = notice.task_id.to_string();
        let events = self.store.outbox_of("task-events", &key, 0, 100).await.unwrap();
        events.iter().map(|event| reminder_event::decode(&event.payload).unwrap().called_off).collect()
    }
}

pub(crate) fn alice() -> UserId {
    "alice".parse().unwrap()
}

/// Channels as they are preferred.
pub(crate) fn by(channels: &[Way]) -> Preferences {
    Preferences { channels: channels.to_vec(), ..Preferences::default() }
}

/// A reminder of `alice` whose moment is the beginning of the world, and whose task is due half an hour later.
pub(crate) fn notice(number: u64) -> ReminderNotice {
    let id = |kind: u64| {
        Uuid::from_u64_pair(0x0192_f0c1_2b3c_7d4e, 0x9000_0000_0000_0000 + kind * 0x1_0000 + number)
    };
    let moment: Instant = START.parse().unwrap();
    ReminderNotice {
        id: EventId::from_uuid(id(1)),
        reminder_id: ReminderId::from_uuid(id(1)),
        task_id: TaskId::from_uuid(id(2)),
        user_id: alice(),
        task_version: 3,
        number: ReminderNumber::new(1).unwrap(),
        title: "Pay the rent".to_owned(),
        priority: Priority::High,
        due: Some(docket_domain::Due::At(moment + TimeDelta::minutes(30))),
        time_zone: Tz::Europe__Berlin,
        remind_at: moment,
        fire_time: Some(moment),
        channels: Vec::new(),
        outcomes: Vec::new(),
        called_off: false,
    }
}

pub(crate) fn arrived(notice: &ReminderNotice) -> Arrived {
    Arrived {
        event_id: notice.id,
        event_type: "com.todo.reminder.due".to_owned(),
        source: "docket/reminders".to_owned(),
        subject: notice.task_id.to_string(),
        time: START.parse().unwrap(),
        pubsub: "pubsub".to_owned(),
        topic: "reminders".to_owned(),
        trace: None,
        metadata: Metadata::default(),
        data: Bytes::from(reminder_event::encode(notice)),
        original: Bytes::new(),
    }
}
