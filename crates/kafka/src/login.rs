//! Logs in by SCRAM (RFC 5802, RFC 7677): the password itself does not travel, and the broker proves that it knows it too.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use rsasl::prelude::{Mechname, SASLClient, SASLConfig};

use crate::connection::Connection;
use crate::{Error, Login};

/// Logs in.
pub(crate) async fn run(connection: &mut Connection, login: &Login) -> Result<(), Error> {
    let broker = connection.broker().to_owned();
    let refused =
        |message: String| Error::Login { broker: broker.clone(), user: login.user.clone(), message };
    let mechanism = login.mechanism.name();
    let handshake = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let answer = connection.call(&handshake).await?;
    if answer.error_code != 0 {
        let offered: Vec<&str> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
        return Err(refused(format!("the broker takes {}, and not {mechanism}", offered.join(", "))));
    }
    let config = SASLConfig::with_credentials(None, login.user.clone(), login.password.clone());
    let config = config.map_err(|error| refused(error.to_string()))?;
    let mechanism = Mechname::parse(mechanism.as_bytes()).map_err(|error| refused(error.to_string()))?;
    let session = SASLClient::new(config).start_suggested(&[mechanism]);
    let mut session = session.map_err(|error| refused(error.to_string()))?;
    let mut said = None;
    loop {
        let mut words = Vec::new();
        let state = session.step(said.as_deref(), &mut words).map_err(|error| refused(error.to_string()))?;
        if state.has_sent_message() {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(words.into());
            let answer = connection.call(&request).await?;
            if let Some(error) = ResponseError::try_from_code(answer.error_code) {
                let message = answer.error_message.map(|message| message.to_string());
                return Err(refused(message.unwrap_or_else(|| error.to_string())));
            }
            said = Some(answer.auth_bytes);
        }
        if state.is_finished() {
            return Ok(());
        }
    }
}
