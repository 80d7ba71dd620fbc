//! Tasks of which the broker does not tell any more when this release begins.

use std::collections::BTreeMap;

use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::task_reminder::State;
use docket_testkit::{PATIENCE, Role, repeating, wait_for};
use serde_json::json;

use crate::ahead;
use crate::person::Person;
use crate::site::Site;

/// How many tasks somebody is to be reminded of.
const REMINDERS: usize = 4;

/// How long the broker keeps the records of a topic, and a week of that.
const RETENTION: &str = "retention.ms";
const WEEK: &str = "604800000";

/// As at the end of the week for which the broker keeps them.
async fn forget_records(site: &Site) {
    let (topic, mut client) = (site.fleet.topic(), site.kafka.client().await);
    let keep = |millis: &str| BTreeMap::from([(RETENTION.to_owned(), millis.to_owned())]);
    client.alter_configs(topic, &keep("1")).await.unwrap();
    wait_for("a topic without records", PATIENCE, async || {
        let offsets = client.offsets(topic).await.map_err(|error| error.to_string())?;
        if offsets.values().all(|range| range.is_empty()) { Ok(()) } else { Err(format!("{offsets:?}")) }
    })
    .await;
    client.alter_configs(topic, &keep(WEEK)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "release ring: needs the binary of the last release"]
async fn what_nobody_tells_of_any_more_is_reminded_of_after_a_refill() {
    let mut site = Site::start(1).await;
    let bert = Person::new("bert");
    let user = bert.at(&site.fleet);
    let soon = bert.create(&site.fleet, "Soon", REMINDERS, ahead(1)).await;
    let later = bert.create(&site.fleet, "Later", REMINDERS, ahead(86_000)).await;
    let over = bert.create(&site.fleet, "Over", REMINDERS, ahead(1)).await;
    user.complete_all(&over).await;
    let chore = repeating("Water the plants", Pattern::Weekly, "2027-03-01T18:00:00Z", "UTC");
    let chore = user.create(chore).await;
    user.complete(&chore).await;
    let next = user.successor_of(&chore).await;
    user.expect_story(&next, &["created"]).await;
    site.migrate().await;
    site.expect_works().await;
    for role in [Role::Audit, Role::Recurrence] {
        site.kafka.caught_up(site.fleet.member(role, 0).app_id(), site.fleet.topic()).await;
    }
    forget_records(&site).await;

    let this = site.this.clone();
    for role in [Role::DeadLetters, Role::Audit, Role::Recurrence, Role::Tasks] {
        site.fleet.member_mut(role, 0).replace_by(&this).await;
    }
    site.start_new_for(&bert).await;
    site.expect_works().await;
    site.expect_settled().await;
    let known = bert.at(&site.fleet).reminders().await;
    assert!(known.is_empty(), "nobody has told of the tasks: {known:?}");
    // Next occurrences are open, too: that of the chore, and the one by which it was seen that everything works.
    let open = soon.len() + later.len() + 2;
    let (code, totals) = site.refill(&["--grace-seconds", "0"]);
    assert_eq!((code, &totals["published_again"]), (1, &json!(open)), "{totals}");
    bert.expect_sent_once(&site, &soon).await;
    bert.expect_state(&site.fleet, &later, State::Pending).await;
    bert.expect_state(&site.fleet, std::slice::from_ref(&next), State::Pending).await;
    bert.expect_not_sent(&site, &over).await;
    let (code, totals) = site.refill(&["--grace-seconds", "0"]);
    assert_eq!((code, &totals["published_again"]), (0, &json!(0)), "{totals}");
    site.expect_settled().await;
    bert.expect_told_once(&site.fleet, &soon).await;
}
