//! Docket itself: the release of its chart.

use anyhow::Result;
use serde_json::{Value, json};

use super::helm::{Chart, Helm, Release};
use super::settings::{Broker, Cluster, Image, Settings};
use super::site::{DOCKET, Made, Site};
use crate::workspace;

/// How many connections the servers of `deploy/platform` take, less some for operators and for the superuser.
const CONNECTIONS: u32 = 280;

/// Installs it, or brings it to what this tree has. `connections` is a sum of how it reaches what it stands on.
pub(super) fn install(
    site: &Site,
    helm: &Helm,
    settings: &Settings,
    image: Option<&Image>,
    connections: &str,
) -> Result<()> {
    let chart = workspace::root().join("deploy/chart");
    let own = settings.values.clone();
    let files = [chart.join("values-kind.yaml")].into_iter().chain(own).collect();
    let release = Release {
        name: "docket",
        namespace: DOCKET,
        chart: Chart::Folder(chart),
        files,
        values: values(&site.made, image, connections),
    };
    helm.install(&site.kubectl, &release)
}

/// What follows from where it is, besides the values for kind.
fn values(made: &Made, image: Option<&Image>, connections: &str) -> Vec<(&'static str, Value)> {
    let mut values = vec![
        ("database.connectionBudget", json!(CONNECTIONS)),
        // Pods read their Secrets once: with a new password they start anew.
        (r"defaults.podAnnotations.docket\.dev/connections", json!(connections)),
    ];
    values.extend(match made.broker {
        // Its KafkaTopics make them, and its users have this mechanism alone.
        Broker::Strimzi => [
            ("kafka.mechanism", json!("SCRAM-SHA-512")),
            ("kafka.tls", json!(true)),
            ("kafka.createTopics", json!(false)),
        ],
        Broker::Plain => [
            ("kafka.mechanism", json!("SCRAM-SHA-256")),
            ("kafka.tls", json!(false)),
            ("kafka.createTopics", json!(true)),
        ],
    });
    if made.cluster == Cluster::Existing {
        // Ports of nodes are somebody else's to give; port-forwards lead to the same local ones.
        values.push(("service.nodePorts", json!({})));
    }
    if let Some(image) = image {
        values.extend([("image.repository", json!(image.repository)), ("image.tag", json!(image.tag))]);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::super::settings::Database;
    use super::*;

    #[test]
    fn values_follow_from_where_it_is() {
        let made = |cluster, broker| Made { cluster, broker, database: Database::Plain };
        let value = |made: Made, key: &str| {
            let values =
                values(&made, Some(&Image { repository: "docket".to_owned(), tag: "7".to_owned() }), "sum");
            values.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        let strimzi = made(Cluster::Kind, Broker::Strimzi);
        assert_eq!(value(strimzi, "kafka.mechanism"), Some(json!("SCRAM-SHA-512")));
        assert_eq!(value(strimzi, "kafka.createTopics"), Some(json!(false)));
        assert_eq!(value(strimzi, "service.nodePorts"), None);
        let plain = made(Cluster::Existing, Broker::Plain);
        assert_eq!(value(plain, "kafka.tls"), Some(json!(false)));
        assert_eq!(value(plain, "service.nodePorts"), Some(json!({})));
        assert_eq!(value(plain, "image.tag"), Some(json!("7")));
    }
}
