//! Who reads secrets by a sidecar: what runs beside it may ask for those that its ServiceAccount may read.

use crate::sidecar::Sidecar;
use crate::stranger::Stranger;

fn path(secret: &str) -> String {
    format!("/v1.0/secrets/kubernetes/{secret}")
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn secrets_of_components_are_read_by_nobody_else() {
    let stranger = Stranger::start().await;
    for secret in ["docket-kafka", "docket-database", "docket-auth", "docket-app-token", "docket-api-token"] {
        let (code, body) = stranger.sidecar.ask("GET", &path(secret), "").await;
        assert!(code >= 400 && body.contains("is forbidden"), "{secret} by a stranger: {code} {body}");
    }
    let (code, body) = stranger.sidecar.ask("GET", "/v1.0/secrets/kubernetes/bulk", "").await;
    assert!(code >= 400 && body.contains("is forbidden"), "all of them by a stranger: {code} {body}");
    // The way is open for what it may read.
    let (code, body) = stranger.sidecar.ask("GET", &path(stranger.name()), "").await;
    assert_eq!((code, body.trim()), (200, r#"{"word":"its own"}"#));

    // Docket itself has no use for secrets: its sidecars have no store to ask.
    for target in ["tasks", "notification"] {
        let sidecar = Sidecar::of_docket(target).await;
        let (code, body) = sidecar.ask("GET", &path("docket-kafka"), "").await;
        assert!(code >= 400 && body.contains("secret store is not configured"), "by {target}: {code} {body}");
    }
}
