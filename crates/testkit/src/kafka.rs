//! Kafka: a broker of its own that is its own controller, with SCRAM, with TLS and without, and behind proxies.

mod certificate;
mod topics;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

pub use docket_kafka::{Access, Client, Error, Group, Login, Mechanism, NewTopic, Record, Stored, Topic};
use tokio::sync::OnceCell;

use crate::java::java;
use crate::port::Port;
use crate::process::{Process, Program};
use crate::{PATIENCE, Proxy, wait_for};
use certificate::Certificate;
pub use topics::Topics;

/// Who may do everything.
const USER: &str = "docket";

/// By what the brokers let somebody log in.
const MECHANISMS: [Mechanism; 2] = [Mechanism::ScramSha256, Mechanism::ScramSha512];

/// The listener that brokers would use among themselves, and that no proxy stands before.
const DIRECT: &str = "DIRECT";

/// What is logged, and how.
const LOGGING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Configuration shutdownHook="disable">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c{1}: %m%n%ex{short}"/></Console>
  </Appenders>
  <Loggers>
    <Logger name="org.apache.kafka.common.config" level="WARN"/>
    <Root level="INFO"><AppenderRef ref="out"/></Root>
  </Loggers>
</Configuration>
"#;

/// One for all tests of a program: a static does not end, so its guard ends it when the program has.
static SHARED: OnceCell<Kafka> = OnceCell::const_new();

/// A broker to be started.
#[derive(Debug)]
pub struct KafkaBuilder {
    settings: BTreeMap<String, String>,
    users: Vec<User>,
    proxies: usize,
}

/// Somebody whom a broker knows, by one mechanism.
#[derive(Debug)]
struct User {
    name: String,
    password: String,
    mechanism: Mechanism,
}

/// A broker. Listens on loopback alone, and wants a login.
#[derive(Debug)]
pub struct Kafka {
    process: Process,
    direct: SocketAddr,
    tls: SocketAddr,
    proxies: Vec<Proxy>,
    password: String,
    authority: String,
}

impl Kafka {
    /// A broker with the settings of tests.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A broker to be started.
    pub fn builder() -> KafkaBuilder {
        KafkaBuilder { settings: BTreeMap::new(), users: Vec::new(), proxies: 0 }
    }

    /// The broker that all tests of this program share, each with topics of its own. Ends with the program. Only for those
    /// who do it no harm.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// Where it is: SASL, no TLS.
    pub fn address(&self) -> SocketAddr {
        self.direct
    }

