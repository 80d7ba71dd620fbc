//! What `deploy/platform` puts into a cluster besides Docket, held against the same schemas and rules.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::manifest::{self, Manifest};
use super::{rules, schema};
use crate::workspace;

/// A field of each of Strimzi's resources, and what it is in. Their schemas are made of what a generator writes, so it is tried
/// that they refuse one that is misspelt.
const FIELDS: [(&str, &str, &str); 4] = [
    ("Kafka", "/spec/kafka/listeners/0", "tls"),
    ("KafkaNodePool", "/spec/storage/volumes/0", "size"),
    ("KafkaTopic", "/spec", "partitions"),
    ("KafkaUser", "/spec/authorization/acls/0", "operations"),
];

/// Checks all manifests of the platform.
pub(super) fn check(kubeconform: &Path, annotations: &[String], schemas: &Path) -> Result<()> {
    let manifests = manifests()?;
    let mut faults = rules::faults(&manifests, annotations);
    if let Err(error) = schema::conform(kubeconform, &text(&manifests), schemas) {
        faults.push(format!("{error:#}"));
    }
    let misspelt = misspelt(&manifests).unwrap_or_else(|error| {
        faults.push(format!("{error:#}"));
        Vec::new()
    });
    for (manifest, name) in misspelt {
        let title = manifest.title();
        match schema::conform(kubeconform, &text(&[manifest]), schemas) {
            Ok(()) => faults.push(format!("{title}: the schema takes {name}, which is no field")),
            // Whatever else is wrong has been said.
            Err(error) if format!("{error:#}").contains(&name) => {}
            Err(error) => faults.push(format!("{title}, with {name}: {error:#}")),
        }
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n      ")) }
}

fn manifests() -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for file in files(&workspace::root().join("deploy/platform"))? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        manifests.extend(manifest::read(&text).with_context(|| format!("{}", file.display()))?);
    }
    Ok(manifests)
}

/// JSON is YAML.
fn text(manifests: &[Manifest]) -> String {
    manifests.iter().map(|one| one.0.to_string()).collect::<Vec<_>>().join("\n---\n")
}

/// One manifest of each kind of [`FIELDS`] in which the field is there once more, misspelt, and what it is called.
fn misspelt(manifests: &[Manifest]) -> Result<Vec<(Manifest, String)>> {
    let one = |(kind, place, field): (&str, &str, &str)| {
        let known = manifests.iter().find(|manifest| manifest.kind() == kind);
        let mut manifest = known.with_context(|| format!("deploy/platform has no {kind}"))?.clone();
        let object = manifest.0.pointer_mut(place).and_then(|value| value.as_object_mut());
        let object = object.with_context(|| format!("{kind} has no {place}"))?;
        let value = object.get(field).with_context(|| format!("{kind} has no {field} in {place}"))?.clone();
        let name = format!("{field}x");
        object.insert(name.clone(), value);
        Ok((manifest, name))
    };
    FIELDS.into_iter().map(one).collect()
}

/// The files of manifests: all but values for charts of others.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else if name.ends_with(".yaml") && !name.ends_with(".values.yaml") {
            files.push(path);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "there is no manifest in {}", folder.display());
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Each kind of Strimzi's is tried, and nothing but the one field makes it wrong.
    #[test]
    fn every_resource_of_strimzi_is_misspelt_once() {
        let manifests = manifests().unwrap();
        let misspelt = misspelt(&manifests).unwrap();
        let of_strimzi = manifests.iter().filter(|one| {
            one.0["apiVersion"].as_str().is_some_and(|version| version.starts_with("kafka.strimzi.io/"))
        });
        let kinds: BTreeSet<&str> = of_strimzi.map(Manifest::kind).collect();
        assert_eq!(misspelt.iter().map(|(manifest, _)| manifest.kind()).collect::<BTreeSet<_>>(), kinds);
        for ((manifest, name), (_, place, _)) in misspelt.iter().zip(FIELDS) {
            let mut mended = manifest.clone();
            mended.0.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(name).unwrap();
            assert!(manifests.iter().any(|one| one.0 == mended.0), "{}", manifest.title());
        }
    }
}
