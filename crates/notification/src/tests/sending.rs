//! What becomes of the rows of the ledger.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use docket_domain::QuietHours;
use tokio::sync::Semaphore;

use super::*;
use crate::config::Unknown;
use crate::trace::Traces;

const SENT: &str = "com.todo.reminder.sent";
const FAILED: &str = "com.todo.reminder.failed";

fn later() -> Outcome {
    Outcome::Later("450 come again".to_owned())
}

fn refused() -> Outcome {
    Outcome::Refused("550 no such user".to_owned())
}

fn unknown() -> Outcome {
    Outcome::Unknown("no answer".to_owned())
}

/// What is told of a firing: its type, and how it ended by mail and by webhook.
fn told(kind: &str, results: &[(Way, &str)]) -> Vec<(String, Vec<(Way, String)>)> {
    vec![(kind.to_owned(), results.iter().map(|(way, result)| (*way, (*result).to_owned())).collect())]
}

#[tokio::test]
async fn a_reminder_goes_out_once_on_each_channel_and_is_told_of_once() {
    let world = World::new().await;
    world.prefer(by(&[Way::Email, Way::Webhook])).await;
    let due = notice(1);
    world.due(&due).await;
    world.due(&due).await;
    world.turn().await;
    world.turn().await;
    assert_eq!(
        world.email.subjects(),
        ["Reminder: Pay the rent – Friday, 4 December 2026, 16:00 (Europe/Berlin)"]
    );
    assert_eq!((world.email.take().len(), world.webhook.take().len()), (1, 1));
    let expect = told(SENT, &[(Way::Email, "Sent"), (Way::Webhook, "Sent")]);
    assert_eq!(world.told(&due).await, expect);
    let rows = world.rows().await;
    assert!(
        rows.iter().all(|row| row.attempts == 1 && row.finish_time == Some(world.clock.now())),
        "{rows:?}"
    );
}

#[tokio::test]
async fn one_channel_that_takes_it_is_enough() {
    let world = World::new().await;
    world.prefer(by(&[Way::Email, Way::Webhook])).await;
    world.email.will([refused(), refused()]);
    let (one, both) = (notice(1), notice(2));
    world.due(&one).await;
    world.turn().await;
    let expect = told(SENT, &[(Way::Email, "Failed"), (Way::Webhook, "Sent")]);
    assert_eq!(world.told(&one).await, expect);
    world.webhook.will([refused()]);
    world.due(&both).await;
    world.turn().await;
    let expect = told(FAILED, &[(Way::Email, "Failed"), (Way::Webhook, "Failed")]);
    assert_eq!(world.told(&both).await, expect);
    assert_eq!(world.rows().await[0].reason.as_deref(), Some("550 no such user"));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_longer_and_longer_pauses() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    world.email.will([later(), later(), later()]);
    for pause in [5, 10, 20] {
        world.turn().await;
        let row = &world.rows().await[0];
        assert_eq!(row.state, DeliveryState::Pending);
        assert_eq!(row.next_attempt, Some(world.clock.now() + TimeDelta::seconds(pause)));
        assert_eq!(row.reason.as_deref(), Some("450 come again"));
        world.clock.turn(TimeDelta::seconds(pause - 1));
        world.email.take();
        world.turn().await;
        assert_eq!(world.email.take(), [""; 0], "not before the pause is over");
        world.clock.turn(TimeDelta::seconds(1));
        assert_eq!(world.told(&due).await, []);
    }
    world.turn().await;
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Sent)]);
    assert_eq!(world.told(&due).await, told(SENT, &[(Way::Email, "Sent")]));
    assert_eq!(world.rows().await[0].attempts, 4);
}

#[tokio::test]
async fn a_message_is_given_up_in_the_end() {
    let world = World::with(Config { give_up_seconds: 60, ..Config::default() }).await;
    let due = notice(1);
    world.due(&due).await;
    world.email.will([later(), later(), later(), later()]);
    for _ in 0..6 {
        world.turn().await;
        world.clock.turn(TimeDelta::seconds(20));
    }
    // At 0, 20, 40 and 60 seconds; the pause after that would end too late.
    let row = &world.rows().await[0];
    assert_eq!((row.state, row.attempts), (DeliveryState::Failed, 4));
    assert_eq!(row.reason.as_deref(), Some("given up after 4 attempts: 450 come again"));
    assert_eq!(world.told(&due).await, told(FAILED, &[(Way::Email, "Failed")]));
}

#[tokio::test]
async fn what_may_have_gone_out_is_sent_again_under_the_same_id() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    world.email.will([unknown()]);
    world.turn().await;
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Pending)]);
    world.clock.turn(TimeDelta::seconds(5));
    world.turn().await;
    let ids = world.email.take();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
    assert_eq!(world.told(&due).await, told(SENT, &[(Way::Email, "Sent")]));
}

#[tokio::test]
async fn what_may_have_gone_out_is_not_sent_again_where_that_is_the_policy() {
    let world = World::with(Config { unknown: Unknown::GiveUp, ..Config::default() }).await;
    let due = notice(1);
    world.due(&due).await;
    world.email.will([unknown()]);
    for _ in 0..2 {
        world.turn().await;
        world.clock.turn(TimeDelta::days(1));
    }
    assert_eq!(world.email.take().len(), 1);
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Unknown)]);
    assert_eq!(world.told(&due).await, told(FAILED, &[(Way::Email, "Unknown")]));
}

