//! What Docket stands on: Dapr, Kafka, PostgreSQL, Jaeger. Each function may be called any number of times.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::helm::{Chart, Helm, Release};
use super::settings::{Broker, Database, Settings};
use super::site::{CNPG, DAPR, DATA, DOCKET, STRIMZI, Site, Standing, claim};
use super::versions::{Pin, Versions};
use super::{plain, secrets, watch};
use crate::tools::dapr_is_new_enough;
use crate::workspace;

/// Secrets in the namespace of the data. CloudNativePG has its own there: `docket-server` is its server's certificate.
const OWNER: &str = "docket-owner-login";
const SERVER: &str = "docket-server-login";
const KAFKA_USER: &str = "docket-kafka-user";

/// What the Deployment of Dapr's operator has, whoever has installed it.
const DAPR_OPERATOR: &str = "app=dapr-operator";

/// How long an operator that is ready may stay out of reach: the network of the cluster hears of it later than helm.
const WEBHOOK: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);

/// Where pods of ours have a sum of their manifest.
const STAMP: &str = "docket.dev/manifest: none";

/// How long what is applied may take to be ready. Images are brought meanwhile.
const LIMIT: &str = "--timeout=10m";

/// Both namespaces, and the passwords in the one of the data.
pub(super) fn namespaces(site: &Site) -> Result<()> {
    for name in [DOCKET, DATA] {
        claim(site, name)?;
    }
    for (name, user) in [(OWNER, "docket_owner"), (SERVER, "docket_server"), (KAFKA_USER, "docket")] {
        secrets::login(&site.kubectl, DATA, name, user)?;
    }
    Ok(())
}

/// Dapr's control plane.
pub(super) fn dapr(site: &Site, helm: &Helm, versions: &Versions, settings: &Settings) -> Result<()> {
    if !is_ours(site, DAPR, DAPR_OPERATOR)? {
        return foreign_dapr(site);
    }
    let pin = &versions.charts.dapr;
    let chart = settings.dapr_chart.clone().map_or(Chart::Pinned(pin), Chart::Folder);
    let release = Release {
        name: "dapr",
        namespace: DAPR,
        chart,
        files: vec![file("dapr.values.yaml")],
        // A chart that is not of the repository has no tag of its own.
        values: vec![("global.tag", json!(pin.version))],
    };
    helm.install(&site.kubectl, &release)
}

/// Kafka, its topics where an operator makes them, and how Docket reaches it. Answers a sum of that.
pub(super) fn broker(site: &Site, helm: &Helm, versions: &Versions) -> Result<String> {
    let kubectl = &site.kubectl;
    let password = secrets::password(kubectl, DATA, KAFKA_USER)?;
    let connection = match site.made.broker {
        Broker::Strimzi => {
            operator(site, helm, "strimzi", STRIMZI, "app=strimzi", &versions.charts.strimzi)?;
            for name in ["kafka", "topics", "user"] {
                apply(site, &format!("strimzi/{name}.yaml"))?;
            }
            wait(site, "Kafka", DATA, &["wait", "--for=condition=Ready", LIMIT, "kafka/docket"])?;
            let rest = ["wait", "--for=condition=Ready", LIMIT, "kafkauser/docket"];
            wait(site, "Kafka's user", DATA, &rest)?;
            let topics = [
                "wait",
                "--for=condition=Ready",
                LIMIT,
                "kafkatopic",
                "--selector=app.kubernetes.io/part-of=docket",
            ];
            wait(site, "topics", DATA, &topics)?;
            let authority = secrets::value(kubectl, DATA, "docket-cluster-ca-cert", "ca.crt")?;
            connection("docket-kafka-bootstrap.docket-data.svc:9093", &authority, &password)
        }
        Broker::Plain => {
            apply(site, "plain/kafka.yaml")?;
            wait(site, "Kafka", DATA, &["rollout", "status", LIMIT, "statefulset/kafka"])?;
            plain::kafka(kubectl, &password)?;
            connection("kafka.docket-data.svc:9092", "", &password)
        }
    };
    secrets::set(kubectl, DOCKET, "docket-kafka", &connection)
}

/// The Secret that Docket's sidecars reach Kafka with: with TLS where there is an authority.
fn connection(brokers: &str, authority: &str, password: &str) -> Value {
    json!({
        "brokers": brokers,
        "disableTls": authority.is_empty().to_string(),
        "caCert": authority,
        "saslUsername": "docket",
        "saslPassword": password,
    })
}

