//! PostgreSQL: a cluster of its own, and databases in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tokio::sync::OnceCell;
pub use tokio_postgres::Client;
use tokio_postgres::NoTls;

use crate::port::Port;
use crate::process::{self, Account, Process, Program};
use crate::{PATIENCE, tool, wait_for};

/// Who may do everything.
const SUPERUSER: &str = "postgres";

/// What is run on PostgreSQL when it must not run as root, in this order.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// Where a database's text is ordered and classified as in the production shape. macOS has it under another name.
const LOCALE: &str = if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" };

/// One for all tests of a program: a static does not end, so its guard ends it when the program has.
static SHARED: OnceCell<Postgres> = OnceCell::const_new();

/// A cluster to be started.
#[derive(Debug)]
pub struct PostgresBuilder {
    settings: BTreeMap<String, String>,
    durable: bool,
}

/// A cluster. Listens on loopback alone, and wants passwords.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    address: SocketAddr,
    password: String,
}

/// How a cluster stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shutdown {
    /// Rolls back what runs, and writes down the rest.
    Fast,
    /// As in a crash: the next start recovers from the log of changes.
    Immediate,
}

/// A database, and the two logins that an operator would make for it.
#[derive(Clone, Debug)]
pub struct Database {
    name: String,
    address: SocketAddr,
    superuser: Login,
    owner: Login,
    runtime: Login,
}

#[derive(Clone, Debug)]
struct Login {
    name: String,
    password: String,
}

impl Postgres {
    /// A cluster with the settings of tests.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A cluster to be started.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder { settings: BTreeMap::new(), durable: false }
    }

    /// The cluster that all tests of this program share, each with a database of its own. Ends with the program.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The database `postgres`, as the one who may do everything.
    pub fn superuser_url(&self) -> String {
        self.superuser().url(self.address, SUPERUSER)
    }

    /// A new database with a random name.
    pub async fn database(&self) -> Database {
        let random = random();
        let name = format!("docket_{random}");
        let login = |role: &str| Login { name: format!("{role}_{random}"), password: self::random() };
        let (owner, runtime) = (login("owner"), login("runtime"));
        let client = self.client().await;
        let statements = [
            format!("CREATE ROLE {} LOGIN CREATEROLE PASSWORD '{}'", owner.name, owner.password),
            format!("CREATE ROLE {} LOGIN NOINHERIT PASSWORD '{}'", runtime.name, runtime.password),
            // Nobody is ever connected to this template, so any number of databases can be made from it at once.
            format!("CREATE DATABASE {name} OWNER {} TEMPLATE template0", owner.name),
            format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"),
            format!("GRANT CONNECT ON DATABASE {name} TO {}", runtime.name),
        ];
        // One by one, because a database cannot be made inside a transaction.
        for statement in statements {
            batch(&client, &statement).await;
        }
        Database { name, address: self.address, superuser: self.superuser(), owner, runtime }
    }

    /// Runs statements in the database `postgres`, as the one who may do everything.
    ///
    /// # Panics
    /// When one fails.
    pub async fn execute(&self, sql: &str) {
        batch(&self.client().await, sql).await;
    }

    /// A connection to the database `postgres`, as the one who may do everything.
    pub async fn client(&self) -> Client {
        connect(&self.superuser_url()).await.unwrap_or_else(|error| panic!("PostgreSQL: {error}"))
    }

    /// Ends every connection to a database, and says how many there were.
    pub async fn terminate_connections(&self, database: &Database) -> u64 {
        let client = self.client().await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        client.execute(sql, &[&database.name]).await.expect("connections can be ended")
    }

    /// Whether it runs, paused or not.
    pub fn runs(&mut self) -> bool {
        self.process.runs()
    }

    /// Stops it, and waits until it has.
    pub async fn stop(&mut self, how: Shutdown) {
        self.process.signal(match how {
            Shutdown::Fast => Signal::SIGINT,
            Shutdown::Immediate => Signal::SIGQUIT,
        });
        self.process.wait_exit().await;
    }

    /// Starts it after a stop, and waits until it can be connected to.
    pub async fn start_again(&mut self) {
        self.process.spawn();
        self.ready().await;
    }

    /// Stops it, and starts it again with the same data on the same port.
    pub async fn restart(&mut self, how: Shutdown) {
        self.stop(how).await;
        self.start_again().await;
    }

    /// Sends a signal to all of its processes.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        let id = self.process.id().expect("PostgreSQL runs").cast_signed();
        // The first is told first, so that it starts no others meanwhile.
        self.process.signal(signal);
        for child in children(id) {
            // One that has ended meanwhile needs no signal.
            let _ = kill(Pid::from_raw(child), signal);
        }
    }

    /// Stops all of its processes where they are: connections stay open, and nobody answers on them.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets all of its processes go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What it has said so far, in all its runs.
    pub fn log_text(&self) -> String {
        self.process.log_text()
    }

    async fn ready(&mut self) {
        let url = self.superuser_url();
        self.process.ready(async || connect(&url).await.map(drop)).await;
    }

    fn superuser(&self) -> Login {
        Login { name: SUPERUSER.to_owned(), password: self.password.clone() }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.id().is_some() {
            // Those that are paused would not hear that it ends.
            self.resume();
        }
    }
}

