//! Dead letters: one for each event that a handler gave up, found by whoever looks, and done with once.

use std::collections::BTreeMap;

use docket_domain::{DeadLetterId, EventId, LetterState};
use docket_store::dead_letters::{Action, Cursor, Deed, Filter, Letter, Listing, NewLetter};
use docket_store::{Error, Schema, Store};
use uuid::Uuid;

use super::{Data, at, event_id};

pub(crate) fn letter_id(number: u128) -> DeadLetterId {
    DeadLetterId::from_uuid(Uuid::from_u128(number))
}

/// A failure of the event with the same number, at the second with the same number.
pub(crate) fn failure(number: u128) -> NewLetter {
    NewLetter {
        id: letter_id(number),
        handler: "audit".to_owned(),
        event_id: event_id(number),
        event_type: Some("com.todo.task.created".to_owned()),
        pubsub: "pubsub".to_owned(),
        topic: "task-events".to_owned(),
        key: format!("key {number}"),
        partition: Some(0),
        offset: Some(1 << 40),
        headers: BTreeMap::from([("traceparent".to_owned(), "00-\"a\"".to_owned())]),
        reason: format!("reason {number}"),
        original: b"\x00\xff{".to_vec(),
        time: at(i64::try_from(number).unwrap()),
        replay: None,
    }
}

pub(crate) async fn keep(store: &Store, letters: Vec<NewLetter>) {
    let kept: Result<(), Error> = store
        .transaction(|tx| {
            let letters = letters.clone();
            Box::pin(async move { tx.letters_keep(&letters).await })
        })
        .await;
    kept.unwrap();
}

pub(crate) fn replayed(number: u128) -> Action {
    Action {
        id: Uuid::from_u128(1_000_000 + number),
        deed: Deed::Replayed { replay: event_id(2_000_000 + number), only_failed_handler: true },
        actor: "operator".to_owned(),
        time: at(500),
    }
}

pub(crate) fn discarded(number: u128) -> Action {
    let deed = Deed::Discarded { reason: "of no use".to_owned() };
    Action { id: Uuid::from_u128(3_000_000 + number), deed, actor: "other".to_owned(), time: at(600) }
}

/// Does something about the letters that are still as the filter says, and answers which.
pub(crate) async fn act(
    store: &Store,
    filter: Filter,
    limit: u32,
    action: fn(u128) -> Action,
) -> (Vec<Letter>, bool) {
    let done: Result<_, Error> = store
        .transaction(|tx| {
            let filter = filter.clone();
            Box::pin(async move {
                let (letters, more) = tx.letters_lock(&filter, limit).await?;
                let acts: Vec<_> =
                    letters.iter().map(|letter| (letter.id, action(letter.id.as_uuid().as_u128()))).collect();
                tx.letters_act(&acts).await?;
                Ok((letters, more))
            })
        })
        .await;
    done.unwrap()
}

pub(crate) async fn list(store: &Store, filter: Filter) -> Vec<u128> {
    let listing = Listing { filter, after: None, limit: 100 };
    let (letters, more) = store.letter_list(&listing).await.unwrap();
    assert!(!more);
    letters.iter().map(|letter| letter.id.as_uuid().as_u128()).collect()
}

