//! Ends events that can not be handled, without losing them.

use std::sync::Arc;

use async_trait::async_trait;
use docket_domain::EventId;
use docket_domain::source::{Clock, Ids};
use docket_sidecar::{BoxError, DeadLetter, DeadLetters};
use docket_store::Store;
use docket_store::inbox::Verdict;
use docket_store::outbox::{NewEvent, Trace};
use serde::Serialize;

/// The topic of what can not be handled of `topic`.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}-dlq")
}

/// The CloudEvents `type` of a dead letter.
const EVENT_TYPE: &str = "com.todo.dead_letter.created";

/// The `data` of a dead letter.
#[derive(Serialize)]
struct Letter<'a> {
    schema_version: u32,
    handler: &'a str,
    reason: &'a str,
    pubsub: &'a str,
    topic: &'a str,
    event_id: String,
    /// The event as text where it is UTF-8, else as base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_base64: Option<String>,
}

/// Keeps dead letters: the handler's inbox row and an outbox row for the dead-letter topic, in one transaction.
#[derive(Clone)]
pub struct Burial {
    /// Where the handler's inbox is, and the outbox that the letter leaves from.
    pub store: Store,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn Ids>,
}

#[async_trait]
impl DeadLetters for Burial {
    async fn bury(&self, letter: DeadLetter) -> Result<(), BoxError> {
        let event = self.event(&letter)?;
        let now = event.time;
        let (letter, event) = (&letter, &event);
        let first: Result<bool, docket_store::Error> = self
            .store
            .transaction(|tx| {
                Box::pin(async move {
                    let verdict = Verdict::Dead(&letter.reason);
                    let first = tx.inbox_insert(&letter.handler, letter.event_id, verdict, now).await?;
                    if first {
                        tx.outbox_append(vec![event.clone()]).await?;
                    }
                    Ok(first)
                })
            })
            .await;
        if first? {
            let DeadLetter { handler, event_id, topic, reason, .. } = letter;
            tracing::error!(event.id = %event_id, handler, topic, reason, "event {event_id} became a dead letter");
            self.store.outbox_appended();
        }
        Ok(())
    }
}

impl Burial {
    fn event(&self, letter: &DeadLetter) -> Result<NewEvent, serde_json::Error> {
        let text = std::str::from_utf8(&letter.original).ok();
        let data = Letter {
            schema_version: 1,
            handler: &letter.handler,
            reason: &letter.reason,
            pubsub: &letter.pubsub,
            topic: &letter.topic,
            event_id: letter.event_id.to_string(),
            original: text,
            original_base64: text.is_none().then(|| base64(&letter.original)),
        };
        Ok(NewEvent {
            id: EventId::from_uuid(self.ids.uuid()),
            topic: dead_letter_topic(&letter.topic),
            key: letter.key.clone(),
            event_type: EVENT_TYPE,
            source: format!("docket/{}", letter.handler),
            payload: serde_json::to_vec(&data)?,
            trace: letter.trace.clone().map(|trace| Trace { parent: trace.parent, state: trace.state }),
            time: self.clock.now(),
        })
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
