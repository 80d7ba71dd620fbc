//! Docket as it was installed on a Kubernetes: who is let in, what bad values come to, and what operators do to it while it
//! runs. The cluster is that of kubectl's current context, in which `cargo xtask up` has been; the tests leave it as it was.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod forged;
mod kubectl;
mod operations;
mod release;
mod sidecar;
mod site;
mod stranger;
mod values;
