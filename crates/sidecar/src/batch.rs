//! How one handler goes through a batch: all of it at once if that can be, and else one by one.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::config::Bulk;
use crate::envelope::Delivery;
use crate::incoming::Incoming;
use crate::metadata::Metadata;
use crate::stretch::Stretch;
use crate::subscriber::{BatchFailed, Patience, Subscriber};

/// How far a handler has come with a batch.
///
/// Behind a message that it is not done with, it does not begin with the later ones of that key, so that none overtakes it.
pub(crate) struct Run<'a> {
    subscriber: &'a Subscriber,
    patience: &'a Patience,
    keys_in_flight: usize,
    lanes: usize,
    batch: &'a Arc<[Incoming]>,
    done: Vec<bool>,
    /// The first message of a key that could not be dealt with.
    stuck: BTreeMap<&'a str, usize>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        subscriber: &'a Subscriber,
        patience: &'a Patience,
        keys_in_flight: usize,
        lanes: usize,
        batch: &'a Arc<[Incoming]>,
    ) -> Self {
        let done = vec![false; batch.len()];
        Self { subscriber, patience, keys_in_flight, lanes, batch, done, stuck: BTreeMap::new() }
    }

    /// Goes through all of it; answers for each message whether the handler is done with it.
    pub(crate) async fn finish(mut self) -> Vec<bool> {
        let handler = self.subscriber.handler.as_ref();
        let apart = |index: &usize| self.batch[*index].event_for(handler).is_none();
        // What is not for the handler has no place in the order of what is; it is first because what can not be kept
        // holds up the rest of its key.
        self.apart((0..self.batch.len()).filter(apart).collect()).await;
        if let Err(BatchFailed::Hopeless(hopeless)) = self.at_once().await {
            self.apart(hopeless).await;
            // A second time they can not be among them; whatever is wrong then, it is found one by one.
            let _ = self.at_once().await;
        }
        self.one_by_one().await;
        self.done
    }

    /// What can be begun with, in its order.
    fn open(&self) -> impl Iterator<Item = usize> {
        let is_open = |index: &usize| {
            !self.done[*index] && self.stuck.get(self.batch[*index].key()).is_none_or(|stuck| index < stuck)
        };
        (0..self.batch.len()).filter(is_open)
    }

    /// Handles in one go what can be, and large batches in parts at the same time. The places of what is hopeless are those
    /// in the batch.
    async fn at_once(&mut self) -> Result<(), BatchFailed> {
        let handler = self.subscriber.handler.as_ref();
        let event = |index: usize| Some((index, self.batch[index].event_for(handler)?.subject.as_str()));
        let events: Vec<(usize, &str)> = self.open().filter_map(event).collect();
        let parts = join_all(parts(events, self.lanes).into_iter().map(|part| self.part(part))).await;
        let (mut hopeless, mut otherwise) = (Vec::new(), false);
        for (indices, outcome) in parts {
            match outcome {
                Ok(()) => indices.into_iter().for_each(|index| self.done[index] = true),
                Err(BatchFailed::Hopeless(places)) => {
                    hopeless.extend(places.into_iter().filter_map(|place| indices.get(place).copied()));
                }
                Err(BatchFailed::Otherwise) => otherwise = true,
            }
        }
        match (hopeless.is_empty(), otherwise) {
            (false, _) => Err(BatchFailed::Hopeless(hopeless)),
            (true, true) => Err(BatchFailed::Otherwise),
            (true, false) => Ok(()),
        }
    }

    /// Handles a part of the batch, in a task of its own: to read events keeps a core busy, and there may be others.
    async fn part(&self, indices: Vec<usize>) -> (Vec<usize>, Result<(), BatchFailed>) {
        if indices.len() < 2 {
            // One by one it is just as good.
            return (indices, Err(BatchFailed::Otherwise));
        }
        let (subscriber, patience) = (self.subscriber.clone(), self.patience.clone());
        let (batch, places) = (self.batch.clone(), indices.clone());
        let work = async move {
            let handler = subscriber.handler.as_ref();
            let events = places.iter().filter_map(|place| batch[*place].event_for(handler));
            let events: Vec<&Delivery> = events.collect();
            subscriber.all(&patience, &events).await
        };
        // Who does not wait for the answer any more takes the work along.
        let outcome = AbortOnDropHandle::new(tokio::spawn(work.in_current_span())).await;
        let outcome = outcome.unwrap_or_else(|ended| {
            // What a handler does ends here in no other way than the process.
            tracing::debug!(error = &ended as &dyn std::error::Error, "a part of a batch has no outcome");
            Err(BatchFailed::Otherwise)
        });
        (indices, outcome)
    }

    /// Deals with these alone, in any order.
    async fn apart(&mut self, indices: Vec<usize>) {
        let one = async |index: usize| (index, self.subscriber.one(self.patience, &self.batch[index]).await);
        let ones: Vec<_> = indices.into_iter().map(one).collect();
        let ended: Vec<_> = stream::iter(ones).buffer_unordered(self.keys_in_flight).collect().await;
        for (index, done) in ended {
            self.done[index] = done;
            if !done {
                let first = self.stuck.entry(self.batch[index].key()).or_insert(index);
                *first = index.min(*first);
            }
        }
    }

    /// Handles what is left, the messages of a key in their order and some keys at the same time.
    async fn one_by_one(&mut self) {
        let mut keys: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for index in self.open() {
            keys.entry(self.batch[index].key()).or_default().push(index);
        }
        let key = async |indices: Vec<usize>| {
            let mut done = Vec::with_capacity(indices.len());
            for index in indices {
                if !self.subscriber.one(self.patience, &self.batch[index]).await {
                    break;
                }
                done.push(index);
            }
            done
        };
        let keys: Vec<_> = keys.into_values().map(key).collect();
        let done: Vec<Vec<usize>> = stream::iter(keys).buffer_unordered(self.keys_in_flight).collect().await;
        done.into_iter().flatten().for_each(|index| self.done[index] = true);
    }
}

