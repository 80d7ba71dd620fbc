//! The channels of `components/notification` in a real sidecar, with a real mail server.

use std::net::SocketAddr;
use std::path::Path;

use chrono::TimeDelta;
use docket_domain::source::Clock as _;
use docket_proto::v1;
use docket_proto::v1::reminder::{Channel, Moment};
use docket_server::source::SystemClock;
use docket_testkit::{
    Answer, Daprd, DaprdBuilder, Fleet, Gateway, Hooks, Kafka, Loss, Mail, PATIENCE, Postgres, Scheduler,
    Stack, components, once, wait_for,
};
use serde_json::{Value, json};

use super::{CHANNELS, DOCKET, NOTIFICATION, expect_loaded, refusal, shapes};

/// The secrets of all channels, with a mail server at this address.
fn secrets(address: SocketAddr, user: &str, password: &str) -> Value {
    json!({
        "docket-smtp": {
            "host": address.ip().to_string(), "port": address.port().to_string(), "user": user, "password": password,
        },
        "docket-sendgrid": {"apiKey": "SG.x"},
        "docket-fcm": {"authorization": "Bearer ya29.x"},
    })
}

/// The same, where nobody is.
fn nowhere() -> Value {
    secrets(([127, 0, 0, 1], 9).into(), "docket", "x")
}

/// A sidecar with these folders of channels, and these secrets.
fn with(app_id: &str, folders: &[&str], secrets: &Value) -> DaprdBuilder {
    let daprd = Daprd::builder(app_id).file("notification.json", &secrets.to_string());
    folders.iter().fold(daprd, |daprd, folder| daprd.resources_of(&components(folder)))
}

/// A sidecar with all channels, which lead to these two, and its scheduler.
async fn sidecar(mail: &Mail, hooks: &Hooks) -> (Daprd, Scheduler) {
    let scheduler = Scheduler::builder().start().await;
    let secrets = secrets(mail.address(), mail.user(), mail.password());
    let daprd = with(NOTIFICATION, &CHANNELS, &secrets)
        .rename("https://fcm.googleapis.com", &hooks.url())
        .rename("https://hooks.example.com", &hooks.url())
        .scheduler(scheduler.port());
    (daprd.start().await, scheduler)
}

/// What the sidecar answers to a mail.
async fn mail_to(daprd: &Daprd, to: &str) -> (u16, String) {
    let call = json!({
        "operation": "create",
        "data": format!("<p>Grüße, {to}</p>"),
        "metadata": {"emailFrom": "docket@docket.test", "emailTo": to, "subject": format!("For {to}"), "priority": "3"},
    });
    daprd.call("POST", "/v1.0/bindings/smtp", &call.to_string()).await
}

#[tokio::test]
async fn a_sidecar_takes_the_channels() {
    let [.., channels] = shapes();
    expect_loaded(with(NOTIFICATION, &CHANNELS, &nowhere()), &channels).await;
}

#[tokio::test]
async fn nobody_else_loads_the_channels() {
    let scheduler = Scheduler::builder().start().await;
    let daprd = with("docket-audit", &CHANNELS, &nowhere()).scheduler(scheduler.port()).start().await;
    assert_eq!(daprd.metadata().await["components"].as_array().map_or(0, Vec::len), 0);
}

#[tokio::test]
async fn a_missing_secret_is_said() {
    for (folder, secret, ends) in
        [("smtp", "docket-smtp", true), ("sendgrid", "docket-sendgrid", true), ("fcm", "docket-fcm", false)]
    {
        let mut secrets = nowhere();
        secrets.as_object_mut().unwrap().remove(secret);
        let folder = format!("notification/{folder}");
        let daprd = with(NOTIFICATION, &["notification/common", &folder], &secrets);
        let said = if ends {
            refusal(daprd).await
        } else {
            let scheduler = Scheduler::builder().start().await;
            daprd.scheduler(scheduler.port()).start().await.log_text()
        };
        let line = said.lines().find(|line| line.contains("Error getting secret"));
        assert!(line.is_some_and(|line| line.contains(secret)), "{secret}: {said}");
    }
    let said = refusal(Daprd::builder(NOTIFICATION).resources_of(&components("notification/common"))).await;
    assert!(said.contains("notification.json"), "{said}");
}

