//! What the target can be told.

use std::collections::BTreeMap;
use std::time::Duration;

use docket_domain::address::WebhookRules;
use docket_domain::{TimeDelta, WebhookOrigin};
use serde::{Deserialize, Serialize};
use url::Url;

/// What the target can be told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How mail leaves.
    pub email: Email,
    /// How push messages leave.
    pub push: Push,
    /// How signed requests leave.
    pub webhook: Webhook,
    /// Where people find Docket's pages, for the links in messages: an `http` or `https` URL. None: messages have no links.
    pub public_url: Option<String>,
    /// How many calls of a channel's output binding may be under way at the same time: 1 to 256. Mail through `smtp` always
    /// goes out one by one.
    pub max_in_flight: usize,
    /// For how long messages are claimed, in seconds: 11 to 3,600, and at least `send_seconds` + 10. Those of a process that
    /// was killed are taken over after it.
    pub claim_seconds: u64,
    /// How long one call of an output binding may take, in seconds: 1 to 300.
    pub send_seconds: u64,
    /// The first pause after a failure that may pass, in seconds; it doubles with every further one. At least 1.
    pub first_retry_seconds: u64,
    /// The longest pause after failures, in seconds: at most 86,400.
    pub last_retry_seconds: u64,
    /// How long after its moment, or after it was written into the ledger, whichever is later, a message is tried, in
    /// seconds: 60 to 2,592,000.
    pub give_up_seconds: u64,
    /// How long a message waits after its moment, and after the change, while its task has changed and the reminders have not
    /// followed, or while the tasks can not be asked, in seconds: 0 to 3,600, and at most `give_up_seconds`. Then it is sent
    /// all the same.
    pub behind_seconds: u64,
    /// What is done with a message of which nobody knows whether it went out: `resend` or `give_up`.
    pub unknown: Unknown,
    /// The Dapr app-id of the reminders: `docket` when all targets run in one process, else `docket-reminders`.
    pub reminders_app_id: String,
    /// The Dapr app-id of the task API: `docket` when all targets run in one process, else `docket-tasks`.
    pub tasks_app_id: String,
}

/// How mail leaves.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Email {
    /// `log` writes it to the log; `smtp` and `sendgrid` call an output binding of that type.
    pub kind: EmailKind,
    /// The output binding.
    pub binding: String,
    /// Whom mail comes from: `docket@example.com`, or `Docket <docket@example.com>`. Required unless `kind` is `log`.
    pub from: String,
}

/// The ways of mail.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailKind {
    /// Into the log.
    #[default]
    Log,
    /// `bindings.smtp`.
    Smtp,
    /// `bindings.twilio.sendgrid`.
    Sendgrid,
}

/// How push messages leave.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    /// `log` writes them to the log; `fcm` posts them in the shape of FCM HTTP v1; `off` offers none. None: `log` where mail
    /// is written to the log, too, and else `off`.
    pub kind: Option<PushKind>,
    /// The output binding, of type `bindings.http`: its `url` is the whole address that is posted to.
    pub binding: String,
}

/// The ways of push messages.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PushKind {
    /// Into the log.
    Log,
    /// Firebase Cloud Messaging, HTTP v1.
    Fcm,
    /// Not at all.
    Off,
}

/// How signed requests leave.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// `log` writes them to the log; `http` posts them; `off` offers none. None: `log` where mail is written to the log, too,
    /// and else `off`.
    pub kind: Option<WebhookKind>,
    /// Where requests may go: origins, as `https://hooks.example.com`, each with the output binding of type `bindings.http`
    /// whose `url` is that origin.
    pub origins: BTreeMap<String, String>,
    /// Whether origins may be plain `http`, and hosts loopback, private or link-local addresses: for tests and for networks
    /// of one's own.
    pub allow_private: bool,
}

/// The ways of signed requests.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookKind {
    /// Into the log.
    Log,
    /// By HTTP.
    Http,
    /// Not at all.
    Off,
}

