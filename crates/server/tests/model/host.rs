//! A Docket with all its targets, in a runtime of its own, so that it can crash and start again on the same data.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use docket_domain::Clock as _;
use docket_rpc::{Secret, Signer};
use docket_server::app::App;
use docket_server::config::Config;
use docket_server::source::SystemClock;
use docket_server::telling;
use docket_store::{Schema, Store, Stores};
use docket_telemetry::Handle;
use docket_testkit::callback::Callback;
use docket_testkit::{PATIENCE, Storage, User, wait_for};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, RwLock, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::model::broker::Broker;

const APP_API_TOKEN: &str = "app-api-token";

const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

/// The application name of Docket's own connections begins so.
const BACKENDS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'docket-%'";

/// Docket, whichever run of it is the present one.
pub(crate) struct Host {
    config: Config,
    storage: Storage,
    pub(crate) broker: Broker,
    running: watch::Sender<Option<Running>>,
    generation: AtomicU64,
    run: Mutex<Option<Run>>,
    /// Whoever holds it to read is not interrupted.
    pub(crate) whole: RwLock<()>,
    _folder: TempDir,
}

/// Where the present run is called.
#[derive(Clone)]
pub(crate) struct Running {
    generation: u64,
    public: Channel,
    pub(crate) app: Channel,
}

struct Run {
    runtime: Option<Runtime>,
    stop: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Host {
    /// Starts Docket for the first time.
    pub(crate) async fn start(storage: Storage, seed: u64) -> Self {
        let folder = folder();
        let (running, present) = watch::channel(None);
        let (broker, sidecar) = Broker::start(present, seed).await;
        let url = match &storage {
            Storage::Sqlite => format!("sqlite:{}", folder.path().join("docket.db").display()),
            Storage::Postgres(database) | Storage::Replicas(database) => {
                database.migrate(Path::new(env!("CARGO_BIN_EXE_docket"))).await;
                database.url()
            }
        };
        let config = config(folder.path(), url, sidecar);
        let (generation, run, whole) = (AtomicU64::new(1), Mutex::default(), RwLock::default());
        let host = Self { config, storage, broker, running, generation, run, whole, _folder: folder };
        *host.run.lock().await = Some(host.launch().await);
        host
    }

    /// Ends Docket, in order or by pulling the plug, and starts it again.
    pub(crate) async fn restart(&self, crash: bool) {
        let _whole = self.whole.write().await;
        let mut run = self.run.lock().await;
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.running.send_replace(None);
        let mut old = run.take().unwrap();
        if !crash {
            old.stop.cancel();
            (&mut old.ended).await.unwrap().unwrap();
        }
        let runtime = old.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE)).await.unwrap();
        self.settle().await;
        *run = Some(self.launch().await);
    }

    /// Waits until the database is done with what an ended run has sent it.
    async fn settle(&self) {
        match &self.storage {
            Storage::Sqlite => {
                // Behind a commit that is still being written.
                let store = self.store().await;
                let nothing =
                    store.tasks.transaction(|_| Box::pin(async { Ok::<(), docket_store::Error>(()) }));
                nothing.await.unwrap();
                store.close().await;
            }
            Storage::Postgres(database) | Storage::Replicas(database) => {
                let client = database.superuser_client().await;
                wait_for("the connections of the old run to end", PATIENCE, async || {
                    let left: i64 = client.query_one(BACKENDS, &[&database.name()]).await.unwrap().get(0);
                    if left == 0 { Ok(()) } else { Err(left.to_string()) }
                })
                .await;
            }
        }
    }

    async fn launch(&self) -> Run {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let config = self.config.clone();
        let telemetry = Handle::detached(&telling::identity(&config)).unwrap();
        let app = runtime.spawn(App::build(config, telemetry)).await.unwrap().unwrap();
        let (public, app_port) = (channel(app.public_address()), channel(app.app_address().unwrap()));
        let stop = CancellationToken::new();
        let ended = runtime.spawn(app.run(stop.clone()));
        let generation = self.generation.load(Ordering::SeqCst);
        self.running.send_replace(Some(Running { generation, public, app: app_port }));
        Run { runtime: Some(runtime), stop, ended }
    }

    /// The present run, once there is one.
    pub(crate) async fn running(&self) -> Running {
        let mut running = self.running.subscribe();
        running.wait_for(Option::is_some).await.unwrap().clone().unwrap()
    }

    /// Whether a run is over, so that calls of it may have been cut.
    pub(crate) fn is_over(&self, running: &Running) -> bool {
        self.generation.load(Ordering::SeqCst) != running.generation
    }

    /// What a user proves itself with.
    pub(crate) fn token(&self, user: &str) -> String {
        let signer = Signer::new(&self.config.auth, self.config.auth.secret.as_ref().unwrap());
        signer.issue(&user.parse().unwrap(), &[], Duration::from_secs(3_600), SystemClock.now())
    }

    /// The database, opened once more.
    pub(crate) async fn store(&self) -> Stored {
        let stores = Stores::open(&self.config.database, &[]).await.unwrap();
        Stored { tasks: stores.of(Schema::Tasks), stores }
    }

    /// The numbers of each user's sequence: the last one, and those that tasks have. Only where a test can ask for them.
    pub(crate) async fn sequences(&self) -> Vec<(String, i64, Vec<i64>)> {
        let Storage::Postgres(database) = &self.storage else { return Vec::new() };
        let sql = "SELECT s.user_id, s.last_seq, array_agg(t.user_seq ORDER BY t.user_seq)
                   FROM tasks.user_sequences s JOIN tasks.tasks t ON t.user_id = s.user_id GROUP BY 1, 2";
        let rows = database.superuser_client().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }
}