    /// Where it is with TLS.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls
    }

    /// The proxy through which, and through nothing else, those reach it who begin there: it names itself by the proxy's
    /// address to them. SASL, no TLS.
    ///
    /// # Panics
    /// When there are fewer of them ([`KafkaBuilder::proxies`]).
    pub fn proxy(&self, number: usize) -> &Proxy {
        self.proxies.get(number).unwrap_or_else(|| panic!("Kafka has {} proxies", self.proxies.len()))
    }

    /// How many proxies it has.
    pub fn proxies(&self) -> usize {
        self.proxies.len()
    }

    /// Who may do everything, by each mechanism.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The password of [`Kafka::user`].
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The authority (PEM) that vouches for it where it speaks TLS.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// How to reach it past all proxies.
    pub fn access(&self) -> Access {
        Access::new([self.direct.to_string()]).login(Login::new(USER, &self.password))
    }

    /// How to reach it with TLS.
    pub fn tls_access(&self) -> Access {
        let access = Access::new([self.tls.to_string()]).login(Login::new(USER, &self.password));
        access.tls(self.authority.as_bytes()).expect("the authority is a certificate")
    }

    /// A client past all proxies. It outlives a restart: the first call after it fails, the next one connects.
    pub async fn client(&self) -> Client {
        Client::connect(&self.access()).await.unwrap_or_else(|error| panic!("Kafka: {error}"))
    }

    /// Waits until it serves those who log in, and knows how far groups are.
    pub async fn ready(&mut self) {
        let access = self.access();
        self.process
            .ready(async || {
                let mut client = Client::connect(&access).await.map_err(|error| error.to_string())?;
                // The first who asks makes it create the topic in which it keeps this.
                client.committed("nobody").await.map(drop).map_err(|error| error.to_string())
            })
            .await;
    }

    /// Kills it if it runs, and starts it again with what it had.
    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.ready().await;
    }

    /// All records that a topic has.
    ///
    /// # Panics
    /// When it can not be read.
    pub async fn read(&self, topic: &str) -> Vec<Stored> {
        self.client().await.read(topic).await.unwrap_or_else(|error| panic!("Kafka: {error}"))
    }

    /// Writes a record as it is, and gives its offset.
    ///
    /// # Panics
    /// When it can not be written.
    pub async fn produce(&self, topic: &str, partition: i32, record: Record) -> i64 {
        let written = self.client().await.produce(topic, partition, &[record]).await;
        written.unwrap_or_else(|error| panic!("Kafka: {error}"))
    }

    /// Reads so many records of a topic as a consumer of a group, which commits them and leaves: Kafka's own consumer.
    ///
    /// # Panics
    /// When there are fewer.
    pub async fn consume(&self, group: &str, topic: &str, count: u32) {
        let file = format!("{group}.properties");
        write(&self.process, &file, &self.client_properties());
        let mut command = self.process.command_of(&java());
        command.args(arguments("org.apache.kafka.tools.consumer.ConsoleConsumer"));
        command.args(["--bootstrap-server", &self.direct.to_string(), "--consumer.config", &file]);
        command.args(["--group", group, "--topic", topic, "--from-beginning"]);
        command.args(["--max-messages", &count.to_string(), "--timeout-ms", "30000"]);
        let output = tokio::process::Command::from(command).output().await.expect("Java can be run");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let done = format!("Processed a total of {count} messages");
        assert!(
            output.status.success() && said.contains(&done),
            "Kafka's consumer: {}: {said}",
            output.status
        );
    }

    /// What Kafka's own programs log in with.
    fn client_properties(&self) -> String {
        let login = jaas(&self.password);
        format!("security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config={login}\n")
    }

    /// Waits until a group has committed everything that a topic has.
    pub async fn caught_up(&self, group: &str, topic: &str) {
        let mut client = self.client().await;
        wait_for(&format!("group {group} at the end of {topic}"), PATIENCE, async || {
            let lag = client.lag(group, topic).await.map_err(|error| error.to_string())?;
            if lag.values().all(|lag| *lag == 0) { Ok(()) } else { Err(format!("lag by partition: {lag:?}")) }
        })
        .await;
    }
}

impl Deref for Kafka {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Kafka {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl KafkaBuilder {
    /// Sets a property of the broker.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// One more user, who logs in by this mechanism and by no other.
    pub fn user(mut self, mechanism: Mechanism, name: &str, password: &str) -> Self {
        self.users.push(User { name: name.to_owned(), password: password.to_owned(), mechanism });
        self
    }

    /// So many proxies, each before a listener of its own: one for each client that is to be cut off alone.
    pub fn proxies(mut self, count: usize) -> Self {
        self.proxies = count;
        self
    }

    /// Starts it, and waits until it can be logged in to.
    pub async fn start(self) -> Kafka {
        let mut kafka = self.spawn().await;
        kafka.ready().await;
        kafka
    }

    /// Makes its data and starts it, without waiting until it is ready.
    pub async fn spawn(self) -> Kafka {
        let [direct, tls, controller] = [(); 3].map(|()| Port::reserve());
        let behind: Vec<Port> = (0..self.proxies).map(|_| Port::reserve()).collect();
        let mut proxies = Vec::new();
        for port in &behind {
            proxies.push(Proxy::start(port.address()).await);
        }
        let password = uuid::Uuid::new_v4().simple().to_string();
        let this = MECHANISMS.into_iter().fold(self, |this, mechanism| this.user(mechanism, USER, &password));
        let listeners = listeners(&direct, &tls, &behind, &proxies);
        let (direct_address, tls_address) = (direct.address(), tls.address());
        let properties = this.properties(&listeners, &controller, &password);

        let mut program = Program::new("kafka", java());
        program.arguments = arguments("kafka.Kafka");
        program.arguments.push("server.properties".to_owned());
        program.ports = [direct, tls, controller].into_iter().chain(behind).collect();
        let mut process = Process::new(program);
        let certificate = Certificate::generate();
        write(&process, "server.pem", &certificate.server);
        write(&process, "log4j2.xml", LOGGING);
        write(&process, "server.properties", &properties);
        format(&process, &this.users).await;
        process.spawn();
        let authority = certificate.authority;
        Kafka { process, direct: direct_address, tls: tls_address, proxies, password, authority }
    }

