//! The request of `UpdatePreferences`: which fields change, and to what (AIP-134).

use docket_domain::address::WebhookRules;
use docket_domain::content::{Channel, Invalid};
use docket_domain::notice::{Digest, Locale, Preferences};
use docket_domain::{ClockTime, EmailAddress, QuietHours, RequestId, WebhookUrl};
use docket_proto::v1;

use super::{opaque, optional, required};
use crate::{InvalidFields, Violations, value};

/// `UpdatePreferences`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpdatePreferences {
    /// The preferences after the change.
    pub preferences: Preferences,
    /// The version that they must still have, as [`crate::answer::preferences_etag`] writes it.
    pub etag: Option<String>,
    /// Makes the call repeatable.
    pub request_id: Option<RequestId>,
}

/// Checks an `UpdatePreferencesRequest` that changes `current`; `rules` say where webhooks may go.
pub fn update_preferences(
    request: &v1::UpdatePreferencesRequest,
    current: &Preferences,
    rules: &WebhookRules,
) -> Result<UpdatePreferences, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let masked = request.update_mask.as_ref().filter(|mask| !mask.paths.is_empty());
    let named = masked.map(|mask| named_fields(&mask.paths, v));
    let Some(wanted) = &request.preferences else {
        v.add("preferences", "is required");
        optional::<RequestId>("request_id", &request.request_id, v);
        return violations.into_result(None);
    };
    let mut preferences = current.clone();
    for field in named.unwrap_or_else(|| set_fields(wanted)) {
        // What is broken stays as it was, since there is no answer then but the violations.
        let _ = change(&mut preferences, field, wanted, rules, v);
    }
    let etag = opaque(&wanted.etag);
    let request_id = optional("request_id", &request.request_id, v);
    let value = request_id.map(|request_id| UpdatePreferences { preferences, etag, request_id });
    violations.into_result(value)
}

/// A field that a user can change, under the name that a mask gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    TimeZone,
    AllDayTime,
    Channels,
    Email,
    PushTokens,
    WebhookUrl,
    QuietHours,
    Digest,
    Locale,
}

const FIELDS: [(&str, Field); 9] = [
    ("time_zone", Field::TimeZone),
    ("all_day_time", Field::AllDayTime),
    ("channels", Field::Channels),
    ("email", Field::Email),
    ("push_tokens", Field::PushTokens),
    ("webhook_url", Field::WebhookUrl),
    ("quiet_hours", Field::QuietHours),
    ("digest", Field::Digest),
    ("locale", Field::Locale),
];

/// The fields of a mask, each once, so that none is told of twice.
fn named_fields(paths: &[String], v: &mut Violations) -> Vec<Field> {
    let all = paths.iter().any(|path| path == "*");
    for (i, path) in paths.iter().enumerate() {
        if path != "*" && FIELDS.iter().all(|(name, _)| name != path) {
            let names = FIELDS.map(|(name, _)| name).join(", ");
            v.add(format!("update_mask.paths[{i}]"), format_args!("must be `*` or one of {names}"));
        }
    }
    let named = FIELDS.into_iter().filter(|(name, _)| all || paths.iter().any(|path| path == name));
    named.map(|(_, field)| field).collect()
}

/// What an absent mask means: the fields that have a value.
fn set_fields(wanted: &v1::Preferences) -> Vec<Field> {
    let set = |field| match field {
        Field::TimeZone => !wanted.time_zone.is_empty(),
        Field::AllDayTime => !wanted.all_day_time.is_empty(),
        Field::Channels => !wanted.channels.is_empty(),
        Field::Email => !wanted.email.is_empty(),
        Field::PushTokens => !wanted.push_tokens.is_empty(),
        Field::WebhookUrl => !wanted.webhook_url.is_empty(),
        Field::QuietHours => wanted.quiet_hours.is_some(),
        Field::Digest => wanted.digest.is_some(),
        Field::Locale => !wanted.locale.is_empty(),
    };
    FIELDS.map(|(_, field)| field).into_iter().filter(|field| set(*field)).collect()
}

