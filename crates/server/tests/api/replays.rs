//! What those who look after dead letters can do about them.

use docket_proto::v1;
use docket_proto::v1::dead_letter::State;
use docket_proto::v1::dead_letter::action::Kind;
use docket_store::dead_letters::NewLetter;
use docket_store::outbox::PendingEvent;
use docket_testkit::callback::Answer;

use crate::dead_letters::{Event, LETTERS, arrive, bury, discard, discarded, get, of_ids, painted, replay};
use crate::harness::{Api, now, outcome, uuid};

fn open_ones() -> v1::ReplayDeadLettersRequest {
    v1::ReplayDeadLettersRequest { filter: Some(v1::DeadLetterFilter::default()), ..Default::default() }
}

/// What waits to leave for the topic of events.
async fn leaving(api: &Api) -> Vec<PendingEvent> {
    api.store().await.outbox_heads(&["task-events".to_owned()], 0, 100).await.unwrap()
}

#[tokio::test]
async fn a_replay_sends_the_message_itself() {
    let api = Api::start().await;
    let event = painted(1);
    let id = bury(&api, event.clone()).await;
    let dry = v1::ReplayDeadLettersRequest { validate_only: true, ..of_ids(&[&id]) };
    for request in [dry, v1::ReplayDeadLettersRequest { validate_only: true, ..open_ones() }] {
        let told = replay(&api, request).await.unwrap();
        let [one] = &told.replays[..] else { panic!("{told:?}") };
        assert_eq!((one.dead_letter_id.as_str(), one.replay_id.as_str()), (id.as_str(), ""));
    }
    assert!(leaving(&api).await.is_empty(), "nothing was to happen");
    assert_eq!(get(&api, &id).await.state(), State::Open);

    let told = replay(&api, open_ones()).await.unwrap();
    let [one] = &told.replays[..] else { panic!("{told:?}") };
    let expect = (&id, "task-events", "audit", &event.event_id, false);
    let got = (&one.dead_letter_id, &*one.topic, &*one.handler, &one.event_id, one.only_failed_handler);
    assert_eq!((got, told.more), (expect, false));
    let [sent] = &leaving(&api).await[..] else { panic!("one message") };
    assert_eq!((sent.id.to_string(), sent.raw, &sent.key), (one.replay_id.clone(), true, &event.key));
    assert_eq!((sent.payload.as_slice(), sent.handler.as_deref()), (event.original().as_bytes(), None));

    let letter = get(&api, &id).await;
    let [action] = &letter.actions[..] else { panic!("{letter:?}") };
    assert_eq!((letter.state(), action.kind(), &*action.actor), (State::Replayed, Kind::Replay, "carol"));
    assert_eq!(action.replay_id, one.replay_id);
    assert!(action.action_time.unwrap().seconds >= letter.last_failure_time.unwrap().seconds);

    assert!(replay(&api, open_ones()).await.unwrap().replays.is_empty(), "there is none that is open");
    let again = replay(&api, of_ids(&[&id, &id])).await.unwrap();
    assert_eq!(again.replays.len(), 1, "named twice, replayed once more");
    assert_ne!(again.replays[0].replay_id, one.replay_id);
    // Who is slow tells of the first failure only now: that is no answer to the replay.
    arrive(&api, event.failure()).await;
    let waiting = get(&api, &id).await;
    assert_eq!((waiting.state(), waiting.failures), (State::Replayed, 1));
    // However many tell of the failure of the replay.
    let newest = again.replays[0].replay_id.as_str();
    for minutes_ago in [0, 10] {
        arrive(&api, Event { minutes_ago, ..event.clone() }.failure_of(Some(newest))).await;
    }
    let failed = get(&api, &id).await;
    assert_eq!((failed.state(), failed.failures, failed.actions.len()), (State::Open, 2, 2));
    discard(&api, std::slice::from_ref(&id)).await;
    arrive(&api, event.failure_of(Some(newest))).await;
    assert_eq!(get(&api, &id).await.state(), State::Discarded, "that was known before");
}

