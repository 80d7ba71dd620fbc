//! A shell stands for kubectl: it is started when a way is needed, and not before.

use tonic::Code;

use super::*;
use crate::publish;

/// The port of the pod.
const PORT: u16 = 7600;

/// A way to a pod. The script stands for kubectl, with the port here and that of the pod as `$here` and `$there`.
fn forward(script: &str) -> Forward {
    let mut program = Program::new("forward", "sh");
    let script = format!("here=${{1%:*}} there=${{1#*:}}; {script}");
    program.arguments = vec!["-c".to_owned(), script, "kubectl".to_owned()];
    Forward::by(program, "pod/tasks-0", &[PORT])
}

const OPENS: &str = "echo $$ >> runs; echo \"Forwarding from 127.0.0.1:$here -> $there\"; exec sleep 1000";

/// How often kubectl was started, and whether it runs now.
async fn runs(forward: &Forward) -> (usize, bool) {
    let mut keeper = forward.kubectl.lock().await;
    let starts = std::fs::read_to_string(keeper.process.folder().join("runs")).unwrap_or_default();
    (starts.lines().count(), keeper.process.runs())
}

#[tokio::test]
async fn way_is_opened_when_it_is_needed_and_again_when_its_pod_has_gone() {
    let forward = forward(OPENS);
    let address = forward.address(PORT);
    assert_eq!(runs(&forward).await, (0, false));
    forward.open().await.unwrap();
    forward.open().await.unwrap();
    assert_eq!(runs(&forward).await, (1, true));

    let mut keeper = forward.kubectl.lock().await;
    keeper.process.terminate().await;
    drop(keeper);
    assert_eq!(runs(&forward).await, (1, false));
    forward.open().await.unwrap();
    assert_eq!(runs(&forward).await, (2, true));

    forward.renew().await;
    assert_eq!(runs(&forward).await, (2, false));
    forward.open().await.unwrap();
    assert_eq!(runs(&forward).await, (3, true));
    assert_eq!(forward.address(PORT), address);
}

#[tokio::test]
async fn way_that_cannot_be_opened_says_what_kubectl_said_last() {
    let script = "test -e old || { touch old; OPENS; }; echo trying; echo pod not found >&2; exit 1";
    let forward = forward(&script.replace("OPENS", &OPENS.replace("1000", "0")));
    forward.open().await.unwrap();
    forward.kubectl.lock().await.process.wait_exit().await;
    // What an earlier run has said counts for nothing.
    let error = forward.open().await.unwrap_err();
    assert_eq!(error.to_string(), "no port leads to pod/tasks-0: pod not found");
}

#[tokio::test]
async fn connection_opens_the_way_and_ends_with_it() {
    let forward = forward(OPENS);
    let channel = forward.channel(PORT);
    assert_eq!(runs(&forward).await, (0, false));
    // There is nobody behind it.
    let ask = async || publish::shut_down(channel.clone(), None).await.unwrap_err().code();
    assert_eq!(ask().await, Code::Unavailable);
    assert_eq!(runs(&forward).await, (1, true));
    let kubectl = Arc::downgrade(&forward.kubectl);
    drop(forward);
    assert!(kubectl.upgrade().is_none(), "kubectl has ended, though there is a connection");
    assert_eq!(ask().await, Code::Unavailable);
}
