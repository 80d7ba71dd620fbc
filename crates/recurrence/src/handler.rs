//! Asks for the next occurrence of every completed task.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use docket_domain::source::Clock;
use docket_domain::{EventKind, Heard, UserId};
use docket_proto::v1;
use docket_sidecar::{Delivery, HandlerError, TopicHandler};
use docket_store::Store;
use docket_store::inbox::Arrival;
use docket_wire::{answer, event};
use futures::stream::{self, StreamExt as _};

use crate::task_api::TaskApi;

/// Names the handler in the inbox.
const NAME: &str = "recurrence";

/// How many next occurrences of a batch are asked for at a time.
const IN_FLIGHT: usize = 8;

/// The handler of task events.
pub struct Handler {
    tasks: Arc<dyn TaskApi>,
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Handler {
    pub(crate) fn new(tasks: Arc<dyn TaskApi>, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { tasks, store, clock }
    }

    /// Has the task API make what is to follow, and notes that these events are done with. In between there is no
    /// transaction: the task API knows by itself what it has made already.
    async fn finish(&self, events: &[Read<'_>]) -> Result<(), HandlerError> {
        fail::fail_point!("recurrence-error", |_| Err(HandlerError::retry("failpoint")));
        let failures = self.follow(events).await?;
        // What is behind a failure of its task comes again with it.
        let held: HashSet<&str> = failures.iter().map(|(place, _)| events[*place].subject()).collect();
        let done = events.iter().filter(|event| !held.contains(event.subject()));
        self.done(done.map(|event| event.arrival).collect()).await?;
        judge(events.len(), failures)
    }

    /// Asks for all next occurrences that nobody has asked for yet; answers the places of those that were refused.
    async fn follow(&self, events: &[Read<'_>]) -> Result<Vec<(usize, HandlerError)>, HandlerError> {
        let following: Vec<_> = events
            .iter()
            .enumerate()
            .filter_map(|(place, event)| Some((place, event.following.as_ref()?)))
            .collect();
        if following.is_empty() {
            return Ok(Vec::new());
        }
        let arrivals: Vec<Arrival> = following.iter().map(|(place, _)| events[*place].arrival).collect();
        let begins = self.store.inbox_would_begin(NAME, &arrivals).await.map_err(failed)?;
        let new = following.into_iter().zip(begins).filter(|(_, begins)| *begins);
        let asks = new.map(|((place, (owner, next)), _)| async move {
            let trace = events[place].delivery.trace.as_ref();
            let failed = self.tasks.follow(next.clone(), owner, trace).await.err()?;
            Some((place, HandlerError::from(failed)))
        });
        let asks: Vec<_> = asks.collect();
        Ok(stream::iter(asks).buffer_unordered(IN_FLIGHT).filter_map(async |failed| failed).collect().await)
    }

    async fn done(&self, arrivals: Vec<Arrival>) -> Result<(), HandlerError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let (now, arrivals) = (self.clock.now(), &arrivals);
        let noted: Result<Vec<bool>, docket_store::Error> =
            self.store.transaction(|tx| Box::pin(tx.inbox_begin_all(NAME, arrivals, now))).await;
        noted.map(drop).map_err(failed)
    }
}

#[async_trait]
impl TopicHandler for Handler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.finish(&[Read::of(delivery)?]).await
    }

    async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
        self.finish(&HandlerError::read_all(deliveries, Read::of).await?).await
    }
}

/// An event that was read.
struct Read<'a> {
    delivery: &'a Delivery,
    arrival: Arrival,
    following: Option<(UserId, v1::CreateTaskRequest)>,
}

impl<'a> Read<'a> {
    fn of(delivery: &'a Delivery) -> Result<Self, HandlerError> {
        let following = match Heard::from_event_type(&delivery.event_type) {
            Some(Heard::Task(EventKind::Completed)) => following(delivery)?,
            // Nothing follows from these.
            Some(_) => None,
            None => {
                return Err(HandlerError::hopeless(format!("unknown event type {}", delivery.event_type)));
            }
        };
        let replay = delivery.metadata.replay().map(|replay| replay.id);
        Ok(Self { delivery, arrival: Arrival { event: delivery.event_id, replay }, following })
    }