pub(crate) async fn failures_of_one_event_are_one_letter(data: &Data) {
    let store = data.stores.of(Schema::DeadLetters);
    let other_handler = NewLetter { handler: "recurrence".to_owned(), id: letter_id(10), ..failure(1) };
    let other_topic = NewLetter { topic: "reminders".to_owned(), id: letter_id(11), ..failure(1) };
    let again = |second, reason: &str| NewLetter {
        id: letter_id(99),
        reason: reason.to_owned(),
        time: at(second),
        ..failure(1)
    };
    let unknown = NewLetter { event_type: None, partition: None, offset: None, ..failure(2) };
    let before = store.statements().count();
    // Two tell of the same failure in one batch, the later first.
    keep(&store, vec![again(7, "seven"), failure(1), other_handler, other_topic, unknown]).await;
    assert_eq!(store.statements().count() - before, 1);
    keep(&store, vec![]).await;
    assert_eq!(list(&store, Filter::default()).await, [1, 10, 11, 2]);

    let found = store.letter_get(letter_id(1)).await.unwrap().unwrap();
    let first = Letter {
        id: letter_id(1),
        state: LetterState::Open,
        handler: "audit".to_owned(),
        reason: "reason 1".to_owned(),
        failures: 1,
        first_failure_time: at(1),
        last_failure_time: at(1),
        event_id: event_id(1),
        event_type: Some("com.todo.task.created".to_owned()),
        pubsub: "pubsub".to_owned(),
        topic: "task-events".to_owned(),
        key: "key 1".to_owned(),
        partition: Some(0),
        offset: Some(1 << 40),
        size: 3,
        replay_id: None,
        update_time: at(1),
    };
    assert_eq!(found.letter, first);
    assert_eq!(
        (found.headers, found.original, found.actions),
        (failure(1).headers, failure(1).original, vec![])
    );
    let bare = store.letter_get(letter_id(2)).await.unwrap().unwrap().letter;
    assert_eq!((bare.event_type, bare.partition, bare.offset), (None, None, None));
    assert_eq!(store.letter_get(letter_id(99)).await.unwrap(), None, "another failure is no other letter");

    // What a stranger has sent may have what no text of PostgreSQL can hold.
    let odd = NewLetter {
        key: "k\0".to_owned(),
        reason: "at \0".to_owned(),
        event_type: Some("\0".to_owned()),
        headers: BTreeMap::from([("h".to_owned(), "\0".to_owned())]),
        ..failure(3)
    };
    keep(&store, vec![odd.clone()]).await;
    let found = store.letter_get(letter_id(3)).await.unwrap().unwrap();
    assert_eq!((found.letter.key.as_str(), found.letter.reason.as_str()), ("k\u{fffd}", "at \u{fffd}"));
    assert_eq!((found.letter.event_type.as_deref(), found.headers), (Some("\u{fffd}"), odd.headers));
}

/// What a replay came to.
fn after_replay(replay: EventId, second: i64) -> NewLetter {
    let reason = format!("at {second}");
    NewLetter { id: letter_id(99), time: at(second), replay: Some(replay), reason, ..failure(1) }
}

pub(crate) async fn a_replay_that_fails_opens_its_letter_once(data: &Data) {
    let store = data.stores.of(Schema::DeadLetters);
    let one = || Filter { ids: vec![letter_id(1)], ..Filter::default() };
    let (newest, other) = (event_id(2_000_001), event_id(7));
    let check = async |told: Vec<NewLetter>, state: LetterState, failures: i64, what: &str| {
        keep(&store, told).await;
        let Letter { state: is, failures: count, .. } =
            store.letter_get(letter_id(1)).await.unwrap().unwrap().letter;
        assert_eq!((is, count), (state, failures), "{what}");
    };
    use LetterState::{Discarded, Open, Replayed};
    let late = |second| NewLetter { time: at(second), ..failure(1) };
    check(vec![failure(1)], Open, 1, "the first").await;
    check(vec![late(2)], Open, 1, "told of by another").await;
    act(&store, one(), 10, replayed).await;
    check(vec![late(3)], Replayed, 1, "the first failure, told of late").await;
    check(vec![late(900)], Replayed, 1, "and by one who was slow").await;
    check(vec![after_replay(other, 400)], Replayed, 1, "a replay of before the newest").await;
    check(vec![after_replay(newest, 450)], Open, 2, "the newest, whatever clocks say").await;
    check(vec![after_replay(newest, 460)], Open, 2, "the same, told of by another").await;
    act(&store, one(), 10, discarded).await;
    let before = store.letter_get(letter_id(1)).await.unwrap();
    check(vec![after_replay(newest, 700), late(701)], Discarded, 2, "and by one who was slow").await;
    assert_eq!(store.letter_get(letter_id(1)).await.unwrap(), before, "nothing has changed");
    check(vec![after_replay(other, 800)], Open, 3, "a replay that failed since then").await;
    let letter = store.letter_get(letter_id(1)).await.unwrap().unwrap().letter;
    assert_eq!((letter.reason.as_str(), letter.replay_id), ("at 800", Some(other)));
    assert_eq!((letter.first_failure_time, letter.last_failure_time), (at(1), at(800)));

    // A failure that is heard of late does not hide the newest reason.
    check(vec![after_replay(event_id(8), 600)], Open, 4, "another replay").await;
    let letter = store.letter_get(letter_id(1)).await.unwrap().unwrap().letter;
    assert_eq!((letter.reason.as_str(), letter.last_failure_time), ("at 800", at(800)));

    // All of it in one batch, and a new letter.
    let of_two = |failure: NewLetter| NewLetter { id: letter_id(2), event_id: event_id(2), ..failure };
    let batch = [after_replay(newest, 30), after_replay(other, 20), after_replay(newest, 31), late(10)];
    let before = store.statements().count();
    keep(&store, batch.into_iter().map(of_two).collect()).await;
    assert_eq!(store.statements().count() - before, 3, "one for each that is counted");
    let letter = store.letter_get(letter_id(2)).await.unwrap().unwrap().letter;
    assert_eq!((letter.failures, letter.reason.as_str()), (3, "at 30"));
    assert_eq!((letter.first_failure_time, letter.last_failure_time), (at(10), at(30)));
}

