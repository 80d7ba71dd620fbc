//! Reminders through anything that may happen to them, in any order.

use std::time::Duration;

use crate::support::at;
use chrono::TimeDelta;
use docket_domain::ReminderState::{Fired, Pending};
use docket_domain::reminder::{Fire, follow};
use docket_domain::{FiringEnd, Instant, Planned, ReminderId, ReminderNumber, TaskId, TaskReminder, UserId};
use proptest::prelude::*;
use uuid::Uuid;

const LATE: Duration = Duration::from_secs(86_400);

fn number(number: i32) -> ReminderNumber {
    ReminderNumber::new(number).unwrap()
}

fn task() -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(1))
}

fn user() -> UserId {
    "alice".parse().unwrap()
}

/// What can happen to a task and its reminders.
#[derive(Clone, Debug)]
enum Step {
    Plan(Vec<i64>),
    Over,
    Fire(usize),
    Close(usize, FiringEnd),
    Snooze(usize, i64),
    Dismiss(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = prop::sample::select(vec![FiringEnd::Sent, FiringEnd::Failed, FiringEnd::CalledOff]);
    let step = prop_oneof![
        3 => prop::collection::vec(0..6_i64, 0..5).prop_map(Step::Plan),
        1 => Just(Step::Over),
        3 => (0..4_usize).prop_map(Step::Fire),
        2 => (0..4_usize, end).prop_map(|(one, end)| Step::Close(one, end)),
        1 => (0..4_usize, 0..6_i64).prop_map(|(one, until)| Step::Snooze(one, until)),
        1 => (0..4_usize).prop_map(Step::Dismiss),
    ];
    prop::collection::vec(step, 1..40)
}

fn hour(hours: i64) -> Instant {
    at("2027-01-15T00:00:00Z") + TimeDelta::hours(hours)
}

fn plan_of(hours: &[i64]) -> Vec<Planned> {
    let planned =
        |(one, hours): (i32, &i64)| Planned { number: number(one), at: hour(*hours), channels: vec![] };
    (1..).zip(hours).map(planned).collect()
}

proptest! {
    /// Whatever happens: one row for a number, generations grow, and what is set anew is told by its generation; a plan that
    /// was followed is followed; a firing is never on two rows.
    #[test]
    fn rows_follow_whatever_happens(steps in steps()) {
        let mut rows: Vec<TaskReminder> = Vec::new();
        for (now, step) in (0..).zip(steps) {
            let now = hour(now);
            let (plan, changed) = match &step {
                Step::Plan(hours) => {
                    let plan = plan_of(hours);
                    let changed = follow(&rows, task(), &user(), Some(&plan), now);
                    (Some(Some(plan)), changed)
                }
                Step::Over => (Some(None), follow(&rows, task(), &user(), None, now)),
                Step::Fire(one) => (None, rows.get(*one).and_then(|row| {
                    match row.clone().fire(ReminderId::from_uuid(Uuid::from_u128(now.timestamp() as u128)), now, LATE) {
                        Fire::Fired(row) | Fire::Missed(row) => Some(row),
                        Fire::NotYet | Fire::Over => None,
                    }
                }).into_iter().collect()),
                Step::Close(one, end) => {
                    (None, rows.get(*one).and_then(|row| row.clone().close(*end, now)).into_iter().collect())
                }
                Step::Snooze(one, until) => {
                    (None, rows.get(*one).and_then(|row| row.clone().snooze(hour(*until), now).ok()).into_iter().collect())
                }
                Step::Dismiss(one) => {
                    (None, rows.get(*one).and_then(|row| row.clone().dismiss(now).ok()).into_iter().collect())
                }
            };
            let changed: Vec<TaskReminder> = changed;
            let mut numbers: Vec<i32> = changed.iter().map(|row| row.number.get()).collect();
            numbers.sort_unstable();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), changed.len(), "one row for a number");
            for row in changed {
                match rows.iter_mut().find(|known| known.number == row.number) {
                    Some(known) => {
                        prop_assert!(known.generation <= row.generation, "{known:?} {row:?}");
                        let again = row.state == Pending && (known.state != Pending || known.remind_at != row.remind_at);
                        prop_assert!(!again || known.generation < row.generation, "{known:?} {row:?}");
                        *known = row;
                    }
                    None => rows.push(row),
                }
            }
            let mut firings: Vec<_> = rows.iter().filter_map(|row| row.firing).map(|firing| firing.id).collect();
            let count = firings.len();
            firings.sort();
            firings.dedup();
            prop_assert_eq!(firings.len(), count);
            let Some(plan) = plan else { continue };
            prop_assert_eq!(follow(&rows, task(), &user(), plan.as_deref(), now), vec![]);
            let planned = plan.as_deref().unwrap_or_default();
            for row in &rows {
                let asked = planned.iter().find(|planned| planned.number == row.number);
                match asked {
                    // What was given is not moved into the past.
                    Some(planned) if row.planned_at != planned.at => {
                        prop_assert!(!matches!(row.state, Pending) && planned.at <= now, "{row:?} {planned:?}");
                    }
                    Some(_) => {}
                    None => prop_assert!(!matches!(row.state, Pending | Fired), "{row:?}"),
                }
            }
        }
    }
}
