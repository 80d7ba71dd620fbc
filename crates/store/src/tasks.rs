//! The tasks of a user, and the series that they stand in.

use docket_domain::filter::{Condition, Filter, Order, OrderField, StateName};
use docket_domain::{Instant, Series, SeriesId, State, Task, TaskId, UserId};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{
    Alias, Expr, ExprTrait as _, Func, LikeExpr, NullOrdering, OnConflict, Query, SelectStatement, SimpleExpr,
};
use sea_orm::{
    ColumnTrait as _, Condition as SqlCondition, ConnectionTrait, DbBackend, EntityTrait as _,
    FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entity::{occurrences, task_tags, tasks, user_sequences};
use crate::row::{from_row, priority_column, to_row};
use crate::text::join_texts;
use crate::{Error, Store, Tx, get, micros};

/// Where a page of tasks ended: the sort key of its last task.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Cursor {
    /// The value of the field sorted by; `None` for a task that is never due.
    key: Option<i64>,
    task_id: Uuid,
}

impl Cursor {
    /// The place of a task in a listing sorted by `field`.
    pub fn of(task: &Task, field: OrderField) -> Self {
        let key = match field {
            OrderField::CreateTime => Some(micros(task.create_time)),
            OrderField::UpdateTime => Some(micros(task.update_time)),
            OrderField::Due => task.content.due.map(|due| micros(due.instant(task.content.time_zone))),
            OrderField::Priority => Some(i64::from(priority_column(task.content.priority))),
        };
        Self { key, task_id: task.id.as_uuid() }
    }

    /// The place of a completed task among the gaps.
    pub fn of_gap(task: &Task) -> Self {
        let key = match task.state {
            State::Completed { time, .. } => Some(micros(time)),
            State::Open => None,
        };
        Self { key, task_id: task.id.as_uuid() }
    }
}

/// Which tasks of a user to list.
#[derive(Clone, Debug)]
pub struct Listing<'a> {
    /// What they must fulfil.
    pub filter: &'a Filter,
    /// How they are sorted; the task id breaks ties.
    pub order: Order,
    /// Whether deleted ones are among them.
    pub show_deleted: bool,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// The most to answer.
    pub limit: u32,
}

/// What follows a completed task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Successor(pub TaskId);

impl Store {
    /// The task, if it is the user's; deleted ones too. On PostgreSQL in one statement with others that are asked for at
    /// the same time, because there a statement costs a round trip.
    pub async fn task_get(&self, owner: &UserId, id: TaskId) -> Result<Option<Task>, Error> {
        let got = async {
            match &self.getting {
                Some(lane) => get::together(lane, owner, id).await,
                None => one(get_query(owner, id, self.read.get_database_backend()), &self.read).await,
            }
        };
        self.told("get tasks", got).await
    }

    /// A page of the user's tasks, and whether there are more. One statement.
    pub async fn task_list(&self, owner: &UserId, listing: &Listing<'_>) -> Result<(Vec<Task>, bool), Error> {
        let query = list_query(owner, listing, self.read.get_database_backend());
        self.told("list tasks", page(query, listing.limit, &self.read)).await
    }

    /// Completed tasks of all users, oldest first, that have waited for their successor since before `before`.
    pub async fn series_gap_list(
        &self,
        before: Instant,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<(Vec<Task>, bool), Error> {
        let query = gaps_query(before, after, limit, self.read.get_database_backend());
        page(query, limit, &self.read).await
    }
}

impl Tx<'_> {
    /// The task, if it is the user's, locked until the transaction ends.
    pub async fn task_lock(&self, owner: &UserId, id: TaskId) -> Result<Option<Task>, Error> {
        let backend = self.0.get_database_backend();
        let query = get_query(owner, id, backend).lock_exclusive();
        if backend != DbBackend::Postgres {
            return one(query, &self.0).await;
        }
        let locked: Option<LockedRow> =
            query.expr_as(seen_version(), "seen_version").into_model().one(&self.0).await?;
        match locked {
            // It waited for another transaction, and has the row as that left it, but the tags as they were before.
            Some(LockedRow { row, seen_version }) if row.task.version != seen_version => {
                one(get_query(owner, id, backend), &self.0).await
            }
            locked => locked.map(|locked| locked.row.into_task()).transpose(),
        }
    }

    /// Writes a new task; [`Error::Exists`] when its id is taken.
    pub async fn task_insert(&self, task: &Task) -> Result<(), Error> {
        tasks::Entity::insert(to_row(task)?).exec_without_returning(&self.0).await?;
        self.tags_insert(task).await
    }

