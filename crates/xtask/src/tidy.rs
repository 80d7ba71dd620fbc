//! The rules of the layout: module headers, file lengths, crate READMEs, who may use whom.
//!
//! `cargo xtask check` prints what breaks them, and a test fails on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::workspace::{self, DEFAULT_RING, DEFAULT_RING_NAMES};

/// More than this is no longer read at one go.
const MOST_LINES: usize = 450;

/// The crates of which no one may use another: they meet in events, in the contract or in `docket-domain`.
const TARGETS: [&str; 6] = [
    "docket-audit",
    "docket-deadletters",
    "docket-notification",
    "docket-recurrence",
    "docket-reminders",
    "docket-tasks",
];

/// Crates that only some may use.
const RESERVED: [(&str, &[&str]); 5] = [
    ("dapr", &["docket-sidecar", "docket-bench"]),
    ("docket-kafka", &["docket-server", "docket-testkit"]),
    // The last three for tests alone, which lay traps in the database.
    ("sea-orm", &["docket-store", "docket-migration", "docket-audit", "docket-outbox", "docket-reminders"]),
    ("sea-orm-migration", &["docket-migration"]),
    ("tokio-postgres", &["docket-testkit"]),
];

/// What the rules of the domain must not know of.
const IMPURE: [&str; 7] = ["dapr", "docket-proto", "prost", "sea-orm", "tokio", "tonic", "tonic-types"];

/// A package of the workspace.
#[derive(Debug)]
struct Package {
    name: String,
    manifest: PathBuf,
    /// The source files in which its programs and its library begin.
    roots: Vec<PathBuf>,
    /// The integration tests, and whether each belongs to the default ring.
    tests: Vec<(String, bool)>,
    uses: BTreeSet<String>,
}

/// What breaks the rules, one line each.
pub(crate) fn violations() -> Result<Vec<String>> {
    let root = workspace::root();
    let mut wrong = Vec::new();
    for file in sources(&root)? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        wrong.extend(of_source(&text).into_iter().map(|what| format!("{name}: {what}")));
    }
    for package in packages()? {
        wrong.extend(of_files(&package)?);
        wrong.extend(of_tests(&package.tests).into_iter().map(|what| format!("{}: {what}", package.name)));
        wrong.extend(of_uses(&package.name, &package.uses));
    }
    Ok(wrong)
}

/// The rules of one source file.
fn of_source(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // A crate may leave its header to its README.
    if !first.starts_with("//! ") && !first.starts_with("#![doc = include_str!(") {
        wrong.push("the first line does not say what the module is for (`//! …`)".to_owned());
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        wrong.push(format!("{lines} lines are more than {MOST_LINES}; give its parts modules of their own"));
    }
    wrong
}

/// The rules of a package's files.
fn of_files(package: &Package) -> Result<Vec<String>> {
    let name = &package.name;
    let mut wrong = Vec::new();
    let manifest = fs::read_to_string(&package.manifest)
        .with_context(|| format!("cannot read {}", package.manifest.display()))?;
    if !manifest.contains("\n[lints]\nworkspace = true\n") {
        wrong.push(format!("{name}: Cargo.toml lacks `[lints]` with `workspace = true`"));
    }
    let mut included = false;
    for root in &package.roots {
        let text = fs::read_to_string(root).with_context(|| format!("cannot read {}", root.display()))?;
        included |= text.contains("README.md\")]");
    }
    if !included {
        wrong.push(format!(
            "{name}: no README.md is its front page (`#![doc = include_str!(\"../README.md\")]`)"
        ));
    }
    Ok(wrong)
}

/// The rules of integration tests: the default ring is found by the names.
fn of_tests(tests: &[(String, bool)]) -> Vec<String> {
    let wrong = tests.iter().filter(|(name, e2e)| name.starts_with(DEFAULT_RING_NAMES) != *e2e);
    wrong
        .map(|(name, _)| {
            format!("test {name}: `{DEFAULT_RING_NAMES}` begins the name if, and only if, it needs the feature {DEFAULT_RING}")
        })
        .collect()
}

