//! A Kubernetes that others have made: kubectl, Helm, and ports of this machine that lead into it.
//!
//! What fails in the cluster is an error and no panic: who lets pods go on purpose has to see it and go on.

mod command;
mod forward;
mod helm;
mod kubectl;
#[cfg(test)]
mod tests;

pub use command::{Error, Said};
pub use forward::Forward;
pub use helm::Helm;
pub use kubectl::{Kubectl, Removes};

use std::time::Duration;

/// How long a program may take that waits for pods or runs in one: longer than the program itself waits, so that it says what
/// was missing.
const LONG_PATIENCE: Duration = Duration::from_secs(900);

/// How long kubectl and Helm themselves wait for pods.
const LIMIT: &str = "600s";