pub(crate) async fn a_replay_that_fails_after_a_discard_opens_its_letter(data: &Data) {
    let store = data.stores.of(Schema::DeadLetters);
    let one = || Filter { ids: vec![letter_id(1)], ..Filter::default() };
    keep(&store, vec![failure(1)]).await;
    act(&store, one(), 10, replayed).await;
    act(&store, one(), 10, discarded).await;
    // It was under way; its clock is behind.
    keep(&store, vec![after_replay(event_id(2_000_001), 550)]).await;
    let letter = store.letter_get(letter_id(1)).await.unwrap().unwrap().letter;
    assert_eq!((letter.state, letter.failures, letter.update_time), (LetterState::Open, 2, at(600)));
}

pub(crate) async fn letters_are_listed_by_filter_in_pages_that_stay(data: &Data) {
    let store = data.stores.of(Schema::DeadLetters);
    let mut letters: Vec<NewLetter> = (1..=6).map(failure).collect();
    letters[1].topic = "reminders".to_owned();
    letters[2].handler = "recurrence".to_owned();
    letters[3].event_type = None;
    // Two that failed first in the same moment.
    letters[5].time = at(5);
    keep(&store, letters).await;
    let ids =
        |ids: &[u128]| Filter { ids: ids.iter().map(|id| letter_id(*id)).collect(), ..Filter::default() };
    act(&store, ids(&[4]), 10, replayed).await;
    act(&store, ids(&[5]), 10, discarded).await;
    keep(&store, vec![after_replay(event_id(7), 50)]).await;

    use LetterState::{Discarded, Open, Replayed};
    let states = |states: &[LetterState]| Filter { states: states.to_vec(), ..Filter::default() };
    let text = |text: &str| Some(text.to_owned());
    let check = async |filter: Filter, expect: &[u128]| {
        assert_eq!(list(&store, filter.clone()).await, expect, "{filter:?}");
    };
    check(Filter::default(), &[1, 2, 3, 4, 5, 6]).await;
    check(states(&LetterState::ALL), &[1, 2, 3, 4, 5, 6]).await;
    check(states(&[Open]), &[1, 2, 3, 6]).await;
    check(states(&[Replayed]), &[4]).await;
    check(states(&[Open, Discarded]), &[1, 2, 3, 5, 6]).await;
    check(states(&[Discarded, Discarded]), &[5]).await;
    check(Filter { topic: text("reminders"), ..Filter::default() }, &[2]).await;
    check(Filter { handler: text("recurrence"), ..Filter::default() }, &[3]).await;
    check(Filter { event_type: text("com.todo.task.created"), ..states(&[Open, Replayed]) }, &[1, 2, 3, 6])
        .await;
    check(Filter { key: text("key 3"), ..Filter::default() }, &[3]).await;
    check(Filter { key: text("key 3"), ..ids(&[1, 2]) }, &[]).await;
    check(ids(&[6, 99, 1]), &[1, 6]).await;
    check(Filter { start_time: Some(at(5)), end_time: Some(at(50)), ..Filter::default() }, &[5, 6]).await;
    check(Filter { start_time: Some(at(50)), ..Filter::default() }, &[1]).await;

    // Pages, one of which ends between the two of the same moment; what fails again does not move.
    let mut listing = Listing { limit: 5, ..Listing::default() };
    let before = store.statements().count();
    let (page, more) = store.letter_list(&listing).await.unwrap();
    assert_eq!(store.statements().count() - before, 1);
    assert!(more && page.len() == 5);
    let again = NewLetter { handler: "recurrence".to_owned(), time: at(70), ..failure(3) };
    keep(&store, vec![again]).await;
    let cursor = serde_json::to_string(&Cursor::of(&page[4])).unwrap();
    listing.after = Some(serde_json::from_str(&cursor).unwrap());
    let (page, more) = store.letter_list(&listing).await.unwrap();
    assert_eq!((page.len(), page[0].id, more), (1, letter_id(6), false));
}

