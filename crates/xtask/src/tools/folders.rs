//! Where systems put what is not on the search path: folders of which one part has the version in it.

use std::fs;
use std::path::PathBuf;

/// The folders that a pattern with one star names, the highest number first.
pub(super) fn matching(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return Vec::new() };
    let Some((parent, prefix)) = before.rsplit_once('/') else { return Vec::new() };
    let entries = fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_by_key(|name| std::cmp::Reverse(number(name)));
    names.iter().map(|name| PathBuf::from(format!("{parent}/{name}{after}"))).collect()
}

/// The first number in a text: the major version.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_folder_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["postgresql@9", "postgresql@17", "postgresql", "postgresql@16", "postgis"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = matching(&format!("{}/postgresql*/bin", folder.path().display()));
        let names = found.iter().map(|found| found.parent().unwrap().file_name().unwrap().to_str().unwrap());
        let expect = ["postgresql@17", "postgresql@16", "postgresql@9", "postgresql"];
        assert_eq!(names.collect::<Vec<_>>(), expect);
    }
}
