//! What a series makes of a mutation: the next occurrence appears, or is taken back.

use docket_domain::{State, Task, TaskId, UserId};
use docket_store::Tx;
use docket_store::tasks::Successor;

use crate::Error;
use crate::mutation::{Effect, Link};

/// The completed task whose next occurrence is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Predecessor {
    pub(crate) id: TaskId,
    /// The version that its completion made.
    pub(crate) version: i64,
}

/// The next occurrence of a completed task: the one there is, else a new one.
pub(crate) async fn appear(
    tx: &Tx<'_>,
    owner: &UserId,
    of: Predecessor,
    id: TaskId,
    content: docket_domain::Content,
    now: docket_domain::Instant,
) -> Result<Effect, Error> {
    let predecessor = tx.task_lock(owner, of.id).await?.ok_or(Error::NotFound { id: of.id })?;
    if let Some(successor) = tx.successor_of(of.id).await? {
        let task = tx.task_lock(owner, successor.0).await?.ok_or(Error::NotFound { id: successor.0 })?;
        return Ok(Effect::none(task));
    }
    if !matches!(predecessor.state, State::Completed { version, .. } if version == of.version) {
        return Err(Error::PredecessorChanged { id: of.id });
    }
    let change = Task::occurrence(id, &predecessor, content, now)
        .map_err(|_| Error::PredecessorChanged { id: of.id })?;
    let arrived = Link::Arrived(of.id);
    // An instant has one task, whichever way that task came to it.
    if let Some(series) = change.after.series
        && let Some(holder) = tx.occurrence_at(series.id, series.occurrence_time).await?
    {
        let task = tx.task_lock(owner, holder).await?.ok_or(Error::NotFound { id: holder })?;
        return Ok(Effect { links: vec![arrived], ..Effect::none(task) });
    }
    let links = Link::claim(&change.after, Some(of.id)).into_iter().chain([arrived]).collect();
    Ok(Effect { links, ..Effect::of(change) })
}

/// Opens a task again, and takes its next occurrence back.
///
/// Only the end of a series can be taken back: were the place of a completed occurrence given away, whoever took it would
/// lead up to an instant that is taken.
pub(crate) async fn reopen(tx: &Tx<'_>, task: Task, now: docket_domain::Instant) -> Result<Effect, Error> {
    let change = task.reopen(now).map_err(|refused| Error::refused(&task, refused))?;
    let mut effect = Effect::of(change);
    let Some(Successor(id)) = tx.successor_of(task.id).await? else { return Ok(effect) };
    let refused = || Error::SuccessorChanged { id: task.id, successor: id };
    // Locked after its predecessor, as when it appeared; only then is it certain what follows it.
    let successor = tx.task_lock(&task.user_id, id).await?;
    if tx.successor_of(id).await?.is_some() {
        return Err(refused());
    }
    match successor {
        Some(Task { state: State::Completed { .. }, .. }) => return Err(refused()),
        Some(successor) if successor.delete_time.is_none() => {
            if successor.version > 1 {
                return Err(refused());
            }
            effect.changes.push(successor.delete(now).map_err(|_| refused())?);
        }
        // Its owner does not want it.
        _ => {}
    }
    effect.links.push(Link::Release(id));
    Ok(effect)
}
