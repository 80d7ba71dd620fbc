//! Where faults strike: processes of this machine, or a cluster.

use std::time::Duration;

use docket_testkit::postgres::Client;

/// Where faults strike, as those see it who judge.
pub(crate) trait Ground {
    /// The database of all targets, as somebody who may read all of it.
    async fn database(&self) -> Result<Client, String>;

    /// Waits until every replica serves; says how long that took, or who does not.
    async fn up(&mut self, limit: Duration) -> Result<Duration, String>;

    /// Whether nothing is on its way, and no dead letters are open but those that were asked for; else what is.
    async fn settled(&self) -> Result<(), String>;

    /// Starts again who has ended by itself, where nobody else does.
    fn revive(&mut self) {}

    /// How often it may be asked how things are.
    fn interval(&self) -> Duration {
        Duration::from_millis(50)
    }
}
