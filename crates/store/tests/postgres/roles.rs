//! Each target has a role that works with its own tables, and the schema has an owner who alone changes it.

use std::error::Error as _;

use docket_store::{Error, Schema, StepState, Stores};
use docket_testkit::{Postgres, postgres};

use crate::suite::{content, put, task};
use crate::{config, migrated};

/// insufficient_privilege
const REFUSED: &str = "42501";

#[tokio::test]
async fn a_role_works_with_its_own_rows_and_nothing_else() {
    let database = migrated(Postgres::shared().await).await;
    let client = postgres::connect(&database.url()).await.unwrap();
    let refused = async |sql: &str| {
        let error = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(error.code().map(|code| code.code()), Some(REFUSED), "{sql}: {error:?}");
    };
    refused("SELECT count(*) FROM tasks.tasks").await;
    for schema in Schema::ALL {
        client.batch_execute(&format!("SET ROLE {}", schema.role())).await.unwrap();
        client.batch_execute(&format!("SET search_path TO {schema}")).await.unwrap();
        client
            .batch_execute("SELECT count(*) FROM outbox; SELECT count(*) FROM seaql_migrations")
            .await
            .unwrap();
        for (other, table) in [
            (Schema::Tasks, "tasks"),
            (Schema::Tasks, "published_events"),
            (Schema::Audit, "audit_entries"),
            (Schema::Recurrence, "inbox"),
            (Schema::DeadLetters, "dead_letters"),
            (Schema::DeadLetters, "dead_letter_actions"),
            (Schema::Reminders, "reminders"),
            (Schema::Reminders, "reminder_tasks"),
            (Schema::Reminders, "reminder_users"),
            (Schema::Reminders, "idempotency_keys"),
            (Schema::Notification, "idempotency_keys"),
        ] {
            if other != schema {
                refused(&format!("SELECT count(*) FROM {other}.{table}")).await;
            }
        }
        refused("CREATE TABLE more (id bigint)").await;
        refused("CREATE TABLE public.more (id bigint)").await;
        refused("ALTER TABLE outbox ADD COLUMN more text").await;
        refused("DROP TABLE outbox").await;
        refused("TRUNCATE outbox").await;
        refused("DELETE FROM seaql_migrations").await;
    }
}

#[tokio::test]
async fn who_is_no_member_of_the_role_is_told_so() {
    let database = migrated(Postgres::shared().await).await;
    let login = format!("only_{}", database.name());
    database
        .execute(&format!("CREATE ROLE {login} LOGIN PASSWORD 'pw'; GRANT docket_tasks TO {login}"))
        .await;
    database.execute(&format!("GRANT CONNECT ON DATABASE {} TO {login}", database.name())).await;
    let place = database.url().rsplit_once('@').unwrap().1.to_owned();
    let config = config(format!("postgresql://{login}:pw@{place}"));
    let stores = Stores::open(&config, &[Schema::Tasks]).await.unwrap();
    stores.check_schema().await.unwrap();
    put(&stores.of(Schema::Tasks), &task(1, "alice", content("mine"))).await.unwrap();
    let error = Stores::open(&config, &[Schema::Tasks, Schema::Audit]).await.unwrap_err();
    assert!(matches!(error, Error::NotMember { .. }), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("docket_audit"), "{error:?}");
    assert!(error.to_string().contains(&place) && !error.to_string().contains("pw"), "{error}");
}

#[tokio::test]
async fn a_schema_that_lacks_a_step_is_refused_and_one_of_a_newer_release_is_not() {
    let database = migrated(Postgres::shared().await).await;
    let owner = Stores::open(&config(database.owner_url()), &[]).await.unwrap();
    let stores = Stores::open(&config(database.url()), &[Schema::Tasks]).await.unwrap();
    database.execute("INSERT INTO tasks.seaql_migrations VALUES ('m20990101_000001_future', 0)").await;
    stores.check_schema().await.unwrap();
    let newest = owner.migrations().await.unwrap();
    let newest = newest.iter().find(|step| step.state == StepState::Newer).unwrap();
    assert_eq!((newest.schema, newest.name.as_str()), (Some(Schema::Tasks), "m20990101_000001_future"));
    owner.migrate_up(None).await.unwrap();
    let error = owner.migrate_down(1).await.unwrap_err();
    assert!(error.to_string().contains("m20990101_000001_future of a newer release"), "{error}");

    database.execute("DELETE FROM tasks.seaql_migrations WHERE version LIKE 'm2099%'").await;
    // Only the target that needs the step is refused.
    database
        .execute("DELETE FROM tasks.seaql_migrations WHERE version LIKE '%tasks_by_due_descending'")
        .await;
    let error = stores.check_schema().await.unwrap_err().to_string();
    assert!(error.contains("tasks/m") && error.contains("`docket migrate up`"), "{error}");
    let audit = Stores::open(&config(database.url()), &[Schema::Audit]).await.unwrap();
    audit.check_schema().await.unwrap();
}

#[tokio::test]
async fn two_who_migrate_at_once_take_turns() {
    let database = Postgres::shared().await.database().await;
    let open = async || Stores::open(&config(database.owner_url()), &[]).await.unwrap();
    let (one, two) = (open().await, open().await);
    let (first, second) = tokio::join!(one.migrate_up(None), two.migrate_up(None));
    first.unwrap();
    second.unwrap();
    let steps = one.migrations().await.unwrap();
    assert!(steps.iter().all(|step| step.state == StepState::Applied), "{steps:?}");
}

#[tokio::test]
async fn a_login_that_may_not_create_roles_says_what_an_administrator_must_run() {
    // Roles are of the whole cluster, so in a shared one they are there already.
    let cluster = Postgres::start().await;
    let database = cluster.database().await;
    let error = Stores::open(&config(database.url()), &[Schema::Tasks]).await.unwrap_err();
    assert!(error.to_string().contains("`docket migrate up`"), "{error}");
    let owner_url = database.owner_url();
    let login = owner_url.trim_start_matches("postgres://").split(':').next().unwrap();
    cluster.execute(&format!("ALTER ROLE {login} NOCREATEROLE")).await;
    let owner = Stores::open(&config(owner_url.clone()), &[]).await.unwrap();
    let error = owner.migrate_up(None).await.unwrap_err().to_string();
    let (_, sql) = error.split_once("run: ").unwrap_or_else(|| panic!("{error}"));
    cluster.execute(sql).await;
    owner.migrate_up(None).await.unwrap();
    let stores = Stores::open(&config(owner_url), &Schema::ALL).await.unwrap();
    stores.check_schema().await.unwrap();
}
