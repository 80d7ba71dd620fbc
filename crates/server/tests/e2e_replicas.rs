//! Two Dockets on one database, each with its own sidecar: clients do not notice which one they call, nor that one is gone.

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{Postgres, Replicas, repeating};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

#[tokio::test]
async fn what_one_replica_began_the_other_goes_on_with_once() {
    const CHORES: usize = 20;
    let database = Postgres::shared().await.database().await;
    let mut replicas = Replicas::builder(Path::new(DOCKET), &database, 2).start().await;
    let [one, other] = [0, 1].map(|replica| replicas[replica].user("alice"));
    let chores =
        (0..CHORES).map(|n| repeating(&format!("Chore {n}"), Pattern::Daily, "2027-02-01T07:00:00Z", "UTC"));
    let chores = one.create_all(chores).await;
    let (early, late) = chores.split_at(CHORES / 2);
    other.complete_all(early).await;
    replicas.settled().await;

    replicas[0].docket.kill();
    replicas[0].daprd().kill();
    other.complete_all(late).await;
    for chore in &chores {
        other.expect_story(chore, &["created", "completed"]).await;
    }
    replicas.settled().await;
    other.expect_followed_once(&chores).await;
}
