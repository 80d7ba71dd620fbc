//! What the failure of a lane does to its channel, what a wait does to later pauses, and how long there is nothing to do.

use super::*;

#[tokio::test]
async fn a_lane_that_panics_gives_its_channel_back_while_others_work() {
    let world = World::new().await;
    world.prefer(by(&[Way::Email])).await;
    world.email.broken.store(true, Ordering::SeqCst);
    world.due(&notice(1)).await;
    let (stop, mut lanes) = (CancellationToken::new(), Lanes::default());
    let mut digests = tokio::time::Instant::now();
    world.parts.sender.round(&mut lanes, &mut digests, &stop).await.unwrap();
    lanes.finish().await;
    assert_eq!(world.email.take().len(), 1);
    world.due(&notice(2)).await;
    world.parts.sender.round(&mut lanes, &mut digests, &stop).await.unwrap();
    lanes.finish().await;
    assert_eq!(world.email.take().len(), 1, "the channel is free again");
    world.clock.turn(TimeDelta::seconds(60));
    world.turn().await;
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Sent); 2]);
}

#[tokio::test]
async fn a_wait_for_the_owner_makes_the_pause_after_a_failure_no_longer() {
    let world = World::new().await;
    world.due(&notice(1)).await;
    world.others.away.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        world.turn().await;
        world.clock.turn(TimeDelta::seconds(30));
    }
    world.others.away.store(false, Ordering::SeqCst);
    world.email.will([Outcome::Later("450 come again".to_owned())]);
    world.turn().await;
    let row = &world.rows().await[0];
    assert_eq!(row.attempts, 5);
    assert_eq!(row.next_attempt, Some(world.clock.now() + TimeDelta::seconds(5)));
}

#[tokio::test]
async fn who_has_nothing_to_send_rests_until_the_next_message_or_summary_for_one_statement() {
    let world = World::new().await;
    let now = tokio::time::Instant::now();
    let rest = async || world.parts.sender.rest(now).await.unwrap();
    let seconds = std::time::Duration::from_secs;
    let before = world.store.statements().count();
    assert_eq!(rest().await, seconds(5), "others may write something");
    assert_eq!(world.store.statements().count() - before, 1);

    world.prefer(by(&[Way::Email])).await;
    world.due(&notice(1)).await;
    assert!(rest().await.is_zero(), "there is a message");
    world.email.will([Outcome::Later("450 come again".to_owned())]);
    world.turn().await;
    world.clock.turn(TimeDelta::seconds(2));
    assert_eq!(rest().await, seconds(3), "until it is tried again");
    world.clock.turn(TimeDelta::seconds(3));
    assert!(rest().await.is_zero());
    world.turn().await;
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Sent)]);
    assert_eq!(rest().await, seconds(5));

    let user = alice();
    let mut stored = world.store.preferences(&user).await.unwrap().unwrap();
    stored.next_digest_time = Some(world.clock.now() + TimeDelta::seconds(4));
    let (version, user, stored) = (stored.version, &user, &stored);
    let put: Result<bool, docket_store::Error> =
        world.store.transaction(|tx| Box::pin(tx.preferences_put(user, stored, Some(version)))).await;
    assert!(put.unwrap());
    assert_eq!(rest().await, seconds(4), "until a summary is due");
    world.clock.turn(TimeDelta::seconds(4));
    assert!(rest().await.is_zero());
    let asked = world.parts.sender.rest(now + seconds(3_600)).await.unwrap();
    assert_eq!(asked, seconds(5), "they have just been looked at");
}
