//! Reminders on exact instants: planned, followed through the changes of their task, fired, put off.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{at, due};
use chrono_tz::Tz;
use docket_domain::content::Moment;
use docket_domain::reminder::{Fire, due_moment, follow, plan};
use docket_domain::{
    Channel, ClockTime, Due, FiringEnd, Instant, Planned, Reminder, ReminderId, ReminderNumber,
    ReminderState, TaskId, TaskReminder, UserId,
};
use uuid::Uuid;

const BERLIN: Tz = Tz::Europe__Berlin;
const NEW_YORK: Tz = Tz::America__New_York;
const DAY: u64 = 86_400;
const LATE: Duration = Duration::from_secs(DAY);

fn before(seconds: u64) -> Reminder {
    Reminder { moment: Moment::Before(Duration::from_secs(seconds)), channels: Vec::new() }
}

fn fixed(text: &str) -> Reminder {
    Reminder { moment: Moment::At(at(text)), channels: Vec::new() }
}

fn number(number: i32) -> ReminderNumber {
    ReminderNumber::new(number).unwrap()
}

fn firing(number: u128) -> ReminderId {
    ReminderId::from_uuid(Uuid::from_u128(number))
}

fn task() -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(1))
}

fn user() -> UserId {
    "alice".parse().unwrap()
}

fn instants(due: &str, zone: Tz, reminders: &[Reminder], all_day: &str) -> Vec<Instant> {
    let due = (due != "-").then(|| self::due(due));
    plan(due, zone, reminders, all_day.parse().unwrap()).into_iter().map(|planned| planned.at).collect()
}

/// (due, zone, time of day, seconds before, the reminder)
const PLANNED: [(&str, Tz, &str, u64, &str); 26] = [
    ("2027-01-15T12:00:00Z", BERLIN, "09:00", 1_800, "2027-01-15T11:30:00Z"),
    ("2027-01-15T12:00:00Z", BERLIN, "09:00", 0, "2027-01-15T12:00:00Z"),
    ("2027-01-15T12:00:00.000001Z", BERLIN, "09:00", 366 * DAY, "2026-01-14T12:00:00.000001Z"),
    // All-day tasks, by the task's own clock.
    ("2027-01-15", Tz::UTC, "09:00", 0, "2027-01-15T09:00:00Z"),
    ("2027-01-15", BERLIN, "09:00", 0, "2027-01-15T08:00:00Z"),
    ("2027-07-15", BERLIN, "09:00", 0, "2027-07-15T07:00:00Z"),
    ("2027-01-15", NEW_YORK, "09:00", 0, "2027-01-15T14:00:00Z"),
    ("2027-01-15", Tz::Asia__Kathmandu, "09:00", 0, "2027-01-15T03:15:00Z"),
    ("2027-01-15", Tz::Pacific__Kiritimati, "09:00", 0, "2027-01-14T19:00:00Z"),
    ("2027-01-15", BERLIN, "18:30", 1_800, "2027-01-15T17:00:00Z"),
    ("2027-01-15", BERLIN, "00:00", DAY, "2027-01-13T23:00:00Z"),
    // The night that loses an hour. A time of day that it skips comes later by the hour; an offset is a length of time.
    ("2027-03-28", BERLIN, "09:00", 0, "2027-03-28T07:00:00Z"),
    ("2027-03-28", BERLIN, "02:30", 0, "2027-03-28T01:30:00Z"),
    ("2027-03-28", BERLIN, "02:00", 0, "2027-03-28T01:00:00Z"),
    ("2027-03-28", BERLIN, "01:59", 0, "2027-03-28T00:59:00Z"),
    ("2027-03-28", BERLIN, "09:00", DAY, "2027-03-27T07:00:00Z"),
    ("2027-03-28T07:00:00Z", BERLIN, "09:00", DAY, "2027-03-27T07:00:00Z"),
    ("2027-03-14", NEW_YORK, "02:30", 0, "2027-03-14T07:30:00Z"),
    ("2027-03-14", NEW_YORK, "09:00", DAY, "2027-03-13T13:00:00Z"),
    // The night that gains one. A time of day that it shows twice counts the first time.
    ("2027-10-31", BERLIN, "09:00", 0, "2027-10-31T08:00:00Z"),
    ("2027-10-31", BERLIN, "02:30", 0, "2027-10-31T00:30:00Z"),
    ("2027-10-31", BERLIN, "09:00", DAY, "2027-10-30T08:00:00Z"),
    ("2027-11-07", NEW_YORK, "01:30", 0, "2027-11-07T05:30:00Z"),
    ("2027-11-07", NEW_YORK, "09:00", DAY, "2027-11-06T14:00:00Z"),
    // A midnight that does not exist, and a day that was left out.
    ("2018-11-04", Tz::America__Sao_Paulo, "00:00", 0, "2018-11-04T03:00:00Z"),
    ("2011-12-30", Tz::Pacific__Apia, "09:00", 0, "2011-12-30T19:00:00Z"),
];

