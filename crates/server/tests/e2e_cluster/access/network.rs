//! NetworkPolicies: the API server takes them. Whether they keep anybody out is up to the network plugin of a cluster, and is
//! not tried here.

use crate::kubectl::{self, DOCKET};
use crate::release;
use crate::site::TARGETS;

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn network_policies_are_taken_by_the_api_server() {
    let manifest = release::get(&["manifest", "docket"]).await;
    let policies: Vec<&str> =
        manifest.split("\n---\n").filter(|one| one.contains("\nkind: NetworkPolicy\n")).collect();
    assert_eq!(policies.len(), TARGETS.len(), "one for each target");
    let said = kubectl::attempt(
        &["apply", "--dry-run=server", "--validate=strict", "--namespace", DOCKET, "--filename=-"],
        policies.join("\n---\n").as_bytes(),
    )
    .await;
    assert!(said.well(), "{}", said.errors);
    let there = kubectl::list(&["networkpolicies", "--namespace", DOCKET]).await;
    for target in TARGETS {
        let name = format!("docket-{target}");
        assert!(there.iter().any(|one| one["metadata"]["name"] == name.as_str()), "{name} is not there");
    }
    eprintln!(
        "NOTE: the policies are valid and there; whether this cluster's network enforces them was not tested"
    );
}
