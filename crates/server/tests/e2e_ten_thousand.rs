//! Ten thousand events of five hundred tasks, on three partitions, through two relays and two consumers that are killed
//! meanwhile: each is applied once, and each task's in their order.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use docket_proto::v1;
use docket_testkit::history::{self, Asked, History, Method, Name, Outcome, Recorder, Shows, Sources};
use docket_testkit::kafka::Record;
use docket_testkit::{Fleet, Kafka, PATIENCE, Postgres, Role, User, once, wait_for};
use futures::future::join;
use futures::stream::{self, StreamExt as _};
use pbjson_types::FieldMask;
use tonic::{Request, Response, Status};
use uuid::Uuid;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

const TASKS: usize = 500;

/// How many events each task has.
const VERSIONS: i64 = 20;

const EVENTS: u64 = TASKS as u64 * VERSIONS as u64;

/// How many tasks are worked on at the same time.
const AT_ONCE: usize = 32;

const USERS: usize = 10;

/// A client that has no answer by then asks another replica.
const GIVE_UP: Duration = Duration::from_secs(3);

/// Who changes tasks, and how far they are.
struct Work {
    recorder: Recorder,
    /// Each user, at each replica.
    users: Vec<Vec<User>>,
    acknowledged: AtomicU64,
}

impl Work {
    async fn all(&self) {
        stream::iter(0..TASKS).for_each_concurrent(AT_ONCE, async |number| self.task(number).await).await;
    }

    /// A task's life: it is created, and gets a new title again and again.
    async fn task(&self, number: usize) {
        let task = v1::Task { task_id: Uuid::new_v4().to_string(), ..once(&format!("Task {number}")) };
        let request = |id: Uuid| v1::CreateTaskRequest {
            task: Some(task.clone()),
            request_id: id.to_string(),
            ..Default::default()
        };
        let created = self
            .ask(number, Method::Create, &task, request, async |user, it| user.tasks().create_task(it).await);
        assert_eq!(created.await.version, 1);
        for version in 2..=VERSIONS {
            let changed = v1::Task { title: format!("Task {number}, {version}"), ..task.clone() };
            let request = |id: Uuid| v1::UpdateTaskRequest {
                task: Some(changed.clone()),
                update_mask: Some(FieldMask { paths: vec!["title".to_owned()] }),
                request_id: id.to_string(),
                ..Default::default()
            };
            let updated = self.ask(number, Method::Update, &task, request, async |user, it| {
                user.tasks().update_task(it).await
            });
            assert_eq!(updated.await.version, version);
        }
    }

    /// Asks until the call is acknowledged, of another replica each time.
    async fn ask<Q: Clone, A: Shows>(
        &self,
        number: usize,
        method: Method,
        task: &v1::Task,
        request: impl Fn(Uuid) -> Q,
        ask: impl AsyncFn(&User, Request<Q>) -> Result<Response<A>, Status>,
    ) -> A {
        let id = Uuid::new_v4();
        let user = number % USERS;
        let replicas = &self.users[user];
        let asked = Asked {
            process: number,
            user: name(user),
            request: Some(id),
            method,
            task: task.task_id.parse().ok(),
        };
        let mut attempts = number;
        wait_for("an acknowledged call", PATIENCE, async || {
            let mut request = Request::new(request(id));
            request.set_timeout(GIVE_UP);
            let trace = format!("00-{}-0000000000000001-00", id.simple());
            request.metadata_mut().insert("traceparent", trace.parse().unwrap());
            attempts += 1;
            let answer = ask(&replicas[attempts % replicas.len()], request);
            match self.recorder.call(asked.clone(), answer).await {
                Ok(answer) => {
                    self.acknowledged.fetch_add(1, Ordering::SeqCst);
                    Ok(answer)
                }
                Err(status) => {
                    assert!(matches!(Outcome::of(&status), Outcome::Unknown(_)), "{status:?}");
                    Err(status.to_string())
                }
            }
        })
        .await
    }

    /// Waits until so many hundredths of the calls are acknowledged.
    async fn percent(&self, percent: u64) {
        wait_for(&format!("{percent} % of the calls"), 3 * PATIENCE, async || {
            let acknowledged = self.acknowledged.load(Ordering::SeqCst);
            if acknowledged * 100 >= EVENTS * percent { Ok(()) } else { Err(format!("{acknowledged} calls")) }
        })
        .await;
    }
}

