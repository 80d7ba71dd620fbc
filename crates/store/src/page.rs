//! How much of an outbox is read at once: events may be large, and their number alone bounds no memory.

use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Order, Query, SelectStatement};
use sea_orm::{Iterable as _, QueryTrait as _, Select};

use crate::entity::outbox;
use crate::outbox::PendingEvent;

/// How many bytes of payload one statement reads, at most; the last event may go beyond.
pub const PAGE_BYTES: u64 = 16 << 20;

/// The same for a statement.
pub(crate) fn page_bytes() -> i64 {
    i64::try_from(PAGE_BYTES).unwrap_or(i64::MAX)
}

/// Whether so many bytes were read that there may be more to read.
pub fn is_full(events: &[PendingEvent]) -> bool {
    events.iter().map(|event| event.payload.len() as u64).sum::<u64>() >= PAGE_BYTES
}

/// The rows of a query, in the order of their positions, as far as their payloads fit.
pub(crate) fn within(rows: Select<outbox::Entity>) -> SelectStatement {
    let before = Expr::cust("sum(length(payload)) OVER (ORDER BY position) - length(payload)");
    let sized = Query::select()
        .columns(outbox::Column::iter())
        .expr_as(before, Alias::new("before"))
        .from_subquery(rows.into_query(), Alias::new("page"))
        .to_owned();
    Query::select()
        .columns(outbox::Column::iter())
        .from_subquery(sized, Alias::new("sized"))
        .and_where(Expr::col(Alias::new("before")).lt(page_bytes()))
        .order_by(outbox::Column::Position, Order::Asc)
        .to_owned()
}
