//! PostgreSQL under the hands of a test: its databases and rights, its faults, its end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use docket_testkit::postgres::connect;
use docket_testkit::{PATIENCE, Postgres, Shutdown, wait_for};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// Nobody answers within it, and whoever can does.
const MOMENT: Duration = Duration::from_millis(300);

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn databases_are_apart_and_their_logins_have_the_rights_of_their_purpose() {
    let postgres = Postgres::shared().await;
    let (one, other) = tokio::join!(postgres.database(), postgres.database());
    let owner = connect(&one.owner_url()).await.unwrap();
    // As migrations do: a role for a schema, in a cluster where it may be there already.
    let migration = "CREATE ROLE docket_kit NOLOGIN; CREATE SCHEMA kit; CREATE TABLE kit.rows (id bigint);
        GRANT USAGE ON SCHEMA kit TO docket_kit; GRANT SELECT, INSERT ON kit.rows TO docket_kit;";
    owner.batch_execute(migration).await.unwrap();
    one.grant_runtime().await;

    let runtime = connect(&one.url()).await.unwrap();
    let refused = runtime.batch_execute("INSERT INTO kit.rows VALUES (1)").await.unwrap_err();
    assert_eq!(
        refused.code(),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE),
        "no right without the role: {refused}"
    );
    runtime.batch_execute("SET ROLE docket_kit; INSERT INTO kit.rows VALUES (1), (2)").await.unwrap();
    assert_eq!(number(&runtime, "SELECT count(*) FROM kit.rows").await, 2);
    let refused = runtime.batch_execute("DELETE FROM kit.rows").await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{refused}");

    let elsewhere = one.url().replace(one.name(), other.name());
    assert!(connect(&elsewhere).await.unwrap_err().contains("permission denied"));
    let forged = one.url().replace("runtime_", "owner_");
    assert!(connect(&forged).await.unwrap_err().contains("password authentication failed"));

    assert_eq!(postgres.terminate_connections(&one).await, 2, "the owner's and the other");
    wait_for("the end of the connections", PATIENCE, async || {
        (owner.is_closed() && runtime.is_closed()).then_some(()).ok_or("open".to_owned())
    })
    .await;
}

#[tokio::test]
async fn what_is_committed_survives_every_stop_and_a_pause() {
    let mut postgres = Postgres::builder().setting("work_mem", "5MB").start().await;
    let database = postgres.database().await;
    database.execute("CREATE TABLE kept (id bigint)").await;
    for (kept, how) in [(0, Shutdown::Fast), (1, Shutdown::Immediate)] {
        let client = database.superuser_client().await;
        assert_eq!(number(&client, "SELECT count(*) FROM kept").await, kept);
        client.batch_execute("INSERT INTO kept VALUES (1)").await.unwrap();
        // What is open when it stops is rolled back.
        client.batch_execute("BEGIN; INSERT INTO kept VALUES (2)").await.unwrap();
        postgres.stop(how).await;
        assert!(connect(&database.owner_url()).await.is_err(), "nobody listens");
        postgres.start_again().await;
    }
    assert!(postgres.log_text().contains("automatic recovery in progress"), "it was stopped as by a crash");
    let client = database.superuser_client().await;
    assert_eq!(client.query_one("SHOW work_mem", &[]).await.unwrap().get::<_, String>(0), "5MB");

    postgres.pause();
    let count = number(&client, "SELECT count(*) FROM kept");
    let mut count = std::pin::pin!(count);
    assert!(timeout(MOMENT, &mut count).await.is_err(), "paused");
    let url = database.owner_url();
    assert!(timeout(MOMENT, connect(&url)).await.is_err(), "paused for new connections too");
    postgres.resume();
    assert_eq!(timeout(PATIENCE, count).await.unwrap(), 2);
    // Dropped while it is paused, it ends all the same.
    postgres.pause();
}
