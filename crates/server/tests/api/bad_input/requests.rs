//! What else requests say: names, page sizes, filters, orders, zones, event types.

use docket_proto::v1::create_task_request::OccurrenceOf;
use docket_proto::v1::preview_occurrences_request::Source;
use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::{
    CheckTasksRequest, CompleteTaskRequest, CreateTaskRequest, DeleteTaskRequest, GetTaskRequest,
    ListAuditEntriesRequest, ListSeriesGapsRequest, ListTasksRequest, PreviewOccurrencesRequest,
    ReopenTaskRequest, Task,
};
use docket_testkit::{once, repeating};
use pbjson_types::Timestamp;

use super::call::Call;
use super::{Row, World, at_fault, good, row};
use crate::harness::uuid;

pub(super) fn rows(world: &World) -> Vec<Row> {
    [names(world), listings(world), previews(world), audit(world), services(world)].concat()
}

/// Requests that name a task, and themselves.
fn names(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, id) in [("no", ""), ("a short", "7"), ("the nil", "00000000-0000-0000-0000-000000000000")] {
        let (task_id, request_id) = (id.to_owned(), "again".to_owned());
        let (get, etag) = (GetTaskRequest { task_id: task_id.clone() }, String::new());
        let complete = CompleteTaskRequest {
            task_id: task_id.clone(),
            etag: etag.clone(),
            request_id: request_id.clone(),
        };
        let reopen = ReopenTaskRequest {
            task_id: task_id.clone(),
            etag: etag.clone(),
            request_id: request_id.clone(),
        };
        let delete = DeleteTaskRequest { task_id, etag, request_id };
        let both = at_fault(&["task_id", "request_id"]);
        rows.extend([
            row(format!("GetTask with {name} name"), world.call("GetTask", &get), at_fault(&["task_id"])),
            row(format!("DeleteTask with {name} name"), world.call("DeleteTask", &delete), &both),
            row(format!("CompleteTask with {name} name"), world.call("CompleteTask", &complete), &both),
            row(format!("ReopenTask with {name} name"), world.call("ReopenTask", &reopen), &both),
        ]);
    }
    let create = |request: CreateTaskRequest| world.call("CreateTask", &request);
    let repeatable = |id: &str| CreateTaskRequest {
        task: Some(once("Again")),
        request_id: id.to_owned(),
        ..Default::default()
    };
    let of = |id: &str, version| CreateTaskRequest {
        task: Some(repeating("Next", Pattern::Daily, "2027-02-02T07:00:00Z", "UTC")),
        occurrence_of: Some(OccurrenceOf { task_id: id.to_owned(), version }),
        ..Default::default()
    };
    let same = uuid();
    let nobody = uuid();
    let undue =
        CreateTaskRequest { task: Some(Task { task_id: same.clone(), ..once("Next") }), ..of(&same, 1) };
    rows.extend([
        row("no task", create(CreateTaskRequest::default()), at_fault(&["task"])),
        row("a request id that is none", create(repeatable("1")), at_fault(&["request_id"])),
        row(
            "the request id of nobody",
            create(repeatable("00000000-0000-0000-0000-000000000000")),
            at_fault(&["request_id"]),
        ),
        row(
            "a request id with a line break",
            create(repeatable(&format!("{}\n", uuid()))),
            at_fault(&["request_id"]),
        ),
        row(
            "an occurrence of nothing",
            create(of("", 0)),
            at_fault(&["occurrence_of.task_id", "occurrence_of.version"]),
        ),
        row("a negative version", create(of(&uuid(), -3)), at_fault(&["occurrence_of.version"])),
        row(
            "an occurrence of itself, never due",
            create(undue),
            at_fault(&["task.task_id", "task.due_time"]),
        ),
        row(
            "a task that is not there",
            world.call("GetTask", &GetTaskRequest { task_id: nobody.clone() }),
            format!("NotFound TASK_NOT_FOUND task_id={nobody}"),
        )
        .after_a_look(),
        row(
            "a task of somebody else's",
            Call::of(
                "/docket.v1.TaskService/GetTask",
                &GetTaskRequest { task_id: world.task.task_id.clone() },
            )
            .bearer(&world.bob),
            format!("NotFound TASK_NOT_FOUND task_id={}", world.task.task_id),
        )
        .after_a_look(),
    ]);
    rows
}

