//! Events that come together.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dapr::dapr::proto::runtime::v1 as pb;
use docket_sidecar::{Bulk, Config, Delivery, HandlerError, Retry, TopicHandler};
use pb::topic_event_bulk_request_entry::Event;
use tokio::sync::Barrier;

use crate::harness::{AGAIN, Act, App, DONE, Scripted, batch, config, event, signed};

/// Takes batches: for them it has a script of its own, and follows it before it reads them.
struct Whole {
    alone: Arc<Scripted>,
    script: Mutex<VecDeque<Act>>,
    batches: Mutex<Vec<Vec<String>>>,
    /// The data of the events that it can never handle.
    hopeless: &'static [&'static str],
}

impl Whole {
    fn new(
        alone: Arc<Scripted>,
        script: impl IntoIterator<Item = Act>,
        hopeless: &'static [&'static str],
    ) -> Arc<Self> {
        let script = Mutex::new(script.into_iter().collect());
        Arc::new(Self { alone, script, batches: Mutex::default(), hopeless })
    }

    fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().unwrap().clone()
    }

    fn read(&self, delivery: &Delivery) -> Result<String, HandlerError> {
        let data = String::from_utf8_lossy(&delivery.data).into_owned();
        match self.hopeless.contains(&data.as_str()) {
            true => Err(HandlerError::hopeless("as it was told")),
            false => Ok(data),
        }
    }
}

#[async_trait]
impl TopicHandler for Whole {
    fn name(&self) -> &'static str {
        self.alone.name()
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.alone.handle(delivery).await?;
        self.read(delivery).map(drop)
    }

    async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
        let read = HandlerError::read_all(deliveries, |delivery| self.read(delivery)).await?;
        self.batches.lock().unwrap().push(read);
        let act = self.script.lock().unwrap().pop_front();
        match act.unwrap_or(Act::Succeed) {
            Act::Succeed => Ok(()),
            Act::Fail => Err(HandlerError::retry("the database is away")),
            Act::Panic => panic!("as the script says"),
            Act::Hang => std::future::pending().await,
            Act::Despair => Err(HandlerError::hopeless("of a batch that says nothing")),
        }
    }
}

#[tokio::test]
async fn a_batch_goes_to_every_handler_in_one_go() {
    let audit = Whole::new(Scripted::new("audit", []), [], &[]);
    let recurrence = Whole::new(Scripted::new("recurrence", []), [], &[]);
    let app =
        App::with(config(), [audit.clone() as Arc<dyn TopicHandler>, recurrence.clone()], |it| it).await;
    let events = [event("a", 1), event("b", 2), event("a", 3)];
    assert_eq!(app.deliver_all(events).await, [DONE; 3]);
    for handler in [&audit, &recurrence] {
        assert_eq!(handler.batches(), [["1", "2", "3"]], "in the order of the batch");
        assert_eq!(handler.alone.seen(), [""; 0]);
    }
}

#[tokio::test]
async fn when_a_batch_fails_each_event_is_tried_alone_in_the_order_of_its_key() {
    let config = Config {
        // As many attempts as an event has: a batch has one.
        retry: Retry { attempts: 3, backoff_ms: 0 },
        keys_in_flight: 1,
        handler_timeout_ms: 200,
        ..config()
    };
    for act in [Act::Fail, Act::Panic, Act::Hang, Act::Despair] {
        let audit = Whole::new(Scripted::new("audit", []), [act], &[]);
        let recurrence = Whole::new(Scripted::new("recurrence", []), [], &[]);
        let handlers = [audit.clone() as Arc<dyn TopicHandler>, recurrence.clone()];
        let app = App::with(config.clone(), handlers, |it| it).await;
        let events = [event("b", 1), event("a", 2), event("b", 3), event("a", 4)];
        assert_eq!(app.deliver_all(events).await, [DONE; 4]);
        assert_eq!(audit.batches().len(), 1);
        assert_eq!(audit.alone.seen(), ["2", "4", "1", "3"]);
        assert_eq!(recurrence.batches(), [["1", "2", "3", "4"]]);
        assert_eq!(
            recurrence.alone.seen(),
            [""; 0],
            "what one handler can not do is no matter of the others"
        );
    }
}

#[tokio::test]
async fn behind_a_failure_of_its_key_nothing_of_a_broken_batch_is_handled() {
    let config = Config { keys_in_flight: 1, ..config() };
    // Of the key a the second one fails.
    let alone = Scripted::new("audit", [Act::Succeed, Act::Fail]);
    let audit = Whole::new(alone, [Act::Fail], &[]);
    let app = App::with(config, [audit.clone() as Arc<dyn TopicHandler>], |it| it).await;
    let events = || [event("a", 1), event("a", 2), event("b", 3), event("a", 4), event("b", 5)];
    assert_eq!(app.deliver_all(events()).await, [DONE, AGAIN, DONE, AGAIN, DONE]);
    assert_eq!(audit.alone.seen(), ["1", "2", "3", "5"]);
    assert_eq!(app.deliver_all(events()).await, [DONE; 5], "the next time they come, it is a batch again");
    assert_eq!(audit.batches().len(), 2);
}

