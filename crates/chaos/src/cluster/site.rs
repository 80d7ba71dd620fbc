//! A cluster with Docket in it: where its API, its database and its broker are, and how one gets in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use docket_testkit::kafka::{Access, Client as Broker, Error, Login, Mechanism, Stored};
use docket_testkit::kubernetes::{Forward, Helm, Kubectl};
use docket_testkit::postgres::{self, Client};
use docket_testkit::{Role, Underway, User, groups};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use url::Url;

use super::directory::Directory;
use super::objects::{self, Pod};
use super::options::Options;
use crate::ground::Ground;

/// The topic of the events of tasks, and that of what is due.
pub(super) const EVENTS: &str = "task-events";
const REMINDERS: &str = "reminders";

/// Where Dapr's control plane is.
pub(super) const DAPR: &str = "dapr-system";

/// How long a token is good: longer than any run.
const EXPIRY: Duration = Duration::from_secs(24 * 3_600);

/// How long database and broker may take to answer at first: their pods may just be starting.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often it is asked how things are: each time is several programs.
const INTERVAL: Duration = Duration::from_millis(500);

/// A cluster with Docket in it.
pub(super) struct Site {
    pub(super) helm: Helm,
    /// Whether the release was changed by this run, and not by somebody else.
    changed: AtomicBool,
    pub(super) directory: Directory,
    /// Whether one Deployment has all targets.
    pub(super) single: AtomicBool,
    /// How many dead letters were open before.
    letters: u64,
    secret: EncodingKey,
    database: Store,
    broker: Queue,
    keeper: AbortHandle,
}

/// PostgreSQL: as the login that owns the tables, and as the one that serves.
struct Store {
    owner: String,
    server: String,
    namespace: String,
    target: String,
    way: Forward,
}

/// The broker.
struct Queue {
    access: Access,
    namespace: String,
    target: String,
    /// One to each broker that is known, by what it calls itself.
    ways: BTreeMap<String, Forward>,
}

impl Site {
    /// Finds everything, and opens what ways are needed.
    pub(super) async fn find(options: &Options) -> Result<Self> {
        let helm = Helm {
            kubectl: Kubectl::current().await?,
            program: options.helm.clone(),
            chart: options.chart.clone(),
            namespace: options.namespace.clone(),
            release: options.release.clone(),
        };
        let kubectl = &helm.kubectl;
        let deployments =
            kubectl.get(&["deployments", "--namespace", &helm.namespace, &helm.selector()]).await?;
        let names = objects::names(&deployments);
        ensure!(
            !names.is_empty(),
            "there is no Docket in the namespace {} of {}",
            helm.namespace,
            kubectl.context()
        );
        let secret = kubectl.secret(&helm.namespace, "docket-auth", "secret").await?;
        let database = Store::find(&helm).await?;
        let broker = Queue::find(&helm, &deployments).await?;
        let directory = Directory::default();
        directory.refresh(&helm, &options.api).await?;
        let keeper = tokio::spawn(directory.clone().keep(helm.clone(), options.api.clone())).abort_handle();
        let mut site = Self {
            helm,
            changed: AtomicBool::new(false),
            directory,
            single: AtomicBool::new(names == ["docket"]),
            letters: 0,
            secret: EncodingKey::from_secret(secret.as_bytes()),
            database,
            broker,
            keeper,
        };
        patiently(async || site.within_reach().await).await?;
        site.letters = site.underway().letters().await.map_err(|why| anyhow!("PostgreSQL: {why}"))?;
        Ok(site)
    }

    /// kubectl for the cluster.
    pub(super) fn kubectl(&self) -> &Kubectl {
        &self.helm.kubectl
    }

    /// A value of one of the release's Secrets.
    pub(super) async fn secret(&self, name: &str, key: &str) -> Result<String> {
        Ok(self.kubectl().secret(&self.helm.namespace, name, key).await?)
    }

    /// Changes values of the release, `key=JSON` each, and waits until everything is ready.
    pub(super) async fn upgrade(&self, values: &[String]) -> Result<()> {
        self.changed.store(true, Ordering::SeqCst);
        let mut arguments = vec!["--reset-then-reuse-values"];
        arguments.extend(values.iter().flat_map(|value| ["--set-json", value]));
        Ok(self.helm.upgrade(&arguments).await?)
    }

