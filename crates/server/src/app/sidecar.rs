//! What the sidecar calls, and the relays that call the sidecar.

use std::sync::Arc;

use docket_deadletters::Origin;
use docket_outbox::{Burial, Confirm, Handler, Relay, Topic, dead_letter_topic};
use docket_rpc::Health;
use docket_sidecar::{Drain, Guard, Router, TopicHandler};
use docket_store::{Schema, Store};
use tonic::service::Routes;

use super::{Reminding, Shared, api, dead_letters};
use crate::config::Config;
use crate::target::Target;

/// The topics that have handlers, each with those that it has in this release, wherever they run.
pub(super) fn origins(config: &Config) -> Vec<Origin> {
    const EVENTS: &[Target] = &[Target::Audit, Target::Recurrence, Target::Reminders];
    const DUE: &[Target] = &[Target::Notification];
    let origin = |pubsub: &str, topic: &str, handlers: &[Target]| Origin {
        pubsub: pubsub.to_owned(),
        topic: topic.to_owned(),
        letters: dead_letter_topic(topic),
        handlers: Some(handlers.iter().map(|handler| handler.name().to_owned()).collect()),
    };
    vec![
        origin(&config.dapr.pubsub, &config.tasks.topic, EVENTS),
        origin(config.reminders_pubsub(), &config.reminders.topic, DUE),
    ]
}

/// A topic, what of it runs here, and where that goes which can not be handled.
struct Stream {
    events: Topic,
    letters: Topic,
    handlers: Vec<(Arc<dyn TopicHandler>, Store)>,
}

impl Stream {
    fn new(config: &Config, pubsub: &str, topic: &str, keeper: Option<&docket_deadletters::Deps>) -> Self {
        let keeps = |deps: &docket_deadletters::Deps| Handler {
            name: docket_deadletters::NAME,
            store: deps.store.clone(),
        };
        let letters = Topic {
            pubsub: config.dead_letter_pubsub().to_owned(),
            name: dead_letter_topic(topic),
            handlers: keeper.map(keeps).into_iter().collect(),
        };
        let events = Topic { pubsub: pubsub.to_owned(), name: topic.to_owned(), handlers: Vec::new() };
        Self { events, letters, handlers: Vec::new() }
    }

    fn handler(&mut self, handler: Arc<dyn TopicHandler>, store: Store) {
        self.events.handlers.push(Handler { name: handler.name(), store: store.clone() });
        self.handlers.push((handler, store));
    }
}

/// What the sidecar calls, and the relays that call the sidecar: one for each outbox.
pub(super) fn sidecar(
    config: &Config,
    shared: &Shared,
    reminding: &Reminding,
    health: &Health,
    drain: &Drain,
) -> anyhow::Result<(Routes, Vec<Relay>)> {
    let mut router = Router::new(&config.dapr, shared.jitter.clone());
    router = router.with_meter(&shared.meters.meter("docket-sidecar"));
    let keeper = config.runs(Target::DeadLetters).then(|| dead_letters(config, shared));
    let mut events = Stream::new(config, &config.dapr.pubsub, &config.tasks.topic, keeper.as_ref());
    let mut due = Stream::new(config, config.reminders_pubsub(), &config.reminders.topic, keeper.as_ref());
    if config.runs(Target::Audit) {
        let store = shared.stores.of(Schema::Audit);
        let deps = docket_audit::Deps { store: store.clone(), clock: shared.clock.clone() };
        events.handler(Arc::new(docket_audit::handler(deps)), store);
    }
    // There when a target runs that calls with it.
    if let Some(token) = shared.identity.service_token.clone().filter(|_| config.runs(Target::Recurrence)) {
        let store = shared.stores.of(Schema::Recurrence);
        let (clock, client) = (shared.clock.clone(), shared.client.clone());
        let deps = docket_recurrence::Deps { store: store.clone(), clock, client, token };
        let (handler, repair) = config.recurrence.clone().build(deps)?;
        router = router.binding(&config.recurrence.binding, Arc::new(repair));
        events.handler(Arc::new(handler), store);
    }
    if let Some(reminders) = &reminding.reminders {
        router = router.job(docket_reminders::JOB_PREFIX, reminders.jobs.clone());
        events.handler(reminders.handler.clone(), shared.stores.of(Schema::Reminders));
    }
    if let Some(notification) = &reminding.notification {
        due.handler(notification.handler.clone(), shared.stores.of(Schema::Notification));
    }
    if config.outbox.confirm == Confirm::Receipts {
        // A receipt lets the next event of its key leave, so the relays are woken by it as by a commit.
        let waiting = publishers(config, shared);
        router = router.tell(Arc::new(move || waiting.iter().for_each(Store::outbox_changed)));
    }
    let outboxes = outboxes(config, shared, &events, &due);
    let keeper = keeper.map(|deps| Arc::new(docket_deadletters::handler(deps)));
    for Stream { events, letters, handlers } in [events, due] {
        for (handler, store) in handlers {
            let burial = Burial { store, clock: shared.clock.clone(), ids: shared.ids.clone() };
            router = router.subscribe(&events.pubsub, &events.name, handler, Arc::new(burial))?;
        }
        if let Some(keeper) = &keeper {
            router = router.subscribe(&letters.pubsub, &letters.name, keeper.clone(), keeper.clone())?;
        }
    }
    let relays = outboxes.0.into_iter().map(|(store, topics)| relay(config, shared, store, topics)).collect();
    let guard = Guard::new(&config.dapr)?;
    let routes = api(config, shared, reminding).add_service(health.service());
    Ok((docket_sidecar::add_callbacks(routes, router, &guard, drain.clone()), relays))
}

