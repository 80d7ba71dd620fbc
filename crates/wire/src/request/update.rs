//! The request of `UpdateTask`: which fields change, and to what (AIP-134).

use chrono_tz::Tz;
use docket_domain::content::{Moment, Priority};
use docket_domain::{Content, Description, Due, Recurrence, Reminder, RequestId, Tags, TaskId, Title};
use docket_proto::v1;

use super::{content, opaque, optional, required};
use crate::{InvalidFields, Violations};

/// `UpdateTask`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Update {
    /// Which task.
    pub task_id: TaskId,
    /// The version that it must still have, as [`crate::answer::etag`] writes it.
    pub etag: Option<String>,
    /// What changes.
    pub patch: Patch,
    /// Makes the call repeatable.
    pub request_id: Option<RequestId>,
    /// Whether nothing is to be stored.
    pub validate_only: bool,
}

/// The fields that change, with their new values; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Patch {
    title: Option<Title>,
    description: Option<Description>,
    priority: Option<Priority>,
    tags: Option<Tags>,
    due: Option<Option<Due>>,
    time_zone: Option<Tz>,
    recurrence: Option<Option<Recurrence>>,
    reminders: Option<Vec<Reminder>>,
}

impl Patch {
    /// The content after the change; an error when its fields would contradict one another.
    ///
    /// Without a due time, reminders that were counted from it go too, unless the update names the reminders itself: the
    /// server made one of them, and nobody should have to take it away by hand.
    pub fn apply(&self, before: &Content) -> Result<Content, InvalidFields> {
        let patch = self.clone();
        let mut after = Content {
            title: patch.title.unwrap_or_else(|| before.title.clone()),
            description: patch.description.unwrap_or_else(|| before.description.clone()),
            priority: patch.priority.unwrap_or(before.priority),
            tags: patch.tags.unwrap_or_else(|| before.tags.clone()),
            due: patch.due.unwrap_or(before.due),
            time_zone: patch.time_zone.unwrap_or(before.time_zone),
            recurrence: patch.recurrence.unwrap_or(before.recurrence),
            reminders: patch.reminders.unwrap_or_else(|| before.reminders.clone()),
        };
        if after.due.is_none() && self.reminders.is_none() {
            after.reminders.retain(|reminder| matches!(reminder.moment, Moment::At(_)));
        }
        let mut violations = Violations::default();
        content::contradictions(&after, &mut violations);
        violations.into_result(Some(after))
    }
}

/// Checks an `UpdateTaskRequest`.
pub fn update(request: &v1::UpdateTaskRequest) -> Result<Update, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let masked = request.update_mask.as_ref().filter(|mask| !mask.paths.is_empty());
    let named = masked.map(|mask| named_fields(&mask.paths, v));
    let Some(task) = &request.task else {
        v.add("task", "is required");
        optional::<RequestId>("request_id", &request.request_id, v);
        return violations.into_result(None);
    };
    let task_id = required("task.task_id", &task.task_id, v);
    let patch = patch(task, &named.unwrap_or_else(|| set_fields(task)), v);
    let request_id = optional("request_id", &request.request_id, v);
    let value = task_id.zip(request_id).map(|(task_id, request_id)| Update {
        task_id,
        etag: opaque(&task.etag),
        patch,
        request_id,
        validate_only: request.validate_only,
    });
    violations.into_result(value)
}

/// A field that an update can change, under the name that a mask gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Title,
    Description,
    Priority,
    Tags,
    DueTime,
    DueDate,
    TimeZone,
    Recurrence,
    Reminders,
}

const FIELDS: [(&str, Field); 9] = [
    ("title", Field::Title),
    ("description", Field::Description),
    ("priority", Field::Priority),
    ("tags", Field::Tags),
    ("due_time", Field::DueTime),
    ("due_date", Field::DueDate),
    ("time_zone", Field::TimeZone),
    ("recurrence", Field::Recurrence),
    ("reminders", Field::Reminders),
];

fn named_fields(paths: &[String], v: &mut Violations) -> Vec<Field> {
    let mut fields = Vec::new();
    for (i, path) in paths.iter().enumerate() {
        if path == "*" {
            fields.extend(FIELDS.map(|(_, field)| field));
        } else if let Some((_, field)) = FIELDS.iter().find(|(name, _)| name == path) {
            fields.push(*field);
        } else {
            let names = FIELDS.map(|(name, _)| name).join(", ");
            v.add(format!("update_mask.paths[{i}]"), format_args!("must be `*` or one of {names}"));
        }
    }
    fields
}

/// What an absent mask means: the fields that have a value.
fn set_fields(task: &v1::Task) -> Vec<Field> {
    let set = |field| match field {
        Field::Title => !task.title.is_empty(),
        Field::Description => !task.description.is_empty(),
        Field::Priority => task.priority != 0,
        Field::Tags => !task.tags.is_empty(),
        Field::DueTime => matches!(task.due, Some(v1::task::Due::DueTime(_))),
        Field::DueDate => matches!(task.due, Some(v1::task::Due::DueDate(_))),
        Field::TimeZone => !task.time_zone.is_empty(),
        Field::Recurrence => task.recurrence.is_some(),
        Field::Reminders => !task.reminders.is_empty(),
    };
    FIELDS.map(|(_, field)| field).into_iter().filter(|field| set(*field)).collect()
}

/// Reads the named fields; the others are not looked at.
fn patch(task: &v1::Task, named: &[Field], v: &mut Violations) -> Patch {
    let has = |field| named.contains(&field);
    Patch {
        title: has(Field::Title).then(|| content::title(task, v)).flatten(),
        description: has(Field::Description).then(|| content::description(task, v)).flatten(),
        priority: has(Field::Priority).then(|| content::priority(task, v)).flatten(),
        tags: has(Field::Tags).then(|| content::tags(task, v)).flatten(),
        due: match &task.due {
            Some(v1::task::Due::DueTime(_)) if has(Field::DueTime) => content::due(task, v),
            Some(v1::task::Due::DueDate(_)) if has(Field::DueDate) => content::due(task, v),
            // The two are one value: naming either without giving it takes the due time away, whichever it was.
            _ => (has(Field::DueTime) || has(Field::DueDate)).then_some(None),
        },
        time_zone: has(Field::TimeZone).then(|| content::time_zone(task, v)).flatten(),
        recurrence: has(Field::Recurrence).then(|| content::recurrence(task, v)).flatten(),
        reminders: has(Field::Reminders).then(|| content::reminders(task, v)).flatten(),
    }
}
