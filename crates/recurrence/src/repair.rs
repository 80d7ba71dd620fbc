//! Finds completed tasks that nothing followed, and has the task API make what is missing.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use docket_domain::UserId;
use docket_proto::v1;
use docket_sidecar::{BindingHandler, BoxError, Metadata};
use docket_telemetry::{begin_trace, fail};
use futures::stream::{self, StreamExt as _};
use tokio::sync::Mutex;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::task_api::{Failure, TaskApi};

/// How many gaps are asked for at a time.
const PAGE: i32 = 100;

/// How many pages one tick goes through; the next one goes on from there.
const PAGES: usize = 10;

/// How many next occurrences are asked for at a time.
const IN_FLIGHT: usize = 8;

/// Closes the gaps in all series, whenever the clock strikes to which it listens.
///
/// The clock strikes in every replica. That is no matter, nor that the events of some of the tasks may still be on their
/// way: a completed task has one next occurrence, whoever asks for it, and however often.
pub struct Repair {
    tasks: Arc<dyn TaskApi>,
    /// The token of the page to go on from: series that can not go on must not keep those behind them from it for ever.
    place: Mutex<String>,
}

/// Some series could not go on.
#[derive(Debug, thiserror::Error)]
#[error("{count} series could not go on, among them that of task {task_id}")]
struct Stopped {
    count: usize,
    task_id: String,
    #[source]
    source: BoxError,
}

impl Repair {
    pub(crate) fn new(tasks: Arc<dyn TaskApi>) -> Self {
        Self { tasks, place: Mutex::default() }
    }

    /// Goes through the gaps from where it last came to. Series do not wait for each other, and one that can not go on
    /// stops no other.
    async fn go_on(&self, place: &mut String) -> Result<(), BoxError> {
        let mut stopped: Option<Stopped> = None;
        for _ in 0..PAGES {
            let gaps = self.page(place).await?;
            // Before the work, which may be given up in the middle: what it did not come to is still a gap in the next round.
            *place = gaps.next_page_token;
            let repairs = gaps.tasks.into_iter().zip(gaps.repairs).map(|(task, next)| async move {
                let failed = self.follow(&task, next).await.err()?;
                Some((task.task_id, failed))
            });
            let repairs: Vec<_> = repairs.collect();
            let failed: Vec<_> = stream::iter(repairs)
                .buffer_unordered(IN_FLIGHT)
                .filter_map(async |failed| failed)
                .collect()
                .await;
            for (task_id, source) in failed {
                stopped.get_or_insert(Stopped { count: 0, task_id, source }).count += 1;
            }
            if place.is_empty() {
                break;
            }
        }
        stopped.map_or(Ok(()), |stopped| Err(stopped.into()))
    }

    async fn page(&self, place: &mut String) -> Result<v1::ListSeriesGapsResponse, Failure> {
        match self.tasks.gaps(place, PAGE).await {
            // A token of another release.
            Err(Failure::Never(_)) if !place.is_empty() => {
                place.clear();
                self.tasks.gaps(place, PAGE).await
            }
            answer => answer,
        }
    }

    /// Begins a trace: the one in which the task was completed may have ended long ago.
    async fn follow(&self, task: &v1::Task, next: v1::CreateTaskRequest) -> Result<(), BoxError> {
        let owner: UserId = task.user_id.parse()?;
        let span = tracing::info_span!(parent: None, "repair series", docket.task.id = task.task_id, trace_id = Empty);
        begin_trace(&span, []);
        let followed = self.tasks.follow(next, &owner, None).instrument(span.clone()).await;
        if followed.is_err() {
            fail(&span, "not_followed");
        }
        Ok(followed?)
    }
}

