//! How each tool is built, and where the result is kept.
//!
//! The versions are pinned in the Go modules, the Maven projects and the package of `crates/xtask/tools`, that of Docket's
//! last release in `crates/store/compat`, and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{Tool, release, strimzi};
use crate::{process, workspace};

/// The versions of the tools that come from crates.io.
const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";

/// The package of crates.io in which Jaeger's pages are.
const PAGES: &str = "otlp-embedded";

/// How a tool is built.
#[derive(Debug)]
pub(crate) struct Recipe {
    /// Which.
    pub(crate) tool: Tool,
    /// At which version.
    pub(crate) version: String,
    /// How long it takes from nothing on two cores.
    pub(crate) takes: &'static str,
    /// From what.
    pub(crate) from: From,
}

/// What a tool is built from.
#[derive(Debug)]
pub(crate) enum From {
    /// A Go module of this repository.
    Go(GoModule),
    /// A package of crates.io.
    Crate,
    /// The folder of a Maven project of this repository, which names jars, and that of Strimzi what they are to make.
    Maven(PathBuf),
    /// The folder of a package of this repository, which names one of crates.io that has pages in it.
    Pages(PathBuf),
    /// The tree of a commit of this repository.
    Commit(String),
}

/// A Go module that pins a tool.
#[derive(Debug)]
pub(crate) struct GoModule {
    /// Where it is.
    pub(crate) folder: PathBuf,
    /// The oldest Go that can build it, as its `go.mod` says.
    pub(crate) oldest_go: String,
    package: &'static str,
    flags: Vec<String>,
}

impl Recipe {
    /// The recipe of a tool.
    pub(crate) fn of(tool: Tool) -> Result<Self> {
        let (folder, module, package, takes) = match tool {
            // Ours, and at Dapr's version: see there.
            Tool::Daprd => ("dapr", "github.com/dapr/dapr", "./cmd/daprd", "5 minutes"),
            Tool::Scheduler => {
                ("dapr", "github.com/dapr/dapr", "github.com/dapr/dapr/cmd/scheduler", "2 minutes")
            }
            Tool::Injector => {
                ("dapr", "github.com/dapr/dapr", "github.com/dapr/dapr/cmd/injector", "2 minutes")
            }
            Tool::Operator => {
                ("dapr", "github.com/dapr/dapr", "github.com/dapr/dapr/cmd/operator", "2 minutes")
            }
            Tool::Placement => {
                ("dapr", "github.com/dapr/dapr", "github.com/dapr/dapr/cmd/placement", "1 minute")
            }
            Tool::Sentry => ("dapr", "github.com/dapr/dapr", "github.com/dapr/dapr/cmd/sentry", "1 minute"),
            Tool::Grpcurl => (
                "grpcurl",
                "github.com/fullstorydev/grpcurl",
                "github.com/fullstorydev/grpcurl/cmd/grpcurl",
                "2 minutes",
            ),
            Tool::Buf => ("buf", "github.com/bufbuild/buf", "github.com/bufbuild/buf/cmd/buf", "3 minutes"),
            Tool::Promtool => (
                "promtool",
                "github.com/prometheus/prometheus",
                "github.com/prometheus/prometheus/cmd/promtool",
                "4 minutes",
            ),
            Tool::Helm => ("helm", "helm.sh/helm/v4", "helm.sh/helm/v4/cmd/helm", "4 minutes"),
            Tool::HelmUnittest => (
                "helm-unittest",
                "github.com/helm-unittest/helm-unittest",
                "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
                "3 minutes",
            ),
            Tool::Kubeconform => (
                "kubeconform",
                "github.com/yannh/kubeconform",
                "github.com/yannh/kubeconform/cmd/kubeconform",
                "1 minute",
            ),
            Tool::Kind => ("kind", "sigs.k8s.io/kind", "sigs.k8s.io/kind", "1 minute"),
            Tool::Compose => {
                ("compose", "github.com/docker/compose/v5", "github.com/docker/compose/v5/cmd", "3 minutes")
            }
            Tool::CargoDeny => return Ok(Self::of_crate(tool, CARGO_DENY, "2 minutes")),
            Tool::CargoFuzz => return Ok(Self::of_crate(tool, CARGO_FUZZ, "1 minute")),
            Tool::Kafka => return Self::of_maven(tool, "kafka.version", "1 minute"),
            Tool::Mail => return Self::of_maven(tool, "greenmail.version", "10 seconds"),
            Tool::Strimzi => return Self::of_maven(tool, "strimzi.version", "40 seconds"),
            Tool::Jaeger => (
                "jaeger",
                "github.com/jaegertracing/jaeger",
                "github.com/jaegertracing/jaeger/cmd/jaeger",
                "4 minutes",
            ),
            Tool::JaegerUi => return Self::of_pages(tool),
            Tool::LastRelease => {
                let (version, commit) = release::pinned()?;
                return Ok(Self { tool, version, takes: "10 minutes", from: From::Commit(commit) });
            }
            Tool::Postgres | Tool::Pgbench => bail!("PostgreSQL is installed, and not built"),
        };
        let folder = workspace::root().join("crates/xtask/tools").join(folder);
        let manifest = folder.join("go.mod");
        let manifest =
            fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        let version = required(&manifest, module).with_context(|| format!("no go.mod pins {module}"))?;
        let oldest_go = value(&manifest, "go").context("a go.mod without a version of Go")?;
        let says = match tool {
            _ if folder.ends_with("dapr") => format!(
                " -X github.com/dapr/dapr/pkg/buildinfo.version={version} -X github.com/dapr/kit/logger.DaprVersion={version}"
            ),
            Tool::Grpcurl => format!(" -X main.version={version}"),
            Tool::Kubeconform => format!(" -X main.version=v{version}"),
            Tool::Compose => format!(" -X github.com/docker/compose/v5/internal.Version=v{version}"),
            Tool::Helm => format!(" -X helm.sh/helm/v4/internal/version.version=v{version}"),
            Tool::Promtool => format!(" -X github.com/prometheus/common/version.Version={version}"),
            Tool::Jaeger => {
                format!(" -X github.com/jaegertracing/jaeger/internal/version.latestVersion=v{version}")
            }
            _ => String::new(),
        };
        let mut flags = vec!["-mod=readonly".to_owned(), "-trimpath".to_owned()];
        if tool == Tool::Daprd {
            flags.push("-tags=stablecomponents".to_owned());
        }
        if tool == Tool::Promtool {
            // What finds targets in clouds is left out: no rule needs it, and it takes longer to build than all the rest.
            flags.push("-tags=remove_all_sd".to_owned());
        }
        flags.push(format!("-ldflags=-s -w{says}"));
        let module = GoModule { folder, oldest_go: oldest_go.to_owned(), package, flags };
        Ok(Self { tool, version: version.to_owned(), takes, from: From::Go(module) })
    }

