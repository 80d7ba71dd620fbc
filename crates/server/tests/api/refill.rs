//! `docket remind refill`, by way of the binary, beside a server in this process.

use docket_domain::TimeDelta;
use docket_proto::v1;
use docket_store::outbox::PendingEvent;
use docket_testkit::once;
use docket_wire::event;
use serde_json::{Value, json};

use crate::audit::deliver;
use crate::dlq::{Run, Terminal};
use crate::harness::{Api, due_at, now};

const TOPIC: &str = "task-events";

/// `docket remind refill`, with the database of a server, and with nothing taken for young.
async fn refill(api: &Api, arguments: &[&str]) -> Run {
    refill_after(api, "0", arguments).await
}

async fn refill_after(api: &Api, grace_seconds: &str, arguments: &[&str]) -> Run {
    let url = api.database_url();
    let arguments = [&["remind", "refill", "--grace-seconds", grace_seconds], arguments].concat();
    Terminal::new(api).docket(&arguments, &[("DOCKET_DATABASE__URL", &url)]).await
}

/// What it found, one object for each task, and the totals.
async fn found(api: &Api, arguments: &[&str]) -> (Vec<Value>, Value) {
    let run = refill(api, &[arguments, &["--format", "json"]].concat()).await;
    let mut lines: Vec<Value> = run.said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let totals = lines.pop().unwrap_or_else(|| panic!("{run:?}"));
    assert_eq!((run.code, run.error.as_str()), (i32::from(!lines.is_empty()), ""), "{run:?}");
    (lines, totals)
}

fn behind(task: &v1::Task, version: i64, known: Option<i64>, kept: bool, published_again: bool) -> Value {
    json!({
        "task_id": task.task_id,
        "version": version,
        "known": known,
        "kept": kept,
        "published_again": published_again,
    })
}

/// What waits to leave.
async fn leaving(api: &Api) -> Vec<PendingEvent> {
    api.store().await.outbox_heads(&[TOPIC.to_owned()], 0, 100).await.unwrap()
}

/// Takes every event out of the outbox, as if it had been published, and brings it to nobody.
async fn lose(api: &Api) -> Vec<PendingEvent> {
    let store = api.store().await;
    let part = store.relay_join(uuid::Uuid::now_v7(), docket_testkit::PATIENCE).await.unwrap();
    let mut lost = Vec::new();
    loop {
        let heads = leaving(api).await;
        if heads.is_empty() {
            return lost;
        }
        let ids: Vec<_> = heads.iter().map(|head| head.id).collect();
        assert!(store.outbox_remove(&part, &ids).await.unwrap());
        lost.extend(heads);
    }
}

async fn states(api: &Api, task: &v1::Task) -> Vec<v1::task_reminder::State> {
    let request = v1::ListRemindersRequest { task_id: task.task_id.clone(), ..Default::default() };
    let page = api.caller("carol").reminders().list_reminders(request).await.unwrap().into_inner();
    page.reminders.iter().map(v1::TaskReminder::state).collect()
}

/// Tasks of which `reminders` has missed some: it knows nothing of the first, takes the second for open, and has nothing to
/// do with the third. The event of a fourth is still in the outbox.
async fn missed(api: &Api) -> [v1::Task; 2] {
    let carol = api.user("carol");
    let rent = carol.create(due_at("Pay the rent", "2027-03-01T09:00:00Z")).await;
    carol.create(once("Some day")).await;
    lose(api).await;
    let cat = carol.create(due_at("Feed the cat", "2027-02-01T09:00:00Z")).await;
    deliver(api, 1).await;
    carol.complete(&cat).await;
    lose(api).await;
    carol.create(due_at("Call the plumber", "2027-02-01T09:00:00Z")).await;
    [rent, cat]
}

