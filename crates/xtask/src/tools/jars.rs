//! Folders of jars, and others: how one is named, and whether it has what it must have.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::Tool;
use super::version::Version;

/// The folder that the tool's variable names, if it is set.
pub(super) fn named(tool: Tool) -> Result<Option<PathBuf>> {
    let variable = tool.variable();
    let Some(folder) = std::env::var_os(variable).filter(|folder| !folder.is_empty()) else {
        return Ok(None);
    };
    let folder = std::path::absolute(folder).with_context(|| format!("{variable} is no path"))?;
    match tool.accepts(&folder) {
        Ok(()) => Ok(Some(folder)),
        Err(why) => bail!("{variable} names {}, which {why}", folder.display()),
    }
}

/// Whether a folder has jars with names that begin so, all of them new enough; the version follows the beginning.
pub(super) fn accepts(folder: &Path, jars: &[&str], oldest: Version) -> Result<(), String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    for jar in jars {
        let mut versions = names.iter().filter_map(|name| name.strip_prefix(jar)?.strip_suffix(".jar"));
        match versions.find_map(Version::parse) {
            Some(version) if version >= oldest => {}
            Some(version) => return Err(format!("is version {version}; {oldest} or newer is needed")),
            None => return Err(format!("does not have the jar {jar}<version>.jar")),
        }
    }
    Ok(())
}
