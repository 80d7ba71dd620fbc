//! Which tasks are open, whoever's they are: what Docket's own services ask before they act on what they heard earlier.

use docket_domain::{Instant, TaskId};
use sea_orm::{ColumnTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QuerySelect as _, Select};
use uuid::Uuid;

use crate::among::among;
use crate::entity::tasks;
use crate::{Error, Store, instant};

/// A task that is open.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct OpenTask {
    /// Names it.
    pub id: TaskId,
    /// Which version it is, from 1.
    pub version: i64,
    /// When that was made.
    pub update_time: Instant,
}

impl Store {
    /// Those of these tasks that are neither completed nor deleted. One statement.
    pub async fn tasks_open(&self, ids: &[TaskId]) -> Result<Vec<OpenTask>, Error> {
        let query = open_query(ids, self.read.get_database_backend());
        let open = query.into_tuple::<(Uuid, i64, i64)>();
        let open = self.told("check tasks", open.all(&self.read)).await?;
        let open = open.into_iter().map(|(id, version, time)| {
            Ok(OpenTask { id: TaskId::from_uuid(id), version, update_time: instant(time)? })
        });
        open.collect()
    }
}

pub(crate) fn open_query(ids: &[TaskId], backend: DbBackend) -> Select<tasks::Entity> {
    let ids = ids.iter().map(|id| id.as_uuid()).collect();
    tasks::Entity::find()
        .select_only()
        .columns([tasks::Column::TaskId, tasks::Column::Version, tasks::Column::UpdateTime])
        .filter(among(backend, tasks::Column::TaskId, ids))
        .filter(tasks::Column::State.eq("OPEN"))
        .filter(tasks::Column::DeleteTime.is_null())
}
