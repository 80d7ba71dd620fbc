//! Signed requests, by the Standard Webhooks specification, through `bindings.http`.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docket_domain::WebhookOrigin;
use docket_sidecar::BindingCall;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::answer::{judge, of_status, of_transport};
use super::push::status;
use super::{Binding, Channel, Outcome, Parcel, Recipient};
use crate::clean::reason;

/// Requests to the origins that are configured, each through a binding of its own: one binding knows one URL.
pub(crate) struct Http {
    origins: BTreeMap<WebhookOrigin, Binding>,
    in_flight: usize,
}

impl Http {
    pub(crate) fn new(origins: BTreeMap<WebhookOrigin, Binding>, in_flight: usize) -> Self {
        Self { origins, in_flight }
    }
}

#[async_trait]
impl Channel for Http {
    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn has_address(&self, to: &Recipient) -> bool {
        to.preferences.webhook.is_some() && to.webhook_secret.is_some()
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        let (Some(url), Some(secret)) = (&parcel.to.preferences.webhook, &parcel.to.webhook_secret) else {
            return Outcome::Refused("the user has said no URL".to_owned());
        };
        let Some(binding) = self.origins.get(&url.origin()) else {
            return Outcome::Refused(format!("requests to {} are not allowed any more", url.origin()));
        };
        if url.path_and_query().starts_with("//") {
            return Outcome::Refused("a path that begins with // may lead to another host".to_owned());
        }
        let (id, time) = (parcel.id.to_string(), parcel.now.timestamp().to_string());
        let body = parcel.message.json.to_string();
        let metadata = HashMap::from([
            ("path".to_owned(), url.path_and_query().to_owned()),
            ("errorIfNot2XX".to_owned(), "false".to_owned()),
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("User-Agent".to_owned(), "Docket".to_owned()),
            ("Webhook-Signature".to_owned(), signature(secret, &id, &time, &body)),
            ("Webhook-Id".to_owned(), id),
            ("Webhook-Timestamp".to_owned(), time),
        ]);
        let said = binding.bindings.call(BindingCall {
            name: &binding.name,
            operation: "post",
            data: body.into_bytes(),
            metadata,
            deadline: binding.deadline,
        });
        match said.await {
            Ok(answer) => match status(&answer.metadata) {
                Some(code) => of_status(code, || reason(&format!("the webhook answered {code}"))),
                None => Outcome::Unknown(format!("the binding {} told no status", binding.name)),
            },
            Err(error) => {
                judge(&binding.name, &error).map_or_else(|outcome| outcome, |said| of_transport(&said))
            }
        }
    }
}

/// The header `Webhook-Signature`.
fn signature(secret: &[u8; 32], id: &str, time: &str, body: &str) -> String {
    // A key of any length is taken.
    let mac = Hmac::<Sha256>::new_from_slice(secret).map(|mac| {
        let signed = mac.chain_update(id).chain_update(".").chain_update(time).chain_update(".");
        signed.chain_update(body).finalize().into_bytes()
    });
    mac.map(|mac| format!("v1,{}", STANDARD.encode(mac))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by the specification's reference implementation in another language:
    /// `hmac.new(bytes(range(32)), b"msg_1.1700000000.{}", "sha256")`.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
        let signature = signature(&secret, "msg_1", "1700000000", "{}");
        assert_eq!(signature, "v1,fhksJF5ElKjlPoT/jtefCO5XjQPvhf7Dhf/8R1ad9yU=");
    }
}
