//! Brings everything up, from nothing or from whatever is there: `cargo xtask up`.

use anyhow::{Context as _, Result};

use super::docket;
use super::doctor;
use super::guide;
use super::helm::Helm;
use super::kind::{self, Kind};
use super::kubectl::Kubectl;
use super::platform;
use super::settings::{Cluster, Image, Settings};
use super::site::{KIND_CONTEXT, Site};
use super::steps::Steps;
use super::versions::Versions;
use super::watch;
use crate::image;
use crate::tools::{Paths, Plan, Tool};

/// What it uses besides kubectl, in each kind of cluster.
const TOOLS: [Tool; 2] = [Tool::Helm, Tool::Grpcurl];

/// Brings it up.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let settings = Settings::read(words)?;
    let versions = Versions::read()?;
    let cluster = settings.cluster.unwrap_or_default();
    let mut steps = Steps::new();
    let tools = steps.take("what is needed", || {
        doctor::require(&settings, &versions)?;
        let kind = (cluster == Cluster::Kind).then_some(Tool::Kind);
        Plan::new(&TOOLS.into_iter().chain(kind).collect::<Vec<_>>())?.carry_out()
    })?;
    let image = match cluster {
        Cluster::Kind => Some(in_docker(&mut steps, &settings, &versions, &tools)?),
        Cluster::Existing => settings.image.clone(),
    };
    let kubectl = match cluster {
        Cluster::Kind => Kubectl::new(KIND_CONTEXT)?,
        Cluster::Existing => {
            Kubectl::new(&Kubectl::current_context()?.context("kubectl has no current context")?)?
        }
    };
    let site = Site::choose(&settings, kubectl)?;
    let helm = Helm::new(tools.of(Tool::Helm)?.to_owned(), &site.kubectl);
    steps.take("namespaces and passwords", || platform::namespaces(&site))?;
    steps.take("Dapr", || platform::dapr(&site, &helm, &versions, &settings))?;
    let broker = steps.take("Kafka", || platform::broker(&site, &helm, &versions))?;
    let database = steps.take("PostgreSQL", || platform::database(&site, &helm, &versions))?;
    steps.take("Jaeger", || platform::jaeger(&site))?;
    let connections = format!("{broker}-{database}");
    steps.take("Docket", || docket::install(&site, &helm, &settings, image.as_ref(), &connections))?;
    steps.take("topics", || topics(&site))?;
    let ready = guide::text(&site, tools.of(Tool::Grpcurl)?)?;
    eprintln!("\nup, in context {}; the steps took\n\n{}", site.kubectl.context(), steps.times());
    guide::print(&ready)
}

/// The cluster in Docker, and Docket's image in its node.
fn in_docker(steps: &mut Steps, settings: &Settings, versions: &Versions, tools: &Paths) -> Result<Image> {
    let kind = Kind(tools.of(Tool::Kind)?.to_owned());
    steps.take("cluster (kind)", || kind.create(&versions.kubernetes.node))?;
    let image = match settings.image.clone() {
        Some(image) => image,
        None => steps.take("image", || kind::named_by_content(Image::read(&image::build()?)?))?,
    };
    steps.take("image into the cluster", || kind.load(&image))?;
    Ok(image)
}

/// Whether the topics are as Docket wants them, whoever made them.
fn topics(site: &Site) -> Result<()> {
    let deployment = format!("deployment/{}", site.deployment("tasks")?);
    let mut command = site.kubectl.command(super::inspect::docket(&deployment, &["topics"]));
    let said = watch::run(&site.kubectl, "docket topics", &mut command, &[]);
    said.map(drop)
        .context("the topics are not as Docket wants them; `cargo xtask topics` says how they differ")
}
