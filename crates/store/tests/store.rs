//! The store on SQLite.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod suite;

use docket_store::Config;
use suite::{Data, cases};

async fn fresh() -> Data {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { url: docket_store::url_of(&folder.path().join("docket.db")), ..Config::default() };
    let stores = docket_store::Stores::open(&config, &[]).await.unwrap();
    stores.migrate_up(None).await.unwrap();
    let mut one = sea_orm::ConnectOptions::new(&config.url);
    let raw = sea_orm::Database::connect(one.max_connections(1).to_owned()).await.unwrap();
    let mut data = Data::open("sqlite", &config, raw).await;
    data._folder = Some(folder);
    data
}

cases!(fresh);