#[tokio::test]
async fn only_the_failed_handler_gets_what_the_others_may_have_forgotten() {
    // Handlers remember for 11 days: an event may wait in its topic for 2 of them, and so may its replay.
    let api = Api::start_with(|config| {
        config.retention.inbox_days = 11;
        config.retention.topic_days = 2;
        config.retention.replay_window_days = 7;
    })
    .await;
    const DAY: i64 = 24 * 60;
    let old = bury(&api, painted(7 * DAY + 1)).await;
    let young = bury(&api, painted(7 * DAY - 1)).await;
    let unread = bury(&api, Event { handler: "envelope", ..painted(30 * DAY) }).await;
    let told = replay(&api, open_ones()).await.unwrap();
    let only = |told: &v1::ReplayDeadLettersResponse, id: &String| {
        told.replays.iter().find(|one| one.dead_letter_id == *id).unwrap().only_failed_handler
    };
    assert!(only(&told, &old), "older than what is remembered");
    assert!(!only(&told, &young));
    assert!(!only(&told, &unread), "no handler has seen it");
    let handlers: Vec<Option<String>> = leaving(&api).await.into_iter().map(|sent| sent.handler).collect();
    assert_eq!(handlers.iter().flatten().collect::<Vec<_>>(), ["audit"], "of {} messages", handlers.len());
    assert_eq!(handlers.len(), 3);

    let asked = v1::ReplayDeadLettersRequest { only_failed_handler: true, ..of_ids(&[&young, &unread]) };
    let told = replay(&api, asked).await.unwrap();
    assert!(only(&told, &young) && !only(&told, &unread), "as asked, where there is one");
    assert!(get(&api, &young).await.actions[1].only_failed_handler);
}

#[tokio::test]
async fn a_letter_for_nobody_is_not_replayed() {
    let api = Api::start_with(|config| {
        config.retention.inbox_days = 9;
        config.retention.topic_days = 2;
        config.retention.replay_window_days = 7;
    })
    .await;
    // The handler had another name then.
    let renamed = |minutes_ago| Event { handler: "journal", ..painted(minutes_ago) };
    let (old, young) = (bury(&api, renamed(8 * 24 * 60)).await, bury(&api, renamed(1)).await);
    let refused = |id: &String| {
        format!(
            "FailedPrecondition DEAD_LETTER_HANDLER dead_letter_id={id} handler=journal topic=task-events"
        )
    };
    for validate_only in [true, false] {
        let request = v1::ReplayDeadLettersRequest { validate_only, ..of_ids(&[&old]) };
        assert_eq!(outcome(&replay(&api, request.clone()).await), refused(&old));
        let asked =
            v1::ReplayDeadLettersRequest { only_failed_handler: true, validate_only, ..of_ids(&[&young]) };
        assert_eq!(outcome(&replay(&api, asked).await), refused(&young));
    }
    assert!(leaving(&api).await.is_empty());
    assert_eq!(get(&api, &old).await.state(), State::Open);
    // To all of the topic it may go.
    let told = replay(&api, of_ids(&[&young])).await.unwrap();
    assert!(!told.replays[0].only_failed_handler);
    assert_eq!(leaving(&api).await.len(), 1);
}

/// A letter of so many bytes, written into the database: a sidecar takes smaller messages alone.
async fn large_letters(api: &Api, count: usize, bytes: usize) {
    for _ in 0..count {
        let event = painted(1);
        let letter = NewLetter {
            id: uuid().parse().unwrap(),
            handler: "audit".to_owned(),
            event_id: event.event_id.parse().unwrap(),
            event_type: None,
            pubsub: "pubsub".to_owned(),
            topic: "task-events".to_owned(),
            key: event.key,
            partition: None,
            offset: None,
            headers: Default::default(),
            reason: "it is large".to_owned(),
            original: vec![b' '; bytes],
            time: now(),
            replay: None,
        };
        let letters = &[letter];
        let store = api.store().await;
        let kept: Result<(), docket_store::Error> =
            store.transaction(|tx| Box::pin(async move { tx.letters_keep(letters).await })).await;
        kept.unwrap();
    }
}

#[tokio::test]
async fn a_call_takes_no_more_than_it_can_carry() {
    const MIB: usize = 1 << 20;
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    large_letters(&api, 5, 15 * MIB).await;
    let first = replay(&api, open_ones()).await.unwrap();
    assert_eq!((first.replays.len(), first.more), (4, true), "60 MiB, and not 75");
    let rest = replay(&api, open_ones()).await.unwrap();
    assert_eq!((rest.replays.len(), rest.more), (1, false));
}

