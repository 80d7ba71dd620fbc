//! An image as the archive that `docker load`, `ctr images import` and `kind load image-archive` take.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Seek as _, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::tree::Tree;

/// An image.
#[derive(Debug)]
pub(super) struct Image {
    /// With registry and tag, as manifests have it.
    pub(super) name: String,
    pub(super) tree: Tree,
    pub(super) config: Config,
}

/// How a container of it starts.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) user: u32,
    pub(super) entrypoint: Vec<String>,
    /// The folder in which it starts; `/` when empty.
    pub(super) folder: String,
    pub(super) ports: Vec<u16>,
    pub(super) labels: BTreeMap<String, String>,
}

/// Where programs are found by their names.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Image {
    /// Writes the archive; the file appears when it is whole. Answers the id of the image, which the same content has always.
    pub(super) fn write(&self, file: &Path) -> Result<String> {
        let folder = file.parent().context("an archive is in a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut layer = Hashing::new(tempfile::tempfile_in(folder).context("no place for the layer")?);
        self.tree.write(&mut layer)?;
        let (mut layer, digest) = layer.end();
        let size = layer.stream_position()?;
        layer.rewind()?;

        let config = self.config.json(&digest)?.to_string();
        let id = hex(&Sha256::digest(&config));
        let layer_name = format!("{digest}.tar");
        let manifest = json!([{
            "Config": format!("{id}.json"),
            "RepoTags": [self.name],
            "Layers": [layer_name],
        }])
        .to_string();

        let mut out = NamedTempFile::new_in(folder).context("no place for the archive")?;
        let mut archive = tar::Builder::new(&mut out);
        append(&mut archive, "manifest.json", manifest.len() as u64, manifest.as_bytes())?;
        append(&mut archive, &format!("{id}.json"), config.len() as u64, config.as_bytes())?;
        append(&mut archive, &layer_name, size, layer)?;
        archive.into_inner().context("cannot end the archive")?;
        readable(&out)?;
        out.persist(file).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(format!("sha256:{id}"))
    }
}

impl Config {
    /// As engines read it, for an image of this one layer.
    fn json(&self, layer: &str) -> Result<Value> {
        let ports: serde_json::Map<String, Value> =
            self.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
        Ok(json!({
            "architecture": architecture()?,
            "os": "linux",
            // One that would be true would make another image each time.
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "User": format!("{0}:{0}", self.user),
                "Env": [PATH],
                "Entrypoint": self.entrypoint,
                "WorkingDir": if self.folder.is_empty() { "/" } else { &self.folder },
                "ExposedPorts": ports,
                "Labels": self.labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        }))
    }
}

/// As engines call this machine's.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("engines run no images for {other} that this makes"),
    }
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, size: u64, content: impl Read) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(0);
    archive.append_data(&mut header, path, content).with_context(|| format!("cannot write {path}"))
}

/// A temporary file is for its owner alone, and an archive is no secret.
fn readable(file: &NamedTempFile) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))
        .context("cannot let others read the archive")
}

/// Knows the digest of what went through it.
struct Hashing<W> {
    out: W,
    hash: Sha256,
}

impl<W> Hashing<W> {
    fn new(out: W) -> Self {
        Self { out, hash: Sha256::new() }
    }

    fn end(self) -> (W, String) {
        (self.out, hex(&self.hash.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let config = Config {
            user: 65_532,
            entrypoint: vec!["/usr/local/bin/docket".to_owned()],
            folder: "/var/lib/docket".to_owned(),
            ports: vec![7600],
            labels: BTreeMap::from([("org.opencontainers.image.title".to_owned(), "Docket".to_owned())]),
        };
        let mut tree = Tree::new();
        tree.folder("var/lib/docket", 0o700, 65_532);
        Image { name: "docker.io/library/docket:1.2.3".to_owned(), tree, config }
    }

    fn entries(file: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(fs::File::open(file).unwrap());
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        });
        entries.collect()
    }

    #[test]
    fn everything_in_the_archive_is_named_by_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made/docket.tar");
        let id = image().write(&file).unwrap();

        let entries = entries(&file);
        assert_eq!(entries.len(), 3);
        let manifest: Value = serde_json::from_slice(&entries["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"], json!(["docker.io/library/docket:1.2.3"]));
        let config = &entries[manifest[0]["Config"].as_str().unwrap()];
        assert_eq!(id, format!("sha256:{}", hex(&Sha256::digest(config))));
        assert_eq!(manifest[0]["Config"], format!("{}.json", hex(&Sha256::digest(config))));
        let layer = &entries[manifest[0]["Layers"][0].as_str().unwrap()];
        let config: Value = serde_json::from_slice(config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", hex(&Sha256::digest(layer)))]));
        let mut whole = Vec::new();
        image().tree.write(&mut whole).unwrap();
        assert_eq!(layer, &whole);
    }

    #[test]
    fn container_starts_as_it_was_said() {
        let config = image().config.json("0").unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"], json!(["/usr/local/bin/docket"]));
        assert_eq!(config["config"]["WorkingDir"], "/var/lib/docket");
        assert_eq!(config["config"]["ExposedPorts"], json!({"7600/tcp": {}}));
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.title"], "Docket");
        assert_eq!(Config::default().json("0").unwrap()["config"]["WorkingDir"], "/");
    }

    #[test]
    fn same_image_is_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one.tar"), folder.path().join("other.tar"));
        assert_eq!(image().write(&one).unwrap(), image().write(&other).unwrap());
        assert_eq!(fs::read(one).unwrap(), fs::read(&other).unwrap());
        let mut changed = image();
        changed.tree.folder("srv", 0o755, 0);
        assert_ne!(changed.write(&other).unwrap(), image().write(&other).unwrap());
    }

    #[test]
    fn nothing_but_the_archive_is_left() {
        let folder = tempfile::tempdir().unwrap();
        image().write(&folder.path().join("docket.tar")).unwrap();
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["docket.tar"]);
    }
}
