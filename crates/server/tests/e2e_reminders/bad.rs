//! What is set up or sent wrongly is told clearly, and nothing is lost by it.

use std::path::Path;
use std::time::Duration;

use docket_proto::v1;
use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::task_reminder::State;
use docket_testkit::callback::TopicEvent;
use docket_testkit::{Mail, PATIENCE, Stack, publish, wait_for};
use serde_json::Value;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::batch::{Batch, Often};
use crate::person::{Person, ahead, reminded_at};
use crate::world::{World, stack};

/// The component is not where the sidecar looks for it, and comes later.
#[tokio::test]
async fn mails_wait_for_a_binding_that_is_missing() {
    let mail = Mail::shared().await;
    let mut stack = stack(mail).start().await;
    let resource = stack.daprd().folder().join("resources/smtp.yaml");
    let component = std::fs::read_to_string(&resource).unwrap();
    stack.daprd().kill();
    std::fs::remove_file(&resource).unwrap();
    stack.daprd().restart().await;
    let yves = Person::of(&stack, "yves").await;
    let task = yves.user.create(reminded_at("Yawn", &[ahead(1_500)])).await;
    let row = wait_for("a row that says what is missing", PATIENCE, async || {
        match yves.ledger(Some(&task)).await.unwrap().as_slice() {
            [row] if row.state() == Sent::Pending && row.reason.contains("smtp") => Ok(row.clone()),
            rows => Err(format!("{rows:?}")),
        }
    })
    .await;
    eprintln!("a binding that is missing: {:?}", row.reason);
    yves.expect_reminders(&task, &[State::Fired]).await;
    assert_eq!(mail.messages_of(&yves.email).await, []);

    std::fs::write(&resource, component).unwrap();
    stack.daprd().restart().await;
    yves.expect_ledger(&task, &[(Channel::Email, Sent::Sent)]).await;
    yves.expect_reminders(&task, &[State::Sent]).await;
    assert_eq!(mail.messages_of(&yves.email).await.len(), 1);
}

#[tokio::test]
async fn requests_go_to_origins_that_are_allowed_and_to_no_others() {
    let world = World::shared().await;
    let zoe = world.person("zoe").await;
    let own = format!("{}/hook", world.hooks.url());
    let others = [
        "https://elsewhere.example.com/hook".to_owned(),
        "http://127.0.0.1:1/hook".to_owned(),
        "http://[::1]/hook".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        own.replace("http://", "http://user:password@"),
        own.replace("127.0.0.1", "127.0.0.2"),
    ];
    for webhook_url in others {
        let preferences = v1::Preferences { webhook_url: webhook_url.clone(), ..Default::default() };
        let refused = match zoe.prefer(preferences).await {
            Ok(preferences) => panic!("{webhook_url} is taken: {preferences:?}"),
            Err(status) => status,
        };
        assert_eq!(refused.code(), Code::InvalidArgument, "{webhook_url}: {refused:?}");
        let violations = refused.get_error_details().bad_request().unwrap().field_violations.clone();
        let [violation] = violations.as_slice() else { panic!("{violations:?}") };
        assert!(violation.field.ends_with("webhook_url"), "{violation:?}");
        assert!(!violation.description.is_empty(), "{violation:?}");
    }
    zoe.prefer(v1::Preferences { webhook_url: own, ..Default::default() }).await.unwrap();
}

/// Without the leave for it, nobody's own network is called: neither by users nor by the configuration.
#[tokio::test]
async fn private_addresses_are_refused_where_nobody_allows_them() {
    let mut docket = docket_testkit::Docket::builder(Path::new(crate::DOCKET))
        .env("DOCKET_DAPR__ENABLED", "false")
        .env("DOCKET_NOTIFICATION__WEBHOOK__KIND", "http")
        .env("DOCKET_NOTIFICATION__WEBHOOK__ORIGINS", r#"{"https://127.0.0.1:8443"="hooks"}"#)
        .spawn();
    let status = docket.wait_exit().await;
    assert!(!status.success(), "{status}");
    let log = docket.log_text();
    assert!(log.contains("webhook.origins") && log.contains("https://127.0.0.1:8443"), "{log}");
}

/// What cannot be read is put aside, and what came with it goes its way.
#[tokio::test]
async fn poison_among_due_reminders_becomes_a_dead_letter() {
    let mail = Mail::shared().await;
    let mut stack = stack(mail).start().await;
    let olivia = Person::of(&stack, "olivia").await;
    let batch = Batch::create(&olivia, 20, ahead(2_000), Duration::from_secs(2)).await;
    let topic = "reminders";
    let poison = ["no event at all", r#"{"specversion":"1.0"}"#, &due_without_its_data()].map(str::to_owned);
    for (number, poison) in poison.iter().enumerate() {
        batch.given(5 * (number + 1), PATIENCE).await;
        let event = TopicEvent::raw("pubsub", topic, poison.clone());
        let token = stack.api_token().to_owned();
        publish::publish(stack.daprd().channel(), Some(&token), event).await.unwrap();
    }
    batch.expect_sent_once("poison among them", mail, Often::Once, PATIENCE).await;
    stack.settled().await;
    let letters = wait_for("dead letters", PATIENCE, async || {
        let letters = letters(&stack);
        if letters.len() == poison.len() { Ok(letters) } else { Err(format!("{letters:#?}")) }
    })
    .await;
    let mut handlers: Vec<&str> = letters.iter().map(|letter| letter["handler"].as_str().unwrap()).collect();
    handlers.sort();
    // Two were no events at all, and the third was one that nobody can read.
    assert_eq!(handlers, ["envelope", "envelope", "notification"]);
    for letter in &letters {
        assert_eq!(letter["topic"], topic, "{letter:#}");
        assert_ne!(letter["reason"], "", "{letter:#}");
    }
}

/// The envelope of a reminder that is due, around something else.
fn due_without_its_data() -> String {
    serde_json::json!({
        "specversion": "1.0",
        "id": uuid::Uuid::new_v4(),
        "source": "docket/reminders",
        "type": "com.todo.reminder.due",
        "subject": uuid::Uuid::new_v4(),
        "time": "2027-01-01T10:20:30Z",
        "datacontenttype": "application/json",
        "data": {"schema_version": 1, "user_id": "mallory"},
    })
    .to_string()
}

/// `docket dlq list`.
fn letters(stack: &Stack) -> Vec<Value> {
    let said = stack.docket.run(&["dlq", "--format", "json", "list"]);
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