#[tokio::test]
async fn a_binding_that_is_missing_loses_nothing() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    world.email.will([Outcome::Missing { binding: "smtp".to_owned() }]);
    world.turn().await;
    let row = &world.rows().await[0];
    assert_eq!(row.state, DeliveryState::Pending);
    let expect = "the sidecar has no output binding \"smtp\", which EMAIL needs";
    assert_eq!(row.reason.as_deref(), Some(expect));
    world.clock.turn(TimeDelta::seconds(5));
    world.turn().await;
    assert_eq!(world.told(&due).await, told(SENT, &[(Way::Email, "Sent")]));
}

/// Claims everything as a process does that is killed before it has written down what became of it.
async fn killed(world: &World) {
    let now = world.clock.now();
    let claimed = world.store.deliveries_claim(&[(Way::Email, 10)], now, now + TimeDelta::seconds(60)).await;
    assert_eq!(claimed.unwrap().len(), 1);
}

#[tokio::test]
async fn the_claims_of_a_process_that_was_killed_are_taken_over_when_they_end() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    killed(&world).await;
    world.clock.turn(TimeDelta::seconds(59));
    world.turn().await;
    assert_eq!(world.email.take(), [""; 0]);
    world.clock.turn(TimeDelta::seconds(1));
    world.turn().await;
    assert_eq!(world.email.take().len(), 1);
    assert_eq!(world.told(&due).await, told(SENT, &[(Way::Email, "Sent")]));
}

#[tokio::test]
async fn the_claims_of_a_process_that_was_killed_are_unknown_where_that_is_the_policy() {
    let world = World::with(Config { unknown: Unknown::GiveUp, ..Config::default() }).await;
    let due = notice(1);
    world.due(&due).await;
    killed(&world).await;
    world.clock.turn(TimeDelta::seconds(60));
    world.turn().await;
    assert_eq!(world.email.take(), [""; 0]);
    assert_eq!(world.told(&due).await, told(FAILED, &[(Way::Email, "Unknown")]));
}

#[tokio::test]
async fn what_may_have_gone_out_is_not_called_cancelled() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    killed(&world).await;
    world.others.fallen.lock().unwrap().insert(due.reminder_id);
    world.clock.turn(TimeDelta::seconds(60));
    world.turn().await;
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Unknown)]);
    assert_eq!(world.email.take(), [""; 0]);
}

#[tokio::test]
async fn an_outcome_that_comes_after_the_claim_has_ended_changes_nothing() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    let now = world.clock.now();
    let first = world.store.deliveries_claim(&[(Way::Email, 10)], now, now + TimeDelta::seconds(60)).await;
    let first = first.unwrap().remove(0).delivery;
    world.clock.turn(TimeDelta::seconds(60));
    world.email.will([later()]);
    world.turn().await;
    let lane = &world.parts.sender.lane;
    let late = lane.desk.judge().outcome(&first, Outcome::Sent);
    lane.write(&[late], &Traces::new(), None).await.unwrap();
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Pending)]);
    assert_eq!(world.told(&due).await, []);
}

#[tokio::test]
async fn what_does_not_stand_any_more_is_not_sent() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    world.others.fallen.lock().unwrap().insert(due.reminder_id);
    world.turn().await;
    assert_eq!(world.email.take(), [""; 0]);
    assert_eq!(world.told(&due).await, told(FAILED, &[(Way::Email, "Cancelled")]));
    assert_eq!(world.rows().await[0].reason.as_deref(), Some("the reminder does not stand any more"));
    assert_eq!(world.called_off(&due).await, [true]);
}

#[tokio::test]
async fn while_nobody_says_whether_it_stands_a_reminder_waits() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    world.others.away.store(true, Ordering::SeqCst);
    for _ in 0..60 {
        world.turn().await;
        assert_eq!(world.states().await, [(Way::Email, DeliveryState::Pending)]);
        world.clock.turn(TimeDelta::seconds(1));
    }
    assert_eq!(world.email.take(), [""; 0]);
    let questions = world.others.questions.load(Ordering::SeqCst);
    assert!((2..=6).contains(&questions), "it is asked less and less often: {questions} times in a minute");
    world.others.away.store(false, Ordering::SeqCst);
    world.clock.turn(TimeDelta::seconds(30));
    world.turn().await;
    assert_eq!(world.told(&due).await, told(SENT, &[(Way::Email, "Sent")]));
}

#[tokio::test]
async fn a_batch_is_asked_for_once() {
    let world = World::new().await;
    let dues: Vec<_> = (1..=20).map(notice).collect();
    for due in &dues {
        world.due(due).await;
    }
    world.turn().await;
    assert_eq!(world.others.questions.load(Ordering::SeqCst), 1);
    assert_eq!(world.email.take().len(), 20);
}

