//! The JSON mapping of events, with snake_case names: what all of them have in common.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{DecodeError, SCHEMA_VERSION};

/// Writes an event that is made from domain values.
pub(crate) fn write(message: &impl Serialize) -> Value {
    let mut json = match serde_json::to_value(message) {
        Ok(json) => json,
        // The mapping fails only for timestamps and enum numbers out of range, which domain values do not give.
        Err(error) => unreachable!("an event made from domain values has no JSON mapping: {error}"),
    };
    end_times_in_z(&mut json);
    json
}

/// What is looked at first, because another version may well have other types.
#[derive(Deserialize)]
struct Version<'a> {
    #[serde(borrow)]
    schema_version: Option<&'a RawValue>,
}

/// Reads an event of the schema's version.
pub(crate) fn read<M: DeserializeOwned>(bytes: &[u8]) -> Result<M, DecodeError> {
    let version = match serde_json::from_slice(bytes) {
        Ok(Version { schema_version }) => schema_version.map_or(0, number),
        // It is JSON, but no object, which says no version.
        Err(error) if error.is_data() => 0,
        Err(error) => return Err(DecodeError::NotJson(error)),
    };
    if version != i64::from(SCHEMA_VERSION) {
        return Err(DecodeError::UnsupportedVersion(version));
    }
    serde_json::from_slice(bytes).map_err(DecodeError::Malformed)
}

/// A whole number, which the JSON mapping allows in quotes; 0 when it is none.
fn number(text: &RawValue) -> i64 {
    text.get().trim_matches('"').parse().unwrap_or_default()
}

/// The mapping says that times end in `Z`, and pbjson writes `+00:00`. Told by the field's name, so that a title which
/// ends that way is left alone.
fn end_times_in_z(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(time) if is_time(name) => {
                        if let Some(local) = time.strip_suffix("+00:00") {
                            *time = format!("{local}Z");
                        }
                    }
                    other => end_times_in_z(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(end_times_in_z),
        _ => {}
    }
}

fn is_time(name: &str) -> bool {
    name.ends_with("_time") || matches!(name, "time" | "recurring_until" | "due_at" | "remind_at")
}