#[test]
fn a_reminder_is_planned_to_the_instant() {
    for (due, zone, all_day, offset, expect) in PLANNED {
        assert_eq!(
            instants(due, zone, &[before(offset)], all_day),
            [at(expect)],
            "{due} {zone} {all_day} {offset}"
        );
    }
}

#[test]
fn reminders_keep_their_numbers_and_channels() {
    let push = Reminder { channels: vec![Channel::Push], ..before(60) };
    let reminders = [fixed("2027-01-01T00:00:00Z"), push, before(0)];
    let planned = plan(Some(due("2027-01-15T12:00:00Z")), BERLIN, &reminders, ClockTime::NINE);
    let expect = [
        (1, "2027-01-01T00:00:00Z", vec![]),
        (2, "2027-01-15T11:59:00Z", vec![Channel::Push]),
        (3, "2027-01-15T12:00:00Z", vec![]),
    ];
    let expect = expect.map(|(one, time, channels)| Planned { number: number(one), at: at(time), channels });
    assert_eq!(planned, expect);

    let undated = plan(None, BERLIN, &reminders, ClockTime::NINE);
    assert_eq!(undated, expect[..1], "an offset counts from nothing");
    for wrong in [i32::MIN, -1, 0, 11, i32::MAX] {
        assert_eq!(ReminderNumber::new(wrong), None);
    }
    let edges = [Instant::MIN_UTC, Instant::MAX_UTC]
        .map(|end| plan(Some(Due::At(end)), BERLIN, &[before(366 * DAY)], ClockTime::NINE)[0].at);
    assert!(edges[0] <= edges[1], "nothing panics at the ends of the calendar");
    let all_day = due_moment(due("2027-01-15"), BERLIN, ClockTime::NINE);
    assert_eq!(all_day, at("2027-01-15T08:00:00Z"));
}

/// A task's rows as a store keeps them.
#[derive(Clone, Debug, Default)]
struct Rows(BTreeMap<ReminderNumber, TaskReminder>);

impl Rows {
    /// Follows the task; answers the numbers of the rows that changed.
    fn follow(&mut self, plan: Option<&[Planned]>, now: &str) -> Vec<i32> {
        let known: Vec<TaskReminder> = self.0.values().cloned().collect();
        let changed = follow(&known, task(), &user(), plan, at(now));
        let numbers = changed.iter().map(|row| row.number.get()).collect();
        self.0.extend(changed.into_iter().map(|row| (row.number, row)));
        numbers
    }

    fn of(due: &str, reminders: &[Reminder]) -> Self {
        let mut rows = Self::default();
        rows.follow(Some(&planned(due, reminders)), "2027-01-01T00:00:00Z");
        rows
    }

    fn change(&mut self, one: i32, change: impl FnOnce(TaskReminder) -> TaskReminder) {
        let row = change(self.0.remove(&number(one)).unwrap());
        self.0.insert(row.number, row);
    }

    fn fire(&mut self, one: i32, id: u128, now: &str) {
        self.change(one, |row| match row.fire(firing(id), at(now), LATE) {
            Fire::Fired(row) => row,
            other => panic!("{other:?}"),
        });
    }

    /// State, instant and generation of a row.
    fn told(&self, one: i32) -> (ReminderState, Instant, i64) {
        let row = &self.0[&number(one)];
        (row.state, row.remind_at, row.generation)
    }
}

fn planned(due: &str, reminders: &[Reminder]) -> Vec<Planned> {
    plan(Some(self::due(due)), BERLIN, reminders, ClockTime::NINE)
}

use ReminderState::{Cancelled, Dismissed, Failed, Fired, Missed, Pending, Sent};

