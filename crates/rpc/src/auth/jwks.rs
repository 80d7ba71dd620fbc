//! An issuer's public keys, as they are now: loaded at the start, and again and again from then on.

use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use quick_cache::unsync::Cache;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::cache::Digest;
use super::keys::{DocumentError, KeySet};
use super::source::{Loaded, Source, SourceError};
use crate::status::RETRY_DELAY;

/// How often a file is looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(5);

/// The limits within which a server may say how long its keys are fresh.
const MAX_AGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(3600);

/// How soon a server that failed is asked again.
const RETRY: Duration = Duration::from_secs(30);

/// How often a server's keys are loaded because no key has signed a token: whoever makes up tokens does not make us a
/// nuisance.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// How many tokens that no key has signed are remembered. One that is forgotten is told to come again once more.
const MISSED: usize = 10_000;

/// When keys are loaded again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// So often that nobody waits: it is only read.
    File,
    /// As its server says, or else after `refresh`. Keys that can not be had anew for `max_stale` are given up.
    Server { refresh: Duration, max_stale: Duration },
}

impl Pace {
    /// How long keys are taken as fresh.
    fn after(self, max_age: Option<Duration>) -> Duration {
        match self {
            Self::File => FILE_INTERVAL,
            Self::Server { refresh, .. } => {
                max_age.map_or(refresh, |age| age.clamp(*MAX_AGE.start(), *MAX_AGE.end()))
            }
        }
    }

    /// How long it takes at least from one load that a token asked for to the next.
    fn cool_down(self) -> Duration {
        match self {
            Self::File => FILE_INTERVAL,
            Self::Server { .. } => COOL_DOWN,
        }
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Document(#[from] DocumentError),
}

/// An issuer's public keys.
pub(super) struct Jwks {
    /// The key of the configuration, for the log.
    name: &'static str,
    source: Box<dyn Source>,
    pace: Pace,
    current: ArcSwap<KeySet>,
    /// Counts the changes of all keys; higher than what was read before the keys were.
    generation: Arc<AtomicU64>,
    asked: Mutex<Asked>,
    wanted: Notify,
    /// Held by the one who loads.
    progress: tokio::sync::Mutex<Progress>,
}

/// What tokens have asked for. Loads are counted, because only one that began after a token came can refuse it.
struct Asked {
    at: Option<Instant>,
    begun: u64,
    ended: u64,
    /// The load that was asked for; it is under way until it has ended.
    wanted: u64,
    /// Whether the load that ended last has failed.
    failing: bool,
    /// The loads that tell of tokens, each the first that began after its token came. By token and not by name: whoever
    /// makes up names, or guesses the next one, has good tokens refused no sooner.
    missed: Cache<Digest, u64>,
}

/// What the task that loads remembers.
struct Progress {
    document: Vec<u8>,
    loaded: Instant,
    next: Instant,
}

impl Jwks {
    /// Loads the keys for the first time.
    pub(super) async fn open(
        name: &'static str,
        source: Box<dyn Source>,
        pace: Pace,
        generation: Arc<AtomicU64>,
    ) -> Result<Self, LoadError> {
        let Loaded { document, max_age } = source.load().await?;
        let (keys, loaded) = (KeySet::parse(&document)?, Instant::now());
        let progress = Progress { document, loaded, next: loaded + pace.after(max_age) };
        Ok(Self {
            name,
            source,
            pace,
            current: ArcSwap::from_pointee(keys),
            generation,
            asked: Mutex::new(Asked {
                at: None,
                begun: 0,
                ended: 0,
                wanted: 0,
                failing: false,
                missed: Cache::new(MISSED),
            }),
            wanted: Notify::new(),
            progress: tokio::sync::Mutex::new(progress),
        })
    }

    /// The keys as they are now.
    pub(super) fn current(&self) -> Arc<KeySet> {
        self.current.load_full()
    }

    /// No key that is there has signed a token, and one that is not there may have: the keys are loaded again, unless
    /// that was done for such a token a short time ago. Never waits. Answers when to come again; nothing if the keys
    /// were loaded since the token first came, which is then not good.
    pub(super) fn miss(&self, token: &Digest) -> Option<Duration> {
        let (mut asked, now) = (self.asked(), Instant::now());
        let next = asked.begun + 1;
        let tells = asked.missed.get(token).copied();
        if tells.is_none() {
            asked.missed.insert(*token, next);
        }
        let cool = asked.at.map_or(now, |at| at + self.pace.cool_down());
        if asked.ended >= asked.wanted && cool <= now {
            asked.at = Some(now);
            asked.wanted = next;
            self.wanted.notify_one();
        }
        if asked.ended < asked.wanted {
            Some(RETRY_DELAY)
        } else if asked.failing || asked.ended < tells.unwrap_or(next) {
            Some((cool - now).max(RETRY_DELAY))
        } else {
            None
        }
    }

    /// Loads the keys again and again until it is told to stop. Keys that can not be had leave those that are there.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        let mut progress = self.progress.lock().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(progress.next) => {}
                () = self.wanted.notified() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.round(&mut progress) => {}
            }
        }
    }

    async fn round(&self, progress: &mut Progress) {
        let round = {
            let mut asked = self.asked();
            asked.begun += 1;
            asked.begun
        };
        let loaded = self.load(&progress.document).await;
        let now = Instant::now();
        let failed = loaded.is_err();
        match loaded {
            Ok((Loaded { document, max_age }, keys)) => {
                progress.document = document;
                progress.loaded = now;
                progress.next = now + self.pace.after(max_age);
                if let Some(keys) = keys {
                    self.put(keys);
                    tracing::info!(key = self.name, "{}: the keys were read", self.name);
                }
            }
            Err(error) => {
                progress.next = now + if matches!(self.pace, Pace::File) { FILE_INTERVAL } else { RETRY };
                // Once, and not with every attempt.
                if !self.asked().failing {
                    let cause = error.source().map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(
                        key = self.name,
                        cause,
                        "{}: {error}; the keys stay as they are",
                        self.name
                    );
                }
                if let Pace::Server { max_stale, .. } = self.pace
                    && now - progress.loaded >= max_stale
                    && !progress.document.is_empty()
                {
                    tracing::error!(key = self.name, "{}: the keys are too old to be used", self.name);
                    progress.document.clear();
                    self.put(KeySet::default());
                }
            }
        }
        let mut asked = self.asked();
        // A load that was asked for meanwhile has not begun.
        asked.ended = round;
        asked.failing = failed;
    }

    /// The document, and its keys if it is another one than `known`.
    async fn load(&self, known: &[u8]) -> Result<(Loaded, Option<KeySet>), LoadError> {
        let loaded = self.source.load().await?;
        let keys = if loaded.document == known { None } else { Some(KeySet::parse(&loaded.document)?) };
        Ok((loaded, keys))
    }

    fn put(&self, keys: KeySet) {
        self.current.store(Arc::new(keys));
        // Afterwards, so that who sees the new number sees the new keys.
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        // Nothing panics while it is held.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
