//! The pages by which Jaeger shows traces.

use std::path::Path;

/// Whether a folder has the pages: a Jaeger that has no such file there does not start.
pub(super) fn accepts(folder: &Path) -> Result<(), String> {
    let page = folder.join("index.html");
    let text = std::fs::read_to_string(&page).unwrap_or_default();
    // What Jaeger looks for to tell the pages of itself.
    if text.contains("JAEGER_VERSION") { Ok(()) } else { Err("does not have Jaeger's index.html".to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folder_with_the_pages_is_told_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Err("does not have Jaeger's index.html".to_owned());
        assert_eq!(accepts(folder.path()), missing);
        let page = folder.path().join("index.html");
        fs::write(&page, "<title>Welcome</title>").unwrap();
        assert_eq!(accepts(folder.path()), missing);
        fs::write(&page, "const JAEGER_VERSION = DEFAULT_VERSION;").unwrap();
        assert_eq!(accepts(folder.path()), Ok(()));
    }
}
