//! Where the database is: what an address names, and how it may be shown.

use std::path::{Path, PathBuf};

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{DbErr, RuntimeErr};
use serde::Serializer;

use crate::Error;

/// What an address may say besides the place, none of it secret.
const PARAMETERS: [&str; 6] = ["mode", "cache", "immutable", "vfs", "sslmode", "application_name"];

/// The schemes of PostgreSQL's addresses.
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

/// What an address names.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Address {
    /// An SQLite database that ends with its connection.
    Memory,
    /// The file of an SQLite database.
    File(PathBuf),
    /// A PostgreSQL database, by the one spelling of the scheme that every reader knows.
    Postgres(String),
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |source| Error::Open {
            url: without_credentials(url),
            source: DbErr::Conn(RuntimeErr::SqlxError(std::sync::Arc::new(source))),
        };
        if url == "sqlite::memory:" {
            return Ok(Self::Memory);
        }
        if url.starts_with("sqlite:") {
            // Read by the one who will open it, so that both mean the same file.
            let options: SqliteConnectOptions = url.parse().map_err(wrong)?;
            return Ok(Self::File(options.get_filename().to_owned()));
        }
        let Some(rest) = POSTGRES.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
            return Err(Error::UnknownDatabase { url: without_credentials(url) });
        };
        let url = format!("postgres://{rest}");
        url.parse::<PgConnectOptions>().map_err(wrong)?;
        Ok(Self::Postgres(url))
    }
}

/// The address of the database in a file.
pub fn url_of(file: &Path) -> String {
    let text = file.display().to_string();
    format!("sqlite:{}", text.replace('%', "%25").replace('?', "%3F").replace('#', "%23"))
}

/// An address as it may be shown. Of one that cannot be told from its password, only the scheme.
pub(crate) fn without_credentials(url: &str) -> String {
    match url.split_once(':') {
        Some(("sqlite", rest)) => match rest.split_once('?') {
            Some((path, query)) => format!("sqlite:{path}?{}", without_values(query)),
            None => url.to_owned(),
        },
        Some((scheme, rest)) => postgres_place(url, rest).unwrap_or_else(|| format!("{scheme}:…")),
        None if url.contains(['@', '?']) => "…".to_owned(),
        None => url.to_owned(),
    }
}

/// Host, database and parameters. None when there may be a password among them, because it has a `/` or an `@`.
fn postgres_place(url: &str, rest: &str) -> Option<String> {
    if !POSTGRES.iter().any(|scheme| url.starts_with(scheme)) || url.parse::<PgConnectOptions>().is_err() {
        return None;
    }
    let rest = rest.strip_prefix("//")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.split_once('@').map_or(authority, |(_, host)| host);
    if host.contains('@') || path.contains(['@', '#']) {
        return None;
    }
    Some(match path.split_once('?') {
        Some((path, query)) => format!("postgres://{host}{path}?{}", without_values(query)),
        None => format!("postgres://{host}{path}"),
    })
}

fn without_values(query: &str) -> String {
    let shown = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if PARAMETERS.contains(&name) => parameter.to_owned(),
        Some((name, _)) => format!("{name}=…"),
        None => "…".to_owned(),
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}

pub(crate) fn serialize_without_credentials<S: Serializer>(
    url: &str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&without_credentials(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        let check = |url: &str, expect: &str| assert_eq!(without_credentials(url), expect);
        check("sqlite:/home/a@b/docket.db", "sqlite:/home/a@b/docket.db");
        check("sqlite:q.db?mode=rwc&cache=private", "sqlite:q.db?mode=rwc&cache=private");
        check("sqlite:q.db?key=s3cret&mode=rw&s3cret", "sqlite:q.db?key=…&mode=rw&…");
        check("postgres://u:s3cret@h:5433/db", "postgres://h:5433/db");
        check("postgresql://u:s3cret@h/db?sslmode=require", "postgres://h/db?sslmode=require");
        check("postgres://h/db?password=s3cret", "postgres://h/db?password=…");
        check("postgres://h", "postgres://h");
        // A password that should have been escaped.
        for wrong in
            ["u:s3@cret@h/db", "u:1/s3cret@h/db", "u:1?s3cret@h/db", "u:1#s3cret@h/db", "h:s3cret/db"]
        {
            check(&format!("postgres://{wrong}"), "postgres:…");
        }
        check("postgres:u:s3cret@h", "postgres:…");
        check("mysql://u:s3cret@h/db", "mysql:…");
        check("s3cret@h", "…");
        check("docket.db", "docket.db");
    }

    #[test]
    fn an_address_names_its_database() {
        let check = |url: &str, expect: Address| assert_eq!(Address::parse(url).unwrap(), expect);
        let file = |path: &str| Address::File(PathBuf::from(path));
        check("sqlite::memory:", Address::Memory);
        check("sqlite:docket.db", file("docket.db"));
        check("sqlite:///p/q.db", file("/p/q.db"));
        check("sqlite:/p/q.db?mode=rwc", file("/p/q.db"));
        for odd in ["/p/100% sure?/#1.db", "./docket.db"] {
            check(&url_of(Path::new(odd)), file(odd));
        }
        check("postgres://u@h/db", Address::Postgres("postgres://u@h/db".to_owned()));
        check("postgresql://u@h/db", Address::Postgres("postgres://u@h/db".to_owned()));
        for url in ["docket.db", "", "mysql://h/db", "postgres:h/db"] {
            assert!(matches!(Address::parse(url), Err(Error::UnknownDatabase { .. })), "{url}");
        }
        assert!(matches!(Address::parse("postgres://h:x/db"), Err(Error::Open { .. })));
    }
}
