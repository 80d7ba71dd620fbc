//! Clients at work: they ask for what their wishes say, and again under the same request id when they have no clear answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use docket_proto::v1;
use docket_proto::v1::recurrence::Pattern;
use docket_testkit::history::{Asked, Method, Recorder, Shows};
use docket_testkit::{User, once, repeating};
use pbjson_types::FieldMask;
use tokio::sync::watch;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::manner::Manner;
use crate::wish::{Want, Wish, Wishes};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many tasks of a user everybody works on, and how many are known at most.
const HOT: usize = 3;
const KNOWN: usize = 200;

/// A user, and what clients know of the user's tasks.
pub(crate) struct Account {
    name: String,
    /// At each replica.
    replicas: Vec<User>,
    tasks: Mutex<Tasks>,
}

/// The tasks that clients work on. The first few stay; of the others, the oldest are forgotten.
#[derive(Default)]
struct Tasks {
    hot: Vec<v1::Task>,
    others: VecDeque<v1::Task>,
}

/// One client.
pub(crate) struct Client {
    number: usize,
    recorder: Arc<Recorder>,
    accounts: Arc<[Account]>,
    manner: Manner,
    over: watch::Receiver<bool>,
}

impl Account {
    /// A user at each replica, or by each connection.
    pub(crate) fn new(name: &str, replicas: Vec<User>) -> Self {
        Self { name: name.to_owned(), replicas, tasks: Mutex::default() }
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pick(&self, wish: &Wish) -> Option<v1::Task> {
        let tasks = self.tasks();
        // Those that everybody works on are to stay.
        let hot = wish.want != Want::Delete && (wish.hot || tasks.others.is_empty());
        let from: Vec<&v1::Task> =
            if hot { tasks.hot.iter().collect() } else { tasks.others.iter().collect() };
        from.get(wish.task % from.len().max(1)).map(|task| (*task).clone())
    }

    /// Keeps the newest that is known of a task.
    fn learn(&self, task: &v1::Task) {
        let mut tasks = self.tasks();
        let Tasks { hot, others } = &mut *tasks;
        if let Some(known) =
            hot.iter_mut().chain(others.iter_mut()).find(|known| known.task_id == task.task_id)
        {
            if known.version < task.version {
                known.clone_from(task);
            }
        } else if hot.len() < HOT {
            hot.push(task.clone());
        } else {
            others.push_back(task.clone());
            if others.len() > KNOWN {
                others.pop_front();
            }
        }
        hot.retain(|known| known.delete_time.is_none());
        others.retain(|known| known.delete_time.is_none());
    }
}

impl Client {
    /// A client of these users, which works until it is told that it is over.
    pub(crate) fn new(
        number: usize,
        recorder: Arc<Recorder>,
        accounts: Arc<[Account]>,
        manner: Manner,
        over: watch::Receiver<bool>,
    ) -> Self {
        Self { number, recorder, accounts, manner, over }
    }

    /// Works.
    pub(crate) async fn work(self, wishes: Wishes) {
        for wish in wishes {
            let mut over = self.over.clone();
            tokio::select! {
                // The other side is gone only when everything is.
                _ = over.wait_for(|over| *over) => return,
                () = tokio::time::sleep(wish.rest) => {}
            }
            self.carry_out(&wish).await;
        }
    }

    async fn carry_out(&self, wish: &Wish) {
        let accounts = &self.accounts;
        let account = &accounts[wish.user];
        let _newest = match (wish.want, account.pick(wish)) {
            (Want::List, _) => self.list(account, wish).await,
            (Want::Update, Some(task)) => self.update(account, wish, &task).await,
            (Want::Complete, Some(task)) => self.complete(account, wish, &task).await,
            (Want::Reopen, Some(task)) => self.reopen(account, wish, &task).await,
            (Want::Delete, Some(task)) => self.delete(account, wish, &task).await,
            (Want::Get, Some(task)) => self.get(account, wish, &task.task_id).await,
            (Want::Story, Some(task)) => self.story(account, wish, &task.task_id).await,
            (Want::Foreign, Some(task)) => {
                let other = &accounts[(wish.user + 1) % accounts.len()];
                match wish.repeats {
                    true => self.get(other, wish, &task.task_id).await,
                    false => self.update(other, wish, &task).await,
                }
            }
            _ => self.create(account, wish).await,
        };
    }

