//! Whether the database is there.

use crate::metrics::Use;
use crate::{Error, Store};

impl Store {
    /// Asks the database nothing but for an answer, on one of the connections for reading.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.read.ping().await?)
    }

    /// Whether calls have all of the connections for reading, so that whoever comes waits for one.
    pub fn is_busy(&self) -> bool {
        Use::of(&self.read).is_full()
    }
}
