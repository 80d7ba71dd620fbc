//! Events that come alone.

use bytes::Bytes;
use docket_sidecar::{Config, DeadLetter, Metadata, Retry};

use crate::harness::{AGAIN, Act, App, DONE, Scripted, TOPIC, config, event};

#[tokio::test]
async fn an_event_is_done_when_every_handler_is() {
    let audit = Scripted::new("audit", []);
    let recurrence = Scripted::new("recurrence", [Act::Fail]);
    let app = App::start(config(), &[recurrence.clone(), audit.clone()]).await;
    assert_eq!(app.deliver(event("a", 1)).await, AGAIN);
    assert_eq!(audit.seen(), ["1"], "the failure of one handler does not keep an event from the others");
    assert_eq!(app.deliver(event("a", 1)).await, DONE);
    assert_eq!((audit.seen().len(), recurrence.seen().len()), (2, 2));
}

#[tokio::test]
async fn no_failure_is_ever_acknowledged() {
    for act in [Act::Fail, Act::Panic, Act::Hang] {
        let handler = Scripted::new("audit", [act]);
        let app =
            App::start(Config { handler_timeout_ms: 50, ..config() }, std::slice::from_ref(&handler)).await;
        assert_eq!(app.deliver(event("a", 1)).await, AGAIN);
        assert_eq!(app.deliver(event("a", 1)).await, DONE, "the next delivery is handled as usual");
    }
}

#[tokio::test]
async fn a_short_trouble_is_ridden_out_in_the_app() {
    let config = Config { retry: Retry { attempts: 3, backoff_ms: 1 }, ..config() };
    let handler =
        Scripted::new("audit", [Act::Fail, Act::Panic, Act::Succeed, Act::Fail, Act::Fail, Act::Fail]);
    let app = App::start(config, std::slice::from_ref(&handler)).await;
    assert_eq!(app.deliver(event("a", 1)).await, DONE);
    assert_eq!(handler.seen(), ["1", "1", "1"]);
    assert_eq!(app.deliver(event("a", 2)).await, AGAIN);
    assert_eq!(handler.seen(), ["1", "1", "1", "2", "2", "2"]);
}

#[tokio::test]
async fn the_hopeless_is_buried_with_its_reason_and_bytes() {
    let audit = Scripted::new("audit", []);
    let recurrence = Scripted::new("recurrence", [Act::Despair, Act::Despair]);
    let app = App::start(config(), &[audit.clone(), recurrence.clone()]).await;
    *app.grave.broken.lock().unwrap() = 1;
    assert_eq!(app.deliver(event("a", 1)).await, AGAIN, "what could not be buried comes again");
    assert_eq!(app.deliver(event("a", 1)).await, DONE);
    let expect = DeadLetter {
        handler: "recurrence".to_owned(),
        event_id: "00000000-0000-0000-0000-000000000002".parse().unwrap(),
        pubsub: "pubsub".to_owned(),
        topic: TOPIC.to_owned(),
        key: "a".to_owned(),
        reason: "not a task event: no such field".to_owned(),
        trace: None,
        metadata: Metadata::default(),
        original: Bytes::from(event("a", 1)),
    };
    assert_eq!(*app.grave.letters.lock().unwrap(), [expect]);
}

#[tokio::test]
async fn what_is_no_event_is_buried_unread() {
    let handler = Scripted::new("audit", []);
    let app = App::start(config(), std::slice::from_ref(&handler)).await;
    let garbage = b"garbage\xff".to_vec();
    assert_eq!(app.deliver(garbage.clone()).await, DONE);
    assert_eq!(app.deliver_all([garbage.clone()]).await, [DONE]);
    let letters = app.grave.letters.lock().unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0], letters[1], "the same bytes make the same letter");
    assert_eq!((letters[0].handler.as_str(), &letters[0].original[..]), ("envelope", &garbage[..]));
    assert!(letters[0].reason.starts_with("not a CloudEvent in JSON: "), "{}", letters[0].reason);
    assert_eq!(handler.seen(), Vec::<String>::new());
}
