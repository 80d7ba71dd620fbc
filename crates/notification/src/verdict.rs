//! What an attempt leaves behind in the ledger. Pure: `now` and the spread of pauses are parameters.

use std::time::Duration;

use docket_domain::{DeliveryKind, DeliveryState, Instant, Preferences, TimeDelta};
use docket_store::notification::{Delivery, Settled};

use crate::channel::Outcome;
use crate::config::{Config, Unknown};
use crate::owner::Standing;

/// Begins what is said of a row that waits without having failed.
const HELD: &str = "waits: ";

/// What is said of a row that waits because its task has changed.
const BEHIND: &str = "waits: the task has changed, and its reminders have not followed yet";

/// What is said of a row that waits because nobody can say whether its task has changed.
const UNSURE: &str = "waits: the tasks could not be asked";

/// The first pause while the owner of the reminders is behind, or may be; it doubles.
const FIRST_BEHIND: Duration = Duration::from_secs(1);

/// The longest one.
const LAST_BEHIND: Duration = Duration::from_secs(10);

/// Rules and moment of a verdict.
pub(crate) struct Judge<'a> {
    pub(crate) config: &'a Config,
    pub(crate) now: Instant,
    /// From 0 to 1.
    pub(crate) jitter: f64,
}

impl Judge<'_> {
    /// What an attempt came to.
    pub(crate) fn outcome(&self, delivery: &Delivery, outcome: Outcome) -> Settled {
        match outcome {
            Outcome::Sent => self.ended(delivery, DeliveryState::Sent, None),
            Outcome::Refused(reason) => self.ended(delivery, DeliveryState::Failed, Some(reason)),
            Outcome::Later(reason) | Outcome::Denied(reason) => {
                self.again(delivery, DeliveryState::Failed, &reason)
            }
            Outcome::Missing { binding } => {
                let channel = delivery.channel.name();
                let reason = format!("the sidecar has no output binding {binding:?}, which {channel} needs");
                self.again(delivery, DeliveryState::Failed, &reason)
            }
            Outcome::Unknown(reason) => match self.config.unknown {
                Unknown::Resend => self.again(delivery, DeliveryState::Unknown, &reason),
                Unknown::GiveUp => self.ended(delivery, DeliveryState::Unknown, Some(reason)),
            },
            Outcome::NotBegun => self.waits(delivery, None, None),
        }
    }

    /// It could not be found out whether it is to be sent: it is asked again soon, without longer and longer pauses.
    pub(crate) fn held(&self, delivery: &Delivery, reason: &str) -> Settled {
        let reason = format!("{HELD}{reason}");
        self.after(delivery, DeliveryState::Failed, self.config.pause(1, self.jitter), &reason)
    }

    /// The owner of the reminders has not heard yet what became of the task, or may not have: it is asked again, after pauses
    /// that double from 1 s to 10 s, but not for ever: a reminder that comes is worth more than one that may have moved. The
    /// time counts from the change, where that is known, so that there is some for hearing of it.
    pub(crate) fn behind(
        &self,
        delivery: &Delivery,
        preferences: &Preferences,
        standing: Standing,
    ) -> Result<(), Settled> {
        let (changed, why) = match standing {
            Standing::Stands => return Ok(()),
            Standing::Behind { changed } => (changed, BEHIND),
            Standing::Unsure => (None, UNSURE),
        };
        let moment = delivery.remind_time.max(delivery.create_time);
        let quiet = preferences.quiet_hours.filter(|_| delivery.postponed);
        let due = quiet.and_then(|hours| hours.until(moment, preferences.time_zone)).unwrap_or(moment);
        let since = changed.map_or(due, |changed| due.max(changed));
        let last = (since + self.config.behind_time()).min(due + self.config.give_up_time());
        // An owner that was away until now has a backlog, and gets some time at least. A failure of the channel is no such sign.
        let is_new = |said: &str| said.starts_with(HELD) && ![BEHIND, UNSURE].contains(&said);
        let has_waited = !delivery.reason.as_deref().is_none_or(is_new);
        if self.config.behind_seconds == 0 || (has_waited && self.now >= last) {
            tracing::warn!(delivery.id = %delivery.id, "a message is sent while the reminders may be behind its task");
            return Ok(());
        }
        // As long again as it has waited.
        let waited = (self.now - since).to_std().unwrap_or_default();
        let pause = waited.clamp(FIRST_BEHIND, LAST_BEHIND).mul_f64(1.0 - self.jitter / 2.0);
        let next = self.now + TimeDelta::from_std(pause).unwrap_or(self.config.behind_time());
        let next = if self.now < last { next.min(last) } else { next };
        Err(self.waits(delivery, Some(next), Some(why.to_owned())))
    }

    /// Quiet hours put it off.
    pub(crate) fn postponed(&self, delivery: &Delivery, until: Instant) -> Settled {
        Settled { postponed: true, ..self.waits(delivery, Some(until), None) }
    }

    /// It is over.
    pub(crate) fn ended(&self, delivery: &Delivery, state: DeliveryState, reason: Option<String>) -> Settled {
        Settled {
            id: delivery.id,
            attempts: delivery.attempts,
            state,
            next_attempt: None,
            postponed: false,
            reason,
            time: self.now,
        }
    }

    /// It is tried again, after a pause that grows with the attempts; `end` is what it comes to when it is too late for that.
    fn again(&self, delivery: &Delivery, end: DeliveryState, reason: &str) -> Settled {
        let claims = u32::try_from(delivery.attempts).unwrap_or_default();
        // Claims that only found out that they had to wait do not count as failures.
        let was_held = delivery.reason.as_ref().is_some_and(|said| said.starts_with(HELD));
        let attempts = if was_held { 1 } else { claims };
        self.after(delivery, end, self.config.pause(attempts, self.jitter), reason)
    }

    fn after(&self, delivery: &Delivery, end: DeliveryState, pause: TimeDelta, reason: &str) -> Settled {
        // Somebody waits for the answer.
        if delivery.kind == DeliveryKind::Test {
            return self.ended(delivery, end, Some(reason.to_owned()));
        }
        let last = delivery.remind_time.max(delivery.create_time) + self.config.give_up_time();
        let next = self.now + pause;
        if next > last {
            let reason = format!("given up after {} attempts: {reason}", delivery.attempts);
            return self.ended(delivery, end, Some(reason));
        }
        self.waits(delivery, Some(next), Some(reason.to_owned()))
    }

    fn waits(&self, delivery: &Delivery, next: Option<Instant>, reason: Option<String>) -> Settled {
        Settled { next_attempt: next, ..self.ended(delivery, DeliveryState::Pending, reason) }
    }
}
