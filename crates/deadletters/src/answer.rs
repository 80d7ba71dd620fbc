//! Between the store's letters and the contract's.

use docket_domain::LetterState;
use docket_proto::v1;
use docket_proto::v1::dead_letter::{self, action::Kind};
use docket_store::dead_letters::{Action, Deed, Filter, Found, Letter};
use docket_wire::answer::letter_state_to_proto;
use docket_wire::request::LettersFilter;
use docket_wire::timestamp;

use crate::replay::Replay;

/// Which letters, as the store is asked for them.
pub(crate) fn filter(filter: &LettersFilter) -> Filter {
    Filter {
        ids: Vec::new(),
        states: filter.states.clone(),
        topic: filter.topic.clone(),
        handler: filter.handler.clone(),
        event_type: filter.event_type.clone(),
        key: filter.key.clone(),
        start_time: filter.start,
        end_time: filter.end,
    }
}

/// A letter as a list has it.
pub(crate) fn letter(letter: &Letter) -> v1::DeadLetter {
    let state: LetterState = letter.state;
    v1::DeadLetter {
        dead_letter_id: letter.id.to_string(),
        state: letter_state_to_proto(state).into(),
        handler: letter.handler.clone(),
        reason: letter.reason.clone(),
        failures: letter.failures,
        first_failure_time: Some(timestamp(letter.first_failure_time)),
        last_failure_time: Some(timestamp(letter.last_failure_time)),
        event_id: letter.event_id.to_string(),
        event_type: letter.event_type.clone().unwrap_or_default(),
        pubsub: letter.pubsub.clone(),
        topic: letter.topic.clone(),
        key: letter.key.clone(),
        partition: letter.partition,
        offset: letter.offset,
        original_size: letter.size,
        ..v1::DeadLetter::default()
    }
}

/// A letter with all that is known of it.
pub(crate) fn found(found: Found) -> v1::DeadLetter {
    v1::DeadLetter {
        headers: found.headers.into_iter().collect(),
        original: found.original,
        actions: found.actions.iter().map(action).collect(),
        ..letter(&found.letter)
    }
}

fn action(action: &Action) -> dead_letter::Action {
    let common = dead_letter::Action {
        actor: action.actor.to_string(),
        action_time: Some(timestamp(action.time)),
        ..dead_letter::Action::default()
    };
    match &action.deed {
        Deed::Replayed { replay, only_failed_handler } => dead_letter::Action {
            kind: Kind::Replay.into(),
            replay_id: replay.to_string(),
            only_failed_handler: *only_failed_handler,
            ..common
        },
        Deed::Discarded { reason } => {
            dead_letter::Action { kind: Kind::Discard.into(), reason: reason.clone(), ..common }
        }
    }
}

/// A letter that is replayed.
pub(crate) fn replay(replay: Replay) -> v1::replay_dead_letters_response::Replay {
    let Replay { letter, id, only_failed_handler } = replay;
    v1::replay_dead_letters_response::Replay {
        dead_letter_id: letter.id.to_string(),
        topic: letter.topic,
        handler: letter.handler,
        event_id: letter.event_id.to_string(),
        replay_id: id.map(|id| id.to_string()).unwrap_or_default(),
        only_failed_handler,
    }
}

/// A letter that is discarded.
pub(crate) fn discard(letter: Letter) -> v1::discard_dead_letters_response::Discard {
    v1::discard_dead_letters_response::Discard {
        dead_letter_id: letter.id.to_string(),
        topic: letter.topic,
        handler: letter.handler,
        event_id: letter.event_id.to_string(),
    }
}
