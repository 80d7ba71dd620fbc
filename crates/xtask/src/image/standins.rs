//! What Docket stands on, for a cluster that can pull nothing: made of what this machine has, under the names that the
//! manifests have. A version may be another one than the name says, which is said, and noted in a label.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::archive::{Config, Image};
use super::tree::Tree;
use crate::cluster::Versions;
use crate::process;
use crate::tools::{self, Paths, Tool};

/// The label that says what is in the image.
pub(super) const HOLDS: &str = "org.opencontainers.image.description";

/// Dapr's control plane, and its sidecar.
const DAPR: [Tool; 6] =
    [Tool::Daprd, Tool::Injector, Tool::Operator, Tool::Placement, Tool::Scheduler, Tool::Sentry];

/// PostgreSQL's programs that the manifest and operators use.
const POSTGRES: [&str; 7] = ["postgres", "initdb", "pg_ctl", "pg_isready", "psql", "pg_dump", "pg_restore"];

/// Where its manifest looks for them.
const POSTGRES_PLACE: &str = "/usr/lib/postgresql";

/// What else its scripts want, and who looks into a container by hand.
const SHELL: [&str; 4] = ["/bin/sh", "/bin/rm", "/bin/cat", "/bin/ls"];

/// Time zones, which Debian's PostgreSQL reads from the system.
const ZONES: &str = "/usr/share/zoneinfo";

/// Where its manifest looks for Java and for Kafka.
const JAVA_PLACE: &str = "opt/java/openjdk";
const KAFKA_PLACE: &str = "opt/kafka/libs";

/// Who may run it, where manifests do not say.
const NOBODY: u32 = 65_532;

/// What goes into which image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StandIn {
    Dapr,
    Jaeger,
    Kafka,
    Postgres,
}

impl StandIn {
    /// What it is made of.
    pub(super) const fn tools(self) -> &'static [Tool] {
        match self {
            Self::Dapr => &DAPR,
            Self::Jaeger => &[Tool::Jaeger],
            Self::Kafka => &[Tool::Kafka],
            Self::Postgres => &[Tool::Postgres],
        }
    }

    /// Puts it together.
    pub(super) fn images(self, tools: &Paths, versions: &Versions) -> Result<Vec<Image>> {
        match self {
            Self::Dapr => {
                let version = &versions.charts.dapr.version;
                let image = |tool: &Tool| dapr(tools.of(*tool)?, tool.name(), version);
                DAPR.iter().map(image).collect()
            }
            Self::Jaeger => Ok(vec![jaeger(tools.of(Tool::Jaeger)?, versions.image("jaeger")?)?]),
            Self::Kafka => Ok(vec![kafka(tools.of(Tool::Kafka)?, versions.image("kafka")?)?]),
            Self::Postgres => Ok(vec![postgres(tools.of(Tool::Postgres)?, versions.image("postgres")?)?]),
        }
    }
}

/// As Dapr's chart names it by default.
fn dapr(program: &Path, name: &str, version: &str) -> Result<Image> {
    let mut tree = Tree::new();
    tree.program(program, name, None)?;
    let config = Config { user: NOBODY, entrypoint: vec![format!("/{name}")], ..Config::default() };
    Ok(Image { name: format!("ghcr.io/dapr/{name}:{version}"), tree, config })
}

fn jaeger(program: &Path, name: &str) -> Result<Image> {
    let mut tree = Tree::new();
    tree.program(program, "cmd/jaeger/jaeger-linux", None)?;
    let entrypoint = vec!["/cmd/jaeger/jaeger-linux".to_owned()];
    let config = Config { user: NOBODY, entrypoint, ..Config::default() };
    Ok(Image { name: name.to_owned(), tree, config: holding(config, &version(program)) })
}

