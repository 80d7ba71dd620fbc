//! What it takes clients to have what they want: repeats as the documentation says, and counts what was repeated, and what was
//! not to be had.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docket_testkit::history::Outcome;
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

use crate::manner::Pauses;

/// How long a call may take with all its repetitions, and how many those may be.
const PATIENCE: Duration = Duration::from_secs(30);
const ATTEMPTS: usize = 40;

/// Whose errors tell what a client is to do.
const DOMAIN: &str = "docket.dev";

/// What it took clients while one thing happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Act {
    /// What happened when the calls began.
    pub name: String,
    /// How many calls there were; one that is repeated is one call.
    pub calls: u64,
    /// How many of them had to be repeated.
    pub delayed: u64,
    /// How often, by the reason.
    pub repeated: BTreeMap<String, u64>,
    /// How many were not to be had, by the last reason.
    pub failed: BTreeMap<String, u64>,
    /// How many seconds the slowest took, with its repetitions.
    pub slowest: f64,
}

/// Acts, one of which lasts.
pub(crate) struct Tally {
    acts: Mutex<Vec<Act>>,
    /// The place of the one that lasts.
    now: AtomicUsize,
    /// How long clients insist in this act.
    patience: Mutex<Duration>,
}

/// What a client is to do about an error.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Advice {
    /// It has its answer: no.
    Accept,
    /// Ask again, for this reason, and not before this time has passed.
    Repeat(String, Option<Duration>),
    /// Nothing is documented that would help.
    Complain(String),
}

/// What came of a call.
enum End {
    Answered,
    Failed(String),
}

impl Tally {
    /// Begins with this act.
    pub(crate) fn new(name: &str) -> Self {
        let act = Act { name: name.to_owned(), ..Act::default() };
        Self { acts: Mutex::new(vec![act]), now: AtomicUsize::new(0), patience: Mutex::new(PATIENCE) }
    }

    /// The next act, or one more of the same name; calls that are under way count for the one in which they began.
    pub(crate) fn act(&self, name: &str) {
        let mut acts = self.acts();
        let known = acts.iter().position(|act| act.name == name);
        let place = known.unwrap_or_else(|| {
            acts.push(Act { name: name.to_owned(), ..Act::default() });
            acts.len() - 1
        });
        self.now.store(place, Ordering::SeqCst);
        self.allow(PATIENCE);
    }

    /// Lets clients insist for so long in this act.
    pub(crate) fn allow(&self, patience: Duration) {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner) = patience;
    }

    /// What it took, act by act.
    pub(crate) fn all(&self) -> Vec<Act> {
        self.acts().clone()
    }

    /// Asks until there is an answer, a refusal, or no patience any more. `once` asks, and is told how often that was done.
    pub(crate) async fn insist<A>(&self, once: impl AsyncFn(usize) -> Result<A, Status>) -> Option<A> {
        let (act, start) = (self.begin(), Instant::now());
        let mut pauses = Pauses::default();
        for attempt in 0.. {
            let status = match once(attempt).await {
                Ok(answer) => {
                    self.end(act, start, End::Answered);
                    return Some(answer);
                }
                Err(status) => status,
            };
            let (reason, least) = match Advice::of(&status) {
                Advice::Repeat(reason, least) => (reason, least.unwrap_or_default()),
                Advice::Accept => {
                    self.end(act, start, End::Answered);
                    break;
                }
                Advice::Complain(reason) => {
                    self.end(act, start, End::Failed(reason));
                    break;
                }
            };
            let pause = pauses.next().max(least);
            if attempt + 1 >= ATTEMPTS || start.elapsed() + pause > self.patience() {
                self.end(act, start, End::Failed(reason));
                break;
            }
            self.repeated(act, attempt, reason);
            sleep(pause).await;
        }
        None
    }

    fn acts(&self) -> MutexGuard<'_, Vec<Act>> {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patience(&self) -> Duration {
        *self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call more; answers the act that it belongs to.
    fn begin(&self) -> usize {
        let mut acts = self.acts();
        let now = self.now.load(Ordering::SeqCst);
        if let Some(act) = acts.get_mut(now) {
            act.calls += 1;
        }
        now
    }

    fn repeated(&self, act: usize, attempt: usize, reason: String) {
        if let Some(act) = self.acts().get_mut(act) {
            act.delayed += u64::from(attempt == 0);
            *act.repeated.entry(reason).or_default() += 1;
        }
    }

    fn end(&self, act: usize, start: Instant, end: End) {
        if let Some(act) = self.acts().get_mut(act) {
            act.slowest = act.slowest.max(start.elapsed().as_secs_f64());
            if let End::Failed(reason) = end {
                *act.failed.entry(reason).or_default() += 1;
            }
        }
    }
}

