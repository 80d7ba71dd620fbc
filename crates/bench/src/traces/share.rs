//! How many of the traces are recorded.

/// How many of them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Share {
    /// None: nothing of it runs.
    None,
    /// One of a hundred.
    Hundredth,
    /// Each.
    All,
}

impl Share {
    /// All of them, as they are shown.
    pub(crate) const EACH: [Self; 3] = [Self::None, Self::Hundredth, Self::All];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hundredth => "1 %",
            Self::All => "100 %",
        }
    }

    /// `telemetry.sample_ratio`; none where nothing is sent.
    pub(crate) const fn ratio(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Hundredth => Some("0.01"),
            Self::All => Some("1"),
        }
    }

    /// The least part of the throughput without traces that is wanted.
    pub(crate) const fn goal(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Hundredth => Some(0.95),
            Self::All => Some(0.8),
        }
    }

    /// In the order of a round: another one begins each time.
    pub(crate) fn in_turns(round: usize) -> [Self; 3] {
        let mut shares = Self::EACH;
        shares.rotate_left(round % Self::EACH.len());
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_first_in_its_turn() {
        let first: Vec<Share> = (0..3).map(|round| Share::in_turns(round)[0]).collect();
        assert_eq!(first, Share::EACH);
        assert_eq!(Share::in_turns(3), Share::EACH);
    }
}