    /// Writes what changed of a task.
    pub async fn task_update(&self, before: &Task, task: &Task) -> Result<(), Error> {
        let mut row = to_row(task)?;
        // Set apart, at the end of the transaction.
        row.user_seq = NotSet;
        if before.state == task.state {
            // Only a completion makes a task wait for its successor; a new title must not do so again.
            row.awaits_successor = NotSet;
        }
        tasks::Entity::update_many()
            .set(row)
            .filter(tasks::Column::TaskId.eq(task.id.as_uuid()))
            .exec(&self.0)
            .await?;
        if before.content.tags != task.content.tags {
            self.tags_replace(task).await?;
        }
        Ok(())
    }

    pub(crate) async fn tags_replace(&self, task: &Task) -> Result<(), Error> {
        let old = task_tags::Entity::delete_many().filter(task_tags::Column::TaskId.eq(task.id.as_uuid()));
        old.exec(&self.0).await?;
        self.tags_insert(task).await
    }

    async fn tags_insert(&self, task: &Task) -> Result<(), Error> {
        let tags = task.content.tags.as_slice();
        if tags.is_empty() {
            return Ok(());
        }
        let row =
            |tag: &String| task_tags::ActiveModel { task_id: Set(task.id.as_uuid()), tag: Set(tag.clone()) };
        task_tags::Entity::insert_many(tags.iter().map(row)).exec_without_returning(&self.0).await?;
        Ok(())
    }

    /// Claims an instant of a series for the task, as the successor of `predecessor` if there is one;
    /// [`Error::Exists`] when either is taken.
    pub async fn occurrence_claim(
        &self,
        task: TaskId,
        series: &Series,
        predecessor: Option<TaskId>,
    ) -> Result<(), Error> {
        let row = occurrences::ActiveModel {
            task_id: Set(task.as_uuid()),
            series_id: Set(series.id.as_uuid()),
            occurrence_time: Set(micros(series.occurrence_time)),
            predecessor_id: Set(predecessor.map(TaskId::as_uuid)),
        };
        occurrences::Entity::insert(row).exec_without_returning(&self.0).await?;
        Ok(())
    }

    /// Gives the task's instant back, so that its predecessor can have another successor.
    pub async fn occurrence_release(&self, task: TaskId) -> Result<(), Error> {
        occurrences::Entity::delete_by_id(task.as_uuid()).exec(&self.0).await?;
        Ok(())
    }

    /// The task that follows `predecessor`, if it has appeared.
    pub async fn successor_of(&self, predecessor: TaskId) -> Result<Option<Successor>, Error> {
        let query =
            occurrences::Entity::find().filter(occurrences::Column::PredecessorId.eq(predecessor.as_uuid()));
        let row = query.one(&self.0).await?;
        Ok(row.map(|row| Successor(TaskId::from_uuid(row.task_id))))
    }

    /// The task that holds an instant of a series, if one does.
    pub async fn occurrence_at(
        &self,
        series: SeriesId,
        occurrence_time: Instant,
    ) -> Result<Option<TaskId>, Error> {
        let query = occurrences::Entity::find()
            .filter(occurrences::Column::SeriesId.eq(series.as_uuid()))
            .filter(occurrences::Column::OccurrenceTime.eq(micros(occurrence_time)));
        Ok(query.one(&self.0).await?.map(|row| TaskId::from_uuid(row.task_id)))
    }

    /// Notes that the task's successor has appeared.
    pub async fn successor_arrived(&self, predecessor: TaskId) -> Result<(), Error> {
        let update = tasks::Entity::update_many()
            .col_expr(tasks::Column::AwaitsSuccessor, Expr::value(false))
            .filter(tasks::Column::TaskId.eq(predecessor.as_uuid()));
        update.exec(&self.0).await?;
        Ok(())
    }

    /// Gives the changed tasks the next numbers of their owner's sequence. Last in a transaction: it makes the owner's
    /// other transactions wait.
    pub async fn sequence_advance(&self, owner: &UserId, changed: &[TaskId]) -> Result<(), Error> {
        let steps = i64::try_from(changed.len()).unwrap_or(i64::MAX);
        let last = raise(&self.0, owner.as_str(), steps).await?;
        for (number, task) in (last - steps + 1..).zip(changed) {
            let update = tasks::Entity::update_many()
                .col_expr(tasks::Column::UserSeq, Expr::value(number))
                .filter(tasks::Column::TaskId.eq(task.as_uuid()));
            update.exec(&self.0).await?;
        }
        Ok(())
    }
}

