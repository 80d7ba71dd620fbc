//! Whether a column is one of many ids: a condition whose text is the same however many they are.

use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{ColumnTrait, DbBackend};
use uuid::Uuid;

pub(crate) fn among(backend: DbBackend, column: impl ColumnTrait, ids: Vec<Uuid>) -> SimpleExpr {
    let column = Expr::col(column.as_column_ref());
    match backend {
        DbBackend::Postgres => column.eq(PgFunc::any(Expr::val(ids))),
        _ => {
            let ids = Expr::cust_with_values("(SELECT unhex(value) FROM json_each(?))", [json_of(&ids)]);
            column.binary(sea_orm::sea_query::BinOper::In, ids)
        }
    }
}

/// The same for texts.
pub(crate) fn among_texts(backend: DbBackend, column: impl ColumnTrait, texts: Vec<String>) -> SimpleExpr {
    let column = Expr::col(column.as_column_ref());
    match backend {
        DbBackend::Postgres => column.eq(PgFunc::any(Expr::val(texts))),
        _ => {
            let texts = serde_json::json!(texts).to_string();
            let texts = Expr::cust_with_values("(SELECT value FROM json_each(?))", [texts]);
            column.binary(sea_orm::sea_query::BinOper::In, texts)
        }
    }
}

/// Ids as a JSON array of digits: SQLite has no other arrays.
pub(crate) fn json_of(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| digits(*id)).collect();
    serde_json::json!(ids).to_string()
}

/// An id as `unhex` reads it.
pub(crate) fn digits(id: Uuid) -> String {
    id.simple().to_string()
}
