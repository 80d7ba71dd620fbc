//! Push messages in the shape of Firebase Cloud Messaging, HTTP v1, through `bindings.http`.

use std::collections::HashMap;

use async_trait::async_trait;
use docket_sidecar::BindingCall;
use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::answer::{judge, of_status, of_transport};
use super::{Binding, Channel, Outcome, Parcel, Recipient};
use crate::clean::reason;

/// Firebase Cloud Messaging: one call for each token.
pub(crate) struct Fcm {
    binding: Binding,
    in_flight: usize,
}

impl Fcm {
    pub(crate) fn new(binding: Binding, in_flight: usize) -> Self {
        Self { binding, in_flight }
    }

    async fn to_token(&self, token: &str, parcel: &Parcel<'_>) -> Outcome {
        let body = json!({ "message": {
            "token": token,
            "notification": { "title": parcel.message.title, "body": parcel.message.body },
            "data": strings(&parcel.message.json),
        }});
        let said = self.binding.bindings.call(BindingCall {
            name: &self.binding.name,
            operation: "post",
            data: body.to_string().into_bytes(),
            metadata: HashMap::from([("errorIfNot2XX".to_owned(), "false".to_owned())]),
            deadline: self.binding.deadline,
        });
        match said.await {
            Ok(answer) => match status(&answer.metadata) {
                // The server's own credentials, or the project, are the operator's matter.
                Some(code @ (401 | 403)) => Outcome::Denied(refusal(code, &answer.data)),
                Some(code) => of_status(code, || refusal(code, &answer.data)),
                None => Outcome::Unknown(format!("the binding {} told no status", self.binding.name)),
            },
            Err(error) => {
                judge(&self.binding.name, &error).map_or_else(|outcome| outcome, |said| of_transport(&said))
            }
        }
    }
}

#[async_trait]
impl Channel for Fcm {
    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn has_address(&self, to: &Recipient) -> bool {
        !to.preferences.push_tokens.is_empty()
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        let tokens = &parcel.to.preferences.push_tokens;
        join_all(tokens.iter().map(|token| self.to_token(token, &parcel)))
            .await
            .into_iter()
            .reduce(better)
            .unwrap_or_else(|| Outcome::Refused("the user has said no token".to_owned()))
    }
}

/// What a message came to that went to two tokens: sent when one took it; else what gives more hope.
fn better(one: Outcome, other: Outcome) -> Outcome {
    let hope = |outcome: &Outcome| match outcome {
        Outcome::Sent => 6,
        Outcome::Missing { .. } => 5,
        Outcome::Denied(_) => 4,
        Outcome::NotBegun => 3,
        Outcome::Unknown(_) => 2,
        Outcome::Later(_) => 1,
        Outcome::Refused(_) => 0,
    };
    if hope(&other) > hope(&one) { other } else { one }
}

/// The code that `bindings.http` tells.
pub(crate) fn status(metadata: &HashMap<String, String>) -> Option<u16> {
    metadata.get("statusCode")?.parse().ok()
}

/// What the server says of a refusal: `404 UNREGISTERED`, as far as it can be read.
fn refusal(code: u16, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let details = body["error"]["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said = details.iter().find_map(|detail| detail["errorCode"].as_str());
    let said = said.or_else(|| body["error"]["status"].as_str()).unwrap_or_default();
    reason(&format!("the push service answered {code} {said}"))
}

/// The values of `data` as FCM wants them: strings, one level deep.
fn strings(json: &Value) -> Map<String, Value> {
    let mut strings = Map::new();
    strings.insert("type".to_owned(), json["type"].clone());
    for (name, value) in json["data"].as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            // Lists of tasks: they are for webhooks.
            Value::Null | Value::Array(_) | Value::Object(_) => continue,
        };
        strings.insert(name.clone(), text.into());
    }
    strings
}