const NOON: &str = "2027-01-15T12:00:00Z";
const HALF_PAST_ELEVEN: &str = "2027-01-15T11:30:00Z";

#[test]
fn a_row_follows_its_task() {
    let half_hour = [before(1_800)];
    let mut rows = Rows::of(NOON, &half_hour);
    assert_eq!(rows.told(1), (Pending, at(HALF_PAST_ELEVEN), 1));
    assert_eq!(rows.follow(Some(&planned(NOON, &half_hour)), "2027-01-02T00:00:00Z"), [], "nothing changed");

    // Moved, and moved back: an alarm of the first generation is stale all the same.
    assert_eq!(rows.follow(Some(&planned("2027-01-16T12:00:00Z", &half_hour)), "2027-01-03T00:00:00Z"), [1]);
    assert_eq!(rows.told(1), (Pending, at("2027-01-16T11:30:00Z"), 2));
    rows.follow(Some(&planned(NOON, &half_hour)), "2027-01-03T00:00:01Z");
    assert_eq!(rows.told(1), (Pending, at(HALF_PAST_ELEVEN), 3));

    // Another zone moves an all-day task's reminder, and nothing of a timed one's.
    let on = |zone| plan(Some(due("2027-01-15")), zone, &half_hour, ClockTime::NINE);
    rows.follow(Some(&on(BERLIN)), "2027-01-04T00:00:00Z");
    assert_eq!(rows.told(1), (Pending, at("2027-01-15T07:30:00Z"), 4));
    rows.follow(Some(&on(NEW_YORK)), "2027-01-04T00:00:01Z");
    assert_eq!(rows.told(1), (Pending, at("2027-01-15T13:30:00Z"), 5));
    let timed = plan(Some(due("2027-01-15T14:00:00Z")), BERLIN, &half_hour, ClockTime::NINE);
    assert_eq!(rows.follow(Some(&timed), "2027-01-04T00:00:02Z"), [], "the same instant");

    // One more, one less.
    let two = [before(1_800), before(60)];
    assert_eq!(rows.follow(Some(&planned("2027-01-15T14:00:00Z", &two)), "2027-01-05T00:00:00Z"), [2]);
    assert_eq!(rows.told(2), (Pending, at("2027-01-15T13:59:00Z"), 1));
    assert_eq!(rows.follow(Some(&planned("2027-01-15T14:00:00Z", &half_hour)), "2027-01-05T00:00:01Z"), [2]);
    assert_eq!(rows.told(2).0, Cancelled);
    rows.follow(Some(&planned("2027-01-15T14:00:00Z", &two)), "2027-01-05T00:00:02Z");
    assert_eq!(rows.told(2), (Pending, at("2027-01-15T13:59:00Z"), 2), "its earlier alarm is stale");
}

#[test]
fn other_channels_are_no_other_instant() {
    let mut rows = Rows::of(NOON, &[before(1_800), before(60)]);
    rows.fire(2, 7, "2027-01-15T11:59:00Z");
    let push = |seconds| Reminder { channels: vec![Channel::Push], ..before(seconds) };
    let changed = rows.follow(Some(&planned(NOON, &[push(1_800), push(60)])), "2027-01-15T12:00:00Z");
    assert_eq!(changed, [1], "what is on its way stays as it is");
    assert_eq!(rows.told(1), (Pending, at(HALF_PAST_ELEVEN), 1));
    assert_eq!(rows.0[&number(1)].channels, [Channel::Push]);
    assert_eq!(rows.0[&number(2)].channels, []);
}

