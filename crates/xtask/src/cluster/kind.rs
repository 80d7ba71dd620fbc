//! The cluster that kind makes in Docker.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::call;
use super::settings::Image;
use crate::process;
use crate::workspace;

/// The cluster's name, which `deploy/kind/cluster.yaml` has, too.
const NAME: &str = "docket";

/// How long a node may take to be ready.
const LIMIT: &str = "5m";

/// kind.
#[derive(Debug)]
pub(super) struct Kind(pub(super) PathBuf);

impl Kind {
    /// Whether the cluster is there.
    pub(super) fn is_there(&self) -> Result<bool> {
        // It says on the other output that there is none.
        Ok(call::text(self.command().args(["get", "clusters"]))?.lines().any(|name| name == NAME))
    }

    /// Makes it, unless it is there.
    pub(super) fn create(&self, node: &str) -> Result<()> {
        if self.is_there()? {
            // A kubeconfig may have been lost meanwhile.
            return call::text(self.command().args(["export", "kubeconfig", "--name", NAME])).map(drop);
        }
        let file = workspace::root().join("deploy/kind/cluster.yaml");
        process::run(&mut create(&self.0, &file, node))
    }

    /// Lets its node have an image of this machine.
    pub(super) fn load(&self, image: &Image) -> Result<()> {
        process::run(self.command().args(["load", "docker-image", &image.to_string(), "--name", NAME]))
    }

    /// Removes it, with all that is in it.
    pub(super) fn delete(&self) -> Result<()> {
        process::run(self.command().args(["delete", "cluster", "--name", NAME]))
    }

    fn command(&self) -> Command {
        Command::new(&self.0)
    }
}

/// The same image by a name that changes with it, so that pods start anew when it has changed, and only then.
pub(super) fn named_by_content(image: Image) -> Result<Image> {
    let inspect = ["image", "inspect", "--format={{.Id}}", &image.to_string()];
    let id = call::text(Command::new("docker").args(inspect))?;
    let named = with_id(&image, id.trim());
    call::text(Command::new("docker").args(["tag", &image.to_string(), &named.to_string()]))?;
    Ok(named)
}

/// With the begin of its id, `sha256:...`, behind the tag.
fn with_id(image: &Image, id: &str) -> Image {
    let digits: String = id.trim_start_matches("sha256:").chars().take(12).collect();
    Image { repository: image.repository.clone(), tag: format!("{}-{digits}", image.tag) }
}

fn create(kind: &Path, file: &Path, node: &str) -> Command {
    let mut command = Command::new(kind);
    command
        .args(["create", "cluster", "--wait", LIMIT, "--image", node])
        .arg(format!("--config={}", file.display()));
    command
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::super::forward::ENDPOINTS;
    use super::super::site::KIND_CONTEXT;
    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cluster {
        name: String,
        nodes: Vec<Node>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Node {
        extra_port_mappings: Vec<Mapping>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Mapping {
        listen_address: String,
        host_port: u16,
        container_port: u16,
    }

    #[derive(Deserialize)]
    struct Values {
        service: Service,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Service {
        node_ports: BTreeMap<String, u16>,
    }

    fn read<T: for<'a> Deserialize<'a>>(file: &str) -> T {
        let text = std::fs::read_to_string(workspace::root().join(file)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    }

    #[test]
    fn ports_of_this_machine_lead_to_the_services() {
        let cluster: Cluster = read("deploy/kind/cluster.yaml");
        assert_eq!((cluster.name.as_str(), KIND_CONTEXT), (NAME, &*format!("kind-{NAME}")));
        let values: Values = read("deploy/chart/values-kind.yaml");
        let led: Vec<(u16, u16)> = cluster.nodes[0]
            .extra_port_mappings
            .iter()
            .map(|port| (port.host_port, port.container_port))
            .collect();
        let expect: Vec<(u16, u16)> =
            ENDPOINTS.iter().map(|(target, port)| (*port, values.service.node_ports[*target])).collect();
        assert_eq!(led, expect);
        assert_eq!(values.service.node_ports.len(), ENDPOINTS.len());
        assert!(cluster.nodes[0].extra_port_mappings.iter().all(|port| port.listen_address == "127.0.0.1"));
    }

    #[test]
    fn name_of_the_image_changes_with_it() {
        let image = Image { repository: "docket".to_owned(), tag: "0.4.0".to_owned() };
        let named =
            with_id(&image, "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        assert_eq!(named.to_string(), "docket:0.4.0-0123456789ab");
    }

    #[test]
    fn node_is_the_pinned_one() {
        let command = create(Path::new("kind"), Path::new("/deploy/cluster.yaml"), "node:v1@sha256:0");
        let line = process::line(&command);
        assert_eq!(
            line,
            "kind create cluster --wait 5m --image node:v1@sha256:0 --config=/deploy/cluster.yaml"
        );
    }
}
