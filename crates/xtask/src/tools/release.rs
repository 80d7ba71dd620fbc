//! The last release: its tree is in the history of this repository, and its binary is built from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process, workspace};

/// Says which release that is, and which commit: the version, and the whole name of the commit.
const FILE: &str = "crates/store/compat/LAST_RELEASE";

/// The version of the last release, and its commit.
pub(super) fn pinned() -> Result<(String, String)> {
    let text =
        fs::read_to_string(workspace::root().join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
    read(&text).with_context(|| format!("{FILE} does not name a version and a commit"))
}

fn read(text: &str) -> Option<(String, String)> {
    let (version, commit) = text.trim().split_once(' ')?;
    let whole = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| (version.to_owned(), commit.to_owned()))
}

/// Whether a file is the binary of the last release: of no other one, newer or not.
pub(super) fn accepts(file: &Path) -> Result<(), String> {
    let (version, _) = pinned().map_err(|error| format!("{error:#}"))?;
    let says = process::answer(Command::new(file).arg("--version")).unwrap_or_default();
    match says.split_whitespace().any(|word| word == version) {
        true => Ok(()),
        false => Err(format!("is not docket {version}; it says: {}", says.trim())),
    }
}

/// Says what is missing when this checkout does not have the commit.
pub(super) fn check_history(version: &str, commit: &str) -> Result<()> {
    let mut git = git();
    git.args(["cat-file", "-e", &format!("{commit}^{{commit}}")]);
    let known = git.output().context("git is needed to build the last release from the history")?;
    ensure!(
        known.status.success(),
        "the last release, {version}, is built from commit {commit}, which this checkout does not have.\n  \
         git fetch --unshallow brings it where the history was cut off; an archive of the files alone has none.\n  \
         Where its binary is already, {} names it.",
        super::Tool::LastRelease.variable(),
    );
    Ok(())
}

/// Unpacks the tree of the commit in the folder of a build. The command that builds it, and where it leaves the binary: without
/// what is for those alone who look for mistakes in it.
pub(super) fn build(commit: &str, into: &Path) -> Result<(Command, PathBuf)> {
    let (tree, target) = (into.join("tree"), into.join("target"));
    unpack(commit, into, &tree)?;
    let mut cargo = workspace::cargo();
    // The toolchain stays this one's: where none is named, rustup takes that of whichever dependency has a file for it.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
        cargo.env_remove(name);
    }
    cargo.current_dir(tree).env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "none");
    cargo.args(["build", "--locked", "--package=docket-server", "--bin=docket", "--target-dir"]).arg(&target);
    Ok((cargo, target.join("debug/docket")))
}

fn unpack(commit: &str, into: &Path, tree: &Path) -> Result<()> {
    fs::create_dir(tree).with_context(|| format!("cannot make {}", tree.display()))?;
    let archive = into.join("tree.tar");
    let (mut pack, mut unpack) = (git(), Command::new("tar"));
    pack.args(["archive", "--format=tar", "--output"]).arg(&archive).arg(commit);
    unpack.current_dir(tree).arg("-xf").arg(&archive);
    for command in [&mut pack, &mut unpack] {
        let output = command.output().with_context(|| format!("cannot run {}", process::line(command)))?;
        if !output.status.success() {
            bail!("{}: {}", process::line(command), String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(())
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.current_dir(workspace::root());
    git
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::tests::script;
    use crate::tools::version::Version;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_release_is_a_version_and_a_whole_commit() {
        assert_eq!(read(&format!("0.3.0 {COMMIT}\n")), Some(("0.3.0".to_owned(), COMMIT.to_owned())));
        for text in ["", "0.3.0", "0.3.0 v0.3.0", &format!("0.3.0 {COMMIT}0"), &format!("0.3.0  {COMMIT}")] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    /// The file of this release is recorded as the last thing before it is released.
    #[test]
    fn the_last_release_is_the_newest_before_this_one_that_was_recorded() {
        let (last, _) = pinned().unwrap();
        let folder = workspace::root().join(FILE).parent().unwrap().to_owned();
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let recorded =
            names.filter_map(|name| Version::parse(name.to_str().unwrap().strip_suffix(".postgres.sql")?));
        let this = Version::parse(env!("CARGO_PKG_VERSION")).unwrap();
        let before = recorded.filter(|version| *version < this).max();
        assert_eq!(Version::parse(&last), before);
    }

    #[test]
    fn another_release_is_not_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let says = |version: &str| {
            let file = folder.path().join(version);
            script(&file, &format!("echo docket {version}"));
            accepts(&file)
        };
        let (version, _) = pinned().unwrap();
        assert_eq!(says(&version), Ok(()));
        let why = says("99.0.0").unwrap_err();
        assert_eq!(why, format!("is not docket {version}; it says: docket 99.0.0"));
    }

    #[test]
    fn history_that_is_missing_is_asked_for() {
        let error = check_history("0.3.0", COMMIT).unwrap_err().to_string();
        assert!(error.contains("git fetch --unshallow") && error.contains("TOOL_LAST_RELEASE"), "{error}");
    }
}