impl PostgresBuilder {
    /// Sets a parameter of `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Whether what is committed survives a loss of power, at the price of the disk's time. It survives
    /// [`Shutdown::Immediate`] in any case.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Starts it, and waits until it can be connected to.
    pub async fn start(self) -> Postgres {
        let programs = tool("TOOL_POSTGRES");
        let port = Port::reserve();
        let address = port.address();
        let mut program = Program::new("postgres", programs.join("postgres"));
        program.arguments = ["-D".to_owned(), "data".to_owned()].into();
        for (name, value) in self.all_settings(&port) {
            program.arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        program.environment.insert("LC_ALL".to_owned(), LOCALE.to_owned());
        program.ports = vec![port];
        program.account = account();
        // At once too, but a SIGKILL would leave its key to shared memory in the kernel.
        program.end = Signal::SIGQUIT;
        let mut process = Process::new(program);
        let password = random();
        init(&process, programs.join("initdb"), &password).await;
        process.spawn();
        let mut postgres = Postgres { process, address, password };
        postgres.ready().await;
        postgres
    }

    fn all_settings(&self, port: &Port) -> BTreeMap<String, String> {
        let durable = if self.durable { "on" } else { "off" };
        let ours = [
            ("port", port.number().to_string()),
            ("listen_addresses", port.address().ip().to_string()),
            // Only TCP, so that nothing is left outside its folder.
            ("unix_socket_directories", String::new()),
            ("dynamic_shared_memory_type", "mmap".to_owned()),
            ("max_connections", "200".to_owned()),
            ("fsync", durable.to_owned()),
            ("full_page_writes", durable.to_owned()),
        ];
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
        ours.chain(self.settings.clone()).collect()
    }
}

impl Database {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its cluster listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As its owner, who may also create roles: for migrations.
    pub fn owner_url(&self) -> String {
        self.owner.url(self.address, &self.name)
    }

    /// As a login that has no right but to connect, until [`Database::grant_runtime`].
    pub fn url(&self) -> String {
        self.runtime.url(self.address, &self.name)
    }

    /// The same as [`Database::url`], at another address: that of a proxy, say.
    pub fn url_at(&self, address: SocketAddr) -> String {
        self.runtime.url(address, &self.name)
    }

    /// As the one who may do everything.
    pub fn superuser_url(&self) -> String {
        self.superuser.url(self.address, &self.name)
    }

    /// Applies the migrations of the binary as an operator would: with the owner's login, and then the rights of the
    /// login that serves.
    ///
    /// # Panics
    /// When they fail.
    pub async fn migrate(&self, docket: &Path) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut command = tokio::process::Command::new(docket);
        command.args(["migrate", "up"]).current_dir(folder.path()).env_clear().envs(process::inherited());
        command.env("DOCKET_DATA_DIR", ".").env("DOCKET_DATABASE__URL", self.owner_url());
        let output = command.output().await.expect("the binary can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docket migrate up: {}: {said}", output.status);
        self.grant_runtime().await;
    }