    /// Whether this run has changed the release.
    pub(super) fn has_changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }

    /// The API as this user, once for each connection.
    pub(super) fn user(&self, name: &str, connections: usize) -> Result<Vec<User>> {
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + EXPIRY;
        let claims = json!({"iss": "docket", "aud": "docket", "sub": name, "exp": expiry.as_secs()});
        let token = jsonwebtoken::encode(&Header::default(), &claims, &self.secret).context("a token")?;
        (0..connections).map(|_| self.directory.user(&token)).collect()
    }

    /// The Deployment that plays a target's part.
    pub(super) fn deployment(&self, role: Role) -> String {
        if self.single.load(Ordering::SeqCst) {
            "docket".to_owned()
        } else {
            format!("docket-{}", role.name())
        }
    }

    /// Docket's pods that are ready.
    pub(super) async fn pods(&self) -> Result<Vec<Pod>> {
        Ok(self.all_pods().await?.into_iter().filter(|pod| pod.ready).collect())
    }

    /// Waits until those have gone that were told to: they still finish what they are at when others are there already.
    pub(super) async fn gone(&self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while let Some(pod) = self.all_pods().await?.into_iter().find(|pod| pod.ending) {
            ensure!(start.elapsed() < limit, "{} was told to go, and is still there", pod.name);
            sleep(INTERVAL).await;
        }
        Ok(())
    }

    async fn all_pods(&self) -> Result<Vec<Pod>> {
        let list = ["pods", "--namespace", &self.helm.namespace, &self.helm.selector()];
        Ok(objects::pods(&self.kubectl().get(&list).await?))
    }

    /// How often containers of those pods were started again.
    pub(super) async fn restarts(&self) -> Result<u64> {
        let pods = self.pods().await?;
        Ok(pods.iter().flat_map(|pod| &pod.restarts).map(|(_container, count)| count).sum())
    }

    /// The namespace of the database, and the selector of its pods.
    pub(super) async fn database_pods(&self) -> Result<(String, String)> {
        self.behind(&self.database.namespace, &self.database.target).await
    }

    /// The same of the broker.
    pub(super) async fn broker_pods(&self) -> Result<(String, String)> {
        self.behind(&self.broker.namespace, &self.broker.target).await
    }

    async fn behind(&self, namespace: &str, target: &str) -> Result<(String, String)> {
        let service = self.kubectl().get(&[target, "--namespace", namespace]).await?;
        let selector = objects::selector(&service).with_context(|| format!("{target} selects no pods"))?;
        Ok((namespace.to_owned(), selector))
    }

    /// All that a topic has.
    pub(super) async fn stored(&self, topic: &str) -> Result<Vec<Stored>> {
        let mut broker = Broker::connect(&self.broker.access).await.context("Kafka")?;
        broker.read(topic).await.context("Kafka")
    }

    /// The logs of all of Docket's pods, each with what it is called.
    pub(super) async fn logs(&self) -> Vec<(String, String)> {
        let mut logs = Vec::new();
        for pod in self.pods().await.unwrap_or_default() {
            let arguments = [
                "logs",
                "--namespace",
                &self.helm.namespace,
                &pod.name,
                "--all-containers",
                "--prefix",
                "--tail=5000",
            ];
            let text = self.kubectl().text(&arguments).await;
            logs.push((pod.name, text.unwrap_or_else(|error| format!("{error:#}"))));
        }
        logs
    }

    /// Who is not as it should be.
    async fn incomplete(&self) -> Result<(), String> {
        let mut places =
            vec![self.helm.namespace.as_str(), &self.database.namespace, &self.broker.namespace, DAPR];
        places.sort_unstable();
        places.dedup();
        for namespace in places {
            let list = ["deployments,statefulsets", "--namespace", namespace];
            let list = self.kubectl().get(&list).await.map_err(|error| error.to_string())?;
            objects::complete(&list)?;
        }
        // There may be none of a Deployment that has just gone.
        let pods = self.pods().await.map_err(|error| format!("{error:#}"))?;
        if pods.is_empty() { Err("no pod is ready".to_owned()) } else { Ok(()) }
    }

    fn underway(&self) -> Underway {
        let app_id = |role| Some(self.deployment(role));
        Underway {
            database: self.database.server.clone(),
            broker: self.broker.access.clone(),
            groups: groups(app_id, EVENTS, REMINDERS),
        }
    }

    /// Whether database and broker answer.
    async fn within_reach(&self) -> Result<(), String> {
        self.database.reached().await?;
        self.broker.reached(async |mut broker| broker.offsets(EVENTS).await).await.map(drop)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Ground for Site {
    async fn database(&self) -> Result<Client, String> {
        self.database.reached().await
    }

    async fn up(&mut self, limit: Duration) -> Result<Duration, String> {
        let start = Instant::now();
        loop {
            match self.incomplete().await {
                Ok(()) => return Ok(start.elapsed()),
                Err(down) if start.elapsed() > limit => return Err(down),
                Err(_down) => sleep(INTERVAL).await,
            }
        }
    }

    async fn settled(&self) -> Result<(), String> {
        self.within_reach().await?;
        self.underway().settled(self.letters).await
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }
}

impl Store {
    async fn find(helm: &Helm) -> Result<Self> {
        let secret = async |key| helm.kubectl.secret(&helm.namespace, "docket-database", key).await;
        let [owner, server] = [secret("owner-url").await?, secret("server-url").await?];
        let url = Url::parse(&owner).context("owner-url is no URL")?;
        let host = url.host_str().context("owner-url has no host")?;
        let (namespace, target) = objects::place(host, &helm.namespace)
            .with_context(|| format!("the database is at {host}, outside of the cluster"))?;
        let port = url.port().unwrap_or(5432);
        let way = Forward::to(&helm.kubectl, &namespace, &target, &[port]);
        let through = |url: &str| through(url, way.address(port));
        let (owner, server) = (through(&owner)?, through(&server)?);
        Ok(Self { owner, server, namespace, target, way })
    }

    /// Connects; a way whose end has gone is opened anew for the next time.
    async fn reached(&self) -> Result<Client, String> {
        self.way.open().await.map_err(|error| error.to_string())?;
        match postgres::connect(&self.owner).await {
            Ok(client) => Ok(client),
            Err(error) => {
                self.way.renew().await;
                Err(format!("PostgreSQL: {error}"))
            }
        }
    }
}

/// The same database, at a port of this machine that leads to it. What the URL says of TLS is of the way that it takes
/// otherwise.
fn through(url: &str, address: SocketAddr) -> Result<String> {
    let mut url = Url::parse(url).context("the URL of a database is no URL")?;
    let changed = url.set_ip_host(address.ip()).and_then(|()| url.set_port(Some(address.port())));
    changed.map_err(|()| anyhow!("the URL of a database has no host"))?;
    url.set_query(None);
    Ok(url.into())
}

impl Queue {
    async fn find(helm: &Helm, deployments: &Value) -> Result<Self> {
        let secret = async |key| helm.kubectl.secret(&helm.namespace, "docket-kafka", key).await;
        let brokers = secret("brokers").await?;
        let brokers: Vec<&str> = brokers.split(',').map(str::trim).collect();
        let mechanism = match objects::variable(deployments, "DOCKET_KAFKA__MECHANISM") {
            Some("SCRAM-SHA-512") => Mechanism::ScramSha512,
            _ => Mechanism::ScramSha256,
        };
        let login = Login::new(secret("saslUsername").await?, secret("saslPassword").await?).by(mechanism);
        let mut access = Access::new(brokers.clone()).login(login);
        if secret("disableTls").await? != "true" {
            access = access.tls(secret("caCert").await?.as_bytes()).context("caCert of docket-kafka")?;
        }
        let (host, _port) = split(brokers.first().context("no broker is named")?)?;
        let (namespace, target) = objects::place(host, &helm.namespace)
            .with_context(|| format!("the broker is at {host}, outside of the cluster"))?;
        let mut queue = Self { access, namespace, target, ways: BTreeMap::new() };
        for broker in brokers {
            queue.lead(helm, broker)?;
        }
        // Now they can say what they call themselves.
        let known = patiently(async || queue.reached(async |mut broker| broker.brokers().await).await);
        for broker in known.await? {
            queue.lead(helm, &broker.address)?;
        }
        Ok(queue)
    }

    /// Asks something; ways whose end has gone are opened anew for the next time.
    async fn reached<T>(&self, ask: impl AsyncFnOnce(Broker) -> Result<T, Error>) -> Result<T, String> {
        for way in self.ways.values() {
            way.open().await.map_err(|error| error.to_string())?;
        }
        let answer = async { ask(Broker::connect(&self.access).await?).await };
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                for way in self.ways.values() {
                    way.renew().await;
                }
                Err(format!("Kafka: {error}"))
            }
        }
    }

    /// Leads a port of this machine to a broker.
    fn lead(&mut self, helm: &Helm, broker: &str) -> Result<()> {
        if self.ways.contains_key(broker) {
            return Ok(());
        }
        let (host, port) = split(broker)?;
        let (namespace, target) = objects::place(host, &helm.namespace)
            .with_context(|| format!("the broker {host} is outside of the cluster"))?;
        let way = Forward::to(&helm.kubectl, &namespace, &target, &[port]);
        self.access = self.access.clone().detour(broker, way.address(port));
        self.ways.insert(broker.to_owned(), way);
        Ok(())
    }
}

/// Asks until there is an answer, for as long as a pod may take to start.
async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, String>) -> Result<T> {
    let start = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(why) if start.elapsed() > PATIENCE => return Err(anyhow!(why)),
            Err(_why) => sleep(INTERVAL).await,
        }
    }
}

fn split(broker: &str) -> Result<(&str, u16)> {
    let (host, port) = broker.rsplit_once(':').with_context(|| format!("{broker} is no host:port"))?;
    Ok((host, port.parse().with_context(|| format!("{broker} is no host:port"))?))
}
