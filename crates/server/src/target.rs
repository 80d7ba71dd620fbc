//! The roles that this binary can play.

use std::fmt;

use clap::ValueEnum;
use docket_store::Schema;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A role: a crate, a Dapr app-id (`docket-<target>`), a deployment and a log field, all with one name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Target {
    /// Keeps every event, and answers for it.
    Audit,
    /// Keeps what could not be handled, and brings it back.
    DeadLetters,
    /// Tells people, on the ways that they prefer.
    Notification,
    /// Gives a completed task its next occurrence.
    Recurrence,
    /// Knows when somebody is to be reminded.
    Reminders,
    /// The task API.
    Tasks,
}

impl Target {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::DeadLetters => "deadletters",
            Self::Notification => "notification",
            Self::Recurrence => "recurrence",
            Self::Reminders => "reminders",
            Self::Tasks => "tasks",
        }
    }

    /// Its part of the database.
    pub const fn schema(self) -> Schema {
        match self {
            Self::Audit => Schema::Audit,
            Self::DeadLetters => Schema::DeadLetters,
            Self::Notification => Schema::Notification,
            Self::Recurrence => Schema::Recurrence,
            Self::Reminders => Schema::Reminders,
            Self::Tasks => Schema::Tasks,
        }
    }
}

/// Reads roles from a list, or from one text with commas, which is what a variable of the environment can hold.
pub(crate) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Target>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<Target>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of targets, or their names with commas between them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            named(text).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
            let mut targets = Vec::new();
            while let Some(name) = names.next_element::<String>()? {
                targets.extend(named(&name).map_err(A::Error::custom)?);
            }
            Ok(targets)
        }
    }

    deserializer.deserialize_any(List)
}

fn named(text: &str) -> Result<Vec<Target>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| Target::from_str(name, false).map_err(|_| format!("unknown target `{name}`"))).collect()
}