    /// Lets the login of [`Database::url`] act as each role that the migrations have made, and as none by default.
    ///
    /// # Panics
    /// When there is no such role: the migrations come first.
    pub async fn grant_runtime(&self) {
        let client = self.superuser_client().await;
        let sql =
            "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname LIKE 'docket\\_%' AND NOT rolcanlogin";
        let roles = client.query(sql, &[]).await.expect("roles can be listed");
        let roles: Vec<String> = roles.iter().map(|role| role.get(0)).collect();
        assert!(!roles.is_empty(), "no role `docket_…`: the migrations come first");
        let grant = format!("GRANT {} TO {}", roles.join(", "), self.runtime.name);
        // Roles are of the whole cluster, and whoever changes the same row of its catalogue at this moment is in the way.
        wait_for("the rights of the login that serves", PATIENCE, async || {
            client.batch_execute(&grant).await.map_err(|error| format!("{grant}: {error:?}"))
        })
        .await;
    }

    /// Runs statements in it, as the one who may do everything.
    ///
    /// # Panics
    /// When one fails.
    pub async fn execute(&self, sql: &str) {
        batch(&self.superuser_client().await, sql).await;
    }

    /// A connection to it, as the one who may do everything.
    pub async fn superuser_client(&self) -> Client {
        connect(&self.superuser_url()).await.unwrap_or_else(|error| panic!("PostgreSQL: {error}"))
    }
}

impl Login {
    fn url(&self, address: SocketAddr, database: &str) -> String {
        format!("postgres://{}:{}@{address}/{database}", self.name, self.password)
    }
}

/// A connection, or why there is none.
pub async fn connect(url: &str) -> Result<Client, String> {
    // Its own text is the kind of error alone; what the server said is below.
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.map_err(|error| match error.as_db_error() {
            Some(error) => error.to_string(),
            None => format!("{error:?}"),
        })?;
    // Ends with the client, or with the server; the client says so then.
    tokio::spawn(connection);
    Ok(client)
}

async fn batch(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// Makes the folder `data`.
async fn init(process: &Process, initdb: PathBuf, password: &str) {
    // The folder is closed to everybody else, and goes with it.
    let file = process.folder().join("password");
    std::fs::write(&file, password).expect("a file can be written");
    if let Some(Account { user, group }) = account() {
        std::os::unix::fs::chown(&file, Some(user), Some(group)).expect("a file can be given away");
    }
    let mut command = process.command_of(&initdb);
    command.args(["-D", "data", "--no-sync", "--encoding=UTF8", "--auth=scram-sha-256", "--pwfile=password"]);
    command.arg(format!("--locale={LOCALE}")).arg(format!("--username={SUPERUSER}"));
    let output = tokio::process::Command::from(command).output().await;
    let output = output.unwrap_or_else(|error| panic!("{} can not be run: {error}", initdb.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb: {}: {said}", output.status);
}

/// Whom to run as: PostgreSQL refuses root.
fn account() -> Option<Account> {
    if !Uid::effective().is_root() {
        return None;
    }
    let known = |name: &str| User::from_name(name).ok().flatten();
    let user = ACCOUNTS.into_iter().find_map(known).expect("this machine has a user `postgres` or `nobody`");
    Some(Account { user: user.uid.as_raw(), group: user.gid.as_raw() })
}

/// The processes that a process has started itself.
fn children(parent: i32) -> Vec<i32> {
    let said = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).or_else(|_| {
        let output = std::process::Command::new("pgrep").args(["-P", &parent.to_string()]).output()?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let said = said.expect("the kernel or `pgrep` tells the children of a process");
    said.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// Thirty-two digits of which no quoting is needed anywhere.
fn random() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