pub(crate) async fn what_is_done_about_letters_is_kept_with_them(data: &Data) {
    let store = data.stores.of(Schema::DeadLetters);
    keep(&store, (1..=4).map(failure).collect()).await;
    let open = || Filter { states: vec![LetterState::Open], ..Filter::default() };
    let numbers = |letters: Vec<Letter>| -> Vec<u128> {
        letters.iter().map(|letter| letter.id.as_uuid().as_u128()).collect()
    };
    let before = store.statements().count();
    let (first, more) = act(&store, open(), 2, replayed).await;
    assert_eq!(store.statements().count() - before, if store.is_shared() { 2 } else { 3 });
    assert_eq!((numbers(first), more), (vec![1, 2], true), "the oldest first");
    let (rest, more) = act(&store, open(), 2, replayed).await;
    assert_eq!((numbers(rest), more), (vec![3, 4], false));
    assert_eq!(act(&store, open(), 2, replayed).await, (vec![], false), "each is replayed once");

    let two = Filter { ids: vec![letter_id(2), letter_id(77)], ..Filter::default() };
    let (known, _) = act(&store, two, 10, discarded).await;
    assert_eq!(numbers(known), [2], "an unknown one is not there");
    let found = store.letter_get(letter_id(2)).await.unwrap().unwrap();
    assert_eq!(found.actions, [replayed(2), discarded(2)], "the oldest first");
    assert_eq!((found.letter.state, found.letter.update_time), (LetterState::Discarded, at(600)));
    assert_eq!(found.letter.replay_id, None, "no replay of it has failed");
    let found = store.letter_get(letter_id(3)).await.unwrap().unwrap();
    assert_eq!((found.letter.state, found.actions), (LetterState::Replayed, vec![replayed(3)]));

    // A large batch.
    keep(&store, (1_001..=4_000).map(failure).collect()).await;
    let (many, more) = act(&store, open(), 5_000, replayed).await;
    assert_eq!((many.len(), more), (3_000, false));

    // What is undone leaves nothing behind, and who has locked a letter reads its message.
    let failed: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                let (locked, _) = tx.letters_lock(&Filter::default(), 1).await?;
                let originals = tx.letters_originals(&[locked[0].id]).await?;
                assert_eq!(originals, BTreeMap::from([(letter_id(1), failure(1).original)]));
                tx.letters_act(&[(letter_id(1), discarded(1))]).await?;
                Err(Error::Busy)
            })
        })
        .await;
    failed.unwrap_err();
    let found = store.letter_get(letter_id(1)).await.unwrap().unwrap();
    assert_eq!((found.letter.state, found.actions.len()), (LetterState::Replayed, 1));
}
