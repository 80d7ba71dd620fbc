//! Daily summaries: one message for each user, day and channel, when its time has come.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::NaiveDate;
use docket_domain::clock::next_at;
use docket_domain::source::{Clock, Ids};
use docket_domain::{Channel, DeliveryId, DeliveryKind, Instant, Preferences, TimeDelta, UserId};
use docket_store::notification::{Delivery, NewDelivery, NextDigest, StoredPreferences};
use docket_store::{Error, Store};
use docket_telemetry::Undecided;
use serde_json::json;
use tracing::Span;

use crate::trace;
use crate::words::words;

/// The most users whose summaries begin together.
const BATCH: u32 = 200;

/// Begins the summaries that are due.
pub(crate) struct Digests {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

impl Digests {
    /// Writes the summaries that are due into the ledger; true when there may be more. One statement when there are none.
    pub(crate) async fn begin(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let due = self.store.digests_due(now, BATCH).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let next: Vec<NextDigest> = due.iter().filter_map(|(user, stored)| next(user, stored, now)).collect();
        let (due, next) = (&due, &next);
        let spans: Result<Undecided, Error> = self
            .store
            .transaction(|tx| {
                Box::pin(async move {
                    let begun: HashSet<UserId> = tx.digests_set(next).await?.into_iter().collect();
                    let (mut rows, mut spans) = (Vec::new(), Undecided::default());
                    for (user, stored) in due.iter().filter(|(user, _)| begun.contains(user)) {
                        let (new, span) = self.rows(user, stored, now);
                        rows.extend(new);
                        spans.extend(span);
                    }
                    tx.deliveries_add(&rows).await?;
                    Ok(spans)
                })
            })
            .await;
        spans?.done();
        Ok(due.len() >= BATCH as usize)
    }

    /// The messages of a user's summary, with the span that begins their trace.
    fn rows(
        &self,
        user: &UserId,
        stored: &StoredPreferences,
        now: Instant,
    ) -> (Vec<NewDelivery>, Option<Span>) {
        let preferences = &stored.preferences;
        let Some(time) = stored.next_digest_time.and_then(|planned| of_today(planned, preferences, now))
        else {
            return (Vec::new(), None);
        };
        let span = trace::digest();
        let quiet = preferences.quiet_hours.and_then(|hours| hours.until(now, preferences.time_zone));
        // What is sent after midnight tells of the new day.
        let day = quiet.unwrap_or(time).with_timezone(&preferences.time_zone).date_naive();
        let row = |channel| NewDelivery {
            id: DeliveryId::from_uuid(self.ids.uuid()),
            kind: DeliveryKind::Digest,
            subject: format!("digest:{user}:{day}"),
            channel,
            user_id: user.clone(),
            task_id: None,
            reminder_id: None,
            title: words(preferences.locale).digest.to_owned(),
            content: json!({ "day": day }),
            remind_time: time,
            next_attempt: quiet.unwrap_or(now),
            postponed: quiet.is_some(),
            trace: trace::of(&span),
            create_time: now,
        };
        let rows = ways(preferences).into_iter().map(row).collect();
        (rows, Some(span))
    }
}

/// When the summary of today was due that was planned for `planned`, or for today after it. None when that is not over: a
/// summary that was missed on another day is not made up for.
pub(crate) fn of_today(planned: Instant, preferences: &Preferences, now: Instant) -> Option<Instant> {
    let (zone, digest) = (preferences.time_zone, preferences.digest.as_ref()?);
    let day = |time: Instant| time.with_timezone(&zone).date_naive();
    if day(planned) == day(now) {
        return Some(planned);
    }
    // The last one that is over is at most two days old, whatever the clocks do.
    let mut last = next_at(digest.time, zone, now - TimeDelta::days(2));
    loop {
        let next = next_at(digest.time, zone, last);
        if next > now || next <= last {
            break;
        }
        last = next;
    }
    (last <= now && day(last) == day(now)).then_some(last)
}

/// On which channels a user gets the summary.
fn ways(preferences: &Preferences) -> Vec<Channel> {
    preferences.digest.as_ref().map(|digest| preferences.ways(&digest.channels)).unwrap_or_default()
}

fn next(user: &UserId, stored: &StoredPreferences, now: Instant) -> Option<NextDigest> {
    let expect = stored.next_digest_time?;
    Some(NextDigest { user_id: user.clone(), expect, next: first_after(&stored.preferences, now) })
}

/// When the user's next summary is due.
pub(crate) fn first_after(preferences: &Preferences, now: Instant) -> Option<Instant> {
    let digest = preferences.digest.as_ref()?;
    Some(next_at(digest.time, preferences.time_zone, now))
}

/// The day that a summary is about.
pub(crate) fn day_of(delivery: &Delivery) -> Option<NaiveDate> {
    delivery.content["day"].as_str()?.parse().ok()
}
