//! Reads kept answers back.

use docket_proto::v1;
use prost::Message as _;

use crate::Error;

/// The answer that was kept for a repetition.
pub(crate) fn repeat(response: &[u8]) -> Result<v1::Task, Error> {
    v1::Task::decode(response).map_err(|error| {
        let detail = error.to_string();
        Error::Store(docket_store::Error::Corrupt { what: "idempotency_keys.response", detail })
    })
}
