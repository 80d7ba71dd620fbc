//! The life of a task: random sequences of operations against a small model, and the rules by example.

use crate::support::{at, due, every};
use chrono::TimeDelta;
use chrono_tz::Tz;
use docket_domain::content::Moment;
use docket_domain::recurrence::Pattern;
use docket_domain::{
    Change, Content, Description, Due, EventKind, Instant, Priority, Refused, Reminder, SeriesId, State,
    Tags, Task, TaskId, Title,
};
use proptest::prelude::*;
use uuid::Uuid;

const BERLIN: Tz = Tz::Europe__Berlin;

fn task_id(number: u128) -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(number))
}

fn series_id(number: u128) -> SeriesId {
    SeriesId::from_uuid(Uuid::from_u128(number))
}

fn now() -> Instant {
    at("2027-01-31T12:00:00Z")
}

fn plain(title: &str) -> Content {
    Content {
        title: Title::parse(title).unwrap(),
        description: Description::default(),
        priority: Priority::default(),
        tags: Tags::default(),
        due: None,
        time_zone: BERLIN,
        recurrence: None,
        reminders: Vec::new(),
    }
}

fn monthly(start: &str) -> Content {
    Content { due: Some(due(start)), recurrence: Some(every(1, Pattern::Monthly)), ..plain("rent") }
}

fn create(content: Content) -> Task {
    Task::create(task_id(1), "alice".parse().unwrap(), content, series_id(1), now()).after
}

fn completed(content: Content) -> Task {
    create(content).complete(now()).unwrap().after
}

#[test]
fn occurrences_take_their_place_from_the_predecessor() {
    let nine = "2027-01-31T09:00:00+01:00";
    let fixed = Reminder { moment: Moment::At(now()), channels: Vec::new() };
    let before = Reminder { moment: Moment::Before(Reminder::DEFAULT_OFFSET), channels: Vec::new() };
    let task = completed(Content { reminders: vec![fixed, before.clone()], ..monthly(nine) });
    let next = task.next().unwrap();
    assert_eq!(next.due, due("2027-02-28T09:00:00+01:00"));
    let content = task.next_content(next.due);
    assert_eq!(content.reminders, [before]);

    let change = Task::occurrence(task_id(2), &task, content.clone(), now()).unwrap();
    assert_eq!((change.kind, change.before), (EventKind::Created, None));
    let made = change.after;
    assert_eq!((made.series, made.version, made.state), (Some(next.series), 1, State::Open));
    assert_eq!((&made.user_id, made.content.due), (&task.user_id, Some(next.due)));
    let third = made.complete(now()).unwrap().after.next().unwrap();
    assert_eq!(third.due, due("2027-03-31T09:00:00+02:00"));

    // Another due time is a new plan from there, under a name of its own, but never before the predecessor.
    let other = |text: &str| Content { due: Some(due(text)), ..content.clone() };
    let moved = Task::occurrence(task_id(2), &task, other("2027-03-05T10:00:00+01:00"), now()).unwrap().after;
    let series = moved.series.unwrap();
    assert_eq!((series.id, series.index, series.start_index), (series_id(1), 2, 2));
    assert_eq!(series.occurrence_time, at("2027-03-05T10:00:00+01:00"));
    assert_eq!(series.start.to_string(), "2027-03-05T10:00:00");

    let never = Content { due: None, recurrence: None, reminders: Vec::new(), ..content.clone() };
    let open = create(monthly(nine));
    let unrepeated = completed(plain("once"));
    let cases = [
        (2, &task, other(nine), Refused::NoNext),
        (2, &task, never, Refused::NoNext),
        (1, &task, content.clone(), Refused::SameId),
        (2, &open, content.clone(), Refused::NotCompleted),
        (2, &unrepeated, content.clone(), Refused::NoNext),
    ];
    for (id, predecessor, content, expected) in cases {
        assert_eq!(Task::occurrence(task_id(id), predecessor, content, now()), Err(expected));
    }

    // A deletion after the completion does not end the series.
    let deleted = task.delete(now()).unwrap().after;
    assert!(Task::occurrence(task_id(2), &deleted, content, now()).is_ok());
}

#[test]
fn updates_move_the_series() {
    let start = "2027-01-31";
    let updated = |task: &Task, content| task.update(content, series_id(2), now()).unwrap().unwrap().after;
    let task = create(monthly(start));
    let first = task.series.unwrap();
    assert_eq!(task.update(monthly(start), series_id(2), now()), Ok(None));
    assert_eq!(
        updated(&task, Content { title: Title::parse("new").unwrap(), ..monthly(start) }).series,
        task.series
    );

    let moved = updated(&task, monthly("2027-02-02")).series.unwrap();
    assert_eq!(moved, first.rescheduled(due("2027-02-02"), BERLIN));
    assert_eq!((moved.id, moved.occurrence_time), (series_id(1), first.occurrence_time));

    // A new title does not make the 28th of February the day that the rule counts from.
    let january = completed(monthly(start));
    let content = january.next_content(due("2027-02-28"));
    let second = Task::occurrence(task_id(2), &january, content.clone(), now()).unwrap().after;
    let renamed = updated(&second, Content { title: Title::parse("new").unwrap(), ..content });
    assert_eq!(renamed.series.unwrap().start.to_string(), start);

    // Without its rule a task stays where it was in its series, and goes on there with the next rule.
    let stopped = updated(&task, Content { recurrence: None, ..monthly("2027-02-02") });
    assert_eq!(stopped.series, Some(first));
    assert_eq!(updated(&stopped, monthly("2027-02-02")).series, Some(moved));

    let once = create(plain("once"));
    assert_eq!(once.series, None);
    let series = updated(&once, monthly(start)).series.unwrap();
    assert_eq!(
        (series.id, series.index, series.occurrence_time),
        (series_id(2), 1, at("2027-01-30T23:00:00Z"))
    );

    let done = completed(monthly(start));
    assert!(matches!(
        done.update(monthly("2027-02-02"), series_id(2), now()),
        Err(Refused::State { state: "COMPLETED", .. })
    ));
    let renamed = Content { title: Title::parse("paid").unwrap(), ..monthly(start) };
    assert_eq!(updated(&done, renamed).next(), done.next());
}

