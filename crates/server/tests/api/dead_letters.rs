//! What those who look after dead letters see of them.

use docket_domain::TimeDelta;
use docket_proto::v1;
use docket_proto::v1::dead_letter::State;
use docket_testkit::callback::{Answer, TopicEvent};
use pbjson_types::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Api, now, outcome, uuid};

/// The topic of dead letters.
pub(crate) const LETTERS: &str = "task-events-dlq";

/// A handler's farewell to an event, as it arrives on the topic of dead letters.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) handler: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) event_id: String,
    pub(crate) event_type: &'static str,
    pub(crate) key: String,
    pub(crate) minutes_ago: i64,
}

/// An event that `audit` could not handle so many minutes ago.
pub(crate) fn painted(minutes_ago: i64) -> Event {
    Event {
        handler: "audit",
        topic: "task-events",
        event_id: uuid(),
        event_type: "com.todo.task.painted",
        key: uuid(),
        minutes_ago,
    }
}

impl Event {
    /// What the handler could not handle.
    pub(crate) fn original(&self) -> String {
        json!({ "id": self.event_id, "type": self.event_type, "data": {} }).to_string()
    }

    /// A failure of it: the bytes on the topic of dead letters, with an id of their own.
    pub(crate) fn failure(&self) -> String {
        self.failure_of(None)
    }

    /// The same, when that replay had brought it.
    pub(crate) fn failure_of(&self, replay_id: Option<&str>) -> String {
        let time = now() - TimeDelta::minutes(self.minutes_ago);
        json!({
            "specversion": "1.0",
            "id": uuid(),
            "source": format!("docket/{}", self.handler),
            "type": "com.todo.dead_letter.created",
            "subject": self.key,
            "time": time.to_rfc3339(),
            "datacontenttype": "application/json",
            "data": {
                "schema_version": 1,
                "handler": self.handler,
                "reason": format!("unknown event type {}", self.event_type),
                "pubsub": "pubsub",
                "topic": self.topic,
                "key": self.key,
                "partition": 2,
                "offset": 41,
                "headers": { "x-tenant": "7" },
                "event_id": self.event_id,
                "replay_id": replay_id,
                "original": self.original(),
            },
        })
        .to_string()
    }
}

pub(crate) async fn arrive(api: &Api, bytes: impl Into<Vec<u8>>) {
    let event = TopicEvent::raw("pubsub", LETTERS, bytes);
    assert_eq!(api.sidecar().topic_event(event).await.unwrap(), Answer::Success);
}

/// Lets a failure arrive, and answers the name of its letter.
pub(crate) async fn bury(api: &Api, event: Event) -> String {
    arrive(api, event.failure()).await;
    let filter = v1::DeadLetterFilter { key: event.key, ..Default::default() };
    let [letter] = &list(api, filter).await[..] else { panic!("one letter of a key") };
    letter.dead_letter_id.clone()
}

/// A letter that was given up.
pub(crate) async fn discarded(api: &Api) -> String {
    let id = bury(api, painted(1)).await;
    discard(api, std::slice::from_ref(&id)).await;
    id
}

/// A letter with all that is known of it.
pub(crate) async fn get(api: &Api, id: &str) -> v1::DeadLetter {
    let request = v1::GetDeadLetterRequest { dead_letter_id: id.to_owned() };
    api.admin("carol").letters().get_dead_letter(request).await.unwrap().into_inner()
}

