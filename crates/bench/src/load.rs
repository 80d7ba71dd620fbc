//! The load generator: so many calls under way at any time, each followed by the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use docket_proto::v1;
use docket_proto::v1::task_service_client::TaskServiceClient;
use hdrhistogram::Histogram;
use rand::Rng as _;
use tokio::task::JoinSet;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::method::Method;
use crate::world::{READER, USERS, id_of, token};

/// Makes calls as any user.
#[derive(Clone)]
pub(crate) struct Caller {
    clients: Vec<TaskServiceClient<Channel>>,
    tokens: Arc<Vec<MetadataValue<Ascii>>>,
    reader: MetadataValue<Ascii>,
}

impl Caller {
    /// With a token for each user.
    pub(crate) fn new(channels: Vec<Channel>) -> Result<Self> {
        let bearer =
            |user: &str| -> Result<MetadataValue<Ascii>> { Ok(format!("Bearer {}", token(user)?).parse()?) };
        let tokens = (0..USERS).map(|user| bearer(&crate::world::user_of(user))).collect::<Result<_>>()?;
        let clients = channels.into_iter().map(TaskServiceClient::new).collect();
        Ok(Self { clients, tokens: Arc::new(tokens), reader: bearer(READER)? })
    }

    /// One call about a task, on one of the connections. What it answers is looked at as far as a client would.
    pub(crate) async fn call(&self, method: Method, connection: usize, task: u64) -> Result<(), Status> {
        let mut client = self.clients[connection % self.clients.len()].clone();
        let task_id = id_of(task);
        let expect =
            |right: bool| if right { Ok(()) } else { Err(Status::from_error("a wrong answer".into())) };
        match method {
            Method::Create => {
                let content = v1::Task {
                    title: "Ask the neighbours for the long ladder".to_owned(),
                    description:
                        "It leans behind their shed. Bring it back before Sunday, and bring some plums, too."
                            .to_owned(),
                    priority: v1::task::Priority::High.into(),
                    tags: vec!["garden".to_owned()],
                    ..v1::Task::default()
                };
                let request_id = uuid::Uuid::new_v4().to_string();
                let request = v1::CreateTaskRequest { task: Some(content), request_id, ..Default::default() };
                let created = client.create_task(self.by(task, request)).await?.into_inner();
                expect(created.version == 1)
            }
            Method::Get => {
                let got =
                    client.get_task(self.by(task, v1::GetTaskRequest { task_id: task_id.clone() })).await?;
                expect(got.into_inner().task_id == task_id)
            }
            Method::List => {
                let mut request = Request::new(v1::ListTasksRequest { page_size: 50, ..Default::default() });
                request.metadata_mut().insert("authorization", self.reader.clone());
                let listed = client.list_tasks(request).await?;
                expect(listed.into_inner().tasks.len() == 50)
            }
            Method::Update => {
                let title =
                    format!("Ask the neighbours again, {:06}", rand::rng().random_range(0..1_000_000));
                let task = self.by(
                    task,
                    v1::UpdateTaskRequest {
                        task: Some(v1::Task { task_id, title: title.clone(), ..v1::Task::default() }),
                        update_mask: Some(pbjson_types::FieldMask { paths: vec!["title".to_owned()] }),
                        ..Default::default()
                    },
                );
                expect(client.update_task(task).await?.into_inner().title == title)
            }
            Method::Complete => {
                let request = v1::CompleteTaskRequest { task_id, ..Default::default() };
                let completed = client.complete_task(self.by(task, request)).await?.into_inner();
                expect(completed.state() == v1::task::State::Completed)
            }
        }
    }

    /// A request of the task's user.
    fn by<T>(&self, task: u64, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let user = usize::try_from(task % USERS).unwrap_or_default();
        request.metadata_mut().insert("authorization", self.tokens[user].clone());
        request
    }
}

/// Calls that are under way until [`Load::stop`].
pub(crate) struct Load {
    shared: Arc<Shared>,
    workers: JoinSet<Result<Histogram<u64>, Status>>,
}

struct Shared {
    method: Method,
    tasks: u64,
    stopped: AtomicBool,
    counted: AtomicBool,
    next: AtomicU64,
    done: AtomicU64,
}

impl Load {
    /// Starts the calls, about this many tasks.
    pub(crate) fn start(caller: &Caller, method: Method, tasks: u64, in_flight: usize) -> Self {
        let shared = Arc::new(Shared {
            method,
            tasks,
            stopped: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            next: AtomicU64::new(0),
            done: AtomicU64::new(0),
        });
        let mut workers = JoinSet::new();
        for worker in 0..in_flight {
            workers.spawn(work(caller.clone(), shared.clone(), worker));
        }
        Self { shared, workers }
    }

    /// Begins or ends the time whose latencies count.
    pub(crate) fn count(&self, on: bool) {
        self.shared.counted.store(on, Ordering::Relaxed);
    }

    /// How many calls are done.
    pub(crate) fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Lets those under way end; how many calls there were in all, and the latencies in microseconds.
    pub(crate) async fn stop(mut self) -> Result<(u64, Histogram<u64>)> {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let mut all = histogram()?;
        while let Some(ended) = self.workers.join_next().await {
            match ended.context("a worker panicked")? {
                Ok(one) => all.add(one)?,
                Err(status) => bail!("{}: {status}", self.shared.method.name()),
            }
        }
        Ok((self.done(), all))
    }
}

fn histogram() -> Result<Histogram<u64>> {
    // A microsecond to a minute, to three digits.
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

async fn work(caller: Caller, shared: Arc<Shared>, worker: usize) -> Result<Histogram<u64>, Status> {
    let mut latencies = histogram().map_err(|error| Status::from_error(error.into()))?;
    while !shared.stopped.load(Ordering::Relaxed) {
        let task = match shared.method {
            Method::Complete => shared.next.fetch_add(1, Ordering::Relaxed),
            _ => rand::rng().random_range(0..shared.tasks),
        };
        if task >= shared.tasks {
            return Err(Status::from_error("there are no more open tasks".into()));
        }
        let start = Instant::now();
        caller.call(shared.method, worker, task).await?;
        shared.done.fetch_add(1, Ordering::Relaxed);
        if shared.counted.load(Ordering::Relaxed) {
            latencies.saturating_record(start.elapsed().as_micros().try_into().unwrap_or(u64::MAX));
        }
    }
    Ok(latencies)
}
