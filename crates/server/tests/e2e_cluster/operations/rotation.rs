//! Secrets are replaced while clients work: no call fails but those that a client repeats, and no event is lost.

use std::time::Duration;

use docket_proto::v1::ListTasksRequest;
use docket_testkit::{Load, User};
use serde_json::json;
use tonic::Code;
use uuid::Uuid;

use super::database::psql;
use super::{restart, settled};
use crate::kubectl::{self, DOCKET};
use crate::release::Values;
use crate::sidecar::Sidecar;
use crate::site::{Site, somebody, token};

/// After how long a user tries again. A pod that goes takes the way to it along, and with it the calls that are on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much users do before and after.
const CALLS: u64 = 60;

/// Replaces one value of a Secret.
async fn replace(name: &str, key: &str, value: &str) {
    let patch = json!({"stringData": {key: value}}).to_string();
    let arguments = ["patch", "secret", name, "--namespace", DOCKET, "--patch-file=/dev/stdin"];
    let said = kubectl::attempt(&arguments, patch.as_bytes()).await;
    assert!(said.well(), "{name}: {}", said.errors);
}

fn fresh() -> String {
    [Uuid::new_v4(), Uuid::new_v4()].map(|id| id.simple().to_string()).concat()
}

/// Users who work while `change` happens, and whose every call has its effect once.
async fn expect_no_loss(change: impl Future<Output = ()>) {
    let tokens = [token(&somebody("alice")).await, token(&somebody("bob")).await];
    let users = |site: &Site| tokens.iter().map(|token| vec![site.user_with(token)]).collect::<Vec<_>>();
    let site = Site::open().await;
    let load = Load::of(users(&site)).giving_up_after(PATIENCE);
    let chores = load
        .during(async {
            load.acknowledged(CALLS).await;
            change.await;
            load.acknowledged(CALLS).await;
        })
        .await;
    // By ways to the pods that are there now.
    let site = Site::open().await;
    let users = users(&site);
    for user in &users {
        settled(&user[0]).await;
    }
    Load::of(users).expect_all_once(&chores, 0).await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn tokens_between_docket_and_its_sidecars_are_replaced_while_clients_work() {
    let old = kubectl::secret(DOCKET, "docket-api-token", "token").await;
    expect_no_loss(async {
        replace("docket-api-token", "token", &fresh()).await;
        replace("docket-app-token", "token", &fresh()).await;
        restart().await;
    })
    .await;
    let (code, _) =
        Sidecar::of_docket("tasks").await.shown(Some(&old)).ask("GET", "/v1.0/metadata", "").await;
    assert_eq!(code, 401, "the old token opens nothing");
    let (code, _) = Sidecar::of_docket("tasks").await.ask("GET", "/v1.0/metadata", "").await;
    assert_eq!(code, 200);
}

/// What a login is that serves: it may do nothing by itself, and be the roles of the targets.
fn login(name: &str, password: &str) -> String {
    format!(
        "CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '{password}' IN ROLE docket_tasks, docket_recurrence,\n\
         docket_audit, docket_reminders, docket_notification, docket_deadletters;\n\
         GRANT CONNECT ON DATABASE docket TO {name};"
    )
}

/// How many connections a login has open.
async fn connections(login: &str) -> u32 {
    psql(&format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{login}'")).await.parse().unwrap()
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn login_of_the_database_is_replaced_while_clients_work() {
    let values = Values::of_docket().await;
    let url = kubectl::secret(DOCKET, "docket-database", "server-url").await;
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, place) = rest.rsplit_once('@').unwrap();
    let password = fresh();
    // A run that failed leaves it behind, with its rights.
    psql(
        "SELECT 'DROP OWNED BY docket_server2; DROP ROLE docket_server2'\n\
         WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = 'docket_server2') \\gexec",
    )
    .await;
    psql(&login("docket_server2", &password)).await;

    expect_no_loss(async {
        replace("docket-database", "server-url", &format!("{scheme}://docket_server2:{password}@{place}"))
            .await;
        values.upgrade(&["database.migrate.serverLogin=docket_server2"]).await;
        restart().await;
        assert_eq!(connections("docket_server").await, 0, "the old login is not used any more");
        assert!(connections("docket_server2").await > 0);
        // And back, by the same way.
        replace("docket-database", "server-url", &url).await;
        values.upgrade(&[]).await;
        restart().await;
        assert_eq!(connections("docket_server2").await, 0);
        psql("DROP OWNED BY docket_server2; DROP ROLE docket_server2").await;
    })
    .await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn tokens_of_users_that_were_signed_with_an_old_secret_are_refused() {
    let site = Site::open().await;
    let name = somebody("alice");
    let old_token = token(&name).await;
    let list = async |user: &User| user.tasks().list_tasks(ListTasksRequest::default()).await;
    list(&site.user_with(&old_token)).await.unwrap();

    replace("docket-auth", "secret", &fresh()).await;
    restart().await;
    let site = Site::open().await;
    let status = list(&site.user_with(&old_token)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    list(&site.user_with(&token(&name).await)).await.unwrap();
}
