//! Finds places in a history, and changes what stands there.

use std::collections::BTreeSet;

use docket_domain::EventKind;
use uuid::Uuid;

use crate::history::index::Index;
use crate::history::{
    Answer, Call, Consumer, Content, Done, Entry, Event, History, Message, Method, Outcome, Subject, Task,
};

/// A version of a task.
pub(super) type Place = (Uuid, i64);

pub(super) fn change((task, version): Place) -> Subject {
    Subject::Change { task, version }
}

pub(super) fn at(place: &str, (task, version): Place) -> Subject {
    Subject::At { place: place.to_owned(), task, version }
}

pub(super) fn at_event(consumer: &str, event: Uuid) -> Subject {
    Subject::Event { consumer: consumer.to_owned(), event }
}

/// One of them.
pub(super) fn one<T: Copy>(all: &[T], pick: usize) -> Option<T> {
    all.get(pick % all.len().max(1)).copied()
}

/// An id that nothing has yet.
pub(super) fn fresh(number: u128) -> Uuid {
    Uuid::from_u128((1 << 100) + number)
}

/// The versions that have one event, which is on the topic and in the audit log.
pub(super) fn told(history: &History) -> Vec<(Place, Uuid)> {
    let index = Index::new(history);
    let told = index.changes.iter().filter_map(|(place, change)| {
        let ids: BTreeSet<Uuid> = change.events().map(|event| event.id).collect();
        let everywhere = !change.topic.is_empty() && !change.entries.is_empty();
        Some((*place, ids.first().copied().filter(|_| ids.len() == 1 && everywhere)?))
    });
    told.collect()
}

/// Those of them that were acknowledged.
pub(super) fn acknowledged(history: &History) -> Vec<(Place, Uuid)> {
    let index = Index::new(history);
    let mut told = told(history);
    told.retain(|(place, _)| !index.changes[place].acknowledged.is_empty());
    told
}

/// A version and the next one, both told.
pub(super) fn neighbours(history: &History, pick: usize) -> Option<(Uuid, Uuid, Place)> {
    let told = told(history);
    let pairs = told.windows(2).filter(|pair| pair[1].0 == (pair[0].0.0, pair[0].0.1 + 1));
    one(&pairs.map(|pair| (pair[0].1, pair[1].1, pair[0].0)).collect::<Vec<_>>(), pick)
}

/// Occurrences that follow another one, and that nobody has touched.
pub(super) fn followers(history: &History) -> Vec<Uuid> {
    let touched: BTreeSet<Uuid> = history
        .calls
        .iter()
        .filter(|call| call.method != Method::Read)
        .filter_map(|call| call.task)
        .collect();
    let untouched = |task: &&Task| task.version == 1 && !task.deleted && !touched.contains(&task.id);
    let behind = |task: &Task| (!of(history, task.predecessor?).deleted).then_some(task.id);
    history.tasks.iter().filter(untouched).filter_map(behind).collect()
}

pub(super) fn of(history: &History, task: Uuid) -> &Task {
    history.tasks.iter().find(|other| other.id == task).unwrap()
}

pub(super) fn of_mut(history: &mut History, task: Uuid) -> &mut Task {
    history.tasks.iter_mut().find(|other| other.id == task).unwrap()
}

/// Any task, and its version.
pub(super) fn a_task(history: &History, pick: usize) -> Option<Place> {
    one(&history.tasks.iter().map(|task| (task.id, task.version)).collect::<Vec<_>>(), pick)
}

/// One version more of any task.
pub(super) fn one_more(history: &mut History, pick: usize) -> Option<Place> {
    let (task, version) = a_task(history, pick)?;
    of_mut(history, task).version += 1;
    Some((task, version + 1))
}

pub(super) fn consumer<'a>(history: &'a mut History, name: &str) -> &'a mut Consumer {
    history.consumers.iter_mut().find(|consumer| consumer.name == name).unwrap()
}

pub(super) fn event_at(history: &History, place: Place) -> Option<Uuid> {
    told(history).into_iter().find(|(told, _)| *told == place).map(|(_, event)| event)
}

pub(super) fn told_by(history: &History, id: Uuid) -> &Event {
    history.entries.iter().map(|entry| &entry.event).find(|event| event.id == id).unwrap()
}

/// The call that was told of an event.
pub(super) fn call_of(history: &History, id: Uuid) -> &Call {
    let cause = told_by(history, id).cause;
    let told = |call: &&Call| call.request == cause && matches!(call.outcome, Outcome::Ok(_));
    history.calls.iter().find(told).unwrap()
}

