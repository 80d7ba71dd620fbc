//! Where a test keeps Docket's data: the same test runs on each database.

use std::path::Path;

use docket_store::outbox::PendingEvent;
use docket_store::{Schema, Store, Stores};

use crate::postgres::{Database, Postgres};

/// A database for one test.
#[derive(Clone, Debug)]
pub enum Storage {
    /// A file in Docket's own folder.
    Sqlite,
    /// A database of the cluster that the program's tests share.
    Postgres(Database),
    /// The same, with a second Docket at work on it: see [`Stack::sidecars`](crate::Stack::sidecars).
    Replicas(Database),
}

impl Storage {
    /// A new database on PostgreSQL.
    pub async fn postgres() -> Self {
        Self::Postgres(Postgres::shared().await.database().await)
    }

    /// A new database on PostgreSQL, for two replicas.
    pub async fn replicas() -> Self {
        Self::Replicas(Postgres::shared().await.database().await)
    }

    /// Whether there is a second Docket.
    pub fn is_replicated(&self) -> bool {
        matches!(self, Self::Replicas(_))
    }

    /// What Docket is told; its own folder is where it runs.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite => "sqlite:docket.db".to_owned(),
            Self::Postgres(database) | Self::Replicas(database) => database.url(),
        }
    }

    /// The database of a Docket that runs in this folder, opened once more.
    pub(crate) async fn open(&self, folder: &Path) -> Opened {
        let url = match self {
            Self::Sqlite => format!("sqlite:{}", folder.join("docket.db").display()),
            Self::Postgres(database) | Self::Replicas(database) => database.url(),
        };
        Opened::at(url).await.expect("the database can be opened")
    }
}

/// Docket's database, opened once more.
#[derive(Debug)]
pub struct Opened(Stores);

impl Opened {
    /// The database at this address.
    pub(crate) async fn at(url: String) -> Result<Self, docket_store::Error> {
        let config = docket_store::Config {
            url,
            read_connections: 1,
            max_connections: 1,
            ..docket_store::Config::default()
        };
        Ok(Self(Stores::open(&config, &[]).await?))
    }

    /// The store of a target.
    pub fn of(&self, schema: Schema) -> Store {
        self.0.of(schema)
    }

    /// How many events are on their way, in all outboxes.
    pub async fn depth(&self) -> Result<u64, docket_store::Error> {
        let mut depth = 0;
        for store in self.outboxes() {
            depth += store.outbox_depth().await?;
        }
        Ok(depth)
    }

    /// The first event of each key that is on its way on these topics, in all outboxes.
    pub async fn heads(&self, topics: &[&str]) -> Result<Vec<PendingEvent>, docket_store::Error> {
        let topics: Vec<String> = topics.iter().map(ToString::to_string).collect();
        let mut heads = Vec::new();
        for store in self.outboxes() {
            heads.extend(store.outbox_heads(&topics, 0, 100).await?);
        }
        Ok(heads)
    }

    /// Closes all connections.
    pub async fn close(self) {
        self.0.close().await.expect("the database can be closed");
    }

    fn outboxes(&self) -> Vec<Store> {
        // A file has one outbox for all.
        let schemas = if self.0.is_embedded() { &Schema::ALL[..1] } else { &Schema::ALL };
        schemas.iter().map(|schema| self.0.of(*schema)).collect()
    }
}

/// Makes two tests of each function `async fn name(storage: Storage)`: `name::sqlite` and `name::postgres`.
#[macro_export]
macro_rules! on_each_database {
    ($($case:ident),+ $(,)?) => {$(
        mod $case {
            #[tokio::test]
            async fn sqlite() {
                super::$case($crate::Storage::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$case($crate::Storage::postgres().await).await;
            }
        }
    )+};
}

/// Makes one more test of functions that [`on_each_database!`] has, with a second Docket at work on the same data:
/// `with_two_replicas::name`.
#[macro_export]
macro_rules! with_two_replicas {
    ($($case:ident),+ $(,)?) => {
        mod with_two_replicas {$(
            #[tokio::test]
            async fn $case() {
                super::$case($crate::Storage::replicas().await).await;
            }
        )+}
    };
}
