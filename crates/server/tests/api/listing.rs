//! Lists of tasks: sorted, filtered, page by page.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use docket_proto::v1;
use docket_proto::v1::task::{Due, Priority};
use docket_testkit::{User, once};
use prost::Message as _;

use crate::harness::{Api, due_at, fields_at_fault, outcome};

/// What gRPC clients take, unless they are told otherwise.
const CLIENTS_LIMIT: usize = 4 << 20;

async fn pages(user: &User, request: v1::ListTasksRequest) -> Vec<Vec<v1::Task>> {
    let mut request = request;
    let mut pages = Vec::new();
    loop {
        let page = user.tasks().list_tasks(request.clone()).await.unwrap().into_inner();
        assert!(page.encoded_len() < CLIENTS_LIMIT);
        let last = page.next_page_token.is_empty();
        request.page_token = page.next_page_token;
        pages.push(page.tasks);
        if last {
            return pages;
        }
    }
}

fn due_seconds(task: &v1::Task) -> Option<i64> {
    match &task.due {
        Some(Due::DueTime(time)) => Some(time.seconds),
        Some(Due::DueDate(_)) => panic!("no all-day tasks here"),
        None => None,
    }
}

/// The place of a task by one field, and then by its id.
fn keys(task: &v1::Task, field: &str) -> (i128, String) {
    let nanos = |time: &Option<pbjson_types::Timestamp>| {
        time.as_ref().map_or(0, |time| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos))
    };
    let key = match field {
        "create_time" => nanos(&task.create_time),
        "update_time" => nanos(&task.update_time),
        "due" => due_seconds(task).map_or(0, i128::from),
        "priority" => i128::from(task.priority),
        other => panic!("{other} is no order"),
    };
    (key, task.task_id.clone())
}

#[tokio::test]
async fn every_order_pages_through_every_task_once() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let priorities = [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent];
    let wanted = (0..25).map(|n| v1::Task {
        priority: priorities[n % 4].into(),
        ..match n % 5 {
            0 => once(&format!("Task {n}")),
            // Some are due at the same time.
            day => due_at(&format!("Task {n}"), &format!("2027-03-{:02}T08:00:00Z", 30 - day - n / 10)),
        }
    });
    let mut all = alice.create_all(wanted).await;
    // So that the order of changes is not that of creation.
    for task in all.iter_mut().step_by(3) {
        *task = alice.complete(task).await;
    }
    for field in ["create_time", "update_time", "due", "priority"] {
        for descending in [false, true] {
            let mut expect = all.clone();
            if descending {
                expect.sort_by_key(|task| Reverse(keys(task, field)));
            } else {
                expect.sort_by_key(|task| keys(task, field));
            }
            if field == "due" {
                expect.sort_by_key(|task| due_seconds(task).is_none());
            }
            let order_by = if descending { format!("{field} desc") } else { field.to_owned() };
            let request =
                v1::ListTasksRequest { page_size: 7, order_by: order_by.clone(), ..Default::default() };
            let pages = pages(&alice, request).await;
            let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
            assert_eq!(sizes, [7, 7, 7, 4], "{order_by}");
            let titles = |tasks: &[v1::Task]| tasks.iter().map(|task| task.title.clone()).collect::<Vec<_>>();
            assert_eq!(titles(&pages.concat()), titles(&expect), "{order_by}");
        }
    }
    let oldest_first = pages(&alice, v1::ListTasksRequest::default()).await.concat();
    assert!(oldest_first.is_sorted_by_key(|task| keys(task, "create_time")), "the default order");
}

#[tokio::test]
async fn a_task_that_comes_or_goes_between_pages_moves_no_other() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let mut all = Vec::new();
    for n in 0..6 {
        all.push(alice.create(once(&format!("Task {n}"))).await);
    }
    let first = v1::ListTasksRequest { page_size: 3, ..Default::default() };
    let page = alice.tasks().list_tasks(first.clone()).await.unwrap().into_inner();
    // Gone from the first page, and one more at the end.
    let gone = v1::DeleteTaskRequest { task_id: all[0].task_id.clone(), ..Default::default() };
    alice.tasks().delete_task(gone).await.unwrap();
    all.push(alice.create(once("Task 6")).await);
    let rest =
        v1::ListTasksRequest { page_size: 500, page_token: page.next_page_token, ..Default::default() };
    let rest = alice.tasks().list_tasks(rest).await.unwrap().into_inner();
    assert_eq!([page.tasks, rest.tasks].concat(), all, "and the page size may change");
}

#[tokio::test]
async fn a_page_never_outgrows_what_clients_take() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let description = "x".repeat(16_384);
    let wanted = (0..500).map(|n| v1::Task { description: description.clone(), ..once(&format!("{n:03}")) });
    let created: BTreeSet<String> =
        alice.create_all(wanted).await.into_iter().map(|task| task.task_id).collect();
    assert_eq!(created.len(), 500);

    let request = v1::ListTasksRequest { page_size: 10_000, ..Default::default() };
    let pages = pages(&alice, request).await;
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    // 8 MiB in pages of 3 MiB.
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(sizes[0] > 180, "{sizes:?}");
    let mut seen = BTreeSet::new();
    for task in pages.concat() {
        assert!(seen.insert(task.task_id), "task {} twice", task.title);
    }
    assert_eq!(seen, created);
}

