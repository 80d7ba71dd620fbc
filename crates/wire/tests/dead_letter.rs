//! What requests about dead letters mean, and that everything wrong with one is told at once.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what they did not expect")]

use docket_domain::LetterState;
use docket_proto::v1;
use docket_proto::v1::dead_letter::State;
use docket_wire::request::{self, Letters, LettersFilter};
use docket_wire::{InvalidFields, Violations};
use pbjson_types::Timestamp;

const ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";
const OTHER_ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e20";

fn fields<T: std::fmt::Debug>(result: Result<T, InvalidFields>) -> Vec<String> {
    result.unwrap_err().0.into_iter().map(|violation| violation.field).collect()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn states(states: &[State]) -> Option<v1::DeadLetterFilter> {
    let states = states.iter().map(|state| i32::from(*state)).collect();
    Some(v1::DeadLetterFilter { states, ..Default::default() })
}

#[test]
fn a_filter_is_read_whole() {
    let request = v1::ListDeadLettersRequest {
        filter: Some(v1::DeadLetterFilter {
            states: vec![State::Replayed.into(), State::Open.into(), State::Replayed.into()],
            topic: "task-events".to_owned(),
            handler: "audit".to_owned(),
            event_type: "com.todo.task.created".to_owned(),
            key: "k".to_owned(),
            start_time: Some(Timestamp { seconds: 1, nanos: 0 }),
            end_time: Some(Timestamp { seconds: 2, nanos: 0 }),
        }),
        page_size: 501,
        page_token: "p".to_owned(),
    };
    let asked = request::list_letters(&request).unwrap();
    assert_eq!((asked.page_size, asked.page_token.as_str()), (500, "p"));
    let expect = LettersFilter {
        states: vec![LetterState::Replayed, LetterState::Open],
        topic: Some("task-events".to_owned()),
        handler: Some("audit".to_owned()),
        event_type: Some("com.todo.task.created".to_owned()),
        key: Some("k".to_owned()),
        start: Some("1970-01-01T00:00:01Z".parse().unwrap()),
        end: Some("1970-01-01T00:00:02Z".parse().unwrap()),
    };
    assert_eq!(asked.filter, expect);
    let all = request::list_letters(&v1::ListDeadLettersRequest::default()).unwrap();
    assert_eq!((all.page_size, all.filter), (50, LettersFilter::default()));
}

#[test]
fn letters_are_named_or_chosen() {
    let named = v1::ReplayDeadLettersRequest {
        dead_letter_ids: ids(&[OTHER_ID, ID, OTHER_ID]),
        only_failed_handler: true,
        ..Default::default()
    };
    let asked = request::replay_letters(&named).unwrap();
    assert_eq!(asked.letters, Letters::Named(vec![ID.parse().unwrap(), OTHER_ID.parse().unwrap()]));
    assert!(asked.only_failed_handler && !asked.validate_only);

    let chosen = v1::ReplayDeadLettersRequest { filter: states(&[]), ..Default::default() };
    let asked = request::replay_letters(&chosen).unwrap();
    let open = LettersFilter { states: vec![LetterState::Open], ..LettersFilter::default() };
    assert_eq!(asked.letters, Letters::Chosen(open.clone()), "no state means open ones");

    let discard = |filter| v1::DiscardDeadLettersRequest {
        filter,
        reason: " painted by mistake ".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    let asked = request::discard_letters(&discard(states(&[]))).unwrap();
    assert_eq!(asked.letters, Letters::Chosen(open));
    assert_eq!((asked.reason.as_str(), asked.validate_only), ("painted by mistake", true));
    let asked = request::discard_letters(&discard(states(&[State::Replayed]))).unwrap();
    let Letters::Chosen(filter) = asked.letters else { panic!("{asked:?}") };
    assert_eq!(filter.states, [LetterState::Replayed]);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let filter = Some(v1::DeadLetterFilter {
        states: vec![State::Discarded.into(), 0, 9],
        topic: "t".repeat(1_025),
        handler: "a\0b".to_owned(),
        key: "k".repeat(1_024),
        start_time: Some(Timestamp { seconds: 2, nanos: 0 }),
        end_time: Some(Timestamp { seconds: 2, nanos: 0 }),
        ..Default::default()
    });
    let list = v1::ListDeadLettersRequest { page_size: -1, filter: filter.clone(), ..Default::default() };
    let of_filter = ["filter.topic", "filter.handler", "filter.end_time"];
    let expect = [&["page_size", "filter.states[1]", "filter.states[2]"][..], &of_filter].concat();
    assert_eq!(fields(request::list_letters(&list)), expect);

    let replay = v1::ReplayDeadLettersRequest {
        dead_letter_ids: ids(&[ID]),
        filter: filter.clone(),
        ..Default::default()
    };
    let expect =
        [&["filter", "filter.states[0]", "filter.states[1]", "filter.states[2]"][..], &of_filter].concat();
    assert_eq!(fields(request::replay_letters(&replay)), expect);

    let discard = v1::DiscardDeadLettersRequest { filter, ..Default::default() };
    let expect = [&expect[1..], &["reason"]].concat();
    assert_eq!(fields(request::discard_letters(&discard)), expect);
}

#[test]
fn letters_that_nobody_named_are_not_touched() {
    let replay =
        |ids: Vec<String>| v1::ReplayDeadLettersRequest { dead_letter_ids: ids, ..Default::default() };
    let check = |request: v1::ReplayDeadLettersRequest, expect: &[&str]| {
        assert_eq!(fields(request::replay_letters(&request)), expect);
    };
    check(replay(Vec::new()), &["dead_letter_ids"]);
    check(replay(ids(&[ID, "7", ""])), &["dead_letter_ids[1]", "dead_letter_ids[2]"]);
    check(replay(vec![ID.to_owned(); 1_001]), &["dead_letter_ids"]);
    check(
        replay(vec!["x".to_owned(); 1_000]),
        &(0..Violations::MAX)
            .map(|i| format!("dead_letter_ids[{i}]"))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    assert_eq!(fields(request::get_letter(&v1::GetDeadLetterRequest::default())), ["dead_letter_id"]);

    let discard = |reason: &str| v1::DiscardDeadLettersRequest {
        dead_letter_ids: ids(&[ID]),
        reason: reason.to_owned(),
        ..Default::default()
    };
    for reason in ["", "  ", &"ä".repeat(501), "two\nlines"] {
        assert_eq!(fields(request::discard_letters(&discard(reason))), ["reason"], "{reason:?}");
    }
    assert!(request::discard_letters(&discard(&"ä".repeat(500))).is_ok());
}
