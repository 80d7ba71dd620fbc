//! What an operator can set about the sidecar.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How Docket and its sidecar talk: the section `dapr` of the configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether there is a sidecar. Without one, events wait in the outbox. Default: true.
    pub enabled: bool,
    /// Where the sidecar's gRPC API is, for example `http://127.0.0.1:50001`. Default: what the environment says, see
    /// [`Config::or_environment`].
    pub endpoint: Option<String>,
    /// What the sidecar wants to see on each call (`DAPR_API_TOKEN`); not written out with the rest. Default: nothing.
    #[serde(skip_serializing)]
    pub api_token: Option<ApiToken>,
    /// What the sidecar proves itself with when it calls (`APP_API_TOKEN`); not written out with the rest. Default:
    /// none, which is refused unless `insecure` is set.
    #[serde(skip_serializing)]
    pub app_api_token: Option<ApiToken>,
    /// Accepts callbacks from anybody who reaches the app port. Default: false.
    pub insecure: bool,
    /// How long a call to the sidecar may take, in milliseconds. Default: 10000.
    pub deadline_ms: u64,
    /// Names the pub/sub component. Default: `pubsub`.
    pub pubsub: String,
    /// What happens before an event is handed back to the sidecar.
    pub retry: Retry,
    /// How long one attempt of a handler may take, with one event or with a batch, in milliseconds. Default: 7000, so that
    /// an attempt with a batch and three with an event of it fit into 30 seconds.
    pub handler_timeout_ms: u64,
    /// How many partition keys of one batch are handled at a time. Default: 8.
    pub keys_in_flight: usize,
    /// The largest message that a topic may have (`max.message.bytes`), in bytes. The sidecar's calls may be as large as
    /// a whole batch of them: a larger one would be refused, and delivered again for ever. Default: 1114112, which is 1
    /// MiB for an event's data and 64 KiB for what is around it.
    pub max_message_bytes: usize,
    /// Asks the sidecar for batches. Default: none, events come one by one.
    pub bulk: Option<Bulk>,
    /// What is put behind a topic's name to name the topic to which the sidecar itself moves what it cannot deliver:
    /// `-dlq`, which is what `deadletters` reads. Default: none. Set it only together with an inbound retry policy: without one the sidecar
    /// moves an event at its first failure.
    pub dead_letter_suffix: Option<String>,
}

/// How often and how fast a handler is asked again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// How many attempts an event gets before it goes back to the sidecar. Default: 3.
    pub attempts: u32,
    /// The pause after the first attempt, in milliseconds; it doubles with each one, and up to half of it is taken off
    /// at random. Default: 50.
    pub backoff_ms: u64,
}

/// How large the sidecar's batches are.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bulk {
    /// The most events in a batch. Default: 100.
    pub max_messages: u16,
    /// How long the sidecar waits for a batch to fill, in milliseconds. Default: 5.
    pub max_await_ms: u16,
    /// How many parts of a large batch a handler works on at the same time, each with keys of its own and in a transaction
    /// of its own. The sidecar gives no other batch meanwhile. A part has [`Bulk::LEAST_PART`] events or more on average.
    /// Default: 2.
    pub lanes: usize,
}

/// What the sidecar writes around a message: the ids and the names of a call, and its headers once more, escaped.
const AROUND_MESSAGE_BYTES: usize = 16 << 10;

/// How many times as large a text becomes at most in practice when it is written into JSON.
const ESCAPED: usize = 4;

/// What is around a message in a dead letter, its headers above all.
const AROUND_LETTER_BYTES: usize = 1 << 20;

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            endpoint: None,
            api_token: None,
            app_api_token: None,
            insecure: false,
            deadline_ms: 10_000,
            pubsub: "pubsub".to_owned(),
            retry: Retry::default(),
            handler_timeout_ms: 7000,
            keys_in_flight: 8,
            max_message_bytes: (1 << 20) + (64 << 10),
            bulk: None,
            dead_letter_suffix: None,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, backoff_ms: 50 }
    }
}

impl Bulk {
    /// Fewer events are not worth a transaction more.
    pub const LEAST_PART: usize = 50;
}

impl Default for Bulk {
    fn default() -> Self {
        Self { max_messages: 100, max_await_ms: 5, lanes: 2 }
    }
}

