//! Released steps of the schema stay as they are: each is held to a file. With `DOCKET_FREEZE` set, the file of a step that
//! has none is written; a step that a database needs nothing of has an empty one.

use std::path::PathBuf;

use docket_store::{Error, Schema, StepState};
use sea_orm::{ConnectionTrait as _, Statement};

use super::reminders::{first, learn, snapshot};
use super::{Data, POSTGRES, content, id, put, task, user};

/// The targets that the release before did not have, by the name of the first step of one of their own.
const NEWEST: ([Schema; 2], &str) = ([Schema::Reminders, Schema::Notification], "m20261124_000001_reminders");

pub(crate) async fn a_released_step_is_never_edited(data: &Data) {
    data.stores.migrate_down(u32::MAX).await.unwrap();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../migration/frozen");
    loop {
        let steps = data.stores.migrations().await.unwrap();
        let mut names: Vec<&str> = steps
            .iter()
            .filter(|step| step.state == StepState::Pending)
            .map(|step| step.name.as_str())
            .collect();
        names.sort_unstable();
        let Some(name) = names.first() else { break };
        data.take_sent();
        data.stores.migrate_up(Some(1)).await.unwrap();
        let ddl = ddl(data);
        let file = folder.join(format!("{name}.{}.sql", data.kind));
        if !file.exists() && std::env::var_os("DOCKET_FREEZE").is_some() {
            std::fs::write(&file, &ddl).unwrap();
        }
        let frozen =
            std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(ddl, frozen, "{name}: released steps are never edited; write a new one");
    }
}

/// As the release before has left it: with the steps that it knows, and without the schemas that it does not.
pub(crate) async fn a_database_without_the_newest_targets_is_given_them(data: &Data) {
    let (newest, first_step) = NEWEST;
    let steps = data.stores.migrations().await.unwrap();
    let newer = steps.iter().map(|step| step.name.as_str()).filter(|name| *name >= first_step);
    let newer: std::collections::BTreeSet<&str> = newer.collect();
    data.stores.migrate_down(u32::try_from(newer.len()).unwrap()).await.unwrap();
    if data.kind == POSTGRES {
        for schema in newest {
            data.raw.execute_unprepared(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
        }
    }
    let tasks = data.tasks();
    put(&tasks, &task(1, "alice", content("of before"))).await.unwrap();
    assert!(matches!(data.stores.check_schema().await, Err(Error::Pending { .. })));

    data.stores.migrate_up(None).await.unwrap();
    data.stores.check_schema().await.unwrap();
    let steps = data.stores.migrations().await.unwrap();
    assert!(steps.iter().all(|step| step.state == StepState::Applied), "{steps:?}");
    assert!(tasks.task_get(&user("alice"), id(1)).await.unwrap().is_some());
    let store = data.stores.of(Schema::Reminders);
    learn(&store, &[snapshot(1, "alice", 1, 60)]).await.unwrap();
    assert_eq!(first(&store, 1).await.generation, 1);
    for schema in newest {
        let store = data.stores.of(schema);
        assert_eq!(store.outbox_depth().await.unwrap(), 0, "{schema} has an outbox of its own");
        assert!(store.inbox_receipts(&[]).await.unwrap().is_empty());
        if data.kind == POSTGRES {
            let shards = format!("SELECT count(*) AS shards FROM {schema}.relay_shards");
            let shards = Statement::from_string(data.raw.get_database_backend(), shards);
            let row = data.raw.query_one_raw(shards).await.unwrap().unwrap();
            assert_eq!(row.try_get::<i64>("", "shards").unwrap(), 64);
        }
    }
}

/// What the step sent, each statement once: a step that several schemas have is sent to each.
fn ddl(data: &Data) -> String {
    let mut statements: Vec<String> = Vec::new();
    for (_, sql) in data.take_sent() {
        let of_the_step = ["CREATE", "ALTER", "DROP", "UPDATE", "INSERT", "DELETE"]
            .iter()
            .any(|verb| sql.starts_with(verb));
        if of_the_step && !sql.contains("seaql_migrations") && !statements.contains(&sql) {
            statements.push(sql);
        }
    }
    statements.iter().map(|sql| format!("{sql};\n")).collect()
}
