//! What `NotificationService` answers.

use docket_proto::v1;
use docket_proto::v1::notification_service_server::NotificationService as _;
use docket_rpc::{Caller, Port};
use docket_store::outbox::PendingEvent;
use docket_wire::preferences_event;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::*;
use crate::config::{Webhook, WebhookKind};
use crate::service::Service;

pub(crate) fn service(world: &World) -> Service {
    let lane = world.parts.sender.lane.clone();
    let counter = AtomicU64::new(1);
    let random = move || [u8::try_from(counter.fetch_add(1, Ordering::SeqCst)).unwrap(); 32];
    Service::new(lane, Arc::new(random))
}

/// A call of `alice`.
pub(crate) fn call<T>(body: T) -> Request<T> {
    let mut request = Request::new(body);
    let caller = Caller {
        subject: alice(),
        user: Some(alice()),
        service: false,
        scopes: Default::default(),
        port: Port::Public,
    };
    request.extensions_mut().insert(caller);
    request
}

pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

async fn update(service: &Service, preferences: v1::Preferences) -> Result<v1::Preferences, Status> {
    let body = v1::UpdatePreferencesRequest { preferences: Some(preferences), ..Default::default() };
    service.update_preferences(call(body)).await.map(tonic::Response::into_inner)
}

async fn events(world: &World) -> Vec<PendingEvent> {
    world.store.outbox_of("task-events", "alice", 0, 100).await.unwrap()
}

#[tokio::test]
async fn a_change_is_kept_and_told_and_no_change_is_not() {
    let world = World::new().await;
    let service = service(&world);
    let none = service.get_preferences(call(v1::GetPreferencesRequest {})).await.unwrap().into_inner();
    assert_eq!(
        (none.time_zone.as_str(), none.all_day_time.as_str(), none.etag.as_str()),
        ("UTC", "09:00", "p0")
    );
    let wanted = v1::Preferences {
        email: "alice@example.com".to_owned(),
        all_day_time: "07:30".to_owned(),
        etag: "p0".to_owned(),
        ..v1::Preferences::default()
    };
    let changed = update(&service, wanted.clone()).await.unwrap();
    assert_eq!((changed.email.as_str(), changed.etag.as_str()), ("alice@example.com", "p1"));
    let stale = update(&service, wanted.clone()).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale)), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let same = update(&service, v1::Preferences { etag: String::new(), ..wanted }).await.unwrap();
    assert_eq!(same, changed);
    let events = events(&world).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_type, "com.todo.preferences.updated");
    let notice = preferences_event::decode(&events[0].payload).unwrap();
    assert_eq!((notice.sequence, notice.all_day_time.to_string()), (1, "07:30".to_owned()));
}

#[tokio::test]
async fn what_is_wrong_is_told_all_at_once_and_costs_no_statement() {
    let world = World::new().await;
    let service = service(&world);
    let wanted = v1::Preferences {
        email: "alice@example.com\r\nBcc: eve@example.com".to_owned(),
        webhook_url: "https://127.0.0.1/x".to_owned(),
        locale: "fr".to_owned(),
        ..v1::Preferences::default()
    };
    let before = world.store.statements().count();
    let status = update(&service, wanted).await.unwrap_err();
    assert_eq!(world.store.statements().count(), before);
    let details = status.get_error_details();
    let fields = details.bad_request().unwrap().field_violations.iter().map(|one| one.field.as_str());
    let fields: Vec<&str> = fields.collect();
    assert_eq!(fields, ["preferences.email", "preferences.webhook_url", "preferences.locale"]);
}

#[tokio::test]
async fn the_secret_of_a_webhook_is_told_once_and_changes_with_the_url() {
    let origins = BTreeMap::from([("https://hooks.example.com".to_owned(), "hooks".to_owned())]);
    let webhook = Webhook { kind: Some(WebhookKind::Http), origins, allow_private: false };
    let world = World::with(Config { webhook, ..Config::default() }).await;
    let service = service(&world);
    let url = |path: &str| v1::Preferences {
        webhook_url: format!("https://hooks.example.com/{path}"),
        ..v1::Preferences::default()
    };
    let first = update(&service, url("a")).await.unwrap().webhook_secret;
    assert_eq!(first.len(), 44);
    let german = v1::Preferences { locale: "de".to_owned(), ..v1::Preferences::default() };
    assert_eq!(update(&service, german).await.unwrap().webhook_secret, "");
    let read = service.get_preferences(call(v1::GetPreferencesRequest {})).await.unwrap().into_inner();
    assert_eq!(read.webhook_secret, "");
    let second = update(&service, url("b")).await.unwrap().webhook_secret;
    assert!(second.len() == 44 && second != first);
    let elsewhere =
        v1::Preferences { webhook_url: "https://eve.example.com/".to_owned(), ..Default::default() };
    let refused = update(&service, elsewhere).await.unwrap_err();
    assert!(refused.message().contains("https://hooks.example.com"), "{}", refused.message());
}

