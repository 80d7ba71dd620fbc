//! What kubectl and Helm are told, and what becomes of their answers; a shell stands for them.

use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use super::command::run;
use super::kubectl::{items, template};
use super::*;
use crate::PATIENCE;

async fn shell(script: &str, input: &[u8], limit: Duration) -> Result<Said, Error> {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    run(command, input, limit).await
}

fn words(command: &Command) -> Vec<&str> {
    command.as_std().get_args().map(|word| word.to_str().unwrap()).collect()
}

#[tokio::test]
async fn failure_names_the_command_and_its_complaint_and_not_what_may_be_secret() {
    let said = shell("cat; echo no such pod >&2; exit 3", b"open-sesame", PATIENCE).await.unwrap();
    assert!(!said.well());
    assert_eq!((said.text().as_str(), said.errors.as_str()), ("open-sesame", "no such pod\n"));
    assert!(!format!("{said:?}").contains("open-sesame"));
    let error = said.answer().unwrap_err();
    let expect = "sh -c cat; echo no such pod >&2; exit 3: exit status: 3: no such pod";
    assert_eq!(error.to_string(), expect);
    assert!(!format!("{error:?}").contains("open-sesame"));

    let error = shell("cat", b"{open-sesame}", PATIENCE).await.unwrap().json().unwrap_err().to_string();
    assert!(error.starts_with("sh -c cat: answers no JSON: ") && !error.contains("open-sesame"), "{error}");
}

#[tokio::test]
async fn input_and_answer_may_be_longer_than_a_pipe() {
    let input = b"0123456789".repeat(100_000);
    let said = shell("cat", &input, PATIENCE).await.unwrap();
    assert!(said.well() && said.output == input);
    // One that does not read on has answered all the same.
    assert_eq!(shell("echo enough", &input, PATIENCE).await.unwrap().answer().unwrap(), "enough\n");
    // Without an input there is nothing to wait for.
    assert_eq!(shell("cat", b"", PATIENCE).await.unwrap().answer().unwrap(), "");
}

#[tokio::test]
async fn command_that_hangs_or_is_missing_is_an_error() {
    let error = shell("sleep 1000", b"", Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.to_string(), "sh -c sleep 1000: not within 50ms");
    let error = run(Command::new("no-such-program"), b"", PATIENCE).await.unwrap_err().to_string();
    assert!(error.starts_with("no-such-program: cannot be run: "), "{error}");
}

#[test]
fn every_command_is_for_one_cluster() {
    let kubectl = Kubectl::of("kind-docket");
    assert_eq!(words(&kubectl.command(&["get", "pods"])), ["--context=kind-docket", "get", "pods"]);
    assert_eq!(
        kubectl.program("forward", &["port-forward"]).arguments,
        ["--context=kind-docket", "port-forward"]
    );
    let helm = Helm {
        kubectl,
        program: "helm".into(),
        chart: "chart".into(),
        namespace: "here".to_owned(),
        release: "mine".to_owned(),
    };
    let expect = ["--kube-context", "kind-docket", "--namespace", "here", "status", "mine"];
    assert_eq!(words(&helm.command(&["status", "mine"])), expect);
    let expect = "--selector=app.kubernetes.io/name=docket,app.kubernetes.io/instance=mine";
    assert_eq!(helm.selector(), expect);
}

#[test]
fn answers_are_read() {
    assert_eq!(items(json!({"items": [{"kind": "Pod"}]})), [json!({"kind": "Pod"})]);
    assert_eq!(items(json!({"kind": "Pod"})), [json!(null); 0]);
    assert_eq!(template("ca.crt"), r#"--output=go-template={{index .data "ca.crt" | base64decode}}"#);
}
