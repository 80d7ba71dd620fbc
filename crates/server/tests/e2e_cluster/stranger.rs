//! A pod in Docket's namespace that is none of Docket's: it has a sidecar and a foreign app id.

use docket_testkit::kubernetes::Removes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kubectl::{self, DOCKET};
use crate::sidecar::Sidecar;

/// The pod. Goes when dropped.
pub(crate) struct Stranger {
    name: String,
    pub(crate) sidecar: Sidecar,
    _removes: Removes,
}

impl Stranger {
    /// Brings it up.
    pub(crate) async fn start() -> Self {
        let name = format!("stranger-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let removes = ["deployment", "serviceaccount", "secret", "role", "rolebinding"];
        let removes = removes.iter().map(|kind| format!("{kind}/{name}"));
        let arguments = ["--namespace", DOCKET].map(str::to_owned).into_iter().chain(removes);
        let removes = kubectl::removes(arguments.collect()).await;
        kubectl::apply(&json!({
            "apiVersion": "v1",
            "kind": "List",
            "items": [own(&name), account(&name), role(&name), binding(&name), deployment(&name, &image().await)],
        }))
        .await;
        kubectl::rolled_out(DOCKET, &name).await;
        Self { sidecar: Sidecar::of(&name).await, name, _removes: removes }
    }

    /// Its app id, and the name of the one Secret that it may read.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The image of Docket: no other one is certain to be there.
pub(crate) async fn image() -> String {
    let found =
        kubectl::list(&["deployments", "--namespace", DOCKET, "--selector=app.kubernetes.io/name=docket"])
            .await;
    let containers =
        found.iter().filter_map(|one| one["spec"]["template"]["spec"]["containers"].as_array()).flatten();
    let docket = containers.into_iter().find(|one| one["name"] == "docket").unwrap();
    docket["image"].as_str().unwrap().to_owned()
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": DOCKET, "labels": {"app.kubernetes.io/name": name}})
}

/// What is its own to read.
fn own(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(name), "stringData": {"word": "its own"}})
}

fn account(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name)})
}

fn role(name: &str) -> Value {
    let rule =
        json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["get"]});
    let kind = "Role";
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata(name), "rules": [rule]})
}

fn binding(name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata(name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": DOCKET}],
    })
}

/// A Docket of its own, which has nothing to do with its sidecar: something has to run.
fn deployment(name: &str, image: &str) -> Value {
    let labels = json!({"app.kubernetes.io/name": name});
    let annotations = json!({
        "dapr.io/enabled": "true",
        "dapr.io/app-id": name,
        "dapr.io/sidecar-seccomp-profile-type": "RuntimeDefault",
    });
    let environment = [("DOCKET_DAPR__ENABLED", "false"), ("DOCKET_DATA_DIR", "/data")];
    let environment = environment.map(|(name, value)| json!({"name": name, "value": value}));
    let container = json!({
        "name": "stranger",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["serve"],
        "env": environment,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    });
    let pod = json!({
        "serviceAccountName": name,
        // Nobody misses what it was at.
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "64Mi"}}],
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    })
}