#[tokio::test]
async fn a_hopeless_event_costs_the_others_nothing_but_a_second_reading() {
    let audit = Whole::new(Scripted::new("audit", []), [], &["2", "5"]);
    let app = App::with(config(), [audit.clone() as Arc<dyn TopicHandler>], |it| it).await;
    let garbage = b"garbage".to_vec();
    let events = [event("a", 1), event("a", 2), garbage, event("a", 3), event("b", 4), event("c", 5)];
    assert_eq!(app.deliver_all(events).await, [DONE; 6]);
    assert_eq!(audit.batches(), [["1", "3", "4"]], "one batch of all that can be handled");
    let mut letters: Vec<_> =
        app.grave.letters.lock().unwrap().iter().map(|one| one.reason.clone()).collect();
    letters.sort();
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!(letters[..2], ["as it was told", "as it was told"]);
}

#[tokio::test]
async fn behind_what_can_not_be_buried_nothing_of_its_key_is_handled() {
    let audit = Whole::new(Scripted::new("audit", []), [], &["2"]);
    let app = App::with(config(), [audit.clone() as Arc<dyn TopicHandler>], |it| it).await;
    *app.grave.broken.lock().unwrap() = 1;
    let events = || [event("a", 1), event("a", 2), event("a", 3), event("b", 4)];
    assert_eq!(app.deliver_all(events()).await, [DONE, AGAIN, AGAIN, DONE]);
    assert_eq!(audit.batches(), [["1", "4"]]);
    assert_eq!(app.deliver_all(events()).await, [DONE; 4]);
    assert_eq!(app.grave.letters.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_of_one_event_is_tried_as_often_as_an_event() {
    let config = Config { retry: Retry { attempts: 2, backoff_ms: 0 }, ..config() };
    let audit = Whole::new(Scripted::new("audit", [Act::Fail]), [], &[]);
    let app = App::with(config, [audit.clone() as Arc<dyn TopicHandler>], |it| it).await;
    assert_eq!(app.deliver_all([event("a", 1)]).await, [DONE]);
    assert_eq!(audit.alone.seen(), ["1", "1"]);
}

#[tokio::test]
async fn in_a_batch_nothing_overtakes_a_failure_of_its_key() {
    // One key at a time, in the order of their names, so that the script fits: a's first event succeeds, its second fails.
    let config = Config { keys_in_flight: 1, ..config() };
    let handler = Scripted::new("audit", [Act::Succeed, Act::Fail]);
    let app = App::start(config, std::slice::from_ref(&handler)).await;
    let taken_apart = pb::TopicEventCeRequest {
        id: "00000000-0000-0000-0000-000000000063".to_owned(),
        source: "docket/tasks".to_owned(),
        r#type: "com.todo.task.created".to_owned(),
        spec_version: "1.0".to_owned(),
        data_content_type: "application/json".to_owned(),
        data: b"6".to_vec(),
        extensions: Some(prost_types::Struct {
            fields: [("subject", "b"), ("time", "2026-11-21T04:00:00Z"), ("traceparent", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned().into()))
                .into(),
        }),
    };
    let answers = app
        .deliver_all([
            Event::Bytes(event("b", 1)),
            Event::Bytes(event("a", 2)),
            Event::Bytes(event("a", 3)),
            Event::Bytes(b"{}".to_vec()),
            Event::Bytes(event("a", 4)),
            Event::Bytes(event("b", 5)),
            Event::CloudEvent(taken_apart),
        ])
        .await;
    let expect = [DONE, DONE, AGAIN, DONE, AGAIN, DONE, DONE];
    assert_eq!(answers, expect);
    assert_eq!(handler.seen(), ["2", "3", "1", "5", "6"]);
}

#[tokio::test]
async fn subjects_of_a_batch_do_not_wait_for_each_other() {
    // Two events of different subjects can only both be under way at once when neither waits for the other.
    struct Meeting(Barrier);
    #[async_trait]
    impl TopicHandler for Meeting {
        fn name(&self) -> &'static str {
            "meeting"
        }
        async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
            self.0.wait().await;
            Ok(())
        }
    }
    let meeting: Arc<dyn TopicHandler> = Arc::new(Meeting(Barrier::new(2)));
    let app = App::with(config(), [meeting], |it| it).await;
    assert_eq!(app.deliver_all([event("a", 1), event("b", 2)]).await, [DONE; 2]);
}

#[tokio::test]
async fn a_call_may_be_as_large_as_a_batch_of_the_largest_messages() {
    const LARGEST: usize = 1 << 20;
    let bulk = Some(Bulk { max_messages: 20, ..Bulk::default() });
    let config = Config { max_message_bytes: LARGEST, bulk, ..config() };
    let handler = Scripted::new("audit", []);
    let app = App::start(config, std::slice::from_ref(&handler)).await;
    let large = |number: u8| {
        let mut bytes = event("a", number);
        bytes.resize(LARGEST, b' ');
        bytes
    };
    assert_eq!(app.deliver_all((0..20).map(large)).await, [DONE; 20]);
    assert_eq!(handler.seen().len(), 20);
    let refused = app.callback().on_bulk_topic_event(signed(batch((0..21).map(large)))).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::OutOfRange, "{refused}");
}

