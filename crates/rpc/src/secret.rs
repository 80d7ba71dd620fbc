//! Secrets: read from a file that nobody else may read, made there on first use, never shown.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore as _;
use serde::Deserialize;

/// The fewest bytes of a secret: HS256 wants a key of at least the hash's size (RFC 7518 section 3.2).
pub const MIN_BYTES: usize = 32;

/// The most bytes of a secret file, so that a wrong path is answered with an error and not with all memory.
const MAX_BYTES: u64 = 4096;

/// A text that must not be shown: `Debug` says `[redacted]`, and it can not be serialized.
#[derive(Clone, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Secret(String);

impl Secret {
    /// Takes at least 32 bytes of text.
    pub fn new(text: impl Into<String>) -> Result<Self, TooShort> {
        let text = text.into();
        if text.len() < MIN_BYTES { Err(TooShort) } else { Ok(Self(text)) }
    }

    /// The text itself, for those who sign or send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = TooShort;

    fn try_from(text: String) -> Result<Self, TooShort> {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The text is too short to be a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a secret needs at least {MIN_BYTES} bytes")]
pub struct TooShort;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can not be read.
    #[error("can not read the secret file {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file can not be made.
    #[error("can not create the secret file {}", .path.display())]
    Create {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner may read the file.
    #[error("the secret file {} has mode {mode:04o}: others may read it; run `chmod 600` on it", .path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no usable secret.
    #[error("the secret file {} is unusable", .path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: TooShort,
    },
}

/// Reads the secret of a file, and makes the file (32 random bytes as base64url, mode 0600) when there is none.
///
/// Processes that race to make it all end up with the same secret.
pub fn load_or_create(path: &Path) -> Result<Secret, Error> {
    match load(path) {
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path).map_err(|source| Error::Create { path: path.to_owned(), source })?;
            load(path)
        }
        loaded => loaded,
    }
}

/// Reads the secret of a file that must exist.
pub fn load(path: &Path) -> Result<Secret, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file, so that it is the file read that was checked.
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    Secret::new(text.trim()).map_err(|source| Error::Content { path: path.to_owned(), source })
}

/// Writes a file of another name and links it into place, so that nobody ever reads half a secret.
fn create(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut bytes = [0; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    // Made with mode 0600 and O_EXCL.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(URL_SAFE_NO_PAD.encode(bytes).as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // Somebody else was first; theirs is the secret.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;
    use crate::auth;

    #[test]
    fn a_race_to_create_ends_with_one_secret_that_only_its_owner_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state").join("auth.secret");
        let barrier = Barrier::new(8);
        let secrets: Vec<Secret> = thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        load_or_create(&path).unwrap()
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        assert_eq!(URL_SAFE_NO_PAD.decode(secrets[0].expose()).unwrap().len(), 32);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "nothing but the secret is left behind");
    }

    #[test]
    fn unusable_files_are_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, content: &str, mode: u32, expect: &str| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load_or_create(&path).expect_err("refused").to_string();
            assert!(error.contains(name) && error.contains(expect), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content, "left as it was");
        };
        let long = "s".repeat(43);
        check("group", &long, 0o640, "has mode 0640: others may read it");
        check("others", &long, 0o604, "has mode 0604: others may read it");
        check("short", "abc\n", 0o600, "is unusable");
        check("empty", "", 0o600, "is unusable");
    }

    #[test]
    fn a_secret_is_not_printed_with_the_configuration() {
        let secret = Secret::new("correct-horse-battery-staple-and-more").unwrap();
        let config = auth::Config { secret: Some(secret), ..Default::default() };
        let (written, shown) = (serde_json::to_string(&config).unwrap(), format!("{config:?}"));
        assert!(!written.contains("\"secret\""), "not written at all: {written}");
        assert!(shown.contains("[redacted]") && !shown.contains("horse"), "{shown}");
        // What stands for a secret is none.
        assert!(serde_json::from_str::<Secret>("\"[redacted]\"").is_err());
    }
}