/// Changes one field; `None` when its value is broken, which has been told then. An empty value is the default.
fn change(
    preferences: &mut Preferences,
    field: Field,
    wanted: &v1::Preferences,
    rules: &WebhookRules,
    v: &mut Violations,
) -> Option<()> {
    match field {
        Field::TimeZone => {
            preferences.time_zone = v.check("preferences.time_zone", value::zone(&wanted.time_zone))?;
        }
        Field::AllDayTime => {
            let time = optional("preferences.all_day_time", &wanted.all_day_time, v)?;
            preferences.all_day_time = time.unwrap_or(ClockTime::NINE);
        }
        Field::Channels => {
            let named = channels("preferences.channels", &wanted.channels, v)?;
            preferences.unsubscribed.retain(|channel| !named.contains(channel));
            preferences.channels = if named.is_empty() { Preferences::default().channels } else { named };
        }
        Field::Email => {
            let email = (!wanted.email.is_empty()).then(|| EmailAddress::parse(&wanted.email)).transpose();
            preferences.email = v.check("preferences.email", email)?;
        }
        Field::PushTokens => preferences.push_tokens = push_tokens(&wanted.push_tokens, v)?,
        Field::WebhookUrl => {
            let url =
                (!wanted.webhook_url.is_empty()).then(|| webhook(&wanted.webhook_url, rules)).transpose();
            preferences.webhook = v.check("preferences.webhook_url", url)?;
        }
        Field::QuietHours => {
            let hours = wanted.quiet_hours.as_ref().map(|hours| quiet_hours(hours, v));
            preferences.quiet_hours = all(hours)?;
        }
        Field::Digest => {
            let digest = wanted.digest.as_ref().map(|wanted| digest(wanted, v));
            preferences.digest = all(digest)?;
        }
        Field::Locale => preferences.locale = v.check("preferences.locale", locale(&wanted.locale))?,
    }
    Some(())
}

/// `None` for a value that is there and broken, `Some(None)` for none.
fn all<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| value.map(Some))
}

fn webhook(text: &str, rules: &WebhookRules) -> Result<WebhookUrl, Invalid> {
    let url = WebhookUrl::parse(text)?;
    url.allowed(rules)?;
    Ok(url)
}

fn locale(name: &str) -> Result<Locale, String> {
    if name.is_empty() {
        return Ok(Locale::default());
    }
    let names = Locale::ALL.map(Locale::name).join(" or ");
    Locale::from_name(name).ok_or_else(|| format!("must be {names}"))
}

/// Reads channels, of which none may stand twice.
fn channels(field: &str, numbers: &[i32], v: &mut Violations) -> Option<Vec<Channel>> {
    let mut channels = Vec::new();
    let mut whole = true;
    // More than there are: some stand twice, and one after the other would be told of.
    if numbers.len() > Channel::ALL.len() {
        v.add(field, format_args!("must have at most {} entries", Channel::ALL.len()));
        return None;
    }
    for (i, number) in numbers.iter().enumerate() {
        match v.check(format!("{field}[{i}]"), value::channel(*number).and_then(value::some)) {
            Some(channel) if channels.contains(&channel) => {
                v.add(format!("{field}[{i}]"), "must not stand there twice");
                whole = false;
            }
            Some(channel) => channels.push(channel),
            None => whole = false,
        }
    }
    whole.then_some(channels)
}

fn push_tokens(tokens: &[String], v: &mut Violations) -> Option<Vec<String>> {
    if tokens.len() > Preferences::MAX_PUSH_TOKENS {
        v.add(
            "preferences.push_tokens",
            format_args!("must have at most {} entries", Preferences::MAX_PUSH_TOKENS),
        );
        return None;
    }
    let mut whole = true;
    for (i, token) in tokens.iter().enumerate() {
        let rule = match token.len() {
            0 => "must not be empty",
            length if length > Preferences::MAX_PUSH_TOKEN_BYTES => "must have at most 4096 bytes",
            _ if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                "must be printable ASCII characters without spaces"
            }
            _ if tokens[..i].contains(token) => "must not stand there twice",
            _ => continue,
        };
        v.add(format!("preferences.push_tokens[{i}]"), rule);
        whole = false;
    }
    whole.then(|| tokens.to_vec())
}

fn quiet_hours(hours: &v1::preferences::QuietHours, v: &mut Violations) -> Option<QuietHours> {
    let start = required("preferences.quiet_hours.start", &hours.start, v);
    let end = required("preferences.quiet_hours.end", &hours.end, v);
    let hours = QuietHours::new(start?, end?).ok_or("must be another time than start");
    v.check("preferences.quiet_hours.end", hours)
}

fn digest(digest: &v1::preferences::Digest, v: &mut Violations) -> Option<Digest> {
    let time = required("preferences.digest.time", &digest.time, v);
    let channels = channels("preferences.digest.channels", &digest.channels, v);
    Some(Digest { time: time?, channels: channels? })
}
