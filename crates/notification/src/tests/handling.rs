//! What the handler writes.

use docket_sidecar::{HandlerError, TopicHandler as _};

use super::*;

#[tokio::test]
async fn a_batch_is_a_constant_number_of_statements() {
    let world = World::new().await;
    world.prefer(by(&[Way::Email, Way::Webhook])).await;
    let count = async |numbers: std::ops::Range<u64>| {
        let events: Vec<_> = numbers.map(|number| arrived(&notice(number))).collect();
        let before = world.store.statements().count();
        world.parts.handler.handle_all(&events.iter().collect::<Vec<_>>()).await.unwrap();
        world.store.statements().count() - before
    };
    let (few, many) = (count(0..2).await, count(2..200).await);
    assert_eq!((few, many), (3, 3));
    assert_eq!(world.rows().await.len(), 400);
    assert_eq!(count(0..200).await, 1, "what is known is only looked at");
}

#[tokio::test]
async fn a_reminder_names_its_channels_or_leaves_them_to_the_user() {
    let world = World::new().await;
    world.prefer(by(&[Way::Email])).await;
    let named = ReminderNotice { channels: vec![Way::Push, Way::Webhook], ..notice(1) };
    world.due(&named).await;
    let ways: Vec<Way> = world.states().await.into_iter().map(|(way, _)| way).collect();
    assert_eq!(ways, [Way::Push, Way::Webhook]);
    world.due(&notice(2)).await;
    assert_eq!(world.states().await.len(), 3);
}

#[tokio::test]
async fn a_reminder_that_may_go_nowhere_is_told_of_at_once() {
    let world = World::new().await;
    world.prefer(Preferences { unsubscribed: vec![Way::Email], ..Preferences::default() }).await;
    let due = notice(1);
    world.due(&due).await;
    world.due(&due).await;
    assert_eq!(world.rows().await, []);
    let cancelled = vec![(Way::Email, "Cancelled".to_owned())];
    assert_eq!(world.told(&due).await, [("com.todo.reminder.failed".to_owned(), cancelled)]);
}

#[tokio::test]
async fn what_can_not_be_read_is_hopeless_and_costs_the_others_nothing() {
    let world = World::new().await;
    let garbage = Arrived { data: Bytes::from_static(b"{}"), ..arrived(&notice(1)) };
    let foreign = Arrived { event_type: "com.todo.task.created".to_owned(), ..arrived(&notice(2)) };
    for event in [&garbage, &foreign] {
        let error = world.parts.handler.handle(event).await.unwrap_err();
        assert!(matches!(error, HandlerError::Hopeless { .. }), "{error:?}");
    }
    let error = world.parts.handler.handle_all(&[&arrived(&notice(3)), &garbage]).await.unwrap_err();
    assert!(matches!(&error, HandlerError::HopelessAmong(places) if *places == [1]), "{error:?}");
    assert_eq!(world.rows().await, []);
}

/// The event, as an operator has it delivered once more.
fn replayed(notice: &ReminderNotice) -> Arrived {
    let replay = ("docket-replay".to_owned(), "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".to_owned());
    Arrived { metadata: [replay].into_iter().collect(), ..arrived(notice) }
}

#[tokio::test]
async fn a_replay_tells_again_of_what_has_ended_and_begins_nothing_twice() {
    let world = World::new().await;
    world.prefer(by(&[Way::Email, Way::Webhook])).await;
    let due = notice(1);
    world.due(&due).await;
    let replay = async || world.parts.handler.handle(&replayed(&due)).await.unwrap();
    world.turn().await;
    let once = world.told(&due).await;
    assert_eq!((once.len(), once[0].0.as_str()), (1, "com.todo.reminder.sent"));
    // What the user says later changes nothing about it, also when nothing is left.
    let all = vec![Way::Email, Way::Webhook];
    world.prefer(Preferences { unsubscribed: all, ..by(&[Way::Email, Way::Webhook]) }).await;
    replay().await;
    assert_eq!(world.told(&due).await, [once[0].clone(), once[0].clone()], "and once more");
    world.turn().await;
    assert_eq!((world.email.take().len(), world.webhook.take().len()), (1, 1));
}

#[tokio::test]
async fn a_replay_of_what_is_still_to_be_sent_tells_nothing() {
    let world = World::new().await;
    let due = notice(1);
    world.due(&due).await;
    world.prefer(Preferences { unsubscribed: vec![Way::Email], ..Preferences::default() }).await;
    world.parts.handler.handle(&replayed(&due)).await.unwrap();
    assert_eq!(world.told(&due).await, []);
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Pending)]);
}
