//! Calls whose order nobody knows: some order must explain how they ended and what is there now.

use std::collections::BTreeSet;

use docket_proto::v1;

use crate::model::call::Call;
use crate::model::model::{Model, Told};

/// A call and how it ended, if that is known. If not, it may have taken place or not.
pub(crate) type Open = (Call, Option<Told>);

/// What is there now.
pub(crate) struct Seen<'a> {
    /// The markers that were looked for.
    pub(crate) markers: &'a BTreeSet<String>,
    /// Every task that has one of them.
    pub(crate) tasks: &'a [v1::Task],
}

/// The model after the calls; else why no order of them explains what is there.
pub(crate) fn explain(before: &Model, calls: &[Open], seen: &Seen<'_>) -> Result<Model, String> {
    let mut why = Vec::new();
    let left: Vec<&Open> = calls.iter().collect();
    search(before, &left, seen, &mut why).ok_or_else(|| {
        let lines = |all: &[String]| all.join("\n  ");
        let calls: Vec<String> = calls.iter().map(|call| format!("{call:?}")).collect();
        let tasks: Vec<String> = seen.tasks.iter().map(|task| format!("{task:?}")).collect();
        why.truncate(3);
        format!("no order explains\n  {}\nand\n  {}:\n  {}", lines(&calls), lines(&tasks), lines(&why))
    })
}

fn search(model: &Model, left: &[&Open], seen: &Seen<'_>, why: &mut Vec<String>) -> Option<Model> {
    if left.is_empty() {
        return end(model, seen).map_err(|error| why.push(error)).ok();
    }
    for (index, (call, told)) in left.iter().enumerate() {
        let mut rest = left.to_vec();
        rest.remove(index);
        let mut after = model.clone();
        match after.play(call, told.as_ref(), seen.tasks) {
            Ok(()) => {
                if let Some(model) = search(&after, &rest, seen, why) {
                    return Some(model);
                }
            }
            Err(error) => why.push(error),
        }
        if told.is_none()
            && !matches!(call, Call::Arrive { .. })
            && let Some(model) = search(model, &rest, seen, why)
        {
            return Some(model);
        }
    }
    None
}

/// The tasks that are seen are as the model has them, and it has no others.
fn end(model: &Model, seen: &Seen<'_>) -> Result<Model, String> {
    let mut model = model.clone();
    for task in seen.tasks {
        model.learn(task)?;
    }
    let expected = model.tasks.values().filter(|entry| seen.markers.contains(entry.marker())).count();
    let found = seen.tasks.len();
    if expected == found { Ok(model) } else { Err(format!("{found} tasks instead of {expected}")) }
}