    /// The file of its settings. How it writes to the disk is as Kafka has it: what was acknowledged outlives the process.
    fn properties(&self, listeners: &[Listener], controller: &Port, password: &str) -> String {
        let list =
            |show: &dyn Fn(&Listener) -> String| listeners.iter().map(show).collect::<Vec<_>>().join(",");
        let controller = controller.address();
        let mut ours = BTreeMap::from([
            ("process.roles", "broker,controller".to_owned()),
            ("node.id", "1".to_owned()),
            ("log.dirs", "data".to_owned()),
            (
                "listeners",
                format!("{},CONTROLLER://{controller}", list(&|one| format!("{}://{}", one.name, one.at))),
            ),
            ("advertised.listeners", list(&|one| format!("{}://{}", one.name, one.known_at))),
            (
                "listener.security.protocol.map",
                format!("{},CONTROLLER:PLAINTEXT", list(&|one| format!("{}:{}", one.name, one.protocol))),
            ),
            ("controller.listener.names", "CONTROLLER".to_owned()),
            ("controller.quorum.bootstrap.servers", controller.to_string()),
            ("inter.broker.listener.name", DIRECT.to_owned()),
            ("sasl.mechanism.inter.broker.protocol", "SCRAM-SHA-256".to_owned()),
            ("sasl.enabled.mechanisms", MECHANISMS.map(Mechanism::name).join(",")),
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.location", "server.pem".to_owned()),
            ("auto.create.topics.enable", "false".to_owned()),
            // One broker is all there is, and no test waits for others.
            ("offsets.topic.replication.factor", "1".to_owned()),
            ("offsets.topic.num.partitions", "4".to_owned()),
            ("transaction.state.log.replication.factor", "1".to_owned()),
            ("transaction.state.log.min.isr", "1".to_owned()),
            ("transaction.state.log.num.partitions", "4".to_owned()),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
            // How long a broker that was killed is taken for alive, and so not let in again. The default is nine seconds.
            ("broker.session.timeout.ms", "3000".to_owned()),
            ("broker.heartbeat.interval.ms", "500".to_owned()),
        ])
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<BTreeMap<_, _>>();
        for listener in listeners {
            for mechanism in MECHANISMS {
                let of = format!("listener.name.{}.{}", listener.name, mechanism.name()).to_lowercase();
                ours.insert(format!("{of}.sasl.jaas.config"), jaas(password));
            }
        }
        ours.extend(self.settings.clone());
        ours.iter().fold(String::new(), |mut file, (name, value)| {
            // Writing to a text does not fail.
            let _ = writeln!(file, "{name}={value}");
            file
        })
    }
}

/// Where it listens, and where it says that it does.
struct Listener {
    name: String,
    protocol: &'static str,
    at: SocketAddr,
    known_at: SocketAddr,
}

fn listeners(direct: &Port, tls: &Port, behind: &[Port], proxies: &[Proxy]) -> Vec<Listener> {
    let at = |name: &str, protocol, at| Listener { name: name.to_owned(), protocol, at, known_at: at };
    let mut listeners =
        vec![at(DIRECT, "SASL_PLAINTEXT", direct.address()), at("TLS", "SASL_SSL", tls.address())];
    for (number, (port, proxy)) in behind.iter().zip(proxies).enumerate() {
        let name = format!("PROXY{number}");
        let (at, known_at) = (port.address(), proxy.address());
        listeners.push(Listener { name, protocol: "SASL_PLAINTEXT", at, known_at });
    }
    listeners
}

/// Makes the folder `data`, with the users in it.
async fn format(process: &Process, users: &[User]) {
    let mut command = process.command_of(&java());
    command.args(arguments("kafka.tools.StorageTool"));
    let cluster = uuid::Uuid::new_v4().simple().to_string();
    command.args(["format", "--config", "server.properties", "--standalone", "--cluster-id", &cluster[..22]]);
    for User { name, password, mechanism } in users {
        let mechanism = mechanism.name();
        command.arg("--add-scram").arg(format!("{mechanism}=[name={name},password={password}]"));
    }
    let output = tokio::process::Command::from(command).output().await.expect("Java can be run");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Kafka's storage tool: {}: {said}", output.status);
}

/// What a class of Kafka's is run with.
fn arguments(class: &str) -> Vec<String> {
    let logging = [("log4j2.configurationFile", "log4j2.xml".to_owned())];
    crate::java::arguments("TOOL_KAFKA", &logging, class)
}

/// Who somebody logs in as, in the words of Java.
fn jaas(password: &str) -> String {
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
    format!("{module} required username=\"{USER}\" password=\"{password}\";")
}

fn write(process: &Process, name: &str, text: &str) {
    std::fs::write(process.folder().join(name), text).expect("a file can be written");
}