/// A call at the end.
pub(super) fn call(
    history: &History,
    user: &str,
    request: Option<Uuid>,
    task: Uuid,
    outcome: Outcome,
) -> Call {
    let answered = history.calls.iter().filter_map(|call| call.answered).max().unwrap_or_default();
    let invoked = answered + std::time::Duration::from_secs(1);
    let method = if request.is_some() { Method::Update } else { Method::Read };
    let (user, task, answered) = (user.to_owned(), Some(task), Some(invoked));
    Call { process: 0, user, request, method, task, invoked, answered, outcome }
}

/// What a version says: what was told of it, or else what the database has.
pub(super) fn content_of(history: &History, (task, version): Place) -> Content {
    let mut events = history.entries.iter().map(|entry| &entry.event);
    let told = events.find(|event| (event.task, event.version) == (task, version));
    told.map_or_else(|| of(history, task).content.clone(), |event| event.content.clone())
}

/// An answer that shows a version to its owner.
pub(super) fn answer_of(history: &History, (task, version): Place) -> Answer {
    let user = of(history, task).user.clone();
    Answer { task, version, user, content: content_of(history, (task, version)) }
}

/// A change is told, to everybody, as the last thing.
pub(super) fn tell(
    history: &mut History,
    (task, version): Place,
    kind: EventKind,
    cause: Option<Uuid>,
    id: Uuid,
) {
    let user = of(history, task).user.clone();
    let content = content_of(history, (task, version));
    let event = Event { id, kind, task, version, user, content, cause };
    let order = 1 + history.entries.iter().map(|entry| entry.order).max().unwrap_or_default();
    let partition = (task.as_u128() % 3) as i32;
    let offset = 1 + history.topic.iter().map(|message| message.offset).max().unwrap_or_default();
    history.topic.push(Message { partition, offset, only: None, event: Some(event.clone()) });
    history.entries.push(Entry { event, order });
    history.consumers.iter_mut().for_each(|consumer| consumer.done.push(Done { event: id, order }));
}

/// Nobody has heard of a change.
pub(super) fn untell(history: &mut History, place: Place) {
    let id = event_at(history, place).unwrap();
    drop_messages(history, id);
    drop_entry(history, id);
    for consumer in &mut history.consumers {
        consumer.done.retain(|done| done.event != id);
    }
}

pub(super) fn drop_messages(history: &mut History, id: Uuid) {
    history.topic.retain(|message| message.event.as_ref().is_none_or(|event| event.id != id));
}

pub(super) fn drop_entry(history: &mut History, id: Uuid) {
    history.entries.retain(|entry| entry.event.id != id);
}

pub(super) fn drop_done(history: &mut History, name: &str, id: Uuid) {
    consumer(history, name).done.retain(|done| done.event != id);
}

/// Changes an event wherever it is.
pub(super) fn each_event(history: &mut History, id: Uuid, change: impl Fn(&mut Event)) {
    let topic = history.topic.iter_mut().filter_map(|message| message.event.as_mut());
    let entries = history.entries.iter_mut().map(|entry| &mut entry.event);
    topic.chain(entries).filter(|event| event.id == id).for_each(change);
}

/// The one who caused an event was never answered.
pub(super) fn forget_answers(history: &mut History, id: Uuid) {
    let cause = told_by(history, id).cause;
    for call in history.calls.iter_mut().filter(|call| call.request == cause) {
        if let Outcome::Ok(_) = call.outcome {
            (call.outcome, call.answered) = (Outcome::Unknown("no answer".to_owned()), None);
        }
    }
}

/// Where an event is first on the topic.
pub(super) fn first_message(history: &History, id: Uuid) -> Option<(i32, i64)> {
    let mine = |message: &&Message| message.event.as_ref().is_some_and(|event| event.id == id);
    history.topic.iter().filter(mine).map(|message| (message.partition, message.offset)).min()
}

/// A consumer was done with two events the other way round.
pub(super) fn swap_done(history: &mut History, name: &str, first: Uuid, second: Uuid) {
    let done = &mut consumer(history, name).done;
    let place = |id| done.iter().position(|done| done.event == id).unwrap();
    let (first, second) = (place(first), place(second));
    (done[first].order, done[second].order) = (done[second].order, done[first].order);
}

/// Another occurrence like this one.
pub(super) fn twin(history: &mut History, follower: Uuid, predecessor: Option<Uuid>) {
    let first = event_at(history, (follower, 1)).unwrap();
    let (id, cause) = (fresh(2), told_by(history, first).cause);
    let twin = Task { id, predecessor, ..of(history, follower).clone() };
    history.tasks.push(twin);
    tell(history, (id, 1), EventKind::Created, cause, fresh(1));
}
