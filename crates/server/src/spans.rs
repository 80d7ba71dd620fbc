//! Sets of versions that are mostly runs of neighbours.

use std::fmt;
use std::ops::RangeInclusive;

use rangemap::RangeInclusiveSet;

/// A set of numbers, kept as its runs: a task of a million versions of which none is there is one run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Spans(RangeInclusiveSet<i64>);

impl Spans {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.runs().map(|(start, end)| end.abs_diff(start).saturating_add(1)).sum()
    }

    /// The first and the last number of each run, in their order.
    pub fn runs(&self) -> impl Iterator<Item = (i64, i64)> {
        self.0.iter().map(|run| (*run.start(), *run.end()))
    }

    /// Whether the number is there.
    pub fn contains(&self, number: i64) -> bool {
        self.0.contains(&number)
    }

    /// Adds a number.
    pub fn insert(&mut self, number: i64) {
        self.extend([number..=number]);
    }

    /// Takes a number out; false when it was not there.
    pub fn remove(&mut self, number: i64) -> bool {
        let there = self.contains(number);
        if there {
            self.0.remove(number..=number);
        }
        there
    }
}

impl Extend<RangeInclusive<i64>> for Spans {
    fn extend<I: IntoIterator<Item = RangeInclusive<i64>>>(&mut self, ranges: I) {
        // The library panics at a range that is none.
        self.0.extend(ranges.into_iter().filter(|range| !range.is_empty()));
    }
}

impl FromIterator<RangeInclusive<i64>> for Spans {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<i64>>>(ranges: I) -> Self {
        let mut spans = Self::default();
        spans.extend(ranges);
        spans
    }
}

/// As people write them: `2-3, 5`.
impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (start, end)) in self.runs().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match start == end {
                true => write!(f, "{comma}{start}")?,
                false => write!(f, "{comma}{start}-{end}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_and_go() {
        let none = RangeInclusive::new(20, 10);
        let mut spans: Spans = [1..=3, 7..=9, 4..=4, none].into_iter().collect();
        assert_eq!((spans.to_string().as_str(), spans.count()), ("1-4, 7-9", 7));
        assert!(spans.remove(8) && !spans.remove(8) && !spans.remove(100));
        assert_eq!(spans.to_string(), "1-4, 7, 9");
        spans.insert(8);
        spans.extend([3..=6]);
        assert_eq!(spans.to_string(), "1-9");
        assert!(spans.contains(1) && spans.contains(9) && !spans.contains(0) && !spans.contains(10));
        for number in 1..=9 {
            assert!(spans.remove(number));
        }
        assert!(spans.is_empty());
        let huge: Spans = [1..=i64::MAX].into_iter().collect();
        assert_eq!(huge.count(), i64::MAX as u64);
    }
}
