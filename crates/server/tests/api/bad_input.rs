//! Whatever is sent, the answer says what is wrong with it, the database does not hear of it, and the server goes on.
//!
//! Every row is a request as it goes over the wire, and the answer that it must get.

mod call;
mod encoding;
mod fields;
mod identity;
mod letters;
mod pages;
mod reminding;
mod requests;
mod updates;

use docket_proto::v1;
use docket_proto::v1::recurrence::Pattern;
use docket_rpc::auth::DEAD_LETTERS_ADMIN;
use docket_testkit::{once, repeating};
use prost::Message;

use crate::harness::Api;
use call::Call;

/// The fewest rows.
const ROWS: usize = 400;

/// A request and its answer.
#[derive(Clone)]
struct Row {
    name: String,
    call: Call,
    /// `Code REASON key=value [field, field]`; `OK`; what ends a call that gets no status.
    expect: String,
    /// How many statements the call sends to the database; `None` for one that is good.
    statements: Option<u64>,
}

/// A row that the database does not hear of.
fn row(name: impl Into<String>, call: Call, expect: impl Into<String>) -> Row {
    Row { name: name.into(), call, expect: expect.into(), statements: Some(0) }
}

/// A row of a request that is good, though it does not look so.
fn good(name: impl Into<String>, call: Call) -> Row {
    Row { statements: None, ..row(name, call, "OK") }
}

impl Row {
    /// The refusal depends on the task, which is looked up first.
    fn after_a_look(self) -> Self {
        Self { statements: Some(1), ..self }
    }
}

/// The fields of a request are at fault.
fn at_fault(fields: &[&str]) -> String {
    format!("InvalidArgument INVALID_FIELDS [{}]", fields.join(", "))
}

/// What there is before the requests come.
struct World {
    /// Alice's and Bob's tokens.
    alice: String,
    bob: String,
    /// The token of who looks after dead letters.
    carol: String,
    /// An open task of Alice's.
    task: v1::Task,
    /// One of hers that repeats.
    chore: v1::Task,
    /// The token of the second page of her tasks, one a page.
    page_token: String,
    /// The same of Bob's.
    foreign_page_token: String,
}

impl World {
    async fn new(api: &Api) -> Self {
        let (alice, bob) = (api.user("alice"), api.user("bob"));
        let task = alice.create(once("Kept")).await;
        let chore = repeating("Feed the cat", Pattern::Daily, "2027-02-01T07:00:00Z", "Europe/Berlin");
        let chore = alice.create(chore).await;
        bob.create_all([once("Bob's"), once("Bob's other")]).await;
        let listed = v1::ListTasksRequest { page_size: 1, ..Default::default() };
        let page_token = async |user: &docket_testkit::User| {
            user.tasks().list_tasks(listed.clone()).await.unwrap().into_inner().next_page_token
        };
        let (page_token, foreign_page_token) = (page_token(&alice).await, page_token(&bob).await);
        assert!(!page_token.is_empty() && !foreign_page_token.is_empty());
        let (alice, bob) = (api.token("alice", &[]), api.token("bob", &[]));
        let carol = api.token("carol", &[DEAD_LETTERS_ADMIN]);
        Self { alice, bob, carol, task, chore, page_token, foreign_page_token }
    }

    /// A call of Alice's to `TaskService`.
    fn call(&self, method: &str, message: &impl Message) -> Call {
        Call::of(&format!("/docket.v1.TaskService/{method}"), message).bearer(&self.alice)
    }

    /// Creates a task.
    fn create(&self, task: v1::Task) -> Call {
        self.call("CreateTask", &v1::CreateTaskRequest { task: Some(task), ..Default::default() })
    }

    /// Lists tasks.
    fn list(&self, request: &v1::ListTasksRequest) -> Call {
        self.call("ListTasks", request)
    }
}

#[tokio::test]
async fn bad_input_is_told_what_is_wrong_and_reaches_no_database() {
    // Without a sidecar there is no relay whose statements would be counted too.
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    let world = World::new(&api).await;
    let tables = [
        fields::rows(&world),
        requests::rows(&world),
        updates::rows(&world),
        pages::rows(&world),
        encoding::rows(&world),
        identity::rows(&world),
        letters::rows(&world),
        reminding::rows(&world),
    ];
    let rows: Vec<Row> = tables.into_iter().flatten().collect();
    assert!(rows.len() >= ROWS, "{} rows", rows.len());

    let mut wrong = Vec::new();
    for Row { name, call, expect, statements } in rows {
        let before = api.statements.count();
        let answer = call.send(api.public_address()).await;
        let sent = api.statements.count() - before;
        if answer != expect {
            wrong.push(format!("{name}\n  expected {expect}\n  got      {answer}"));
        }
        if statements.is_some_and(|expect| sent != expect) {
            wrong.push(format!("{name}\n  sent {sent} statements to the database instead of {statements:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));

    // Nobody was hurt.
    let alice = api.user("alice");
    let listed = alice.tasks().list_tasks(v1::ListTasksRequest::default()).await.unwrap().into_inner();
    let kept: Vec<&v1::Task> =
        listed.tasks.iter().filter(|task| [&world.task, &world.chore].contains(task)).collect();
    assert_eq!(kept.len(), 2, "both as they were: {listed:?}");
    let completed = alice.complete(&world.task).await;
    assert_eq!(completed.version, 2);
}

/// Below HTTP/2 there is nothing to answer with: the connection ends.
#[tokio::test]
async fn who_does_not_speak_http_2_is_hung_up_on() {
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /// The frame of the client's settings, none of them.
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let table: [(&str, Vec<u8>); 6] = [
        ("HTTP/1.1", b"POST /docket.v1.TaskService/GetTask HTTP/1.1\r\nHost: docket\r\n\r\n".to_vec()),
        ("a TLS hello", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat()),
        ("zeros", vec![0; 1 << 16]),
        ("a preface with a mistake", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()),
        ("a frame of 16 MiB", [PREFACE, SETTINGS, &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]].concat()),
        (
            "data for a stream that is not there",
            [PREFACE, SETTINGS, &[0, 0, 1, 0, 0, 0, 0, 0, 7, 7]].concat(),
        ),
    ];
    for (name, bytes) in table {
        assert!(call::hangs_up(api.public_address(), &bytes).await, "{name}");
    }
    assert_eq!(api.user("alice").create(once("Still there")).await.version, 1);
}