#[test]
fn a_task_that_is_over_reminds_of_nothing_until_it_is_reopened() {
    let reminders = [before(3_600), before(1_800), before(60), before(0)];
    let mut rows = Rows::of(NOON, &reminders);
    rows.fire(1, 1, "2027-01-15T11:00:00Z");
    rows.change(1, |row| row.close(FiringEnd::Sent, at("2027-01-15T11:00:05Z")).unwrap());
    rows.fire(2, 2, HALF_PAST_ELEVEN);
    rows.change(3, |row| row.dismiss(at("2027-01-15T11:31:00Z")).unwrap());
    // Completed in the very instant of its first reminder, and after it.
    assert_eq!(rows.follow(None, HALF_PAST_ELEVEN), [2, 4]);
    let states = |rows: &Rows| [1, 2, 3, 4].map(|one| rows.told(one).0);
    assert_eq!(states(&rows), [Sent, Cancelled, Dismissed, Cancelled]);
    assert!(!rows.0[&number(2)].stands(firing(2)), "what was on its way is not sent any more");
    assert_eq!(rows.follow(None, "2027-01-15T11:40:00Z"), []);
    let stale = rows.0[&number(4)].clone().fire(firing(9), at(NOON), LATE);
    assert_eq!(stale, Fire::Over);

    rows.change(2, |row| row.close(FiringEnd::Failed, at("2027-01-15T11:44:00Z")).unwrap());
    assert_eq!(rows.told(2).0, Cancelled, "nobody was told");
    assert_eq!(rows.follow(Some(&planned(NOON, &reminders)), "2027-01-15T11:45:00Z"), [2, 4]);
    assert_eq!(states(&rows), [Sent, Pending, Dismissed, Pending]);
    assert_eq!(rows.told(2).2, 2);
    assert_eq!(rows.0[&number(2)].firing, None, "the next firing is another one");
    rows.fire(2, 3, "2027-01-15T11:45:01Z");
    assert!(rows.0[&number(2)].stands(firing(3)) && !rows.0[&number(2)].stands(firing(2)));
}

#[test]
fn what_was_sent_before_it_was_cancelled_was_sent() {
    let mut rows = Rows::of(NOON, &[before(1_800)]);
    rows.fire(1, 1, HALF_PAST_ELEVEN);
    rows.follow(None, "2027-01-15T11:30:01Z");
    let row = rows.0[&number(1)].clone();
    let closed = row.clone().close(FiringEnd::Failed, at(NOON)).unwrap();
    assert_eq!((closed.state, closed.firing), (Cancelled, None), "cancelled it stays");
    assert_eq!(row.close(FiringEnd::Sent, at(NOON)).unwrap().state, Sent);
    let pending = Rows::of(NOON, &[before(1_800)]);
    assert_eq!(pending.0[&number(1)].clone().close(FiringEnd::Sent, at(NOON)), None, "there is no firing");
}

#[test]
fn what_was_called_off_before_its_task_was_heard_to_be_over_comes_back_with_the_task() {
    let plan = planned(NOON, &[before(1_800)]);
    let mut rows = Rows::of(NOON, &[before(1_800)]);
    rows.fire(1, 1, HALF_PAST_ELEVEN);
    rows.change(1, |row| row.close(FiringEnd::CalledOff, at("2027-01-15T11:30:01Z")).unwrap());
    let row = rows.0[&number(1)].clone();
    assert_eq!((row.state, row.firing), (Cancelled, None));
    assert_eq!(row.close(FiringEnd::CalledOff, at(NOON)), None, "once");
    assert_eq!(rows.follow(None, "2027-01-15T11:30:02Z"), []);
    assert_eq!(rows.follow(Some(&plan), "2027-01-15T11:45:00Z"), [1]);
    assert_eq!((rows.told(1).0, rows.told(1).2), (Pending, 2));
    rows.fire(1, 2, "2027-01-15T11:45:01Z");
    rows.change(1, |row| row.close(FiringEnd::Sent, at("2027-01-15T11:45:02Z")).unwrap());
    for end in [FiringEnd::Failed, FiringEnd::CalledOff] {
        assert_eq!(rows.0[&number(1)].clone().close(end, at(NOON)), None, "what was sent was sent");
    }
}

#[test]
fn what_was_dismissed_is_not_called_off() {
    let mut rows = Rows::of(NOON, &[before(1_800)]);
    rows.fire(1, 1, HALF_PAST_ELEVEN);
    rows.change(1, |row| row.dismiss(at("2027-01-15T11:30:01Z")).unwrap());
    assert_eq!(rows.0[&number(1)].clone().close(FiringEnd::CalledOff, at(NOON)), None);
}

