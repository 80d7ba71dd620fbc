//! The steps of something long: each says when it begins, and all of them how long they took.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::progress::{elapsed, heading};

/// Steps one after the other.
#[derive(Debug)]
pub(super) struct Steps {
    start: Instant,
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// The first one begins.
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), done: Vec::new() }
    }

    /// Takes one; when it fails, the error says which.
    pub(super) fn take<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        heading(self.start, name);
        let begun = Instant::now();
        let done = work().with_context(|| format!("step \"{name}\""))?;
        self.done.push((name.to_owned(), begun.elapsed()));
        Ok(done)
    }

    /// How long each took, and all of them.
    pub(super) fn times(&self) -> String {
        let all = ("all".to_owned(), self.start.elapsed());
        let width = self.done.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        self.done.iter().chain([&all]).fold(String::new(), |mut text, (name, time)| {
            // Writing to a text does not fail.
            let _ = writeln!(text, "  {name:<width$}  {}", elapsed(*time));
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_say_how_long_they_took_and_which_one_failed() {
        let mut steps = Steps::new();
        steps.take("Kafka", || Ok(())).unwrap();
        let error = steps.take("PostgreSQL", || -> Result<()> { anyhow::bail!("no") }).unwrap_err();
        assert_eq!(format!("{error:#}"), "step \"PostgreSQL\": no");
        assert_eq!(steps.times(), "  Kafka  0 s\n  all    0 s\n");
    }
}
