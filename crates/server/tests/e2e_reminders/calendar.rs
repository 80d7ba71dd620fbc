//! What happens at a full minute of the clock: quiet hours end, and summaries are sent.

use docket_domain::{Instant, TimeDelta};
use docket_proto::v1;
use docket_proto::v1::delivery::{Kind, State as Sent};
use docket_proto::v1::preferences::{Digest, QuietHours};
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::task::Due;
use docket_proto::v1::task_reminder::State;
use docket_testkit::{PATIENCE, once, wait_for};

use crate::now;
use crate::person::{Person, ahead, instant, is_final, reminded_at};
use crate::world::World;

/// The time that a test needs before the minute.
const LEAD: TimeDelta = TimeDelta::seconds(12);

/// How long it may take until everything has happened: the minute may be that far, too.
const LIMIT: std::time::Duration = PATIENCE.saturating_mul(3);

/// By the clock of UTC.
fn clock(moment: Instant) -> String {
    moment.format("%H:%M").to_string()
}

/// At the same time, because they wait for the same minute.
#[tokio::test]
async fn what_is_for_a_minute_comes_then() {
    let world = World::shared().await;
    let soon = now() + LEAD;
    let minute = soon + TimeDelta::seconds(60 - soon.timestamp() % 60);
    let minute = Instant::from_timestamp(minute.timestamp(), 0).unwrap();
    tokio::join!(quiet_hours(world, minute), summary(world, minute), summary_of_nothing(world, minute));
}

/// Messages wait until the quiet hours are over; those that nobody needs any more are not sent then.
async fn quiet_hours(world: &World, end: Instant) {
    let ivan = world.person("ivan").await;
    let hours = QuietHours { start: clock(end - TimeDelta::hours(1)), end: clock(end) };
    ivan.prefer(v1::Preferences { quiet_hours: Some(hours), ..Default::default() }).await.unwrap();
    let moment = ahead(2_000);
    let [kept, done] = ["Kept", "Done"].map(|title| reminded_at(title, &[moment]));
    let (kept, done) = (ivan.user.create(kept).await, ivan.user.create(done).await);
    for task in [&kept, &done] {
        let rows = ivan.expect_ledger(task, &[(Channel::Email, Sent::Pending)]).await;
        assert!(rows[0].postponed, "{rows:?}");
        assert_eq!(instant(rows[0].next_attempt_time), end, "{rows:?}");
        ivan.expect_reminders(task, &[State::Fired]).await;
    }
    assert_eq!(world.mail.messages_of(&ivan.email).await, [], "it is quiet");
    ivan.user.complete(&done).await;
    ivan.expect_reminders(&done, &[State::Cancelled]).await;

    let rows = ended(&ivan, 2).await;
    let of = |task: &v1::Task| rows.iter().find(|row| row.task_id == task.task_id).unwrap();
    let kept_row = of(&kept);
    assert_eq!((kept_row.state(), kept_row.postponed), (Sent::Sent, true), "{kept_row:?}");
    assert!(instant(kept_row.finish_time) >= end, "{kept_row:?}");
    let done_row = of(&done);
    assert_eq!(done_row.state(), Sent::Cancelled, "{done_row:?}");
    assert_ne!(done_row.reason, "", "{done_row:?}");
    ivan.expect_reminders(&kept, &[State::Sent]).await;
    ivan.expect_reminders(&done, &[State::Cancelled]).await;
    let mails = world.mail.messages_of(&ivan.email).await;
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(mail.subject.contains("Kept"), "{mail:?}");
}

/// The summary names what is due and what is overdue, and nothing else.
async fn summary(world: &World, minute: Instant) {
    let judy = world.person("judy").await;
    let on = |title: &str, days: i64| v1::Task {
        due: Some(Due::DueDate((minute + TimeDelta::days(days)).date_naive().to_string())),
        ..once(title)
    };
    judy.user.create(on("Pay the rent", 0)).await;
    judy.user.create(on("Paint the fence", -3)).await;
    judy.user.create(on("Visit Oslo", 9)).await;
    let done = judy.user.create(on("Feed the cat", 0)).await;
    judy.user.complete(&done).await;
    summarize(&judy, minute).await;

    let rows = ended(&judy, 1).await;
    assert_eq!((rows[0].kind(), rows[0].state()), (Kind::Digest, Sent::Sent), "{rows:?}");
    let mails = world.mail.messages_of(&judy.email).await;
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    for (title, named) in
        [("Pay the rent", true), ("Paint the fence", true), ("Visit Oslo", false), ("Feed the cat", false)]
    {
        assert_eq!(mail.html.contains(title), named, "{title} in {}", mail.html);
    }
}

/// There is no mail that says nothing.
async fn summary_of_nothing(world: &World, minute: Instant) {
    let mallory = world.person("mallory").await;
    summarize(&mallory, minute).await;
    let rows = ended(&mallory, 1).await;
    assert_eq!((rows[0].kind(), rows[0].state()), (Kind::Digest, Sent::Cancelled), "{rows:?}");
    assert_ne!(rows[0].reason, "", "{rows:?}");
    assert_eq!(world.mail.messages_of(&mallory.email).await, []);
}

async fn summarize(person: &Person, minute: Instant) {
    let digest = Digest { time: clock(minute), channels: vec![Channel::Email.into()] };
    let preferences = v1::Preferences { digest: Some(digest), ..Default::default() };
    person.prefer(preferences).await.unwrap();
}

/// Waits until the ledger has so many rows, and each has come to its end.
async fn ended(person: &Person, count: usize) -> Vec<v1::Delivery> {
    wait_for(&format!("{count} messages to {} that came to their end", person.name), LIMIT, async || {
        let rows = person.ledger(None).await.map_err(|status| status.to_string())?;
        if rows.len() == count && rows.iter().all(is_final) { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await
}
