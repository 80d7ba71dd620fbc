//! How users want to be told, and the ledger of what was sent.
//!
//! A row of the ledger is one message on one channel. Who sends it has claimed it, for a time; a claim that has come to its
//! end is another one's to take. Each claim counts as an attempt, so that an attempt is settled by nobody but who made it.

mod begin;
mod claim;
mod deliveries;
mod digests;
mod list;
mod preferences;
mod settle;
mod wake;

pub use begin::Begun;
#[cfg(test)]
pub(crate) use begin::tests_query;
pub use claim::Claimed;
#[cfg(test)]
pub(crate) use claim::{CLAIM_IN_PROCESS, due_query};
pub use deliveries::{Delivery, NewDelivery};
pub use digests::NextDigest;
#[cfg(test)]
pub(crate) use digests::due_query as digests_query;
#[cfg(test)]
pub(crate) use list::list_query;
pub use list::{Cursor, Listing};
pub use preferences::StoredPreferences;
#[cfg(test)]
pub(crate) use preferences::owner_query;
#[cfg(test)]
pub(crate) use settle::{SETTLE_IN_PROCESS, siblings_query};
pub use settle::{Settled, Settlement};
pub use wake::Wake;
#[cfg(test)]
pub(crate) use wake::wake_statement;