/// The rules of who uses whom.
fn of_uses(name: &str, uses: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    if TARGETS.contains(&name) {
        let others = TARGETS.iter().filter(|other| uses.contains(**other));
        wrong.extend(others.map(|other| format!("{name} uses {other}: targets never use each other")));
    }
    for (reserved, users) in RESERVED {
        if uses.contains(reserved) && !users.contains(&name) {
            wrong.push(format!("{name} uses {reserved}, which only {} may", users.join(" and ")));
        }
    }
    if name == "docket-domain" {
        let impure = IMPURE.iter().filter(|impure| uses.contains(**impure));
        wrong.extend(impure.map(|impure| format!("{name} uses {impure}, and would not be pure")));
    }
    wrong
}

/// The packages of the workspace as cargo sees them.
fn packages() -> Result<Vec<Package>> {
    Ok(workspace::packages()?.iter().map(package).collect())
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &'static str| package[value].as_array().into_iter().flatten();
    let has = |target: &Value, key: &str, word: &str| {
        target[key].as_array().into_iter().flatten().any(|value| value == word)
    };
    let roots = list("targets").filter(|target| has(target, "kind", "lib") || has(target, "kind", "bin"));
    let tests = list("targets").filter(|target| has(target, "kind", "test"));
    Package {
        name: text(&package["name"]),
        manifest: text(&package["manifest_path"]).into(),
        tests: tests
            .map(|test| (text(&test["name"]), has(test, "required-features", DEFAULT_RING)))
            .collect(),
        roots: roots.map(|target| text(&target["src_path"]).into()).collect(),
        uses: list("dependencies").map(|dependency| text(&dependency["name"])).collect(),
    }
}

/// All source files that are ours.
fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![root.join("build.rs")];
    let mut folders = vec![root.join("crates"), root.join("proto")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_keeps_the_rules() {
        let wrong = violations().unwrap();
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
        // The walk has seen the workspace, and not an empty folder.
        assert!(
            sources(&workspace::root())
                .unwrap()
                .iter()
                .any(|file| file.ends_with("crates/xtask/src/tidy.rs"))
        );
        assert!(packages().unwrap().iter().any(|package| package.name == "docket-domain"));
    }

    #[test]
    fn files_without_header_and_long_files_are_named() {
        let check = |text: &str, expect: &[&str]| {
            let wrong = of_source(text);
            assert_eq!(wrong.len(), expect.len(), "{wrong:?}");
            assert!(wrong.iter().zip(expect).all(|(wrong, expect)| wrong.contains(expect)), "{wrong:?}");
        };
        check("\n//! Reads.\nfn f() {}\n", &[]);
        check("#![doc = include_str!(\"../README.md\")]\n", &[]);
        check("use std::fs;\n//! Late.\n", &["first line"]);
        check("", &["first line"]);
        check(&format!("//! Long.\n{}", "\n".repeat(MOST_LINES)), &["451 lines"]);
        check(&format!("//! Just so.\n{}", "\n".repeat(MOST_LINES - 1)), &[]);
    }

    #[test]
    fn tests_that_no_ring_would_run_are_named() {
        let check = |name: &str, e2e, expect| {
            assert_eq!(of_tests(&[(name.to_owned(), e2e)]).len(), expect, "{name} {e2e}");
        };
        check("e2e_flow", true, 0);
        check("zones", false, 0);
        check("flow", true, 1);
        check("e2e_flow", false, 1);
    }

    #[test]
    fn forbidden_uses_are_named() {
        let check = |name: &str, uses: &[&str], expect: &[&str]| {
            let wrong = of_uses(name, &uses.iter().map(ToString::to_string).collect());
            assert_eq!(wrong.len(), expect.len(), "{wrong:?}");
            assert!(wrong.iter().zip(expect).all(|(wrong, expect)| wrong.contains(expect)), "{wrong:?}");
        };
        check("docket-tasks", &["docket-store", "docket-rpc"], &[]);
        check("docket-tasks", &["docket-audit"], &["targets never use each other"]);
        check("docket-server", &["docket-audit", "docket-tasks"], &[]);
        check("docket-server", &["dapr"], &["only docket-sidecar and docket-bench may"]);
        check("docket-server", &["docket-kafka"], &[]);
        check("docket-outbox", &["docket-kafka"], &["only docket-server and docket-testkit may"]);
        check("docket-store", &["sea-orm", "sea-orm-migration"], &["uses sea-orm-migration"]);
        check("docket-domain", &["tokio", "chrono"], &["would not be pure"]);
    }
}
