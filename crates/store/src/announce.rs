//! Word of new events for the relays of other processes. They would find them by themselves, with their next poll.

use std::convert::Infallible;
use std::future;

use sea_orm::sqlx;
use sea_orm::sqlx::postgres::{PgListener, PgPoolOptions};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use uuid::Uuid;

use crate::error::of_driver;
use crate::patience::in_time;
use crate::{Error, Store};

/// Each schema has an outbox, and the channels of a database are all in one room.
const CHANNEL: &str = "SELECT 'docket_outbox_' || current_schema()";

const ANNOUNCE: &str = "SELECT pg_notify('docket_outbox_' || current_schema(), $1)";

impl Store {
    /// Tells other processes that events were committed. Not in a transaction of theirs: notifying ones commit one after
    /// the other.
    pub async fn outbox_announce(&self, by: Uuid) -> Result<(), Error> {
        if self.is_shared() {
            let announce =
                Statement::from_sql_and_values(DbBackend::Postgres, ANNOUNCE, [by.to_string().into()]);
            in_time(self.write.query_one_raw(announce)).await?;
        }
        Ok(())
    }

    /// Calls `heard` for what others announce, until the database is lost; on SQLite there are no others. Has a connection of
    /// its own.
    pub async fn outbox_listen(&self, by: Uuid, heard: impl Fn() + Send) -> Result<Infallible, Error> {
        if !self.is_shared() {
            return Ok(future::pending().await);
        }
        let options = self.read.get_postgres_connection_pool().connect_options();
        let apart = PgPoolOptions::new().max_connections(1).connect_lazy_with((*options).clone());
        let channel: String = sqlx::query_scalar(CHANNEL).fetch_one(&apart).await.map_err(of_driver)?;
        let mut listener = PgListener::connect_with(&apart).await.map_err(of_driver)?;
        listener.listen(&channel).await.map_err(of_driver)?;
        let own = by.to_string();
        loop {
            match listener.try_recv().await.map_err(of_driver)? {
                Some(announcement) if announcement.payload() == own => {}
                // None when the connection was lost and is there again: nobody knows what was said meanwhile.
                Some(_) | None => heard(),
            }
        }
    }
}
