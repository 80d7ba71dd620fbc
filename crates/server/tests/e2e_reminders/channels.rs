//! When nothing fails: a reminder becomes one mail, one push message and one signed request, and every place that keeps
//! something of it has it once.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use docket_proto::v1;
use docket_proto::v1::delivery::{Kind, State as Sent};
use docket_proto::v1::reminder::{Channel, Moment};
use docket_proto::v1::task_reminder::State;
use docket_testkit::{Hook, PATIENCE, wait_for};
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::now;
use crate::person::{ahead, due_at, instant, reminder};
use crate::world::{PUSH, World};

#[tokio::test]
async fn a_reminder_becomes_one_mail_one_row_and_one_entry_of_the_log() {
    let world = World::shared().await;
    let alice = world.person("alice").await;
    let title = "Buy <milk> & \"bread\"";
    let asked = now();
    let task = alice.user.create(due_at(title, ahead(4_000), &[1])).await;
    world.mail.wait_for_messages(&alice.email, 1).await;
    let arrived = now();
    let reminders = alice.expect_reminders(&task, &[State::Sent]).await;
    alice.expect_told(&task, &["sent"]).await;
    let rows = alice.expect_ledger(&task, &[(Channel::Email, Sent::Sent)]).await;

    let mails = world.mail.messages_of(&alice.email).await;
    let [mail] = mails.as_slice() else { panic!("one mail, not {mails:?}") };
    assert_eq!(mail.to, [alice.email.as_str()]);
    assert_eq!(mail.from, "docket@docket.test");
    assert!(mail.subject.contains(title), "a subject is no HTML: {}", mail.subject);
    assert!(mail.html.contains("&lt;milk&gt;") && !mail.html.contains("<milk>"), "{}", mail.html);
    let row = &rows[0];
    assert_eq!((row.kind(), row.attempts, row.reason.as_str()), (Kind::Reminder, 1, ""));
    assert_eq!((&row.reminder_id, &row.title), (&reminders[0].reminder_id, &task.title));
    assert_eq!(row.remind_time, reminders[0].remind_time);
    let late = arrived - instant(row.remind_time);
    eprintln!(
        "from CreateTask to the mail: {} ms, of which {} ms after the reminder's moment; fired {} ms after it",
        (arrived - asked).num_milliseconds(),
        late.num_milliseconds(),
        (instant(reminders[0].fire_time) - instant(row.remind_time)).num_milliseconds(),
    );
    assert!(late >= docket_domain::TimeDelta::zero(), "it came before its moment: {late}");
}

#[tokio::test]
async fn each_channel_that_a_reminder_names_gets_it_once() {
    let world = World::shared().await;
    let bob = world.person("bob").await;
    let path = bob.webhook();
    let (token, webhook_url) =
        (format!("device-of-{}", bob.name), format!("{}{path}?a=b", world.hooks.url()));
    let preferences = v1::Preferences { push_tokens: vec![token.clone()], webhook_url, ..Default::default() };
    let secret = bob.prefer(preferences).await.unwrap().webhook_secret;
    let channels = [Channel::Email, Channel::Push, Channel::Webhook];
    let mut task = due_at("Call Eve", ahead(3_000), &[]);
    task.reminders = vec![reminder(Moment::RemindTime(ahead(3_000).into()), &channels)];
    let task = bob.user.create(task).await;
    let rows = bob.expect_ledger(&task, &channels.map(|channel| (channel, Sent::Sent))).await;
    bob.expect_reminders(&task, &[State::Sent]).await;
    bob.expect_told(&task, &["sent"]).await;

    assert_eq!(world.mail.messages_of(&bob.email).await.len(), 1);
    let webhooks = world.hooks.calls_of(&path);
    let [webhook] = webhooks.as_slice() else { panic!("one request, not {webhooks:?}") };
    assert_eq!((webhook.method.as_str(), webhook.path.as_str()), ("POST", format!("{path}?a=b").as_str()));
    expect_signed(webhook, &secret);
    let body: Value = serde_json::from_slice(&webhook.body).unwrap();
    assert_eq!(body["data"]["task_id"], task.task_id, "{body:#}");
    assert_eq!(webhook.headers["webhook-id"], rows[2].delivery_id, "whoever gets it twice can tell");

    let mut pushed: Vec<Value> =
        world.hooks.calls_of(PUSH).iter().map(|call| serde_json::from_slice(&call.body).unwrap()).collect();
    pushed.retain(|body: &Value| body["message"]["token"] == token.as_str());
    let [push] = pushed.as_slice() else { panic!("one push message, not {pushed:?}") };
    let message = &push["message"];
    assert!(message["notification"]["title"].as_str().unwrap().contains("Call Eve"), "{push:#}");
    assert!(message["notification"]["body"].is_string(), "{push:#}");
    let data = message["data"].as_object().unwrap();
    assert_eq!(data["task_id"], task.task_id, "{push:#}");
    assert!(data.values().all(Value::is_string), "FCM takes nothing else: {push:#}");
}

/// Checks a request as its receiver would, by the Standard Webhooks specification.
fn expect_signed(hook: &Hook, secret: &str) {
    let secret = BASE64_STANDARD.decode(secret).unwrap();
    assert_eq!(secret.len(), 32);
    let [id, time, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| hook.headers[name].as_str());
    let signature = BASE64_STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
    let mac = |body: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.chain_update(format!("{id}.{time}.")).chain_update(body)
    };
    mac(&hook.body).verify_slice(&signature).unwrap();
    mac(b"{}").verify_slice(&signature).unwrap_err();
    let age = now().timestamp() - time.parse::<i64>().unwrap();
    assert!((0..60).contains(&age), "signed {age} s ago");
}

#[tokio::test]
async fn each_reminder_of_a_task_comes_by_itself() {
    let world = World::shared().await;
    let carol = world.person("carol").await;
    let task = carol.user.create(due_at("Fly", ahead(5_000), &[3, 1, 2, 3_600])).await;
    // The last one is overdue at once, and not late enough to be missed.
    let reminders = carol.expect_reminders(&task, &[State::Sent; 4]).await;
    let rows = carol.expect_ledger(&task, &[(Channel::Email, Sent::Sent); 4]).await;
    for reminder in &reminders {
        let rows = rows.iter().filter(|row| row.reminder_id == reminder.reminder_id);
        let moments: Vec<_> = rows.map(|row| row.remind_time).collect();
        assert_eq!(moments, [reminder.remind_time], "each has its row");
        assert!(
            instant(reminder.fire_time) + docket_domain::TaskReminder::SKEW >= instant(reminder.remind_time)
        );
    }
    carol.expect_told(&task, &["sent"; 4]).await;
    assert_eq!(world.mail.messages_of(&carol.email).await.len(), 4);
}

#[tokio::test]
async fn a_test_goes_out_at_once() {
    let world = World::shared().await;
    let tess = world.person("tess").await;
    let sent = tess.send_test(Channel::Email).await.unwrap();
    assert_eq!((sent.kind(), sent.state(), sent.attempts), (Kind::Test, Sent::Sent, 1), "{sent:?}");
    let mails = world.mail.wait_for_messages(&tess.email, 1).await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    let rows = wait_for("a row", PATIENCE, async || match tess.ledger(None).await.unwrap().as_slice() {
        [row] => Ok(row.clone()),
        rows => Err(format!("{rows:?}")),
    })
    .await;
    assert_eq!(rows.delivery_id, sent.delivery_id);
}