#[tokio::test]
async fn a_change_that_is_repeated_gets_the_first_answer_with_its_secret() {
    let origins = BTreeMap::from([("https://hooks.example.com".to_owned(), "hooks".to_owned())]);
    let webhook = Webhook { kind: Some(WebhookKind::Http), origins, allow_private: false };
    let world = World::with(Config { webhook, ..Config::default() }).await;
    let service = service(&world);
    let change = async |path: &str, request_id: &Uuid| {
        let webhook_url = format!("https://hooks.example.com/{path}");
        let body = v1::UpdatePreferencesRequest {
            preferences: Some(v1::Preferences { webhook_url, ..Default::default() }),
            request_id: request_id.to_string(),
            ..Default::default()
        };
        service.update_preferences(call(body)).await.map(tonic::Response::into_inner)
    };
    let [one, two] = [Uuid::new_v4(), Uuid::new_v4()];
    let first = change("a", &one).await.unwrap();
    assert_eq!(first.webhook_secret.len(), 44);
    let second = change("b", &two).await.unwrap();
    assert_eq!((change("a", &one).await.unwrap(), change("b", &two).await.unwrap()), (first, second.clone()));
    let reused = change("c", &one).await.unwrap_err();
    assert_eq!((reused.code(), reason(&reused).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let read = service.get_preferences(call(v1::GetPreferencesRequest {})).await.unwrap().into_inner();
    assert_eq!((read.webhook_url, read.etag), (second.webhook_url, second.etag));
    assert_eq!(events(&world).await.len(), 2, "no repetition is told of");
}

#[tokio::test]
async fn a_summary_is_next_due_when_the_user_says_so() {
    let world = World::new().await;
    let service = service(&world);
    let at = |time: &str, zone: &str| v1::Preferences {
        digest: Some(v1::preferences::Digest { time: time.to_owned(), channels: Vec::new() }),
        time_zone: zone.to_owned(),
        ..v1::Preferences::default()
    };
    let next = async || world.store.preferences(&alice()).await.unwrap().unwrap().next_digest_time;
    let instant = |text: &str| Some(text.parse::<Instant>().unwrap());
    update(&service, at("08:00", "Europe/Berlin")).await.unwrap();
    assert_eq!(next().await, instant("2026-12-05T07:00:00Z"));
    update(&service, at("16:00", "Europe/Berlin")).await.unwrap();
    assert_eq!(next().await, instant("2026-12-04T15:00:00Z"));
    update(&service, at("16:00", "Asia/Tokyo")).await.unwrap();
    assert_eq!(next().await, instant("2026-12-05T07:00:00Z"));
    let none = v1::UpdatePreferencesRequest {
        preferences: Some(v1::Preferences::default()),
        update_mask: Some(pbjson_types::FieldMask { paths: vec!["digest".to_owned()] }),
        ..Default::default()
    };
    service.update_preferences(call(none)).await.unwrap();
    assert_eq!(next().await, None);
}

async fn test_by(service: &Service, channel: Way) -> Result<v1::Delivery, Status> {
    let channel = docket_wire::answer::channel_to_proto(channel).into();
    let body = v1::SendTestNotificationRequest { channel, ..Default::default() };
    service.send_test_notification(call(body)).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_test_is_tried_once_and_the_answer_tells_how_it_ended() {
    let world = World::new().await;
    let service = service(&world);
    let hours = docket_domain::QuietHours::new("14:00".parse().unwrap(), "18:00".parse().unwrap());
    world.prefer(Preferences { quiet_hours: hours, ..Preferences::default() }).await;
    world.email.will([
        Outcome::Sent,
        Outcome::Later("450 come again".to_owned()),
        Outcome::Unknown("no answer".to_owned()),
        Outcome::Refused("550 no".to_owned()),
    ]);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let sent = test_by(&service, Way::Email).await.unwrap();
        world.clock.turn(TimeDelta::seconds(10));
        assert_eq!((sent.kind(), sent.attempts), (v1::delivery::Kind::Test, 1));
        assert!(sent.finish_time.is_some());
        seen.push((sent.state(), sent.reason));
    }
    use v1::delivery::State;
    let expect = [
        (State::Sent, ""),
        (State::Failed, "450 come again"),
        (State::Unknown, "no answer"),
        (State::Failed, "550 no"),
    ];
    assert_eq!(seen, expect.map(|(state, reason)| (state, reason.to_owned())));
    world.clock.turn(TimeDelta::days(1));
    world.turn().await;
    assert_eq!(world.email.take().len(), 4, "none of them again");
    let listed =
        service.list_deliveries(call(v1::ListDeliveriesRequest { page_size: 3, ..Default::default() })).await;
    let listed = listed.unwrap().into_inner();
    assert_eq!(listed.deliveries.len(), 3);
    let rest = v1::ListDeliveriesRequest { page_token: listed.next_page_token, ..Default::default() };
    let rest = service.list_deliveries(call(rest)).await.unwrap().into_inner();
    assert_eq!((rest.deliveries.len(), rest.next_page_token.as_str()), (1, ""));
}

#[tokio::test]
async fn a_test_needs_a_channel_that_is_offered_and_an_address() {
    let world = World::new().await;
    let service = service(&world);
    let status = test_by(&service, Way::Push).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::FailedPrecondition, "CHANNEL_UNAVAILABLE".to_owned())
    );
    world.email.homeless.store(true, Ordering::SeqCst);
    let status = test_by(&service, Way::Email).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status)),
        (Code::FailedPrecondition, "CHANNEL_ADDRESS_MISSING".to_owned())
    );
    assert_eq!(world.rows().await, []);
}

