//! Scheduler, daprd and docket, wired together.

use std::path::{Path, PathBuf};

use crate::callback::Callback;
use crate::daprd::{Daprd, DaprdBuilder};
use crate::docket::{Docket, DocketBuilder};
use crate::scheduler::Scheduler;
use crate::user::User;
use crate::{PATIENCE, wait_for};

const ENABLED: &str = "DOCKET_DAPR__ENABLED";

/// A stack to be started.
#[derive(Debug)]
pub struct StackBuilder {
    app_id: String,
    api_token: String,
    app_api_token: String,
    docket: DocketBuilder,
    daprd: DaprdBuilder,
    with_dapr: bool,
}

/// Scheduler, daprd and docket, wired together.
#[derive(Debug)]
pub struct Stack {
    /// The binary under test. Ends first, so that its sidecar is not seen to go.
    pub docket: Docket,
    dapr: Option<Dapr>,
    /// What `switch_on_dapr` starts.
    later: Option<DaprdBuilder>,
    app_id: String,
    api_token: String,
    app_api_token: String,
}

/// In the order in which they end.
#[derive(Debug)]
struct Dapr {
    daprd: Daprd,
    _scheduler: Scheduler,
}

impl Stack {
    /// A stack around the binary, which a test names by `env!("CARGO_BIN_EXE_docket")`.
    pub fn builder(binary: &Path) -> StackBuilder {
        // Sidecars find each other by name on the whole machine, and other tests run at the same time.
        let app_id = format!("docket-{}", uuid::Uuid::new_v4().simple());
        let [api_token, app_api_token] = std::array::from_fn(|_| uuid::Uuid::new_v4().to_string());
        let components = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../components/local"));
        let daprd = Daprd::builder(&app_id).api_token(&api_token).resources_of(&components);
        let docket = Docket::builder(binary)
            .sidecar(daprd.grpc_port(), &api_token, &app_api_token)
            .env("DOCKET_RECURRENCE__TASKS_APP_ID", &app_id);
        let daprd = daprd.app(docket.app_port(), &app_api_token);
        StackBuilder { app_id, api_token, app_api_token, docket, daprd, with_dapr: true }
    }

    /// The sidecar.
    ///
    /// # Panics
    /// When the stack runs without.
    pub fn daprd(&mut self) -> &mut Daprd {
        &mut self.dapr.as_mut().expect("this stack runs without dapr").daprd
    }

    /// Gives a stack without dapr its sidecar, and starts docket again with it.
    ///
    /// # Panics
    /// When the stack has one.
    pub async fn switch_on_dapr(&mut self) {
        let daprd = self.later.take().expect("this stack was started without dapr");
        let status = self.docket.terminate().await;
        assert!(status.success(), "docket ended with {status}");
        self.docket.set_env(ENABLED, "true");
        self.docket.spawn();
        self.dapr = Some(start_dapr(daprd).await);
        self.ready().await;
    }

    /// Waits until docket serves and its sidecar delivers.
    pub async fn ready(&mut self) {
        self.docket.ready().await;
        if let Some(Dapr { daprd, .. }) = &mut self.dapr {
            daprd.ready().await;
            daprd.subscribed().await;
        }
    }

    /// What docket shows to the sidecar.
    pub fn api_token(&self) -> &str {
        &self.api_token
    }

    /// What the sidecar shows to docket.
    pub fn app_api_token(&self) -> &str {
        &self.app_api_token
    }

    /// The name under which other sidecars find docket.
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

    /// The API, as this user.
    pub fn user(&self, name: &str) -> User {
        self.docket.user(name)
    }

    /// How many events are on their way: not all of their handlers are done with them.
    pub async fn waiting_events(&self) -> u64 {
        let store = self.docket.store().await;
        let depth = store.outbox_depth().await.expect("the outbox can be counted");
        store.close().await.expect("the database can be closed");
        depth
    }

    /// Waits until no event is on its way any more: each one's handlers are done with it.
    pub async fn settled(&self) {
        let store = self.docket.store().await;
        wait_for("an empty outbox", PATIENCE, async || match store.outbox_depth().await {
            Ok(0) => Ok(()),
            Ok(depth) => {
                let topics = ["task-events", "task-events-dlq"].map(str::to_owned);
                let heads = store.outbox_heads(&topics, 0, 10).await.unwrap_or_default();
                let heads: Vec<_> =
                    heads.into_iter().map(|head| (head.topic, head.event_type, head.key)).collect();
                Err(format!("{depth} events in it, the first are {heads:?}"))
            }
            Err(error) => Err(error.to_string()),
        })
        .await;
        store.close().await.expect("the database can be closed");
    }

    /// Speaks to docket as its own sidecar does.
    pub fn sidecar(&self) -> Callback {
        Callback::new(self.docket.app_channel()).with_token(&self.app_api_token)
    }
}

impl StackBuilder {
    /// Starts docket alone, with `dapr.enabled = false`.
    pub fn without_dapr(mut self) -> Self {
        self.with_dapr = false;
        self.env(ENABLED, "false")
    }

    /// Arms a failpoint of docket, for its first start only.
    pub fn failpoint(mut self, name: &str, action: &str) -> Self {
        self.docket = self.docket.failpoint(name, action);
        self
    }

    /// Sets a variable of docket's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.docket = self.docket.env(name, value);
        self
    }

    /// Lets the sidecar deliver in batches of up to so many events.
    pub fn bulk(self, max_messages: u16) -> Self {
        self.env("DOCKET_DAPR__BULK__MAX_MESSAGES", &max_messages.to_string())
    }

    /// Adds a resource of the sidecar's, in YAML.
    pub fn resource(mut self, name: &str, yaml: &str) -> Self {
        self.daprd = self.daprd.resource(name, yaml);
        self
    }

    /// Starts all, and waits until docket serves and its sidecar delivers.
    pub async fn start(self) -> Stack {
        let docket = self.docket.spawn();
        let (dapr, later) = if self.with_dapr {
            (Some(start_dapr(self.daprd).await), None)
        } else {
            (None, Some(self.daprd))
        };
        let Self { app_id, api_token, app_api_token, .. } = self;
        let mut stack = Stack { docket, dapr, later, app_id, api_token, app_api_token };
        stack.ready().await;
        stack
    }
}

async fn start_dapr(daprd: DaprdBuilder) -> Dapr {
    let scheduler = Scheduler::builder();
    let daprd = daprd.scheduler(scheduler.port());
    let scheduler = scheduler.start().await;
    Dapr { daprd: daprd.spawn(), _scheduler: scheduler }
}
