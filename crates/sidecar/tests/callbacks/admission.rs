//! Who may call, and what is answered when nobody is there to handle it.

use std::sync::Arc;

use dapr::dapr::proto::common::v1::InvokeRequest;
use dapr::dapr::proto::runtime::v1 as pb;
use docket_sidecar::{Bulk, Config, Guard, Router, TopicHandler};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::harness::{App, Grave, Last, Scripted, TOKEN, TOPIC, config, event, raw, signed};

#[tokio::test]
async fn only_the_sidecar_itself_may_deliver() {
    let handler = Scripted::new("audit", []);
    let app = App::start(config(), std::slice::from_ref(&handler)).await;
    let check = async |headers: &[(&'static str, &'static str)], expect: Result<(), Code>| {
        let mut request = Request::new(raw(event("a", 1)));
        for (name, value) in headers {
            request.metadata_mut().append(*name, value.parse().unwrap());
        }
        let before = handler.seen().len();
        let answer = app.callback().on_topic_event(request).await;
        if let Err(status) = &answer {
            let info = status.get_details_error_info().expect("an ErrorInfo");
            assert_eq!((info.reason.as_str(), info.domain.as_str()), ("INTERNAL_METHOD", "docket.dev"));
            assert_eq!(info.metadata["method"], "dapr.proto.runtime.v1.AppCallback/OnTopicEvent");
        }
        assert_eq!(answer.map(|_| ()).map_err(|status| status.code()), expect, "{headers:?}");
        assert_eq!(handler.seen().len() - before, usize::from(expect.is_ok()), "{headers:?}");
    };
    let token = ("dapr-api-token", TOKEN);
    check(&[token], Ok(())).await;
    check(&[("dapr-api-token", "from the event's metadata"), token], Ok(())).await;
    check(&[], Err(Code::PermissionDenied)).await;
    check(&[("dapr-api-token", "")], Err(Code::PermissionDenied)).await;
    check(&[("dapr-api-token", "the-token-of-the-apq")], Err(Code::PermissionDenied)).await;
    check(&[token, ("dapr-app-id", "docket")], Err(Code::PermissionDenied)).await;
    check(&[token, ("dapr-callee-app-id", "docket")], Err(Code::PermissionDenied)).await;
    check(&[token, ("dapr-caller-app-id", "stranger")], Err(Code::PermissionDenied)).await;
}

#[tokio::test]
async fn what_nobody_handles_is_neither_acknowledged_nor_unimplemented() {
    let handler = Scripted::new("audit", []);
    let app = App::start(config(), std::slice::from_ref(&handler)).await;
    let mut callback = app.callback();
    let topic = pb::TopicEventRequest { topic: "reminders".to_owned(), ..raw(event("a", 1)) };
    let pubsub = pb::TopicEventRequest { pubsub_name: "kafka".to_owned(), ..raw(event("a", 1)) };
    let bulk = pb::TopicEventBulkRequest { topic: "reminders".to_owned(), ..Default::default() };
    let job = pb::JobEventRequest { name: "reminder-1".to_owned(), ..Default::default() };
    let binding = pb::BindingEventRequest { name: "cron".to_owned(), ..Default::default() };
    let refusals = [
        callback.on_topic_event(signed(topic)).await.unwrap_err(),
        callback.on_topic_event(signed(pubsub)).await.unwrap_err(),
        callback.on_bulk_topic_event(signed(bulk)).await.unwrap_err(),
        callback.on_job_event(signed(job)).await.unwrap_err(),
        callback.on_binding_event(signed(binding)).await.unwrap_err(),
    ];
    for status in refusals {
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.get_details_error_info().expect("an ErrorInfo").reason, "INTERNAL");
    }
    let invoked = callback.on_invoke(signed(InvokeRequest::default())).await.unwrap_err();
    assert_eq!(invoked.code(), Code::Unimplemented);
    let bindings = callback.list_input_bindings(signed(())).await.unwrap().into_inner().bindings;
    assert_eq!(bindings, Vec::<String>::new());
    assert_eq!(handler.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn each_topic_is_subscribed_once_and_raw() {
    let raw = || [("rawPayload".to_owned(), "true".to_owned())].into();
    let plain = pb::TopicSubscription {
        pubsub_name: "pubsub".to_owned(),
        topic: TOPIC.to_owned(),
        metadata: raw(),
        ..Default::default()
    };
    let full = pb::TopicSubscription {
        dead_letter_topic: "task-events-dlq".to_owned(),
        bulk_subscribe: Some(pb::BulkSubscribeConfig {
            enabled: true,
            max_messages_count: 100,
            max_await_duration_ms: 5,
        }),
        ..plain.clone()
    };
    let bulk =
        Config { bulk: Some(Bulk::default()), dead_letter_suffix: Some("-dlq".to_owned()), ..config() };
    for (config, expect) in [(config(), plain), (bulk, full)] {
        let app = App::start(config, &[Scripted::new("audit", []), Scripted::new("recurrence", [])]).await;
        // Without the token: daprd sends none with this question.
        let answer = app.callback().list_topic_subscriptions(()).await.unwrap().into_inner();
        assert_eq!(answer.subscriptions, [expect]);
    }
}

#[tokio::test]
async fn a_topic_of_dead_letters_has_none_of_its_own_and_comes_one_by_one() {
    let config =
        Config { bulk: Some(Bulk::default()), dead_letter_suffix: Some("-dlq".to_owned()), ..config() };
    let last = Arc::new(Last(Scripted::new("deadletters", [])));
    let app = App::with(config, [last as Arc<dyn TopicHandler>], |router| router).await;
    let answer = app.callback().list_topic_subscriptions(()).await.unwrap().into_inner();
    let [subscription] = &answer.subscriptions[..] else { panic!("{answer:?}") };
    assert_eq!((subscription.dead_letter_topic.as_str(), &subscription.bulk_subscribe), ("", &None));
    assert_eq!(subscription.metadata["rawPayload"], "true");
}

#[test]
fn handlers_of_a_topic_have_different_names() {
    let grave = Arc::new(Grave::default());
    let router = Router::new(&config(), Arc::new(|| 0.5));
    let router = router.subscribe("pubsub", TOPIC, Scripted::new("audit", []), grave.clone()).unwrap();
    let router = router.subscribe("pubsub", "reminders", Scripted::new("audit", []), grave.clone()).unwrap();
    assert_eq!(router.topics().count(), 2);
    let error = router.subscribe("pubsub", TOPIC, Scripted::new("audit", []), grave).err().unwrap();
    assert_eq!(error.to_string(), "topic \"task-events\" has two handlers named \"audit\"");
}

#[test]
fn callbacks_are_not_left_open_by_accident() {
    let open = Config { app_api_token: None, ..config() };
    let error = Guard::new(&open).unwrap_err().to_string();
    assert!(error.contains("APP_API_TOKEN"), "{error}");
    assert!(Guard::new(&Config { insecure: true, ..open }).is_ok());
}
