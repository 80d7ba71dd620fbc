//! What becomes of a message whose task has changed while the reminders have not followed.

use super::*;

const REASON: &str = "waits: the task has changed, and its reminders have not followed yet";

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// A world with one message whose task has changed.
async fn changed(config: Config) -> (World, ReminderNotice) {
    let world = World::with(config).await;
    let due = notice(1);
    world.due(&due).await;
    world.others.behind.lock().unwrap().insert(due.reminder_id);
    (world, due)
}

fn followed(world: &World, due: &ReminderNotice) {
    world.others.behind.lock().unwrap().remove(&due.reminder_id);
}

async fn sent(world: &World) -> bool {
    world.states().await == [(Way::Email, DeliveryState::Sent)]
}

#[tokio::test]
async fn it_waits_a_second_and_goes_out_once_when_they_have_followed() {
    let (world, due) = changed(Config::default()).await;
    world.turn().await;
    let row = &world.rows().await[0];
    assert_eq!((row.state, row.reason.as_deref()), (DeliveryState::Pending, Some(REASON)));
    assert_eq!(row.next_attempt, Some(world.clock.now() + seconds(1)));
    assert_eq!(world.told(&due).await, []);
    followed(&world, &due);
    world.turn().await;
    assert_eq!(world.email.take(), [""; 0], "not before the pause is over");
    world.clock.turn(seconds(1));
    world.turn().await;
    world.turn().await;
    assert!(sent(&world).await);
    assert_eq!(world.email.take().len(), 1);
    assert_eq!(world.told(&due).await.len(), 1);
}

#[tokio::test]
async fn it_is_cancelled_when_they_have_followed_and_it_does_not_stand() {
    let (world, due) = changed(Config::default()).await;
    world.turn().await;
    world.others.fallen.lock().unwrap().insert(due.reminder_id);
    world.clock.turn(seconds(1));
    world.turn().await;
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Cancelled)]);
    assert_eq!(world.email.take(), [""; 0]);
}

#[tokio::test]
async fn it_goes_out_in_the_end_and_is_asked_for_less_and_less_often() {
    let (world, _) = changed(Config::default()).await;
    let start = world.clock.now();
    let mut looks = Vec::new();
    while !sent(&world).await {
        world.turn().await;
        let waited = (world.clock.now() - start).num_seconds();
        assert!(waited <= 60, "{:?}", world.rows().await);
        looks.push(waited);
        let next = world.rows().await[0].next_attempt;
        next.into_iter().for_each(|next| world.clock.turn(next - world.clock.now()));
    }
    assert_eq!(looks, [0, 1, 2, 4, 8, 16, 26, 36, 46, 56, 60]);
    assert_eq!(world.email.take().len(), 1);
}

#[tokio::test]
async fn how_long_it_waits_is_configured() {
    for (behind_seconds, states) in [(0, [true, true]), (3, [false, true]), (4, [false, false])] {
        let (world, _) = changed(Config { behind_seconds, ..Config::default() }).await;
        world.turn().await;
        let at_once = sent(&world).await;
        world.clock.turn(seconds(3));
        world.turn().await;
        assert_eq!([at_once, sent(&world).await], states, "{behind_seconds}");
    }
}

#[tokio::test]
async fn waiting_is_no_failure_and_what_fails_then_is_tried_again_soon() {
    let (world, due) = changed(Config { give_up_seconds: 60, ..Config::default() }).await;
    for _ in 0..8 {
        world.turn().await;
        world.clock.turn(seconds(4));
    }
    followed(&world, &due);
    world.email.will([Outcome::Later("450 come again".to_owned())]);
    world.clock.turn(seconds(10));
    world.turn().await;
    let row = &world.rows().await[0];
    assert_eq!((row.state, row.reason.as_deref()), (DeliveryState::Pending, Some("450 come again")));
    assert_eq!(row.next_attempt, Some(world.clock.now() + seconds(5)), "the first pause");
    world.clock.turn(seconds(5));
    world.turn().await;
    assert!(sent(&world).await);
}

#[tokio::test]
async fn it_keeps_no_other_message() {
    let (world, behind) = changed(Config::default()).await;
    let other = notice(2);
    world.due(&other).await;
    world.turn().await;
    assert_eq!(world.told(&other).await.len(), 1);
    assert_eq!(world.told(&behind).await, []);
    assert_eq!(world.others.questions.load(Ordering::SeqCst), 1, "one question for both");
}

/// The time that it is put off by quiet hours is not the time that it waits.
#[tokio::test]
async fn after_quiet_hours_it_waits_all_the_same() {
    let (world, due) = changed(Config::default()).await;
    // It is 15:30 in Berlin.
    let hours = docket_domain::QuietHours::new("15:00".parse().unwrap(), "17:00".parse().unwrap());
    let quiet = Preferences { quiet_hours: hours, time_zone: Tz::Europe__Berlin, ..Preferences::default() };
    world.prefer(quiet).await;
    world.turn().await;
    assert!(world.rows().await[0].postponed);
    world.clock.turn(TimeDelta::minutes(90));
    world.turn().await;
    let row = &world.rows().await[0];
    assert_eq!((row.state, row.reason.as_deref()), (DeliveryState::Pending, Some(REASON)));
    assert_eq!(row.next_attempt, Some(world.clock.now() + seconds(1)));
    followed(&world, &due);
    world.clock.turn(seconds(1));
    world.turn().await;
    assert!(sent(&world).await);
}
