//! Released steps of the schema stay as they are: each is held to a file. With `DOCKET_FREEZE` set, the file of a step that
//! has none is written; a step that a database needs nothing of has an empty one.

use std::path::PathBuf;

use docket_store::StepState;

use super::Data;

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
