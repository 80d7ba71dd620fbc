//! The admin port: what operators are told, what they can change, and what is none of their business.

use std::net::SocketAddr;
use std::path::Path;

use docket_testkit::{Docket, Figures, Process, Program, Signal, http, once};
use pprof::protos::{Message as _, Profile};
use serde_json::{Value, json};

use crate::harness::Api;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// The code and the body of a page.
async fn ask(admin: SocketAddr, path: &str) -> (u16, String) {
    http::exchange(admin, "GET", path, &[], "").await.unwrap()
}

async fn ask_json(admin: SocketAddr, path: &str) -> (u16, Value) {
    let (code, body) = ask(admin, path).await;
    (code, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}")))
}

#[tokio::test]
async fn figures_are_as_prometheus_wants_them_and_name_nobody() {
    let api = Api::start().await;
    let alice = api.user("alice-whom-no-figure-names");
    let task = alice.create(once("A title that no figure has")).await;
    alice.complete(&task).await;

    let answer = http::answer(api.admin, "GET", "/metrics", &[], "").await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_ascii_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
    let figures = Figures::parse(page).unwrap();
    let version = [("service_version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(figures.sum("docket_build_info", &version), Some(1.0), "{page}");
    for hidden in ["alice", "no figure has", &task.task_id, &task.series_id] {
        assert!(hidden.is_empty() || !page.contains(hidden), "{hidden}: {page}");
    }
    for sample in figures.all() {
        for (label, value) in &sample.labels {
            // The process has an id of its own.
            let own = label == "service_instance_id" || sample.name == "target_info";
            assert!(own || value.parse::<uuid::Uuid>().is_err(), "{label} of {sample:?}");
        }
    }
}

#[tokio::test]
async fn a_sidecar_that_is_away_is_told_and_stops_nobody() {
    let api = Api::start().await;
    assert_eq!(ask(api.admin, "/healthz").await, (200, "ok\n".to_owned()));
    let (code, told) = ask_json(api.admin, "/readyz").await;
    assert_eq!((code, &told["ready"]), (200, &json!(true)), "{told}");
    let dependencies = &told["dependencies"];
    for schema in ["tasks", "recurrence", "audit", "deadletters", "reminders", "notification"] {
        let expect = json!({ "ok": true, "required": true });
        assert_eq!(dependencies[format!("database.{schema}")], expect, "{told}");
    }
    let expect = json!({ "ok": false, "required": false, "reason": "it takes no events of: all" });
    assert_eq!(dependencies["sidecar"], expect);
    assert_eq!(dependencies["process"], json!({ "ok": true, "required": true }));
}

#[tokio::test]
async fn probes_are_few_statements() {
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    let before = api.statements.count();
    for _ in 0..50 {
        assert_eq!(ask(api.admin, "/readyz").await.0, 200);
    }
    let asked = api.statements.count() - before;
    assert!(asked < 25, "{asked} statements for 50 probes");
    let (_, told) = ask_json(api.admin, "/readyz").await;
    assert_eq!(told["dependencies"].get("sidecar"), None, "there is none: {told}");
}

#[tokio::test]
async fn what_waits_in_the_outbox_is_told_without_what_it_says() {
    let api = Api::start().await;
    let empty = ask_json(api.admin, "/debug/outbox").await;
    let outbox = &empty.1[0];
    assert_eq!((empty.0, &outbox["outbox"], &outbox["pending"]), (200, &json!("all"), &json!(0)), "{outbox}");
    assert_eq!(outbox["oldest_age_seconds"], Value::Null);

    let alice = api.user("alice");
    alice.create(once("A title that no operator reads")).await;
    alice.create(once("Another one")).await;
    let (_, told) = ask_json(api.admin, "/debug/outbox").await;
    let outbox = &told[0];
    let shown =
        ["pending", "more", "connected", "shards", "parked_keys", "parked"].map(|key| outbox[key].clone());
    assert_eq!(shown, [json!(2), json!(false), json!(false), json!("all"), json!(0), json!([])], "{told}");
    assert!(outbox["oldest_age_seconds"].as_f64().is_some_and(|age| age >= 0.0), "{told}");
    assert!(!told.to_string().contains("operator"), "{told}");
}

#[tokio::test]
async fn the_log_is_changed_while_the_process_runs() {
    let docket = Docket::builder(Path::new(DOCKET))
        .env("DOCKET_DAPR__ENABLED", "false")
        .env("DOCKET_LOG", "info")
        .start()
        .await;
    assert_eq!(docket.ask("/debug/log").await, Ok((200, "info\n".to_owned())));
    let alice = docket.user("alice");
    alice.all_tasks().await;
    assert!(!docket.log_text().contains("DEBUG"), "{}", docket.log_text());

    let (code, body) = docket.tell("PUT", "/debug/log", "info,docket_rpc=debug").await.unwrap();
    assert_eq!(code, 200, "{body}");
    assert_eq!(docket.ask("/debug/log").await, Ok((200, body)));
    alice.all_tasks().await;
    docket.wait_for_log("DEBUG").await;

    for wrong in ["a=b=c", "docket_rpc=loud"] {
        let (code, why) = docket.tell("PUT", "/debug/log", wrong).await.unwrap();
        assert_eq!((code, why.contains("not directives of a log filter")), (400, true), "{wrong}: {why}");
    }
    let (_, now) = docket.ask("/debug/log").await.unwrap();
    assert!(now.contains("docket_rpc=debug"), "nonsense changes nothing: {now}");
}

#[tokio::test]
async fn a_hangup_reads_the_log_from_the_configuration_again() {
    let mut program = Program::new("docket", DOCKET);
    program.arguments = ["--config", "docket.toml", "serve"].map(str::to_owned).to_vec();
    let mut process = Process::new(program);
    let write = |process: &Process, log: &str| {
        let file = format!(
            "log = \"{log}\"\nlog_format = \"json\"\ndatabase.url = \"sqlite::memory:\"\ndapr.enabled = false\n\
             [listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n"
        );
        std::fs::write(process.folder().join("docket.toml"), file).unwrap();
    };
    write(&process, "info");
    process.spawn();
    let line = process.wait_for_log("docket is ready").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    let admin: SocketAddr = line["admin"].as_str().unwrap().parse().unwrap();

    write(&process, "info,docket_store=debug");
    process.signal(Signal::SIGHUP);
    process.wait_for_log("the log is as the configuration says").await;
    let (_, now) = ask(admin, "/debug/log").await;
    assert!(now.contains("docket_store=debug"), "{now}");

    write(&process, "a=b=c");
    process.signal(Signal::SIGHUP);
    let told = process.wait_for_log("the log stays as it is").await;
    assert!(told.contains("log: "), "the fault is named: {told}");
    assert_eq!(ask(admin, "/debug/log").await, (200, now));
    assert_eq!(process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_profile_is_taken_where_that_is_allowed() {
    const PROFILE: &str = "/debug/pprof/profile";
    let docket = Docket::builder(Path::new(DOCKET)).env("DOCKET_DAPR__ENABLED", "false").start().await;
    assert_eq!(docket.ask(PROFILE).await.unwrap().0, 404, "nobody has allowed it");
    drop(docket);

    let docket = Docket::builder(Path::new(DOCKET))
        .env("DOCKET_DAPR__ENABLED", "false")
        .env("DOCKET_ADMIN__PROFILING", "true")
        .start()
        .await;
    for wrong in ["?seconds=0", "?seconds=61", "?seconds=many", "?second=1"] {
        let (code, why) = docket.ask(&format!("{PROFILE}{wrong}")).await.unwrap();
        assert_eq!((code, why.contains("second")), (400, true), "{wrong}: {why}");
    }
    let alice = docket.user("alice");
    let admin = docket.admin_address();
    let profile = tokio::spawn(async move {
        http::answer(admin, "GET", "/debug/pprof/profile?seconds=1", &[], "").await.unwrap()
    });
    // Something to be seen at, for as long as it takes.
    while !profile.is_finished() {
        alice.all_tasks().await;
    }
    let answer = profile.await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer[..end]));
    let profile = Profile::decode(&answer[end + 4..]).unwrap();
    assert!(!profile.sample.is_empty() && profile.string_table.iter().any(|name| name.contains("docket")));
}

#[tokio::test]
async fn the_port_can_be_turned_off() {
    let docket = Docket::builder(Path::new(DOCKET))
        .env("DOCKET_DAPR__ENABLED", "false")
        .env("DOCKET_LISTEN__ADMIN", "")
        .start()
        .await;
    assert!(docket.ask("/healthz").await.is_err());
    let ready = docket.wait_for_log("docket is ready").await;
    assert!(ready.contains("admin=\"none\""), "{ready}");
}
