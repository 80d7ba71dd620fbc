//! Forward, back, and forward again, while clients write.

use std::collections::BTreeSet;

use docket_chaos::{Judgement, Shift};
use docket_proto::v1;
use docket_proto::v1::task_reminder::State;
use docket_testkit::{PATIENCE, Release, Role, wait_for};
use pbjson_types::FieldMask;

use crate::ahead;
use crate::person::Person;
use crate::site::Site;

/// How many reminders each part of a turn has.
const REMINDERS: usize = 4;

/// What the last release makes a dead letter of.
const SENT: &str = "com.todo.reminder.sent";

/// How calls end: they are answered; refused for what others have done before; or they were under way when a process went.
const OUTCOMES: [&str; 8] = [
    "ok",
    "fail ETAG_MISMATCH",
    "fail SUCCESSOR_CHANGED",
    "fail TASK_DELETED",
    "fail TASK_NOT_FOUND",
    "fail TASK_STATE",
    "unknown UNAVAILABLE",
    "unknown Unavailable",
];

/// The order in which targets are replaced before the task API is, and before those come that the last release does not have.
const CONSUMERS: [Role; 3] = [Role::DeadLetters, Role::Audit, Role::Recurrence];

/// What somebody is reminded of in the course of the turns.
#[derive(Default)]
struct Reminded {
    /// Each of them once.
    sent: Vec<v1::Task>,
    /// Of these not at all: they were completed before.
    over: Vec<v1::Task>,
    /// Of these later.
    pending: Vec<v1::Task>,
    /// Those of them that the last release has changed, as it answered.
    changed: Vec<v1::Task>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "release ring: needs the binary of the last release"]
async fn releases_take_turns_and_nothing_is_lost_or_doubled() {
    let mut site = Site::start(2).await;
    let shift = Shift::on(&site.fleet, 20_261_122);
    let recorder = shift.recorder();
    let rita = Person::new("rita");
    let reminded = shift.during(take_turns(&mut site, &rita)).await;

    site.expect_settled().await;
    rita.expect_sent_once(&site, &reminded.sent).await;
    rita.expect_state(&site.fleet, &reminded.over, State::Cancelled).await;
    rita.expect_not_sent(&site, &reminded.over).await;
    rita.expect_state(&site.fleet, &reminded.pending, State::Pending).await;
    rita.expect_not_sent(&site, &reminded.pending).await;
    rita.expect_told_once(&site.fleet, &reminded.sent).await;
    let tasks = rita.at(&site.fleet).all_tasks().await;
    assert!(reminded.changed.iter().all(|task| tasks.contains(task)), "as answered: {:?}", reminded.changed);
    let judgement = Judgement::of(&site.fleet, &site.kafka, &recorder).await;
    eprintln!("{:#?}\n{:#?}", judgement.calls, judgement.left);
    assert!(judgement.anomalies.is_empty(), "{:#?}\n{}", judgement.anomalies, judgement.evidence);
    for method in ["Create", "Update", "Complete", "Reopen", "Delete", "Read", "Story"] {
        let acknowledged = judgement.calls.get(method).and_then(|outcomes| outcomes.get("ok"));
        assert!(acknowledged.is_some_and(|count| *count > 0), "{method}: {:?}", judgement.calls);
    }
    let outcomes = judgement.calls.values().flat_map(|outcomes| outcomes.keys());
    let otherwise: BTreeSet<&str> =
        outcomes.map(String::as_str).filter(|outcome| !OUTCOMES.contains(outcome)).collect();
    assert!(otherwise.is_empty(), "a release answered in a way that clients are not told of: {otherwise:?}");
}

async fn take_turns(site: &mut Site, rita: &Person) -> Reminded {
    let (last, this) = (site.last.clone(), site.this.clone());
    let mut reminded = Reminded::default();
    on_the_new_schema(site, rita, &last, &mut reminded).await;
    forward(site, &this).await;
    site.start_new_for(rita).await;
    // What the last release has taken is given by this one, late.
    rita.expect_sent_once(site, &reminded.sent).await;
    // The events of all tasks were still on the topic.
    wait_for("reminders that know of all tasks", PATIENCE, async || match site.refill(&["--dry-run"]) {
        (0, _) => Ok(()),
        behind => Err(format!("{behind:?}")),
    })
    .await;

    let letters = back(site, rita, &last, &mut reminded).await;
    forward(site, &this).await;
    site.expect_letters(letters).await;
    site.start_new_for(rita).await;
    rita.expect_sent_once(site, &reminded.sent).await;
    let replayed = site.dlq(&["replay", "--all", "--event-type", SENT]);
    assert_eq!(replayed.len(), letters, "{replayed:#?}");
    site.expect_letters(0).await;
    site.expect_works().await;
    reminded
}

