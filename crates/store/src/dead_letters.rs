//! Dead letters: events that handlers have given up, and what was done about them.
//!
//! A letter is of one event, one handler and one topic; each replay after which the handler gives the event up again is
//! another failure of the same letter. Failures come in batches and are written as one statement.

mod depth;
mod keep;
mod list;

use std::collections::BTreeMap;

use docket_domain::{DeadLetterId, EventId, Instant, LetterState};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use uuid::Uuid;

pub use depth::Depth;
#[cfg(test)]
pub(crate) use depth::depth_query;
pub use keep::NewLetter;
pub use list::{Cursor, Filter, Listing};
#[cfg(test)]
pub(crate) use list::{list_query, lock_query};

use crate::among::digits;
use crate::entity::dead_letter_actions as actions;
use crate::{Error, Tx, instant, micros};

/// A letter, but for the message itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Letter {
    /// Names it.
    pub id: DeadLetterId,
    /// How it stands with it.
    pub state: LetterState,
    /// The handler that gave up.
    pub handler: String,
    /// Why, the last time.
    pub reason: String,
    /// How often.
    pub failures: i64,
    /// When first.
    pub first_failure_time: Instant,
    /// When last.
    pub last_failure_time: Instant,
    /// The event.
    pub event_id: EventId,
    /// The CloudEvents `type`, if it could be read.
    pub event_type: Option<String>,
    /// The component that the message came through.
    pub pubsub: String,
    /// Where it came from, and goes back to.
    pub topic: String,
    /// What it is in order with.
    pub key: String,
    /// The partition that it was in the first time, where the broker has some.
    pub partition: Option<i32>,
    /// Its place in the partition, the first time.
    pub offset: Option<i64>,
    /// How large the message is, in bytes.
    pub size: i64,
    /// The replay whose failure was counted last; none when only the first failure was, and no replay had brought that.
    pub replay_id: Option<EventId>,
    /// When the letter last changed.
    pub update_time: Instant,
}

/// A letter with everything that is known of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The letter.
    pub letter: Letter,
    /// The headers of the message.
    pub headers: BTreeMap<String, String>,
    /// The message, byte for byte.
    pub original: Vec<u8>,
    /// What was done about it, the oldest first.
    pub actions: Vec<Action>,
}

/// What somebody did about a letter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Action {
    /// Names it.
    pub id: Uuid,
    /// What it was.
    pub deed: Deed,
    /// Who did it.
    pub actor: String,
    /// When.
    pub time: Instant,
}

/// What can be done about a letter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Deed {
    /// It was sent to its topic once more.
    Replayed {
        /// Names the replay.
        replay: EventId,
        /// Whether it was for the handler that had failed alone.
        only_failed_handler: bool,
    },
    /// It was given up.
    Discarded {
        /// Why.
        reason: String,
    },
}

/// The same text however many letters it is about.
const ACT: &str = include_str!("dead_letters/act.sql");
const MOVE_IN_PROCESS: &str = include_str!("dead_letters/move.sqlite.sql");
const ACT_IN_PROCESS: &str = include_str!("dead_letters/act.sqlite.sql");

impl Deed {
    /// How it stands with the letter afterwards.
    pub fn state(&self) -> LetterState {
        match self {
            Self::Replayed { .. } => LetterState::Replayed,
            Self::Discarded { .. } => LetterState::Discarded,
        }
    }

    fn replay(&self) -> Option<Uuid> {
        match self {
            Self::Replayed { replay, .. } => Some(replay.as_uuid()),
            Self::Discarded { .. } => None,
        }
    }

    fn only_failed_handler(&self) -> bool {
        matches!(self, Self::Replayed { only_failed_handler: true, .. })
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Replayed { .. } => None,
            Self::Discarded { reason } => Some(reason),
        }
    }
}

impl Tx<'_> {
    /// Keeps what was done about letters that [`Tx::letters_lock`] has locked, one action for each, and sets their states.
    /// One statement; two on SQLite.
    pub async fn letters_act(&self, acts: &[(DeadLetterId, Action)]) -> Result<(), Error> {
        if acts.is_empty() {
            return Ok(());
        }
        let backend = self.0.get_database_backend();
        if backend == DbBackend::Postgres {
            let act = Statement::from_sql_and_values(backend, ACT, columns(acts));
            self.0.execute_raw(act).await?;
            return Ok(());
        }
        let rows = acts.iter().map(|(letter, action)| row(*letter, action)).collect::<serde_json::Value>();
        for sql in [MOVE_IN_PROCESS, ACT_IN_PROCESS] {
            let act = Statement::from_sql_and_values(backend, sql, [rows.to_string().into()]);
            self.0.execute_raw(act).await?;
        }
        Ok(())
    }
}

/// The columns of the actions, as arrays. Those hold no NULL: `is_replay` tells what there is.
fn columns(acts: &[(DeadLetterId, Action)]) -> [sea_orm::Value; 9] {
    fn of<T>(acts: &[(DeadLetterId, Action)], column: impl Fn(&Action) -> T) -> Vec<T> {
        acts.iter().map(|(_, action)| column(action)).collect()
    }
    [
        of(acts, |action| action.id).into(),
        acts.iter().map(|(letter, _)| letter.as_uuid()).collect::<Vec<_>>().into(),
        of(acts, |action| action.deed.state().name().to_owned()).into(),
        of(acts, |action| action.actor.clone()).into(),
        of(acts, |action| action.deed.reason().unwrap_or_default().to_owned()).into(),
        of(acts, |action| action.deed.replay().unwrap_or_default()).into(),
        of(acts, |action| action.deed.replay().is_some()).into(),
        of(acts, |action| action.deed.only_failed_handler()).into(),
        of(acts, |action| micros(action.time)).into(),
    ]
}

fn row(letter: DeadLetterId, action: &Action) -> serde_json::Value {
    serde_json::json!({
        "action_id": digits(action.id),
        "letter_id": digits(letter.as_uuid()),
        "action": action.deed.state().name(),
        "actor": action.actor,
        "reason": action.deed.reason(),
        "replay_id": action.deed.replay().map(digits),
        "only_failed_handler": action.deed.only_failed_handler(),
        "create_time": micros(action.time),
    })
}

fn action(row: actions::Model) -> Result<Action, Error> {
    let deed = match (row.action.parse(), row.replay_id, row.reason) {
        (Ok(LetterState::Replayed), Some(replay), None) => Deed::Replayed {
            replay: EventId::from_uuid(replay),
            only_failed_handler: row.only_failed_handler,
        },
        (Ok(LetterState::Discarded), None, Some(reason)) => Deed::Discarded { reason },
        _ => return Err(Error::corrupt("action", format!("{} of letter {}", row.action, row.letter_id))),
    };
    Ok(Action { id: row.action_id, deed, actor: row.actor, time: instant(row.create_time)? })
}

fn state(text: &str) -> Result<LetterState, Error> {
    text.parse().map_err(|_| Error::corrupt("state", text))
}
