//! What each channel says to its output binding, and what it makes of the answer.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use docket_domain::{DeliveryId, EmailAddress, Locale, WebhookOrigin, WebhookUrl};
use futures::future::join_all;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tonic::Code;

use super::*;
use crate::channel::Binding;
use crate::channel::email::Sendgrid;
use crate::channel::push::Fcm;
use crate::channel::smtp::Smtp;
use crate::channel::webhook::Http;
use crate::render::{Letter, Message};

/// A call as the sidecar got it.
#[derive(Clone, Debug)]
struct Call {
    name: String,
    operation: String,
    data: String,
    metadata: HashMap<String, String>,
}

type Answer = Result<BindingAnswer, SidecarError>;

/// A sidecar that answers as it is told, and remembers what it was asked.
#[derive(Default)]
struct Sidecar {
    calls: Mutex<Vec<Call>>,
    answers: Mutex<VecDeque<Answer>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    frozen: AtomicBool,
    questions: AtomicUsize,
}

impl Sidecar {
    fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    fn binding(self: &Arc<Self>, name: &str) -> Binding {
        Binding { bindings: self.clone(), name: name.to_owned(), deadline: Duration::from_secs(20) }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Bindings for Sidecar {
    async fn call(&self, call: BindingCall<'_>) -> Answer {
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_under_way.fetch_max(under_way, Ordering::SeqCst);
        self.calls.lock().unwrap().push(Call {
            name: call.name.to_owned(),
            operation: call.operation.to_owned(),
            data: String::from_utf8(call.data).unwrap(),
            metadata: call.metadata,
        });
        tokio::task::yield_now().await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        self.answers.lock().unwrap().pop_front().unwrap_or_else(|| Ok(BindingAnswer::default()))
    }

    async fn components(&self) -> Result<Vec<String>, SidecarError> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        match self.frozen.load(Ordering::SeqCst) {
            true => Err(SidecarError::Deadline(Duration::from_secs(5))),
            false => Ok(Vec::new()),
        }
    }
}

fn deadline() -> Answer {
    Err(SidecarError::Deadline(Duration::from_secs(20)))
}

fn said(text: &str) -> Answer {
    let message = format!("error invoking output binding smtp: {text}");
    Err(SidecarError::Rejected { code: Code::Internal, message })
}

fn status(code: u16, body: &Value) -> Answer {
    let metadata = HashMap::from([("statusCode".to_owned(), code.to_string())]);
    Ok(BindingAnswer { data: body.to_string().into_bytes(), metadata })
}

fn recipient(name: &str) -> Recipient {
    let preferences = Preferences {
        email: Some(EmailAddress::parse(&format!("{name}@example.com")).unwrap()),
        push_tokens: vec!["token-1".to_owned(), "token-2".to_owned()],
        webhook: Some(WebhookUrl::parse("https://hooks.example.com/in/box?user=a%20b").unwrap()),
        ..Preferences::default()
    };
    Recipient { preferences, webhook_secret: Some([3; 32]), unsubscribe: Some([9; 16]) }
}

fn id() -> DeliveryId {
    "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".parse().unwrap()
}

fn message() -> Message {
    let user = alice();
    let letter = Letter {
        delivery: id(),
        user: &user,
        channel: Way::Webhook,
        locale: Locale::En,
        zone: None,
        unsubscribe: None,
        time: START.parse().unwrap(),
        now: START.parse().unwrap(),
    };
    Renderer::new(None).unwrap().test(&letter).unwrap()
}

/// Sends the message of a test.
async fn send(channel: &dyn Channel, to: &Recipient) -> Outcome {
    let begin_by = tokio::time::Instant::now() + Duration::from_secs(35);
    send_by(channel, to, begin_by).await
}

async fn send_by(channel: &dyn Channel, to: &Recipient, begin_by: tokio::time::Instant) -> Outcome {
    let (user, message) = (alice(), message());
    let now = START.parse().unwrap();
    channel.send(Parcel { id: id(), user: &user, to, message: &message, now, begin_by }).await
}

fn smtp(sidecar: &Arc<Sidecar>) -> Smtp {
    Smtp::new(sidecar.binding("smtp"), "Docket <docket@example.com>").with_rest(Duration::ZERO)
}

#[tokio::test]
async fn mail_goes_out_one_by_one_and_says_everything_each_time() {
    let sidecar = Sidecar::new([]);
    let smtp = smtp(&sidecar);
    let users: Vec<Recipient> = (0..8).map(|n| recipient(&format!("user{n}"))).collect();
    let outcomes = join_all(users.iter().map(|to| send(&smtp, to))).await;
    assert_eq!(outcomes, vec![Outcome::Sent; 8]);
    assert_eq!(sidecar.most_under_way.load(Ordering::SeqCst), 1);
    for (n, call) in sidecar.calls().iter().enumerate() {
        let expect = [
            ("emailFrom", "Docket <docket@example.com>".to_owned()),
            ("emailTo", format!("user{n}@example.com")),
            ("subject", message().subject),
            ("priority", "3".to_owned()),
        ];
        let expect: HashMap<String, String> =
            expect.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        assert_eq!(call.metadata, expect);
        assert_eq!((call.name.as_str(), call.operation.as_str()), ("smtp", "create"));
        assert_eq!(call.data, message().html);
    }
    assert_eq!(sidecar.questions.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn after_a_call_whose_end_is_unknown_the_next_waits_for_a_sidecar_that_answers() {
    let sidecar = Sidecar::new([deadline()]);
    let (smtp, to) = (smtp(&sidecar), recipient("alice"));
    assert!(matches!(send(&smtp, &to).await, Outcome::Unknown(_)));
    sidecar.frozen.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        assert!(matches!(send(&smtp, &to).await, Outcome::Later(_)));
    }
    assert_eq!(sidecar.calls().len(), 1, "nothing is begun while it does not answer");
    sidecar.frozen.store(false, Ordering::SeqCst);
    assert_eq!(send(&smtp, &to).await, Outcome::Sent);
    assert_eq!(send(&smtp, &to).await, Outcome::Sent);
    assert_eq!(sidecar.questions.load(Ordering::SeqCst), 3, "and it is not asked again after that");
}

#[tokio::test]
async fn a_call_that_the_sidecar_gave_up_is_as_unknown_as_one_that_was_given_up_here() {
    let sidecar = Sidecar::new([said("context deadline exceeded"), said("circuit breaker is open")]);
    let (smtp, to) = (smtp(&sidecar), recipient("alice"));
    assert!(matches!(send(&smtp, &to).await, Outcome::Unknown(_)));
    sidecar.frozen.store(true, Ordering::SeqCst);
    assert!(matches!(send(&smtp, &to).await, Outcome::Later(_)));
    assert_eq!(sidecar.calls().len(), 1, "the binding may still be at it");
    sidecar.frozen.store(false, Ordering::SeqCst);
    assert!(matches!(send(&smtp, &to).await, Outcome::Later(said) if said.contains("circuit breaker")));
    assert_eq!(send(&smtp, &to).await, Outcome::Sent);
    assert_eq!(sidecar.questions.load(Ordering::SeqCst), 2, "an open circuit leaves no doubt");
}

#[tokio::test]
async fn a_call_that_nobody_waited_for_counts_as_unknown() {
    let sidecar = Sidecar::new([]);
    let (smtp, to) = (smtp(&sidecar), recipient("alice"));
    {
        let dropped = send(&smtp, &to);
        tokio::pin!(dropped);
        assert!(futures::poll!(dropped.as_mut()).is_pending());
    }
    assert_eq!(send(&smtp, &to).await, Outcome::Sent);
    assert_eq!(sidecar.questions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_the_mail_server_answers_leaves_no_doubt() {
    let sidecar = Sidecar::new([
        said("error from smtp binding, sending email failed: gomail: could not send email 1: 550 5.1.1 no"),
        said("error from smtp binding, sending email failed: gomail: could not send email 1: 421 busy"),
        said("couldn't find output binding smtp"),
    ]);
    let (smtp, to) = (smtp(&sidecar), recipient("alice"));
    assert!(matches!(send(&smtp, &to).await, Outcome::Refused(reason) if reason.contains("550 5.1.1 no")));
    assert!(matches!(send(&smtp, &to).await, Outcome::Later(_)));
    assert_eq!(send(&smtp, &to).await, Outcome::Missing { binding: "smtp".to_owned() });
    assert_eq!(send(&smtp, &to).await, Outcome::Sent);
    assert_eq!(sidecar.questions.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn mail_that_others_were_before_for_too_long_is_not_begun() {
    let sidecar = Sidecar::new([]);
    let past = tokio::time::Instant::now() - Duration::from_secs(1);
    assert_eq!(send_by(&smtp(&sidecar), &recipient("alice"), past).await, Outcome::NotBegun);
    assert_eq!(sidecar.calls().len(), 0);
}

#[tokio::test]
async fn sendgrid_gets_the_name_of_the_sender_apart() {
    let sidecar = Sidecar::new([]);
    let sendgrid = Sendgrid::new(sidecar.binding("sendgrid"), "My Docket <docket@example.com>", 4);
    assert_eq!(send(&sendgrid, &recipient("alice")).await, Outcome::Sent);
    let metadata = &sidecar.calls()[0].metadata;
    let of = |key: &str| metadata[key].as_str();
    assert_eq!((of("emailFrom"), of("emailFromName")), ("docket@example.com", "My Docket"));
    assert_eq!(of("emailTo"), "alice@example.com");
}

#[tokio::test]
async fn a_request_is_signed_and_goes_to_the_path_of_the_url() {
    let sidecar = Sidecar::new([status(204, &json!(null))]);
    let origin = WebhookOrigin::parse("https://hooks.example.com", false).unwrap();
    let http = Http::new(BTreeMap::from([(origin, sidecar.binding("hooks"))]), 4);
    assert_eq!(send(&http, &recipient("alice")).await, Outcome::Sent);
    let call = &sidecar.calls()[0];
    let of = |key: &str| call.metadata[key].as_str();
    assert_eq!((call.name.as_str(), call.operation.as_str()), ("hooks", "post"));
    assert_eq!((of("path"), of("errorIfNot2XX")), ("/in/box?user=a%20b", "false"));
    let time: Instant = START.parse().unwrap();
    assert_eq!(of("Webhook-Id"), id().to_string());
    assert_eq!(of("Webhook-Timestamp"), time.timestamp().to_string());
    let signed = format!("{}.{}.{}", id(), time.timestamp(), call.data);
    let mac = Hmac::<Sha256>::new_from_slice(&[3; 32]).unwrap().chain_update(signed).finalize().into_bytes();
    let expect = base64::engine::general_purpose::STANDARD.encode(mac);
    assert_eq!(of("Webhook-Signature"), format!("v1,{expect}"));
    let body: Value = serde_json::from_str(&call.data).unwrap();
    assert_eq!(body["type"], "docket.test");
    assert_eq!(body["data"]["delivery_id"], id().to_string());
}

#[tokio::test]
async fn a_webhook_that_refuses_or_is_not_allowed_any_more_is_told_from_one_that_is_busy() {
    let sidecar = Sidecar::new([status(410, &json!({})), status(503, &json!({})), deadline()]);
    let origin = WebhookOrigin::parse("https://hooks.example.com", false).unwrap();
    let http = Http::new(BTreeMap::from([(origin, sidecar.binding("hooks"))]), 4);
    let to = recipient("alice");
    assert_eq!(send(&http, &to).await, Outcome::Refused("the webhook answered 410".to_owned()));
    assert_eq!(send(&http, &to).await, Outcome::Later("the webhook answered 503".to_owned()));
    assert!(matches!(send(&http, &to).await, Outcome::Unknown(_)));
    let elsewhere = Http::new(BTreeMap::new(), 4);
    assert!(matches!(send(&elsewhere, &to).await, Outcome::Refused(_)));
    assert_eq!(sidecar.calls().len(), 3);
}

#[tokio::test]
async fn a_path_that_may_lead_to_another_host_is_not_called() {
    let sidecar = Sidecar::new([]);
    let origin = WebhookOrigin::parse("https://hooks.example.com", false).unwrap();
    let http = Http::new(BTreeMap::from([(origin, sidecar.binding("hooks"))]), 4);
    let mut to = recipient("alice");
    // The domain may refuse it, too; then nobody has such a URL.
    let Ok(url) = WebhookUrl::parse("https://hooks.example.com//eve.example.com/x") else { return };
    to.preferences.webhook = Some(url);
    assert!(matches!(send(&http, &to).await, Outcome::Refused(_)));
    assert_eq!(sidecar.calls().len(), 0);
}

#[tokio::test]
async fn a_key_that_is_refused_is_told_from_a_message_that_is() {
    let sidecar = Sidecar::new([status(401, &json!({})), status(400, &json!({}))]);
    let fcm = Fcm::new(sidecar.binding("fcm"), 4);
    let denied = "the push service answered 401".to_owned();
    assert_eq!(send(&fcm, &recipient("alice")).await, Outcome::Denied(denied));
}

#[test]
fn only_the_log_is_read_by_others() {
    let bindings: Arc<dyn Bindings> = Sidecar::new([]);
    let of = |config: &Config| crate::channel::channels(config, &bindings)[&Way::Email].is_private();
    let mut config = Config::default();
    assert!(!of(&config));
    config.email.kind = crate::config::EmailKind::Smtp;
    assert!(of(&config));
}

#[tokio::test]
async fn a_push_message_has_the_shape_of_fcm_and_one_token_is_enough() {
    let gone = json!({ "error": { "status": "NOT_FOUND", "details": [{ "errorCode": "UNREGISTERED" }] } });
    let sidecar = Sidecar::new([status(404, &gone), status(200, &json!({}))]);
    let fcm = Fcm::new(sidecar.binding("fcm"), 4);
    let to = recipient("alice");
    assert_eq!(send(&fcm, &to).await, Outcome::Sent);
    let calls = sidecar.calls();
    for (call, token) in calls.iter().zip(["token-1", "token-2"]) {
        assert_eq!((call.name.as_str(), call.operation.as_str()), ("fcm", "post"));
        assert_eq!(call.metadata["errorIfNot2XX"], "false");
        let body: Value = serde_json::from_str(&call.data).unwrap();
        let notification = json!({ "title": "Test message", "body": message().body });
        assert_eq!(
            (&body["message"]["token"], &body["message"]["notification"]),
            (&json!(token), &notification)
        );
        let data = body["message"]["data"].as_object().unwrap();
        assert!(data.values().all(Value::is_string) && data["delivery_id"] == id().to_string(), "{data:?}");
    }
    let sidecar =
        Sidecar::new([status(404, &gone), status(404, &gone), status(404, &gone), status(503, &json!({}))]);
    let fcm = Fcm::new(sidecar.binding("fcm"), 4);
    let refused = "the push service answered 404 UNREGISTERED".to_owned();
    assert_eq!(send(&fcm, &to).await, Outcome::Refused(refused));
    assert!(matches!(send(&fcm, &to).await, Outcome::Later(_)));
}

/// A real client, and nobody who listens.
#[tokio::test]
async fn a_sidecar_that_is_not_there_leaves_no_doubt() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = docket_sidecar::Config { endpoint: Some(endpoint), ..docket_sidecar::Config::default() };
    let bindings: Arc<dyn Bindings> = Arc::new(docket_sidecar::Client::connect_lazy(&config).unwrap());
    let binding = Binding { bindings, name: "smtp".to_owned(), deadline: Duration::from_secs(20) };
    let smtp = Smtp::new(binding, "docket@example.com").with_rest(Duration::ZERO);
    for _ in 0..2 {
        let outcome = send(&smtp, &recipient("alice")).await;
        assert_eq!(outcome, Outcome::Later("the sidecar can not be reached".to_owned()));
    }
}
