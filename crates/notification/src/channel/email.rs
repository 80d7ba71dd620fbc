//! Mail through `bindings.twilio.sendgrid`.

use std::collections::HashMap;

use async_trait::async_trait;
use docket_sidecar::BindingCall;

use super::answer::{judge, of_sendgrid};
use super::{Binding, Channel, Outcome, Parcel, Recipient};

/// Mail through SendGrid. Unlike that of SMTP, the binding keeps nothing from one call to the next.
pub(crate) struct Sendgrid {
    binding: Binding,
    /// The address, and the name before it.
    from: (String, String),
    in_flight: usize,
}

impl Sendgrid {
    pub(crate) fn new(binding: Binding, from: &str, in_flight: usize) -> Self {
        let from = match from.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, address)) => (address.to_owned(), name.trim().to_owned()),
            None => (from.to_owned(), String::new()),
        };
        Self { binding, from, in_flight }
    }
}

#[async_trait]
impl Channel for Sendgrid {
    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn has_address(&self, to: &Recipient) -> bool {
        to.preferences.email.is_some()
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        let Some(to) = &parcel.to.preferences.email else {
            return Outcome::Refused("the user has said no address".to_owned());
        };
        let said = self.binding.bindings.call(BindingCall {
            name: &self.binding.name,
            operation: "create",
            data: parcel.message.html.clone().into_bytes(),
            metadata: HashMap::from([
                ("emailFrom".to_owned(), self.from.0.clone()),
                ("emailFromName".to_owned(), self.from.1.clone()),
                ("emailTo".to_owned(), to.as_str().to_owned()),
                ("subject".to_owned(), parcel.message.subject.clone()),
            ]),
            deadline: self.binding.deadline,
        });
        match said.await {
            Ok(_) => Outcome::Sent,
            Err(error) => {
                judge(&self.binding.name, &error).map_or_else(|outcome| outcome, |said| of_sendgrid(&said))
            }
        }
    }
}
