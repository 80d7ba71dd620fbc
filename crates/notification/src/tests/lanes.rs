//! What the failure of a lane does to its channel, and what a wait does to later pauses.

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
