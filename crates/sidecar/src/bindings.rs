//! Output bindings: the ways out of Docket that the sidecar knows.

use std::collections::HashMap;
use std::time::Duration;

use dapr::dapr::proto::runtime::v1 as pb;
use docket_telemetry::{fail, is_sampled};
use tracing::{Instrument as _, Span};

use crate::client::{Client, Error};

/// A call of an output binding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindingCall<'a> {
    /// The name of the component.
    pub name: &'a str,
    /// What it is asked to do: `create`, `post`, ...
    pub operation: &'a str,
    /// The content.
    pub data: Vec<u8>,
    /// What the component wants to know besides.
    pub metadata: HashMap<String, String>,
    /// How long it may take. After that it may still take place.
    pub deadline: Duration,
}

/// What an output binding answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BindingAnswer {
    /// The content.
    pub data: Vec<u8>,
    /// What the component says besides.
    pub metadata: HashMap<String, String>,
}

impl Client {
    /// Calls an output binding. [`Error::Unavailable`] and [`Error::Deadline`] do not say whether it took place.
    ///
    /// Inside of a span that is recorded, it has one of its own.
    pub async fn invoke_binding(&self, call: BindingCall<'_>) -> Result<BindingAnswer, Error> {
        if !is_sampled(&Span::current()) {
            return self.invoke(call).await;
        }
        let span = tracing::info_span!(
            "invoke",
            otel.name = format!("invoke {}", call.name),
            otel.kind = "client",
            docket.binding = call.name,
            docket.operation = call.operation
        );
        let outcome = self.invoke(call).instrument(span.clone()).await;
        if let Err(error) = &outcome {
            fail(&span, error.kind());
        }
        outcome
    }

    async fn invoke(&self, call: BindingCall<'_>) -> Result<BindingAnswer, Error> {
        let BindingCall { name, operation, data, metadata, deadline } = call;
        let request = pb::InvokeBindingRequest {
            name: name.to_owned(),
            data,
            metadata,
            operation: operation.to_owned(),
        };
        let answer = self
            .call_within(deadline, request, async |mut dapr, request| dapr.invoke_binding(request).await)
            .await?;
        fail::fail_point!("binding-unknown", |_| Err(Error::Deadline(deadline)));
        Ok(BindingAnswer { data: answer.data, metadata: answer.metadata })
    }
}
