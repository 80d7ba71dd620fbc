//! What is in an image: folders and files, as a tar archive that is the same whenever they are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::libraries;

/// Who everything belongs to that is not said to be somebody else's.
const ROOT: u32 = 0;

/// The files by which a program knows its user and finds hosts. `nonroot` is who Docket and Dapr run as.
const ACCOUNTS: [(&str, &str); 3] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\nnonroot:x:65532:\n"),
    ("etc/nsswitch.conf", "hosts: files dns\n"),
];

/// Whom programs trust that look for it there: Dapr's do, Docket does not.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Folders and files by their paths without the first slash. A folder comes before what is in it.
#[derive(Debug)]
pub(super) struct Tree(BTreeMap<String, Entry>);

#[derive(Debug)]
struct Entry {
    content: Content,
    mode: u32,
    owner: u32,
}

#[derive(Debug)]
enum Content {
    Folder,
    Text(&'static str),
    /// As it is in this file.
    Of(PathBuf),
}

impl Tree {
    /// What every image has.
    pub(super) fn new() -> Self {
        let mut tree = Self(BTreeMap::new());
        for (path, text) in ACCOUNTS {
            tree.insert(path.to_owned(), Content::Text(text), 0o644, ROOT);
        }
        tree.folder("tmp", 0o1777, ROOT);
        if Path::new(AUTHORITIES).is_file() {
            tree.file(Path::new(AUTHORITIES), AUTHORITIES, 0o644);
        }
        tree
    }

    /// A folder.
    pub(super) fn folder(&mut self, path: &str, mode: u32, owner: u32) {
        self.insert(path.to_owned(), Content::Folder, mode, owner);
    }

    /// A program, with the libraries that it is loaded with but for those below a folder.
    pub(super) fn program(&mut self, source: &Path, path: &str, but: Option<&Path>) -> Result<()> {
        self.file(source, path, 0o755);
        for library in libraries::of(source)? {
            if but.is_none_or(|folder| !library.starts_with(folder)) {
                self.file(&library, &library.to_string_lossy(), 0o755);
            }
        }
        Ok(())
    }

    /// All that is in a folder and for which `wanted` is true, links as what they lead to.
    pub(super) fn copy(&mut self, source: &Path, path: &str, wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
        let entries = fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))?;
        for entry in entries {
            let source = entry?.path();
            if !wanted(&source) {
                continue;
            }
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            let path = format!("{path}/{name}");
            let metadata =
                fs::metadata(&source).with_context(|| format!("cannot read {}", source.display()))?;
            if metadata.is_dir() {
                self.copy(&source, &path, wanted)?;
            } else {
                let mode = if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
                self.file(&source, &path, mode);
            }
        }
        Ok(())
    }

    fn file(&mut self, source: &Path, path: &str, mode: u32) {
        self.insert(path.to_owned(), Content::Of(source.to_owned()), mode, ROOT);
    }

    fn insert(&mut self, path: String, content: Content, mode: u32, owner: u32) {
        let path = path.trim_matches('/').to_owned();
        for (slash, _) in path.match_indices('/') {
            let folder = Entry { content: Content::Folder, mode: 0o755, owner: ROOT };
            self.0.entry(path[..slash].to_owned()).or_insert(folder);
        }
        self.0.insert(path, Entry { content, mode, owner });
    }

    /// Writes the archive. Nothing of this machine is in it but what the files hold: no owner, no time.
    pub(super) fn write(&self, out: impl Write) -> Result<()> {
        let mut archive = tar::Builder::new(out);
        for (path, entry) in &self.0 {
            entry.append(&mut archive, path).with_context(|| format!("cannot write {path}"))?;
        }
        archive.into_inner().context("cannot end the archive")?;
        Ok(())
    }
}

