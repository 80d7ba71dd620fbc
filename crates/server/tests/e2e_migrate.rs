//! The schema on PostgreSQL, by way of the binary: who serves finds it finished, or does not start.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

use docket_testkit::Postgres;

/// What a run said, and how it ended.
fn docket(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::Builder::new().prefix("docket-test-migrate-").tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_docket"));
    command.current_dir(folder.path()).env_clear().args(arguments);
    command.env("DOCKET_DATABASE__URL", url).env("DOCKET_DAPR__ENABLED", "false");
    command.env("DOCKET_LISTEN__PUBLIC", "127.0.0.1:0").env("DOCKET_LISTEN__ADMIN", "");
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