impl Config {
    /// Where the sidecar's gRPC API is.
    pub fn endpoint(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| "http://127.0.0.1:50001".to_owned())
    }

    /// Fills what is not set from the variables that Dapr gives to every app: `DAPR_GRPC_ENDPOINT` or `DAPR_GRPC_PORT`,
    /// `DAPR_API_TOKEN`, `APP_API_TOKEN`. Empty ones count as absent.
    pub fn or_environment(
        mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, InvalidConfig> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if self.endpoint.is_none() {
            let port = || variable("DAPR_GRPC_PORT").unwrap_or_else(|| "50001".to_owned());
            let endpoint =
                variable("DAPR_GRPC_ENDPOINT").unwrap_or_else(|| format!("http://127.0.0.1:{}", port()));
            self.endpoint = Some(endpoint);
        }
        for (token, name) in
            [(&mut self.api_token, "DAPR_API_TOKEN"), (&mut self.app_api_token, "APP_API_TOKEN")]
        {
            if token.is_none() {
                *token = variable(name).map(ApiToken::try_from).transpose()?;
            }
        }
        Ok(self)
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// The largest message that a topic of dead letters must take: a letter has a message in it, escaped.
    pub fn max_letter_bytes(&self) -> usize {
        self.max_message_bytes.saturating_mul(ESCAPED)
    }

    /// The largest call that the sidecar may make: as many of the largest messages as it puts into one, or one dead letter,
    /// which has such a message in it, escaped.
    pub(crate) fn max_callback_bytes(&self) -> usize {
        let messages = self.bulk.as_ref().map_or(1, |bulk| usize::from(bulk.max_messages));
        let each = self.max_message_bytes.saturating_add(AROUND_MESSAGE_BYTES);
        let letter = self.max_letter_bytes().saturating_add(AROUND_LETTER_BYTES);
        // gRPC has no larger ones.
        messages.saturating_mul(each).max(letter).min(u32::MAX as usize)
    }
}

/// A configuration that cannot work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidConfig {
    /// The token would not fit into a header.
    #[error("an API token must be 1 to 1024 printable ASCII characters without spaces")]
    Token,
    /// The token is the text that is shown instead of one, which everybody knows.
    #[error("{REDACTED} stands for an API token and is none")]
    Redacted,
    /// The endpoint cannot be called.
    #[error("dapr.endpoint must look like http://127.0.0.1:50001, not {0:?}")]
    Endpoint(String),
    /// Anybody could call the callbacks.
    #[error(
        "set APP_API_TOKEN (dapr.app_api_token), or dapr.insecure = true to accept callbacks from anybody"
    )]
    NoAppToken,
}

/// What stands for a token wherever one would be shown.
const REDACTED: &str = "[redacted]";

/// A shared secret of app and sidecar: never shown, and it can not be serialized.
#[derive(Clone, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct ApiToken(String);

impl ApiToken {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The token itself, for a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ApiToken {
    type Error = InvalidConfig;

    fn try_from(text: String) -> Result<Self, InvalidConfig> {
        if text == REDACTED {
            return Err(InvalidConfig::Redacted);
        }
        let fits = (1..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text)) } else { Err(InvalidConfig::Token) }
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
    }

    #[test]
    fn endpoint_comes_from_the_first_that_names_one() {
        let set = Config { endpoint: Some("http://set:1".to_owned()), ..Config::default() };
        let full: &[_] = &[("DAPR_GRPC_ENDPOINT", "http://full:2"), ("DAPR_GRPC_PORT", "3")];
        let check = |config: Config, pairs: &'static [(&str, &str)], expect: &str| {
            let config = config.or_environment(environment(pairs)).unwrap();
            assert_eq!(config.endpoint.as_deref(), Some(expect));
        };
        check(set, full, "http://set:1");
        check(Config::default(), full, "http://full:2");
        check(
            Config::default(),
            &[("DAPR_GRPC_ENDPOINT", ""), ("DAPR_GRPC_PORT", "3")],
            "http://127.0.0.1:3",
        );
        check(Config::default(), &[], "http://127.0.0.1:50001");
    }

    #[test]
    fn tokens_are_read_and_never_shown() {
        let config = Config::default().or_environment(environment(&[("APP_API_TOKEN", "s3cret")])).unwrap();
        assert_eq!(config.app_api_token.as_ref().map(ApiToken::as_str), Some("s3cret"));
        let (written, shown) = (serde_json::to_string(&config).unwrap(), format!("{config:?}"));
        assert!(!written.contains("api_token"), "not written at all: {written}");
        assert!(shown.contains("[redacted]") && !shown.contains("s3cret"), "{shown}");
        let refused = Config::default().or_environment(environment(&[("DAPR_API_TOKEN", "two words")]));
        assert_eq!(refused, Err(InvalidConfig::Token));
        let refused = Config::default().or_environment(environment(&[("APP_API_TOKEN", "[redacted]")]));
        assert_eq!(refused, Err(InvalidConfig::Redacted));
    }

    #[test]
    fn a_call_may_carry_a_whole_batch_of_the_largest_messages() {
        let config = Config { max_message_bytes: 1 << 20, ..Config::default() };
        assert_eq!(config.max_callback_bytes(), 5 << 20, "a dead letter");
        let bulk = |max_messages| Some(Bulk { max_messages, ..Bulk::default() });
        let some = Config { bulk: bulk(500), ..config.clone() };
        assert_eq!(some.max_callback_bytes(), 500 * ((1 << 20) + AROUND_MESSAGE_BYTES));
        let many = Config { bulk: bulk(u16::MAX), ..config };
        assert_eq!(many.max_callback_bytes(), u32::MAX as usize, "what gRPC can carry");
    }

    #[test]
    fn unknown_keys_are_named() {
        let error = serde_json::from_str::<Config>(r#"{"retry": {"atempts": 1}}"#).unwrap_err();
        assert!(error.to_string().contains("atempts"), "{error}");
    }
}