/// PostgreSQL, and how Docket reaches it. Answers a sum of that.
pub(super) fn database(site: &Site, helm: &Helm, versions: &Versions) -> Result<String> {
    let kubectl = &site.kubectl;
    let owner = secrets::password(kubectl, DATA, OWNER)?;
    let server = secrets::password(kubectl, DATA, SERVER)?;
    let place = match site.made.database {
        Database::Cnpg => {
            let labels = "app.kubernetes.io/name=cloudnative-pg";
            operator(site, helm, "cnpg", CNPG, labels, &versions.charts.cnpg)?;
            apply(site, "cnpg/postgres.yaml")?;
            let cluster = "clusters.postgresql.cnpg.io/docket";
            wait(site, "PostgreSQL", DATA, &["wait", "--for=condition=Ready", LIMIT, cluster])?;
            let database = "databases.postgresql.cnpg.io/docket";
            wait(
                site,
                "database",
                DATA,
                &["wait", "--for=jsonpath={.status.applied}=true", LIMIT, database],
            )?;
            for (login, name) in [("docket_owner", OWNER), ("docket_server", SERVER)] {
                given(site, cluster, login, name)?;
            }
            // With TLS. Who the server is, is for the network of the cluster to say: its authority is CloudNativePG's own.
            "docket-rw.docket-data.svc:5432/docket?sslmode=require"
        }
        Database::Plain => {
            apply(site, "plain/postgres.yaml")?;
            wait(site, "PostgreSQL", DATA, &["rollout", "status", LIMIT, "statefulset/postgres"])?;
            plain::postgres(kubectl, &[("docket_owner", &owner), ("docket_server", &server)])?;
            "postgres.docket-data.svc:5432/docket?sslmode=disable"
        }
    };
    let urls = json!({
        "owner-url": url("docket_owner", &owner, place),
        "server-url": url("docket_server", &server, place),
    });
    secrets::set(kubectl, DOCKET, "docket-database", &urls)
}

/// Waits until CloudNativePG has given a login the password that its Secret has now. Pods that start with it before are
/// refused.
fn given(site: &Site, cluster: &str, login: &str, name: &str) -> Result<()> {
    let kubectl = &site.kubectl;
    let secret = kubectl.get(&["secret", name, "--namespace", DATA])?;
    let condition = taken(login, &secret).with_context(|| format!("the Secret {name} in {DATA}"))?;
    let said = || {
        let cluster = kubectl.get(&[cluster, "--namespace", DATA]).unwrap_or_default();
        let why = cluster.pointer("/status/managedRolesStatus/cannotReconcile").cloned().unwrap_or_default();
        format!("{login} does not have the password of the Secret {name}; CloudNativePG cannot do: {why}")
    };
    let what = format!("password of {login}");
    wait(site, &what, DATA, &["wait", &condition, LIMIT, cluster]).with_context(said)
}

/// What `kubectl wait` waits for then.
fn taken(login: &str, secret: &Value) -> Result<String> {
    let version = secret["metadata"]["resourceVersion"].as_str().context("it has no version")?;
    let path = format!("{{.status.managedRolesStatus.passwordStatus.{login}.resourceVersion}}");
    Ok(format!("--for=jsonpath={path}={version}"))
}

/// Where PostgreSQL is, for a login. Its password may be one that somebody has chosen.
fn url(login: &str, password: &str, place: &str) -> String {
    format!("postgres://{login}:{}@{place}", utf8_percent_encode(password, NON_ALPHANUMERIC))
}

/// Jaeger, behind a sidecar of its own.
pub(super) fn jaeger(site: &Site) -> Result<()> {
    apply(site, "jaeger.yaml")?;
    wait(site, "Jaeger", DOCKET, &["rollout", "status", LIMIT, "deployment/otel-collector"])
}

/// An operator, unless somebody else has installed it.
fn operator(site: &Site, helm: &Helm, name: &str, namespace: &str, labels: &str, pin: &Pin) -> Result<()> {
    if !is_ours(site, namespace, labels)? {
        eprintln!("    {name}: the one that is there is used; it must watch the namespace {DATA}");
        return Ok(());
    }
    let files = vec![file(&format!("{name}.values.yaml"))];
    let release = Release { name, namespace, chart: Chart::Pinned(pin), files, values: Vec::new() };
    helm.install(&site.kubectl, &release)
}

/// Whether something is for us to install: it is not there, or we did. Makes its namespace then.
fn is_ours(site: &Site, namespace: &str, labels: &str) -> Result<bool> {
    let ours = match Standing::of(&site.kubectl, namespace)? {
        Standing::Ours => true,
        Standing::Foreign => false,
        // Somebody's namespace may have another name.
        Standing::Absent => operators(site, labels)?.is_empty(),
    };
    if ours {
        site.kubectl.apply(&site.made.namespace(namespace).to_string())?;
    }
    Ok(ours)
}

/// The Deployments of an operator that has these labels.
fn operators(site: &Site, labels: &str) -> Result<Vec<Value>> {
    site.kubectl.list(&["deployments", "--all-namespaces", &format!("--selector={labels}")])
}

/// The Dapr that somebody else has installed, if it will do.
fn foreign_dapr(site: &Site) -> Result<()> {
    let operators = operators(site, DAPR_OPERATOR)?;
    let image = operators.first().and_then(|one| one.pointer("/spec/template/spec/containers/0/image"));
    let image =
        image.and_then(Value::as_str).context("there is a namespace for Dapr, but no operator of it")?;
    let (_, tag) = image.rsplit_once(':').unwrap_or((image, ""));
    ensure!(dapr_is_new_enough(tag), "the Dapr that is there is {tag}; 1.18.3 or newer is needed");
    eprintln!("    Dapr: the {tag} that is there is used");
    Ok(())
}

