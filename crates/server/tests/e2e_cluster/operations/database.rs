//! PostgreSQL, by its own programs in its own pod.

use docket_testkit::kubernetes::Said;

use crate::kubectl::{self, DATA};

/// The pod that takes writes.
pub(super) async fn primary() -> String {
    let selectors =
        ["app.kubernetes.io/name=postgres", "cnpg.io/cluster=docket,cnpg.io/instanceRole=primary"];
    for selector in selectors {
        let found =
            kubectl::text(&["get", "pods", "--namespace", DATA, "--selector", selector, "--output=name"])
                .await;
        if let Some(pod) = found.lines().next() {
            return pod.to_owned();
        }
    }
    panic!("there is no PostgreSQL in {DATA}")
}

/// Runs a program of PostgreSQL's as its superuser.
pub(super) async fn run(arguments: &[&str], input: &[u8]) -> Said {
    let pod = primary().await;
    // The programs of the one are not on the path of its shell; the other has them there.
    let script = "test -e /etc/docket/programs.sh && . /etc/docket/programs.sh; exec \"$@\"";
    let exec = [
        "exec",
        "--stdin",
        "--namespace",
        DATA,
        &pod,
        "--container=postgres",
        "--",
        "sh",
        "-c",
        script,
        "run",
    ];
    let all: Vec<&str> = exec.iter().chain(arguments).copied().collect();
    kubectl::attempt(&all, input).await
}

/// What statements answer. They come by the input, because every process of the machine can read arguments.
pub(super) async fn psql(statements: &str) -> String {
    let arguments = [
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--set=ON_ERROR_STOP=1",
        "--dbname=docket",
    ];
    let said = run(&arguments, statements.as_bytes()).await;
    assert!(said.well(), "psql: {}", said.errors);
    said.text().trim().to_owned()
}