#[tokio::test]
async fn mails_get_to_whom_they_are_for() {
    let (mail, hooks) = tokio::join!(Mail::start(), Hooks::start());
    let (daprd, _scheduler) = sidecar(&mail, &hooks).await;
    for to in ["alice@docket.test", "bob@docket.test"] {
        let (code, said) = mail_to(&daprd, to).await;
        assert!((200..300).contains(&code), "{code} {said}");
        let [message] = &mail.messages_of(to).await[..] else { panic!("not one mail for {to}") };
        assert_eq!((message.from.as_str(), &message.to[..]), ("docket@docket.test", &[to.to_owned()][..]));
        assert_eq!(message.subject, format!("For {to}"));
        assert_eq!(message.html.trim_end(), format!("<p>Grüße, {to}</p>"));
    }
    assert_eq!(mail.messages().await.len(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_an_error() {
    let mail = Mail::start().await;
    let scheduler = Scheduler::builder().start().await;
    let secrets = secrets(mail.address(), mail.user(), "wrong");
    let daprd = with(NOTIFICATION, &CHANNELS, &secrets).scheduler(scheduler.port()).start().await;
    let (code, said) = mail_to(&daprd, "alice@docket.test").await;
    assert_eq!(code, 500, "{said}");
    assert!(said.contains("535"), "{said}");
}

#[tokio::test]
async fn an_unclear_mail_is_given_up_in_time_and_not_sent_again() {
    let (mail, hooks) = tokio::join!(Mail::start(), Hooks::start());
    let (daprd, _scheduler) = sidecar(&mail, &hooks).await;
    mail.accept_in_secret(1, Loss::Silence);
    let (code, said) = mail_to(&daprd, "alice@docket.test").await;
    assert!(code == 500 && said.contains("deadline exceeded"), "{code} {said}");
    mail.proxy().heal().await;
    mail.accept_in_secret(1, Loss::Reset);
    let (code, said) = mail_to(&daprd, "bob@docket.test").await;
    assert!(code == 500 && said.contains("reset by peer"), "{code} {said}");
    // Whatever the sidecar did after its answer is before this one's.
    mail.proxy().heal().await;
    assert!((200..300).contains(&mail_to(&daprd, "carol@docket.test").await.0));
    let mut recipients: Vec<_> = mail.messages().await.into_iter().map(|message| message.recipient).collect();
    recipients.sort();
    assert_eq!(recipients, ["alice@docket.test", "bob@docket.test", "carol@docket.test"]);
}

#[tokio::test]
async fn a_server_that_is_away_is_not_asked_for_a_while() {
    let (mut mail, hooks) = tokio::join!(Mail::start(), Hooks::start());
    let (daprd, _scheduler) = sidecar(&mail, &hooks).await;
    mail.kill().await;
    for _ in 0..5 {
        let (_, said) = mail_to(&daprd, "alice@docket.test").await;
        assert!(said.contains("connection refused"), "{said}");
    }
    let (_, said) = mail_to(&daprd, "alice@docket.test").await;
    assert!(said.contains("circuit breaker is open"), "{said}");
    mail.restart().await;
    wait_for("a circuit that closes", PATIENCE, async || match mail_to(&daprd, "alice@docket.test").await {
        (200..300, _) => Ok(()),
        answer => Err(format!("{answer:?}")),
    })
    .await;
    assert_eq!(mail.messages_of("alice@docket.test").await.len(), 1);
}

#[tokio::test]
async fn push_messages_and_webhooks_say_who_they_are_from_and_hear_the_code() {
    let (mail, hooks) = tokio::join!(Mail::start(), Hooks::start());
    let (daprd, _scheduler) = sidecar(&mail, &hooks).await;
    let call = json!({"operation": "post", "data": {"message": {"token": "x"}}});
    let (code, said) = daprd.call("POST", "/v1.0/bindings/fcm", &call.to_string()).await;
    assert!((200..300).contains(&code), "{code} {said}");
    let path = "/v1/projects/example/messages:send";
    let [push] = &hooks.calls_of(path)[..] else { panic!("{:?}", hooks.calls()) };
    assert_eq!((push.method.as_str(), push.headers["authorization"].as_str()), ("POST", "Bearer ya29.x"));
    assert_eq!(serde_json::from_slice::<Value>(&push.body).unwrap(), json!({"message": {"token": "x"}}));

    hooks.answer("/a/b", Answer::status(503).body("later"));
    let metadata = json!({"path": "/a/b?c=d", "X-Docket": "yes"});
    let call = json!({"operation": "post", "data": {"hello": "world"}, "metadata": metadata});
    let answer = daprd.call("POST", "/v1.0/bindings/webhook-example", &call.to_string()).await;
    assert_eq!(answer, (200, "later".to_owned()), "an answer, whatever its code");
    let [hook] = &hooks.calls_of("/a/b")[..] else { panic!("{:?}", hooks.calls()) };
    assert_eq!((hook.path.as_str(), hook.headers["x-docket"].as_str()), ("/a/b?c=d", "yes"));
}

/// Preferences with an address for every channel.
fn preferences(hooks: &Hooks, email: &str) -> v1::Preferences {
    v1::Preferences {
        email: email.to_owned(),
        push_tokens: vec!["token-of-a-phone".to_owned()],
        webhook_url: format!("{}/hooks/alice", hooks.url()),
        ..v1::Preferences::default()
    }
}

/// Where SendGrid takes mails.
const SENDGRID: &str = "/v3/mail/send";

const ADDRESSES: [&str; 3] = ["email", "push_tokens", "webhook_url"];

#[tokio::test]
async fn a_stack_sends_by_every_channel() {
    let (mail, hooks) = tokio::join!(Mail::start(), Hooks::start());
    let stack = Stack::builder(Path::new(DOCKET)).mail(&mail).hooks(&hooks).start().await;
    let alice = stack.user("alice");
    alice.prefer(preferences(&hooks, "alice@docket.test"), &ADDRESSES).await;
    for channel in [Channel::Email, Channel::Push, Channel::Webhook] {
        let request = v1::SendTestNotificationRequest { channel: channel.into(), ..Default::default() };
        let delivery =
            alice.notification_service().send_test_notification(request).await.unwrap().into_inner();
        assert_eq!(
            (delivery.channel(), delivery.state()),
            (channel, v1::delivery::State::Sent),
            "{delivery:?}"
        );
    }
    assert_eq!(mail.messages_of("alice@docket.test").await.len(), 1);
    assert_eq!(hooks.calls_of("/v1/projects/example/messages:send").len(), 1);
    assert_eq!(hooks.calls_of("/hooks/alice").len(), 1);
}

#[tokio::test]
async fn a_stack_gives_mails_to_sendgrid_and_hears_what_it_says() {
    let hooks = Hooks::start().await;
    let gateway = Gateway::start("api.sendgrid.com", &hooks).await;
    let refusal =
        json!({"errors": [{"message": "no such sender", "field": "from", "help": null}]}).to_string();
    hooks.answer_next(SENDGRID, [Answer::status(202), Answer::status(403).body(&refusal)]);
    let stack = Stack::builder(Path::new(DOCKET)).sendgrid(&gateway).start().await;
    let send = async |name: &str| {
        let user = stack.user(name);
        user.prefer(preferences(&hooks, &format!("{name}@docket.test")), &["email"]).await;
        let channel = Channel::Email.into();
        let request = v1::SendTestNotificationRequest { channel, ..Default::default() };
        user.notification_service().send_test_notification(request).await.unwrap().into_inner()
    };
    assert_eq!(send("alice").await.state(), v1::delivery::State::Sent);
    let [call] = &hooks.calls_of(SENDGRID)[..] else { panic!("{:?}", hooks.calls()) };
    assert_eq!(call.headers["authorization"], "Bearer SG.of-tests");
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body["personalizations"][0]["to"][0]["email"], "alice@docket.test");
    assert_eq!(body["from"]["email"], "docket@docket.test");
    assert_eq!(body["content"][0]["type"], "text/html");

    let refused = send("bob").await;
    assert_eq!(refused.state(), v1::delivery::State::Failed, "{refused:?}");
    assert!(refused.reason.contains("403") && refused.reason.contains("no such sender"), "{refused:?}");
    assert_eq!(hooks.calls_of(SENDGRID).len(), 2);
}

#[tokio::test]
async fn a_reminder_gets_to_people_in_production() {
    let ((postgres, kafka), (mail, hooks)) =
        tokio::join!(async { tokio::join!(Postgres::shared(), Kafka::shared()) }, async {
            tokio::join!(Mail::start(), Hooks::start())
        },);
    let database = postgres.database().await;
    let fleet = Fleet::builder(Path::new(DOCKET), &database, kafka)
        .reminders()
        .mail(&mail)
        .hooks(&hooks)
        .start()
        .await;
    let [alice] = &fleet.user("alice")[..] else { panic!("one task API") };
    alice.prefer(preferences(&hooks, "alice@docket.test"), &ADDRESSES).await;
    let channels = [Channel::Email, Channel::Push, Channel::Webhook].map(i32::from).to_vec();
    let soon = SystemClock.now() + TimeDelta::seconds(2);
    let reminder = v1::Reminder { moment: Some(Moment::RemindTime(soon.into())), channels };
    let task = alice.create(v1::Task { reminders: vec![reminder], ..once("Water the plants") }).await;

    let deliveries = alice.delivered_of(&task, 3).await;
    let states: Vec<_> = deliveries.iter().map(|delivery| delivery.state()).collect();
    assert_eq!(states, [v1::delivery::State::Sent; 3], "{deliveries:?}");
    let [message] = &mail.messages_of("alice@docket.test").await[..] else { panic!("not one mail") };
    assert!(message.subject.contains("Water the plants"), "{message:?}");
    assert_eq!(hooks.calls_of("/v1/projects/example/messages:send").len(), 1);
    assert_eq!(hooks.calls_of("/hooks/alice").len(), 1);
    fleet.settled(kafka).await;
    let [reminder] = &alice.reminders_of(&task).await[..] else { panic!("not one reminder") };
    assert_eq!(reminder.state(), v1::task_reminder::State::Sent);
}
