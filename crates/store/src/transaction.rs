//! One transaction per mutation, tried again when another one got in its way.

use std::marker::PhantomData;
use std::pin::Pin;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};
use tracing::{Instrument as _, Span};

use crate::metrics::Found;
use crate::patience::in_time_or;
use crate::postgres::Suspicion;
use crate::spans::{Kind as _, fail};
use crate::{Error, Store};

/// A transaction: what is done through it happens together, or not at all.
///
/// `'env` is what the work may borrow: as a part of this type it tells the compiler that the work's surroundings outlive
/// the transaction.
#[derive(Debug)]
pub struct Tx<'env>(pub(crate) DatabaseTransaction, pub(crate) Found, PhantomData<&'env ()>);

type Work<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// How often a transaction that ran into another one is tried in all.
const ATTEMPTS: u32 = 5;

impl Store {
    /// Runs `work` in a transaction and commits it when it answers `Ok`; else nothing has happened.
    ///
    /// `work` may run several times and so must do nothing but through the transaction it is given.
    pub async fn transaction<'env, T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send,
        E: From<Error> + Conflict + Send,
        F: for<'a> Fn(&'a Tx<'env>) -> Work<'a, T, E> + Send + Sync,
    {
        // Each attempt is a transaction of its own, and may fail for itself.
        let attempt = || {
            let span = self.span("transaction");
            self.attempt(&work, span.clone()).instrument(span)
        };
        tried(attempt).await
    }

    async fn attempt<'env, T, E, F>(&self, work: &F, span: Span) -> Result<T, E>
    where
        E: From<Error> + Conflict,
        F: for<'a> Fn(&'a Tx<'env>) -> Work<'a, T, E>,
    {
        let failed = |error| {
            let error = Error::from(error);
            fail(&span, error.kind());
            error
        };
        let tx =
            Tx(begin(&self.write, &self.suspicion).await.map_err(failed)?, Found::default(), PhantomData);
        let answer = work(&tx).await.inspect_err(|error| rolled_back(&span, error))?;
        let Tx(tx, found, _) = tx;
        tx.commit().await.map_err(failed)?;
        found.count(&self.metrics);
        // It is durable, and whoever asked for it does not hear so.
        fail::fail_point!("commit-unknown", |_| Err(Error::Interrupted.into()));
        Ok(answer)
    }
}

/// That the work is refused is no failure; what the database does not do is one.
fn rolled_back(span: &Span, error: &impl Conflict) {
    span.record("docket.rolled_back", true);
    let kind = if error.is_conflict() { Some("conflict") } else { error.store().map(Error::kind) };
    if let Some(kind) = kind {
        fail(span, kind);
    }
}

/// Tries a transaction again when another one got in its way.
pub(crate) async fn tried<T, E, F>(attempt: impl Fn() -> F) -> Result<T, E>
where
    E: Conflict,
    F: Future<Output = Result<T, E>>,
{
    let mut attempts = 1;
    loop {
        match attempt().await {
            Err(error) if attempts < ATTEMPTS && error.is_conflict() => attempts += 1,
            outcome => return outcome,
        }
    }
}

/// Begins a transaction that writes.
pub(crate) async fn begin(
    write: &DatabaseConnection,
    suspicion: &Suspicion,
) -> Result<DatabaseTransaction, DbErr> {
    // IMMEDIATE: SQLite takes the write lock at once, instead of failing when the first statement that writes finds its
    // snapshot out of date.
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let (write, suspicion) = (write.clone(), suspicion.clone());
    // Apart from the caller, who may give up: while BEGIN is under way the driver does not know yet that there is a
    // transaction to roll back, and the connection would go back to the pool with it. The next statement on it would seem
    // to be durable, and would not be. For the same reason nobody gets the connection of a BEGIN that is never answered.
    let begun =
        tokio::spawn(
            async move { in_time_or(write.begin_with_options(options), || suspicion.condemn()).await },
        );
    // It ends without an answer when the process does.
    begun.await.unwrap_or_else(|ended| Err(DbErr::Conn(RuntimeErr::Internal(ended.to_string()))))
}

/// What an error means for the transaction: whether it should be tried again, and whether it failed at all.
pub trait Conflict {
    /// True for a serialization failure, a deadlock, a busy file.
    fn is_conflict(&self) -> bool;

    /// The store's own error, if that is what it is.
    fn store(&self) -> Option<&Error>;
}

impl Conflict for Error {
    fn is_conflict(&self) -> bool {
        Error::is_conflict(self)
    }

    fn store(&self) -> Option<&Error> {
        Some(self)
    }
}
