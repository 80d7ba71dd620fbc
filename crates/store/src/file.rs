//! The file of an SQLite database: where an address says that it is, and who works with it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::{DbErr, RuntimeErr};
use serde::Serializer;

use crate::{Config, Error};

/// What an address may say besides the file, none of it secret.
const PARAMETERS: [&str; 4] = ["mode", "cache", "immutable", "vfs"];

/// The claim of one process on a database's file. It ends with the value, and with the process however that ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "an open file is what holds the lock")] File);

impl Lock {
    /// Claims the file, which is created if it does not exist; [`Error::Locked`] while another process has it. A database
    /// in memory needs no claim.
    ///
    /// For those who change data or schema: a file is one process's alone, because what one keeps in memory the other
    /// does not see.
    pub fn take(config: &Config) -> Result<Option<Self>, Error> {
        let Some(path) = path(&config.url)? else { return Ok(None) };
        create(&path)?;
        // However the file is reached, it has one lock. It is a file of its own, because closing any handle of the
        // database's file would take away SQLite's locks on it.
        let path = path.canonicalize().map_err(|source| failed(&path, source))?;
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let file = open(Path::new(&lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.display().to_string() }),
            Err(TryLockError::Error(source)) => Err(failed(Path::new(&lock), source)),
        }
    }
}

/// The address of the database in a file.
pub fn url_of(file: &Path) -> String {
    let text = file.display().to_string();
    format!("sqlite:{}", text.replace('%', "%25").replace('?', "%3F").replace('#', "%23"))
}

/// The file that an address names; none for a database in memory.
pub(crate) fn path(url: &str) -> Result<Option<PathBuf>, Error> {
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return Err(Error::UnknownDatabase { url: without_credentials(url) });
    };
    if rest == ":memory:" {
        return Ok(None);
    }
    // Read by the one who will open it, so that both mean the same file.
    let options: SqliteConnectOptions = url.parse().map_err(|source| Error::Open {
        url: without_credentials(url),
        source: DbErr::Conn(RuntimeErr::SqlxError(std::sync::Arc::new(source))),
    })?;
    Ok(Some(options.get_filename().to_owned()))
}

/// Makes sure that there is a file, readable by its owner only.
pub(crate) fn create(path: &Path) -> Result<(), Error> {
    open(path).map(drop)
}

fn open(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    opened.map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

/// An address as it may be shown. Of one that is not SQLite's, which may have a password anywhere, only the scheme.
pub(crate) fn without_credentials(url: &str) -> String {
    match url.split_once(':') {
        Some(("sqlite", rest)) => match rest.split_once('?') {
            Some((path, query)) => format!("sqlite:{path}?{}", without_values(query)),
            None => url.to_owned(),
        },
        Some((scheme, _)) => format!("{scheme}:…"),
        None if url.contains(['@', '?']) => "…".to_owned(),
        None => url.to_owned(),
    }
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
        check("postgres://u:s3cret@h/db", "postgres:…");
        check("postgres:u:s3cret@h", "postgres:…");
        check("postgres://h/db?password=s3cret", "postgres:…");
        check("s3cret@h", "…");
        check("docket.db", "docket.db");
    }

    #[test]
    fn an_address_names_its_file() {
        let check = |url: &str, expect: &str| assert_eq!(path(url).unwrap(), Some(PathBuf::from(expect)));
        check("sqlite:docket.db", "docket.db");
        check("sqlite:///p/q.db", "/p/q.db");
        check("sqlite:/p/q.db?mode=rwc", "/p/q.db");
        for odd in ["/p/100% sure?/#1.db", "./docket.db"] {
            check(&url_of(Path::new(odd)), odd);
        }
        assert_eq!(path("sqlite::memory:").unwrap(), None);
        for url in ["docket.db", "", "postgres://h/db"] {
            assert!(matches!(path(url), Err(Error::UnknownDatabase { .. })), "{url}");
        }
    }
}
