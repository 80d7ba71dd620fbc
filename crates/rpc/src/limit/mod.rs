//! What one user, and all together, may ask of the server at once: rate, places, and who is refused when there are none.

mod fault;
mod gate;
#[cfg(test)]
mod goodput;
mod rate;
mod share;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use docket_domain::UserId;
use serde::{Deserialize, Serialize};

use crate::deadline::Deadline;
pub(crate) use fault::{Overloaded, Refused, TooManyStreams, UnsupportedCompression};
use gate::Gate;
pub(crate) use gate::Place;
use rate::Rates;
pub(crate) use share::Share;
use share::Shares;
pub(crate) use streams::{OpenStream, OpenStreams};

/// A random number from 0 to 1.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// How much is served. 0 switches a limit off.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many calls a second one user may make for long. Default 100.
    pub rate_per_second: u32,
    /// How many calls one user may make at once after a rest. Default 1000.
    pub burst: u32,
    /// How many calls may be in progress in this process. Should be less than it can answer within the deadlines of its
    /// clients. Default 256.
    pub max_concurrent_calls: u32,
    /// How many calls of one user may be in progress in this process. Default 64.
    pub max_concurrent_calls_per_user: u32,
    /// How long a call may wait for a place, in milliseconds. At most as many calls wait as may be in progress. Default 100.
    pub max_queue_ms: u64,
    /// How many connections one port may have. Default 8192.
    pub max_connections: u32,
    /// How many streams that anybody may open, and that end with the client (watches of health, reflection), one port
    /// may have. Default 1024.
    pub max_open_streams: u32,
    /// How many of them one connection may have. Default 16.
    pub max_open_streams_per_connection: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rate_per_second: 100,
            burst: 1000,
            max_concurrent_calls: 256,
            max_concurrent_calls_per_user: 64,
            max_queue_ms: 100,
            max_connections: 8192,
            max_open_streams: 1024,
            max_open_streams_per_connection: 16,
        }
    }
}

/// The limits of a process. All its ports share them, whichever door a user comes through.
pub struct Limits {
    gate: Option<Arc<Gate>>,
    rates: Option<Rates>,
    shares: Option<Arc<Shares>>,
    max_connections: Option<usize>,
    max_open_streams: Option<usize>,
    max_open_streams_per_connection: Option<usize>,
    jitter: Jitter,
}

impl Limits {
    /// Limits as configured; `jitter` spreads those who are told to come back.
    pub fn new(config: &Config, jitter: Jitter) -> Self {
        let queue = Duration::from_millis(config.max_queue_ms);
        Self {
            gate: count(config.max_concurrent_calls).map(|places| Arc::new(Gate::new(places, queue))),
            rates: Rates::new(config.rate_per_second, config.burst),
            shares: count(config.max_concurrent_calls_per_user).map(|most| Arc::new(Shares::new(most))),
            max_connections: count(config.max_connections),
            max_open_streams: count(config.max_open_streams),
            max_open_streams_per_connection: count(config.max_open_streams_per_connection),
            jitter,
        }
    }

    /// Waits for a place among the calls in progress; refuses at once a call that would wait for longer than it can.
    pub(crate) async fn enter(&self, deadline: Deadline) -> Result<Option<Place>, Overloaded> {
        let Some(gate) = &self.gate else { return Ok(None) };
        match gate.enter(deadline).await {
            Some(place) => Ok(Some(place)),
            None => Err(Overloaded { places: gate.places(), delay: self.spread() }),
        }
    }

    /// Counts a call of the user's, until the share is dropped.
    pub(crate) fn count(&self, user: &UserId) -> Result<Option<Share>, Refused> {
        // First what costs the user nothing when it refuses.
        let share = match &self.shares {
            None => None,
            Some(shares) => Some(shares.take(user).ok_or_else(|| Refused::Concurrency {
                user: user.clone(),
                calls: shares.most(),
                delay: self.spread(),
            })?),
        };
        if let Some(rates) = &self.rates {
            rates.check(user).map_err(|delay| Refused::Rate {
                user: user.clone(),
                per_second: rates.per_second(),
                delay,
            })?;
        }
        Ok(share)
    }

    /// The open streams of a port.
    pub(crate) fn of_port(&self) -> OpenStreams {
        OpenStreams::new("max_open_streams", self.max_open_streams)
    }

    /// The open streams of a connection.
    pub(crate) fn of_connection(&self) -> OpenStreams {
        OpenStreams::new("max_open_streams_per_connection", self.max_open_streams_per_connection)
    }

    /// One more open stream, unless there are as many as there may be.
    pub(crate) fn open(&self, streams: &OpenStreams) -> Result<OpenStream, TooManyStreams> {
        let (limit, most) = (streams.limit(), streams.most());
        streams.open().ok_or_else(|| TooManyStreams { limit, most, delay: self.spread() })
    }

    pub(crate) fn max_connections(&self) -> Option<usize> {
        self.max_connections
    }

    /// A random number from 0 to 1.
    pub(crate) fn jitter(&self) -> f64 {
        (self.jitter)().clamp(0.0, 1.0)
    }

    /// When to come back: not all at the same time.
    fn spread(&self) -> Duration {
        crate::status::RETRY_DELAY.mul_f64(0.5 + self.jitter())
    }
}

/// A limit that is not switched off.
fn count(limit: u32) -> Option<usize> {
    usize::try_from(limit).ok().filter(|limit| *limit > 0)
}
