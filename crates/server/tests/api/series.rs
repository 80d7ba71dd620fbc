//! Tasks that repeat: what comes next, once; what is taken back; what would come.

use chrono::TimeDelta;
use docket_domain::content::{Content, Due, Priority};
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Pattern as Unit, Recurrence};
use docket_domain::{Description, SeriesId, Tags, Task, TaskId, Title};
use docket_proto::v1;
use docket_proto::v1::create_task_request::OccurrenceOf;
use docket_proto::v1::preview_occurrences_request::Source;
use docket_proto::v1::recurrence::{End as ProtoEnd, Pattern};
use docket_proto::v1::task::State;
use docket_testkit::{User, at, due, once, repeating};
use futures::future::join_all;
use tonic::{Response, Status};
use uuid::Uuid;

use crate::harness::{Api, fields_at_fault, now, outcome, uuid};

const FIRST: &str = "2027-03-22T08:00:00Z";
/// A week later on the wall clock, with one hour less in between.
const SECOND: &str = "2027-03-29T07:00:00Z";

fn weekly(due: &str) -> v1::Task {
    repeating("Water the plants", Pattern::Weekly, due, "Europe/Berlin")
}

/// Asks for the occurrence after a completion, as the service does that hears of it.
async fn occurrence(api: &Api, completed: &v1::Task, version: i64) -> Result<v1::Task, Status> {
    let occurrence_of = OccurrenceOf { task_id: completed.task_id.clone(), version };
    let request = v1::CreateTaskRequest {
        task: Some(weekly(SECOND)),
        request_id: uuid(),
        occurrence_of: Some(occurrence_of),
        ..Default::default()
    };
    let service = api.service().acting_for(&completed.user_id);
    service.tasks().create_task(request).await.map(Response::into_inner)
}

pub(crate) async fn reopen(user: &User, task: &v1::Task) -> Result<v1::Task, Status> {
    let request = v1::ReopenTaskRequest { task_id: task.task_id.clone(), ..Default::default() };
    user.tasks().reopen_task(request).await.map(Response::into_inner)
}

async fn rename(user: &User, task: &v1::Task, title: &str) -> v1::Task {
    let task = Some(v1::Task { task_id: task.task_id.clone(), ..once(title) });
    let request = v1::UpdateTaskRequest { task, ..Default::default() };
    user.tasks().update_task(request).await.unwrap().into_inner()
}

async fn delete(user: &User, task: &v1::Task) -> v1::Task {
    let request = v1::DeleteTaskRequest { task_id: task.task_id.clone(), ..Default::default() };
    user.tasks().delete_task(request).await.unwrap().into_inner()
}

async fn get(user: &User, task: &v1::Task) -> v1::Task {
    let request = v1::GetTaskRequest { task_id: task.task_id.clone() };
    user.tasks().get_task(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_has_one_next_occurrence_however_often_it_is_asked_for() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice.create(weekly(FIRST)).await;
    let completed = alice.complete(&task).await;

    let answers = join_all((0..5).map(|_| occurrence(&api, &completed, 2))).await;
    let answers: Vec<v1::Task> = answers.into_iter().map(Result::unwrap).collect();
    let next = &answers[0];
    assert!(answers.iter().all(|answer| answer == next), "{answers:?}");
    assert_eq!((next.state(), next.version, due(next).as_str()), (State::Open, 1, SECOND));
    assert_eq!((next.user_id.as_str(), next.series_id.as_str()), ("alice", task.series_id.as_str()));
    assert_eq!(next.occurrence_time, Some(at(SECOND)));
    assert_eq!(alice.all_tasks().await, [completed, next.clone()]);
}

#[tokio::test]
async fn an_edit_or_a_deletion_after_the_completion_does_not_stop_the_series() {
    let api = Api::start().await;
    let alice = api.user("alice");
    for change in ["rename", "delete"] {
        let task = alice.create(weekly(FIRST)).await;
        let completed = alice.complete(&task).await;
        match change {
            "rename" => rename(&alice, &task, "Water them well").await,
            _ => delete(&alice, &task).await,
        };
        let next = occurrence(&api, &completed, 2).await.unwrap();
        assert_eq!(due(&next), SECOND, "after {change}");
    }
}

#[tokio::test]
async fn only_the_completion_that_was_named_has_a_next_occurrence() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let refused =
        |task: &v1::Task| format!("FailedPrecondition PREDECESSOR_CHANGED task_id={}", task.task_id);

    let task = alice.create(weekly(FIRST)).await;
    assert_eq!(outcome(&occurrence(&api, &task, 1).await), refused(&task), "open");
    let completed = alice.complete(&task).await;
    for version in [1, 3] {
        assert_eq!(outcome(&occurrence(&api, &completed, version).await), refused(&task), "v{version}");
    }
    reopen(&alice, &task).await.unwrap();
    assert_eq!(outcome(&occurrence(&api, &completed, 2).await), refused(&task), "opened again");
    alice.complete(&task).await;
    assert_eq!(outcome(&occurrence(&api, &completed, 2).await), refused(&task), "the completion before");
    assert_eq!(alice.all_tasks().await.len(), 1);
    occurrence(&api, &completed, 4).await.unwrap();

    let single = alice.create(once("No rule")).await;
    let single = alice.complete(&single).await;
    assert_eq!(outcome(&occurrence(&api, &single, 2).await), refused(&single), "no rule");
    let mut last = weekly(FIRST);
    last.recurrence.as_mut().unwrap().end = Some(ProtoEnd::Count(1));
    let last = alice.create(last).await;
    let last = alice.complete(&last).await;
    assert_eq!(outcome(&occurrence(&api, &last, 2).await), refused(&last), "the rule has ended");
}

