//! What users ask for, at random.

use docket_proto::v1;
use docket_proto::v1::recurrence::{Anchor, End, Missed, MonthEnd, Pattern, Rule};
use docket_proto::v1::task::Due;
use pbjson_types::FieldMask;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::model::series::{day, timestamp};

const DAY: i64 = 86_400_000_000;

/// 2026-01-05 and 2127-03-24, in microseconds: a past in which instants were missed, and a future without such.
const PAST: i64 = 1_767_571_200_000_000;
const FUTURE: i64 = 4_961_606_400_000_000;

const WORDS: [&str; 6] = ["water", "plants", "send \"it\"", "100 %_", "Bücher", "lesen"];
pub(crate) const TAGS: [&str; 4] = ["garden", "home", "work", "ü"];

/// A task that has no id yet. Its title begins with `#<number>#`.
pub(crate) fn task(rng: &mut StdRng, number: u32) -> v1::Task {
    let due = due(rng);
    v1::Task {
        title: title(rng, &format!("#{number}#")),
        description: description(rng),
        priority: priority(rng),
        tags: tags(rng),
        recurrence: due.as_ref().and_then(|_| recurrence(rng)),
        due,
        time_zone: "UTC".to_owned(),
        ..v1::Task::default()
    }
}

/// An update of a task, with a mask that names what it gives.
pub(crate) fn update(rng: &mut StdRng, before: &v1::Task, marker: &str) -> v1::UpdateTaskRequest {
    let mut task = v1::Task { task_id: before.task_id.clone(), ..v1::Task::default() };
    let mut paths = Vec::new();
    for _ in 0..rng.random_range(1..=2) {
        let path = match rng.random_range(0..12) {
            0..4 => {
                task.title = title(rng, marker);
                "title"
            }
            4 => {
                task.description = description(rng);
                "description"
            }
            5 | 6 => {
                task.priority = priority(rng);
                "priority"
            }
            7 | 8 => {
                task.tags = tags(rng);
                "tags"
            }
            9 | 10 => {
                task.due = due(rng);
                if matches!(task.due, Some(Due::DueDate(_))) { "due_date" } else { "due_time" }
            }
            _ => {
                task.recurrence = recurrence(rng);
                "recurrence"
            }
        };
        paths.retain(|other: &String| !(other.starts_with("due") && path.starts_with("due")));
        paths.push(path.to_owned());
    }
    // One that changes nothing.
    if rng.random_ratio(1, 20) {
        (task.title, paths) = (before.title.clone(), vec!["title".to_owned()]);
    }
    v1::UpdateTaskRequest { task: Some(task), update_mask: Some(FieldMask { paths }), ..Default::default() }
}

pub(crate) fn title(rng: &mut StdRng, marker: &str) -> String {
    format!("{marker} {} {}", WORDS.choose(rng).unwrap(), rng.random_range(0..1_000))
}

fn description(rng: &mut StdRng) -> String {
    if rng.random_bool(0.7) {
        String::new()
    } else {
        WORDS.choose(rng).unwrap().repeat(rng.random_range(1..50))
    }
}

pub(crate) fn priority(rng: &mut StdRng) -> i32 {
    rng.random_range(1..=4)
}

fn tags(rng: &mut StdRng) -> Vec<String> {
    TAGS.iter().filter(|_| rng.random_bool(0.3)).map(ToString::to_string).collect()
}

pub(crate) fn due(rng: &mut StdRng) -> Option<Due> {
    let base = if rng.random_bool(0.3) { PAST } else { FUTURE };
    let days = base + rng.random_range(0..60) * DAY;
    match rng.random_range(0..4) {
        0 => None,
        1 => Some(Due::DueDate(day(days))),
        _ => Some(Due::DueTime(timestamp(days + rng.random_range(0..DAY)))),
    }
}

fn recurrence(rng: &mut StdRng) -> Option<v1::Recurrence> {
    let pattern = [Pattern::Daily, Pattern::Weekly].choose(rng).copied().unwrap();
    let end = rng.random_bool(0.25).then(|| End::Count(rng.random_range(1..6)));
    rng.random_bool(0.7).then(|| v1::Recurrence {
        rule: Some(Rule::Pattern(pattern.into())),
        interval: rng.random_range(1..4),
        anchor: Anchor::DueTime.into(),
        month_end: MonthEnd::Clamp.into(),
        missed: Missed::NextFuture.into(),
        end,
    })
}