#[tokio::test]
async fn a_call_does_all_that_it_names_or_nothing() {
    let api = Api::start().await;
    let good = bury(&api, painted(1)).await;
    let gone = discarded(&api).await;
    let elsewhere = bury(&api, Event { topic: "painted-events", ..painted(1) }).await;
    let unknown = uuid();
    let table = [
        (&unknown, format!("NotFound DEAD_LETTER_NOT_FOUND dead_letter_id={unknown}")),
        (&gone, format!("FailedPrecondition DEAD_LETTER_STATE dead_letter_id={gone} state=DISCARDED")),
        (
            &elsewhere,
            format!("FailedPrecondition DEAD_LETTER_TOPIC dead_letter_id={elsewhere} topic=painted-events"),
        ),
    ];
    for (bad, expect) in &table {
        for validate_only in [true, false] {
            let request = v1::ReplayDeadLettersRequest { validate_only, ..of_ids(&[&good, bad]) };
            assert_eq!(outcome(&replay(&api, request).await), *expect);
        }
    }
    let request = v1::DiscardDeadLettersRequest {
        dead_letter_ids: vec![good.clone(), unknown.clone()],
        reason: "both".to_owned(),
        ..Default::default()
    };
    let answer = api.admin("dora").letters().discard_dead_letters(request).await;
    assert_eq!(outcome(&answer), table[0].1);
    let request = v1::GetDeadLetterRequest { dead_letter_id: uuid() };
    let answer = api.admin("dora").letters().get_dead_letter(request).await;
    assert!(outcome(&answer).starts_with("NotFound DEAD_LETTER_NOT_FOUND"));
    assert!(leaving(&api).await.is_empty());
    assert_eq!(get(&api, &good).await.state(), State::Open);
}

#[tokio::test]
async fn what_is_discarded_stays_so() {
    let api = Api::start().await;
    let (one, other) = (bury(&api, painted(2)).await, bury(&api, painted(1)).await);
    let of_all = |validate_only| v1::DiscardDeadLettersRequest {
        filter: Some(v1::DeadLetterFilter::default()),
        reason: "all of them".to_owned(),
        validate_only,
        ..Default::default()
    };
    assert_eq!(discard(&api, std::slice::from_ref(&one)).await, std::slice::from_ref(&one));
    assert!(discard(&api, std::slice::from_ref(&one)).await.is_empty(), "once");
    let mut admin = api.admin("dora").letters();
    for validate_only in [true, false] {
        let told = admin.discard_dead_letters(of_all(validate_only)).await.unwrap().into_inner();
        let ids: Vec<String> = told.discards.into_iter().map(|one| one.dead_letter_id).collect();
        assert_eq!((ids, told.more), (vec![other.clone()], false), "what is left");
    }
    let letter = get(&api, &one).await;
    let [action] = &letter.actions[..] else { panic!("{letter:?}") };
    assert_eq!((letter.state(), action.kind(), &*action.actor), (State::Discarded, Kind::Discard, "dora"));
    assert_eq!((&*action.reason, &*action.replay_id), ("painted by mistake", ""));
    assert!(replay(&api, open_ones()).await.unwrap().replays.is_empty());
}

#[tokio::test]
async fn more_than_a_call_takes_is_left_for_the_next() {
    const LETTERS_IN_ALL: usize = 1_030;
    let api = Api::start().await;
    let failures: Vec<Vec<u8>> =
        (0..LETTERS_IN_ALL).map(|n| painted(n as i64).failure().into_bytes()).collect();
    for batch in failures.chunks(500) {
        let answers = api.sidecar().topic_events("pubsub", LETTERS, batch.to_vec()).await.unwrap();
        assert!(answers.into_iter().all(|answer| answer == Answer::Success));
    }
    let first = replay(&api, open_ones()).await.unwrap();
    assert_eq!((first.replays.len(), first.more), (1_000, true));
    let rest = replay(&api, open_ones()).await.unwrap();
    assert_eq!((rest.replays.len(), rest.more), (30, false));
    assert!(first.replays.iter().all(|one| rest.replays.iter().all(|other| one != other)));
    assert_eq!(api.store().await.outbox_depth().await.unwrap(), LETTERS_IN_ALL as u64);
}
