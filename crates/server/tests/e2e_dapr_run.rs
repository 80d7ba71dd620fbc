//! What `dapr run -f` makes of the templates of `deploy/`: the same sidecars and the same Dockets, on other ports.
//!
//! The CLI itself is not run. What it would start is, with the flags and the environment that it would give.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dapr_run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dapr_run::App;
use docket_domain::Clock as _;
use docket_proto::v1::recurrence::Pattern;
use docket_rpc::{AuthConfig, Secret, Signer};
use docket_server::source::SystemClock;
use docket_testkit::{
    Kafka, PATIENCE, Port, Postgres, Process, Program, Scheduler, Servers, User, due, http, repeating,
    wait_for,
};
use serde_json::json;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");
const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

/// The keys of the ports that a sidecar listens on.
const SIDECAR_PORTS: [&str; 4] = ["daprHTTPPort", "daprGRPCPort", "daprInternalGRPCPort", "metricsPort"];

/// The variables of the ports that Docket listens on.
const DOCKET_PORTS: [&str; 3] = ["DOCKET_LISTEN__PUBLIC", "DOCKET_LISTEN__APP", "DOCKET_LISTEN__ADMIN"];

/// What the CLI has started for one app.
struct Running {
    public: Channel,
    _docket: Process,
    _sidecar: Process,
}

/// What the shell has in which the CLI is run.
type Shell<'a> = BTreeMap<&'a str, String>;

fn templates(name: &str, app_id: &str) -> Vec<App> {
    let deploy = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap();
    // Names of its own, so that nobody else on this machine answers for it.
    let text = std::fs::read_to_string(deploy.join(name)).unwrap();
    let text = text.replace("appID: docket", &format!("appID: {app_id}"));
    let text = text.replace("APP_ID: docket", &format!("APP_ID: {app_id}"));
    dapr_run::parse(&text, &deploy).unwrap()
}

