//! The JSON mapping of events, with snake_case names: what all of them have in common.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

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

/// Reads an event of the schema's version; also as it was received, with the fields that this version does not know.
pub(crate) fn read<M: DeserializeOwned>(bytes: &[u8]) -> Result<(Value, M), DecodeError> {
    let json: Value = serde_json::from_slice(bytes).map_err(DecodeError::NotJson)?;
    // Looked at first: another version may well have other types.
    let version = schema_version(&json);
    if version != i64::from(SCHEMA_VERSION) {
        return Err(DecodeError::UnsupportedVersion(version));
    }
    let message = serde_json::from_value(json.clone()).map_err(DecodeError::Malformed)?;
    Ok((json, message))
}

/// The version that an event says it follows; 0 when it says none. The JSON mapping allows numbers in quotes.
fn schema_version(json: &Value) -> i64 {
    let version = json.get("schema_version");
    let number = version.and_then(|version| version.as_i64().or_else(|| version.as_str()?.parse().ok()));
    number.unwrap_or_default()
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