/// Raises the user's sequence; answers its last number.
pub(crate) async fn raise(
    connection: &impl ConnectionTrait,
    user: &str,
    steps: i64,
) -> Result<i64, sea_orm::DbErr> {
    let row = user_sequences::ActiveModel { user_id: Set(user.to_owned()), last_seq: Set(steps) };
    let add = Expr::col((user_sequences::Entity, user_sequences::Column::LastSeq)).add(steps);
    let raise = OnConflict::column(user_sequences::Column::UserId)
        .value(user_sequences::Column::LastSeq, add)
        .to_owned();
    let raised =
        user_sequences::Entity::insert(row).on_conflict(raise).exec_with_returning(connection).await?;
    Ok(raised.last_seq)
}

/// The one way to start a query for a user's tasks.
fn tasks_of(owner: &UserId, backend: DbBackend) -> Select<tasks::Entity> {
    with_tags(backend).filter(tasks::Column::UserId.eq(owner.as_str()))
}

pub(crate) fn get_query(owner: &UserId, id: TaskId, backend: DbBackend) -> Select<tasks::Entity> {
    tasks_of(owner, backend).filter(tasks::Column::TaskId.eq(id.as_uuid()))
}

/// A page of a user's tasks: one range of one index, read in its order.
pub(crate) fn list_query(owner: &UserId, listing: &Listing<'_>, backend: DbBackend) -> Select<tasks::Entity> {
    let mut query = tasks_of(owner, backend);
    if !listing.show_deleted {
        query = query.filter(tasks::Column::DeleteTime.is_null());
    }
    for condition in &listing.filter.0 {
        query = query.filter(sql_condition(condition, backend));
    }
    let key = match listing.order.field {
        OrderField::CreateTime => tasks::Column::CreateTime,
        OrderField::UpdateTime => tasks::Column::UpdateTime,
        OrderField::Due => tasks::Column::DueTime,
        OrderField::Priority => tasks::Column::Priority,
    };
    let descending = listing.order.descending;
    if let Some(after) = &listing.after {
        query = query.filter(match listing.order.field {
            OrderField::Due => due_later_than(after, descending),
            _ => later_than(key, after, descending),
        });
    }
    let order = if descending { sea_orm::Order::Desc } else { sea_orm::Order::Asc };
    query = match listing.order.field {
        // Tasks that are never due come last, whichever way. Said like this, and not by sorting by `IS NULL` first, the
        // index serves it.
        OrderField::Due => query.order_by_with_nulls(key, order.clone(), NullOrdering::Last),
        _ => query.order_by(key, order.clone()),
    };
    query.order_by(tasks::Column::TaskId, order).limit(u64::from(listing.limit) + 1)
}

/// The completed tasks that have waited for their successor since before `before`.
pub(crate) fn gaps_query(
    before: Instant,
    after: Option<&Cursor>,
    limit: u32,
    backend: DbBackend,
) -> Select<tasks::Entity> {
    let key = tasks::Column::CompleteTime;
    let mut query = with_tags(backend)
        // Written into the statement: with a parameter, the partial index would not be used.
        .filter(Expr::col((tasks::Entity, tasks::Column::AwaitsSuccessor)).eq(Expr::Constant(true.into())))
        .filter(key.lt(micros(before)))
        .order_by(key, sea_orm::Order::Asc)
        .order_by(tasks::Column::TaskId, sea_orm::Order::Asc)
        .limit(u64::from(limit) + 1);
    if let Some(after) = after {
        query = query.filter(later_than(key, after, false));
    }
    query
}

/// The tasks with their tags in one column, so that a task is one row of one statement.
pub(crate) fn with_tags(backend: DbBackend) -> Select<tasks::Entity> {
    let tag = Expr::col((task_tags::Entity, task_tags::Column::Tag));
    let joined = join_texts(backend, tag);
    let tags = tags_of_row().expr(joined).to_owned();
    tasks::Entity::find().expr_as(SimpleExpr::SubQuery(None, Box::new(tags.into())), "joined_tags")
}

/// The version of the task when the statement began. PostgreSQL gives the newest row to a statement that had to wait for
/// its lock, while subqueries go on seeing what was there before.
fn seen_version() -> SimpleExpr {
    let seen = Alias::new("seen");
    let same =
        Expr::col((seen.clone(), tasks::Column::TaskId)).equals((tasks::Entity, tasks::Column::TaskId));
    let version = Query::select()
        .column((seen.clone(), tasks::Column::Version))
        .from_as(tasks::Entity, seen)
        .and_where(same)
        .to_owned();
    SimpleExpr::SubQuery(None, Box::new(version.into()))
}