/// So many events of ten keys.
fn many(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|number| event(&format!("key {}", number % 10), number)).collect()
}

fn in_lanes(lanes: usize) -> Config {
    Config { bulk: Some(Bulk { lanes, ..Bulk::default() }), ..config() }
}

#[tokio::test]
async fn parts_of_a_large_batch_are_handled_at_the_same_time_and_share_no_key() {
    // Both parts have to be there before either ends.
    struct Meeting(Arc<Whole>, Barrier);
    #[async_trait]
    impl TopicHandler for Meeting {
        fn name(&self) -> &'static str {
            "meeting"
        }
        async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
            self.0.handle(delivery).await
        }
        async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
            self.1.wait().await;
            self.0.handle_all(deliveries).await
        }
    }
    let whole = Whole::new(Scripted::new("audit", []), [], &[]);
    let meeting: Arc<dyn TopicHandler> = Arc::new(Meeting(whole.clone(), Barrier::new(2)));
    let app = App::with(in_lanes(2), [meeting], |it| it).await;
    assert_eq!(app.deliver_all(many(120)).await, [DONE; 120]);
    assert_eq!(whole.alone.seen(), [""; 0]);
    let parts: Vec<Vec<u8>> = whole
        .batches()
        .into_iter()
        .map(|part| part.into_iter().map(|number| number.parse().unwrap()).collect())
        .collect();
    assert_eq!(parts.len(), 2);
    let keys = |part: &[u8]| part.iter().map(|number| number % 10).collect::<BTreeSet<_>>();
    assert!(keys(&parts[0]).is_disjoint(&keys(&parts[1])), "{parts:?}");
    assert!(parts.iter().all(|part| part.is_sorted()), "{parts:?}");
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 120);
}

#[tokio::test]
async fn each_message_of_a_batch_in_parts_has_its_own_answer() {
    // Read and handled in three parts, and each of these fails alone, too.
    let failing = [3, 77, 149];
    let stubborn: Vec<String> = failing.iter().map(|number: &usize| number.to_string()).collect();
    struct Stubborn(Vec<String>);
    #[async_trait]
    impl TopicHandler for Stubborn {
        fn name(&self) -> &'static str {
            "stubborn"
        }
        async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
            match self.0.contains(&String::from_utf8_lossy(&delivery.data).into_owned()) {
                true => Err(HandlerError::retry("not now")),
                false => Ok(()),
            }
        }
        async fn handle_all(&self, _: &[&Delivery]) -> Result<(), HandlerError> {
            Err(HandlerError::OneByOne)
        }
    }
    let app = App::with(in_lanes(3), [Arc::new(Stubborn(stubborn)) as Arc<dyn TopicHandler>], |it| it).await;
    let messages: Vec<_> = (0..150).map(|number| event(&format!("key {number}"), number)).collect();
    let answers = app.deliver_all(messages).await;
    let again: Vec<usize> = (0..150).filter(|place| answers[*place] != DONE).collect();
    assert_eq!(again, failing);
}

#[tokio::test]
async fn when_a_part_fails_the_others_are_done_with() {
    let audit = Whole::new(Scripted::new("audit", []), [Act::Fail], &[]);
    let app = App::with(in_lanes(2), [audit.clone() as Arc<dyn TopicHandler>], |it| it).await;
    assert_eq!(app.deliver_all(many(120)).await, [DONE; 120]);
    let (batches, mut alone) = (audit.batches(), audit.alone.seen());
    assert_eq!(batches.len(), 2);
    alone.sort();
    let failed = batches.iter().find(|part| part.contains(&alone[0])).unwrap();
    let mut failed = failed.clone();
    failed.sort();
    assert_eq!(alone, failed, "only those of the part that failed");
}

#[tokio::test]
async fn what_is_hopeless_in_one_part_leaves_both_whole() {
    let audit = Whole::new(Scripted::new("audit", []), [], &["7"]);
    let app = App::with(in_lanes(2), [audit.clone() as Arc<dyn TopicHandler>], |it| it).await;
    assert_eq!(app.deliver_all(many(120)).await, [DONE; 120]);
    assert_eq!(audit.alone.seen(), ["7"], "the rest was handled in parts");
    assert_eq!(app.grave.letters.lock().unwrap().len(), 1);
    assert_eq!(audit.batches().iter().map(Vec::len).sum::<usize>(), 119);
}

#[tokio::test]
async fn a_batch_that_is_not_worth_a_transaction_more_stays_whole() {
    for (lanes, count) in [(2, 99), (1, 120), (8, 49)] {
        let audit = Whole::new(Scripted::new("audit", []), [], &[]);
        let app = App::with(in_lanes(lanes), [audit.clone() as Arc<dyn TopicHandler>], |it| it).await;
        app.deliver_all(many(count)).await;
        assert_eq!(audit.batches().len(), 1, "{lanes} lanes, {count} events");
    }
}