impl Act {
    /// How many calls were not to be had.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

impl Advice {
    /// What README.md tells clients: UNAVAILABLE and ABORTED with CONFLICT come with a RetryInfo, and are repeated; a call
    /// without an answer of Docket's took place wholly or not at all, and is repeated under its request id.
    fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason =
            details.error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason.as_str());
        let after = details.retry_info().and_then(|info| info.retry_delay);
        match (status.code(), reason) {
            (Code::Unavailable, Some(reason)) if after.is_some() => Self::Repeat(reason.to_owned(), after),
            (Code::Aborted, Some(reason @ "CONFLICT")) if after.is_some() => {
                Self::Repeat(reason.to_owned(), after)
            }
            (Code::DeadlineExceeded, _) => Self::Repeat("no answer in time".to_owned(), after),
            // Of the connection, or of the client's own patience, and not of Docket.
            (Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled, None) => {
                let reason = if timed_out(status) { "no answer in time" } else { "the connection broke" };
                Self::Repeat(reason.to_owned(), None)
            }
            _ => match Outcome::of(status) {
                Outcome::Unknown(text) => Self::Complain(text),
                Outcome::Ok(_) | Outcome::Fail(_) => Self::Accept,
            },
        }
    }
}

/// Whether the client itself did not want to wait any longer.
fn timed_out(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<TimeoutExpired>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what a client hears of a connection is no Fault")]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn error(code: Code, reason: &str, after: Option<Duration>) -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, DOMAIN, std::collections::HashMap::new());
        if after.is_some() {
            details.set_retry_info(after);
        }
        Status::with_error_details(code, "", details)
    }

    #[test]
    fn only_what_is_documented_is_repeated() {
        let (now, repeat) =
            (Some(Duration::from_millis(1)), |reason: &str, after| Advice::Repeat(reason.to_owned(), after));
        let check = |status: &Status, expect: Advice| assert_eq!(Advice::of(status), expect, "{status:?}");
        check(&error(Code::Unavailable, "SHUTTING_DOWN", now), repeat("SHUTTING_DOWN", now));
        check(&error(Code::Aborted, "CONFLICT", now), repeat("CONFLICT", now));
        check(&Status::unavailable("refused"), repeat("the connection broke", None));
        check(&Status::unknown("h2"), repeat("the connection broke", None));
        check(&Status::cancelled("closed"), repeat("the connection broke", None));
        let timeout = Status::from_error(Box::new(TimeoutExpired(())));
        check(&timeout, repeat("no answer in time", None));
        check(&error(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", None), repeat("no answer in time", None));
        check(&error(Code::Aborted, "ETAG_MISMATCH", None), Advice::Accept);
        check(&error(Code::NotFound, "TASK_NOT_FOUND", None), Advice::Accept);
        check(&error(Code::Unavailable, "SHUTTING_DOWN", None), Advice::Complain("SHUTTING_DOWN".to_owned()));
        check(&error(Code::Internal, "INTERNAL", None), Advice::Complain("INTERNAL".to_owned()));
        check(&Status::not_found("by whom?"), Advice::Complain("NotFound".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_counted_with_what_they_took_for_the_act_in_which_they_began() {
        let tally = Tally::new("calm");
        assert_eq!(tally.insist(async |_| Ok::<_, Status>(7)).await, Some(7));
        tally.act("roll-tasks");
        let again = async |attempt| match attempt {
            0..3 => Err(error(Code::Unavailable, "SHUTTING_DOWN", Some(Duration::from_secs(2)))),
            _ => Ok(attempt),
        };
        assert_eq!(tally.insist(again).await, Some(3));
        let refused = async |_| Err::<(), _>(error(Code::NotFound, "TASK_NOT_FOUND", None));
        assert_eq!(tally.insist(refused).await, None);
        let asked = AtomicUsize::new(0);
        let endless = async |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(Status::unavailable("refused"))
        };
        assert_eq!(tally.insist(endless).await, None);
        tally.act("calm");
        assert_eq!(tally.insist(async |_| Ok::<_, Status>(7)).await, Some(7));
        let [calm, roll] = tally.all().try_into().unwrap();
        assert_eq!((calm.calls, calm.delayed, calm.failures()), (2, 0, 0));
        assert_eq!((roll.calls, roll.delayed, roll.failures()), (3, 2, 1));
        assert_eq!(roll.repeated["SHUTTING_DOWN"], 3);
        assert_eq!(roll.repeated["the connection broke"], asked.into_inner() as u64 - 1);
        assert!(roll.slowest > 20.0 && roll.slowest <= 30.0, "{}", roll.slowest);
    }
}
