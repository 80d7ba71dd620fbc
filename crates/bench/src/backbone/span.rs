//! How fast something went, told by when each step of it was done.

use anyhow::{Result, ensure};

/// The steps of one measurement. What the first step took is not known, so neither it nor its events count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span {
    /// When the first step was done, in seconds since 1970.
    pub(crate) first: f64,
    /// When the last one was.
    pub(crate) last: f64,
    /// How many steps: calls, or transactions.
    pub(crate) steps: u64,
    /// Events of the first step.
    pub(crate) first_events: u64,
    /// Events of all steps.
    pub(crate) events: u64,
}

impl Span {
    /// From the time and the number of events of each step.
    pub(crate) fn of(steps: &[(f64, u64)]) -> Result<Self> {
        let mut steps = steps.to_vec();
        steps.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let [(first, first_events), .., (last, _)] = steps[..] else {
            anyhow::bail!("{} steps are too few to measure", steps.len());
        };
        ensure!(last > first, "nothing took any time");
        let events = steps.iter().map(|(_, events)| events).sum();
        Ok(Self { first, last, steps: steps.len() as u64, first_events, events })
    }

    /// Events per second.
    pub(crate) fn per_second(&self) -> f64 {
        (self.events - self.first_events) as f64 / (self.last - self.first)
    }

    /// Events of a step.
    pub(crate) fn batch(&self) -> f64 {
        self.events as f64 / self.steps as f64
    }

    /// From the first step of this to the last of another one, which the same events went through later.
    pub(crate) fn to(&self, later: &Self) -> f64 {
        (self.events - self.first_events) as f64 / (later.last - self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_where_the_time_begins() {
        let span = Span::of(&[(12.0, 30), (10.0, 20), (15.0, 50)]).unwrap();
        assert_eq!(span, Span { first: 10.0, last: 15.0, steps: 3, first_events: 20, events: 100 });
        assert_eq!((span.per_second(), span.batch().round()), (16.0, 33.0));
        let later = Span::of(&[(11.0, 50), (18.0, 50)]).unwrap();
        assert_eq!(span.to(&later), 10.0);
    }

    #[test]
    fn one_step_or_none_is_no_measurement() {
        for steps in [&[][..], &[(1.0, 5)], &[(1.0, 5), (1.0, 5)]] {
            Span::of(steps).unwrap_err();
        }
    }
}
