//! Whether the database is there.

use crate::{Error, Store};

impl Store {
    /// Asks the database nothing but for an answer, on one of the connections for reading.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.read.ping().await?)
    }
}