#[tokio::test]
async fn a_check_for_an_occurrence_stores_nothing() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice.create(weekly(FIRST)).await;
    let completed = alice.complete(&task).await;
    let request = v1::CreateTaskRequest {
        task: Some(weekly(SECOND)),
        validate_only: true,
        occurrence_of: Some(OccurrenceOf { task_id: task.task_id.clone(), version: 2 }),
        ..Default::default()
    };
    let answer = api.service().acting_for("alice").tasks().create_task(request).await;
    let would_be = answer.unwrap().into_inner();
    assert_eq!((due(&would_be).as_str(), would_be.series_id), (SECOND, task.series_id));
    assert_eq!(alice.all_tasks().await, [completed]);
}

#[tokio::test]
async fn an_untouched_next_occurrence_is_taken_back_and_comes_again() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice.create(weekly(FIRST)).await;
    let completed = alice.complete(&task).await;
    let next = occurrence(&api, &completed, 2).await.unwrap();

    let reopened = reopen(&alice, &task).await.unwrap();
    assert_eq!((reopened.state(), reopened.version), (State::Open, 3));
    assert!(get(&alice, &next).await.delete_time.is_some(), "in the same step");
    assert_eq!(alice.all_tasks().await, [reopened]);

    let completed = alice.complete(&task).await;
    let fresh = occurrence(&api, &completed, 4).await.unwrap();
    assert_ne!(fresh.task_id, next.task_id);
    assert_eq!(fresh.occurrence_time, next.occurrence_time);
    assert_eq!(alice.all_tasks().await, [completed, fresh]);
}

#[tokio::test]
async fn a_touched_next_occurrence_is_not_taken_back() {
    let api = Api::start().await;
    let alice = api.user("alice");
    for touch in ["rename", "complete", "complete and delete"] {
        let task = alice.create(weekly(FIRST)).await;
        let completed = alice.complete(&task).await;
        let next = occurrence(&api, &completed, 2).await.unwrap();
        let touched = match touch {
            "rename" => rename(&alice, &next, "Water them well").await,
            "complete" => alice.complete(&next).await,
            _ => {
                alice.complete(&next).await;
                delete(&alice, &next).await
            }
        };
        let expect = format!(
            "FailedPrecondition SUCCESSOR_CHANGED successor_id={} task_id={}",
            next.task_id, task.task_id
        );
        assert_eq!(outcome(&reopen(&alice, &task).await), expect, "{touch}");
        assert_eq!([get(&alice, &task).await, get(&alice, &next).await], [completed, touched], "{touch}");
    }
    // One that its owner deleted without completing it stands in nobody's way.
    let task = alice.create(weekly(FIRST)).await;
    let completed = alice.complete(&task).await;
    let next = occurrence(&api, &completed, 2).await.unwrap();
    delete(&alice, &next).await;
    assert_eq!(reopen(&alice, &task).await.unwrap().state(), State::Open);
}

#[tokio::test]
async fn a_task_joins_and_leaves_a_series_by_its_rule() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice.create(v1::Task { recurrence: None, ..weekly(FIRST) }).await;
    assert_eq!((task.series_id.as_str(), task.occurrence_time), ("", None));
    let change = async |recurrence| {
        let changed = v1::Task { task_id: task.task_id.clone(), recurrence, ..Default::default() };
        let mask = pbjson_types::FieldMask { paths: vec!["recurrence".to_owned()] };
        let request =
            v1::UpdateTaskRequest { task: Some(changed), update_mask: Some(mask), ..Default::default() };
        alice.tasks().update_task(request).await.unwrap().into_inner()
    };
    let joined = change(weekly(FIRST).recurrence).await;
    assert!(!joined.series_id.is_empty());
    assert_eq!(joined.occurrence_time, Some(at(FIRST)));
    assert_eq!(change(None).await.series_id, "");
    assert_eq!(change(weekly(FIRST).recurrence).await.series_id, joined.series_id, "its own again");
    let completed = alice.complete(&task).await;
    assert_eq!(due(&occurrence(&api, &completed, 5).await.unwrap()), SECOND);
}

