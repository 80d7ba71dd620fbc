//! How long the database is waited for where no caller's deadline ends it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Longer than the server lets a statement take, and than it takes to get a connection as configured by default. Whoever
/// has no answer by then waits on a connection that is gone without anybody having been told, by the system maybe after
/// a quarter of an hour.
const LONGEST: Duration = Duration::from_secs(20);

/// The answer, or that there is none. Everybody who calls for a client, or handles an event, is dropped at a deadline; this
/// is for what goes on by itself: it would keep its connection, and its place.
pub(crate) async fn in_time<T>(answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    in_time_or(answer, || {}).await
}

/// The same; says so before what was waited for is given up.
pub(crate) async fn in_time_or<T>(
    answer: impl Future<Output = Result<T, DbErr>>,
    given_up: impl FnOnce(),
) -> Result<T, DbErr> {
    let mut answer = pin!(answer);
    tokio::time::timeout(LONGEST, &mut answer).await.unwrap_or_else(|_| {
        given_up();
        let late = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        Err(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(late))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[tokio::test(start_paused = true)]
    async fn what_is_never_answered_ends_and_may_pass_later() {
        let error = in_time(std::future::pending::<Result<(), _>>()).await.unwrap_err();
        assert!(Error::from(error).is_unavailable());
        assert_eq!(in_time(async { Ok(7) }).await.unwrap(), 7);
    }
}
