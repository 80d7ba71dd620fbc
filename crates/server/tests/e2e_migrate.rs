//! The schema on PostgreSQL, by way of the binary: who serves finds it finished, or does not start.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::{Command, Output};

use docket_testkit::postgres::connect;
use docket_testkit::{Database, Docket, Port, Postgres, Storage};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// A name that needs quotes, and quotes that need some, too.
const ODD: &str = "Über-Server \"7\"; DROP";

/// What a run said, and how it ended.
fn docket(url: &str, arguments: &[&str]) -> (i32, String, String) {
    docket_of(url, "", arguments)
}

/// The same with these targets, all when there are none.
fn docket_of(url: &str, targets: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::Builder::new().prefix("docket-test-migrate-").tempdir().unwrap();
    let mut command = Command::new(DOCKET);
    command.current_dir(folder.path()).env_clear().args(arguments);
    command.env("DOCKET_DATABASE__URL", url).env("DOCKET_DAPR__ENABLED", "false");
    command.env("DOCKET_LISTEN__PUBLIC", "127.0.0.1:0").env("DOCKET_LISTEN__ADMIN", "");
    command.env("DOCKET_TARGETS", targets);
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn a_server_starts_only_on_a_finished_schema() {
    let database = Postgres::shared().await.database().await;
    let owner = database.owner_url();
    let migrate = |arguments: &[&str]| -> Vec<String> {
        let (code, said, error) = docket(&owner, &[&["migrate"], arguments].concat());
        assert_eq!((code, error.as_str()), (0, ""), "{arguments:?}");
        said.lines().map(str::to_owned).collect()
    };
    let pending = migrate(&["status"]);
    assert!(pending.iter().all(|step| step.starts_with("pending ")), "{pending:?}");
    for schema in ["tasks", "recurrence", "audit"] {
        let step = format!("pending {schema}/m20261121_000002_events");
        assert!(pending.contains(&step), "{step}: {pending:?}");
    }
    for schema in ["reminders", "notification"] {
        let known = format!("pending {schema}/");
        assert!(pending.iter().any(|step| step.starts_with(&known)), "{schema}: {pending:?}");
    }
    assert_eq!(migrate(&["status"]), pending, "asking changes nothing");
    let applied: Vec<String> = pending.iter().map(|step| step.replace("pending", "applied")).collect();
    assert_eq!(migrate(&["up"]), applied);
    assert_eq!(migrate(&[]), applied, "nothing left to do");
    database.grant_runtime().await;

    let down = migrate(&["down"]);
    let missing: Vec<&str> = down.iter().filter_map(|step| step.strip_prefix("pending ")).collect();
    assert!(!missing.is_empty(), "{down:?}");
    let (code, _, error) = docket(&database.url(), &["serve"]);
    assert_eq!((code, error.contains("`docket migrate up`")), (1, true), "{error}");
    for step in missing {
        assert!(error.contains(step), "{step}: {error}");
    }
    // Who serves cannot change the schema.
    let (code, _, error) = docket(&database.url(), &["migrate"]);
    assert_eq!(code, 1, "{error}");
    assert_eq!(migrate(&["status"]), down);
}

#[tokio::test]
async fn no_password_is_shown() {
    let database = Postgres::shared().await.database().await;
    let url = database.url();
    let (login, place) = url.trim_start_matches("postgres://").split_once('@').unwrap();
    let password = login.split_once(':').unwrap().1;
    let (code, said, _) = docket(&url, &["config", "print"]);
    assert_eq!((code, said.contains(place), said.contains(password)), (0, true, false), "{said}");
    let wrong = url.replace(password, &format!("{password}-wrong"));
    for command in [&["serve"][..], &["migrate"]] {
        let (code, said, error) = docket(&wrong, command);
        assert_eq!((code, said.as_str()), (1, ""), "{error}");
        assert!(error.contains(place) && !error.contains(password), "{error}");
    }
}

/// An administrator, in the database of the cluster.
struct Administrator(Postgres, Database);

impl Administrator {
    /// Of a cluster of its own, because roles are of the whole cluster.
    async fn new() -> Self {
        let cluster = Postgres::start().await;
        let database = cluster.database().await;
        Self(cluster, database)
    }

    /// Makes a login that may do nothing at all.
    async fn make(&self, login: &str) {
        let quoted = login.replace('"', "\"\"");
        self.0.execute(&format!("CREATE ROLE \"{quoted}\" LOGIN NOINHERIT PASSWORD 'pw'")).await;
    }

    /// The roles that a login may take.
    async fn roles(&self, login: &str) -> Vec<String> {
        let right = match self.since_16().await {
            true => "SET",
            false => "MEMBER",
        };
        let sql = format!(
            "SELECT rolname::text FROM pg_roles
             WHERE rolname LIKE 'docket\\_%' AND NOT rolcanlogin AND pg_has_role($1::text::name, oid, '{right}') ORDER BY 1"
        );
        let found = self.0.client().await.query(&sql, &[&login]).await.unwrap();
        found.iter().map(|row| row.get(0)).collect()
    }

    /// How many memberships there are in the cluster.
    async fn memberships(&self) -> i64 {
        let client = self.0.client().await;
        client.query_one("SELECT count(*) FROM pg_auth_members", &[]).await.unwrap().get(0)
    }

    async fn since_16(&self) -> bool {
        let client = self.0.client().await;
        let sql = "SELECT current_setting('server_version_num')::int >= 160000";
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// The address of the database for another login.
    fn url_of(&self, login: &str) -> String {
        let encoded: String = login.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let place = self.1.url().rsplit_once('@').unwrap().1.to_owned();
        format!("postgres://{encoded}:pw@{place}")
    }
}

/// Applies all steps and lets logins serve.
fn grant(administrator: &Administrator, targets: &str, logins: &[&str]) -> (i32, String, String) {
    let flags: Vec<&str> = logins.iter().flat_map(|login| ["--grant", *login]).collect();
    docket_of(&administrator.1.owner_url(), targets, &[&["migrate", "up"], &flags[..]].concat())
}

#[tokio::test]
async fn owner_lets_logins_serve_and_do_no_more_than_that() {
    let administrator = Administrator::new().await;
    administrator.make(ODD).await;
    administrator.make("plain").await;
    administrator.make("other").await;
    let (code, said, error) = grant(&administrator, "", &["plain,other", ODD]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(said.lines().all(|line| line.starts_with("applied ")), "{said}");
    let all = ["audit", "deadletters", "notification", "recurrence", "reminders", "tasks"];
    let all = all.map(|target| format!("docket_{target}"));
    for login in [ODD, "plain", "other"] {
        assert_eq!(administrator.roles(login).await, all, "{login}");
    }

    let storage = Storage::Postgres(administrator.1.clone());
    let server = Docket::builder(Path::new(DOCKET)).storage(&storage);
    let server = server.env("DOCKET_DATABASE__URL", &administrator.url_of(ODD));
    drop(server.env("DOCKET_DAPR__ENABLED", "false").start().await);
    let client = connect(&administrator.url_of(ODD)).await.unwrap();
    let error = client.batch_execute("SELECT count(*) FROM tasks.tasks").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501", "by itself it may do nothing: {error:?}");
    client.batch_execute("SET ROLE docket_tasks; SELECT count(*) FROM tasks.tasks").await.unwrap();

    let before = administrator.memberships().await;
    assert_eq!(grant(&administrator, "", &[ODD, "plain"]), (0, said, String::new()));
    assert_eq!(administrator.memberships().await, before, "what is there stays as it is");
}

#[tokio::test]
async fn login_gets_the_roles_of_the_configured_targets_alone() {
    let administrator = Administrator::new().await;
    administrator.make("auditor").await;
    let (code, _, error) = grant(&administrator, "audit,recurrence", &["auditor"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(administrator.roles("auditor").await, ["docket_audit", "docket_recurrence"]);
    // It has neither made the roles nor may it give them away.
    let (code, _, error) = docket(&administrator.url_of("auditor"), &["migrate", "up", "--grant", "auditor"]);
    assert_eq!(code, 1, "{error}");
    assert_eq!(administrator.roles("auditor").await, ["docket_audit", "docket_recurrence"]);
}

#[tokio::test]
async fn login_that_is_not_there_is_told_with_what_makes_it() {
    let administrator = Administrator::new().await;
    administrator.make("there").await;
    let long = "l".repeat(70);
    let missing = format!("{ODD}, {long}");
    let (code, said, error) = grant(&administrator, "", &[ODD, "there", &long]);
    assert_eq!((code, said.as_str(), error.lines().count()), (1, "", 1), "{error}");
    assert!(error.contains(&format!("--grant: there is no login {missing}")), "{error}");
    assert_eq!(administrator.roles("there").await.len(), 6, "the others are let serve all the same");
    let (_, sql) = error.split_once("run: ").unwrap();
    // A name is cut off that is longer than names may be: such a login can not be.
    let sql = sql.split("CREATE ROLE l").next().unwrap().replace('…', "pw");
    administrator.0.execute(&sql).await;
    assert_eq!(grant(&administrator, "", &[ODD]).0, 0);
    assert_eq!(administrator.roles(ODD).await.len(), 6);
    let before = administrator.memberships().await;
    assert_eq!(grant(&administrator, "", &[ODD]).0, 0);
    assert_eq!(administrator.memberships().await, before, "what an administrator has done is enough");
}

#[tokio::test]
async fn owner_that_may_not_says_what_an_administrator_must_run() {
    let administrator = Administrator::new().await;
    administrator.make(ODD).await;
    // The roles are another one's, as with the second database of a cluster.
    let owner = administrator.1.owner_url();
    let owner = owner.trim_start_matches("postgres://").split(':').next().unwrap();
    for target in ["tasks", "recurrence", "audit", "deadletters", "reminders", "notification"] {
        let sql = format!("CREATE ROLE docket_{target} NOLOGIN; GRANT docket_{target} TO {owner}");
        administrator.0.execute(&sql).await;
    }
    administrator.0.execute(&format!("ALTER ROLE {owner} NOCREATEROLE")).await;
    let (code, _, error) = grant(&administrator, "tasks,audit", &[ODD]);
    assert_eq!((code, error.lines().count()), (1, 1), "{error}");
    assert!(error.contains("--grant: the login may not give"), "{error}");
    let (_, sql) = error.split_once("run: ").unwrap();
    assert!(!sql.contains("CONNECT"), "the database is the owner's: {sql}");
    administrator.0.execute(sql).await;
    assert_eq!(administrator.roles(ODD).await, ["docket_audit", "docket_tasks"]);
    assert_eq!(grant(&administrator, "tasks,audit", &[ODD]).0, 0, "there is nothing left to give");
    connect(&administrator.url_of(ODD)).await.unwrap();
}

#[tokio::test]
async fn database_that_is_away_is_told_in_one_line_with_its_key_and_the_reason() {
    let mut released = Port::reserve();
    released.release();
    let place = format!("{}/docket", released.address());
    for command in [&["serve"][..], &["migrate"]] {
        let (code, said, error) = docket(&format!("postgres://docket:secret@{place}"), command);
        assert_eq!((code, said.as_str(), error.lines().count()), (1, "", 1), "{error}");
        assert!(error.contains(&format!("database.url: cannot open postgres://{place}: ")), "{error}");
        assert_eq!(error.matches("Connection refused").count(), 1, "once: {error}");
    }
}
