//! What the fuzz targets share: first inputs, and what a refusal must look like.
#![doc = include_str!("../README.md")]

use std::path::Path;
use std::{env, fs};

use docket_wire::{InvalidFields, Violations};

/// Puts the first inputs into the corpus folder, when the program was started on an empty one.
///
/// A target calls this before libFuzzer reads its corpus: the first argument that is no option is the folder.
pub fn plant(seeds: impl IntoIterator<Item = Vec<u8>>) {
    let folder = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let Some(folder) = folder.as_deref().map(Path::new) else { return };
    if !fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none()) {
        return;
    }
    for (i, seed) in seeds.into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{i:03}")), seed).expect("a corpus folder can be written to");
    }
}

/// The most bytes of a violation's description: messages do not repeat long input.
const MAX_DESCRIPTION_BYTES: usize = 500;

/// Checks that a refusal says something: fields in the form of paths, each with a rule, and not too many.
///
/// # Panics
/// When it does not.
pub fn assert_tells(InvalidFields(found): &InvalidFields) {
    assert!((1..=Violations::MAX).contains(&found.len()), "{} violations", found.len());
    for violation in found {
        assert!(is_path(&violation.field), "{violation:?}");
        let bytes = violation.description.len();
        assert!((1..=MAX_DESCRIPTION_BYTES).contains(&bytes), "{violation:?}");
        assert!(!violation.description.chars().any(char::is_control), "{violation:?}");
    }
}

/// Whether a text is a path like `task.reminders[2].offset`.
fn is_path(text: &str) -> bool {
    text.split('.').all(|part| {
        let (name, index) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let digits = |rest: &str| rest.strip_suffix(']').is_some_and(|digits| digits.parse::<u32>().is_ok());
        named && index.is_none_or(digits)
    })
}
