//! Who may do what, tried live: each test shows that the forbidden way fails for the right reason, and that the same way is
//! open for who may go it.

mod components;
mod delivery;
mod doors;
mod invocation;
mod jobs;
mod network;
mod publishing;
mod secrets;

use tonic::{Code, Status};

/// Checks that a sidecar's access control has refused it.
fn expect_denied(what: &str, status: &Status) {
    let said = status.message();
    let denied =
        status.code() == Code::PermissionDenied && said.contains("access control policy has denied access");
    assert!(denied, "{what}: {status:?}");
}
