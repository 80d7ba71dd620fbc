//! Docket's own image: by an engine from `deploy/Dockerfile`, or the same content without one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::archive::{Config, Image};
use super::tree::Tree;
use crate::{process, workspace};

/// The version of the workspace, which is the tag.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who runs it.
const USER: u32 = 65_532;
const PROGRAM: &str = "/usr/local/bin/docket";
/// Where it starts, and where its data is unless it is told otherwise.
const FOLDER: &str = "/var/lib/docket";
/// The port of its API.
const PORT: u16 = 7600;

const LABELS: [(&str, &str); 4] = [
    ("org.opencontainers.image.title", "Docket"),
    (
        "org.opencontainers.image.description",
        "A task platform: tasks, recurrence, reminders, audit, over gRPC",
    ),
    ("org.opencontainers.image.licenses", "Apache-2.0"),
    ("org.opencontainers.image.version", VERSION),
];

/// The name and the tag, as charts and engines on this machine have it.
pub(super) fn name() -> String {
    format!("docket:{VERSION}")
}

/// Has an engine build it.
pub(super) fn build(engine: &Path) -> Result<()> {
    process::run(&mut command(engine))
}

fn command(engine: &Path) -> Command {
    let mut command = Command::new(engine);
    command
        .args(["build", "--file", "deploy/Dockerfile", "--tag", &name(), "."])
        .current_dir(workspace::root());
    // The cache mounts of the file are BuildKit's, which older engines have to be told to use.
    command.env("DOCKER_BUILDKIT", "1");
    command
}

/// Puts it together from what cargo builds here.
pub(super) fn image() -> Result<Image> {
    let mut cargo = workspace::cargo();
    process::run(cargo.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "docket-server",
        "--bin",
        "docket",
    ]))?;
    let program: PathBuf = workspace::released()?.join("docket");
    let mut tree = Tree::new();
    tree.program(&program, PROGRAM, None)?;
    tree.folder(FOLDER, 0o700, USER);
    // The whole of it, as clusters look for it.
    Ok(Image { name: format!("docker.io/library/{}", name()), tree, config: config() })
}

fn config() -> Config {
    Config {
        user: USER,
        entrypoint: vec![PROGRAM.to_owned()],
        folder: FOLDER.to_owned(),
        ports: vec![PORT],
        labels: LABELS
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn dockerfile() -> String {
        fs::read_to_string(workspace::root().join("deploy/Dockerfile")).unwrap()
    }

    /// What comes after an instruction in the last stage, each on a line of its own.
    fn instructions(file: &str, instruction: &str) -> Vec<String> {
        let joined = file.replace("\\\n", " ");
        let stage = joined.rsplit("\nFROM ").next().unwrap();
        let found = stage.lines().filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
        found.map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn engine_makes_an_image_that_starts_the_same_way() {
        let file = dockerfile();
        let config = config();
        assert_eq!(instructions(&file, "USER"), [format!("{0}:{0}", config.user)]);
        assert_eq!(instructions(&file, "WORKDIR"), [config.folder]);
        assert_eq!(
            instructions(&file, "EXPOSE"),
            config.ports.iter().map(u16::to_string).collect::<Vec<_>>()
        );
        assert_eq!(instructions(&file, "ENTRYPOINT"), [serde_json::to_string(&config.entrypoint).unwrap()]);
        let labels: String = config.labels.iter().map(|(key, value)| format!("{key}=\"{value}\" ")).collect();
        let mut said: Vec<_> = instructions(&file, "LABEL");
        said.sort();
        assert_eq!(said.join(" ").replace("${VERSION}", VERSION), labels.trim_end());
        assert!(
            instructions(&file, "ENV").is_empty(),
            "a variable would win over a file of the configuration"
        );
    }

    #[test]
    fn engine_builds_with_the_compiler_of_the_workspace() {
        let toolchain = fs::read_to_string(workspace::root().join("rust-toolchain.toml")).unwrap();
        let toolchain: toml::Table = toml::from_str(&toolchain).unwrap();
        let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
        let file = dockerfile();
        assert!(file.contains(&format!("\nFROM docker.io/library/rust:{channel}-slim-bookworm@sha256:")));
        assert!(file.contains(&format!("RUSTUP_TOOLCHAIN={channel}\n")));
        assert!(file.contains(&format!("\nARG VERSION={VERSION}\n")));
    }

    #[test]
    fn whatever_comes_from_elsewhere_is_pinned() {
        let file = dockerfile();
        let froms: Vec<_> = file.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
        assert_eq!(froms.len(), 2);
        assert!(froms.iter().all(|from| from.contains("@sha256:")), "{froms:?}");
    }

    #[test]
    fn engine_is_told_the_file_and_the_tag() {
        let line = process::line(&command(Path::new("/usr/bin/docker")));
        assert_eq!(line, format!("docker build --file deploy/Dockerfile --tag docket:{VERSION} ."));
    }
}