/// The last release, before and after its schema is another one, and started on that.
async fn on_the_new_schema(site: &mut Site, rita: &Person, last: &Release, reminded: &mut Reminded) {
    site.expect_works().await;
    reminded.sent.extend(rita.create(&site.fleet, "Before", REMINDERS, ahead(1)).await);
    reminded.pending.extend(rita.create(&site.fleet, "Tomorrow", 1, ahead(86_400)).await);
    site.migrate().await;
    site.expect_works().await;
    for role in Role::BACKBONE {
        site.fleet.member_mut(role, 0).replace_by(last).await;
    }
    site.expect_works().await;
    reminded.sent.extend(rita.create(&site.fleet, "Before too", REMINDERS, ahead(1)).await);
}

async fn forward(site: &mut Site, this: &Release) {
    for role in CONSUMERS {
        site.roll(role, this).await;
    }
    site.roll_tasks(this).await;
}

/// Answers how many dead letters that leaves: what became of reminders is told while those who do not know of it consume
/// already.
async fn back(site: &mut Site, rita: &Person, last: &Release, reminded: &mut Reminded) -> usize {
    for role in CONSUMERS {
        site.roll(role, last).await;
    }
    let told = rita.create(&site.fleet, "Under way", REMINDERS, ahead(2)).await;
    rita.expect_sent_once(site, &told).await;
    // Of each one by the audit log, and one by recurrence.
    let letters = 2 * told.len();
    site.expect_letters(letters).await;
    reminded.sent.extend(told);

    let moment = ahead(60);
    let asleep = rita.create(&site.fleet, "Asleep", REMINDERS, moment).await;
    let over = rita.create(&site.fleet, "Over", REMINDERS, moment).await;
    let all = [asleep.clone(), over.clone()].concat();
    rita.expect_state(&site.fleet, &all, State::Pending).await;
    for role in [Role::Notification, Role::Reminders] {
        site.fleet.member_mut(role, 0).end().await;
    }
    expect_asleep(site, &all).await;
    site.roll_tasks(last).await;
    // The last release changes what this one is to remind of.
    let user = rita.at(&site.fleet);
    for task in &over {
        reminded.changed.push(user.complete(task).await);
    }
    // A mail may have the old title, which the new one has, too: a reminder may be given before the change is heard.
    for task in asleep.iter().step_by(2) {
        let title = format!("{}, renamed", task.title);
        let renamed = v1::Task { task_id: task.task_id.clone(), title, ..Default::default() };
        let update_mask = Some(FieldMask { paths: vec!["title".to_owned()] });
        let request = v1::UpdateTaskRequest { task: Some(renamed), update_mask, ..Default::default() };
        reminded.changed.push(user.tasks().update_task(request).await.unwrap().into_inner());
    }
    let born = rita.create(&site.fleet, "Born", REMINDERS, ahead(1)).await;
    site.expect_works().await;
    site.expect_letters(letters).await;
    let wait = (moment - ahead(0)).to_std().unwrap_or_default() + PATIENCE;
    wait_for("the moment of the reminders", wait, async || {
        if ahead(0) > moment { Ok(()) } else { Err("it is still to come".to_owned()) }
    })
    .await;
    expect_asleep(site, &all).await;
    reminded.sent.extend(asleep.into_iter().chain(born));
    reminded.over.extend(over);
    letters
}

/// Checks that these reminders are still to be given, and nobody is there who does.
async fn expect_asleep(site: &Site, tasks: &[v1::Task]) {
    let client = site.fleet.database().superuser_client().await;
    let ids: Vec<&str> = tasks.iter().map(|task| task.task_id.as_str()).collect();
    let sql = "SELECT state, count(*) FROM reminders.reminders WHERE task_id = ANY($1::text[]::uuid[]) GROUP BY state";
    let rows = client.query(sql, &[&ids]).await.unwrap();
    let states: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let all = [("PENDING".to_owned(), tasks.len() as i64)];
    assert_eq!(states, all, "on a machine that is too slow they were given before their targets had ended");
}
