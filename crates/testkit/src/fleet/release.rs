//! A release of Docket, where a fleet has more than one.

use std::path::{Path, PathBuf};

use super::Role;
use crate::tool;

/// A release of Docket.
#[derive(Clone, Debug)]
pub struct Release {
    /// The binary.
    pub binary: PathBuf,
    /// The targets that it has.
    pub roles: &'static [Role],
    /// How the variables begin that it does not know. It would not start with them.
    pub unknown: &'static [&'static str],
    pub(crate) under_test: bool,
}

impl Release {
    /// The one of the binary under test, which has and knows everything.
    pub fn this(binary: &Path) -> Self {
        Self { binary: binary.to_owned(), roles: &Role::ALL, unknown: &[], under_test: true }
    }

    /// The last one, of which these are the targets, and these the beginnings of variables that it does not know.
    ///
    /// # Panics
    /// When `TOOL_LAST_RELEASE` does not name it.
    pub fn last(roles: &'static [Role], unknown: &'static [&'static str]) -> Self {
        Self { binary: tool("TOOL_LAST_RELEASE"), roles, unknown, under_test: false }
    }
}
