//! What is done about letters: each call in one transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use docket_domain::{DeadLetterId, EventId, Instant, LetterState, UserId};
use docket_sidecar::ENVELOPE;
use docket_store::Tx;
use docket_store::dead_letters::{Action, Deed, Filter, Letter, Listing};
use docket_store::outbox::{NewReplay, Trace};
use docket_wire::request::{DiscardLetters, Letters, MAX_LETTERS, ReplayLetters};

use crate::letter::SIDECAR;
use crate::{Deps, Error, Origin, answer};

/// How much is done at a time; a larger letter alone.
#[derive(Clone, Copy)]
struct Bounds {
    letters: usize,
    /// Of their messages.
    bytes: u64,
}

/// The messages that are in memory at a time.
const BATCH: Bounds = Bounds { letters: 50, bytes: 8 << 20 };

/// The messages of one call, which are one transaction.
const CALL: Bounds = Bounds { letters: MAX_LETTERS as usize, bytes: 64 << 20 };

/// A letter that is replayed.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) letter: Letter,
    /// Names the replay; none when nothing was to change.
    pub(crate) id: Option<EventId>,
    pub(crate) only_failed_handler: bool,
}

/// Who wants something done about letters, when, and in which trace.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) actor: &'a UserId,
    pub(crate) now: Instant,
    pub(crate) trace: Option<Trace>,
}

/// Does things about letters.
#[derive(Clone)]
pub(crate) struct Desk {
    deps: Arc<Deps>,
}

impl Desk {
    pub(crate) fn new(deps: Arc<Deps>) -> Self {
        Self { deps }
    }

    /// Sends letters to their topics once more. Answers them, the oldest first, and whether the
    /// call named or chose more.
    pub(crate) async fn replay(
        &self,
        asked: &ReplayLetters,
        wish: &Wish<'_>,
    ) -> Result<(Vec<Replay>, bool), Error> {
        let Wish { actor, now, .. } = *wish;
        if asked.validate_only {
            let (letters, more) = self.look(&asked.letters).await?;
            let plan = |letter| self.plan(letter, asked, now);
            return Ok((letters.into_iter().map(plan).collect::<Result<_, _>>()?, more));
        }
        let transaction = self.deps.store.transaction(|tx| Box::pin(self.replay_in(tx, asked, wish))).await;
        let (replays, more) = transaction?;
        if !replays.is_empty() {
            self.deps.store.outbox_appended();
            tracing::info!(%actor, letters = replays.len(), "{actor} replays {} dead letters", replays.len());
        }
        Ok((replays, more))
    }

    async fn replay_in(
        &self,
        tx: &Tx<'_>,
        asked: &ReplayLetters,
        wish: &Wish<'_>,
    ) -> Result<(Vec<Replay>, bool), Error> {
        let (letters, mut more) = lock(tx, &asked.letters).await?;
        let plan = |letter| self.plan(letter, asked, wish.now);
        let mut plans = letters.into_iter().map(plan).collect::<Result<Vec<Replay>, _>>()?;
        let taken = within(&plans, CALL);
        more |= taken < plans.len();
        plans.truncate(taken);
        let mut replays = Vec::with_capacity(taken);
        while !plans.is_empty() {
            let rest = plans.split_off(within(&plans, BATCH));
            replays.extend(self.send(tx, plans, wish).await?);
            plans = rest;
        }
        Ok((replays, more))
    }

    /// Marks letters, notes who did it, and puts their messages into the outbox.
    async fn send(&self, tx: &Tx<'_>, plans: Vec<Replay>, wish: &Wish<'_>) -> Result<Vec<Replay>, Error> {
        let ids: Vec<DeadLetterId> = plans.iter().map(|plan| plan.letter.id).collect();
        let mut originals = tx.letters_originals(&ids).await?;
        let (mut messages, mut actions, mut replays) = (Vec::new(), Vec::new(), Vec::new());
        for plan in plans {
            let id = EventId::from_uuid(self.deps.ids.uuid());
            let Replay { letter, only_failed_handler, .. } = &plan;
            messages.push(NewReplay {
                id,
                topic: letter.topic.clone(),
                key: letter.key.clone(),
                handler: only_failed_handler.then(|| letter.handler.clone()),
                message: originals.remove(&letter.id).ok_or(Error::NotFound { id: letter.id })?,
                trace: wish.trace.clone(),
                time: wish.now,
            });
            let deed = Deed::Replayed { replay: id, only_failed_handler: *only_failed_handler };
            actions.push((letter.id, self.action(deed, wish.actor, wish.now)));
            replays.push(Replay { id: Some(id), ..plan });
        }
        tx.letters_act(&actions).await?;
        tx.outbox_replay(messages).await?;
        Ok(replays)
    }

    /// Gives letters up. Answers them, the oldest first, and whether the filter chooses more.
    pub(crate) async fn discard(
        &self,
        asked: &DiscardLetters,
        actor: &UserId,
        now: Instant,
    ) -> Result<(Vec<Letter>, bool), Error> {
        if asked.validate_only {
            let (mut letters, more) = self.look(&asked.letters).await?;
            letters.retain(|letter| letter.state != LetterState::Discarded);
            return Ok((letters, more));
        }
        let transaction =
            self.deps.store.transaction(|tx| Box::pin(self.discard_in(tx, asked, actor, now))).await;
        let (letters, more) = transaction?;
        if !letters.is_empty() {
            tracing::info!(%actor, letters = letters.len(), "{actor} discards {} dead letters", letters.len());
        }
        Ok((letters, more))
    }

