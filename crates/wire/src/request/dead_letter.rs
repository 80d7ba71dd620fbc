//! The requests of `DeadLetterService`.

use docket_domain::{DeadLetterId, Instant, LetterState};
use docket_proto::v1;

use super::{opaque, page_size, required};
use crate::{InvalidFields, Violations, value};

/// The most letters that one call names or changes.
pub const MAX_LETTERS: u32 = 1_000;

/// The most characters of the reason of a discard.
const MAX_REASON_CHARS: usize = 500;

/// The most bytes of a text that a filter compares with.
const MAX_FILTER_BYTES: usize = 1_024;

/// Which letters: those for which all of it holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LettersFilter {
    /// In one of these states; in any when empty.
    pub states: Vec<LetterState>,
    /// Of this topic.
    pub topic: Option<String>,
    /// Given up by this handler.
    pub handler: Option<String>,
    /// Of this CloudEvents `type`.
    pub event_type: Option<String>,
    /// With this partition key.
    pub key: Option<String>,
    /// That failed last then or later.
    pub start: Option<Instant>,
    /// That failed last earlier.
    pub end: Option<Instant>,
}

/// `ListDeadLetters`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListLetters {
    /// The most letters to answer.
    pub page_size: u32,
    /// Where to go on; empty for the first page.
    pub page_token: String,
    /// Which letters.
    pub filter: LettersFilter,
}

/// The letters that a call changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Letters {
    /// Those named, each once, at most 1,000.
    Named(Vec<DeadLetterId>),
    /// Those that the filter chooses, at most 1,000 in a call. It names at least one state.
    Chosen(LettersFilter),
}

/// `ReplayDeadLetters`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReplayLetters {
    /// Which letters.
    pub letters: Letters,
    /// Whether they are for the handler alone that had failed.
    pub only_failed_handler: bool,
    /// Whether nothing is to change.
    pub validate_only: bool,
}

/// `DiscardDeadLetters`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiscardLetters {
    /// Which letters.
    pub letters: Letters,
    /// Why.
    pub reason: String,
    /// Whether nothing is to change.
    pub validate_only: bool,
}

/// Checks a `ListDeadLettersRequest`.
pub fn list_letters(request: &v1::ListDeadLettersRequest) -> Result<ListLetters, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let page_size = page_size(request.page_size, 50, 500, v);
    let filter = request.filter.as_ref().map(|asked| filter(asked, &LetterState::ALL, v)).unwrap_or_default();
    let page_token = request.page_token.clone();
    violations.into_result(page_size.map(|page_size| ListLetters { page_size, page_token, filter }))
}

/// Checks a `GetDeadLetterRequest`: which letter.
pub fn get_letter(request: &v1::GetDeadLetterRequest) -> Result<DeadLetterId, InvalidFields> {
    let mut violations = Violations::default();
    let id = required("dead_letter_id", &request.dead_letter_id, &mut violations);
    violations.into_result(id)
}

/// Checks a `ReplayDeadLettersRequest`.
pub fn replay_letters(request: &v1::ReplayDeadLettersRequest) -> Result<ReplayLetters, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let allowed = &[LetterState::Open];
    let letters = letters(&request.dead_letter_ids, request.filter.as_ref(), allowed, v);
    violations.into_result(letters.map(|letters| ReplayLetters {
        letters,
        only_failed_handler: request.only_failed_handler,
        validate_only: request.validate_only,
    }))
}

/// Checks a `DiscardDeadLettersRequest`.
pub fn discard_letters(request: &v1::DiscardDeadLettersRequest) -> Result<DiscardLetters, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let allowed = &[LetterState::Open, LetterState::Replayed];
    let letters = letters(&request.dead_letter_ids, request.filter.as_ref(), allowed, v);
    let reason = reason(&request.reason, v);
    violations.into_result(letters.zip(reason).map(|(letters, reason)| DiscardLetters {
        letters,
        reason,
        validate_only: request.validate_only,
    }))
}