fn kafka(jars: &Path, name: &str) -> Result<Image> {
    let mut tree = Tree::new();
    tree.copy(jars, KAFKA_PLACE, &|_| true)?;
    let java = tools::java()?.canonicalize().context("Java is a link to nothing")?;
    let home = java.ancestors().nth(2).context("Java is in no folder")?;
    for folder in ["conf", "lib"] {
        // Its sources and the signatures of older releases run nothing.
        let wanted = |path: &Path| !path.ends_with("src.zip") && !path.ends_with("ct.sym");
        tree.copy(&home.join(folder), &format!("{JAVA_PLACE}/{folder}"), &wanted)?;
    }
    tree.program(&java, &format!("{JAVA_PLACE}/bin/java"), Some(home))?;
    let machine = PathBuf::from("lib/server/libjvm.so");
    tree.program(&home.join(&machine), &format!("{JAVA_PLACE}/{}", machine.display()), Some(home))?;
    let config = Config { user: NOBODY, ..Config::default() };
    Ok(Image { name: name.to_owned(), tree, config })
}

fn postgres(programs: &Path, name: &str) -> Result<Image> {
    ensure!(
        programs.starts_with(POSTGRES_PLACE),
        "the manifest looks for PostgreSQL below {POSTGRES_PLACE}, where Debian puts it; this one is in {}",
        programs.display()
    );
    let mut tree = Tree::new();
    let programs_here = POSTGRES.map(|name| programs.join(name));
    for program in programs_here.iter().map(PathBuf::as_path).chain(SHELL.map(Path::new)) {
        tree.program(program, &program.to_string_lossy(), None)?;
    }
    let ask = |what: &str| -> Result<PathBuf> {
        let answer = process::answer(Command::new(programs.join("pg_config")).arg(what));
        let folder = answer.map(|answer| PathBuf::from(answer.trim())).filter(|folder| folder.is_dir());
        folder.with_context(|| format!("pg_config {what} names no folder"))
    };
    let (modules, share) = (ask("--pkglibdir")?, ask("--sharedir")?);
    // Without the compiler of queries, which is larger than all the rest.
    let wanted = |path: &Path| {
        path.extension().is_some_and(|extension| extension == "so") && !path.ends_with("llvmjit.so")
    };
    tree.copy(&modules, &modules.to_string_lossy(), &wanted)?;
    tree.copy(&share, &share.to_string_lossy(), &|path| !path.ends_with("man"))?;
    tree.copy(Path::new(ZONES), ZONES, &|path| !path.ends_with("right") && !path.ends_with("posix"))?;
    let config = Config { user: NOBODY, ..Config::default() };
    Ok(Image { name: name.to_owned(), tree, config: holding(config, &version(&programs.join("postgres"))) })
}

/// Notes what is in the image, which its name does not tell.
fn holding(mut config: Config, version: &str) -> Config {
    config.labels.insert(HOLDS.to_owned(), version.to_owned());
    config
}

/// What a program says that it is.
fn version(program: &Path) -> String {
    let answer = process::answer(Command::new(program).arg("--version")).unwrap_or_default();
    answer.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_name_what_there_is_a_stand_in_for() {
        let versions = Versions::read().unwrap();
        for (what, name) in [("jaeger", "/jaeger:"), ("kafka", "/kafka:"), ("postgres", "/postgres:")] {
            assert!(versions.image(what).unwrap().contains(name), "{what}");
        }
        assert!(versions.image("redis").unwrap_err().to_string().contains("no image for redis"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn parts_of_dapr_are_where_its_chart_looks_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("built");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        let image = dapr(&program, "sentry", "1.18.3").unwrap();
        assert_eq!(image.name, "ghcr.io/dapr/sentry:1.18.3");
        assert_eq!((image.config.user, &*image.config.entrypoint), (65_532, &["/sentry".to_owned()][..]));
        let mut bytes = Vec::new();
        image.tree.write(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let mut paths = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
        assert!(paths.any(|path| path == Path::new("sentry")));
    }

    #[test]
    fn label_says_what_the_name_does_not() {
        let config = holding(Config::default(), "postgres (PostgreSQL) 15.18");
        assert_eq!(config.labels[HOLDS], "postgres (PostgreSQL) 15.18");
    }
}