/// All that the filter chooses, two a page.
async fn list(api: &Api, filter: v1::DeadLetterFilter) -> Vec<v1::DeadLetter> {
    let mut request = v1::ListDeadLettersRequest { page_size: 2, filter: Some(filter), ..Default::default() };
    let mut all = Vec::new();
    loop {
        let page =
            api.admin("carol").letters().list_dead_letters(request.clone()).await.unwrap().into_inner();
        assert!(page.dead_letters.len() <= 2);
        all.extend(page.dead_letters);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

pub(crate) async fn discard(api: &Api, ids: &[String]) -> Vec<String> {
    let request = v1::DiscardDeadLettersRequest {
        dead_letter_ids: ids.to_vec(),
        reason: "painted by mistake".to_owned(),
        ..Default::default()
    };
    let done = api.admin("dora").letters().discard_dead_letters(request).await.unwrap().into_inner();
    done.discards.into_iter().map(|one| one.dead_letter_id).collect()
}

pub(crate) fn of_ids(ids: &[&String]) -> v1::ReplayDeadLettersRequest {
    let dead_letter_ids = ids.iter().map(|id| (*id).clone()).collect();
    v1::ReplayDeadLettersRequest { dead_letter_ids, ..Default::default() }
}

pub(crate) async fn replay(
    api: &Api,
    request: v1::ReplayDeadLettersRequest,
) -> Result<v1::ReplayDeadLettersResponse, tonic::Status> {
    Ok(api.admin("carol").letters().replay_dead_letters(request).await?.into_inner())
}

#[tokio::test]
async fn a_letter_is_kept_whole_and_once() {
    let api = Api::start().await;
    let event = painted(5);
    let failure = event.failure();
    for _ in 0..3 {
        arrive(&api, failure.clone()).await;
    }
    let id = bury(&api, Event { key: uuid(), ..painted(1) }).await;
    let all = list(&api, v1::DeadLetterFilter::default()).await;
    assert_eq!(all.len(), 2, "the same delivery of the same failure is the same letter");
    let [listed, _] = &all[..] else { unreachable!() };
    assert_eq!(all[1].dead_letter_id, id, "the oldest first");
    assert!(listed.headers.is_empty() && listed.original.is_empty() && listed.actions.is_empty());

    let letter = get(&api, &listed.dead_letter_id).await;
    let original = event.original();
    let expect = v1::DeadLetter {
        dead_letter_id: listed.dead_letter_id.clone(),
        state: State::Open.into(),
        handler: "audit".to_owned(),
        reason: "unknown event type com.todo.task.painted".to_owned(),
        failures: 1,
        event_id: event.event_id.clone(),
        event_type: "com.todo.task.painted".to_owned(),
        pubsub: "pubsub".to_owned(),
        topic: "task-events".to_owned(),
        key: event.key.clone(),
        partition: Some(2),
        offset: Some(41),
        original_size: original.len() as i64,
        headers: [("x-tenant".to_owned(), "7".to_owned())].into(),
        original: original.into_bytes(),
        first_failure_time: letter.first_failure_time,
        last_failure_time: letter.first_failure_time,
        actions: Vec::new(),
    };
    assert_eq!(letter, expect);

    // Another process tells of the same failure.
    let told_again = Event { minutes_ago: 4, ..event.clone() };
    arrive(&api, told_again.failure()).await;
    assert_eq!(get(&api, &listed.dead_letter_id).await, expect);
    // Another failure of the same event, of the same handler, after a replay: once, however many tell of it.
    let (again, replay) = (Event { minutes_ago: 1, ..event.clone() }, uuid());
    for _ in 0..2 {
        arrive(&api, again.failure_of(Some(&replay))).await;
    }
    let again = get(&api, &listed.dead_letter_id).await;
    assert_eq!((again.failures, again.first_failure_time), (2, expect.first_failure_time));
    assert!(again.last_failure_time.unwrap().seconds > expect.last_failure_time.unwrap().seconds);
    // Of another handler: another letter.
    arrive(&api, Event { handler: "recurrence", ..event.clone() }.failure()).await;
    let of_key = v1::DeadLetterFilter { key: event.key, ..Default::default() };
    let handlers: Vec<String> = list(&api, of_key).await.into_iter().map(|letter| letter.handler).collect();
    assert_eq!(handlers.len(), 2, "{handlers:?}");
}

#[tokio::test]
async fn letters_are_found_by_what_they_are_about() {
    let api = Api::start().await;
    let mut ids = Vec::new();
    for minutes_ago in [40, 30, 20, 10] {
        ids.push(bury(&api, painted(minutes_ago)).await);
    }
    let repeated = Event { handler: "recurrence", event_type: "com.todo.task.completed", ..painted(5) };
    ids.push(bury(&api, repeated.clone()).await);
    discard(&api, &ids[..1]).await;
    replay(&api, of_ids(&[&ids[1]])).await.unwrap();
    let at = |minutes_ago: i64| Some(Timestamp::from(now() - TimeDelta::minutes(minutes_ago)));
    let states = |states: &[State]| v1::DeadLetterFilter {
        states: states.iter().map(|state| i32::from(*state)).collect(),
        ..Default::default()
    };
    let default = v1::DeadLetterFilter::default;
    let topic = |topic: &str| v1::DeadLetterFilter { topic: topic.to_owned(), ..default() };
    let handler = |handler: &str| v1::DeadLetterFilter { handler: handler.to_owned(), ..default() };
    let table: [(v1::DeadLetterFilter, &[usize]); 11] = [
        (default(), &[0, 1, 2, 3, 4]),
        (states(&[State::Open]), &[2, 3, 4]),
        (states(&[State::Replayed, State::Discarded]), &[0, 1]),
        (topic("task-events"), &[0, 1, 2, 3, 4]),
        (topic("task-events-dlq"), &[]),
        (handler("recurrence"), &[4]),
        (v1::DeadLetterFilter { event_type: "com.todo.task.completed".to_owned(), ..default() }, &[4]),
        (v1::DeadLetterFilter { key: repeated.key, ..default() }, &[4]),
        (v1::DeadLetterFilter { start_time: at(25), end_time: at(7), ..default() }, &[2, 3]),
        (v1::DeadLetterFilter { end_time: at(25), ..states(&[State::Open]) }, &[]),
        (v1::DeadLetterFilter { handler: "audit".to_owned(), ..states(&[State::Open]) }, &[2, 3]),
    ];
    for (filter, expect) in table {
        let found: Vec<String> =
            list(&api, filter.clone()).await.into_iter().map(|letter| letter.dead_letter_id).collect();
        let expect: Vec<String> = expect.iter().map(|place| ids[*place].clone()).collect();
        assert_eq!(found, expect, "{filter:?}");
    }

    let page = v1::ListDeadLettersRequest { page_size: 1, ..Default::default() };
    let first = api.admin("carol").letters().list_dead_letters(page.clone()).await.unwrap().into_inner();
    let next = v1::ListDeadLettersRequest { page_token: first.next_page_token, ..page };
    let other = v1::ListDeadLettersRequest { filter: Some(topic("task-events")), ..next.clone() };
    for (caller, request) in [(api.admin("carol"), other), (api.admin("dora"), next)] {
        let answer = caller.letters().list_dead_letters(request).await;
        assert_eq!(outcome(&answer), "InvalidArgument INVALID_PAGE_TOKEN");
    }
}

#[tokio::test]
async fn whatever_is_found_among_the_letters_is_kept() {
    let api = Api::start().await;
    let task_event = json!({
        "specversion": "1.0",
        "id": uuid(),
        "source": "docket/tasks",
        "type": "com.todo.task.created",
        "subject": "a-task",
        "time": "2027-01-01T00:00:00Z",
        "data": {},
    })
    .to_string();
    let mut newer: Value = serde_json::from_str(&painted(1).failure()).unwrap();
    newer["data"]["schema_version"] = 2.into();
    let moved = |topic: &'static str| {
        api.sidecar().with("__topic", topic).with("__partition", "1").with("__offset", "7").with("x-a", "b")
    };
    let arrives = async |topic: &'static str, bytes: Vec<u8>| {
        // However often, and also once more for the replay that brought it.
        for _ in 0..2 {
            let event = TopicEvent::raw("pubsub", LETTERS, bytes.clone());
            assert_eq!(moved(topic).topic_event(event).await.unwrap(), Answer::Success);
        }
    };
    arrives("task-events", task_event.clone().into_bytes()).await;
    arrives("task-events", b"\xff not an event".to_vec()).await;
    arrives(LETTERS, newer.to_string().into_bytes()).await;

    let all = list(&api, v1::DeadLetterFilter { handler: "sidecar".to_owned(), ..Default::default() }).await;
    let mut found = Vec::new();
    for letter in all {
        let letter = get(&api, &letter.dead_letter_id).await;
        assert_eq!(letter.failures, 1, "{letter:?}");
        found.push(letter);
    }
    let by = |text: &str| {
        let mut some = found.iter().filter(|letter| letter.reason.contains(text));
        let one = some.next().unwrap_or_else(|| panic!("{text}: {found:?}"));
        assert_eq!(some.count(), 0, "{text}");
        one
    };
    let event = found.iter().find(|letter| letter.event_type == "com.todo.task.created").unwrap();
    assert_eq!((&*event.topic, event.partition, event.offset), ("task-events", Some(1), Some(7)));
    assert_eq!((&*event.original, &event.headers["x-a"]), (task_event.as_bytes(), &"b".to_owned()));
    let garbage = by("not a CloudEvent in JSON");
    assert_eq!((&*garbage.topic, &*garbage.original), ("task-events", &b"\xff not an event"[..]));
    let newer = by("schema version 2");
    assert_eq!((&*newer.topic, newer.partition), (LETTERS, Some(1)), "it was meant for this topic");
    assert_eq!(found.len(), 3);
    // Where it can be read, it goes back to where it was meant for.
    let told = replay(&api, of_ids(&[&newer.dead_letter_id])).await.unwrap();
    assert_eq!(told.replays[0].topic, LETTERS);
}
