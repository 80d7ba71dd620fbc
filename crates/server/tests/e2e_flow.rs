//! A recurring task is completed, its next occurrence appears at the right local time, and the audit log tells it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use docket_proto::v1;
use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{Stack, Storage, due, once, repeating};
use serde_json::{Value, json};
use tonic::Code;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

async fn monthly_task_keeps_its_wall_clock_and_its_story(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let (alice, bob) = (stack.user("alice"), stack.user("bob"));
    let rent = repeating("Pay the rent", Pattern::Monthly, "2027-01-31T09:00:00+01:00", "Europe/Berlin");

    let january = alice.create(rent).await;
    let completed = alice.complete(&january).await;
    assert_eq!((completed.state(), completed.version), (v1::task::State::Completed, 2));
    let february = alice.successor_of(&january).await;
    // 09:00 in winter; the month's last day stands in for its 31st.
    assert_eq!(due(&february), "2027-02-28T08:00:00Z");
    alice.complete(&february).await;
    let march = alice.successor_of(&february).await;
    // 09:00 in summer, on the 31st again.
    assert_eq!(due(&march), "2027-03-31T07:00:00Z");

    stack.settled().await;
    let series = alice.series_of(&january).await;
    let states: Vec<_> = series.iter().map(|task| (task.task_id.clone(), task.state())).collect();
    let expect = [
        (january.task_id.clone(), v1::task::State::Completed),
        (february.task_id.clone(), v1::task::State::Completed),
        (march.task_id.clone(), v1::task::State::Open),
    ];
    assert_eq!(states, expect);

    let story = alice.expect_story(&january, &["created", "completed"]).await;
    assert_eq!(story[0].before, None);
    assert_eq!(field(&story[0].after, "title"), json!("Pay the rent"));
    assert_eq!(field(&story[0].after, "status"), json!("TASK_STATUS_OPEN"));
    assert_eq!(field(&story[1].before, "status"), json!("TASK_STATUS_OPEN"));
    assert_eq!(field(&story[1].before, "title"), Value::Null, "what did not change is not in `before`");
    assert_eq!(field(&story[1].after, "status"), json!("TASK_STATUS_COMPLETED"));
    assert_eq!(field(&story[1].after, "title"), json!("Pay the rent"));
    alice.expect_story(&february, &["created", "completed"]).await;
    let story = alice.expect_story(&march, &["created"]).await;
    assert_eq!((story[0].user_id.as_str(), story[0].task_id.as_str()), ("alice", march.task_id.as_str()));

    // Nobody else hears of it.
    assert_eq!(bob.all_tasks().await, []);
    let request = v1::ListAuditEntriesRequest { task_id: january.task_id.clone(), ..Default::default() };
    let status = bob.audit().list_audit_entries(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

async fn series_ends_where_its_rule_ends(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let alice = stack.user("alice");
    let mut pills = repeating("Take the pills", Pattern::Daily, "2027-05-01T08:00:00Z", "UTC");
    let recurrence = pills.recurrence.as_mut().unwrap();
    recurrence.end = Some(v1::recurrence::End::Count(2));

    let first = alice.create(pills).await;
    alice.complete(&first).await;
    let last = alice.successor_of(&first).await;
    alice.complete(&last).await;
    let single = alice.create(once("Call the doctor")).await;
    alice.complete(&single).await;

    stack.settled().await;
    alice.expect_story(&last, &["created", "completed"]).await;
    alice.expect_story(&single, &["created", "completed"]).await;
    let titles: Vec<String> = alice.all_tasks().await.into_iter().map(|task| task.title).collect();
    assert_eq!(titles, ["Take the pills", "Take the pills", "Call the doctor"]);
}

fn field(fields: &Option<pbjson_types::Struct>, name: &str) -> Value {
    let fields = serde_json::to_value(fields).unwrap();
    fields[name].clone()
}

docket_testkit::on_each_database!(
    monthly_task_keeps_its_wall_clock_and_its_story,
    series_ends_where_its_rule_ends
);