fn tags_of_row() -> SelectStatement {
    let this = Expr::col((task_tags::Entity, task_tags::Column::TaskId));
    Query::select()
        .from(task_tags::Entity)
        .and_where(this.equals((tasks::Entity, tasks::Column::TaskId)))
        .to_owned()
}

fn sql_condition(condition: &Condition, backend: DbBackend) -> SqlCondition {
    let all = SqlCondition::all();
    match condition {
        Condition::State(equal, state) => {
            let name = match state {
                StateName::Open => "OPEN",
                StateName::Completed => "COMPLETED",
            };
            let column = tasks::Column::State;
            all.add(if *equal { column.eq(name) } else { column.ne(name) })
        }
        Condition::Priority(priorities) => all
            .add(tasks::Column::Priority.is_in(priorities.iter().map(|priority| priority_column(*priority)))),
        Condition::Tag(tag) => {
            let mut tags = tags_of_row();
            tags.expr(Expr::val(1)).and_where(task_tags::Column::Tag.eq(tag.as_str()));
            all.add(Expr::exists(tags))
        }
        Condition::DueBefore(instant) => all.add(tasks::Column::DueTime.lt(micros(*instant))),
        Condition::DueFrom(instant) => all.add(tasks::Column::DueTime.gte(micros(*instant))),
        Condition::Text(text) => {
            // ASCII letters only: SQLite's lower() knows no others, and both sides must be folded alike.
            let pattern =
                || LikeExpr::new(format!("%{}%", escape_like(&text.to_ascii_lowercase()))).escape('\\');
            let lower = |column: tasks::Column| {
                let column = Expr::col((tasks::Entity, column));
                Func::lower(match backend {
                    DbBackend::Postgres => Expr::cust_with_expr("$1 COLLATE \"C\"", column),
                    _ => column,
                })
            };
            let title = Expr::expr(lower(tasks::Column::Title)).like(pattern());
            let description = Expr::expr(lower(tasks::Column::Description)).like(pattern());
            all.add(SqlCondition::any().add(title).add(description))
        }
    }
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// What comes after `cursor` when sorted by (`key`, task id), as one comparison: an index finds its place with it.
fn later_than(key: tasks::Column, cursor: &Cursor, descending: bool) -> SqlCondition {
    let column = |column: tasks::Column| Expr::col((tasks::Entity, column));
    let place = Expr::tuple([column(key), column(tasks::Column::TaskId)]);
    let cursor = Expr::tuple([Expr::val(cursor.key), Expr::val(cursor.task_id)]);
    SqlCondition::all().add(if descending { place.lt(cursor) } else { place.gt(cursor) })
}

/// What comes after `cursor` when sorted by due time, with the tasks that are never due at the end. No single range of
/// the index holds it, so the pages before are walked over, in the index's order.
fn due_later_than(cursor: &Cursor, descending: bool) -> SqlCondition {
    let key = tasks::Column::DueTime;
    if cursor.key.is_some() {
        return SqlCondition::any().add(later_than(key, cursor, descending)).add(key.is_null());
    }
    let id = tasks::Column::TaskId;
    let beyond = if descending { id.lt(cursor.task_id) } else { id.gt(cursor.task_id) };
    SqlCondition::all().add(key.is_null()).add(beyond)
}

async fn one(query: Select<tasks::Entity>, connection: &impl ConnectionTrait) -> Result<Option<Task>, Error> {
    let row: Option<TaskRow> = query.into_model().one(connection).await?;
    row.map(TaskRow::into_task).transpose()
}

/// The first `limit` tasks of a query that asks for one more, and whether that one is there.
async fn page(
    query: Select<tasks::Entity>,
    limit: u32,
    connection: &impl ConnectionTrait,
) -> Result<(Vec<Task>, bool), Error> {
    let mut rows: Vec<TaskRow> = query.into_model().all(connection).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    Ok((rows.into_iter().map(TaskRow::into_task).collect::<Result<_, _>>()?, more))
}

/// A row of `tasks` together with its tags.
#[derive(FromQueryResult)]
pub(crate) struct TaskRow {
    #[sea_orm(nested)]
    pub(crate) task: tasks::Model,
    joined_tags: Option<String>,
}

/// A task that is locked, and the version that the rest of its statement saw.
#[derive(FromQueryResult)]
struct LockedRow {
    #[sea_orm(nested)]
    row: TaskRow,
    seen_version: i64,
}

impl TaskRow {
    pub(crate) fn into_task(self) -> Result<Task, Error> {
        from_row(self.task, self.joined_tags)
    }
}
