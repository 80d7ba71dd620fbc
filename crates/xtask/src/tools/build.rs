//! Builds a tool into the cache folder.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::recipe::{From, Recipe};
use super::release;
use super::version::Version;
use crate::process::{self, tail};
use crate::progress::Progress;

/// Says what is missing for the builds, before the first of them starts.
pub(crate) fn check_prerequisites(recipes: &[Recipe]) -> Result<()> {
    for recipe in recipes {
        if let From::Commit(commit) = &recipe.from {
            release::check_history(&recipe.version, commit)?;
        }
    }
    let modules = recipes.iter().filter_map(|recipe| match &recipe.from {
        From::Go(module) => Some((recipe.tool.name(), module)),
        From::Crate | From::Maven(_) | From::Pages(_) | From::Commit(_) => None,
    });
    let modules: Vec<_> = modules.collect();
    let Some((_, newest)) = modules.iter().max_by_key(|(_, module)| Version::parse(&module.oldest_go)) else {
        return Ok(());
    };
    let names = modules.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let mut how = format!(
        "Go {} or newer is needed to build {names}, which are not installed.\n  \
         Get Go from https://go.dev/dl/ (unpack it, and put its bin folder on PATH).",
        newest.oldest_go,
    );
    if names.contains("daprd") || names.contains("scheduler") {
        let oldest = super::OLDEST_DAPR;
        how.push_str(&format!(
            "\n  An installed Dapr {oldest} or newer is used as it is (dapr init --slim)."
        ));
    }
    if process::on_path("go").is_none() {
        bail!("go is not on PATH.\n  {how}");
    }
    // Asked in the module, an older Go fetches the one that the module wants, if it is allowed to.
    let mut ask = Command::new("go");
    ask.args(["env", "GOVERSION"]).current_dir(&newest.folder).env("GOFLAGS", "").env("GOWORK", "off");
    let said = process::answer(&mut ask).unwrap_or_default();
    let said = said.trim();
    let found = said.lines().find_map(|line| Version::parse(line.trim()));
    if found < Version::parse(&newest.oldest_go) {
        bail!("the Go on PATH is too old or does not work; it says: {said}\n  {how}");
    }
    Ok(())
}

/// Builds; the file appears in the cache folder when it is whole, and not before.
pub(crate) fn build(recipe: &Recipe) -> Result<PathBuf> {
    let (file, folder) = (recipe.file()?, recipe.folder()?);
    let cache = folder.parent().context("the cache has no folder")?;
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;

    let name = recipe.tool.name();
    let _lock = lock(&cache.join(format!("{name}.lock")), name)?;
    if recipe.built()?.is_some() {
        // Somebody else has built it while this run waited.
        return Ok(file);
    }
    // Whatever is there was left by a run that was killed: the lock is ours.
    let partial = cache.join(format!("{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    fs::create_dir(&partial).with_context(|| format!("cannot make {}", partial.display()))?;

    let log = cache.join(format!("{name}.log"));
    let (mut command, built) = recipe.command(&partial)?;
    let brought = matches!(recipe.from, From::Maven(_) | From::Pages(_));
    let doing = if brought { "bringing" } else { "building" };
    let what = format!("{doing} {name} {} (once, about {} on two cores)", recipe.version, recipe.takes);
    watch(&mut command, &log, what)?;
    if built != partial.join(name) {
        fs::rename(&built, partial.join(name)).context("the build left no file")?;
        keep_only(&partial, name)?;
    }
    if matches!(recipe.from, From::Commit(_)) {
        // A commit may be another one than was meant.
        release::accepts(&partial.join(name)).map_err(|why| anyhow!("what was built of the commit {why}"))?;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::rename(&partial, &folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(file)
}

/// Removes what a build has left beside its result.
fn keep_only(folder: &Path, name: &str) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.file_name().is_some_and(|file| file == name) {
            continue;
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Runs a build with its output in a file, and says how far it is.
fn watch(command: &mut Command, log: &Path, what: String) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(200);
    let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = output.try_clone().context("cannot write the log twice")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let mut progress = Progress::new(what);
    let status = loop {
        if let Some(status) = child.try_wait().context("the build is lost")? {
            break status;
        }
        progress.tick(&detail(&fs::read_to_string(log).unwrap_or_default()));
        std::thread::sleep(PAUSE);
    };
    if status.success() {
        progress.end("done");
        return Ok(());
    }
    progress.end("FAILED");
    bail!("the build ended with {status}; the end of its output ({}):\n{}", log.display(), tail(log, 20));
}

/// How far a build is, from its output.
fn detail(log: &str) -> String {
    let downloads = log.lines().filter(|line| line.contains("ownload")).count();
    // Maven builds nothing, and says of each file when it begins and when it is there.
    if log.contains("[INFO]") {
        return format!(
            "({} downloads)",
            log.lines().filter(|line| line.contains("Downloaded from")).count()
        );
    }
    let compiled = log.lines().count() - downloads;
    format!("({downloads} downloads, {compiled} packages)")
}

/// Keeps another run of this program from building the same.
fn lock(path: &Path, name: &str) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            eprintln!("waiting for another run that is building {name} ...");
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_what_the_build_said() {
        let log = "go: downloading golang.org/x/net v0.58.0\nnet\nnet/http\n";
        assert_eq!(detail(log), "(1 downloads, 2 packages)");
        let log = "[INFO] Scanning\n[INFO] Downloading from central: a.jar\n[INFO] Downloaded from central: a.jar\n";
        assert_eq!(detail(log), "(1 downloads)");
    }

    #[test]
    fn nothing_is_kept_beside_the_result() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("vendor/other")).unwrap();
        fs::create_dir(folder.path().join("pages")).unwrap();
        fs::write(folder.path().join(".crates.toml"), "").unwrap();
        keep_only(folder.path(), "pages").unwrap();
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["pages"]);
    }

    #[test]
    fn failed_build_shows_its_last_lines_and_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("build.log");
        let mut command = Command::new("sh");
        command.args(["-c", "for i in $(seq 30); do echo line-$i; done; exit 3"]);
        let error = watch(&mut command, &log, "building".to_owned()).unwrap_err().to_string();
        assert!(
            error.contains("line-30") && error.contains("line-11") && !error.contains("line-10\n"),
            "{error}"
        );
        assert!(error.contains(&log.display().to_string()) && error.contains("exit status: 3"), "{error}");
    }
}