    fn of_crate(tool: Tool, version: &str, takes: &'static str) -> Self {
        Self { tool, version: version.to_owned(), takes, from: From::Crate }
    }

    /// The Maven project of its name, of which this property is the version.
    fn of_maven(tool: Tool, property: &str, takes: &'static str) -> Result<Self> {
        let folder = workspace::root().join("crates/xtask/tools").join(tool.name());
        let file = folder.join("pom.xml");
        let project = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let version = self::property(&project, property)
            .with_context(|| format!("no pom.xml pins {}", tool.name()))?
            .to_owned();
        Ok(Self { tool, version, takes, from: From::Maven(folder) })
    }

    /// The package of its name, at the version of the package that has the pages.
    fn of_pages(tool: Tool) -> Result<Self> {
        let folder = workspace::root().join("crates/xtask/tools").join(tool.name());
        let file = folder.join("Cargo.toml");
        let manifest =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let version = pinned(&manifest, PAGES)
            .with_context(|| format!("no Cargo.toml pins {}", tool.name()))?
            .to_owned();
        Ok(Self { tool, version, takes: "10 seconds", from: From::Pages(folder) })
    }

    /// The folder in which the result is kept. Its name changes with everything that goes into the build.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        let mut hash = Hash::default();
        hash.add(std::env::consts::OS.as_bytes());
        hash.add(std::env::consts::ARCH.as_bytes());
        match &self.from {
            From::Go(module) => {
                for flag in &module.flags {
                    hash.add(flag.as_bytes());
                }
                hash.add_folder(&module.folder)?;
            }
            From::Maven(folder) | From::Pages(folder) => hash.add_folder(folder)?,
            From::Commit(commit) => hash.add(commit.as_bytes()),
            From::Crate => {}
        }
        let name = format!("{}-{}-{:016x}", self.tool.name(), self.version, hash.0);
        Ok(workspace::cache()?.join(name))
    }

    /// The file of the built tool; the folder of its jars, for what is of Java, and those of the definitions and the pages.
    pub(crate) fn file(&self) -> Result<PathBuf> {
        Ok(self.folder()?.join(self.tool.name()))
    }

    /// The same, if it is built.
    pub(crate) fn built(&self) -> Result<Option<PathBuf>> {
        let file = self.file()?;
        let whole = match &self.from {
            From::Maven(_) | From::Pages(_) => self.tool.accepts(&file).is_ok(),
            From::Go(_) | From::Crate | From::Commit(_) => process::is_program(&file),
        };
        Ok(whole.then_some(file))
    }

    /// The command that builds, and where it leaves the file.
    pub(crate) fn command(&self, into: &Path) -> Result<(Command, PathBuf)> {
        Ok(match &self.from {
            From::Go(module) => {
                let file = into.join(self.tool.name());
                let mut go = Command::new("go");
                go.current_dir(&module.folder);
                // What the user set for other modules must not change this build, and no C compiler is needed for it.
                go.env("GOFLAGS", "").env("GOWORK", "off").env("CGO_ENABLED", "0");
                go.args(["build", "-v"]).args(&module.flags).arg("-o").arg(&file).arg(module.package);
                (go, file)
            }
            From::Crate => {
                let mut cargo = workspace::cargo();
                cargo.args(["install", "--locked", "--version", &self.version, "--root"]).arg(into);
                cargo.arg(self.tool.name());
                (cargo, into.join("bin").join(self.tool.name()))
            }
            From::Maven(folder) => {
                let made = into.join(self.tool.name());
                let mut maven = Command::new("mvn");
                maven.current_dir(folder).args(["--batch-mode", "--strict-checksums"]);
                if self.tool == Tool::Strimzi {
                    maven.arg("exec:exec").arg(format!("-Dinto={}", made.display()));
                    // Maven itself may be run by an older one.
                    maven.arg(format!("-Dexec.executable={}", strimzi::runner()?.display()));
                } else {
                    maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
                    maven.arg(format!("-DoutputDirectory={}", made.display()));
                }
                (maven, made)
            }
            From::Pages(folder) => {
                let vendor = into.join("vendor");
                let mut cargo = workspace::cargo();
                cargo.current_dir(folder).args(["vendor", "--locked"]).arg(&vendor);
                (cargo, vendor.join(PAGES).join("jaeger-ui/build"))
            }
            From::Commit(commit) => release::build(commit, into)?,
        })
    }
}

