//! How late things were, in milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

/// Of many, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lateness {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) most: f64,
}

impl Lateness {
    /// Of each one's.
    pub(crate) fn of(mut each: Vec<f64>) -> Result<Self> {
        ensure!(!each.is_empty(), "nothing came");
        each.sort_by(f64::total_cmp);
        let at = |share: f64| each[((each.len() as f64 * share).ceil() as usize).clamp(1, each.len()) - 1];
        Ok(Self { p50: at(0.5), p99: at(0.99), most: at(1.0) })
    }
}

impl Lateness {
    /// How many of so many came in a second, from their moment to the last of them.
    pub(crate) fn rate(&self, count: u64) -> f64 {
        count as f64 / (self.most / 1e3)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Waits for a moment, in seconds since 1970.
pub(crate) async fn until(moment: f64) {
    tokio::time::sleep(Duration::from_secs_f64((moment - now()).max(0.0))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_all_is_no_later() {
        let each = (1..=200).rev().map(f64::from).collect();
        assert_eq!(Lateness::of(each).unwrap(), Lateness { p50: 100.0, p99: 198.0, most: 200.0 });
        assert_eq!(Lateness::of(vec![250.0, 500.0]).unwrap().rate(2), 4.0);
        assert_eq!(Lateness::of(vec![7.0]).unwrap(), Lateness { p50: 7.0, p99: 7.0, most: 7.0 });
        Lateness::of(Vec::new()).unwrap_err();
    }
}
