//! When the ledger has something to do next.

use docket_domain::{Channel, Instant};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::patience::in_time;
use crate::{Error, Store, instant};

/// When there is something to do next; what is in the past is there already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wake {
    /// A message is to be sent, or a claim comes to its end.
    pub delivery: Option<Instant>,
    /// A digest is due.
    pub digest: Option<Instant>,
}

impl Store {
    /// Looks when there is something to do next. One statement, which reads nothing but an end of an index for each channel,
    /// and one for the digests.
    pub async fn notification_wake(&self) -> Result<Wake, Error> {
        let wake = wake_statement(self.read.get_database_backend());
        let Some(row) = in_time(self.read.query_one_raw(wake)).await? else { return Ok(Wake::default()) };
        let of = |column: &str| row.try_get::<Option<i64>>("", column)?.map(instant).transpose();
        let mut delivery = None;
        for channel in Channel::ALL {
            delivery = [delivery, of(channel.name())?].into_iter().flatten().min();
        }
        Ok(Wake { delivery, digest: of("digest")? })
    }
}

/// The conditions are those of the partial indexes.
pub(crate) fn wake_statement(backend: DbBackend) -> Statement {
    let least = |channel: Channel| {
        let name = channel.name();
        format!(
            "(SELECT min(wake_time) FROM deliveries WHERE channel = '{name}' AND wake_time IS NOT NULL) AS \"{name}\", "
        )
    };
    let deliveries: String = Channel::ALL.into_iter().map(least).collect();
    let digest =
        "(SELECT min(next_digest_time) FROM preferences WHERE next_digest_time IS NOT NULL) AS digest";
    Statement::from_sql_and_values(backend, format!("SELECT {deliveries}{digest}"), [])
}
