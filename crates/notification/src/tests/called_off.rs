//! Which reminders are told to be called off.

use super::*;

const SENT: &str = "com.todo.reminder.sent";
const FAILED: &str = "com.todo.reminder.failed";

fn later() -> Outcome {
    Outcome::Later("450 come again".to_owned())
}

fn refused() -> Outcome {
    Outcome::Refused("550 no such user".to_owned())
}

/// What was told of one firing: the type, and each channel that it did not reach because of a cancellation.
async fn told(world: &World, due: &ReminderNotice) -> (String, Vec<Way>, bool) {
    let (events, called_off) = (world.told(due).await, world.called_off(due).await);
    let ([(kind, results)], [called_off]) = (events.as_slice(), called_off.as_slice()) else {
        panic!("{events:?}");
    };
    let cancelled = results.iter().filter(|(_, result)| result == "Cancelled").map(|(way, _)| *way);
    (kind.clone(), cancelled.collect(), *called_off)
}

/// Its reminder is over before the second try.
async fn over(world: &World, due: &ReminderNotice) {
    world.due(due).await;
    world.turn().await;
    world.others.fallen.lock().unwrap().insert(due.reminder_id);
    world.clock.turn(TimeDelta::seconds(5));
    world.turn().await;
}

#[tokio::test]
async fn only_what_reached_nobody_because_it_was_over_was_called_off() {
    let world = World::new().await;
    world.prefer(by(&[Way::Email, Way::Webhook])).await;
    let [sent, refused_by_one, refused_by_both] = [1, 2, 3].map(notice);
    world.webhook.will([later()]);
    over(&world, &sent).await;
    assert_eq!(told(&world, &sent).await, (SENT.to_owned(), vec![Way::Webhook], false));
    world.email.will([refused()]);
    world.webhook.will([later()]);
    over(&world, &refused_by_one).await;
    assert_eq!(told(&world, &refused_by_one).await, (FAILED.to_owned(), vec![Way::Webhook], true));
    world.email.will([refused()]);
    world.webhook.will([refused()]);
    over(&world, &refused_by_both).await;
    assert_eq!(told(&world, &refused_by_both).await, (FAILED.to_owned(), vec![], false));
}

#[tokio::test]
async fn what_its_user_does_not_want_is_not_called_off() {
    let world = World::new().await;
    let (before, after) = (notice(1), notice(2));
    world.due(&before).await;
    let unsubscribed = Preferences { unsubscribed: vec![Way::Email], ..by(&[Way::Email]) };
    world.prefer(unsubscribed).await;
    world.due(&after).await;
    world.turn().await;
    for due in [&before, &after] {
        assert_eq!(told(&world, due).await, (FAILED.to_owned(), vec![Way::Email], false));
    }
}
