//! What becomes of a message whose task has changed while the reminders have not followed.

use super::*;

const REASON: &str = "waits: the task has changed, and its reminders have not followed yet";
const UNSURE: &str = "waits: the tasks could not be asked";

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// A world with one message whose task has changed.
async fn changed(config: Config) -> (World, ReminderNotice) {
    let world = World::with(config).await;
    let due = notice(1);
    world.due(&due).await;
    says(&world, &due, Standing::Behind { changed: None });
    (world, due)
}

fn says(world: &World, due: &ReminderNotice, standing: Standing) {
    world.others.unclear.lock().unwrap().insert(due.reminder_id, standing);
}

fn followed(world: &World, due: &ReminderNotice) {
    says(world, due, Standing::Stands);
}

/// Looks at one message until it is sent; answers after how many seconds it was looked at.
async fn looks(world: &World) -> Vec<i64> {
    let start = world.clock.now();
    let mut looks = Vec::new();
    while !sent(world).await {
        world.turn().await;
        let waited = (world.clock.now() - start).num_seconds();
        assert!(waited <= 600, "{:?}", world.rows().await);
        looks.push(waited);
        let next = world.rows().await[0].next_attempt;
        next.into_iter().for_each(|next| world.clock.turn(next - world.clock.now()));
    }
    looks
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
    assert_eq!(looks(&world).await, [0, 1, 2, 4, 8, 16, 26, 36, 46, 56, 60]);
    assert_eq!(world.email.take().len(), 1);
}

/// The reminders were away for longer than it would wait, and have yet to hear what they missed.
#[tokio::test]
async fn the_time_counts_from_the_change_of_the_task() {
    let (world, due) = changed(Config::default()).await;
    world.others.away.store(true, Ordering::SeqCst);
    world.turn().await;
    let moved = world.clock.now() + seconds(88);
    world.clock.turn(seconds(90));
    world.others.away.store(false, Ordering::SeqCst);
    says(&world, &due, Standing::Behind { changed: Some(moved) });
    assert_eq!(looks(&world).await, [0, 2, 6, 14, 24, 34, 44, 54, 58]);
}

#[tokio::test]
async fn it_waits_once_however_long_ago_the_task_has_changed() {
    let (world, due) = changed(Config::default()).await;
    world.clock.turn(seconds(300));
    says(&world, &due, Standing::Behind { changed: Some(world.clock.now() - seconds(200)) });
    world.turn().await;
    let row = &world.rows().await[0];
    assert_eq!((row.state, row.reason.as_deref()), (DeliveryState::Pending, Some(REASON)));
    world.clock.turn(seconds(10));
    world.others.fallen.lock().unwrap().insert(due.reminder_id);
    world.turn().await;
    assert_eq!(
        world.states().await,
        [(Way::Email, DeliveryState::Cancelled)],
        "they have heard of it meanwhile"
    );

    let (world, _) = changed(Config::default()).await;
    world.clock.turn(seconds(300));
    assert_eq!(looks(&world).await, [0, 10]);
}

#[tokio::test]
async fn a_task_that_changes_again_and_again_keeps_it_no_longer_than_anything_is_tried() {
    let (world, due) = changed(Config { give_up_seconds: 120, ..Config::default() }).await;
    let start = world.clock.now();
    while !sent(&world).await {
        says(&world, &due, Standing::Behind { changed: Some(world.clock.now()) });
        world.turn().await;
        assert!(world.clock.now() <= start + seconds(120), "{:?}", world.rows().await);
        world.clock.turn(seconds(1));
    }
    assert_eq!(world.rows().await[0].finish_time, Some(start + seconds(120)));
}

#[tokio::test]
async fn while_the_tasks_can_not_be_asked_reminders_go_out_after_the_same_time() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    says(&world, &due, Standing::Unsure);
    world.turn().await;
    let row = &world.rows().await[0];
    assert_eq!((row.state, row.reason.as_deref()), (DeliveryState::Pending, Some(UNSURE)));
    let other = notice(2);
    world.due(&other).await;
    world.turn().await;
    assert_eq!(world.told(&other).await.len(), 1, "nothing else is held back");
    world.email.take();

    let (world, due) = changed(Config::default()).await;
    says(&world, &due, Standing::Unsure);
    assert_eq!(looks(&world).await.last(), Some(&60));
    assert_eq!(world.email.take().len(), 1);
}

/// What was under way when its sender was killed may be out already.
#[tokio::test]
async fn what_may_have_gone_out_does_not_wait() {
    for standing in [Standing::Behind { changed: None }, Standing::Unsure] {
        let (world, due) = changed(Config::default()).await;
        says(&world, &due, standing);
        let now = world.clock.now();
        let claimed = world.store.deliveries_claim(&[(Way::Email, 10)], now, now + seconds(30)).await;
        assert_eq!(claimed.unwrap().len(), 1);
        world.clock.turn(seconds(30));
        world.turn().await;
        assert!(sent(&world).await, "{standing:?}");
    }
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
