//! Judges what a run has left: names what was lost, doubled, out of order or seen by the wrong one.
//!
//! [`check`] knows nothing but the [`History`] that it is given. A call that ended without a clear answer is unknown to it:
//! it may have taken place or not, but not in part, and not twice.

mod anomaly;
mod consumers;
mod contents;
mod gather;
mod index;
mod order;
mod part;
mod record;
mod recorder;
mod repetitions;
mod series;
mod tenancy;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::BTreeMap;

pub use anomaly::{Anomaly, Name, Subject};
pub use gather::{Poison, SETTING, Sources, by_partition, keeps_order};
pub use record::{
    Answer, Call, Consumer, Content, Done, Entry, Event, History, Key, Message, Method, Outcome, Planted,
    Task,
};
pub use recorder::{Asked, Recorder, Shows};

use index::Index;

/// The consumer whose effect are the entries of the audit log.
const AUDIT: &str = "audit";

/// The consumer whose effect are next occurrences.
const RECURRENCE: &str = "recurrence";

/// Everything that is wrong with a run that is over, each thing once: what concerns tasks, in the order of their ids.
///
/// What is still in the outbox is on its way, and not missing.
pub fn check(history: &History) -> Vec<Anomaly> {
    let index = Index::new(history);
    let mut found = Found::default();
    writes::check(&index, &mut found);
    contents::check(&index, &mut found);
    repetitions::check(&index, &mut found);
    consumers::check(&index, &mut found);
    order::check(&index, &mut found);
    series::check(&index, &mut found);
    tenancy::check(&index, &mut found);
    let anomaly = |((name, subject), detail)| Anomaly { name, subject, detail };
    found.0.into_iter().map(anomaly).collect()
}

/// What was found so far.
#[derive(Default)]
struct Found(BTreeMap<(Name, Subject), String>);

impl Found {
    /// Notes an anomaly, unless it is known already.
    fn note(&mut self, name: Name, subject: Subject, detail: impl Into<String>) {
        self.0.entry((name, subject)).or_insert_with(|| detail.into());
    }
}
