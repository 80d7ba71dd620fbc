//! Debian's package manager, for what is installed and not built.

use std::process::Command;

use anyhow::Result;
use nix::unistd::Uid;

use crate::{process, workspace};

/// Whether packages can be installed here without asking anybody.
pub(super) fn can_install() -> bool {
    process::on_path("apt-get").is_some() && Uid::effective().is_root()
}

/// Installs packages, and nothing that they merely recommend.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    run(&["update"])?;
    run(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}

fn run(arguments: &[&str]) -> Result<()> {
    let mut apt = Command::new("apt-get");
    // Its output is said to be for people, and must not be taken for this program's.
    apt.arg("-q").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(std::io::stderr());
    process::run(apt.current_dir(workspace::root()))
}