fn listings(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    let filters = [
        "colour = RED",
        "state",
        "state = ",
        "state = open",
        "state ~ OPEN",
        "state = OPEN OR state = COMPLETED",
        "NOT state = OPEN",
        "(state = OPEN)",
        "-state = OPEN",
        "state = OPEN AND",
        "priority >= 3",
        "priority:LOW",
        "tags = home",
        "tags:\"\"",
        "text:\"\"",
        "text:\"half",
        "text:\"a\0b\"",
        "tags:\"a\0\"",
        "text:\"\\n\"",
        "due < yesterday()",
        "due < 2027-02-30",
        "due < 1969-12-31T23:59:59Z",
        "due != 2027-01-01",
        "due < today(1)",
        "'; DROP TABLE tasks; --",
        "\u{0}",
        "\u{feff}state = OPEN",
        "ｓｔａｔｅ = OPEN",
    ];
    let list =
        |filter: &str| world.list(&ListTasksRequest { filter: filter.to_owned(), ..Default::default() });
    for filter in filters {
        rows.push(row(format!("the filter {filter:?}"), list(filter), at_fault(&["filter"])));
    }
    for order_by in
        ["title", "due asc", "due desc desc", "due,priority", "DUE", "-due", "1; DROP TABLE tasks", "due\0"]
    {
        let request = ListTasksRequest { order_by: order_by.to_owned(), ..Default::default() };
        rows.push(row(format!("the order {order_by:?}"), world.list(&request), at_fault(&["order_by"])));
    }
    let size = |page_size| ListTasksRequest { page_size, ..Default::default() };
    let everything = ListTasksRequest {
        page_size: -1,
        page_token: "!".to_owned(),
        filter: "!".to_owned(),
        order_by: "!".to_owned(),
        time_zone: "!".to_owned(),
        ..Default::default()
    };
    rows.extend([
        row("a filter of 1,025 bytes", list(&"x".repeat(1_025)), at_fault(&["filter"])),
        row("a filter of 900,000 bytes", list(&"state = OPEN AND ".repeat(53_000)), at_fault(&["filter"])),
        row("a page of -1", world.list(&size(-1)), at_fault(&["page_size"])),
        row("the least page", world.list(&size(i32::MIN)), at_fault(&["page_size"])),
        row(
            "everything at once",
            world.list(&everything),
            at_fault(&["page_size", "time_zone", "filter", "order_by"]),
        ),
        good("the greatest page", world.list(&size(i32::MAX))),
        good("a filter of very many conditions", list(&["state = OPEN"; 60].join(" AND "))),
        good("a text that SQL would read otherwise", list("text:\"'; DROP TABLE tasks; -- %_\\\\\"")),
    ]);
    rows
}

fn previews(world: &World) -> Vec<Row> {
    let preview = |source, page_size| {
        world.call("PreviewOccurrences", &PreviewOccurrencesRequest { source, page_size })
    };
    let id = |id: &str| Some(Source::TaskId(id.to_owned()));
    let draft = |task| Some(Source::Task(task));
    let nobody = uuid();
    let rule = || repeating("Draft", Pattern::Yearly, "2027-01-31T08:00:00Z", "UTC");
    vec![
        row("a preview of nothing", preview(None, -1), at_fault(&["task_id", "page_size"])),
        row("a preview of no name", preview(id(""), 0), at_fault(&["task_id"])),
        row("a preview of a bad name", preview(id("x"), i32::MIN), at_fault(&["task_id", "page_size"])),
        row(
            "a preview of a task that does not repeat",
            preview(draft(once("Once")), 0),
            at_fault(&["task.recurrence"]),
        ),
        row(
            "a preview without a due time",
            preview(draft(Task { due: None, ..rule() }), 0),
            at_fault(&["task.recurrence"]),
        ),
        row(
            "a preview of a broken task",
            preview(draft(Task { task_id: "7".to_owned(), title: String::new(), ..rule() }), 0),
            at_fault(&["task.task_id", "task.title"]),
        ),
        row(
            "a preview of nobody's",
            preview(id(&nobody), 1),
            format!("NotFound TASK_NOT_FOUND task_id={nobody}"),
        )
        .after_a_look(),
        good("a preview of as many as can be", preview(draft(rule()), i32::MAX)),
    ]
}

