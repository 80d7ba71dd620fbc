//! What Docket costs while no reminder is due, however many are still to come.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::firing::task;
use super::ground::{Ground, Running};
use super::lateness::now;
use super::meter::{Meter, Used};

/// How far away those are that get no alarm yet, in seconds.
const YEAR: i64 = 365 * 86_400;

/// How far away the first is that gets one, and how far they are from each other, in seconds.
const NEAR: (i64, i64) = (6 * 3_600, 10);

/// For how long nothing is counted after everything has come to rest, so that it has.
const REST: Duration = Duration::from_secs(10);

/// How many reminders there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) all: u64,
    /// Of those, how many are so near that they get an alarm.
    pub(crate) near: u64,
}

/// What each second took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    /// Before there was any reminder.
    pub(crate) before: Used,
    /// With all of them.
    pub(crate) pending: Used,
}

/// Counts for so long before there is any reminder, and for so long again while all wait.
pub(crate) async fn measure(
    ground: &Ground,
    pending: Pending,
    length: Duration,
    statements: bool,
) -> Result<Idle> {
    let mut running = ground.docket(&[]).await;
    let before = count(ground, &mut running, length, statements).await?;
    fill(&running, pending).await?;
    let armed = "reminders.reminders WHERE armed_by IS NOT NULL";
    super::follow(pending.near, async || running.count(armed).await).await?;
    let used = count(ground, &mut running, length, statements).await?;
    let left = running.count("reminders.reminders WHERE state = 'PENDING'").await?;
    ensure!(left == pending.all, "{left} of {} reminders are pending", pending.all);
    let armed = running.count(armed).await?;
    ensure!(armed == pending.near, "{armed} reminders have an alarm, and not {}", pending.near);
    running.stop().await?;
    Ok(Idle { before, pending: used })
}

async fn count(ground: &Ground, running: &mut Running, length: Duration, statements: bool) -> Result<Used> {
    running.tidy().await?;
    tokio::time::sleep(REST).await;
    let meter = Meter::start(ground, running.parties()?).await?;
    tokio::time::sleep(length).await;
    let used = meter.used().await?.per_second();
    if statements {
        super::show(&meter.statements().await?);
    }
    Ok(used)
}

/// Copies of one reminder that Docket itself has made.
async fn fill(running: &Running, Pending { all, near }: Pending) -> Result<()> {
    let user = running.users(1)?.remove(0);
    user.create(task(0, now() as i64 + YEAR)).await;
    super::follow(1, async || running.count("reminders.reminders").await).await?;
    let (first, apart) = NEAR;
    let sql = format!(
        "CREATE TABLE public.task AS SELECT to_jsonb(task) AS content FROM reminders.reminder_tasks AS task;
         CREATE TABLE public.reminder AS
             SELECT to_jsonb(reminder) AS content, remind_time AS far,
                 (extract(epoch FROM now()) * 1e6)::bigint + {first} * 1000000::bigint AS near
             FROM reminders.reminders AS reminder;
         INSERT INTO reminders.reminder_tasks
         SELECT copy.* FROM public.task, generate_series(1, {all} - 1) AS n,
         LATERAL jsonb_populate_record(NULL::reminders.reminder_tasks, content || jsonb_build_object(
             'task_id', '00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'user_id', 'user-' || n % 200
         )) AS copy;
         INSERT INTO reminders.reminders
         SELECT copy.* FROM public.reminder, generate_series(1, {all} - 1) AS n,
         LATERAL (SELECT CASE WHEN n <= {near} THEN near + n::bigint * {apart}000000 ELSE far + n::bigint * 1000000 END AS at) AS moment,
         LATERAL jsonb_populate_record(NULL::reminders.reminders, content || jsonb_build_object(
             'task_id', '00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'), 'user_id', 'user-' || n % 200,
             'planned_time', at, 'remind_time', at
         )) AS copy;"
    );
    Ok(running.database.batch_execute(&sql).await?)
}
