//! The Helm chart, held against Helm, its own tests, the schemas of Kubernetes and Dapr, and `components/`.

mod drift;
mod manifest;
mod modules;
mod platform;
mod render;
mod rules;
mod schema;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process, workspace};
use render::Shape;

/// The programs that the checks need.
pub(crate) struct Tools<'a> {
    /// Renders.
    pub(crate) helm: &'a Path,
    /// Runs the chart's own tests.
    pub(crate) unittest: &'a Path,
    /// Holds manifests against schemas.
    pub(crate) kubeconform: &'a Path,
    /// The definitions of Strimzi's resources.
    pub(crate) strimzi: &'a Path,
}

/// Checks the chart in every shape that it comes in; all of what is wrong is told before it ends.
pub(crate) fn check(tools: &Tools<'_>) -> Result<()> {
    let chart = folder();
    let mut wrong = Vec::new();
    if let Err(error) = process::run(Command::new(tools.unittest).args(["--strict", "."]).current_dir(&chart))
    {
        wrong.push(format!("tests of the chart (deploy/chart/tests): {error:#}"));
    }

    let modules = modules::bring()?;
    let annotations = rules::annotations(&modules.dapr)?;
    let schemas = tempfile::tempdir().context("no folder for schemas")?;
    schema::write(&modules, tools.strimzi, schemas.path())?;

    for shape in render::shapes(&chart)? {
        eprintln!("    {}", shape.name);
        if let Err(error) = of_shape(tools, &chart, &shape, &annotations, schemas.path()) {
            wrong.push(format!("{}: {error:#}", shape.name));
        }
    }
    eprintln!("    deploy/platform");
    if let Err(error) = platform::check(tools.kubeconform, &annotations, schemas.path()) {
        wrong.push(format!("deploy/platform: {error:#}"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n    "));
    Ok(())
}

/// Checks the chart with the values of one shape.
fn of_shape(
    tools: &Tools<'_>,
    chart: &Path,
    shape: &Shape,
    annotations: &[String],
    schemas: &Path,
) -> Result<()> {
    render::lint(tools.helm, chart, shape)?;
    let text = render::render(tools.helm, chart, shape)?;
    let manifests = manifest::read(&text)?;
    let mut faults = rules::faults(&manifests, annotations);
    faults.extend(drift::faults(&manifests, &workspace::root().join("components"))?);
    if let Err(error) = schema::conform(tools.kubeconform, &text, schemas) {
        faults.push(format!("{error:#}"));
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n      ")) }
}

fn folder() -> PathBuf {
    workspace::root().join("deploy/chart")
}

#[cfg(test)]
mod tests;
