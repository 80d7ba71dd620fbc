//! How many letters nobody has dealt with.

use docket_domain::{Instant, LetterState};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, Select};

use crate::entity::dead_letters::{Column, Entity};
use crate::patience::in_time;
use crate::{Error, Store, instant};

/// The letters that are open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Depth {
    /// How many.
    pub letters: u64,
    /// When the oldest of them failed first.
    pub oldest: Option<Instant>,
}

impl Store {
    /// How many letters are open, and since when. One statement, which reads an index and nothing else.
    pub async fn letters_depth(&self) -> Result<Depth, Error> {
        let depth = in_time(depth_query().into_tuple::<(i64, Option<i64>)>().one(&self.read)).await?;
        let (letters, oldest) = depth.unwrap_or_default();
        Ok(Depth { letters: letters.unsigned_abs(), oldest: oldest.map(instant).transpose()? })
    }
}

pub(crate) fn depth_query() -> Select<Entity> {
    Entity::find()
        .select_only()
        .column_as(Column::LetterId.count(), "letters")
        .column_as(Column::FirstFailureTime.min(), "oldest")
        .filter(Column::State.eq(LetterState::Open.name()))
}
