//! The rules of what is deployed: images that stay what they are, and nothing that is secret.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace;

/// What is deployed from.
const FOLDERS: [&str; 2] = ["deploy", "components"];

/// What tries charts, with all that is refused.
const TRAPS: &str = "tests";

/// How the names of files end whose lines may give a key a value.
const SETTINGS: [&str; 7] = ["yaml", "yml", "json", "toml", "example", "sh", "properties"];

/// How the names of keys end whose values are nobody's business. Names of secrets (`existingSecret`) are none of them.
const KEYS: [&str; 7] = ["password", "passwd", "passphrase", "apikey", "api_key", "accesskey", "authtoken"];

/// How a value begins that is none: something else says it, or nobody has yet.
const REFERENCES: [&str; 13] = ["$", "{", "[", "<", "…", "...", "*", "&", "|", ">", "null", "true", "false"];

const QUOTES: [char; 2] = ['"', '\''];

/// From how many letters and digits on a text looks like a key.
const RANDOM: usize = 32;

/// What breaks the rules, one line each.
pub(super) fn violations() -> Result<Vec<String>> {
    let root = workspace::root();
    let mut wrong = Vec::new();
    for folder in FOLDERS {
        for file in texts(&root.join(folder))? {
            let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {name}"))?;
            let settings = SETTINGS.iter().any(|end| name.ends_with(&format!(".{end}")));
            wrong.extend(of_text(&text, settings).into_iter().map(|what| format!("{name}:{what}")));
        }
    }
    Ok(wrong)
}

/// All files of a folder but pictures, traps, and what is somebody's own (`.env`).
fn texts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != TRAPS {
                files.extend(texts(&path)?);
            }
        } else if !name.ends_with(".png") && !name.starts_with(".env") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The rules of one file; where it has settings, those of its lines, too.
pub(super) fn of_text(text: &str, settings: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut tell = |what: &str| wrong.push(format!("{}: {what}", number + 1));
        if latest(line) {
            tell("`latest` is another image tomorrow");
        }
        if line.contains("PRIVATE KEY-----") {
            tell("a private key");
        }
        if credentials(line) {
            tell("an address with a password");
        }
        if let Some((key, value)) = pair(line).filter(|_| settings) {
            if key == "image" && !reference(value) && !pinned(value) {
                tell("an image without a version");
            }
            if KEYS.iter().any(|end| key.to_ascii_lowercase().ends_with(end)) && !reference(value) {
                tell("a password, or what looks like one");
            }
            if random(value) {
                tell("what looks like a secret");
            }
        }
    }
    wrong
}

/// Whether a line names an image that is another one tomorrow.
fn latest(line: &str) -> bool {
    line.match_indices(":latest")
        .any(|(at, _)| line[..at].ends_with(|letter: char| letter.is_ascii_alphanumeric()))
}

/// Key and value of a line `key: value` or `key=value`, without quotes and comments.
fn pair(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start().trim_start_matches("- ").trim_start();
    if line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once([':', '='])?;
    let value = value.split_once(" #").map_or(value, |(value, _)| value).trim().trim_end_matches(',');
    let key = key.trim().trim_matches(QUOTES);
    (!key.contains(char::is_whitespace)).then(|| (key, value.trim_matches(QUOTES)))
}

/// Whether a value is said elsewhere, or not at all.
fn reference(value: &str) -> bool {
    value.is_empty() || REFERENCES.iter().any(|begin| value.starts_with(begin))
}

/// Whether an image has a version: a tag, or a digest.
fn pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.contains('@') || name.split_once(':').is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

/// Whether a line has an address with a password in it.
fn credentials(line: &str) -> bool {
    line.match_indices("://").any(|(at, scheme)| {
        let rest = &line[at + scheme.len()..];
        let end =
            rest.find(|letter: char| letter.is_whitespace() || matches!(letter, '/' | '"' | '\'' | '`'));
        let Some((login, _)) = rest[..end.unwrap_or(rest.len())].rsplit_once('@') else { return false };
        login.split_once(':').is_some_and(|(_, password)| !reference(password))
    })
}

/// Whether a value looks drawn: one long word of letters and digits, and no digest, which anybody may know.
fn random(value: &str) -> bool {
    let of_word =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=' | '_' | '-');
    let letters = value.chars().filter(char::is_ascii_alphabetic).count();
    let digits = value.chars().filter(char::is_ascii_digit).count();
    value.len() >= RANDOM && value.chars().all(of_word) && letters >= 4 && digits >= 6
}
