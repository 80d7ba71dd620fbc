//! Stores every event of a task.

use async_trait::async_trait;
use docket_domain::EventKind;
use docket_sidecar::{Delivery, HandlerError, TopicHandler};
use docket_store::audit::Entry;
use docket_store::inbox::Verdict;
use docket_wire::event;
use serde_json::Value;

use crate::Deps;

/// Names the handler in the inbox.
const NAME: &str = "audit";

/// The handler of task events.
#[derive(Clone)]
pub struct Handler {
    deps: Deps,
}

impl Handler {
    pub(crate) fn new(deps: Deps) -> Self {
        Self { deps }
    }

    fn entry(&self, delivery: &Delivery) -> Result<Entry, HandlerError> {
        if EventKind::from_event_type(&delivery.event_type).is_none() {
            return Err(HandlerError::hopeless(format!("unknown event type {}", delivery.event_type)));
        }
        let event = event::decode(&delivery.data).map_err(|source| HandlerError::Hopeless {
            reason: "the event can not be read".to_owned(),
            source: Some(source.into()),
        })?;
        Ok(Entry {
            event_id: delivery.event_id,
            event_type: delivery.event_type.clone(),
            task_id: event.task_id,
            user_id: event.user_id,
            task_version: event.version,
            event_time: delivery.time,
            record_time: self.deps.clock.now(),
            before: event.before.map(Value::Object),
            after: Value::Object(event.after),
            trace_id: delivery.trace.as_ref().and_then(|trace| trace_id(&trace.parent)),
        })
    }
}

#[async_trait]
impl TopicHandler for Handler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        fail::fail_point!("audit-error", |_| Err(HandlerError::retry("failpoint")));
        fail::fail_point!("audit-panic");
        let entry = self.entry(delivery)?;
        let entry = &entry;
        let stored: Result<(), docket_store::Error> = self
            .deps
            .store
            .transaction(|tx| {
                Box::pin(async move {
                    if tx.inbox_insert(NAME, entry.event_id, Verdict::Done, entry.record_time).await? {
                        tx.audit_insert(entry).await?;
                    }
                    fail::fail_point!("in-handler-before-commit", |_| std::process::abort());
                    Ok(())
                })
            })
            .await;
        stored.map_err(HandlerError::retry)
    }
}

/// The trace id of a `traceparent` (W3C Trace Context section 3.2).
fn trace_id(traceparent: &str) -> Option<String> {
    traceparent.split('-').nth(1).map(str::to_owned)
}