    /// Creates a task and completes it; answers its id when both were acknowledged.
    pub(crate) async fn complete_one(&self, create: &Wish, complete: &Wish) -> Option<String> {
        let account = &self.accounts[create.user];
        let task = self.create(account, create).await?;
        self.complete(account, complete, &task).await.map(|task| task.task_id)
    }

    async fn create(&self, account: &Account, wish: &Wish) -> Option<v1::Task> {
        let title = format!("Task {}", wish.request.simple());
        let mut task = match wish.repeats {
            true => repeating(&title, Pattern::Daily, "2027-03-01T07:00:00Z", "Europe/Berlin"),
            false => once(&title),
        };
        task.task_id = wish.id.map(|id| id.to_string()).unwrap_or_default();
        let request = v1::CreateTaskRequest {
            task: Some(task),
            request_id: wish.request.to_string(),
            ..v1::CreateTaskRequest::default()
        };
        let answer = self.change(account, wish, Method::Create, wish.id, request, async |user, request| {
            user.tasks().create_task(request).await
        });
        learn(account, answer.await)
    }

    async fn update(&self, account: &Account, wish: &Wish, task: &v1::Task) -> Option<v1::Task> {
        let task_id = task.task_id.clone();
        // Like no other, so that it always changes something.
        let title = format!("Task {}", wish.request.simple());
        docket_testkit::keep_secret(&title);
        let changed =
            v1::Task { task_id: task_id.clone(), title, etag: etag(wish, task), ..v1::Task::default() };
        let request = v1::UpdateTaskRequest {
            task: Some(changed),
            update_mask: Some(FieldMask { paths: vec!["title".to_owned()] }),
            request_id: wish.request.to_string(),
            ..v1::UpdateTaskRequest::default()
        };
        let answer =
            self.change(account, wish, Method::Update, id_of(&task_id), request, async |user, request| {
                user.tasks().update_task(request).await
            });
        learn(account, answer.await)
    }

    async fn complete(&self, account: &Account, wish: &Wish, task: &v1::Task) -> Option<v1::Task> {
        let (task_id, request_id) = (task.task_id.clone(), wish.request.to_string());
        let request = v1::CompleteTaskRequest { task_id, etag: etag(wish, task), request_id };
        let id = id_of(&task.task_id);
        let answer = self.change(account, wish, Method::Complete, id, request, async |user, request| {
            user.tasks().complete_task(request).await
        });
        learn(account, answer.await)
    }

    async fn reopen(&self, account: &Account, wish: &Wish, task: &v1::Task) -> Option<v1::Task> {
        let (task_id, request_id) = (task.task_id.clone(), wish.request.to_string());
        let request = v1::ReopenTaskRequest { task_id, etag: etag(wish, task), request_id };
        let id = id_of(&task.task_id);
        let answer = self.change(account, wish, Method::Reopen, id, request, async |user, request| {
            user.tasks().reopen_task(request).await
        });
        learn(account, answer.await)
    }

    async fn delete(&self, account: &Account, wish: &Wish, task: &v1::Task) -> Option<v1::Task> {
        let (task_id, request_id) = (task.task_id.clone(), wish.request.to_string());
        let request = v1::DeleteTaskRequest { task_id, etag: etag(wish, task), request_id };
        let id = id_of(&task.task_id);
        let answer = self.change(account, wish, Method::Delete, id, request, async |user, request| {
            user.tasks().delete_task(request).await
        });
        learn(account, answer.await)
    }

