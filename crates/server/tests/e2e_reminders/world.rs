//! What most tests run on: a stack with everything behind it that a message can go to.

use std::path::Path;

use docket_testkit::{Database, Hooks, Mail, PATIENCE, Stack, StackBuilder, wait_for};
use tokio::sync::OnceCell;

use crate::DOCKET;
use crate::person::Person;

/// Where push messages are posted to.
pub(crate) const PUSH: &str = "/v1/projects/example/messages:send";

/// One for all tests that do it no harm, each with people of its own: a static does not end, so the guards of its processes
/// end them when the program has.
static SHARED: OnceCell<World> = OnceCell::const_new();

/// A stack in order, its mail server and its receiver of requests.
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) mail: &'static Mail,
    pub(crate) hooks: Hooks,
}

impl World {
    pub(crate) async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let (mail, hooks) = tokio::join!(Mail::shared(), Hooks::start());
        let stack = stack(mail).hooks(&hooks).start().await;
        Self { stack, mail, hooks }
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        Person::of(&self.stack, name).await
    }
}

/// A stack with mail, whose pauses after failures are [`SHORT`].
pub(crate) fn stack(mail: &Mail) -> StackBuilder {
    let stack = Stack::builder(Path::new(DOCKET)).mail(mail);
    SHORT.iter().fold(stack, |stack, (name, value)| stack.env(name, value))
}

/// Pauses after failures that a test can wait for.
pub(crate) const SHORT: [(&str, &str); 8] = [
    ("DOCKET_NOTIFICATION__FIRST_RETRY_SECONDS", "1"),
    ("DOCKET_NOTIFICATION__LAST_RETRY_SECONDS", "2"),
    // What a process was sending that is killed is free soon.
    ("DOCKET_NOTIFICATION__SEND_SECONDS", "5"),
    ("DOCKET_NOTIFICATION__CLAIM_SECONDS", "15"),
    ("DOCKET_REMINDERS__JOB_RETRY_SECONDS", "2"),
    ("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "2000"),
    ("DOCKET_OUTBOX__LEASE_SECONDS", "3"),
    ("DOCKET_DAPR__DEADLINE_MS", "2000"),
];

/// Waits until every reminder that is still to come has an alarm of this app. Answers how many there are.
pub(crate) async fn armed(database: &Database, app_id: &str) -> i64 {
    let sql = "SELECT armed_by, count(*) FROM reminders.reminders WHERE state = 'PENDING' GROUP BY armed_by";
    let client = database.superuser_client().await;
    wait_for(&format!("alarms of {app_id}"), PATIENCE, async || {
        let rows = client.query(sql, &[]).await.unwrap();
        let seen: Vec<(Option<String>, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        match seen.as_slice() {
            // A slow start may have taken all the time that there was.
            [] => Ok(0),
            [(Some(app), count)] if app == app_id => Ok(*count),
            _ => Err(format!("{seen:?}")),
        }
    })
    .await
}