#[test]
fn what_became_of_a_reminder_stays_until_its_instant_moves() {
    let reminders = [before(1_800)];
    type Settle = fn(TaskReminder) -> TaskReminder;
    let settle: [(&str, Settle, ReminderState); 5] = [
        ("sent", |row| row.close(FiringEnd::Sent, at(NOON)).unwrap(), Sent),
        ("failed", |row| row.close(FiringEnd::Failed, at(NOON)).unwrap(), Failed),
        ("dismissed", |row| row.dismiss(at(NOON)).unwrap(), Dismissed),
        ("on its way", |row| row, Fired),
        ("snoozed", |row| row.snooze(at("2027-01-15T15:00:00Z"), at(NOON)).unwrap(), Pending),
    ];
    for (name, settle, state) in settle {
        let mut rows = Rows::of(NOON, &reminders);
        rows.fire(1, 1, HALF_PAST_ELEVEN);
        rows.change(1, settle);
        let before = rows.told(1);
        assert_eq!(before.0, state);
        assert_eq!(rows.follow(Some(&planned(NOON, &reminders)), "2027-01-15T12:00:01Z"), [], "{name}");
        assert_eq!(rows.told(1), before, "{name}");
        // An hour later.
        let moved = planned("2027-01-15T13:00:00Z", &reminders);
        assert_eq!(rows.follow(Some(&moved), "2027-01-15T12:00:02Z"), [1], "{name}");
        assert_eq!(rows.told(1), (Pending, at("2027-01-15T12:30:00Z"), before.2 + 1), "{name}");
        assert!(!rows.0[&number(1)].snoozed && rows.0[&number(1)].firing.is_none(), "{name}");
    }
}

#[test]
fn it_is_fired_once_and_not_too_late() {
    let row = || Rows::of(NOON, &[before(1_800)]).0.remove(&number(1)).unwrap();
    let table = [
        ("2027-01-15T11:29:57.999999Z", "not yet"),
        // The clock that rings alarms may be ahead by two seconds.
        ("2027-01-15T11:29:58Z", "fired"),
        (HALF_PAST_ELEVEN, "fired"),
        ("2027-01-16T11:30:00Z", "fired"),
        ("2027-01-16T11:30:00.000001Z", "missed"),
        ("2028-01-01T00:00:00Z", "missed"),
    ];
    for (now, expect) in table {
        match row().fire(firing(1), at(now), LATE) {
            Fire::NotYet => assert_eq!(expect, "not yet", "{now}"),
            Fire::Fired(row) => {
                assert_eq!((expect, row.state), ("fired", Fired), "{now}");
                assert_eq!(row.firing.map(|firing| (firing.id, firing.time)), Some((firing(1), at(now))));
                assert_eq!(row.fire(firing(2), at(now), LATE), Fire::Over, "once");
            }
            Fire::Missed(row) => {
                assert_eq!((expect, row.state, row.firing), ("missed", Missed, None), "{now}");
                assert_eq!(row.fire(firing(2), at(now), LATE), Fire::Over);
            }
            Fire::Over => panic!("{now}"),
        }
    }
}

#[test]
fn a_reminder_can_be_put_off_from_every_state_but_one() {
    let now = at("2027-01-15T11:31:00Z");
    let until = at("2027-01-15T11:40:00Z");
    for state in ReminderState::ALL {
        let mut row = Rows::of(NOON, &[before(1_800)]).0.remove(&number(1)).unwrap();
        row.state = state;
        let snoozed = row.clone().snooze(until, now);
        if state == Cancelled {
            assert_eq!(snoozed.unwrap_err().to_string(), "the reminder is CANCELLED");
            continue;
        }
        let snoozed = snoozed.unwrap();
        assert_eq!((snoozed.state, snoozed.remind_at, snoozed.generation), (Pending, until, 2), "{state:?}");
        assert!(snoozed.snoozed && snoozed.planned_at == at(HALF_PAST_ELEVEN));
        assert_eq!(snoozed.clone().snooze(until, now).unwrap(), snoozed, "once more is no more");
        assert!(matches!(snoozed.fire(firing(2), until, LATE), Fire::Fired(_)));
    }
}

#[test]
fn what_was_given_can_not_be_dismissed() {
    let now = at("2027-01-15T11:31:00Z");
    for state in ReminderState::ALL {
        let mut row = Rows::of(NOON, &[before(1_800)]).0.remove(&number(1)).unwrap();
        row.state = state;
        let dismissed = row.clone().dismiss(now);
        match state {
            Pending | Fired => assert_eq!(dismissed.unwrap().state, Dismissed),
            Dismissed => assert_eq!(dismissed.unwrap(), row, "repeating it changes nothing"),
            _ => assert_eq!(dismissed.unwrap_err().state, state),
        }
        assert_eq!(ReminderState::from_name(state.name()), Some(state));
    }
}

