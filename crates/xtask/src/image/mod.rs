//! Container images: Docket's own, and for a cluster that can pull none, those of what it stands on.

mod archive;
mod docket;
mod libraries;
mod standins;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use crate::cluster::Versions;
use crate::process;
use crate::progress::heading;
use crate::tools::Plan;
use archive::Image;
use standins::StandIn;

/// What `image` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Which ones; Docket's when absent. All but Docket's are made of what this machine has, as archives alone.
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Name>,
    /// Writes archives into this folder, without an engine, for `docker load`, `ctr images import` and `kind load image-archive`.
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
}

/// What there are images of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Name {
    /// Docket, one image for all targets.
    Docket,
    /// Dapr's control plane and sidecar.
    Dapr,
    /// Jaeger, without its pages.
    Jaeger,
    /// Kafka, with a Java.
    Kafka,
    /// PostgreSQL, with a shell.
    Postgres,
}

impl Name {
    /// What stands in for somebody else's image; nothing does for Docket's.
    const fn stand_in(self) -> Option<StandIn> {
        match self {
            Self::Docket => None,
            Self::Dapr => Some(StandIn::Dapr),
            Self::Jaeger => Some(StandIn::Jaeger),
            Self::Kafka => Some(StandIn::Kafka),
            Self::Postgres => Some(StandIn::Postgres),
        }
    }
}

/// Makes images.
pub(crate) fn run(args: &Args) -> Result<()> {
    let names = if args.names.is_empty() { vec![Name::Docket] } else { args.names.clone() };
    match &args.archive {
        Some(folder) => archives(&names, folder),
        None => {
            ensure!(
                names == [Name::Docket],
                "an engine builds Docket's image alone; --archive FOLDER makes all of them"
            );
            build().map(|name| eprintln!("\n{name} is in the engine"))
        }
    }
}

/// Has the engine of this machine build Docket's image, and says its name.
pub(crate) fn build() -> Result<String> {
    let engine = process::on_path("docker").context(
        "docker is not on PATH.\n  `cargo xtask image --archive FOLDER` makes an image without an engine, as an archive.",
    )?;
    docket::build(&engine)?;
    Ok(docket::name())
}

fn archives(names: &[Name], folder: &Path) -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "an archive is made of this machine's programs, which have to be Linux's"
    );
    let start = Instant::now();
    let versions = Versions::read()?;
    let stand_ins: Vec<StandIn> = names.iter().filter_map(|name| name.stand_in()).collect();
    let tools: Vec<_> = stand_ins.iter().flat_map(|one| one.tools()).copied().collect();
    let tools = Plan::new(&tools)?.carry_out()?;
    if names.contains(&Name::Docket) {
        heading(start, "docket");
        write(&docket::image()?, folder)?;
    }
    for one in stand_ins {
        heading(start, &format!("{one:?}").to_lowercase());
        for image in one.images(&tools, &versions)? {
            write(&image, folder)?;
            if let Some(version) = image.config.labels.get(standins::HOLDS) {
                eprintln!("    {} holds {version}", image.name);
            }
        }
    }
    Ok(())
}

/// Writes an archive named like the image, without registry and tag.
fn write(image: &Image, folder: &Path) -> Result<()> {
    let file = std::path::absolute(folder.join(file(&image.name))).context("no path for the archive")?;
    let id = image.write(&file)?;
    let size = fs::metadata(&file).with_context(|| format!("cannot read {}", file.display()))?.len();
    eprintln!("    {}: {} MB, {}, {id}", file.display(), size / 1_000_000, image.name);
    Ok(())
}

fn file(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    format!("{}.tar", last.split(':').next().unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_is_named_like_the_image() {
        assert_eq!(file("docker.io/library/docket:0.4.0"), "docket.tar");
        assert_eq!(file("localhost:5000/kafka:4.1.1"), "kafka.tar");
    }

    #[test]
    fn engine_builds_nothing_but_docket() {
        let args = Args { names: vec![Name::Kafka], archive: None };
        assert!(run(&args).unwrap_err().to_string().contains("--archive"));
    }
}