/// The version without `v` at which a `go.mod` requires a module.
fn required<'a>(manifest: &'a str, module: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        (words.next()? == module).then(|| words.next()).flatten()?.strip_prefix('v')
    })
}

/// The value of a directive of a `go.mod`.
fn value<'a>(manifest: &'a str, directive: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| line.strip_prefix(directive)?.strip_prefix(' ')).map(str::trim)
}

/// The one version at which a `Cargo.toml` wants a package.
fn pinned<'a>(manifest: &'a str, package: &str) -> Option<&'a str> {
    manifest
        .lines()
        .find_map(|line| line.strip_prefix(package)?.trim_start().strip_prefix("= \"=")?.strip_suffix('"'))
}

/// The value of a property of a `pom.xml`.
fn property<'a>(project: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = project.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(value, _)| value.trim())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// FNV-1a: the same on every machine and with every compiler, and nobody attacks the name of a folder.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    fn add(&mut self, bytes: &[u8]) {
        let length = bytes.len() as u64;
        for byte in bytes.iter().copied().chain(length.to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Names and contents of all files.
    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        for file in files(folder)? {
            let name = file.strip_prefix(folder).unwrap_or(&file);
            self.add(name.as_os_str().as_encoded_bytes());
            self.add(&fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::version::Version;

    #[test]
    fn every_tool_has_a_version_and_a_place_of_its_own() {
        let mut folders = Vec::new();
        for tool in Tool::BUILT {
            let recipe = Recipe::of(tool).unwrap();
            assert!(Version::parse(&recipe.version).is_some(), "{recipe:?}");
            if let From::Go(module) = &recipe.from {
                assert!(Version::parse(&module.oldest_go).is_some(), "{module:?}");
            }
            folders.push(recipe.folder().unwrap());
        }
        folders.sort();
        folders.dedup();
        assert_eq!(folders.len(), Tool::BUILT.len());
    }

    #[test]
    fn pinned_dapr_is_new_enough() {
        let recipe = Recipe::of(Tool::Daprd).unwrap();
        assert!(Version::parse(&recipe.version) >= Some(crate::tools::OLDEST_DAPR));
    }

    #[test]
    fn pinned_jars_are_new_enough() {
        let check = |tool: Tool, jars: &[&str]| {
            let recipe = Recipe::of(tool).unwrap();
            let folder = tempfile::tempdir().unwrap();
            for jar in jars {
                fs::write(folder.path().join(format!("{jar}-{}.jar", recipe.version)), "").unwrap();
            }
            assert_eq!(tool.accepts(folder.path()), Ok(()), "{recipe:?}");
        };
        check(Tool::Kafka, &["kafka_2.13", "kafka-tools"]);
        check(Tool::Mail, &["greenmail-standalone"]);
    }

    #[test]
    fn hash_tells_where_a_part_ends() {
        let hash = |parts: &[&str]| {
            let mut hash = Hash::default();
            parts.iter().for_each(|part| hash.add(part.as_bytes()));
            hash.0
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
    }
}
