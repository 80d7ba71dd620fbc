//! The file of an SQLite database: that it is there, and who works with it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::address::Address;
use crate::{Config, Error};

/// The claim of one process on a database's file. It ends with the value, and with the process however that ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "an open file is what holds the lock")] File);

impl Lock {
    /// Claims the file, which is created if it does not exist; [`Error::Locked`] while another process has it. A database
    /// in memory needs no claim, nor does PostgreSQL, which is made for many.
    ///
    /// For those who change data or schema: a file is one process's alone, because what one keeps in memory the other
    /// does not see.
    pub fn take(config: &Config) -> Result<Option<Self>, Error> {
        let Address::File(path) = Address::parse(&config.url)? else { return Ok(None) };
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
