//! The time by which a call must be answered: the client's `grpc-timeout`, up to the server's own limit.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep_until};

use crate::caller::only;

/// The instant by which a call must be answered, on the monotonic clock.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// That of a call that has just arrived. A damaged `grpc-timeout` counts as none.
    pub(crate) fn of(headers: &HeaderMap, limit: Duration) -> Self {
        let asked = only(headers, "grpc-timeout").ok().flatten().and_then(parse);
        Self(Instant::now() + asked.map_or(limit, |asked| asked.min(limit)))
    }

    /// How much time there is.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The instant itself.
    pub(crate) fn instant(self) -> Instant {
        self.0
    }

    /// Waits until the time is over.
    pub(crate) async fn passed(self) {
        sleep_until(self.0).await;
    }
}

/// At most 8 digits and a unit (gRPC over HTTP/2, `Timeout`).
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_client_may_shorten_the_deadline_but_not_lengthen_it() {
        let left = |headers: &HeaderMap| Deadline::of(headers, Duration::from_secs(30)).left();
        let check = |text: &'static str, expect: Duration| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            assert_eq!(left(&headers), expect, "{text}");
        };
        let limit = Duration::from_secs(30);
        check("2S", Duration::from_secs(2));
        check("250m", Duration::from_millis(250));
        check("1000u", Duration::from_millis(1));
        check("5000000n", Duration::from_millis(5));
        check("0S", Duration::ZERO);
        check("1M", limit);
        check("99999999H", limit);
        for damaged in ["", "S", "10", "123456789S", "-1S", "1.5S", "1x", "1 S"] {
            check(damaged, limit);
        }
        assert_eq!(left(&HeaderMap::new()), limit);
    }
}
