//! Ends events that can not be handled, without losing them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use docket_domain::EventId;
use docket_domain::source::{Clock, Ids};
use docket_sidecar::{BoxError, DeadLetter, DeadLetters};
use docket_store::Store;
use docket_store::inbox::Arrival;
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
    key: &'a str,
    /// Where the broker had it, if it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    /// What its publisher gave it beside its bytes.
    headers: BTreeMap<&'a str, &'a str>,
    event_id: String,
    /// The replay that had brought it, if one had.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_id: Option<String>,
    /// The event as text where it is UTF-8 and stays about as large in JSON, else as base64.
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
        let headers = letter.metadata.headers().collect();
        let first = match self.keep(&letter, self.event(&letter, headers)?).await {
            Err(error) if error.is_refused() => {
                // Nothing that came with it is worth that everything behind it waits.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    event.id = %letter.event_id,
                    "the dead letter is kept without what came with it"
                );
                self.keep(&letter, self.reduced(&letter)?).await?
            }
            first => first?,
        };
        if first {
            let DeadLetter { handler, event_id, topic, reason, .. } = letter;
            tracing::error!(event.id = %event_id, handler, topic, reason, "event {event_id} became a dead letter");
            self.store.outbox_appended();
        }
        Ok(())
    }

    async fn receipt(&self, handler: &str, replay: EventId) -> Result<(), BoxError> {
        let now = self.clock.now();
        let noted: Result<(), docket_store::Error> =
            self.store.transaction(|tx| Box::pin(tx.inbox_receipt(handler, replay, now))).await;
        noted.map_err(Into::into)
    }
}

impl Burial {
    /// Whether it was not kept before.
    async fn keep(&self, letter: &DeadLetter, event: NewEvent) -> Result<bool, docket_store::Error> {
        let now = event.time;
        let replay = letter.metadata.replay().map(|replay| replay.id);
        let (event, arrival) = (&event, &Arrival { event: letter.event_id, replay });
        self.store
            .transaction(|tx| {
                Box::pin(async move {
                    let first = tx.inbox_bury(&letter.handler, arrival, &letter.reason, now).await?;
                    if first {
                        tx.outbox_append(vec![event.clone()]).await?;
                    }
                    Ok(first)
                })
            })
            .await
    }

    /// The event of a letter with nothing that a stranger wrote but the message itself, and its key, in the payload.
    fn reduced(&self, letter: &DeadLetter) -> Result<NewEvent, serde_json::Error> {
        let event = self.event(letter, BTreeMap::new())?;
        Ok(NewEvent { key: letter.event_id.to_string(), trace: None, ..event })
    }

    fn event(
        &self,
        letter: &DeadLetter,
        headers: BTreeMap<&str, &str>,
    ) -> Result<NewEvent, serde_json::Error> {
        let text = readable(&letter.original)?;
        let data = Letter {
            schema_version: 1,
            handler: &letter.handler,
            reason: &letter.reason,
            pubsub: &letter.pubsub,
            topic: &letter.topic,
            key: &letter.key,
            partition: letter.metadata.partition(),
            offset: letter.metadata.offset(),
            headers,
            replay_id: letter.metadata.replay().map(|replay| replay.id.to_string()),
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

/// The bytes as text, where a letter can show them as such. JSON writes six characters for one that cannot be printed, and
/// a letter full of those would not fit into its topic.
fn readable(bytes: &[u8]) -> Result<Option<&str>, serde_json::Error> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(None) };
    let written = serde_json::to_string(text)?.len();
    // Quotes around it, and a text that is all quotes.
    Ok((written <= 2 * text.len() + 2).then_some(text))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
