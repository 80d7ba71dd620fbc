//! The store on PostgreSQL: the same promises, and those that only a server with roles and many clients can break.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod postgres;
mod suite;

use docket_store::{Config, Stores};
use docket_testkit::{Database, Postgres};
use suite::{Data, POSTGRES, cases};

fn config(url: String) -> Config {
    Config { url, ..Config::default() }
}

/// A database with the newest schema, to which the login of `url` is let in.
async fn migrated(cluster: &Postgres) -> Database {
    let database = cluster.database().await;
    let owner = Stores::open(&config(database.owner_url()), &[]).await.unwrap();
    owner.migrate_up(None).await.unwrap();
    database.grant_runtime().await;
    database
}

async fn fresh() -> Data {
    let database = migrated(Postgres::shared().await).await;
    let mut one = sea_orm::ConnectOptions::new(database.owner_url());
    let raw = sea_orm::Database::connect(one.max_connections(1).to_owned()).await.unwrap();
    Data::open(POSTGRES, &config(database.owner_url()), raw).await
}

cases!(fresh);
