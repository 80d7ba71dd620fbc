//! The roles and schemas of a PostgreSQL database, and what each role may do.
//!
//! The tables belong to the login that migrates, and the roles may only work with their rows: who serves cannot change
//! the schema, nor see another target's tables.

use sea_orm_migration::DbErr;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, RuntimeErr, Statement, TransactionTrait as _,
};

use crate::{Error, Schema};

/// Roles are of the whole server, so another database's migration may be at the same one in this moment.
pub(crate) const ATTEMPTS: u32 = 5;

/// Makes the roles and the schemas that are missing.
pub(crate) async fn create(db: &DatabaseConnection) -> Result<(), Error> {
    let mut missing = Vec::new();
    for schema in Schema::ALL {
        let role = schema.role();
        if create_role(db, role).await? {
            join_role(db, role).await?;
        } else {
            let login = "SELECT quote_ident(current_user) AS answer".to_owned();
            let login = text(db, Statement::from_string(DbBackend::Postgres, login)).await?;
            missing.push(format!("CREATE ROLE {role} NOLOGIN; GRANT {role} TO {login};"));
        }
    }
    if !missing.is_empty() {
        return Err(Error::MissingRoles { sql: missing.join(" ") });
    }
    for schema in Schema::ALL {
        // Asked first, because IF NOT EXISTS wants the right to create also when there is nothing to create.
        if !is_there(db, &format!("SELECT 1 FROM pg_namespace WHERE nspname = '{schema}'")).await? {
            db.execute_unprepared(&format!("CREATE SCHEMA {schema}")).await?;
        }
    }
    Ok(())
}

/// Makes the role if it is missing; false when the login may not.
async fn create_role(db: &DatabaseConnection, role: &str) -> Result<bool, DbErr> {
    if is_there(db, &format!("SELECT 1 FROM pg_roles WHERE rolname = '{role}'")).await? {
        return Ok(true);
    }
    match db.execute_unprepared(&format!("CREATE ROLE {role} NOLOGIN")).await {
        Ok(_) => Ok(true),
        Err(error) => match code(&error).as_deref() {
            // duplicate_object, unique_violation: another migration was faster.
            Some("42710" | "23505") => Ok(true),
            // insufficient_privilege
            Some("42501") => Ok(false),
            _ => Err(error),
        },
    }
}

/// Makes the login a member of the role, so that it can serve as it too. A login that may not stays outside: then another
/// one serves.
async fn join_role(db: &DatabaseConnection, role: &str) -> Result<(), DbErr> {
    // PostgreSQL 16 tells members who may become the role from members who may not.
    let right = "CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END";
    let member = format!("SELECT 1 WHERE pg_has_role(current_user, '{role}', {right})");
    let mut attempt = 1;
    while !is_there(db, &member).await? {
        match db.execute_unprepared(&format!("GRANT {role} TO CURRENT_USER")).await {
            Ok(_) => break,
            Err(error) => match code(&error).as_deref() {
                Some("42501") => break,
                // internal_error, which is how PostgreSQL says that another one changes the same row of its catalogue.
                Some("XX000" | "23505") if attempt < ATTEMPTS => attempt += 1,
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// Gives each role what it needs, and no more: rows of its own schema's tables, and to read which steps are applied.
pub(crate) async fn grant(db: &DatabaseConnection) -> Result<(), DbErr> {
    let tx = db.begin().await?;
    for schema in Schema::ALL {
        let role = schema.role();
        let rights = format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"
        );
        tx.execute_unprepared(&rights).await?;
        if is_there(&tx, &format!("SELECT 1 WHERE to_regclass('{schema}.seaql_migrations') IS NOT NULL"))
            .await?
        {
            let steps = format!("REVOKE INSERT, UPDATE, DELETE ON {schema}.seaql_migrations FROM {role}");
            tx.execute_unprepared(&steps).await?;
        }
    }
    tx.commit().await
}

/// Whether a query finds anything.
pub(crate) async fn is_there(db: &impl ConnectionTrait, query: &str) -> Result<bool, DbErr> {
    Ok(db.query_one_raw(Statement::from_string(DbBackend::Postgres, query)).await?.is_some())
}

/// The one text that a query gives, as its column `answer`.
pub(crate) async fn text(db: &impl ConnectionTrait, query: Statement) -> Result<String, DbErr> {
    let row = db.query_one_raw(query).await?;
    row.map_or(Ok(String::new()), |row| row.try_get("", "answer"))
}

/// PostgreSQL's SQLSTATE.
pub(crate) fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    Some(error.as_database_error()?.code()?.into_owned())
}