fn audit(world: &World) -> Vec<Row> {
    let list = |request: ListAuditEntriesRequest| {
        Call::of("/docket.v1.AuditService/ListAuditEntries", &request).bearer(&world.alice)
    };
    let from = |start: (i64, i32), end: (i64, i32)| {
        let time = |(seconds, nanos)| Some(Timestamp { seconds, nanos });
        list(ListAuditEntriesRequest { start_time: time(start), end_time: time(end), ..Default::default() })
    };
    let types = |types: &[&str]| {
        let event_types = types.iter().map(|one| (*one).to_owned()).collect();
        list(ListAuditEntriesRequest { event_types, ..Default::default() })
    };
    let created = "com.todo.task.created";
    vec![
        row(
            "a page of -1 entries",
            list(ListAuditEntriesRequest { page_size: -1, ..Default::default() }),
            at_fault(&["page_size"]),
        ),
        row(
            "entries of a task that is none",
            list(ListAuditEntriesRequest { task_id: "7".to_owned(), ..Default::default() }),
            at_fault(&["task_id"]),
        ),
        row("an unknown event", types(&[created, "created"]), at_fault(&["event_types[1]"])),
        row(
            "two unknown events",
            types(&["", created, "com.todo.task.*"]),
            at_fault(&["event_types[0]", "event_types[2]"]),
        ),
        row("17 events", types(&[created; 17]), at_fault(&["event_types"])),
        row("a time without length", from((7, 0), (7, 0)), at_fault(&["end_time"])),
        row("a time that runs backwards", from((7, 1), (7, 0)), at_fault(&["end_time"])),
        row("impossible times", from((-1, 0), (0, -1)), at_fault(&["start_time", "end_time"])),
        row(
            "times beyond the calendar",
            from((i64::MIN, 0), (i64::MAX, 0)),
            at_fault(&["start_time", "end_time"]),
        ),
    ]
}

/// What is for Docket's own services.
fn services(world: &World) -> Vec<Row> {
    let internal =
        |method: &str| format!("PermissionDenied INTERNAL_METHOD method=docket.v1.TaskService/{method}");
    let gaps = ListSeriesGapsRequest { page_size: -1, page_token: "!".to_owned() };
    let next = CreateTaskRequest {
        task: Some(repeating("Next", Pattern::Daily, "2027-02-02T07:00:00Z", "UTC")),
        occurrence_of: Some(OccurrenceOf { task_id: world.chore.task_id.clone(), version: 2 }),
        ..Default::default()
    };
    let check = |task_ids: Vec<String>| world.call("CheckTasks", &CheckTasksRequest { task_ids });
    vec![
        row("CheckTasks by a user", check(vec![world.task.task_id.clone()]), internal("CheckTasks")),
        row("CheckTasks by a user, of nothing", check(Vec::new()), internal("CheckTasks")),
        row("CheckTasks by a user, of 501", check(vec![uuid(); 501]), internal("CheckTasks")),
        row("series gaps for a user", world.call("ListSeriesGaps", &gaps), internal("ListSeriesGaps")),
        row("an occurrence made by a user", world.call("CreateTask", &next), internal("CreateTask")),
        row(
            "a user who acts for another",
            world.call("GetTask", &GetTaskRequest { task_id: world.task.task_id.clone() }).acting_for("bob"),
            internal("GetTask"),
        ),
    ]
}
