//! The metadata of the components that Docket uses, as components-contrib 1.18.3 reads it.
//!
//! From each component's `metadata.yaml`, and for Kafka from the source too, because it reads more (`backOff...`). Case
//! counts: some names are looked up as they are written.

use Kind::{Bool, Duration, Number, OneOf, Secret, Size, Text};

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// Only from a secret store.
    Secret,
    /// Bytes, with a unit such as `Ki`.
    Size,
    Bool,
    Number,
    /// As Go writes it.
    Duration,
    OneOf(&'static [&'static str]),
}

type Known = &'static [(&'static str, Kind)];

/// The secrets of the production shape and of the channels, by name and key.
pub(super) const SECRET: [(&str, &str); 11] = [
    ("docket-kafka", "brokers"),
    ("docket-kafka", "disableTls"),
    ("docket-kafka", "caCert"),
    ("docket-kafka", "saslUsername"),
    ("docket-kafka", "saslPassword"),
    ("docket-smtp", "host"),
    ("docket-smtp", "port"),
    ("docket-smtp", "user"),
    ("docket-smtp", "password"),
    ("docket-sendgrid", "apiKey"),
    ("docket-fcm", "authorization"),
];

/// What a component of this type and version reads; nothing when there is none.
pub(super) fn of(kind: &str, version: &str) -> Option<Known> {
    match (kind, version) {
        ("pubsub.kafka", "v1") => Some(KAFKA),
        ("pubsub.in-memory", "v1") => Some(&[]),
        ("secretstores.local.file", "v1") => Some(LOCAL_FILE),
        ("bindings.cron", "v1") => Some(CRON),
        ("bindings.smtp", "v1") => Some(SMTP),
        ("bindings.twilio.sendgrid", "v1") => Some(SENDGRID),
        ("bindings.http", "v1") => Some(HTTP),
        _ => None,
    }
}

const LOCAL_FILE: Known = &[("secretsFile", Text), ("nestedSeparator", Text), ("multiValued", Bool)];

const CRON: Known = &[("schedule", Text)];

const SMTP: Known = &[
    ("host", Text),
    ("port", Number),
    ("user", Text),
    ("password", Secret),
    ("emailFrom", Text),
    ("emailTo", Text),
    ("emailCC", Text),
    ("emailBCC", Text),
    ("subject", Text),
    ("priority", Number),
    ("skipTLSVerify", Bool),
];

const SENDGRID: Known = &[
    ("apiKey", Secret),
    ("emailFrom", Text),
    ("emailFromName", Text),
    ("emailTo", Text),
    ("emailToName", Text),
    ("subject", Text),
    ("emailCc", Text),
    ("emailBcc", Text),
    ("dynamicTemplateData", Text),
    ("dynamicTemplateId", Text),
];

const HTTP: Known = &[
    ("url", Text),
    ("mtlsRootCA", Text),
    ("mtlsClientCert", Text),
    ("mtlsClientKey", Secret),
    (
        "mtlsRenegotiation",
        OneOf(&["RenegotiateNever", "RenegotiateOnceAsClient", "RenegotiateFreelyAsClient"]),
    ),
    ("securityToken", Secret),
    ("securityTokenHeader", Text),
    ("errorIfNot2XX", Bool),
    ("responseTimeout", Duration),
    ("maxResponseBodySize", Size),
];

const KAFKA: Known = &[
    ("brokers", Text),
    ("consumerGroup", Text),
    ("clientID", Text),
    (
        "authType",
        OneOf(&["password", "mtls", "certificate", "none", "oidc", "oidc_private_key_jwt", "awsiam"]),
    ),
    ("saslUsername", Text),
    ("saslPassword", Secret),
    // PLAINTEXT is what every other text means, too.
    ("saslMechanism", OneOf(&["SHA-256", "SHA-512"])),
    ("initialOffset", OneOf(&["oldest", "newest"])),
    ("maxMessageBytes", Number),
    ("disableTls", Bool),
    ("skipVerify", Bool),
    ("caCert", Text),
    ("clientCert", Text),
    ("clientKey", Secret),
    ("consumeRetryEnabled", Bool),
    ("consumeRetryInterval", Duration),
    ("heartbeatInterval", Duration),
    ("sessionTimeout", Duration),
    ("version", Text),
    ("escapeHeaders", Bool),
    ("clientConnectionTopicMetadataRefreshInterval", Duration),
    ("clientConnectionKeepAliveInterval", Duration),
    ("dialTimeout", Duration),
    ("readTimeout", Duration),
    ("writeTimeout", Duration),
    ("metadataTimeout", Duration),
    ("channelBufferSize", Number),
    ("consumerFetchMin", Number),
    ("consumerFetchDefault", Number),
    ("consumerGroupRebalanceStrategy", OneOf(&["range", "sticky", "roundrobin"])),
    ("compression", OneOf(&["none", "gzip", "snappy", "lz4", "zstd"])),
    ("producerRequiredAcks", OneOf(&["all", "local", "none"])),
    ("producerRetryMax", Number),
    ("excludeHeaderMetaRegex", Text),
    // Not in `metadata.yaml`: dapr/kit/retry, with the prefix `backOff`.
    ("backOffPolicy", OneOf(&["constant", "exponential"])),
    ("backOffDuration", Duration),
    ("backOffInitialInterval", Duration),
    ("backOffRandomizationFactor", Number),
    ("backOffMultiplier", Number),
    ("backOffMaxInterval", Duration),
    ("backOffMaxElapsedTime", Duration),
    ("backOffMaxRetries", Number),
];

impl Kind {
    /// Whether a value is one of these.
    pub(super) fn takes(self, value: &str) -> bool {
        match self {
            Text => !value.is_empty(),
            Secret => false,
            Size => {
                value.strip_suffix("Ki").or(value.strip_suffix("Mi")).unwrap_or(value).parse::<u64>().is_ok()
            }
            Bool => ["true", "false"].contains(&value),
            Number => value.parse::<f64>().is_ok(),
            Duration => is_duration(value),
            OneOf(values) => values.contains(&value),
        }
    }
}

/// Whether this is a duration as Go writes it: a number with its unit.
pub(super) fn is_duration(text: &str) -> bool {
    let number = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let unit = &text[number.len()..];
    number.parse::<f64>().is_ok() && ["h", "m", "s", "ms", "us"].contains(&unit)
}