#[test]
fn a_past_that_moves_reminds_nobody_again() {
    use ReminderState::{Fired, Missed, Pending, Sent};
    let old = planned("2027-01-15T10:00:00Z", &[before(0)]);
    let moved = planned("2027-01-15T11:00:00Z", &[before(0)]);
    let now = "2027-01-15T12:00:00Z";
    for given in [Sent, Missed, Fired] {
        let mut rows = Rows::of("2027-01-15T10:00:00Z", &[before(0)]);
        rows.fire(1, 7, "2027-01-15T10:00:00Z");
        rows.change(1, |row| TaskReminder { state: given, ..row });
        assert_eq!(rows.follow(Some(&moved), now), [0; 0], "{given:?}");
        // Into the future it is another reminder.
        assert_eq!(rows.follow(Some(&planned("2027-01-16T10:00:00Z", &[before(0)])), now), [1]);
        assert_eq!(rows.told(1), (Pending, at("2027-01-16T10:00:00Z"), 2), "{given:?}");
    }
    // What was not given yet is given.
    let mut rows = Rows::of("2027-01-17T10:00:00Z", &[before(0)]);
    assert_eq!(rows.follow(Some(&old), now), [1]);
    assert_eq!(rows.told(1), (Pending, at("2027-01-15T10:00:00Z"), 2));
}

#[test]
fn a_task_that_is_reopened_while_it_is_told_of_is_told_of_once() {
    let plan = planned("2027-01-15T10:00:00Z", &[before(0)]);
    let mut rows = Rows::of("2027-01-15T10:00:00Z", &[before(0)]);
    rows.fire(1, 7, "2027-01-15T10:00:00Z");
    assert_eq!(rows.follow(None, "2027-01-15T10:00:01Z"), [1]);
    assert_eq!(rows.told(1).0, ReminderState::Cancelled);
    assert_eq!(rows.follow(Some(&plan), "2027-01-15T10:00:02Z"), [1]);
    assert_eq!(rows.told(1), (ReminderState::Fired, at("2027-01-15T10:00:00Z"), 1));
    rows.change(1, |row| row.close(FiringEnd::Sent, at("2027-01-15T10:00:03Z")).unwrap());
    assert_eq!(rows.told(1).0, ReminderState::Sent);
}

#[test]
fn numbers_that_shift_give_nothing_twice() {
    let (early, late) = (before(3_600), before(1_800));
    let mut rows = Rows::of(NOON, &[early, late.clone(), before(0)]);
    rows.fire(1, 1, "2027-01-15T11:00:00Z");
    rows.change(1, |row| row.close(FiringEnd::Sent, at("2027-01-15T11:00:05Z")).unwrap());
    rows.fire(2, 2, HALF_PAST_ELEVEN);
    rows.change(2, |row| row.close(FiringEnd::Sent, at("2027-01-15T11:30:05Z")).unwrap());
    rows.change(3, |row| row.snooze(at("2027-01-15T13:00:00Z"), at("2027-01-15T11:31:00Z")).unwrap());

    // The first one goes, so the second becomes the first, and the third the second.
    let fewer = planned(NOON, &[late, before(0)]);
    assert_eq!(rows.follow(Some(&fewer), "2027-01-15T11:32:00Z"), [1, 2, 3]);
    assert_eq!(rows.told(1), (Sent, at(HALF_PAST_ELEVEN), 2));
    assert_eq!(rows.told(2), (Pending, at("2027-01-15T13:00:00Z"), 2));
    assert!(rows.0[&number(2)].snoozed);
    assert_eq!(rows.told(3).0, Cancelled);
    assert_eq!(rows.follow(Some(&fewer), "2027-01-15T11:33:00Z"), [], "and that is all");

    // One more at an instant that has been dismissed is a reminder of its own.
    let mut rows = Rows::of(NOON, &[before(60)]);
    rows.change(1, |row| row.dismiss(at(HALF_PAST_ELEVEN)).unwrap());
    assert_eq!(rows.follow(Some(&planned(NOON, &[before(60), before(60)])), HALF_PAST_ELEVEN), [2]);
    assert_eq!((rows.told(1).0, rows.told(2).0), (Dismissed, Pending));
}
