//! Holds the sender back while the owner of the reminders can not be asked: without its answer nothing goes out, and claiming
//! again and again would only write.

use std::sync::{Mutex, PoisonError};

use docket_domain::{Instant, TimeDelta};

/// The first pause; it doubles.
const FIRST_SECONDS: i64 = 1;

/// The longest one.
const LAST_SECONDS: i64 = 30;

/// How long nothing is claimed.
#[derive(Default)]
pub(crate) struct Hold(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
}

impl Hold {
    /// Notes whether the owner has answered. `jitter` is 0 to 1, and takes off up to half of the pause.
    pub(crate) fn note(&self, answered: bool, now: Instant, jitter: f64) {
        // Nothing panics while it is held.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
        } else if state.until.is_none_or(|until| until <= now) {
            // Once for all lanes that have asked at the same time.
            state.until = Some(now + pause(state.failures, jitter));
            state.failures = state.failures.saturating_add(1);
        }
    }

    /// Whether nothing is to be claimed now.
    pub(crate) fn holds(&self, now: Instant) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.until.is_some_and(|until| now < until)
    }
}

fn pause(failures: u32, jitter: f64) -> TimeDelta {
    let seconds = (FIRST_SECONDS << failures.min(10)).min(LAST_SECONDS);
    let pause = std::time::Duration::from_secs(seconds.unsigned_abs()).mul_f64(1.0 - jitter / 2.0);
    TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_an_answer() {
        let seconds = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|failures| pause(failures, 0.0).num_seconds());
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pause(0, 1.0).num_milliseconds(), 500);
        let now: Instant = "2026-12-04T14:30:00Z".parse().unwrap();
        let after = |seconds| now + TimeDelta::seconds(seconds);
        let hold = Hold::default();
        assert!(!hold.holds(now));
        hold.note(false, now, 0.0);
        hold.note(false, now, 0.0);
        assert!(hold.holds(now) && !hold.holds(after(1)), "two lanes that ask together fail once");
        hold.note(false, after(1), 0.0);
        assert!(hold.holds(after(2)) && !hold.holds(after(3)));
        hold.note(true, after(2), 0.0);
        assert!(!hold.holds(after(2)));
        hold.note(false, after(2), 0.0);
        assert!(!hold.holds(after(3)), "it begins anew");
    }
}
