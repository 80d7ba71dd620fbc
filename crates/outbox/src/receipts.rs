//! Which events all handlers are done with, by the handlers' own inboxes.

use std::collections::{BTreeMap, HashSet};

use docket_domain::EventId;
use docket_store::inbox::of_replays;
use docket_store::outbox::PendingEvent;
use docket_store::{Error, Store};

use crate::line::Line;
use crate::{Handler, Topic};

/// Reads the receipts of events, wherever they are kept.
#[derive(Debug)]
pub(crate) struct Receipts {
    /// The stores of all handlers, each once.
    inboxes: Vec<Store>,
}

impl Receipts {
    pub(crate) fn of<'a>(topics: impl IntoIterator<Item = &'a Topic>) -> Self {
        let mut inboxes: Vec<Store> = Vec::new();
        for handler in topics.into_iter().flat_map(|topic| &topic.handlers) {
            if !inboxes.iter().any(|store| store.is_same(&handler.store)) {
                inboxes.push(handler.store.clone());
            }
        }
        Self { inboxes }
    }

    /// Those of the heads that every handler of their topic is done with. After a restart these may be events that this
    /// process never published. One statement for each inbox, none without lines.
    pub(crate) async fn arrived(
        &self,
        topics: &BTreeMap<String, Topic>,
        lines: &[Line],
    ) -> Result<HashSet<EventId>, Error> {
        if lines.is_empty() {
            return Ok(HashSet::new());
        }
        let ids: Vec<EventId> = lines.iter().map(|line| line.head.id).collect();
        let mut found = HashSet::new();
        for inbox in &self.inboxes {
            found.extend(inbox.inbox_receipts(&ids).await?);
        }
        let has_arrived = |event: &&PendingEvent| {
            let handlers = topics.get(&event.topic).map_or(&[][..], |topic| &topic.handlers);
            let name = |handler: &Handler| match event.is_replay() {
                true => of_replays(handler.name),
                false => handler.name.to_owned(),
            };
            handlers.iter().all(|handler| found.contains(&(event.id, name(handler))))
        };
        Ok(lines.iter().map(|line| &line.head).filter(has_arrived).map(|event| event.id).collect())
    }
}