fn wait(site: &Site, what: &str, namespace: &str, arguments: &[&str]) -> Result<()> {
    let mut command = site.kubectl.command(arguments);
    command.args(["--namespace", namespace]);
    watch::run(&site.kubectl, what, &mut command, &[namespace]).map(drop)
}

/// Makes what a file of `deploy/platform` says.
fn apply(site: &Site, name: &str) -> Result<()> {
    let file = file(name);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let (manifest, start) = (stamped(&text), Instant::now());
    loop {
        match site.kubectl.apply(&manifest) {
            Err(error) if is_webhook(&error) && start.elapsed() < WEBHOOK => std::thread::sleep(PAUSE),
            done => return done.with_context(|| file.display().to_string()),
        }
    }
}

/// Whether it is for an operator that cannot be reached yet.
fn is_webhook(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("failed calling webhook")
}

/// The manifest with a sum of itself in its pods, so that they start anew when what they read has changed.
fn stamped(manifest: &str) -> String {
    manifest.replace(STAMP, &format!("docket.dev/manifest: {}", sum(manifest)))
}

/// Something short that changes with a text. Another release of Rust may come to another sum: pods start anew once, then.
pub(super) fn sum(text: &str) -> String {
    let mut sum = DefaultHasher::new();
    text.hash(&mut sum);
    format!("sum-{:016x}", sum.finish())
}

/// A file of `deploy/platform`.
fn file(name: &str) -> PathBuf {
    workspace::root().join("deploy/platform").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_where_an_authority_is() {
        let plain = connection("kafka:9092", "", "password");
        assert_eq!((&plain["disableTls"], &plain["caCert"]), (&json!("true"), &json!("")));
        let tls = connection("kafka:9093", "-----BEGIN CERTIFICATE-----", "password");
        assert_eq!(tls["disableTls"], "false");
        // The keys that the components read.
        let keys: Vec<_> = tls.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["brokers", "caCert", "disableTls", "saslPassword", "saslUsername"]);
    }

    #[test]
    fn pods_start_anew_when_their_manifest_has_changed() {
        for name in ["jaeger.yaml", "plain/kafka.yaml", "plain/postgres.yaml"] {
            let text = fs::read_to_string(file(name)).unwrap();
            let once = stamped(&text);
            assert_eq!(once.matches("docket.dev/manifest: sum-").count(), 1, "{name}");
            assert_eq!(once, stamped(&text));
            assert_ne!(once, stamped(&text.replace("memory", "memories")), "{name}");
        }
    }

    #[test]
    fn operator_that_is_out_of_reach_is_told_from_one_that_refuses() {
        let said = |text: &str| anyhow::anyhow!("{text}").context("kubectl apply");
        assert!(is_webhook(&said(
            "Internal error occurred: failed calling webhook \"mcluster.cnpg.io\": connection refused"
        )));
        assert!(!is_webhook(&said("admission webhook \"vcluster.cnpg.io\" denied the request: no storage")));
    }

    #[test]
    fn manifests_read_the_secrets_that_are_made() {
        let check = |manifest: &str, key: &str, expect: &[&str]| {
            let (text, key) = (fs::read_to_string(file(manifest)).unwrap(), format!("{key}:\n"));
            let named = text.split(&key).skip(1).map(|rest| rest.lines().next().unwrap().trim());
            let expect: Vec<String> = expect.iter().map(|name| format!("name: {name}")).collect();
            assert_eq!(named.collect::<Vec<_>>(), expect, "{manifest}");
        };
        check("cnpg/postgres.yaml", "passwordSecret", &[OWNER, SERVER]);
        check("plain/postgres.yaml", "secretKeyRef", &[OWNER, SERVER]);
        check("plain/kafka.yaml", "secretKeyRef", &[KAFKA_USER]);
        check("strimzi/user.yaml", "secretKeyRef", &[KAFKA_USER]);
    }

    #[test]
    fn password_is_taken_when_the_status_has_the_version_of_its_secret() {
        let secret = json!({"metadata": {"name": "docket-owner-login", "resourceVersion": "4711"}});
        let path = "{.status.managedRolesStatus.passwordStatus.docket_owner.resourceVersion}";
        assert_eq!(taken("docket_owner", &secret).unwrap(), format!("--for=jsonpath={path}=4711"));
        assert!(taken("docket_owner", &json!({"metadata": {}})).is_err());
    }

    #[test]
    fn password_is_one_part_of_the_url() {
        let expect = "postgres://docket_owner:a%40b%2Fc@postgres:5432/docket";
        assert_eq!(url("docket_owner", "a@b/c", "postgres:5432/docket"), expect);
    }

    #[test]
    fn files_are_there() {
        for name in ["dapr.values.yaml", "strimzi.values.yaml", "cnpg.values.yaml", "jaeger.yaml"] {
            assert!(file(name).is_file(), "{name}");
        }
    }
}
