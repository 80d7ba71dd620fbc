//! Messages that were published again by hand.

use std::collections::HashMap;
use std::sync::Arc;

use dapr::dapr::proto::runtime::v1 as pb;
use docket_domain::EventId;
use docket_sidecar::{Replay, TopicHandler};
use pb::topic_event_bulk_request_entry::Event;
use pb::topic_event_response::TopicEventResponseStatus;

use crate::harness::{AGAIN, App, DONE, Entry, Last, Scripted, config, event, raw, signed};

const FIRST: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e01";
const SECOND: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e02";

fn id(text: &str) -> EventId {
    text.parse().unwrap()
}

fn metadata(replay: &str, handler: Option<&str>) -> HashMap<String, String> {
    let handler = handler.map(|handler| ("docket-handler", handler));
    let pairs = [("docket-replay", replay), ("__offset", "7")].into_iter().chain(handler);
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The two ways in which a message comes: in a batch and alone.
#[derive(Clone, Copy, Debug)]
enum Way {
    Together,
    Alone,
}

async fn deliver(
    app: &App,
    way: Way,
    bytes: Vec<u8>,
    metadata: HashMap<String, String>,
) -> TopicEventResponseStatus {
    match way {
        Way::Together => app.deliver_all([Entry(Event::Bytes(bytes), metadata)]).await[0],
        Way::Alone => {
            let mut request = signed(raw(bytes));
            for (name, value) in &metadata {
                let name: tonic::metadata::AsciiMetadataKey = name.parse().unwrap();
                request.metadata_mut().insert(name, value.parse().unwrap());
            }
            app.callback().on_topic_event(request).await.unwrap().into_inner().status()
        }
    }
}

#[tokio::test]
async fn handlers_see_that_it_is_a_replay() {
    for way in [Way::Together, Way::Alone] {
        let handlers = [Scripted::new("audit", []), Scripted::new("recurrence", [])];
        let app = App::start(config(), &handlers).await;
        assert_eq!(deliver(&app, way, event("a", 1), metadata(FIRST, None)).await, DONE);
        for handler in &handlers {
            let seen = handler.seen.lock().unwrap();
            let [delivery] = seen.as_slice() else { panic!("{way:?}: {seen:?}") };
            assert_eq!(delivery.metadata.replay(), Some(Replay { id: id(FIRST), handler: None }), "{way:?}");
            assert_eq!(delivery.metadata.offset(), Some(7), "{way:?}");
            let headers: Vec<_> = delivery.metadata.headers().collect();
            assert_eq!(headers, [("docket-replay", FIRST)], "{way:?}: nothing that the sidecar adds");
        }
        assert_eq!(*app.grave.receipts.lock().unwrap(), [], "handlers give their receipts themselves");
    }
}

#[tokio::test]
async fn a_replay_for_one_handler_runs_no_other_one() {
    for way in [Way::Together, Way::Alone] {
        let (audit, recurrence) = (Scripted::new("audit", []), Scripted::new("recurrence", []));
        let app = App::start(config(), &[audit.clone(), recurrence.clone()]).await;
        *app.grave.broken.lock().unwrap() = 1;
        let once = || deliver(&app, way, event("a", 1), metadata(FIRST, Some("recurrence")));
        assert_eq!(once().await, AGAIN, "{way:?}: a receipt that could not be given is waited for");
        assert_eq!(once().await, DONE, "{way:?}");
        assert_eq!((audit.seen().len(), recurrence.seen().len()), (0, 2), "{way:?}");
        assert_eq!(*app.grave.receipts.lock().unwrap(), [("audit".to_owned(), id(FIRST))], "{way:?}");
    }
}

#[tokio::test]
async fn what_could_not_be_read_at_all_is_replayed_for_all_handlers() {
    let (audit, recurrence) = (Scripted::new("audit", []), Scripted::new("recurrence", []));
    let app = App::start(config(), &[audit.clone(), recurrence.clone()]).await;
    let said = metadata(FIRST, Some("envelope"));
    assert_eq!(deliver(&app, Way::Alone, event("a", 1), said).await, DONE);
    assert_eq!((audit.seen().len(), recurrence.seen().len()), (1, 1), "now that it can be read");
}

#[tokio::test]
async fn what_can_still_not_be_read_is_buried_with_each_replay() {
    for way in [Way::Together, Way::Alone] {
        let handlers = [Scripted::new("audit", []), Scripted::new("recurrence", [])];
        let app = App::start(config(), &handlers).await;
        let garbage = b"garbage".to_vec();
        assert_eq!(deliver(&app, way, garbage.clone(), HashMap::new()).await, DONE);
        assert_eq!(*app.grave.receipts.lock().unwrap(), [], "{way:?}");
        for replay in [FIRST, SECOND] {
            assert_eq!(deliver(&app, way, garbage.clone(), metadata(replay, Some("audit"))).await, DONE);
        }
        let letters = app.grave.letters.lock().unwrap();
        let by: Vec<_> = letters.iter().map(|letter| letter.metadata.replay().map(|it| it.id)).collect();
        assert_eq!(by, [None, Some(id(FIRST)), Some(id(SECOND))], "{way:?}: the first handler keeps it");
        assert!(letters.iter().all(|letter| letter.event_id == letters[0].event_id), "{way:?}");
        let mut receipts = app.grave.receipts.lock().unwrap().clone();
        receipts.sort();
        let expect = ["audit", "recurrence"];
        let expect = expect.iter().flat_map(|name| [FIRST, SECOND].map(|it| ((*name).to_owned(), id(it))));
        assert_eq!(receipts, expect.collect::<Vec<_>>(), "{way:?}");
    }
}

/// The sidecar moved it there, with all that it came with.
#[tokio::test]
async fn a_replay_that_failed_on_its_way_is_kept_whomever_it_was_for() {
    for way in [Way::Together, Way::Alone] {
        let keeper = Scripted::new("deadletters", []);
        let last = Arc::new(Last(keeper.clone()));
        let app = App::with(config(), [last as Arc<dyn TopicHandler>], |router| router).await;
        let moved = deliver(&app, way, event("a", 1), metadata(FIRST, Some("audit"))).await;
        assert_eq!((moved, keeper.seen().len()), (DONE, 1), "{way:?}");
        assert_eq!(*app.grave.receipts.lock().unwrap(), [], "{way:?}");
    }
}
