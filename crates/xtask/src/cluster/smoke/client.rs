//! A client such as people have: grpcurl.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cluster::call;

/// How long one call may take, in seconds.
const CALL: &str = "10";

/// How long there is between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// grpcurl, with the token of a user.
#[derive(Debug)]
pub(super) struct Client {
    grpcurl: PathBuf,
    endpoints: Vec<(&'static str, SocketAddr)>,
    token: String,
}

impl Client {
    /// For the APIs of these targets.
    pub(super) fn new(grpcurl: &Path, endpoints: &[(&'static str, SocketAddr)], token: String) -> Self {
        Self { grpcurl: grpcurl.to_owned(), endpoints: endpoints.to_vec(), token }
    }

    /// Calls a method of a target.
    pub(super) fn call(&self, target: &str, method: &str, body: &Value) -> Result<Value> {
        self.call_with(target, method, body, &[])
    }

    /// The same with headers of one's own.
    pub(super) fn call_with(
        &self,
        target: &str,
        method: &str,
        body: &Value,
        headers: &[&str],
    ) -> Result<Value> {
        let address = self.endpoints.iter().find(|(name, _)| *name == target).map(|(_, address)| address);
        let address = address.with_context(|| format!("there is no port for {target}"))?.to_string();
        let mut command = Command::new(&self.grpcurl);
        // By the environment, because every process of the machine can read arguments.
        command.env("TOKEN", &self.token).args(["-expand-headers", "-H", "authorization: Bearer ${TOKEN}"]);
        command.args(["-plaintext", "-max-time", CALL]);
        command.args(headers.iter().flat_map(|header| ["-H", header]));
        command.args(["-d", &body.to_string(), &address, &format!("docket.v1.{method}")]);
        let answer = call::text(&mut command)?;
        serde_json::from_str(&answer).with_context(|| format!("{method} answers no JSON: {answer}"))
    }

    /// Calls until the answer has what is looked for. When that takes too long, the error says what there was instead.
    pub(super) fn until<T>(
        &self,
        step: &str,
        limit: Duration,
        target: &str,
        method: &str,
        body: &Value,
        mut look: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            let answer = self.call(target, method, body).with_context(|| format!("step {step}"))?;
            if let Some(found) = look(&answer) {
                return Ok(found);
            }
            if start.elapsed() > limit {
                bail!("step {step}: after {} s {method} still answers {answer}", limit.as_secs());
            }
            std::thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    /// A client whose grpcurl is this script.
    fn client(folder: &Path, script: &str) -> Client {
        let draft = folder.join("draft");
        std::fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).unwrap();
        // Copied by another process: see the tests of `tools`.
        let file = folder.join("grpcurl");
        assert!(Command::new("cp").arg("-p").arg(&draft).arg(&file).status().unwrap().success());
        Client::new(&file, &[("tasks", "127.0.0.1:7600".parse().unwrap())], "secret".to_owned())
    }

    #[test]
    fn token_is_no_argument() {
        let folder = tempfile::tempdir().unwrap();
        let client = client(
            folder.path(),
            r#"printf '{"token": "%s", "arguments": "%s"}' "$TOKEN" "$(echo "$*" | tr -d '"')""#,
        );
        let answer = client.call("tasks", "TaskService/GetTask", &json!({"task_id": "7"})).unwrap();
        assert_eq!(answer["token"], "secret");
        let arguments = answer["arguments"].as_str().unwrap();
        assert!(
            arguments.ends_with("-d {task_id:7} 127.0.0.1:7600 docket.v1.TaskService/GetTask"),
            "{arguments}"
        );
        assert!(!arguments.contains("secret"), "{arguments}");
    }

    #[test]
    fn what_was_seen_instead_is_told_when_time_is_up() {
        let folder = tempfile::tempdir().unwrap();
        let client = client(folder.path(), "echo '{\"tasks\": []}'");
        let body = json!({});
        let none = |_: &Value| None::<()>;
        let error =
            client.until("next", Duration::ZERO, "tasks", "TaskService/ListTasks", &body, none).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("step next: after 0 s TaskService/ListTasks still answers {\"tasks\":[]}"),
            "{error}"
        );
        let all = client
            .until("next", SECOND, "tasks", "TaskService/ListTasks", &body, |answer| Some(answer.clone()));
        assert_eq!(all.unwrap(), json!({"tasks": []}));
    }

    const SECOND: Duration = Duration::from_secs(1);
}