/// Starts a sidecar and its app as the CLI would, with files in their folder.
async fn start(mut app: App, shell: &Shell<'_>, scheduler: u16, files: &[(&str, String)]) -> Running {
    let ports: Vec<Port> = SIDECAR_PORTS.iter().map(|_| Port::reserve()).collect();
    for (key, port) in SIDECAR_PORTS.iter().zip(&ports) {
        app.settings.insert((*key).to_owned(), port.number().into());
    }
    let own: Vec<Port> = DOCKET_PORTS.iter().map(|_| Port::reserve()).collect();
    app.settings.insert("appPort".to_owned(), own[1].number().into());
    app.settings.insert("schedulerHostAddress".to_owned(), format!("127.0.0.1:{scheduler}").into());
    let (http, public) = (ports[0].address(), own[0].address());

    let mut program = Program::new("daprd", std::env::var_os("TOOL_DAPRD").unwrap());
    program.arguments = app.flags();
    // Tests are heard on loopback alone; the CLI leaves these as they are.
    program.arguments.extend(
        ["--dapr-internal-grpc-listen-address=127.0.0.1", "--metrics-listen-address=127.0.0.1"]
            .map(str::to_owned),
    );
    program.environment = shell.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    program.environment.insert("DAPR_HOST_IP".to_owned(), "127.0.0.1".to_owned());
    program.ports = ports;
    let mut sidecar = Process::new(program);
    for (name, text) in files {
        std::fs::write(sidecar.folder().join(name), text).unwrap();
    }

    let (file, arguments) = app.command();
    assert!(file.ends_with("target/debug/docket"), "{}", file.display());
    let mut program = Program::new("docket", DOCKET);
    program.arguments = arguments;
    program.environment = shell.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    program.environment.extend(app.environment());
    for (name, port) in DOCKET_PORTS.iter().zip(&own) {
        program.environment.insert((*name).to_owned(), port.address().to_string());
    }
    program.ports = own;
    let mut docket = Process::new(program);
    // In the CLI's order.
    sidecar.spawn();
    docket.spawn();
    let public = Endpoint::from_shared(format!("http://{public}")).unwrap().timeout(PATIENCE).connect_lazy();
    wait_for(&format!("{} to serve", app.text("appID")), PATIENCE, async || {
        let answer = HealthClient::new(public.clone()).check(HealthCheckRequest::default()).await;
        let status = answer.map_err(|status| status.to_string())?.into_inner().status();
        if status == ServingStatus::Serving { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    wait_for(&format!("the sidecar of {}", app.text("appID")), PATIENCE, async || {
        match http::exchange(http, "GET", "/v1.0/healthz", &[], "").await {
            Ok((204, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    Running { public, _docket: docket, _sidecar: sidecar }
}

fn shell() -> Shell<'static> {
    [("APP_API_TOKEN", "app-token"), ("DAPR_API_TOKEN", "api-token"), ("DOCKET_AUTH__SECRET", SECRET)]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

fn alice(servers: Servers) -> User {
    let signer = Signer::new(&AuthConfig::default(), &Secret::new(SECRET).unwrap());
    let token = signer.issue(&"alice".parse().unwrap(), &[], PATIENCE, SystemClock.now());
    User::across(servers, &token)
}

/// A task is completed, the next one appears, and the audit log has both: events go out and in, and calls through the sidecars.
async fn works(alice: &User) {
    let rent = repeating("Pay the rent", Pattern::Monthly, "2027-01-31T09:00:00+01:00", "Europe/Berlin");
    let january = alice.create(rent).await;
    alice.complete(&january).await;
    let february = alice.successor_of(&january).await;
    assert_eq!(due(&february), "2027-02-28T08:00:00Z");
    alice.expect_story(&january, &["created", "completed"]).await;
    alice.expect_story(&february, &["created"]).await;
}

fn unique() -> String {
    format!("t{}", uuid::Uuid::new_v4().simple())
}

#[tokio::test]
async fn one_docket_with_all_targets_works() {
    let app_id = unique();
    let mut apps = templates("dapr.yaml", &app_id);
    let app = apps.remove(0);
    let mut shell = shell();
    // The name that the app has in this test.
    for name in [
        "DOCKET_RECURRENCE__TASKS_APP_ID",
        "DOCKET_NOTIFICATION__TASKS_APP_ID",
        "DOCKET_NOTIFICATION__REMINDERS_APP_ID",
    ] {
        shell.insert(name, app_id.clone());
    }
    let scheduler = Scheduler::builder().start().await;
    let running = start(app, &shell, scheduler.port(), &[]).await;
    let channel = || running.public.clone();
    works(&alice(Servers {
        tasks: channel(),
        audit: channel(),
        reminders: channel(),
        notification: channel(),
    }))
    .await;
}

#[tokio::test]
async fn one_docket_for_each_target_works() {
    let (mut kafka, postgres) = tokio::join!(Kafka::start(), Postgres::start());
    kafka.ready().await;
    kafka.create_topics("").await;
    let database = postgres.database().await;
    database.migrate(Path::new(DOCKET)).await;
    let scheduler = Scheduler::builder().start().await;
    let mut shell = shell();
    shell.insert("DOCKET_DATABASE__URL", database.url());
    let secret = json!({"docket-kafka": {
        "brokers": kafka.address().to_string(),
        "disableTls": "true",
        "caCert": "",
        "saslUsername": kafka.user(),
        "saslPassword": kafka.password(),
    }});
    let files = [("kafka-plain.json", secret.to_string())];
    let prefix = unique();
    let mut running = BTreeMap::new();
    for app in templates("dapr-kafka.yaml", &prefix) {
        let id = app.text("appID");
        let target = id.strip_prefix(&format!("{prefix}-")).unwrap().to_owned();
        running.insert(target, start(app, &shell, scheduler.port(), &files).await);
    }
    let of = |target: &str| running[target].public.clone();
    let servers = Servers {
        tasks: of("tasks"),
        audit: of("audit"),
        reminders: of("reminders"),
        notification: of("notification"),
    };
    works(&alice(servers)).await;
}
