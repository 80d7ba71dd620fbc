//! What the target can not be told.

use std::collections::BTreeMap;

use crate::config::{Config, Email, EmailKind, Push, PushKind, Webhook, WebhookKind, is_sender};

#[test]
fn the_default_is_right_and_leaves_by_the_log_alone() {
    let config = Config::default();
    assert_eq!(config.check(), Ok(()));
    assert_eq!(config.bindings(), []);
}

#[test]
fn a_wrong_value_is_told_with_its_key() {
    let check = |change: fn(&mut Config), key: &str| {
        let mut config = Config::default();
        change(&mut config);
        let wrong = config.check().unwrap_err();
        assert!(wrong.starts_with(&format!("{key} ")), "{wrong}");
    };
    check(|c| c.max_in_flight = 0, "max_in_flight");
    check(|c| c.max_in_flight = 257, "max_in_flight");
    check(|c| c.send_seconds = 0, "send_seconds");
    check(|c| c.claim_seconds = 3_601, "claim_seconds");
    check(|c| c.claim_seconds = 29, "claim_seconds");
    check(|c| c.first_retry_seconds = 0, "first_retry_seconds");
    check(|c| c.last_retry_seconds = 4, "first_retry_seconds");
    check(|c| c.give_up_seconds = 59, "give_up_seconds");
    check(|c| c.behind_seconds = 3_601, "behind_seconds");
    check(|c| (c.give_up_seconds, c.behind_seconds) = (60, 61), "behind_seconds");
    check(|c| c.public_url = Some("docket.example.com".to_owned()), "public_url");
    check(|c| c.public_url = Some("https://docket.example.com/?a=b".to_owned()), "public_url");
    check(|c| c.email.kind = EmailKind::Smtp, "email.from");
    check(
        |c| c.email = Email { kind: EmailKind::Smtp, binding: String::new(), from: "a@b".to_owned() },
        "email.binding",
    );
    check(|c| c.push = Push { kind: Some(PushKind::Fcm), binding: String::new() }, "push.binding");
    check(|c| c.webhook.kind = Some(WebhookKind::Http), "webhook.origins");
    check(|c| *c = with_origin("http://hooks.example.com", "hooks"), "webhook.origins");
    check(|c| *c = with_origin("https://hooks.example.com/path", "hooks"), "webhook.origins");
    check(|c| *c = with_origin("https://127.0.0.1", "hooks"), "webhook.origins");
    check(|c| *c = with_origin("https://[::1]:8443", "hooks"), "webhook.origins");
    check(|c| *c = with_origin("https://localhost", "hooks"), "webhook.origins");
    check(|c| *c = with_origin("https://hooks.example.com", ""), "webhook.origins");
}

fn with_origin(origin: &str, binding: &str) -> Config {
    let origins = BTreeMap::from([(origin.to_owned(), binding.to_owned())]);
    Config {
        webhook: Webhook { kind: Some(WebhookKind::Http), origins, allow_private: false },
        ..Config::default()
    }
}

#[test]
fn who_sends_mail_does_not_take_the_log_for_another_channel() {
    let mut config = Config::default();
    assert_eq!((config.push_kind(), config.webhook_kind()), (PushKind::Log, WebhookKind::Log));
    config.email.kind = EmailKind::Smtp;
    assert_eq!((config.push_kind(), config.webhook_kind()), (PushKind::Off, WebhookKind::Off));
    config.push.kind = Some(PushKind::Log);
    assert_eq!((config.push_kind(), config.webhook_kind()), (PushKind::Log, WebhookKind::Off));
}

#[test]
fn private_origins_are_taken_where_they_are_allowed() {
    let mut config = with_origin("http://127.0.0.1:8080", "hooks");
    config.webhook.allow_private = true;
    assert_eq!(config.check(), Ok(()));
    assert_eq!(config.bindings(), [("webhook", "hooks")]);
    assert_eq!(config.webhook_rules().origins[0].as_str(), "http://127.0.0.1:8080");
}

#[test]
fn a_sender_is_an_address_with_or_without_a_name() {
    for right in ["docket@example.com", "Docket <docket@example.com>", "My Docket <d+x@mail.example.com>"] {
        assert!(is_sender(right), "{right}");
    }
    for wrong in
        ["", "docket", "a@b@c", "a@b, c@d", "a@b;c@d", "Docket <a@b", "D\n<a@b>", "Dö <a@b>", "<>", "@b"]
    {
        assert!(!is_sender(wrong), "{wrong}");
    }
}

#[test]
fn pauses_double_up_to_the_longest_and_are_spread() {
    let config = Config::default();
    let pauses = [1, 2, 3, 6, 7, 60, u32::MAX].map(|attempts| config.pause(attempts, 0.0).num_seconds());
    assert_eq!(pauses, [5, 10, 20, 160, 300, 300, 300]);
    assert_eq!(config.pause(1, 1.0).num_milliseconds(), 2_500);
}
