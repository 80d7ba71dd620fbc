//! From one Deployment for each target to one for all, and back, with reminders that fall due meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use docket_proto::v1;
use docket_testkit::{User, once};
use pbjson_types::{FieldMask, Timestamp};
use tokio::time::{Instant, sleep};
use tonic::Status;
use uuid::Uuid;

use super::nemesis::Deeds;
use super::site::Site;
use crate::ground::Ground as _;
use crate::tally::Tally;

/// How many reminders there are, when the first one is due, and how far they are apart: some before the first switch, some in
/// the middle, some after the last.
const REMINDERS: u32 = 24;
const FIRST: Duration = Duration::from_secs(15);
const APART: Duration = Duration::from_secs(6);

/// How long all is in one.
const STAY: Duration = Duration::from_secs(45);

/// How long the API may be away: the one Deployment goes before the other one is ready.
const OUTAGE: Duration = Duration::from_secs(150);

/// How long a message may take after it is due.
const LATENESS: Duration = Duration::from_secs(120);

/// All in one, and back; says what came of the reminders.
pub(super) async fn strike(site: &mut Site, tally: &Tally, deeds: &mut Deeds) -> Result<()> {
    tally.allow(OUTAGE);
    let name = format!("chaos-reminded-{}", Uuid::new_v4().simple());
    let user = site.user(&name, 1)?.remove(0);
    let tasks = remind(&user).await?;
    let last = Instant::now() + FIRST + APART * REMINDERS;
    shape(site, "single").await?;
    sleep(STAY).await;
    shape(site, "split").await?;
    sleep(last.saturating_duration_since(Instant::now())).await;
    match delivered(site, &user, &tasks).await {
        Ok(()) => deeds.notes.push(format!("switch-mode: {REMINDERS} reminders, one message SENT for each")),
        Err(why) => deeds.complaints.push(format!("switch-mode: {why}")),
    }
    Ok(())
}

async fn shape(site: &mut Site, mode: &str) -> Result<()> {
    site.upgrade(&[format!("mode={mode:?}")]).await?;
    site.is_single(mode == "single");
    site.up(OUTAGE).await.map(drop).map_err(|down| anyhow!(down))
}

/// Makes tasks with a reminder each; answers their ids.
async fn remind(user: &User) -> Result<Vec<String>> {
    let preferences =
        v1::Preferences { email: "chaos@docket.example".to_owned(), ..v1::Preferences::default() };
    let request = v1::UpdatePreferencesRequest {
        preferences: Some(preferences),
        update_mask: Some(FieldMask { paths: vec!["email".to_owned()] }),
        ..v1::UpdatePreferencesRequest::default()
    };
    user.notification_service().update_preferences(request).await.context("UpdatePreferences")?;
    let mut tasks = Vec::new();
    for number in 0..REMINDERS {
        let reminder = v1::Reminder {
            moment: Some(v1::reminder::Moment::RemindTime(after(FIRST + APART * number))),
            ..v1::Reminder::default()
        };
        let task = v1::Task { reminders: vec![reminder], ..once(&format!("Reminded number {number}")) };
        let request = v1::CreateTaskRequest { task: Some(task), ..v1::CreateTaskRequest::default() };
        tasks.push(user.tasks().create_task(request).await.context("CreateTask")?.into_inner().task_id);
    }
    Ok(tasks)
}

fn after(pause: Duration) -> Timestamp {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + pause;
    Timestamp { seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), nanos: 0 }
}

/// Waits until every task has a message that was sent; each has one and no other.
async fn delivered(site: &Site, user: &User, tasks: &[String]) -> Result<()> {
    let start = Instant::now();
    let deliveries = loop {
        let deliveries = deliveries(user).await;
        let sent = |task: &String, all: &[v1::Delivery]| {
            all.iter().any(|one| one.task_id == *task && one.state() == v1::delivery::State::Sent)
        };
        match deliveries {
            Ok(all) if tasks.iter().all(|task| sent(task, &all)) => break all,
            Ok(all) => ensure!(start.elapsed() < LATENESS, "after {LATENESS:?} there are {:?}", states(&all)),
            Err(status) => ensure!(start.elapsed() < LATENESS, "ListDeliveries: {status}"),
        }
        sleep(site.interval()).await;
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for delivery in &deliveries {
        *counts.entry(&delivery.task_id).or_default() += 1;
    }
    let twice = counts.values().filter(|count| **count != 1).count();
    ensure!(
        twice == 0,
        "{twice} of {} reminders have several messages: {:?}",
        tasks.len(),
        states(&deliveries)
    );
    Ok(())
}

fn states(deliveries: &[v1::Delivery]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for delivery in deliveries {
        *counts.entry(delivery.state().as_str_name()).or_default() += 1;
    }
    counts
}

async fn deliveries(user: &User) -> Result<Vec<v1::Delivery>, Status> {
    let request = v1::ListDeliveriesRequest { page_size: 500, ..v1::ListDeliveriesRequest::default() };
    Ok(user.notification_service().list_deliveries(request).await?.into_inner().deliveries)
}
