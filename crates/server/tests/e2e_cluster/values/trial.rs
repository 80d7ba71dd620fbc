//! A release in a namespace of its own, and the Secrets that it finds there.

use docket_testkit::kubernetes::{Removes, Said};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::kubectl::{self, DATA, expect};
use crate::{release, stranger};

/// The namespace. Goes, with what is in it, when dropped.
pub(super) struct Trial {
    namespace: String,
    values: NamedTempFile,
    _removes: Removes,
}

impl Trial {
    /// An empty one. Its release has the image that is in this cluster, and little of everything.
    pub(super) async fn new() -> Self {
        let namespace = format!("docket-trial-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let removes = kubectl::removes(vec!["namespace".to_owned(), namespace.clone()]).await;
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let metadata = json!({"name": namespace, "labels": labels});
        kubectl::apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await;
        let image = stranger::image().await;
        let (repository, tag) = image.rsplit_once(':').unwrap();
        let values = NamedTempFile::with_suffix(".json").unwrap();
        let least = json!({
            "image": {"repository": repository, "tag": tag},
            "kafka": {"tls": false},
            "config": {"kafka": {"replication_factor": 1, "min_insync_replicas": 1}},
            "defaults": {"resources": {"requests": {"cpu": "10m"}}, "sidecar": {"requests": {"cpu": "10m"}}},
        });
        std::fs::write(values.path(), least.to_string()).unwrap();
        Self { namespace, values, _removes: removes }
    }

    /// The namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Makes a Secret; one that is there gets exactly these values.
    pub(super) async fn secret(&self, name: &str, values: &Value) {
        kubectl::text(&["delete", "secret", name, "--namespace", &self.namespace, "--ignore-not-found"])
            .await;
        kubectl::apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace},
            "stringData": values,
        }))
        .await;
    }

    /// Installs the release with these values besides, as far as it goes.
    pub(super) async fn install(&self, more: &[&str]) -> Said {
        let values = ["--values", self.values.path().to_str().unwrap()];
        let helm = release::helm(&self.namespace).await;
        expect(helm.install(&[&values, more].concat()).await)
    }
}

/// Values of `docket-database` with which nothing can be opened.
pub(super) fn database() -> Value {
    json!({"owner-url": "postgres://nobody@nowhere.invalid/docket", "server-url": "postgres://nobody@nowhere.invalid/docket"})
}

/// Values of `docket-kafka` for brokers that are nowhere.
pub(super) fn kafka() -> Value {
    json!({
        "brokers": "nowhere.invalid:9092",
        "disableTls": "true",
        "caCert": "",
        "saslUsername": "docket",
        "saslPassword": "wrong",
    })
}

/// The URL of the platform's own PostgreSQL for somebody whom it does not know.
pub(super) async fn stranger_url() -> String {
    let services = kubectl::list(&["services", "--namespace", DATA]).await;
    // Without an operator it is `postgres`; of CloudNativePG's, the one that leads to the primary.
    let name = services.iter().filter_map(|one| one["metadata"]["name"].as_str());
    let name = name.into_iter().find(|name| *name == "postgres" || name.ends_with("-rw")).unwrap();
    format!("postgres://docket_server:wrong@{name}.{DATA}.svc/docket")
}
