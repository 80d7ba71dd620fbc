//! Changes of tasks that say wrongly what is to change, or of which version.

use docket_proto::v1::recurrence::{End, Pattern};
use docket_proto::v1::{
    CompleteTaskRequest, DeleteTaskRequest, Recurrence, ReopenTaskRequest, Task, UpdateTaskRequest,
};
use docket_testkit::{once, repeating};
use pbjson_types::{FieldMask, Timestamp};

use super::call::Call;
use super::{Row, World, at_fault, good, row};

pub(super) fn rows(world: &World) -> Vec<Row> {
    [masks(world), etags(world)].concat()
}

fn update(world: &World, task: Task, mask: Option<&[&str]>) -> Call {
    let update_mask =
        mask.map(|paths| FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
    let task = Task { task_id: world.chore.task_id.clone(), ..task };
    world.call("UpdateTask", &UpdateTaskRequest { task: Some(task), update_mask, ..Default::default() })
}

fn masks(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for path in [
        "",
        "colour",
        "state",
        "task_id",
        "user_id",
        "version",
        "etag",
        "create_time",
        "series_id",
        "due",
        "dueTime",
        "Title",
        "task.title",
        "recurrence.interval",
        "tags[0]",
        "reminders.*",
        "title,priority",
        " title",
        "title\0",
        "**",
    ] {
        let call = update(world, once("Masked"), Some(&["title", path]));
        rows.push(row(format!("the mask {path:?}"), call, at_fault(&["update_mask.paths[1]"])));
    }
    let empty = UpdateTaskRequest { request_id: "x".to_owned(), ..Default::default() };
    let nameless = UpdateTaskRequest { task: Some(once("Nameless")), ..Default::default() };
    let broken = Task { priority: 9, ..Task::default() };
    let flood: Vec<String> = (0..5_000).map(|n| format!("x{n}")).collect();
    let flood: Vec<&str> = flood.iter().map(String::as_str).collect();
    // The last violation has no field: it says how many more there are.
    let told: Vec<String> =
        (0..31).map(|n| format!("update_mask.paths[{n}]")).chain([String::new()]).collect();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let until = repeating("Ended", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")
        .recurrence
        .map(|rule| Recurrence { end: Some(End::Until(Timestamp { seconds: 1, nanos: 0 })), ..rule });
    rows.extend([
        row("an update of nothing", world.call("UpdateTask", &empty), at_fault(&["task", "request_id"])),
        row("an update of nobody", world.call("UpdateTask", &nameless), at_fault(&["task.task_id"])),
        row(
            "two wrong masks",
            update(world, once("x"), Some(&["a", "title", "a"])),
            at_fault(&["update_mask.paths[0]", "update_mask.paths[2]"]),
        ),
        row("5,000 wrong masks", update(world, once("x"), Some(&flood)), at_fault(&told)),
        row(
            "a mask and a value, both wrong",
            update(world, broken.clone(), Some(&["x", "priority"])),
            at_fault(&["update_mask.paths[0]", "task.priority"]),
        ),
        row(
            "everything, and no title",
            update(world, broken.clone(), Some(&["*"])),
            at_fault(&["task.title", "task.priority"]),
        ),
        row(
            "a wrong value without a mask",
            update(world, broken.clone(), None),
            at_fault(&["task.priority"]),
        ),
        row(
            "a title taken away",
            update(world, Task::default(), Some(&["title"])),
            at_fault(&["task.title"]),
        ),
        row(
            "the due time of a rule taken away",
            update(world, Task::default(), Some(&["due_time"])),
            at_fault(&["task.recurrence"]),
        )
        .after_a_look(),
        row(
            "an end before the due time",
            update(world, Task { recurrence: until, ..Task::default() }, None),
            at_fault(&["task.recurrence.until"]),
        )
        .after_a_look(),
        good("a wrong value that the mask leaves out", update(world, broken, Some(&["description"]))),
        good(
            "a path twice, and everything",
            update(world, world.chore.clone(), Some(&["title", "title", "*"])),
        ),
        good("an empty mask", update(world, Task::default(), Some(&[]))),
    ]);
    rows
}

/// An etag is opaque: whatever is not the current one is another version's.
fn etags(world: &World) -> Vec<Row> {
    let id = &world.task.task_id;
    let mismatch = format!("Aborted ETAG_MISMATCH etag=v1 task_id={id}");
    let mut rows = Vec::new();
    for etag in ["v0", "v2", "V1", "1", "\"v1\"", "W/\"v1\"", "*", " v1", "v1\0", &"v".repeat(100_000)] {
        let (task_id, etag_of) = (id.clone(), etag.to_owned());
        let complete = CompleteTaskRequest { task_id, etag: etag_of, ..Default::default() };
        let name = format!("CompleteTask with the etag {:?}", etag.get(..9).unwrap_or(etag));
        rows.push(row(name, world.call("CompleteTask", &complete), &mismatch).after_a_look());
    }
    let (task_id, etag) = (id.clone(), "v9".to_owned());
    let delete = DeleteTaskRequest { task_id: task_id.clone(), etag: etag.clone(), ..Default::default() };
    let reopen = ReopenTaskRequest { task_id: task_id.clone(), etag: etag.clone(), ..Default::default() };
    let task = Some(Task { task_id: task_id.clone(), etag, ..once("Stale") });
    let update = UpdateTaskRequest { task, ..Default::default() };
    let open = ReopenTaskRequest { task_id, ..Default::default() };
    rows.extend([
        row("DeleteTask with an old etag", world.call("DeleteTask", &delete), &mismatch).after_a_look(),
        row("ReopenTask with an old etag", world.call("ReopenTask", &reopen), &mismatch).after_a_look(),
        row("UpdateTask with an old etag", world.call("UpdateTask", &update), &mismatch).after_a_look(),
        row(
            "ReopenTask of an open task",
            world.call("ReopenTask", &open),
            format!("FailedPrecondition TASK_STATE state=OPEN task_id={id}"),
        )
        .after_a_look(),
    ]);
    rows
}