/// What is done with a message of which nobody knows whether it went out.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It is sent again: it may come twice, and is not lost.
    #[default]
    Resend,
    /// It is not: it may be lost, and does not come twice.
    GiveUp,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            email: Email::default(),
            push: Push::default(),
            webhook: Webhook::default(),
            public_url: None,
            max_in_flight: 16,
            claim_seconds: 60,
            send_seconds: 20,
            first_retry_seconds: 5,
            last_retry_seconds: 300,
            give_up_seconds: 86_400,
            behind_seconds: 60,
            unknown: Unknown::Resend,
            reminders_app_id: "docket".to_owned(),
            tasks_app_id: "docket".to_owned(),
        }
    }
}

impl Default for Email {
    fn default() -> Self {
        Self { kind: EmailKind::Log, binding: "smtp".to_owned(), from: String::new() }
    }
}

impl Default for Push {
    fn default() -> Self {
        Self { kind: None, binding: "fcm".to_owned() }
    }
}

/// What a claim has to last longer than a call: for what comes before it, and for the statement behind it.
const MARGIN_SECONDS: u64 = 10;

/// How much of that is for what comes behind.
const AFTER_SECONDS: u64 = 5;

impl Config {
    /// What is wrong with it, with the key's name.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=256).contains(&self.max_in_flight) {
            return Err(format!("max_in_flight must be 1 to 256, not {}", self.max_in_flight));
        }
        if !(1..=300).contains(&self.send_seconds) {
            return Err(format!("send_seconds must be 1 to 300, not {}", self.send_seconds));
        }
        if !(11..=3_600).contains(&self.claim_seconds) {
            return Err(format!("claim_seconds must be 11 to 3600, not {}", self.claim_seconds));
        }
        if self.claim_seconds < self.send_seconds + MARGIN_SECONDS {
            let least = self.send_seconds + MARGIN_SECONDS;
            return Err(format!("claim_seconds must be at least send_seconds + {MARGIN_SECONDS}, {least}"));
        }
        let (first, last) = (self.first_retry_seconds, self.last_retry_seconds);
        if first == 0 || first > last || last > 86_400 {
            let rule = "first_retry_seconds must be at least 1 and at most last_retry_seconds, and that at most 86400";
            return Err(rule.to_owned());
        }
        if !(60..=2_592_000).contains(&self.give_up_seconds) {
            return Err(format!("give_up_seconds must be 60 to 2592000, not {}", self.give_up_seconds));
        }
        if self.behind_seconds > self.give_up_seconds.min(3_600) {
            let wrong = self.behind_seconds;
            return Err(format!("behind_seconds must be 0 to 3600 and at most give_up_seconds, not {wrong}"));
        }
        if let Some(url) = &self.public_url {
            page(url).map_err(|rule| format!("public_url {rule}"))?;
        }
        self.email.check().map_err(|wrong| format!("email.{wrong}"))?;
        self.push.check().map_err(|wrong| format!("push.{wrong}"))?;
        self.webhook.check().map_err(|wrong| format!("webhook.{wrong}"))
    }

    pub(crate) fn send_time(&self) -> Duration {
        Duration::from_secs(self.send_seconds)
    }

    pub(crate) fn claim_time(&self) -> TimeDelta {
        delta(self.claim_seconds)
    }

    /// How long after a claim a call may still begin, so that it ends before the claim does.
    pub(crate) fn begin_time(&self) -> Duration {
        Duration::from_secs(self.claim_seconds.saturating_sub(self.send_seconds + AFTER_SECONDS))
    }

    pub(crate) fn give_up_time(&self) -> TimeDelta {
        delta(self.give_up_seconds)
    }

    pub(crate) fn behind_time(&self) -> TimeDelta {
        delta(self.behind_seconds)
    }

    /// How long to wait after so many attempts; `jitter` is 0 to 1 and takes off up to half, so that what failed together
    /// does not come back together.
    pub(crate) fn pause(&self, attempts: u32, jitter: f64) -> TimeDelta {
        let doubled = self.first_retry_seconds.saturating_mul(1 << attempts.clamp(1, 20).saturating_sub(1));
        let pause = Duration::from_secs(doubled.min(self.last_retry_seconds));
        TimeDelta::from_std(pause.mul_f64(1.0 - jitter / 2.0)).unwrap_or(TimeDelta::MAX)
    }

    /// How push messages leave: what is not said is not taken for sent by a server that sends mail.
    pub(crate) fn push_kind(&self) -> PushKind {
        let default = if self.email.kind == EmailKind::Log { PushKind::Log } else { PushKind::Off };
        self.push.kind.unwrap_or(default)
    }

    /// How signed requests leave; likewise.
    pub(crate) fn webhook_kind(&self) -> WebhookKind {
        let default = if self.email.kind == EmailKind::Log { WebhookKind::Log } else { WebhookKind::Off };
        self.webhook.kind.unwrap_or(default)
    }

    /// Where users may have requests sent.
    pub(crate) fn webhook_rules(&self) -> WebhookRules {
        let origins = match self.webhook_kind() {
            WebhookKind::Off => Vec::new(),
            WebhookKind::Log | WebhookKind::Http => self.webhook.origins().into_keys().collect(),
        };
        WebhookRules { origins, allow_private: self.webhook.allow_private }
    }

    /// The output bindings that it names, each with the channel it is for.
    pub(crate) fn bindings(&self) -> Vec<(&'static str, &str)> {
        let mut bindings = Vec::new();
        if self.email.kind != EmailKind::Log {
            bindings.push(("email", self.email.binding.as_str()));
        }
        if self.push_kind() == PushKind::Fcm {
            bindings.push(("push", self.push.binding.as_str()));
        }
        if self.webhook_kind() == WebhookKind::Http {
            bindings.extend(self.webhook.origins.values().map(|binding| ("webhook", binding.as_str())));
        }
        bindings
    }
}

