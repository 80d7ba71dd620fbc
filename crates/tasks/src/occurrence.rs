//! What a series makes of a mutation: the next occurrence appears, or is taken back.

use docket_domain::{State, Task, TaskId, UserId};
use docket_store::Tx;

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
    let claim = Link::claim(&change.after, Some(of.id));
    Ok(Effect { links: claim.into_iter().collect(), ..Effect::of(change) })
}

/// Opens a task again, and takes its next occurrence back.
pub(crate) async fn reopen(tx: &Tx<'_>, task: Task, now: docket_domain::Instant) -> Result<Effect, Error> {
    let change = task.reopen(now).map_err(|refused| Error::refused(&task, refused))?;
    let mut effect = Effect::of(change);
    let Some(successor) = tx.successor_of(task.id).await? else { return Ok(effect) };
    // Locked after its predecessor, as when it appeared.
    if let Some(successor) = tx.task_lock(&task.user_id, successor.0).await?
        && successor.delete_time.is_none()
    {
        let refused = Error::SuccessorChanged { id: task.id, successor: successor.id };
        if successor.version > 1 {
            return Err(refused);
        }
        effect.changes.push(successor.delete(now).map_err(|_| refused)?);
    }
    effect.links.push(Link::Release(successor.0));
    Ok(effect)
}
