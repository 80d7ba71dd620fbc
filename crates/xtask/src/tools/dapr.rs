//! What a sidecar must have in it.

use std::path::Path;
use std::process::{Command, Stdio};

/// The components that Docket uses and that a sidecar may have been built without: Dapr's official images and `dapr init`
/// have all of them, one that was built with Dapr's stable components alone lacks them. Each with the name of a method
/// that is in the file when the component is: a Go program keeps these names, stripped or not.
const COMPONENTS: [(&str, &str); 2] = [
    ("bindings.smtp", "components-contrib/bindings/smtp.(*Mailer).Invoke"),
    ("bindings.twilio.sendgrid", "components-contrib/bindings/twilio/sendgrid.(*SendGrid).Invoke"),
];

/// Whether this daprd, which is new enough, has the components, too. It cannot be asked: it lists those that it has loaded.
pub(super) fn has_components(daprd: &Path) -> Result<(), String> {
    for (component, method) in COMPONENTS {
        if !contains(daprd, method).map_err(|error| format!("cannot be searched: {error}"))? {
            return Err(format!("was built without {component}"));
        }
    }
    Ok(())
}

/// What makes a file one that has them.
#[cfg(test)]
pub(super) fn methods() -> impl Iterator<Item = &'static str> {
    COMPONENTS.into_iter().map(|(_, method)| method)
}

/// Whether a file has this text in it.
fn contains(file: &Path, text: &str) -> std::io::Result<bool> {
    // Reads two hundred megabytes in no time, which a build of this program without optimization does not.
    let mut grep = Command::new("grep");
    grep.args(["-q", "-a", "-F", "-e", text]).arg(file).env("LC_ALL", "C");
    let status = grep.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(std::io::Error::other(format!("grep: {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about a file with these words in it.
    fn judged(words: &[&str]) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [b"\x7fELF\0".as_slice(), words.join("\0").as_bytes()].concat()).unwrap();
        has_components(file.path())
    }

    #[test]
    fn sidecar_without_a_component_is_told_from_one_with_all() {
        let [(_, smtp), (_, sendgrid)] = COMPONENTS;
        assert_eq!(judged(&[smtp, sendgrid]), Ok(()));
        assert_eq!(judged(&[smtp]), Err("was built without bindings.twilio.sendgrid".to_owned()));
        assert_eq!(judged(&[sendgrid]), Err("was built without bindings.smtp".to_owned()));
        assert!(has_components(Path::new("/nonexistent")).unwrap_err().contains("cannot be searched"));
    }
}