/// The stores whose targets have events of their own to tell, each once.
fn publishers(config: &Config, shared: &Shared) -> Vec<Store> {
    let mut stores: Vec<Store> = Vec::new();
    for target in [Target::Tasks, Target::Reminders, Target::Notification] {
        let store = shared.stores.of(target.schema());
        if config.runs(target) && !stores.iter().any(|other| other.is_same(&store)) {
            stores.push(store);
        }
    }
    stores
}

/// What leaves each outbox: what its target tells, and what its handler could not handle. What is replayed leaves from the
/// outbox of those who look after it.
fn outboxes(config: &Config, shared: &Shared, events: &Stream, due: &Stream) -> Outboxes {
    let leaving: [(Target, &[&Topic]); 6] = [
        (Target::Tasks, &[&events.events]),
        (Target::Audit, &[&events.letters]),
        (Target::Recurrence, &[&events.letters]),
        (Target::Reminders, &[&events.events, &due.events, &events.letters]),
        (Target::Notification, &[&events.events, &due.letters]),
        (Target::DeadLetters, &[&events.events, &events.letters, &due.events, &due.letters]),
    ];
    let mut outboxes = Outboxes(Vec::new());
    for (target, topics) in leaving.into_iter().filter(|(target, _)| config.runs(*target)) {
        let store = shared.stores.of(target.schema());
        for topic in topics {
            outboxes.add(&store, topic);
        }
    }
    outboxes
}

fn relay(config: &Config, shared: &Shared, store: Store, topics: Vec<Topic>) -> Relay {
    let deps = docket_outbox::Deps {
        store,
        client: shared.client.clone(),
        pubsub: config.dapr.pubsub.clone(),
        topics,
        ids: shared.ids.clone(),
        clock: shared.clock.clone(),
        meter: shared.meters.meter("docket-outbox"),
        jitter: shared.jitter.clone(),
    };
    config.outbox.clone().build(deps)
}

/// The topics that leave each outbox.
struct Outboxes(Vec<(Store, Vec<Topic>)>);

impl Outboxes {
    /// Targets that share an outbox name its topics more than once.
    fn add(&mut self, store: &Store, topic: &Topic) {
        match self.0.iter_mut().find(|(other, _)| other.is_same(store)) {
            Some((_, topics)) if topics.iter().any(|known| known.name == topic.name) => {}
            Some((_, topics)) => topics.push(topic.clone()),
            None => self.0.push((store.clone(), vec![topic.clone()])),
        }
    }
}