impl Entry {
    fn append(&self, archive: &mut tar::Builder<impl Write>, path: &str) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(self.mode);
        header.set_uid(self.owner.into());
        header.set_gid(self.owner.into());
        header.set_mtime(0);
        match &self.content {
            Content::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                archive.append_data(&mut header, format!("{path}/"), io::empty())
            }
            Content::Text(text) => {
                header.set_size(text.len() as u64);
                archive.append_data(&mut header, path, text.as_bytes())
            }
            Content::Of(source) => {
                let file = File::open(source)?;
                header.set_size(file.metadata()?.len());
                archive.append_data(&mut header, path, file)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn written(tree: &Tree) -> Vec<u8> {
        let mut bytes = Vec::new();
        tree.write(&mut bytes).unwrap();
        bytes
    }

    /// Path, kind, mode, owner, content.
    fn read(bytes: &[u8]) -> Vec<(String, bool, u32, u64, String)> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let header = entry.header();
            assert_eq!((header.mtime().unwrap(), header.gid().unwrap()), (0, header.uid().unwrap()));
            let path = entry.path().unwrap().display().to_string();
            (path, header.entry_type().is_dir(), header.mode().unwrap(), header.uid().unwrap(), text)
        });
        entries.collect()
    }

    /// A folder with a script, a link to it, and something that is not wanted.
    fn source() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/script"), "echo").unwrap();
        fs::set_permissions(folder.path().join("inner/script"), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("inner/script", folder.path().join("link")).unwrap();
        fs::write(folder.path().join("notes.txt"), "not wanted").unwrap();
        folder
    }

    #[test]
    fn folders_come_before_what_is_in_them_and_links_are_followed() {
        let source = source();
        let mut tree = Tree(BTreeMap::new());
        tree.folder("var/lib/docket", 0o700, 65_532);
        tree.copy(source.path(), "/opt/it", &|path| path.extension().is_none()).unwrap();
        let entry = |path: &str, folder, mode, owner, text: &str| {
            (path.to_owned(), folder, mode, owner, text.to_owned())
        };
        let expect = [
            entry("opt/", true, 0o755, 0, ""),
            entry("opt/it/", true, 0o755, 0, ""),
            entry("opt/it/inner/", true, 0o755, 0, ""),
            entry("opt/it/inner/script", false, 0o755, 0, "echo"),
            entry("opt/it/link", false, 0o755, 0, "echo"),
            entry("var/", true, 0o755, 0, ""),
            entry("var/lib/", true, 0o755, 0, ""),
            entry("var/lib/docket/", true, 0o700, 65_532, ""),
        ];
        assert_eq!(read(&written(&tree)), expect);
    }

    #[test]
    fn same_content_is_the_same_archive() {
        let archive = |source: &Path| {
            let mut tree = Tree::new();
            tree.copy(source, "opt", &|_| true).unwrap();
            written(&tree)
        };
        let (one, other) = (source(), source());
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        File::open(other.path().join("inner/script")).unwrap().set_modified(later).unwrap();
        assert_eq!(archive(one.path()), archive(other.path()));
        fs::write(other.path().join("notes.txt"), "other notes").unwrap();
        assert_ne!(archive(one.path()), archive(other.path()));
    }

    #[test]
    fn long_paths_are_whole() {
        let source = source();
        let mut tree = Tree(BTreeMap::new());
        let long = format!("opt/{}/{}", "a".repeat(90), "b".repeat(90));
        tree.file(&source.path().join("notes.txt"), &long, 0o644);
        assert_eq!(read(&written(&tree)).last().unwrap().0, long);
    }

    #[test]
    fn whoever_runs_it_has_a_name_and_a_folder_for_what_passes() {
        let entries = read(&written(&Tree::new()));
        let entry = |path: &str| entries.iter().find(|entry| entry.0 == path).unwrap();
        assert!(entry("etc/passwd").4.contains("\nnonroot:x:65532:65532:"));
        assert_eq!((entry("tmp/").2, entry("tmp/").3), (0o1777, 0));
    }
}