    async fn discard_in(
        &self,
        tx: &Tx<'_>,
        asked: &DiscardLetters,
        actor: &UserId,
        now: Instant,
    ) -> Result<(Vec<Letter>, bool), Error> {
        let (mut letters, more) = lock(tx, &asked.letters).await?;
        letters.retain(|letter| letter.state != LetterState::Discarded);
        let deed = || Deed::Discarded { reason: asked.reason.clone() };
        let action = |letter: &Letter| (letter.id, self.action(deed(), actor, now));
        tx.letters_act(&letters.iter().map(action).collect::<Vec<_>>()).await?;
        Ok((letters, more))
    }

    /// What a replay of the letter would be, if it can be replayed.
    fn plan(&self, letter: Letter, asked: &ReplayLetters, now: Instant) -> Result<Replay, Error> {
        if letter.state == LetterState::Discarded {
            return Err(Error::State { id: letter.id, state: letter.state });
        }
        let leaves = |origin: &&Origin| [&origin.topic, &origin.letters].contains(&&letter.topic);
        let Some(origin) = self.deps.origins.iter().find(leaves) else {
            return Err(Error::Topic { id: letter.id, topic: letter.topic });
        };
        // The other handlers may have forgotten that they are done with it.
        let forgotten = self.deps.replay_to_all.is_some_and(|age| letter.first_failure_time + age <= now);
        let handler = ![ENVELOPE, SIDECAR].contains(&letter.handler.as_str());
        let only_failed_handler = handler && (asked.only_failed_handler || forgotten);
        let is_there = |handlers: &Vec<String>| handlers.contains(&letter.handler);
        if only_failed_handler && !origin.handlers.as_ref().is_none_or(is_there) {
            let Letter { id, topic, handler, .. } = letter;
            return Err(Error::Handler { id, topic, handler });
        }
        Ok(Replay { letter, id: None, only_failed_handler })
    }

    fn action(&self, deed: Deed, actor: &UserId, now: Instant) -> Action {
        Action { id: self.deps.ids.uuid(), deed, actor: actor.to_string(), time: now }
    }

    /// The letters of a call, the oldest first, as they are, and whether the filter chooses more.
    async fn look(&self, letters: &Letters) -> Result<(Vec<Letter>, bool), Error> {
        let listing = Listing { filter: chosen(letters), after: None, limit: MAX_LETTERS };
        let (found, more) = self.deps.store.letter_list(&listing).await?;
        all_found(letters, &found)?;
        Ok((found, more))
    }
}

/// The same, and nobody else does anything about them until the transaction has ended.
async fn lock(tx: &Tx<'_>, letters: &Letters) -> Result<(Vec<Letter>, bool), Error> {
    let (found, more) = tx.letters_lock(&chosen(letters), MAX_LETTERS).await?;
    all_found(letters, &found)?;
    Ok((found, more))
}

fn chosen(letters: &Letters) -> Filter {
    match letters {
        Letters::Named(ids) => Filter { ids: ids.clone(), ..Filter::default() },
        Letters::Chosen(filter) => answer::filter(filter),
    }
}

fn all_found(letters: &Letters, found: &[Letter]) -> Result<(), Error> {
    let Letters::Named(ids) = letters else { return Ok(()) };
    let found: BTreeSet<DeadLetterId> = found.iter().map(|letter| letter.id).collect();
    match ids.iter().find(|id| !found.contains(id)) {
        Some(id) => Err(Error::NotFound { id: *id }),
        None => Ok(()),
    }
}

/// How many of the first letters are within the bounds: at least one, so that the largest goes alone.
fn within(plans: &[Replay], most: Bounds) -> usize {
    let mut bytes = 0_u64;
    let fits = |plan: &&Replay| {
        bytes = bytes.saturating_add(plan.letter.size.unsigned_abs());
        bytes <= most.bytes
    };
    plans.iter().take(most.letters).take_while(fits).count().max(1).min(plans.len())
}

#[cfg(test)]
mod tests {
    use docket_domain::Instant;

    use super::*;

    fn plans(sizes: &[i64]) -> Vec<Replay> {
        let plan = |size: &i64| Replay {
            letter: Letter {
                id: DeadLetterId::from_uuid(Default::default()),
                state: LetterState::Open,
                handler: "audit".to_owned(),
                reason: String::new(),
                failures: 1,
                first_failure_time: Instant::UNIX_EPOCH,
                last_failure_time: Instant::UNIX_EPOCH,
                event_id: EventId::from_uuid(Default::default()),
                event_type: None,
                pubsub: "pubsub".to_owned(),
                topic: "task-events".to_owned(),
                key: String::new(),
                partition: None,
                offset: None,
                size: *size,
                replay_id: None,
                update_time: Instant::UNIX_EPOCH,
            },
            id: None,
            only_failed_handler: false,
        };
        sizes.iter().map(plan).collect()
    }

    #[test]
    fn what_is_done_at_a_time_is_bounded() {
        let most = Bounds { letters: 3, bytes: 10 };
        let table: [(&[i64], usize); 6] = [
            (&[], 0),
            (&[5, 5], 2),
            (&[5, 5, 1], 2),
            (&[1, 1, 1, 1], 3),
            (&[11, 1], 1),
            (&[0, 0, i64::MAX, i64::MAX], 2),
        ];
        for (sizes, expect) in table {
            assert_eq!(within(&plans(sizes), most), expect, "{sizes:?}");
        }
    }
}