/// A weekly task that was completed a while ago.
fn completed_before(age: TimeDelta) -> Task {
    let (completed, zone) = (now() - age, "Europe/Berlin".parse().unwrap());
    let content = Content {
        title: Title::parse("Water the plants").unwrap(),
        description: Description::default(),
        priority: Priority::default(),
        tags: Tags::default(),
        due: Some(Due::At(FIRST.parse().unwrap())),
        time_zone: zone,
        recurrence: Some(Recurrence {
            pattern: Unit::Weekly,
            interval: 1,
            anchor: Anchor::default(),
            month_end: MonthEnd::default(),
            missed: Missed::default(),
            end: End::Never,
        }),
        reminders: Vec::new(),
    };
    let (id, series) = (TaskId::from_uuid(Uuid::now_v7()), SeriesId::from_uuid(Uuid::now_v7()));
    let created = Task::create(id, "alice".parse().unwrap(), content, series, completed).after;
    created.complete(completed).unwrap().after
}

#[tokio::test]
async fn a_completion_that_nothing_followed_is_a_gap_after_a_minute() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let store = api.store().await;
    for seconds in [3_600, 1_800, 61, 20] {
        let task = completed_before(TimeDelta::seconds(seconds));
        let (task, series) = (&task, &task.series.unwrap());
        let stored: Result<(), docket_store::Error> = store
            .transaction(|tx| {
                Box::pin(async move {
                    tx.task_insert(task).await?;
                    tx.occurrence_claim(task.id, series, None).await?;
                    tx.sequence_advance(&task.user_id, &[task.id]).await
                })
            })
            .await;
        stored.unwrap();
    }
    store.close().await.unwrap();
    let recurring = alice.create(weekly(FIRST)).await;
    alice.complete(&recurring).await;

    let gaps = async |page_size: i32| {
        let mut request = v1::ListSeriesGapsRequest { page_size, ..Default::default() };
        let mut gaps = Vec::new();
        loop {
            let page = api.service().tasks().list_series_gaps(request.clone()).await.unwrap().into_inner();
            assert_eq!(page.tasks.len(), page.repairs.len());
            gaps.extend(page.tasks.into_iter().zip(page.repairs));
            if page.next_page_token.is_empty() {
                return gaps;
            }
            request.page_token = page.next_page_token;
        }
    };
    let found = gaps(2).await;
    assert_eq!(found.len(), 3, "neither the one that may still be on its way, nor the fresh one: {found:?}");
    assert!(found.is_sorted_by_key(|(task, _)| task.complete_time.unwrap().seconds), "oldest first");
    assert_eq!(gaps(0).await, found);

    // Repaired, renamed, opened again: none is a gap any more, but the renamed one.
    repair(&api, &found[0]).await;
    let renamed = rename(&alice, &found[1].0, "Water them well").await;
    reopen(&alice, &found[2].0).await.unwrap();
    let left = gaps(0).await;
    assert_eq!(left.iter().map(|(task, _)| task).collect::<Vec<_>>(), [&renamed]);
    rename(&alice, &found[0].0, "Water them well").await;
    assert_eq!(gaps(0).await.len(), 1, "a new title does not open a gap again");
    let next = repair(&api, &left[0]).await;
    assert_eq!(next.title, "Water them well", "the next occurrence is as the task is now");
    assert_eq!(gaps(0).await, []);
}

/// Makes the call that closes a gap, and answers the occurrence.
async fn repair(api: &Api, (task, call): &(v1::Task, v1::CreateTaskRequest)) -> v1::Task {
    let expect = OccurrenceOf { task_id: task.task_id.clone(), version: 2 };
    assert_eq!(call.occurrence_of, Some(expect), "the version of its completion, whatever came after");
    let service = api.service().acting_for(&task.user_id);
    let next = service.tasks().create_task(call.clone()).await.unwrap().into_inner();
    let following = api.user(&task.user_id).series_of(task).await;
    assert_eq!(
        following.iter().map(|task| &task.task_id).collect::<Vec<_>>(),
        [&task.task_id, &next.task_id]
    );
    next
}