fn quiet(start: &str, end: &str) -> Preferences {
    let hours = QuietHours::new(start.parse().unwrap(), end.parse().unwrap());
    Preferences { quiet_hours: hours, time_zone: Tz::Europe__Berlin, ..Preferences::default() }
}

#[tokio::test]
async fn quiet_hours_put_a_reminder_off_and_do_not_lose_it() {
    let world = World::new().await;
    // It is 15:30 in Berlin.
    world.prefer(quiet("15:00", "17:00")).await;
    let (kept, fallen) = (notice(1), notice(2));
    world.due(&kept).await;
    world.due(&fallen).await;
    world.turn().await;
    let rows = world.rows().await;
    let end = "2026-12-04T16:00:00Z".parse().unwrap();
    assert!(rows.iter().all(|row| row.postponed && row.next_attempt == Some(end)), "{rows:?}");
    world.others.fallen.lock().unwrap().insert(fallen.reminder_id);
    world.clock.turn(TimeDelta::minutes(90));
    world.turn().await;
    assert_eq!(world.email.subjects().len(), 1);
    assert!(world.email.subjects()[0].starts_with("Overdue: "), "{:?}", world.email.subjects());
    assert_eq!(world.told(&kept).await, told(SENT, &[(Way::Email, "Sent")]));
    assert_eq!(world.told(&fallen).await, told(FAILED, &[(Way::Email, "Cancelled")]));
}

#[tokio::test]
async fn quiet_hours_that_begin_before_it_is_sent_put_it_off_too() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    world.prefer(quiet("15:00", "17:00")).await;
    world.turn().await;
    let row = &world.rows().await[0];
    assert!(row.state == DeliveryState::Pending && row.postponed, "{row:?}");
    assert_eq!(world.email.take(), [""; 0]);
}

#[tokio::test]
async fn who_has_unsubscribed_or_said_no_address_is_sent_nothing() {
    let world = World::new().await;
    let (stopped, homeless) = (notice(1), notice(2));
    world.due(&stopped).await;
    world.prefer(Preferences { unsubscribed: vec![Way::Email], ..Preferences::default() }).await;
    world.turn().await;
    assert_eq!(world.told(&stopped).await, told(FAILED, &[(Way::Email, "Cancelled")]));
    world.prefer(Preferences::default()).await;
    world.email.homeless.store(true, Ordering::SeqCst);
    world.due(&homeless).await;
    world.turn().await;
    assert_eq!(world.told(&homeless).await, told(FAILED, &[(Way::Email, "Failed")]));
    assert_eq!(world.email.take(), [""; 0]);
}

#[tokio::test]
async fn a_channel_that_is_not_offered_ends_the_message() {
    let world = World::new().await;
    world.prefer(by(&[Way::Push])).await;
    let due = notice(1);
    world.due(&due).await;
    world.turn().await;
    assert_eq!(world.told(&due).await, told(FAILED, &[(Way::Push, "Failed")]));
}

#[tokio::test]
async fn two_senders_on_one_database_send_each_message_once() {
    let world = World::new().await;
    let twin = world.twin(Config::default());
    world.prefer(by(&[Way::Email, Way::Webhook])).await;
    let dues: Vec<_> = (1..=60).map(notice).collect();
    for due in &dues {
        world.due(due).await;
    }
    for _ in 0..4 {
        tokio::join!(world.turn(), twin.turn());
    }
    let mut ids = world.email.take();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 60);
    let expect = told(SENT, &[(Way::Email, "Sent"), (Way::Webhook, "Sent")]);
    for due in &dues {
        assert_eq!(world.told(due).await, expect);
    }
}

#[tokio::test]
async fn after_the_order_to_stop_nothing_is_begun_and_nothing_is_lost() {
    let world = World::new().await;
    let dues: Vec<_> = (1..=3).map(notice).collect();
    for due in &dues {
        world.due(due).await;
    }
    let stop = CancellationToken::new();
    stop.cancel();
    world.turn_until(&stop).await;
    assert_eq!(world.email.take(), [""; 0]);
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Pending); 3]);
    world.turn().await;
    assert_eq!(world.email.take().len(), 3);
}

#[tokio::test]
async fn what_is_being_sent_is_finished_after_the_order_to_stop() {
    let email = Arc::new(Fake { gate: Some(Semaphore::new(0)), ..Fake::default() });
    let world = World::made(Config::default(), email.clone()).await;
    let dues: Vec<_> = (1..=6).map(notice).collect();
    for due in &dues {
        world.due(due).await;
    }
    let stop = CancellationToken::new();
    let turn = world.turn_until(&stop);
    tokio::pin!(turn);
    while email.subjects().len() < 4 {
        tokio::select! {
            () = &mut turn => panic!("it is over before the gate was opened"),
            () = tokio::task::yield_now() => {}
        }
    }
    stop.cancel();
    email.gate.as_ref().unwrap().add_permits(100);
    turn.await;
    let mut states = world.states().await;
    states.sort_by_key(|(_, state)| state.name());
    let states: Vec<_> = states.into_iter().map(|(_, state)| state.name()).collect();
    assert_eq!(states, ["PENDING", "PENDING", "SENT", "SENT", "SENT", "SENT"]);
}
