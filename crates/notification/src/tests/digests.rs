//! When summaries come.

use docket_domain::{DeliveryKind, Digest};

use super::*;
use crate::digest::of_today;
use crate::render::{About, Tasks};

fn with_digest() -> Preferences {
    let digest = Digest { time: "08:00".parse().unwrap(), channels: Vec::new() };
    Preferences { digest: Some(digest), time_zone: Tz::Europe__Berlin, ..by(&[Way::Email, Way::Webhook]) }
}

/// Begins the day of the summary: 08:00 in Berlin on the 5th.
pub(super) async fn morning(world: &World) {
    let user = alice();
    world.prefer(with_digest()).await;
    let mut stored = world.store.preferences(&user).await.unwrap().unwrap();
    stored.next_digest_time = Some("2026-12-05T07:00:00Z".parse().unwrap());
    let (version, user) = (stored.version, &user);
    let stored = &stored;
    let put: Result<bool, docket_store::Error> =
        world.store.transaction(|tx| Box::pin(tx.preferences_put(user, stored, Some(version)))).await;
    assert!(put.unwrap());
    world.turn().await;
    assert_eq!(world.rows().await, [], "it is not morning yet");
    world.clock.turn(TimeDelta::hours(16) + TimeDelta::minutes(31));
}

#[tokio::test]
async fn a_summary_comes_once_a_day_on_each_channel() {
    let world = World::new().await;
    let task = About {
        task: notice(1).task_id,
        title: "Pay the rent".to_owned(),
        priority: Priority::High,
        due: notice(1).due,
        zone: Tz::Europe__Berlin,
    };
    *world.others.agenda.lock().unwrap() =
        Agenda { overdue: Tasks { named: vec![task], total: 1 }, today: Tasks::default() };
    morning(&world).await;
    for _ in 0..3 {
        world.turn().await;
    }
    let expect = ["Daily summary: Saturday, 5 December 2026 – Overdue: 1"];
    assert_eq!(
        (world.email.subjects(), world.webhook.subjects().len()),
        (expect.map(str::to_owned).to_vec(), 1)
    );
    let next = world.store.preferences(&alice()).await.unwrap().unwrap().next_digest_time;
    assert_eq!(next, Some("2026-12-06T07:00:00Z".parse().unwrap()));
    assert_eq!(world.others.questions.load(Ordering::SeqCst), 2, "once for each lane");
    assert!(
        world
            .rows()
            .await
            .iter()
            .all(|row| row.kind == DeliveryKind::Digest && row.state == DeliveryState::Sent)
    );
    world.clock.turn(TimeDelta::days(1));
    world.turn().await;
    assert_eq!(world.email.subjects().len(), 2);
}

#[tokio::test]
async fn a_day_on_which_nothing_is_due_has_no_summary() {
    let world = World::new().await;
    morning(&world).await;
    world.others.away.store(true, Ordering::SeqCst);
    world.turn().await;
    assert_eq!(
        world.states().await,
        [(Way::Email, DeliveryState::Pending), (Way::Webhook, DeliveryState::Pending)]
    );
    world.others.away.store(false, Ordering::SeqCst);
    world.clock.turn(TimeDelta::seconds(5));
    world.turn().await;
    let rows = world.rows().await;
    assert!(rows.iter().all(|row| row.state == DeliveryState::Cancelled), "{rows:?}");
    assert_eq!(rows[0].reason.as_deref(), Some("nothing is due"));
    assert_eq!(world.email.take(), [""; 0]);
}

#[test]
fn a_summary_of_another_day_is_not_made_up_for() {
    let preferences = with_digest();
    // Planned for 08:00 in Berlin on the 5th.
    for (now, expect) in [
        ("2026-12-05T07:00:04Z", Some("2026-12-05T07:00:00Z")),
        ("2026-12-05T22:59:00Z", Some("2026-12-05T07:00:00Z")),
        ("2026-12-05T23:01:00Z", None),
        ("2026-12-06T06:59:00Z", None),
        ("2026-12-06T07:00:00Z", Some("2026-12-06T07:00:00Z")),
        ("2026-12-24T12:00:00Z", Some("2026-12-24T07:00:00Z")),
    ] {
        let planned = "2026-12-05T07:00:00Z".parse().unwrap();
        let expect: Option<Instant> = expect.map(|time| time.parse().unwrap());
        assert_eq!(of_today(planned, &preferences, now.parse().unwrap()), expect, "{now}");
    }
}

#[tokio::test]
async fn reminders_do_not_wait_behind_summaries() {
    let world = World::new().await;
    *world.others.agenda.lock().unwrap() =
        Agenda { overdue: Tasks::default(), today: Tasks { named: Vec::new(), total: 1 } };
    morning(&world).await;
    world.parts.sender.digests.begin().await.unwrap();
    world.due(&notice(1)).await;
    world.turn().await;
    let subjects = world.email.subjects();
    assert!(subjects[0].contains("Pay the rent") && subjects[1].starts_with("Daily summary"), "{subjects:?}");
}
