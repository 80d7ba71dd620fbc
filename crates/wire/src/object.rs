//! JSON objects as they were received, which are carried on and seldom looked into.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The text of a JSON object.
#[derive(Clone, Debug)]
pub struct ObjectText(Box<RawValue>);

impl ObjectText {
    /// The object that these bytes are; an error when they are none.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The text, when it is that of an object.
    pub(crate) fn of(text: &RawValue) -> Option<Self> {
        text.get().starts_with('{').then(|| Self(text.to_owned()))
    }

    /// The fields.
    pub fn fields(&self) -> Result<Map<String, Value>, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl<'de> Deserialize<'de> for ObjectText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?;
        Self::of(text).ok_or_else(|| serde::de::Error::custom("not a JSON object"))
    }
}

impl fmt::Display for ObjectText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

/// As the objects are, however they are written.
impl PartialEq for ObjectText {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
            || matches!((self.fields(), other.fields()), (Ok(fields), Ok(others)) if fields == others)
    }
}
