//! How it stands with an event that could not be handled.

use std::fmt;
use std::str::FromStr;

/// How it stands with a dead letter.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LetterState {
    /// Nobody has done anything about it, or a replay has failed again.
    Open,
    /// It was sent to its topic once more, and has not come back.
    Replayed,
    /// It was given up.
    Discarded,
}

/// A text that is no state of a dead letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be OPEN, REPLAYED or DISCARDED")]
pub struct UnknownLetterState;

impl LetterState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Open, Self::Replayed, Self::Discarded];

    /// The state's name: `OPEN`, `REPLAYED` or `DISCARDED`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Replayed => "REPLAYED",
            Self::Discarded => "DISCARDED",
        }
    }
}

impl fmt::Display for LetterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LetterState {
    type Err = UnknownLetterState;

    fn from_str(name: &str) -> Result<Self, UnknownLetterState> {
        Self::ALL.into_iter().find(|state| state.name() == name).ok_or(UnknownLetterState)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_by_its_name() {
        for state in LetterState::ALL {
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert_eq!("open".parse::<LetterState>(), Err(UnknownLetterState));
    }
}