    fn subject(&self) -> &str {
        &self.delivery.subject
    }
}

fn failed(error: docket_store::Error) -> HandlerError {
    HandlerError::of_database(error.is_refused(), error)
}

/// What the failures of some events mean for all of them.
fn judge(events: usize, mut failures: Vec<(usize, HandlerError)>) -> Result<(), HandlerError> {
    let hopeless = |failure: &(usize, HandlerError)| matches!(failure.1, HandlerError::Hopeless { .. });
    if failures.is_empty() {
        Ok(())
    } else if events > 1 && failures.iter().all(hopeless) {
        Err(HandlerError::HopelessAmong(failures.into_iter().map(|(place, _)| place).collect()))
    } else {
        let first = failures.iter().position(|failure| !hopeless(failure)).unwrap_or_default();
        Err(failures.swap_remove(first).1)
    }
}

/// What is to follow a completion, and whose it is; nothing when the task does not repeat or its rule has ended.
fn following(delivery: &Delivery) -> Result<Option<(UserId, v1::CreateTaskRequest)>, HandlerError> {
    let unreadable = |source: event::DecodeError| HandlerError::Hopeless {
        reason: "the event can not be read".to_owned(),
        source: Some(source.into()),
    };
    let event = event::decode(&delivery.data).map_err(unreadable)?;
    let task = event.task().map_err(unreadable)?;
    Ok(answer::next_to_proto(&task).map(|next| (event.user_id, next)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use docket_domain::{EventId, Instant};
    use docket_proto::v1::ListSeriesGapsResponse;
    use docket_rpc::{InvalidPageToken, to_status};
    use docket_sidecar::{Metadata, Trace};
    use docket_store::{Config, Schema, Stores};

    use super::*;
    use crate::task_api::Failure;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Instant {
            "2027-01-01T12:00:00Z".parse().unwrap()
        }
    }

    /// Knows a call by the trace of its event: `later` and `never` fail.
    #[derive(Default)]
    struct Calls(Mutex<Vec<String>>);

    impl Calls {
        fn take(&self) -> Vec<String> {
            let mut calls = std::mem::take(&mut *self.0.lock().unwrap());
            calls.sort();
            calls
        }
    }

    #[async_trait]
    impl TaskApi for Calls {
        async fn follow(
            &self,
            _: v1::CreateTaskRequest,
            _: &UserId,
            trace: Option<&Trace>,
        ) -> Result<(), Failure> {
            let event = trace.unwrap().parent.clone();
            self.0.lock().unwrap().push(event.clone());
            match event.as_str() {
                "later" => Err(Failure::Later("it is away".into())),
                "never" => Err(Failure::Never(Box::new(to_status(&InvalidPageToken)))),
                _ => Ok(()),
            }
        }

        async fn gaps(&self, _: &str, _: i32) -> Result<ListSeriesGapsResponse, Failure> {
            panic!("not asked for here")
        }
    }

    struct World {
        calls: Arc<Calls>,
        handler: Handler,
        stores: Stores,
    }

    impl World {
        async fn new() -> Self {
            let config = Config { url: "sqlite::memory:".to_owned(), ..Config::default() };
            let stores = Stores::open(&config, &[]).await.unwrap();
            stores.migrate_up(None).await.unwrap();
            let (calls, store) = (Arc::new(Calls::default()), stores.of(Schema::Recurrence));
            let handler = Handler::new(calls.clone(), store, Arc::new(Noon));
            Self { calls, handler, stores }
        }

        async fn handle(&self, deliveries: &[Delivery]) -> Result<(), HandlerError> {
            self.handler.handle_all(&deliveries.iter().collect::<Vec<_>>()).await
        }

        /// The numbers of the events that are noted.
        async fn noted(&self, deliveries: &[Delivery]) -> Vec<usize> {
            let ids: Vec<EventId> = deliveries.iter().map(|delivery| delivery.event_id).collect();
            let noted = self.handler.store.inbox_receipts(&ids).await.unwrap();
            (0..ids.len()).filter(|n| noted.contains(&(ids[*n], NAME.to_owned()))).collect()
        }
    }

    fn event(number: u8, subject: &str, kind: &str, trace: &str) -> Delivery {
        let data = match kind {
            "completed" => {
                include_bytes!("../../wire/goldens/task_event/v1/completed_recurring.json").to_vec()
            }
            _ => include_bytes!("../../wire/goldens/task_event/v1/created.json").to_vec(),
        };
        Delivery {
            event_id: format!("0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e{number:02x}").parse().unwrap(),
            event_type: format!("com.todo.task.{kind}"),
            source: "docket/tasks".to_owned(),
            subject: subject.to_owned(),
            time: Noon.now(),
            pubsub: "pubsub".to_owned(),
            topic: "task-events".to_owned(),
            trace: Some(Trace { parent: trace.to_owned(), state: None }),
            metadata: Metadata::default(),
            data: Bytes::from(data),
            original: Bytes::new(),
        }
    }

    #[tokio::test]
    async fn a_batch_is_one_look_into_the_inbox_its_calls_and_one_note() {
        let world = World::new().await;
        let events = [
            event(0, "a", "created", "none"),
            event(1, "a", "completed", "1"),
            event(2, "b", "completed", "2"),
            event(3, "c", "created", "none"),
        ];
        let before = world.stores.statements().count();
        world.handle(&events).await.unwrap();
        assert_eq!(world.stores.statements().count() - before, 2);
        assert_eq!(world.calls.take(), ["1", "2"]);
        assert_eq!(world.noted(&events).await, [0, 1, 2, 3]);

        world.handle(&events).await.unwrap();
        assert_eq!(world.calls.take(), [""; 0], "what is noted is not asked for again");
        let replay = [("docket-replay".to_owned(), event(9, "a", "created", "none").event_id.to_string())];
        let metadata: Metadata = replay.into_iter().collect();
        let replayed = |delivery: &Delivery| Delivery { metadata: metadata.clone(), ..delivery.clone() };
        world.handle(&[replayed(&events[1]), replayed(&events[2])]).await.unwrap();
        assert_eq!(world.calls.take(), [""; 0], "nor is it by a replay to all");
        let before = world.stores.statements().count();
        world.handle(&[events[0].clone(), events[3].clone()]).await.unwrap();
        assert_eq!(world.stores.statements().count() - before, 1, "where nothing is to be asked for");
    }

    #[tokio::test]
    async fn behind_a_call_that_failed_nothing_of_its_task_is_noted() {
        let world = World::new().await;
        let events = [
            event(0, "a", "completed", "later"),
            event(1, "b", "completed", "1"),
            event(2, "a", "created", "none"),
        ];
        let failed = world.handle(&events).await.unwrap_err();
        assert!(matches!(failed, HandlerError::Retry(_)), "{failed:?}");
        assert_eq!(world.calls.take(), ["1", "later"]);
        assert_eq!(world.noted(&events).await, [1]);
    }

    #[tokio::test]
    async fn a_call_that_is_refused_for_good_is_named() {
        let world = World::new().await;
        let events = [event(0, "a", "completed", "1"), event(1, "b", "completed", "never")];
        let failed = world.handle(&events).await.unwrap_err();
        assert!(matches!(&failed, HandlerError::HopelessAmong(places) if places == &[1]), "{failed:?}");
        let alone = world.handler.handle(&events[1]).await.unwrap_err();
        assert!(matches!(alone, HandlerError::Hopeless { .. }), "{alone:?}");
        let of_others = |number, kind: &str| Delivery {
            event_type: format!("com.todo.{kind}"),
            data: Bytes::from_static(b"{}"),
            ..event(number, "e", "created", "none")
        };
        let others = [of_others(4, "reminder.sent"), of_others(5, "preferences.updated")];
        world.handle(&others).await.unwrap();
        assert_eq!(world.noted(&others).await, [0, 1], "nothing follows from these");
        let unknown = [event(2, "c", "painted", "none"), event(3, "d", "created", "none")];
        let failed = world.handle(&unknown).await.unwrap_err();
        assert!(matches!(&failed, HandlerError::HopelessAmong(places) if places == &[0]), "{failed:?}");
    }
}
