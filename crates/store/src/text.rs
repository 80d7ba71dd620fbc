//! Texts that every database can keep, and several texts in one column of a query's answer, the same way on every database.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, Func, SimpleExpr};

/// Stands between the texts; none contains it, because tags and names have no control characters.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// Joins the texts of a group.
pub(crate) fn join_texts(backend: DbBackend, text: Expr) -> SimpleExpr {
    let function = match backend {
        DbBackend::Postgres => "string_agg",
        _ => "group_concat",
    };
    Func::cust(Alias::new(function)).arg(text).arg(SEPARATOR.to_string()).into()
}

/// PostgreSQL's texts hold no NUL, and what comes from strangers may have one: the reason of a failure, the key of a message.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