    async fn get(&self, account: &Account, wish: &Wish, task_id: &str) -> Option<v1::Task> {
        let request = v1::GetTaskRequest { task_id: task_id.to_owned() };
        let asked = self.asked(account, None, Method::Read, id_of(task_id));
        let answer = self
            .read(account, wish, asked, async |user| user.tasks().get_task(patient(request.clone())).await);
        learn(account, answer.await)
    }

    async fn list(&self, account: &Account, wish: &Wish) -> Option<v1::Task> {
        let request = v1::ListTasksRequest {
            page_size: 20,
            filter: "state = OPEN".to_owned(),
            order_by: "create_time desc".to_owned(),
            ..v1::ListTasksRequest::default()
        };
        let asked = self.asked(account, None, Method::Read, None);
        let answer = self
            .read(account, wish, asked, async |user| user.tasks().list_tasks(patient(request.clone())).await);
        answer.await?.tasks.into_iter().fold(None, |_, task| learn(account, Some(task)))
    }

    async fn story(&self, account: &Account, wish: &Wish, task_id: &str) -> Option<v1::Task> {
        let request = v1::ListAuditEntriesRequest {
            task_id: task_id.to_owned(),
            ..v1::ListAuditEntriesRequest::default()
        };
        let asked = self.asked(account, None, Method::Story, id_of(task_id));
        let answer = self.read(account, wish, asked, async |user| {
            user.audit().list_audit_entries(patient(request.clone())).await
        });
        // What it shows is judged afterwards.
        answer.await.and(None)
    }

    /// Asks for what changes nothing.
    async fn read<A: Shows>(
        &self,
        account: &Account,
        wish: &Wish,
        asked: Asked,
        ask: impl AsyncFn(&User) -> Result<Response<A>, Status>,
    ) -> Option<A> {
        let once = async |attempt: usize| {
            let user = self.replica(account, wish.task.wrapping_add(attempt));
            self.recorder.call(asked.clone(), ask(user)).await
        };
        self.manner.read(once).await
    }

    /// Asks for a change, and again while nobody can say whether it took place, at another replica each time; sometimes
    /// even when it did.
    async fn change<Q: Clone, A: Shows>(
        &self,
        account: &Account,
        wish: &Wish,
        method: Method,
        task: Option<Uuid>,
        question: Q,
        ask: impl AsyncFn(&User, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Option<A> {
        let once = async |attempt: usize| {
            let asked = self.asked(account, Some(wish.request), method, task);
            let user = self.replica(account, wish.task.wrapping_add(attempt));
            let request = traced(patient(question.clone()), wish.request);
            self.recorder.call(asked, ask(user, request)).await
        };
        let answer = self.manner.change(wish.retries, &once).await;
        if answer.is_some() && wish.again {
            // Whether this answer is the first one is judged afterwards.
            drop(self.manner.change(0, &once).await);
        }
        answer
    }

    fn asked(&self, account: &Account, request: Option<Uuid>, method: Method, task: Option<Uuid>) -> Asked {
        Asked { process: self.number, user: account.name.clone(), request, method, task }
    }

    fn replica<'a>(&self, account: &'a Account, number: usize) -> &'a User {
        &account.replicas[number % account.replicas.len()]
    }
}

fn learn(account: &Account, task: Option<v1::Task>) -> Option<v1::Task> {
    task.inspect(|task| account.learn(task))
}

fn etag(wish: &Wish, task: &v1::Task) -> String {
    if wish.etag { task.etag.clone() } else { String::new() }
}

fn id_of(task_id: &str) -> Option<Uuid> {
    task_id.parse().ok()
}

fn patient<Q>(question: Q) -> Request<Q> {
    let mut request = Request::new(question);
    request.set_timeout(PATIENCE);
    request
}

/// The request's name is the trace's, so that every event tells what caused it.
fn traced<Q>(mut request: Request<Q>, name: Uuid) -> Request<Q> {
    let parent = format!("00-{}-0000000000000001-00", name.simple());
    // Hexadecimal digits are ASCII.
    if let Ok(parent) = MetadataValue::try_from(parent) {
        request.metadata_mut().insert("traceparent", parent);
    }
    request
}