#[tokio::test]
async fn what_was_missed_is_told_and_given_once() {
    use v1::task_reminder::State::{Cancelled, Pending};

    let api = Api::start().await;
    let [rent, cat] = missed(&api).await;
    let young = refill_after(&api, "60", &[]).await;
    assert_eq!((young.code, young.said.as_str()), (0, "4 tasks, and reminders has missed nothing\n"));
    let (told, totals) = found(&api, &["--dry-run"]).await;
    assert_eq!(told, [behind(&rent, 1, None, true, false), behind(&cat, 2, Some(1), true, false)]);
    let expect = json!({"tasks": 4, "tasks_behind": 2, "not_kept": 0, "published_again": 0});
    assert_eq!((totals, leaving(&api).await.len()), (expect, 1));

    let given = refill(&api, &[]).await;
    let expect = format!(
        "task {}: of version 1, reminders knows nothing; published again\n\
         task {}: of version 2, reminders knows version 1; published again\n\
         4 tasks, and of 2 of them reminders has missed the newest version; not kept any more: 0; \
         published again: 2\n",
        rent.task_id, cat.task_id
    );
    assert_eq!((given.code, given.said), (1, expect));
    let leaves = leaving(&api).await;
    assert_eq!(leaves.iter().filter(|event| event.handler.as_deref() == Some("reminders")).count(), 2);
    let (told, _) = found(&api, &[]).await;
    assert_eq!((told, leaving(&api).await.len()), (vec![], 3), "all are on their way");

    // What waits for `reminders` alone is no news to the audit log.
    let url = api.database_url();
    let verify = ["audit", "verify", "--grace-seconds", "0", "--format", "json"];
    let verified = Terminal::new(&api).docket(&verify, &[("DOCKET_DATABASE__URL", &url)]).await;
    let totals: Value = serde_json::from_str(verified.said.lines().last().unwrap()).unwrap();
    assert_eq!((verified.code, &totals["tasks_with_gaps"], &totals["missing"]), (1, &json!(3), &json!(3)));

    deliver(&api, 2).await;
    assert_eq!((states(&api, &rent).await, states(&api, &cat).await), (vec![Pending], vec![Cancelled]));
    let (told, _) = found(&api, &[]).await;
    assert_eq!((told, leaving(&api).await.len()), (vec![], 0), "nothing is missed any more");
    let log = api.user("carol").audit_log().await;
    assert_eq!(log.len(), 2, "nobody else heard of what was published again: {log:?}");
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_said_as_it_is() {
    use v1::task_reminder::State::{Cancelled, Pending};

    let api = Api::start().await;
    let [rent, cat] = missed(&api).await;
    deliver(&api, 1).await;
    let forgotten = api.store().await.purge_published(now() + TimeDelta::hours(1), 100).await.unwrap();
    assert_eq!(forgotten, 5);
    let expect = [behind(&rent, 1, None, false, true), behind(&cat, 2, Some(1), false, true)];
    let (told, totals) = found(&api, &[]).await;
    assert_eq!(told, expect);
    assert_eq!(totals["not_kept"], 2);
    let first = lose(&api).await;
    for (event, version) in first.iter().zip([1, 2]) {
        let said = event::decode(&event.payload).unwrap();
        assert_eq!((said.version, Some(said.id)), (version, event.republish_of));
        assert_eq!(
            (event.event_type.as_str(), event.source.as_str()),
            ("com.todo.task.updated", "docket/tasks")
        );
    }
    // Once more, because those are lost, too: the same events, in other replays.
    assert_eq!(found(&api, &[]).await.0, expect);
    let second = leaving(&api).await;
    let events = |of: &[PendingEvent]| of.iter().map(|event| event.republish_of).collect::<Vec<_>>();
    assert_eq!(events(&first), events(&second));
    assert!(first.iter().zip(&second).all(|(one, other)| one.id != other.id && one.payload == other.payload));

    deliver(&api, 1).await;
    assert_eq!((states(&api, &rent).await, states(&api, &cat).await), (vec![Pending], vec![Cancelled]));
    assert_eq!(found(&api, &[]).await.0, Vec::<Value>::new());
}

/// More tasks than one page has, and more than are given together.
#[tokio::test]
async fn every_page_is_looked_at() {
    let api = Api::start_with(|config| config.limits.rate_per_second = 0).await;
    let carol = api.user("carol");
    carol.create_all((0..520).map(|n| due_at(&format!("Chore {n}"), "2027-03-01T09:00:00Z"))).await;
    lose(&api).await;
    let (told, totals) = found(&api, &[]).await;
    assert_eq!(totals, json!({"tasks": 520, "tasks_behind": 520, "not_kept": 0, "published_again": 520}));
    let ids: Vec<&str> = told.iter().map(|one| one["task_id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "each once, in their order");
    assert_eq!(api.store().await.outbox_depth().await.unwrap(), 520);
    assert_eq!(found(&api, &[]).await.0, Vec::<Value>::new());
}