#[tokio::test]
async fn a_filter_leaves_what_it_says() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let tagged = |task: v1::Task, tags: &[&str]| v1::Task {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..task
    };
    let day = |title: &str, day: &str| v1::Task {
        due: Some(Due::DueDate(day.to_owned())),
        time_zone: "America/New_York".to_owned(),
        ..once(title)
    };
    alice.create(v1::Task { priority: Priority::Low.into(), ..tagged(once("Alpha"), &["home"]) }).await;
    alice
        .create(v1::Task { priority: Priority::Urgent.into(), ..tagged(once("Beta"), &["home", "now"]) })
        .await;
    // 31 March in UTC, 1 April in Berlin.
    alice.create(due_at("Gamma", "2027-03-31T22:30:00Z")).await;
    // Starts at 04:00 UTC.
    alice.create(day("Delta", "2027-04-01")).await;
    let done = alice.create(v1::Task { description: "50% of ALPHA".to_owned(), ..once("Epsilon") }).await;
    alice.complete(&done).await;

    let table: [(&str, &str, &[&str]); 15] = [
        ("", "", &["Alpha", "Beta", "Gamma", "Delta", "Epsilon"]),
        ("state = COMPLETED", "", &["Epsilon"]),
        ("state != COMPLETED", "", &["Alpha", "Beta", "Gamma", "Delta"]),
        ("priority > MEDIUM", "", &["Beta"]),
        ("priority <= LOW", "", &["Alpha"]),
        ("tags:home", "", &["Alpha", "Beta"]),
        ("tags:home AND tags:now", "", &["Beta"]),
        ("tags:hom", "", &[]),
        ("text:alpha", "", &["Alpha", "Epsilon"]),
        ("text:\"50%\"", "", &["Epsilon"]),
        ("text:\"5_%\"", "", &[]),
        ("due = 2027-03-31", "UTC", &["Gamma"]),
        ("due = 2027-03-31", "Europe/Berlin", &[]),
        ("due >= 2027-04-01 AND due < 2027-04-01T04:00:00Z", "Europe/Berlin", &["Gamma"]),
        ("due > today()", "", &["Gamma", "Delta"]),
    ];
    for (filter, zone, expect) in table {
        let request = v1::ListTasksRequest {
            filter: filter.to_owned(),
            time_zone: zone.to_owned(),
            page_size: 2,
            ..Default::default()
        };
        let titles: Vec<String> =
            pages(&alice, request).await.concat().into_iter().map(|task| task.title).collect();
        assert_eq!(titles, expect, "{filter:?} in {zone:?}");
    }
}

#[tokio::test]
async fn a_page_token_is_good_for_its_own_question() {
    let api = Api::start().await;
    let alice = api.user("alice");
    alice.create_all((0..3).map(|n| once(&format!("Task {n}")))).await;
    let asked = v1::ListTasksRequest { page_size: 1, ..Default::default() };
    let page_token = alice.tasks().list_tasks(asked.clone()).await.unwrap().into_inner().next_page_token;
    let asked = v1::ListTasksRequest { page_token: page_token.clone(), ..asked };
    let wrong = "InvalidArgument INVALID_PAGE_TOKEN";
    let table = [
        ("the same", asked.clone(), "OK"),
        ("another size", v1::ListTasksRequest { page_size: 2, ..asked.clone() }, "OK"),
        ("a filter", v1::ListTasksRequest { filter: "state = OPEN".to_owned(), ..asked.clone() }, wrong),
        ("another order", v1::ListTasksRequest { order_by: "due".to_owned(), ..asked.clone() }, wrong),
        ("deleted ones too", v1::ListTasksRequest { show_deleted: true, ..asked.clone() }, wrong),
        ("a zone", v1::ListTasksRequest { time_zone: "UTC".to_owned(), ..asked.clone() }, wrong),
        ("cut", v1::ListTasksRequest { page_token: page_token[1..].to_owned(), ..asked.clone() }, wrong),
        ("made up", v1::ListTasksRequest { page_token: "2".to_owned(), ..asked.clone() }, wrong),
    ];
    for (name, request, expect) in table {
        assert_eq!(outcome(&alice.tasks().list_tasks(request).await), expect, "{name}");
    }
    // Nor is it for another listing.
    let request = v1::ListAuditEntriesRequest { page_token, ..Default::default() };
    assert_eq!(outcome(&alice.audit().list_audit_entries(request).await), wrong);
}

#[tokio::test]
async fn a_listing_that_makes_no_sense_is_refused_with_its_fields() {
    let api = Api::start().await;
    let request = v1::ListTasksRequest {
        page_size: -1,
        filter: "colour = RED".to_owned(),
        order_by: "title".to_owned(),
        time_zone: "Berlin".to_owned(),
        ..Default::default()
    };
    let status = api.user("alice").tasks().list_tasks(request).await.unwrap_err();
    assert_eq!(fields_at_fault(&status), ["page_size", "time_zone", "filter", "order_by"]);
}