pub(crate) async fn preview(
    user: &User,
    source: Source,
    page_size: i32,
) -> Result<Vec<(String, String)>, Status> {
    let request = v1::PreviewOccurrencesRequest { source: Some(source), page_size };
    let answer = user.tasks().preview_occurrences(request).await?.into_inner();
    let due = |occurrence: &v1::preview_occurrences_response::Occurrence| {
        use v1::preview_occurrences_response::occurrence::Due;
        let due = occurrence.due.clone().map(|due| match due {
            Due::DueTime(time) => v1::task::Due::DueTime(time),
            Due::DueDate(day) => v1::task::Due::DueDate(day),
        });
        docket_testkit::due(&v1::Task { due, ..Default::default() })
    };
    Ok(answer.occurrences.iter().map(|one| (due(one), one.local_time.clone())).collect())
}

/// Name, task, when it is due in UTC and on the wall clock.
type Strikes<'a> = (&'a str, v1::Task, &'a [(&'a str, &'a str)]);

#[tokio::test]
async fn a_preview_shows_when_a_rule_strikes() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let all_day = |pattern, day: &str| v1::Task {
        due: Some(v1::task::Due::DueDate(day.to_owned())),
        ..repeating("All day", pattern, FIRST, "Europe/Berlin")
    };
    let rent = repeating("Rent", Pattern::Monthly, "2027-01-31T08:00:00Z", "Europe/Berlin");
    let mut skipping = rent.clone();
    skipping.recurrence.as_mut().unwrap().set_month_end(v1::recurrence::MonthEnd::Skip);
    let mut twice = rent.clone();
    twice.recurrence.as_mut().unwrap().end = Some(ProtoEnd::Count(2));

    let table: [Strikes<'_>; 5] = [
        // Nine o'clock stays nine o'clock, and the 31st comes back after the months without one.
        (
            "month ends",
            rent.clone(),
            &[
                ("2027-01-31T08:00:00Z", "2027-01-31T09:00:00+01:00"),
                ("2027-02-28T08:00:00Z", "2027-02-28T09:00:00+01:00"),
                ("2027-03-31T07:00:00Z", "2027-03-31T09:00:00+02:00"),
                ("2027-04-30T07:00:00Z", "2027-04-30T09:00:00+02:00"),
            ],
        ),
        (
            "left out",
            skipping,
            &[
                ("2027-01-31T08:00:00Z", "2027-01-31T09:00:00+01:00"),
                ("2027-03-31T07:00:00Z", "2027-03-31T09:00:00+02:00"),
                ("2027-05-31T07:00:00Z", "2027-05-31T09:00:00+02:00"),
                ("2027-07-31T07:00:00Z", "2027-07-31T09:00:00+02:00"),
            ],
        ),
        (
            "an end",
            twice,
            &[
                ("2027-01-31T08:00:00Z", "2027-01-31T09:00:00+01:00"),
                ("2027-02-28T08:00:00Z", "2027-02-28T09:00:00+01:00"),
            ],
        ),
        (
            "all-day",
            all_day(Pattern::Daily, "2027-03-27"),
            &[
                ("2027-03-27", "2027-03-27"),
                ("2027-03-28", "2027-03-28"),
                ("2027-03-29", "2027-03-29"),
                ("2027-03-30", "2027-03-30"),
            ],
        ),
        (
            "leap day",
            all_day(Pattern::Yearly, "2028-02-29"),
            &[
                ("2028-02-29", "2028-02-29"),
                ("2029-02-28", "2029-02-28"),
                ("2030-02-28", "2030-02-28"),
                ("2031-02-28", "2031-02-28"),
            ],
        ),
    ];
    for (name, task, expect) in table {
        let expect: Vec<(String, String)> =
            expect.iter().map(|(due, local)| ((*due).to_owned(), (*local).to_owned())).collect();
        assert_eq!(preview(&alice, Source::Task(task.clone()), 4).await.unwrap(), expect, "{name}");
        // Of a task that exists, what comes after it.
        let task = alice.create(task).await;
        let mut after = preview(&alice, Source::TaskId(task.task_id), 3).await.unwrap();
        after.insert(0, expect[0].clone());
        assert_eq!(after, expect, "{name}, stored");
    }
    let before = alice.all_tasks().await.len();
    assert_eq!(preview(&alice, Source::Task(rent.clone()), 0).await.unwrap().len(), 10);
    assert_eq!(preview(&alice, Source::Task(rent), 1_000).await.unwrap().len(), 100);
    assert_eq!(alice.all_tasks().await.len(), before, "a preview stores nothing");
    let single = alice.create(once("No rule")).await;
    assert_eq!(preview(&alice, Source::TaskId(single.task_id), 4).await.unwrap(), []);
    let status = preview(&alice, Source::Task(once("No rule")), -1).await.unwrap_err();
    assert_eq!(fields_at_fault(&status), ["task.recurrence", "page_size"]);
}