fn delta(seconds: u64) -> TimeDelta {
    i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX)
}

/// A URL that pages are below of.
pub(crate) fn page(url: &str) -> Result<Url, &'static str> {
    let rule = "must be an http or https URL without query and fragment";
    let url = Url::parse(url).map_err(|_| rule)?;
    let plain = url.has_host() && url.query().is_none() && url.fragment().is_none();
    if plain && matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(rule) }
}

impl Email {
    fn check(&self) -> Result<(), String> {
        if self.kind == EmailKind::Log {
            return Ok(());
        }
        if self.binding.is_empty() {
            return Err("binding must name an output binding".to_owned());
        }
        if !is_sender(&self.from) {
            let rule =
                "from must be an address, `docket@example.com` or `Docket <docket@example.com>`, in ASCII";
            return Err(rule.to_owned());
        }
        Ok(())
    }
}

/// Whether mail may come from there. The bindings put it into a header as it is.
pub(crate) fn is_sender(from: &str) -> bool {
    let (name, address) = match from.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name, address),
        None => ("", from),
    };
    let plain = |c: char| c.is_ascii_graphic() && !"<>\"(),;:[]\\@".contains(c);
    let words = name.chars().all(|c| c == ' ' || plain(c));
    let parts = address.split_once('@');
    words
        && parts
            .is_some_and(|(local, host)| [local, host].iter().all(|p| !p.is_empty() && p.chars().all(plain)))
}

impl Webhook {
    fn check(&self) -> Result<(), String> {
        if self.kind == Some(WebhookKind::Http) && self.origins.is_empty() {
            return Err("origins must name an origin at least".to_owned());
        }
        for (origin, binding) in &self.origins {
            WebhookOrigin::parse(origin, self.allow_private)
                .map_err(|rule| format!("origins {origin:?} {rule}"))?;
            if binding.is_empty() {
                return Err(format!("origins {origin:?} must name an output binding"));
            }
        }
        Ok(())
    }

    /// The origins, each with its binding.
    pub(crate) fn origins(&self) -> BTreeMap<WebhookOrigin, String> {
        let parse = |origin: &String| WebhookOrigin::parse(origin, self.allow_private).ok();
        self.origins.iter().filter_map(|(origin, binding)| Some((parse(origin)?, binding.clone()))).collect()
    }
}

impl Push {
    fn check(&self) -> Result<(), String> {
        match self.kind {
            Some(PushKind::Fcm) if self.binding.is_empty() => {
                Err("binding must name an output binding".to_owned())
            }
            _ => Ok(()),
        }
    }
}