/// The database beside Docket.
pub(crate) struct Stored {
    pub(crate) tasks: Store,
    stores: Stores,
}

impl Stored {
    pub(crate) async fn close(self) {
        self.stores.close().await.unwrap();
    }
}

impl Running {
    /// A user of the public port.
    pub(crate) fn user(&self, token: &str) -> User {
        User::new(self.public.clone(), token)
    }

    /// The sidecar that delivers events.
    pub(crate) fn sidecar(&self) -> Callback {
        Callback::new(self.app.clone()).with_token(APP_API_TOKEN)
    }
}

/// A folder in memory where the system has one: what ends here is a process, and not the system.
fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("docket-test-model-").tempdir_in(place).unwrap()
}

fn config(folder: &Path, url: String, sidecar: SocketAddr) -> Config {
    let mut config = Config { data_dir: folder.to_owned(), ..Config::default() };
    config.database.url = url;
    config.listen.public = SocketAddr::from(([127, 0, 0, 1], 0));
    config.listen.app = config.listen.public;
    config.listen.admin = None;
    config.auth.secret = Some(Secret::new(SECRET).unwrap());
    // Few, because a password costs a debug build a quarter of a second each time, and every run connects anew.
    config.database.max_connections = 3;
    config.database.acquire_timeout_ms = 30_000;
    config.limits.rate_per_second = 0;
    config.dapr.endpoint = Some(format!("http://{sidecar}"));
    config.dapr.app_api_token = Some(APP_API_TOKEN.to_owned().try_into().unwrap());
    config.dapr.retry.backoff_ms = 1;
    // What goes wrong is tried again soon.
    config.outbox.receipt_timeout_ms = 1_000;
    config.outbox.retry_min_ms = 2;
    config.outbox.retry_max_ms = 50;
    // What a crashed run leaves behind is taken over soon.
    config.outbox.lease_seconds = 2;
    config.outbox.poll_ms = 200;
    config.dapr.deadline_ms = 1_000;
    config
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().timeout(PATIENCE).connect_lazy()
}
