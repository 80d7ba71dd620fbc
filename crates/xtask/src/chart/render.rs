//! Has Helm lint and render the chart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// The namespace for which it is rendered: another one than those that Dapr and Kubernetes take by default, so that one
/// which is left out shows.
pub(super) const NAMESPACE: &str = "docket-system";

/// Values with which the chart is checked.
#[derive(Debug)]
pub(super) struct Shape {
    /// How it is called in messages.
    pub(super) name: String,
    /// The files of values, the last one on top.
    pub(super) values: Vec<PathBuf>,
}

/// The chart as it is, with each file of values, and with each example on top of the values for production.
pub(super) fn shapes(chart: &Path) -> Result<Vec<Shape>> {
    let production = chart.join("values-production.yaml");
    let mut shapes = vec![Shape { name: "values.yaml".to_owned(), values: Vec::new() }];
    for (folder, base) in [(".", None), ("examples", Some(&production)), ("tests/values", None)] {
        for file in yaml_files(&chart.join(folder))? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if ["Chart.yaml", "values.yaml"].contains(&name.as_str()) {
                continue;
            }
            let values = base.into_iter().cloned().chain([file]).collect();
            shapes.push(Shape { name, values });
        }
    }
    // An empty folder would make every check pass.
    ensure!(shapes.len() > 4, "there are too few values in {}", chart.display());
    Ok(shapes)
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs `helm lint --strict`.
pub(super) fn lint(helm: &Path, chart: &Path, shape: &Shape) -> Result<()> {
    let mut lint = Command::new(helm);
    lint.args(["lint", "--strict", "--quiet", "--namespace", NAMESPACE]).arg(chart);
    succeed(lint.args(flags(shape)), "helm lint").map(drop)
}

/// What `helm template` prints.
pub(super) fn render(helm: &Path, chart: &Path, shape: &Shape) -> Result<String> {
    let mut template = Command::new(helm);
    template.args(["template", "docket", "--namespace", NAMESPACE]).arg(chart);
    succeed(template.args(flags(shape)), "helm template")
}

fn flags(shape: &Shape) -> impl Iterator<Item = String> {
    shape.values.iter().map(|file| format!("--values={}", file.display()))
}

/// What a program prints that must succeed.
pub(super) fn succeed(command: &mut Command, what: &str) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {what}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    bail!("{what}: {}{}", text(&output.stdout).trim(), text(&output.stderr).trim())
}
