//! What can be chosen: `KEY=VALUE`, on the command line or, where that says nothing, in the environment.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// All that is chosen; what is not has its default where it is used, or is what is there already.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Settings {
    /// `CLUSTER`: which cluster.
    pub(super) cluster: Option<Cluster>,
    /// `BROKER`: whose Kafka.
    pub(super) broker: Option<Broker>,
    /// `DATABASE`: whose PostgreSQL.
    pub(super) database: Option<Database>,
    /// `DAPR_CHART`: a folder with Dapr's chart, in place of the pinned one of its repository.
    pub(super) dapr_chart: Option<PathBuf>,
    /// `IMAGE`: Docket's image, in place of the one that is built (kind) or that the chart names (existing).
    pub(super) image: Option<Image>,
    /// `VALUES`: a file with values for Docket's chart, after those for kind.
    pub(super) values: Option<PathBuf>,
}

/// A value of a fixed few.
pub(super) trait Choice: Copy + 'static {
    /// All of them, the default first, with the word for each.
    const ALL: &'static [(&'static str, Self)];

    /// The one that the word means.
    fn read(key: &str, word: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(name, _)| *name == word);
        let names = || Self::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or ");
        found.map(|(_, choice)| *choice).with_context(|| format!("{key} is {}, not {word}", names()))
    }
}

/// Which cluster.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Cluster {
    /// One of its own, in Docker, made by kind.
    #[default]
    Kind,
    /// The one of kubectl's current context.
    Existing,
}

/// Whose Kafka.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Broker {
    /// Strimzi's, with TLS and ACLs.
    #[default]
    Strimzi,
    /// One pod, without an operator.
    Plain,
}

/// Whose PostgreSQL.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Database {
    /// CloudNativePG's.
    #[default]
    Cnpg,
    /// One pod, without an operator.
    Plain,
}

impl Choice for Cluster {
    const ALL: &'static [(&'static str, Self)] = &[("kind", Self::Kind), ("existing", Self::Existing)];
}

impl Choice for Broker {
    const ALL: &'static [(&'static str, Self)] = &[("strimzi", Self::Strimzi), ("plain", Self::Plain)];
}

impl Choice for Database {
    const ALL: &'static [(&'static str, Self)] = &[("cnpg", Self::Cnpg), ("plain", Self::Plain)];
}

/// The word of a choice.
pub(super) fn word<C: Choice + PartialEq>(choice: C) -> &'static str {
    C::ALL.iter().find(|(_, other)| *other == choice).map_or("", |(name, _)| name)
}

/// A name of an image, and its tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Image {
    pub(super) repository: String,
    pub(super) tag: String,
}

impl Image {
    /// Reads `name:tag`. The port of a registry is no tag.
    pub(super) fn read(text: &str) -> Result<Self> {
        let (repository, tag) =
            text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((text, ""));
        ensure!(!repository.is_empty() && !tag.is_empty(), "IMAGE is a name and a tag, name:tag, not {text}");
        ensure!(tag != "latest", "IMAGE has a tag that stays what it is, not latest");
        Ok(Self { repository: repository.to_owned(), tag: tag.to_owned() })
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

impl Settings {
    /// The keys.
    const KEYS: [&'static str; 6] = ["CLUSTER", "BROKER", "DATABASE", "DAPR_CHART", "IMAGE", "VALUES"];

    /// Reads words of the command line; what they do not say, the environment does.
    pub(super) fn read(words: &[String]) -> Result<Self> {
        Self::of(words, |key| std::env::var(key).ok())
    }

    fn of(words: &[String], environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut settings = Self::default();
        for key in Self::KEYS {
            if let Some(value) = environment(key) {
                settings.set(key, &value).with_context(|| format!("the variable {key}"))?;
            }
        }
        for word in words {
            let (key, value) = word
                .split_once('=')
                .with_context(|| format!("{word} is no setting; there are {}", Self::KEYS.join(", ")))?;
            settings.set(key, value)?;
        }
        Ok(settings)
    }

    /// An empty value is none.
    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let given = !value.is_empty();
        match key {
            "CLUSTER" => self.cluster = given.then(|| Choice::read(key, value)).transpose()?,
            "BROKER" => self.broker = given.then(|| Choice::read(key, value)).transpose()?,
            "DATABASE" => self.database = given.then(|| Choice::read(key, value)).transpose()?,
            "DAPR_CHART" => self.dapr_chart = given.then(|| chart(value)).transpose()?,
            "IMAGE" => self.image = given.then(|| Image::read(value)).transpose()?,
            "VALUES" => self.values = given.then(|| file(value)).transpose()?,
            _ => bail!("there is no setting {key}; there are {}", Self::KEYS.join(", ")),
        }
        Ok(())
    }
}

/// A folder with a chart in it.
fn chart(path: &str) -> Result<PathBuf> {
    let folder = std::path::absolute(path).context("DAPR_CHART is no path")?;
    ensure!(
        folder.join("Chart.yaml").is_file(),
        "DAPR_CHART: there is no Chart.yaml in {}",
        folder.display()
    );
    Ok(folder)
}

fn file(path: &str) -> Result<PathBuf> {
    let file = std::path::absolute(Path::new(path)).context("VALUES is no path")?;
    ensure!(file.is_file(), "VALUES: there is no file {}", file.display());
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], environment: &[(&str, &str)]) -> Result<Settings> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Settings::of(&words, |key| {
            environment.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn command_line_comes_before_the_environment() {
        let settings =
            read(&["CLUSTER=existing", "BROKER=plain"], &[("CLUSTER", "kind"), ("DATABASE", "plain")])
                .unwrap();
        let expect = Settings {
            cluster: Some(Cluster::Existing),
            broker: Some(Broker::Plain),
            database: Some(Database::Plain),
            ..Settings::default()
        };
        assert_eq!(settings, expect);
        assert_eq!(
            read(&["CLUSTER="], &[("CLUSTER", "existing"), ("IMAGE", "")]).unwrap(),
            Settings::default()
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |word: &str, expect: &str| {
            let error = format!("{:#}", read(&[word], &[]).unwrap_err());
            assert!(error.contains(expect), "{word}: {error}");
        };
        check("CLUSTER=minikube", "CLUSTER is kind or existing, not minikube");
        check("DATABASE=strimzi", "DATABASE is cnpg or plain, not strimzi");
        check("CLUSTERS=kind", "there is no setting CLUSTERS; there are CLUSTER, BROKER");
        check("existing", "existing is no setting");
        check("IMAGE=docket", "name:tag, not docket");
        check("IMAGE=localhost:5000/docket", "name:tag");
        check("IMAGE=docket:latest", "not latest");
        check("DAPR_CHART=/nonexistent", "no Chart.yaml in /nonexistent");
        check("VALUES=/nonexistent", "no file /nonexistent");
        let error = format!("{:#}", read(&[], &[("BROKER", "kafka")]).unwrap_err());
        assert_eq!(error, "the variable BROKER: BROKER is strimzi or plain, not kafka");
    }

    #[test]
    fn image_has_a_name_and_a_tag() {
        let image = read(&["IMAGE=localhost:5000/docket:0.4.0"], &[]).unwrap().image.unwrap();
        assert_eq!((image.repository.as_str(), image.tag.as_str()), ("localhost:5000/docket", "0.4.0"));
        assert_eq!(image.to_string(), "localhost:5000/docket:0.4.0");
    }

    #[test]
    fn words_are_those_that_are_read() {
        assert_eq!(
            (word(Cluster::Existing), word(Broker::default()), word(Database::Plain)),
            ("existing", "strimzi", "plain")
        );
    }
}
