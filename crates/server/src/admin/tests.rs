//! What the port says when the process is not well.

use std::net::SocketAddr;

use docket_store::{Schema, Stores};
use docket_telemetry::Handle;
use docket_testkit::http;
use serde_json::{Value, json};

use super::*;

/// An admin port with a database in memory.
struct Port {
    address: SocketAddr,
    stores: Stores,
    draining: CancellationToken,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Port {
    async fn start() -> Self {
        let config = crate::config::Config::default();
        let database = docket_store::Config { url: "sqlite::memory:".to_owned(), ..Default::default() };
        let stores = Stores::open(&database, &[]).await.unwrap();
        let Handle { meters, levels, .. } = Handle::detached(&crate::telling::identity(&config)).unwrap();
        let databases = [Schema::Tasks, Schema::Audit].map(|schema| (schema, stores.of(schema))).to_vec();
        let databases = Arc::new(Databases::new(databases));
        let admin =
            Admin::new(Deps { config: config.admin, meters, levels, databases, outboxes: Vec::new() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let [draining, stop] = std::array::from_fn(|_| CancellationToken::new());
        let served = tokio::spawn(admin.serve(listener, draining.clone(), stop.clone()));
        Self { address, stores, draining, stop, served }
    }

    async fn ready(&self) -> (u16, Value) {
        let (code, body) = http::exchange(self.address, "GET", "/readyz", &[], "").await.unwrap();
        (code, serde_json::from_str(&body).unwrap())
    }
}

#[tokio::test]
async fn a_process_that_drains_is_not_ready_and_still_answers() {
    let port = Port::start().await;
    assert_eq!(port.ready().await.0, 200);
    port.draining.cancel();
    let (code, told) = port.ready().await;
    let process = json!({ "ok": false, "required": true, "reason": "the process ends" });
    let expect = json!({ "ready": false, "dependencies": { "process": process } });
    assert_eq!((code, told), (503, expect));
    let lives = http::exchange(port.address, "GET", "/healthz", &[], "").await.unwrap();
    assert_eq!(lives.0, 200);

    port.stop.cancel();
    port.served.await.unwrap();
    assert!(http::exchange(port.address, "GET", "/healthz", &[], "").await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_database_that_is_away_is_told_with_its_reason() {
    let port = Port::start().await;
    // Its connections are the same ones.
    port.stores.of(Schema::Tasks).close().await.unwrap();
    let (code, told) = port.ready().await;
    assert_eq!((code, &told["ready"]), (503, &json!(false)), "{told}");
    for schema in ["database.tasks", "database.audit"] {
        let database = &told["dependencies"][schema];
        assert_eq!(database["ok"], json!(false), "{told}");
        assert!(database["reason"].as_str().is_some_and(|why| why.contains("the database failed")), "{told}");
    }
    assert_eq!(told["dependencies"]["process"]["ok"], json!(true));
}

#[tokio::test]
async fn a_database_whose_connections_are_all_in_use_is_told_and_stops_nobody() {
    let port = Port::start().await;
    let store = port.stores.of(Schema::Tasks);
    // In memory there is one.
    let told: Result<_, docket_store::Error> =
        store.transaction(|_| Box::pin(async { Ok(port.ready().await) })).await;
    let (code, told) = told.unwrap();
    let database = json!({ "ok": false, "required": false, "reason": "all connections are in use" });
    assert_eq!((code, &told["dependencies"]["database.tasks"]), (200, &database), "{told}");
}

#[tokio::test]
async fn where_somebody_else_logs_nothing_is_changed() {
    let port = Port::start().await;
    let answer = http::exchange(port.address, "PUT", "/debug/log", &[], "debug").await.unwrap();
    assert_eq!(answer, (501, "somebody else decides what this process logs\n".to_owned()));
    let long = "x".repeat(MAX_BODY_BYTES + 1);
    let answer = http::exchange(port.address, "PUT", "/debug/log", &[], &long).await.unwrap();
    assert_eq!(answer.0, 413);
}
