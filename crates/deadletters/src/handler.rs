//! Keeps every letter that arrives, whoever sent it: there is nobody after this handler.

use std::sync::Arc;

use async_trait::async_trait;
use docket_domain::{DeadLetterId, EventId, Instant};
use docket_sidecar::{BoxError, DeadLetter, DeadLetters, Delivery, HandlerError, TopicHandler};
use docket_store::Tx;
use docket_store::dead_letters::NewLetter;
use docket_store::inbox::Arrival;

use crate::letter::{self, EVENT_TYPE, Moved};
use crate::{Deps, Origin};

/// Names the handler in the inbox.
pub const NAME: &str = "deadletters";

/// Why there is a letter of what Docket itself never gave up.
const MOVED: &str = "the sidecar could not deliver it to Docket";

/// The handler of the topics of dead letters.
#[derive(Clone)]
pub struct Handler {
    deps: Arc<Deps>,
}

/// A letter, and what brought it.
struct Arrived {
    arrival: Arrival,
    letter: NewLetter,
    /// Whether it was read as what it says that it is. What was not is remembered as dead: should somebody replay it, it
    /// is read once more.
    own: bool,
}

impl Handler {
    pub(crate) fn new(deps: Deps) -> Self {
        Self { deps: Arc::new(deps) }
    }

    fn read(&self, delivery: &Delivery, now: Instant) -> Arrived {
        let arrival =
            Arrival { event: delivery.event_id, replay: delivery.metadata.replay().map(|replay| replay.id) };
        let why = match delivery.event_type == EVENT_TYPE {
            false => MOVED.to_owned(),
            true => match letter::own(self.id(), delivery) {
                Ok(letter) => return Arrived { arrival, letter, own: true },
                Err(unreadable) => unreadable.to_string(),
            },
        };
        let moved = Moved {
            event_id: delivery.event_id,
            key: &delivery.subject,
            metadata: &delivery.metadata,
            original: &delivery.original,
        };
        let mut origin = self.origin(&delivery.pubsub, &delivery.topic);
        if delivery.event_type == EVENT_TYPE {
            // It was meant for this topic, so a replay has to bring it here again.
            origin.topic.clone_from(&delivery.topic);
            origin.pubsub.clone_from(&delivery.pubsub);
        }
        Arrived { arrival, letter: moved.letter(self.id(), &origin, why, now), own: false }
    }

    fn id(&self) -> DeadLetterId {
        DeadLetterId::from_uuid(self.deps.ids.uuid())
    }

    /// Where the letters of a topic come from. Only topics with an origin are subscribed to.
    fn origin(&self, pubsub: &str, letters: &str) -> Origin {
        let known = self.deps.origins.iter().find(|origin| origin.letters == letters);
        known.cloned().unwrap_or_else(|| Origin {
            pubsub: pubsub.to_owned(),
            topic: letters.to_owned(),
            letters: letters.to_owned(),
            handlers: None,
        })
    }

    /// Keeps all of them in one transaction, each once.
    async fn keep(&self, arrived: Vec<Arrived>, now: Instant) -> Result<(), docket_store::Error> {
        let arrived = &arrived;
        let kept = self.deps.store.transaction(|tx| Box::pin(keep(tx, arrived, now))).await?;
        for Arrived { letter, .. } in kept.into_iter().filter_map(|index| arrived.get(index)) {
            let NewLetter { id, event_id, handler, topic, reason, .. } = letter;
            tracing::warn!(event.id = %event_id, handler, topic, reason, "dead letter {id} of event {event_id} is kept");
        }
        Ok(())
    }
}

/// Keeps those that were not kept before, and answers their places.
async fn keep(tx: &Tx<'_>, arrived: &[Arrived], now: Instant) -> Result<Vec<usize>, docket_store::Error> {
    let own: Vec<Arrival> = arrived.iter().filter(|one| one.own).map(|one| one.arrival).collect();
    let mut begun = tx.inbox_begin_all(NAME, &own, now).await?.into_iter();
    let mut fresh = Vec::new();
    for (index, Arrived { arrival, letter, own }) in arrived.iter().enumerate() {
        let first = match own {
            true => begun.next().unwrap_or_default(),
            false => tx.inbox_bury(NAME, arrival, &letter.reason, now).await?,
        };
        fresh.extend(first.then_some(index));
    }
    let letters: Vec<NewLetter> =
        fresh.iter().filter_map(|index| arrived.get(*index)).map(|one| one.letter.clone()).collect();
    tx.letters_keep(&letters).await?;
    Ok(fresh)
}

#[async_trait]
impl TopicHandler for Handler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_last_resort(&self) -> bool {
        true
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.handle_all(&[delivery]).await
    }

    async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
        let now = self.deps.clock.now();
        let arrived = deliveries.iter().map(|delivery| self.read(delivery, now)).collect();
        self.keep(arrived, now).await.map_err(HandlerError::retry)
    }
}

/// What can not be read as an event at all is kept here, too: a topic of dead letters has none of its own.
#[async_trait]
impl DeadLetters for Handler {
    async fn bury(&self, letter: DeadLetter) -> Result<(), BoxError> {
        let now = self.deps.clock.now();
        let arrival =
            Arrival { event: letter.event_id, replay: letter.metadata.replay().map(|replay| replay.id) };
        let moved = Moved {
            event_id: letter.event_id,
            key: &letter.key,
            metadata: &letter.metadata,
            original: &letter.original,
        };
        let origin = self.origin(&letter.pubsub, &letter.topic);
        let why = format!("{MOVED}: {}", letter.reason);
        let letter = moved.letter(self.id(), &origin, why, now);
        Ok(self.keep(vec![Arrived { arrival, letter, own: false }], now).await?)
    }

    async fn receipt(&self, handler: &str, replay: EventId) -> Result<(), BoxError> {
        let now = self.deps.clock.now();
        let noted: Result<(), docket_store::Error> = self
            .deps
            .store
            .transaction(|tx| Box::pin(async move { tx.inbox_receipt(handler, replay, now).await }))
            .await;
        Ok(noted?)
    }
}