/// Reads the messages of a batch, those of a large one in parts at the same time, because each keeps a core busy.
pub(crate) async fn read(
    pubsub: &str,
    topic: &str,
    mut messages: Vec<(Bytes, Metadata)>,
    lanes: usize,
) -> Arc<[Incoming]> {
    let count = parts_of(messages.len(), lanes);
    let of_part = messages.len().div_ceil(count);
    let mut under_way = Vec::with_capacity(count);
    while messages.len() > of_part {
        let part = messages.split_off(messages.len() - of_part);
        let (pubsub, topic) = (pubsub.to_owned(), topic.to_owned());
        under_way.push(tokio::task::spawn(async move { read_part(&pubsub, &topic, part).await }));
    }
    let mut batch = read_part(pubsub, topic, messages).await;
    // The last part was begun first.
    for part in under_way.into_iter().rev() {
        match part.await.map_err(JoinError::try_into_panic) {
            Ok(part) => batch.extend(part),
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The process ends, and with it whoever asks.
            Err(Err(_aborted)) => std::future::pending().await,
        }
    }
    batch.into()
}

async fn read_part(pubsub: &str, topic: &str, messages: Vec<(Bytes, Metadata)>) -> Vec<Incoming> {
    let (mut part, mut stretch) = (Vec::with_capacity(messages.len()), Stretch::default());
    for (bytes, metadata) in messages {
        let size = bytes.len();
        part.push(Incoming::read(pubsub, topic, bytes, metadata));
        stretch.has_read(size).await;
    }
    part
}

/// Into how many parts so many messages are cut: at most so many, that are worth it.
fn parts_of(messages: usize, most: usize) -> usize {
    (messages / Bulk::LEAST_PART).min(most).max(1)
}

/// Cuts events, of which each has its key, into parts that have no key in common. Their order stays.
fn parts(events: Vec<(usize, &str)>, most: usize) -> Vec<Vec<usize>> {
    let count = parts_of(events.len(), most);
    let mut parts = vec![Vec::new(); count];
    for (index, key) in events {
        let mut hash = DefaultHasher::new();
        key.hash(&mut hash);
        // The remainder is less than the number of parts.
        parts[(hash.finish() % count as u64) as usize].push(index);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stretch::tests::{MUCH, turns_during};

    #[tokio::test]
    async fn a_batch_of_large_messages_lets_others_have_their_turn() {
        let messages = |size| vec![(Bytes::from(vec![b' '; size]), Metadata::default()); 6];
        assert_eq!(turns_during(read("pubsub", "topic", messages(500), 1)).await, 0);
        assert_eq!(turns_during(read("pubsub", "topic", messages(MUCH), 1)).await, 6);
    }
}