#[tokio::test]
async fn a_test_comes_to_nobody_who_has_unsubscribed_and_to_nobody_twice_in_ten_seconds() {
    let world = World::new().await;
    let service = service(&world);
    world.prefer(Preferences { unsubscribed: vec![Way::Email], ..Preferences::default() }).await;
    let status = test_by(&service, Way::Email).await.unwrap_err();
    let expect = (Code::FailedPrecondition, "CHANNEL_ADDRESS_MISSING".to_owned());
    assert_eq!((status.code(), reason(&status)), expect);
    world.prefer(Preferences::default()).await;
    test_by(&service, Way::Email).await.unwrap();
    test_by(&service, Way::Webhook).await.unwrap();
    world.clock.turn(TimeDelta::seconds(4));
    let status = test_by(&service, Way::Email).await.unwrap_err();
    assert_eq!((status.code(), reason(&status)), (Code::ResourceExhausted, "RATE_LIMITED".to_owned()));
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    assert_eq!(delay, Some(std::time::Duration::from_secs(6)));
    assert_eq!(world.email.take().len(), 1);
    world.clock.turn(TimeDelta::seconds(7));
    test_by(&service, Way::Email).await.unwrap();
}

#[tokio::test]
async fn the_bearer_of_a_token_stops_its_channel_until_the_user_names_it_again() {
    let world = World::new().await;
    let service = service(&world);
    world.prefer(by(&[Way::Email, Way::Webhook])).await;
    let stop = async |token: String| {
        // Nobody has said who calls.
        service.unsubscribe(Request::new(v1::UnsubscribeRequest { token })).await
    };
    for token in [String::new(), "x".to_owned(), docket_wire::answer::unsubscribe_token(&[1; 16], Way::Email)]
    {
        assert_eq!(stop(token).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let token = docket_wire::answer::unsubscribe_token(&[9; 16], Way::Email);
    for _ in 0..2 {
        let stopped = stop(token.clone()).await.unwrap().into_inner();
        assert_eq!(stopped.channel(), v1::reminder::Channel::Email);
    }
    assert_eq!(events(&world).await.len(), 1, "the second time changes nothing");
    world.due(&notice(1)).await;
    assert_eq!(world.states().await, [(Way::Webhook, DeliveryState::Pending)]);
    let again = v1::Preferences { channels: vec![v1::reminder::Channel::Email.into()], ..Default::default() };
    assert_eq!(update(&service, again).await.unwrap().unsubscribed_channels, [0; 0]);
    world.due(&notice(2)).await;
    assert_eq!(world.states().await.len(), 2);
}