#[async_trait]
impl BindingHandler for Repair {
    async fn run(&self, _: Bytes, _: Metadata) -> Result<(), BoxError> {
        match self.place.try_lock() {
            Ok(mut place) => self.go_on(&mut place).await,
            // The clock strikes again while there is still work from before.
            Err(_busy) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex as StdMutex;

    use docket_proto::v1::create_task_request::OccurrenceOf;
    use docket_rpc::{InvalidPageToken, to_status};
    use docket_sidecar::Trace;
    use docket_telemetry::current;
    use docket_telemetry::testing::{Recorder, SpanData, SpanId, Status};
    use tokio::sync::Semaphore;

    use super::*;

    /// How many calls the gate lets through at a time.
    const OPEN: u32 = 64;

    /// So many gaps; the token of a page is the number of its first one.
    struct Gaps {
        count: usize,
        /// What can not be followed.
        bad: BTreeSet<usize>,
        /// Lets a call go on.
        gate: Semaphore,
        followed: StdMutex<Vec<(usize, String)>>,
        /// The traces in which it was asked.
        within: StdMutex<Vec<String>>,
    }

    impl Gaps {
        fn new(count: usize, bad: &[usize]) -> Arc<Self> {
            let (bad, gate) = (bad.iter().copied().collect(), Semaphore::new(OPEN as usize));
            Arc::new(Self { count, bad, gate, followed: StdMutex::default(), within: StdMutex::default() })
        }

        /// What was followed since this was last asked.
        fn take(&self) -> Vec<usize> {
            let mut followed = std::mem::take(&mut *self.followed.lock().unwrap());
            followed.sort();
            assert!(followed.iter().all(|(gap, owner)| *owner == format!("user-{gap}")), "{followed:?}");
            followed.into_iter().map(|(gap, _)| gap).collect()
        }
    }

    #[async_trait]
    impl TaskApi for Gaps {
        async fn follow(
            &self,
            next: v1::CreateTaskRequest,
            owner: &UserId,
            _: Option<&Trace>,
        ) -> Result<(), Failure> {
            let gap: usize = next.occurrence_of.unwrap().task_id.parse().unwrap();
            let _open = self.gate.acquire().await.unwrap();
            self.within.lock().unwrap().extend(current().trace_id().map(str::to_owned));
            if self.bad.contains(&gap) {
                return Err(Failure::Later("it is bad".into()));
            }
            self.followed.lock().unwrap().push((gap, owner.to_string()));
            Ok(())
        }

        async fn gaps(&self, token: &str, page_size: i32) -> Result<v1::ListSeriesGapsResponse, Failure> {
            let refused = |_| Failure::Never(Box::new(to_status(&InvalidPageToken)));
            let start: usize = if token.is_empty() { 0 } else { token.parse().map_err(refused)? };
            let end = self.count.min(start + usize::try_from(page_size).unwrap());
            let task = |gap: usize| v1::Task { user_id: format!("user-{gap}"), ..v1::Task::default() };
            let next = |gap: usize| v1::CreateTaskRequest {
                occurrence_of: Some(OccurrenceOf { task_id: gap.to_string(), version: 2 }),
                ..v1::CreateTaskRequest::default()
            };
            Ok(v1::ListSeriesGapsResponse {
                tasks: (start..end).map(task).collect(),
                repairs: (start..end).map(next).collect(),
                next_page_token: if end < self.count { end.to_string() } else { String::new() },
            })
        }
    }

    async fn tick(repair: &Repair) -> Result<(), BoxError> {
        repair.run(Bytes::new(), Metadata::default()).await
    }

    #[tokio::test]
    async fn one_series_that_can_not_go_on_stops_no_other() {
        let gaps = Gaps::new(250, &[0, 120]);
        let repair = Repair::new(gaps.clone());
        let error = tick(&repair).await.unwrap_err();
        assert!(
            error.to_string().starts_with("2 series could not go on, among them that of task "),
            "{error}"
        );
        assert_eq!(error.source().unwrap().to_string(), "the task API can not be asked now");
        let expect: Vec<usize> = (0..250).filter(|gap| ![0, 120].contains(gap)).collect();
        assert_eq!(gaps.take(), expect, "all pages, and each gap once");
    }

    #[tokio::test]
    async fn a_tick_is_bounded_and_the_next_one_goes_on_from_there() {
        let gaps = Gaps::new(1_100, &[]);
        let repair = Repair::new(gaps.clone());
        tick(&repair).await.unwrap();
        assert_eq!(gaps.take(), (0..1_000).collect::<Vec<_>>());
        tick(&repair).await.unwrap();
        assert_eq!(gaps.take(), (1_000..1_100).collect::<Vec<_>>());
        tick(&repair).await.unwrap();
        assert_eq!(gaps.take().len(), 1_000, "from the start again");
    }

    #[tokio::test]
    async fn a_place_that_is_not_known_any_more_is_the_start() {
        let gaps = Gaps::new(3, &[]);
        let repair =
            Repair { place: Mutex::new("of another release".to_owned()), ..Repair::new(gaps.clone()) };
        tick(&repair).await.unwrap();
        assert_eq!(gaps.take(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn what_is_repaired_begins_a_trace_and_a_tick_that_finds_nothing_does_not() {
        let (recorder, _guard) = Recorder::start();
        tick(&Repair::new(Gaps::new(0, &[]))).await.unwrap();
        assert_eq!(recorder.spans().len(), 0);
        let gaps = Gaps::new(2, &[1]);
        tick(&Repair::new(gaps.clone())).await.unwrap_err();
        let spans = recorder.spans();
        let told =
            |span: &SpanData| (span.name.to_string(), span.parent_span_id, span.status != Status::Unset);
        let mut told: Vec<_> = spans.iter().map(told).collect();
        told.sort_by_key(|(.., failed)| *failed);
        let name = || "repair series".to_owned();
        assert_eq!(told, [(name(), SpanId::INVALID, false), (name(), SpanId::INVALID, true)]);
        let within: BTreeSet<_> = gaps.within.lock().unwrap().iter().cloned().collect();
        let own = |span: &SpanData| span.span_context.trace_id().to_string();
        assert_eq!(within, spans.iter().map(own).collect(), "each is asked for in a trace of its own");
        assert_eq!(within.len(), 2);
    }

    #[tokio::test]
    async fn a_tick_while_another_one_is_at_work_is_over_at_once() {
        let gaps = Gaps::new(3, &[]);
        let repair = Arc::new(Repair::new(gaps.clone()));
        let closed = gaps.gate.acquire_many(OPEN).await.unwrap();
        let first = tick(&repair);
        tokio::pin!(first);
        assert!(futures::poll!(first.as_mut()).is_pending());
        tick(&repair).await.unwrap();
        assert_eq!(gaps.take(), [0; 0], "it did nothing, and did not wait");
        drop(closed);
        first.await.unwrap();
        assert_eq!(gaps.take(), [0, 1, 2]);
    }
}
