//! Health: by which names a process is asked, whichever targets it runs.

use std::path::Path;

use docket_server::target::Target;
use docket_testkit::{Docket, http};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::Serving;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::Api;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// Each target, and its service if it has one.
const TARGETS: [(Target, Option<&str>); 6] = [
    (Target::Audit, Some("docket.v1.AuditService")),
    (Target::DeadLetters, Some("docket.v1.DeadLetterService")),
    (Target::Notification, Some("docket.v1.NotificationService")),
    (Target::Recurrence, None),
    (Target::Reminders, Some("docket.v1.ReminderService")),
    (Target::Tasks, Some("docket.v1.TaskService")),
];

async fn ask(channel: &Channel, name: &str) -> Result<i32, Status> {
    let request = HealthCheckRequest { service: name.to_owned() };
    HealthClient::new(channel.clone()).check(request).await.map(|answer| answer.into_inner().status)
}

#[tokio::test]
async fn each_target_has_a_name_where_it_runs_and_nowhere_else() {
    for (alone, service) in TARGETS {
        let api = Api::start_with(|config| {
            config.targets = vec![alone];
            config.outbox.confirm = docket_outbox::Confirm::Broker;
        })
        .await;
        // The public port is there for each target, also for one that has no API.
        for port in [api.public().channel, api.app().channel] {
            assert_eq!(ask(&port, "").await.unwrap(), Serving as i32);
            for (target, _) in TARGETS {
                let name = format!("docket.{}", target.name());
                match ask(&port, &name).await {
                    Ok(status) => assert_eq!((target, status), (alone, Serving as i32)),
                    Err(error) => assert_eq!((target == alone, error.code()), (false, Code::NotFound)),
                }
            }
            if let Some(service) = service {
                assert_eq!(ask(&port, service).await.unwrap(), Serving as i32);
            }
        }
    }
}

#[tokio::test]
async fn all_targets_of_a_process_are_ready_and_probes_are_few_statements() {
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    let channel = api.public().channel;
    let before = api.statements.count();
    for (target, _) in TARGETS {
        for _ in 0..10 {
            let name = format!("docket.{}", target.name());
            assert_eq!(ask(&channel, &name).await.unwrap(), Serving as i32, "{name}");
        }
    }
    // Both doors share what is known.
    assert_eq!(http::exchange(api.admin, "GET", "/readyz", &[], "").await.unwrap().0, 200);
    let asked = api.statements.count() - before;
    assert!(asked < 25, "{asked} statements for 61 probes");
}

#[tokio::test]
async fn command_asks_a_server_and_ends_as_it_is_answered() {
    let mut docket = Docket::builder(Path::new(DOCKET)).env("DOCKET_DAPR__ENABLED", "false").start().await;
    for name in [&[][..], &["docket.tasks"], &["docket.v1.TaskService"]] {
        assert_eq!(docket.run(&[&["health"], name].concat()), "SERVING\n", "{name:?}");
    }
    let output = docket.output_of(&["health", "docket.nobody"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.contains("no \"docket.nobody\"")), (Some(1), true), "{said}");
    assert_eq!(docket.terminate().await.code(), Some(0));
    let output = docket.output_of(&["health"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), said.contains("no connection to http://127.0.0.1:")),
        (Some(1), true),
        "{said}"
    );
}