#[test]
fn default_reminders() {
    let timed = Content { due: Some(Due::At(now())), ..plain("call") };
    let given = timed.clone().with_default_reminder();
    assert_eq!(given.reminders.len(), 1);
    assert_eq!(given.reminders[0].moment, Moment::Before(Reminder::DEFAULT_OFFSET));
    assert_eq!(given.clone().with_default_reminder(), given);
    for other in [plain("never"), Content { due: Some(due("2027-01-31")), ..plain("day") }] {
        assert_eq!(other.clone().with_default_reminder(), other);
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Update { title: u8, start: u32, repeats: bool },
    Complete,
    Reopen,
    Delete,
}

fn operations() -> impl Strategy<Value = Vec<(Operation, i64)>> {
    let operation = prop_oneof![
        4 => (0..3_u8, 1..4_u32, any::<bool>())
            .prop_map(|(title, start, repeats)| Operation::Update { title, start, repeats }),
        3 => Just(Operation::Complete),
        3 => Just(Operation::Reopen),
        1 => Just(Operation::Delete),
    ];
    // The clock may go back: two servers need not agree.
    prop::collection::vec((operation, -5..60_i64), 1..24)
}

fn apply(task: &Task, operation: &Operation, now: Instant) -> Result<Option<Change>, Refused> {
    match operation {
        Operation::Update { title, start, repeats } => {
            let content = monthly(&format!("2027-01-{start:02}"));
            let recurrence = content.recurrence.filter(|_| *repeats);
            let title = Title::parse(&format!("title {title}")).unwrap();
            task.update(Content { title, recurrence, ..content }, series_id(2), now)
        }
        Operation::Complete => task.complete(now).map(Some),
        Operation::Reopen => task.reopen(now).map(Some),
        Operation::Delete => task.delete(now).map(Some),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_is_legal_or_refused(operations in operations(), repeats in any::<bool>()) {
        let mut clock = now();
        let mut task = create(if repeats { monthly("2027-01-31") } else { plain("once") });
        // The model: all that decides whether an operation is allowed.
        let (mut open, mut deleted) = (true, false);
        for (operation, seconds) in operations {
            clock += TimeDelta::seconds(seconds);
            let outcome = apply(&task, &operation, clock);
            if deleted {
                prop_assert_eq!(outcome, Err(Refused::Deleted));
                continue;
            }
            let expected = match operation {
                Operation::Update { .. } => EventKind::Updated,
                Operation::Complete => EventKind::Completed,
                Operation::Reopen => EventKind::Reopened,
                Operation::Delete => EventKind::Deleted,
            };
            let change = match (outcome, expected) {
                (Err(Refused::State { state, .. }), EventKind::Completed | EventKind::Updated) => {
                    prop_assert!(!open && state == "COMPLETED");
                    continue;
                }
                (Err(Refused::State { state, .. }), EventKind::Reopened) => {
                    prop_assert!(open && state == "OPEN");
                    continue;
                }
                (Ok(None), EventKind::Updated) => continue,
                (Ok(Some(change)), _) => change,
                (other, _) => return Err(TestCaseError::fail(format!("{expected:?}: {other:?}"))),
            };
            match expected {
                EventKind::Completed => prop_assert!(std::mem::replace(&mut open, false)),
                EventKind::Reopened => prop_assert!(!std::mem::replace(&mut open, true)),
                EventKind::Deleted => deleted = true,
                _ => prop_assert!(open || change.after.content.same_plan(&task.content)),
            }
            let after = change.after;
            prop_assert_eq!((change.kind, change.before.as_ref()), (expected, Some(&task)));
            prop_assert_eq!(after.version, task.version + 1);
            prop_assert_eq!(after.update_time, clock.max(task.update_time));
            prop_assert_eq!((after.id, &after.user_id, after.create_time), (task.id, &task.user_id, task.create_time));
            prop_assert_eq!(matches!(after.state, State::Open), open);
            if let (State::Completed { time, version }, EventKind::Completed) = (after.state, expected) {
                prop_assert_eq!((time, version), (clock, after.version));
            }
            prop_assert_eq!(after.delete_time, deleted.then_some(clock));
            prop_assert_eq!(after.purge_time(), deleted.then_some(clock + TimeDelta::days(30)));
            if after.content.recurrence.is_some() {
                let series = after.series.expect("a task that repeats is in a series");
                prop_assert_eq!(after.next().is_some(), !open);
                for before in task.series.iter().filter(|before| before.id == series.id) {
                    prop_assert_eq!(series.occurrence_time, before.occurrence_time);
                }
            }
            task = after;
        }
    }
}