fn name(user: usize) -> String {
    format!("user-{user}")
}

/// Both relays and both consumers are killed in turn, with their sidecars and without, and start again.
async fn kills(work: &Work, fleet: &mut Fleet) {
    let victims = [
        (10, Role::Audit, 0, true, false),
        (20, Role::Tasks, 0, true, false),
        (30, Role::Audit, 1, false, true),
        (40, Role::Tasks, 1, false, true),
        (50, Role::Audit, 1, true, true),
        (60, Role::Tasks, 1, true, true),
        (70, Role::Tasks, 0, true, true),
        (80, Role::Audit, 0, true, true),
    ];
    for (percent, role, index, app, sidecar) in victims {
        work.percent(percent).await;
        let member = fleet.member_mut(role, index);
        if app {
            member.docket.kill();
        }
        if sidecar {
            member.daprd.kill();
        }
        work.percent(percent + 5).await;
        if app {
            member.docket.spawn();
        }
        if sidecar {
            member.daprd.spawn();
        }
        member.ready().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_are_applied_once_and_in_order() {
    let (setting, value) = history::SETTING;
    let postgres = Postgres::builder().setting(setting, value).start().await;
    let database = postgres.database().await;
    let kafka = Kafka::start().await;
    let mut fleet = Fleet::builder(Path::new(DOCKET), &database, &kafka)
        .replicas_of(Role::Tasks, 2)
        .replicas_of(Role::Audit, 2)
        // Small, so that several calls of a relay are under way at the same time.
        .env("DOCKET_OUTBOX__BATCH", "4")
        .env("DOCKET_OUTBOX__LEASE_SECONDS", "3")
        .env("DOCKET_DAPR__DEADLINE_MS", "2000")
        .start()
        .await;
    let users = (0..USERS).map(|user| fleet.user(&name(user))).collect();
    let work = Work { recorder: Recorder::default(), users, acknowledged: AtomicU64::new(0) };
    join(work.all(), kills(&work, &mut fleet)).await;
    fleet.settled(&kafka).await;

    let topic = fleet.topic().to_owned();
    let gather = async || {
        let (client, stored) = join(database.superuser_client(), kafka.read(&topic)).await;
        let sources = Sources { database: &client, topic: &topic, stored: &stored };
        History::gather(sources, work.recorder.calls(), &[]).await
    };
    let history = gather().await;
    assert_eq!(history::check(&history), []);
    assert_eq!((history.tasks.len(), history.entries.len() as u64), (TASKS, EVENTS));
    assert_eq!(history::by_partition(&history).len(), 3);

    // The same judgement sees what is taken away and what is added.
    let found = async || names(&gather().await);
    database
        .execute("DELETE FROM audit.audit_entries WHERE ctid = (SELECT min(ctid) FROM audit.audit_entries)")
        .await;
    assert_eq!(found().await, BTreeSet::from([Name::LostWrite]));
    database
        .execute("DELETE FROM recurrence.inbox WHERE ctid = (SELECT min(ctid) FROM recurrence.inbox)")
        .await;
    assert_eq!(found().await, BTreeSet::from([Name::LostWrite, Name::Gap]));
    let again = kafka.read(&topic).await.swap_remove(0);
    let record = Record {
        key: again.key,
        value: Some(with_another_id(&again.value.unwrap())),
        timestamp: again.timestamp,
        ..Record::default()
    };
    kafka.produce(&topic, again.partition, record).await;
    fleet.settled(&kafka).await;
    let names = found().await;
    assert!(names.is_superset(&BTreeSet::from([Name::DuplicateEffect, Name::Nonmonotonic])), "{names:?}");
}

fn names(history: &History) -> BTreeSet<Name> {
    history::check(history).into_iter().map(|anomaly| anomaly.name).collect()
}

/// The same event, as if it had been made twice.
fn with_another_id(event: &[u8]) -> Bytes {
    let mut event: serde_json::Value = serde_json::from_slice(event).unwrap();
    event["id"] = Uuid::new_v4().to_string().into();
    Bytes::from(event.to_string())
}