/// Reads which letters a call changes. A filter that names no state chooses open ones; it may name those of `allowed`.
fn letters(
    ids: &[String],
    chosen: Option<&v1::DeadLetterFilter>,
    allowed: &[LetterState],
    v: &mut Violations,
) -> Option<Letters> {
    match chosen {
        None if ids.is_empty() => {
            v.add("dead_letter_ids", "is required unless `filter` is given");
            None
        }
        None => named(ids, v).map(Letters::Named),
        Some(chosen) => {
            if !ids.is_empty() {
                v.add("filter", "must not be given together with `dead_letter_ids`");
            }
            let mut filter = filter(chosen, allowed, v);
            if filter.states.is_empty() {
                filter.states.push(LetterState::Open);
            }
            Some(Letters::Chosen(filter))
        }
    }
}

/// Reads ids; one that is named twice counts once.
fn named(ids: &[String], v: &mut Violations) -> Option<Vec<DeadLetterId>> {
    if ids.len() > MAX_LETTERS as usize {
        v.add("dead_letter_ids", format_args!("must have at most {MAX_LETTERS} entries"));
        return None;
    }
    let read = |(i, id): (usize, &String)| v.check(format!("dead_letter_ids[{i}]"), id.parse());
    // Collected in two steps, because collecting options stops at the first that is missing.
    let read: Vec<Option<DeadLetterId>> = ids.iter().enumerate().map(read).collect();
    let mut ids: Vec<DeadLetterId> = read.into_iter().collect::<Option<_>>()?;
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// Reads a filter, which may name states of `allowed`.
fn filter(asked: &v1::DeadLetterFilter, allowed: &[LetterState], v: &mut Violations) -> LettersFilter {
    let states = states(&asked.states, allowed, v);
    let texts = [
        ("topic", &asked.topic),
        ("handler", &asked.handler),
        ("event_type", &asked.event_type),
        ("key", &asked.key),
    ];
    for (field, text) in texts {
        if text.len() > MAX_FILTER_BYTES {
            v.add(format!("filter.{field}"), format_args!("must have at most {MAX_FILTER_BYTES} bytes"));
        } else if text.contains('\0') {
            // PostgreSQL has no text with one in it.
            v.add(format!("filter.{field}"), "must not contain NUL");
        }
    }
    let start = asked.start_time.and_then(|time| v.check("filter.start_time", value::instant(time)));
    let end = asked.end_time.and_then(|time| v.check("filter.end_time", value::instant(time)));
    if let (Some(start), Some(end)) = (start, end)
        && start >= end
    {
        v.add("filter.end_time", "must be later than start_time");
    }
    LettersFilter {
        states,
        topic: opaque(&asked.topic),
        handler: opaque(&asked.handler),
        event_type: opaque(&asked.event_type),
        key: opaque(&asked.key),
        start,
        end,
    }
}

/// Reads states; one that is named twice counts once.
fn states(numbers: &[i32], allowed: &[LetterState], v: &mut Violations) -> Vec<LetterState> {
    let mut states = Vec::new();
    for (i, number) in numbers.iter().enumerate() {
        let field = format!("filter.states[{i}]");
        let known = value::letter_state(*number).and_then(|state| state.ok_or_else(value::required));
        match v.check(&field, known) {
            Some(state) if !allowed.contains(&state) => {
                let names: Vec<&str> = allowed.iter().map(|state| state.name()).collect();
                v.add(field, format_args!("must be {} here", names.join(" or ")));
            }
            Some(state) if !states.contains(&state) => states.push(state),
            _ => {}
        }
    }
    states
}

fn reason(text: &str, v: &mut Violations) -> Option<String> {
    let text = text.trim();
    let rule = match text.chars().count() {
        0 => "is required",
        count if count > MAX_REASON_CHARS => "must have at most 500 characters",
        _ if text.chars().any(char::is_control) => "must not contain control characters",
        _ => return Some(text.to_owned()),
    };
    v.add("reason", rule);
    None
}
