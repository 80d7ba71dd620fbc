//! Requests about dead letters: by whom, which, and why.

use docket_proto::v1::dead_letter::State;
use docket_proto::v1::{
    DeadLetterFilter, DiscardDeadLettersRequest, GetDeadLetterRequest, ListDeadLettersRequest,
    ReplayDeadLettersRequest,
};
use pbjson_types::Timestamp;
use prost::Message;

use super::call::Call;
use super::{Row, World, at_fault, good, row};
use crate::harness::uuid;

/// A call of Carol's, who looks after dead letters.
fn call(world: &World, method: &str, message: &impl Message) -> Call {
    Call::of(&format!("/docket.v1.DeadLetterService/{method}"), message).bearer(&world.carol)
}

pub(super) fn rows(world: &World) -> Vec<Row> {
    [strangers(world), names(world), filters(world), reasons(world)].concat()
}

/// Who has not the scope is told nothing else, however wrong the request is.
fn strangers(world: &World) -> Vec<Row> {
    let missing = "PermissionDenied MISSING_SCOPE scope=deadletters:admin";
    let get = |dead_letter_id: String| GetDeadLetterRequest { dead_letter_id };
    let list = ListDeadLettersRequest { page_size: -1, ..Default::default() };
    vec![
        row(
            "GetDeadLetter by a user",
            call(world, "GetDeadLetter", &get(uuid())).bearer(&world.alice),
            missing,
        ),
        row(
            "GetDeadLetter by a user, of none",
            call(world, "GetDeadLetter", &get(String::new())).bearer(&world.alice),
            missing,
        ),
        row("ListDeadLetters by a user", call(world, "ListDeadLetters", &list).bearer(&world.bob), missing),
    ]
}

/// Requests that name letters.
fn names(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, id) in [("no", ""), ("a short", "7"), ("the nil", "00000000-0000-0000-0000-000000000000")] {
        let get = GetDeadLetterRequest { dead_letter_id: id.to_owned() };
        let replay =
            ReplayDeadLettersRequest { dead_letter_ids: vec![uuid(), id.to_owned()], ..Default::default() };
        let discard = DiscardDeadLettersRequest {
            dead_letter_ids: replay.dead_letter_ids.clone(),
            reason: "why not".to_owned(),
            ..Default::default()
        };
        let second = at_fault(&["dead_letter_ids[1]"]);
        rows.extend([
            row(
                format!("GetDeadLetter with {name} name"),
                call(world, "GetDeadLetter", &get),
                at_fault(&["dead_letter_id"]),
            ),
            row(
                format!("ReplayDeadLetters with {name} name"),
                call(world, "ReplayDeadLetters", &replay),
                &second,
            ),
            row(
                format!("DiscardDeadLetters with {name} name"),
                call(world, "DiscardDeadLetters", &discard),
                &second,
            ),
        ]);
    }
    let replay = |request: ReplayDeadLettersRequest| call(world, "ReplayDeadLetters", &request);
    let unknown = uuid();
    let of = |dead_letter_ids: Vec<String>| ReplayDeadLettersRequest {
        dead_letter_ids,
        validate_only: true,
        ..Default::default()
    };
    let both = ReplayDeadLettersRequest { filter: Some(DeadLetterFilter::default()), ..of(vec![uuid()]) };
    rows.extend([
        row("a replay of nothing", replay(of(Vec::new())), at_fault(&["dead_letter_ids"])),
        row("a replay of 1,001", replay(of(vec![uuid(); 1_001])), at_fault(&["dead_letter_ids"])),
        row("a replay of some and of all", replay(both), at_fault(&["filter"])),
        row(
            "a replay of an unknown one",
            replay(of(vec![unknown.clone()])),
            format!("NotFound DEAD_LETTER_NOT_FOUND dead_letter_id={unknown}"),
        )
        .after_a_look(),
    ]);
    rows
}

/// Filters that can not be.
fn filters(world: &World) -> Vec<Row> {
    let replay = |filter: &DeadLetterFilter| {
        let request = ReplayDeadLettersRequest {
            filter: Some(filter.clone()),
            validate_only: true,
            ..Default::default()
        };
        call(world, "ReplayDeadLetters", &request)
    };
    let list = |filter: &DeadLetterFilter| {
        let request = ListDeadLettersRequest { filter: Some(filter.clone()), ..Default::default() };
        call(world, "ListDeadLetters", &request)
    };
    let states = |states: &[i32]| DeadLetterFilter { states: states.to_vec(), ..Default::default() };
    let text = |field: &str, text: &str| {
        let mut filter = DeadLetterFilter::default();
        match field {
            "topic" => filter.topic = text.to_owned(),
            "handler" => filter.handler = text.to_owned(),
            "event_type" => filter.event_type = text.to_owned(),
            _ => filter.key = text.to_owned(),
        }
        filter
    };
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let mut rows = Vec::new();
    for field in ["topic", "handler", "event_type", "key"] {
        let fault = at_fault(&[&format!("filter.{field}")]);
        rows.extend([
            row(format!("a {field} of 1,025 bytes"), list(&text(field, &"x".repeat(1_025))), &fault),
            row(format!("a {field} with NUL"), replay(&text(field, "a\0")), &fault),
            good(format!("a {field} that nothing has"), list(&text(field, "'; DROP TABLE dead_letters"))),
        ]);
    }
    let discarded = State::Discarded.into();
    rows.extend([
        row("an unspecified state", list(&states(&[1, 0])), at_fault(&["filter.states[1]"])),
        row("an unknown state", list(&states(&[9])), at_fault(&["filter.states[0]"])),
        row("a replay of the discarded", replay(&states(&[1, discarded])), at_fault(&["filter.states[1]"])),
        row(
            "letters of no time",
            list(&DeadLetterFilter { start_time: at(2), end_time: at(2), ..Default::default() }),
            at_fault(&["filter.end_time"]),
        ),
        row(
            "letters before 1970 and after 9999",
            list(&DeadLetterFilter { start_time: at(-1), end_time: at(1 << 40), ..Default::default() }),
            at_fault(&["filter.start_time", "filter.end_time"]),
        ),
        row(
            "a page token that is none",
            call(
                world,
                "ListDeadLetters",
                &ListDeadLettersRequest { page_token: "AAAA".to_owned(), ..Default::default() },
            ),
            "InvalidArgument INVALID_PAGE_TOKEN [page_token]",
        ),
        good("all letters, of which there are none", replay(&DeadLetterFilter::default())),
    ]);
    rows
}

/// Reasons to give letters up that are none.
fn reasons(world: &World) -> Vec<Row> {
    let why = |reason: &str| {
        let request = DiscardDeadLettersRequest {
            dead_letter_ids: vec![uuid()],
            reason: reason.to_owned(),
            validate_only: true,
            ..Default::default()
        };
        call(world, "DiscardDeadLetters", &request)
    };
    let fault = at_fault(&["reason"]);
    vec![
        row("a discard without a reason", why(""), &fault),
        row("a discard for a blank reason", why(" \t "), &fault),
        row("a discard for two lines of reason", why("one\ntwo"), &fault),
        row("a discard for a reason of 501 letters", why(&"ä".repeat(501)), &fault),
        row(
            "a discard of nothing, without a reason",
            call(world, "DiscardDeadLetters", &DiscardDeadLettersRequest::default()),
            at_fault(&["dead_letter_ids", "reason"]),
        ),
    ]
}
