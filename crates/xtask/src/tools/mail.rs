//! The mail server: GreenMail, brought by Maven and run by Java.

use std::path::Path;

use super::jars;
use super::version::Version;

/// The oldest whose HTTP API shows mails.
const OLDEST: Version = Version::release(2, 1, 0);

/// The beginning of the name of its jar; the version follows.
const JARS: [&str; 1] = ["greenmail-standalone-"];

/// Whether a folder has its jar, and a new enough one.
pub(super) fn accepts(folder: &Path) -> Result<(), String> {
    jars::accepts(folder, &JARS, OLDEST)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn jar_is_taken_when_it_is_there_and_new_enough() {
        let judged = |jar: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(jar), "").unwrap();
            accepts(folder.path())
        };
        assert_eq!(judged("greenmail-standalone-2.1.8.jar"), Ok(()));
        let why = judged("greenmail-standalone-2.0.1.jar").unwrap_err();
        assert_eq!(why, "is version 2.0.1; 2.1.0 or newer is needed");
        let why = judged("greenmail-2.1.8.jar").unwrap_err();
        assert_eq!(why, "does not have the jar greenmail-standalone-<version>.jar");
    }
}
