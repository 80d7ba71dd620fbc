//! Lets logins of PostgreSQL serve: gives them the roles of targets, and the right to connect.

use sea_orm_migration::DbErr;
use sea_orm_migration::sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};

use crate::roles::{self, ATTEMPTS, code};
use crate::{Error, Schema};

/// What a login still lacks to serve.
struct Lack {
    /// The login, as it is written in a statement.
    login: String,
    /// Whether there is such a login at all.
    exists: bool,
    /// What gives it what it lacks. Each is a statement of its own, because one may be refused and another not.
    statements: Vec<String>,
}

/// Lets each of the logins serve these schemas: with the right to connect, and with the role of each schema, which it may take
/// and whose rights it does not have before. What a login has already is left as it is.
pub(crate) async fn allow(
    db: &DatabaseConnection,
    schemas: &[Schema],
    logins: &[String],
) -> Result<(), Error> {
    let (mut unknown, mut refused) = (Vec::new(), Vec::new());
    for login in logins {
        let lack = lack(db, schemas, login).await?;
        if !lack.exists {
            unknown.push(login.clone());
            refused.push(format!("CREATE ROLE {} LOGIN NOINHERIT PASSWORD '…'", lack.login));
            refused.extend(lack.statements);
            continue;
        }
        for statement in lack.statements {
            if !give(db, schemas, login, &statement).await? {
                refused.push(statement);
            }
        }
    }
    let sql = || refused.iter().map(|statement| format!("{statement};")).collect::<Vec<_>>().join(" ");
    match (unknown.is_empty(), refused.is_empty()) {
        (false, _) => Err(Error::UnknownLogins { logins: unknown.join(", "), sql: sql() }),
        (true, false) => Err(Error::MayNotGrant { sql: sql() }),
        (true, true) => Ok(()),
    }
}

/// What a login lacks at the moment.
async fn lack(db: &DatabaseConnection, schemas: &[Schema], login: &str) -> Result<Lack, DbErr> {
    let quoted = roles::text(db, of_login("SELECT quote_ident($1) AS answer", login)).await?;
    // As a text, because a name is cut off silently that is longer than names may be.
    let known = of_login("SELECT 1 FROM pg_roles WHERE rolname::text = $1", login);
    let exists = db.query_one_raw(known).await?.is_some();
    let mut statements = Vec::new();
    let connects = "SELECT 1 WHERE has_database_privilege($1::name, current_database(), 'CONNECT')";
    if !exists || db.query_one_raw(of_login(connects, login)).await?.is_none() {
        let name = "SELECT quote_ident(current_database()) AS answer".to_owned();
        let name = roles::text(db, Statement::from_string(DbBackend::Postgres, name)).await?;
        statements.push(format!("GRANT CONNECT ON DATABASE {name} TO {quoted}"));
    }
    // Since PostgreSQL 16 a membership says itself whether the role's rights are there from the start; before, the login does
    // (NOINHERIT).
    let since_16 = roles::is_there(db, "SELECT 1 WHERE current_setting('server_version_num')::int >= 160000");
    let (right, options) = match since_16.await? {
        true => ("SET", " WITH INHERIT FALSE, SET TRUE"),
        false => ("MEMBER", ""),
    };
    for role in schemas.iter().map(|schema| schema.role()) {
        let member = format!("SELECT 1 WHERE pg_has_role($1::name, '{role}', '{right}')");
        if !exists || db.query_one_raw(of_login(&member, login)).await?.is_none() {
            statements.push(format!("GRANT {role} TO {quoted}{options}"));
        }
    }
    Ok(Lack { login: quoted, exists, statements })
}

/// Runs a statement that gives a login something; false when that is not this login's to give.
async fn give(
    db: &DatabaseConnection,
    schemas: &[Schema],
    login: &str,
    statement: &str,
) -> Result<bool, DbErr> {
    let mut attempt = 1;
    loop {
        let Err(error) = db.execute_unprepared(statement).await else { break };
        match code(&error).as_deref() {
            // insufficient_privilege
            Some("42501") => return Ok(false),
            // internal_error, which is how PostgreSQL says that another one changes the same row of its catalogue.
            Some("XX000" | "23505") if attempt < ATTEMPTS => attempt += 1,
            _ => return Err(error),
        }
    }
    // Who may not give the right to connect is warned, and not refused.
    Ok(!lack(db, schemas, login).await?.statements.iter().any(|lacking| lacking == statement))
}

fn of_login(sql: &str, login: &str) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, [login.into()])
}
