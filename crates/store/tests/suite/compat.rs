//! The release before runs on the newest schema: what it sends is kept in a file, and every statement of it must still be
//! understood, and every column that it does not know must do without it.
//!
//! With `DOCKET_RECORD` set, the suite writes the file of this release; see `compat/README.md`.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use sea_orm::{ConnectionTrait as _, Statement};

use super::{Data, POSTGRES};

/// What a statement of a target starts with.
const VERBS: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];

/// Every column, with whether a row can be without it.
const COLUMNS_SQLITE: &str = "SELECT 'all.' || t.name || '.' || c.name AS name,
    c.\"notnull\" = 0 OR c.dflt_value IS NOT NULL OR (c.pk > 0 AND c.type = 'integer') AS optional
    FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'";
const COLUMNS_POSTGRES: &str = "SELECT table_schema || '.' || table_name || '.' || column_name AS name,
    is_nullable = 'YES' OR column_default IS NOT NULL OR is_identity = 'YES' AS optional
    FROM information_schema.columns WHERE table_schema IN ('tasks', 'recurrence', 'audit', 'deadletters',
    'reminders', 'notification')";

pub(crate) async fn what_the_release_before_sends_works_on_the_newest_schema(data: &Data) {
    let columns = columns(data).await;
    if std::env::var_os("DOCKET_RECORD").is_some() {
        merge(data.kind, columns.iter().map(|(name, _)| format!("-- column\n{name}")));
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("compat");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|file| file.to_string_lossy().ends_with(&format!(".{}.sql", data.kind)));
    let mut releases = 0;
    for file in files {
        let recording = std::fs::read_to_string(&file).unwrap();
        let (mut known, mut statements) = (BTreeSet::new(), 0);
        for block in blocks(&recording) {
            let (owner, text) = block.strip_prefix("-- ").unwrap().split_once('\n').unwrap();
            if owner == "column" {
                known.insert(text.to_owned());
            } else {
                understood(data, owner, text)
                    .await
                    .unwrap_or_else(|error| panic!("{}: {text}: {error}", file.display()));
                statements += 1;
            }
        }
        assert!(statements > 20 && !known.is_empty(), "{} is no recording", file.display());
        let table = |column: &str| column.rsplit_once('.').unwrap().0.to_owned();
        let tables: BTreeSet<String> = known.iter().map(|column| table(column)).collect();
        for (column, optional) in &columns {
            let without = *optional || known.contains(column) || !tables.contains(&table(column));
            assert!(without, "{column}: {} knows nothing of it, so it needs a default", file.display());
        }
        releases += 1;
    }
    assert!(releases > 0, "no recording of a release");
}

/// Has the database read a statement, without running it.
async fn understood(data: &Data, owner: &str, sql: &str) -> Result<(), sea_orm::DbErr> {
    let question = match data.kind {
        POSTGRES => format!("SET search_path TO {owner}; PREPARE statement AS {sql}; DEALLOCATE statement"),
        _ => format!("EXPLAIN {sql}"),
    };
    data.raw.execute_unprepared(&question).await.map(drop)
}

async fn columns(data: &Data) -> BTreeSet<(String, bool)> {
    let query = if data.kind == POSTGRES { COLUMNS_POSTGRES } else { COLUMNS_SQLITE };
    let query = Statement::from_string(data.raw.get_database_backend(), query);
    let rows = data.raw.query_all_raw(query).await.unwrap();
    let column = |row: &sea_orm::QueryResult| {
        (row.try_get::<String>("", "name").unwrap(), row.try_get::<bool>("", "optional").unwrap())
    };
    rows.iter().map(column).collect()
}

/// Adds what was sent to the recording of this release, when somebody wants one.
pub(crate) fn record(data: &Data) {
    if std::env::var_os("DOCKET_RECORD").is_none() {
        return;
    }
    let sent = data.take_sent().into_iter().filter_map(|(schema, sql)| {
        // What is sent without a target's role on PostgreSQL is the migrations'.
        let owner = schema.map_or((data.kind != POSTGRES).then_some("all"), |schema| Some(schema.name()))?;
        let ours = VERBS.iter().any(|verb| sql.trim_start().starts_with(verb));
        let ours =
            ours && !["seaql_migrations", "pg_tables", "sqlite_master"].iter().any(|name| sql.contains(name));
        ours.then(|| format!("-- {owner}\n{}", sql.trim()))
    });
    merge(data.kind, sent);
}

fn merge(kind: &str, new: impl Iterator<Item = String>) {
    let name = format!("compat/{}.{kind}.sql", env!("CARGO_PKG_VERSION"));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path).unwrap();
    file.lock().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let mut all: BTreeSet<String> = blocks(&text).map(str::to_owned).collect();
    all.extend(new);
    file.rewind().unwrap();
    file.set_len(0).unwrap();
    for block in all {
        write!(file, "{block}\n\n").unwrap();
    }
}

fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(str::trim).filter(|block| !block.is_empty())
}
