//! Anomalies to plant: each as it would look if exactly that had gone wrong.

use std::time::Duration;

use docket_domain::EventKind;

use super::edit::*;
use crate::history::{Answer, Call, Done, History, Key, Message, Method, Name, Outcome, Subject, Task};

/// What is to be found.
type Expected = Option<(Name, Subject)>;

/// An anomaly.
pub(super) struct Plant {
    /// What goes wrong.
    pub(super) what: &'static str,
    /// Does it somewhere; the number says where. Nothing when there is no place for it.
    pub(super) apply: fn(&mut History, usize) -> Expected,
}

macro_rules! plants {
    ($($what:literal => $apply:expr,)*) => {
        /// All of them.
        pub(super) const PLANTS: &[Plant] = &[$(Plant { what: $what, apply: $apply }),*];
    };
}

plants! {
    "lost in the database" => |history, pick| {
        let newest = |place: Place| place.1 > 1 && place.1 == of(history, place.0).version;
        let places: Vec<_> = acknowledged(history).into_iter().filter(|(place, _)| newest(*place)).collect();
        let (place, _) = one(&places, pick)?;
        let before = content_of(history, (place.0, place.1 - 1));
        let task = of_mut(history, place.0);
        (task.version, task.content) = (place.1 - 1, before);
        Some((Name::LostWrite, change(place)))
    },
    "lost on the topic" => |history, pick| {
        let (place, event) = one(&acknowledged(history), pick)?;
        drop_messages(history, event);
        Some((Name::LostWrite, change(place)))
    },
    "lost in the audit log" => |history, pick| {
        let (place, event) = one(&acknowledged(history), pick)?;
        drop_entry(history, event);
        drop_done(history, "audit", event);
        Some((Name::LostWrite, change(place)))
    },
    "overwritten by another request" => |history, pick| {
        let (place, event) = one(&acknowledged(history), pick)?;
        let old = call_of(history, event).clone();
        let request = fresh(1);
        let outcome = Outcome::Unknown("no answer".to_owned());
        history.calls.push(Call { request: Some(request), answered: None, outcome, ..old.clone() });
        let content = content_of(history, place);
        history.keys.push(Key { user: old.user, request, task: place.0, version: place.1, content });
        each_event(history, event, |event| event.cause = Some(request));
        Some((Name::LostWrite, change(place)))
    },
    "told, but never made" => |history, pick| {
        let (task, version) = a_task(history, pick)?;
        let place = (task, version + 1);
        tell(history, place, EventKind::Updated, None, fresh(1));
        Some((Name::Ghost, change(place)))
    },
    "made though it was refused" => |history, pick| {
        let place = one_more(history, pick)?;
        let request = fresh(2);
        let user = of(history, place.0).user.clone();
        let refused = Outcome::Fail("ABORTED".to_owned());
        history.calls.push(call(history, &user, Some(request), place.0, refused));
        tell(history, place, EventKind::Updated, Some(request), fresh(1));
        Some((Name::Ghost, change(place)))
    },
    "made though nobody asked" => |history, pick| {
        let place = one_more(history, pick)?;
        tell(history, place, EventKind::Updated, Some(fresh(2)), fresh(1));
        Some((Name::Ghost, change(place)))
    },
    "something else made than was asked for" => |history, pick| {
        let place = one_more(history, pick)?;
        let request = fresh(2);
        let user = of(history, place.0).user.clone();
        history.calls.push(call(history, &user, Some(request), place.0, Outcome::Unknown("gone".to_owned())));
        tell(history, place, EventKind::Reopened, Some(request), fresh(1));
        Some((Name::Ghost, change(place)))
    },
    "applied, but never published" => |history, _| {
        let event = fresh(1);
        consumer(history, "recurrence").done.push(Done { event, order: 0 });
        Some((Name::Ghost, at_event("recurrence", event)))
    },
    "an answer kept though it was refused" => |history, pick| {
        let (task, version) = a_task(history, pick)?;
        let (request, user) = (fresh(1), of(history, task).user.clone());
        history.calls.push(call(history, &user, Some(request), task, Outcome::Fail("ABORTED".to_owned())));
        let content = content_of(history, (task, version));
        history.keys.push(Key { user, request, task, version, content });
        Some((Name::Ghost, Subject::Request(request)))
    },
    "two events for one version" => |history, pick| {
        let (place, event) = one(&told(history), pick)?;
        let old = told_by(history, event).clone();
        tell(history, place, old.kind, old.cause, fresh(1));
        // Right behind the first.
        let order = history.entries.iter().find(|entry| entry.event.id == event)?.order;
        let new = fresh(1);
        for entry in history.entries.iter_mut().filter(|entry| entry.event.id == new) {
            entry.order = order;
        }
        for consumer in &mut history.consumers {
            consumer.done.iter_mut().filter(|done| done.event == new).for_each(|done| done.order = order);
        }
        let (partition, offset) = first_message(history, event)?;
        for message in history.topic.iter_mut().filter(|message| message.partition == partition) {
            let is_new = message.event.as_ref().is_some_and(|event| event.id == new);
            message.offset = if is_new { 2 * offset + 1 } else { 2 * message.offset };
        }
        Some((Name::DuplicateEffect, change(place)))
    },
    "two entries for one event" => |history, pick| {
        let (place, event) = one(&told(history), pick)?;
        let entry = history.entries.iter().find(|entry| entry.event.id == event)?.clone();
        history.entries.push(entry);
        Some((Name::DuplicateEffect, change(place)))
    },
    "two answers for one request" => |history, pick| {
        let (old, answer) = second_task(history, pick)?;
        let request = old.request?;
        history.calls.push(Call { outcome: Outcome::Ok(vec![answer]), ..old });
        Some((Name::DuplicateEffect, Subject::Request(request)))
    },
    "two tasks for one request" => |history, pick| {
        let (old, _) = second_task(history, pick)?;
        Some((Name::DuplicateEffect, Subject::Request(old.request?)))
    },
    "two occurrences after one task" => |history, pick| {
        let follower = one(&followers(history), pick)?;
        let predecessor = of(history, follower).predecessor?;
        twin(history, follower, Some(predecessor));
        Some((Name::DuplicateEffect, Subject::Task(predecessor)))
    },
    "two occurrences at one instant" => |history, pick| {
        let follower = one(&followers(history), pick)?;
        let (series, instant) = of(history, follower).series?;
        twin(history, follower, None);
        Some((Name::DuplicateEffect, Subject::Instant { series, instant }))
    },
    "applied in the wrong order" => |history, pick| {
        let (first, second, place) = neighbours(history, pick)?;
        swap_done(history, "recurrence", first, second);
        Some((Name::Nonmonotonic, at("recurrence", place)))
    },
    "logged in the wrong order" => |history, pick| {
        let (first, second, place) = neighbours(history, pick)?;
        swap_done(history, "audit", first, second);
        let entry = |event| history.entries.iter().position(|entry| entry.event.id == event);
        let (first, second) = (entry(first)?, entry(second)?);
        let order = history.entries[first].order;
        history.entries[first].order = history.entries[second].order;
        history.entries[second].order = order;
        Some((Name::Nonmonotonic, at("audit", place)))
    },
    "published in the wrong order" => |history, pick| {
        let (first, second, place) = neighbours(history, pick)?;
        let (first, second) = (first_message(history, first)?, first_message(history, second)?);
        for message in &mut history.topic {
            let here = (message.partition, message.offset);
            message.offset = if here == first { second.1 } else if here == second { first.1 } else { here.1 };
        }
        Some((Name::Nonmonotonic, at("topic", place)))
    },
    "published to two partitions" => |history, pick| {
        let (first, ..) = neighbours(history, pick)?;
        let task = told_by(history, first).task;
        let last = history.topic.iter().map(|message| message.offset).max()?;
        let message = history.topic.iter().find(|message| message.event.as_ref().is_some_and(|event| event.id == first))?;
        let partition = message.partition + 1;
        let moved = Message { partition, offset: last + 1, ..message.clone() };
        history.topic.push(moved);
        Some((Name::Nonmonotonic, Subject::Task(task)))
    },
    "an old version read" => |history, pick| {
        let places: Vec<_> = acknowledged(history).into_iter().filter(|(place, _)| place.1 > 1).collect();
        let (place, _) = one(&places, pick)?;
        let user = of(history, place.0).user.clone();
        let answer = answer_of(history, (place.0, place.1 - 1));
        history.calls.push(call(history, &user, None, place.0, Outcome::Ok(vec![answer])));
        Some((Name::Nonmonotonic, Subject::Call(history.calls.len() - 1)))
    },
    "a version passed over" => |history, pick| {
        let (first, _, place) = neighbours(history, pick)?;
        drop_done(history, "recurrence", first);
        Some((Name::Gap, at("recurrence", place)))
    },
    "a version told nowhere, but later ones" => |history, pick| {
        let (first, _, place) = neighbours(history, pick)?;
        history.keys.retain(|key| (key.task, key.version) != place);
        forget_answers(history, first);
        untell(history, place);
        Some((Name::Gap, change(place)))
    },
    "no occurrence after a task" => |history, pick| {
        let follower = one(&followers(history), pick)?;
        let predecessor = of(history, follower).predecessor?;
        untell(history, (follower, 1));
        history.tasks.retain(|task| task.id != follower);
        Some((Name::Gap, Subject::Task(predecessor)))
    },
    "never applied" => |history, pick| {
        let places = told(history);
        let places = places.into_iter().filter(|(place, _)| place.1 == of(history, place.0).version);
        let (place, event) = one(&places.collect::<Vec<_>>(), pick)?;
        drop_done(history, "recurrence", event);
        Some((Name::Unseen, at("recurrence", place)))
    },
    "planted, but not given up" => |history, _| {
        let planted = history.planted.first()?.event;
        let consumer = consumer(history, "audit");
        consumer.dead.remove(&planted);
        consumer.letters.remove(&planted);
        Some((Name::Unseen, at_event("audit", planted)))
    },
    "a change without its event" => |history, pick| {
        let (place, event) = one(&acknowledged(history), pick)?;
        forget_answers(history, event);
        untell(history, place);
        Some((Name::Half, change(place)))
    },
    "acknowledged, but not repeatable" => |history, pick| {
        let (_, event) = one(&acknowledged(history), pick)?;
        let request = call_of(history, event).request?;
        history.keys.retain(|key| key.request != request);
        Some((Name::Half, Subject::Request(request)))
    },
    "made without an answer, and not repeatable" => |history, pick| {
        let (_, event) = one(&acknowledged(history), pick)?;
        let request = call_of(history, event).request?;
        forget_answers(history, event);
        history.keys.retain(|key| key.request != request);
        Some((Name::Half, Subject::Request(request)))
    },
    "an answer kept for what was not made" => |history, pick| {
        let (task, version) = a_task(history, pick)?;
        let (request, user) = (fresh(1), of(history, task).user.clone());
        history.calls.push(call(history, &user, Some(request), task, Outcome::Unknown("gone".to_owned())));
        let content = content_of(history, (task, version));
        history.keys.push(Key { user, request, task, version: version + 1, content });
        Some((Name::Half, Subject::Request(request)))
    },
    "done with, but not in the log" => |history, pick| {
        let (_, event) = one(&acknowledged(history), pick)?;
        forget_answers(history, event);
        drop_entry(history, event);
        Some((Name::Half, at_event("audit", event)))
    },
    "in the log, but not done with" => |history, pick| {
        let (_, event) = one(&told(history), pick)?;
        drop_done(history, "audit", event);
        Some((Name::Half, at_event("audit", event)))
    },
    "given up without a letter" => |history, _| {
        let planted = history.planted.first()?.event;
        consumer(history, "recurrence").letters.remove(&planted);
        Some((Name::Half, at_event("recurrence", planted)))
    },
    "another title in the database" => |history, pick| {
        let place = a_task(history, pick)?;
        of_mut(history, place.0).content.title.push('!');
        Some((Name::Half, change(place)))
    },
    "another state in the database" => |history, pick| {
        let place = a_task(history, pick)?;
        let content = &mut of_mut(history, place.0).content;
        content.completed = !content.completed;
        Some((Name::Half, change(place)))
    },
    "another title on the topic" => |history, pick| {
        let (place, event) = one(&told(history), pick)?;
        let mut events = history.topic.iter_mut().filter_map(|message| message.event.as_mut());
        events.find(|other| other.id == event)?.content.title.push('!');
        Some((Name::Half, change(place)))
    },
    "another state in the audit log" => |history, pick| {
        let (place, event) = one(&told(history), pick)?;
        let entry = history.entries.iter_mut().find(|entry| entry.event.id == event)?;
        entry.event.content.completed = !entry.event.content.completed;
        Some((Name::Half, change(place)))
    },
    "another title kept for a repetition" => |history, pick| {
        let length = history.keys.len();
        let key = history.keys.get_mut(pick % length.max(1))?;
        key.content.title.push('!');
        Some((Name::Half, change((key.task, key.version))))
    },
    "another title shown" => |history, pick| {
        let place = a_task(history, pick)?;
        let mut answer = answer_of(history, place);
        answer.content.title.push('!');
        let user = answer.user.clone();
        history.calls.push(call(history, &user, None, place.0, Outcome::Ok(vec![answer])));
        Some((Name::Half, change(place)))
    },
    "another state answered to a repetition" => |history, pick| {
        let (place, event) = one(&acknowledged(history), pick)?;
        let first = call_of(history, event).clone();
        let mut answer = answer_of(history, place);
        answer.content.completed = !answer.content.completed;
        history.calls.push(Call { outcome: Outcome::Ok(vec![answer]), ..first });
        Some((Name::Half, change(place)))
    },
    "refused to repeat what was answered" => |history, pick| {
        let (place, event) = one(&acknowledged(history), pick)?;
        let Call { user, request, .. } = call_of(history, event).clone();
        let refused = Outcome::Fail("ETAG_MISMATCH".to_owned());
        history.calls.push(call(history, &user, request, place.0, refused));
        Some((Name::Forgotten, Subject::Request(request?)))
    },
    "refused to repeat what was shown" => |history, pick| {
        let (place, event) = one(&acknowledged(history), pick)?;
        let Call { user, request, .. } = call_of(history, event).clone();
        let shown = Outcome::Ok(vec![answer_of(history, place)]);
        forget_answers(history, event);
        // Long ago, so that no version is known yet that is newer.
        history.calls.insert(0, Call { invoked: Duration::ZERO, ..call(history, &user, None, place.0, shown) });
        let refused = Outcome::Fail("ETAG_MISMATCH".to_owned());
        history.calls.push(call(history, &user, request, place.0, refused));
        Some((Name::Forgotten, Subject::Request(request?)))
    },
    "hidden from its owner" => |history, pick| {
        let (place, event) = one(&acknowledged(history), pick).filter(|(place, _)| !of(history, place.0).deleted)?;
        let user = call_of(history, event).user.clone();
        let refused = Outcome::Fail("TASK_NOT_FOUND".to_owned());
        history.calls.push(call(history, &user, None, place.0, refused));
        Some((Name::LostWrite, Subject::Call(history.calls.len() - 1)))
    },
    "given up, and applied" => |history, pick| {
        let (_, event) = one(&told(history), pick)?;
        consumer(history, "recurrence").letters.insert(event);
        Some((Name::Both, at_event("recurrence", event)))
    },
    "given up, and logged" => |history, pick| {
        let (_, event) = one(&told(history), pick)?;
        drop_done(history, "audit", event);
        let audit = consumer(history, "audit");
        audit.dead.insert(event);
        audit.letters.insert(event);
        Some((Name::Both, at_event("audit", event)))
    },
    "given up for nothing" => |history, pick| {
        let (_, event) = one(&told(history), pick)?;
        drop_entry(history, event);
        drop_done(history, "audit", event);
        let audit = consumer(history, "audit");
        audit.dead.insert(event);
        audit.letters.insert(event);
        Some((Name::Buried, at_event("audit", event)))
    },
    "another user's task answered" => |history, pick| {
        let (task, version) = a_task(history, pick)?;
        let answer = answer_of(history, (task, version));
        history.calls.push(call(history, "mallory", None, task, Outcome::Ok(vec![answer])));
        Some((Name::Leak, Subject::Call(history.calls.len() - 1)))
    },
    "another user's name in an event" => |history, pick| {
        let (place, event) = one(&told(history), pick)?;
        let mine = |message: &&mut Message| message.event.as_ref().is_some_and(|other| other.id == event);
        let message = history.topic.iter_mut().find(mine)?;
        message.event.as_mut()?.user = "mallory".to_owned();
        Some((Name::Leak, change(place)))
    },
    "an occurrence for another user" => |history, pick| {
        let follower = one(&followers(history), pick)?;
        history.calls.retain(|call| call.method != Method::Read);
        let event = event_at(history, (follower, 1))?;
        of_mut(history, follower).user = "mallory".to_owned();
        each_event(history, event, |event| event.user = "mallory".to_owned());
        Some((Name::Leak, Subject::Task(follower)))
    },
}

/// One creation made two tasks: the call, and what a second answer would have been.
fn second_task(history: &mut History, pick: usize) -> Option<(Call, Answer)> {
    let mut creations = acknowledged(history);
    creations.retain(|(_, event)| {
        let call = call_of(history, *event);
        call.method == Method::Create && call.task.is_none()
    });
    let (place, event) = one(&creations, pick)?;
    let (old, id) = (call_of(history, event).clone(), fresh(2));
    let (completed, series, predecessor) = (None, None, None);
    let first = of(history, place.0).clone();
    history.tasks.push(Task {
        id,
        version: 1,
        completed,
        series,
        predecessor,
        repeats: false,
        deleted: false,
        ..first
    });
    tell(history, (id, 1), EventKind::Created, old.request, fresh(1));
    let answer = answer_of(history, (id, 1));
    Some((old, answer))
}
