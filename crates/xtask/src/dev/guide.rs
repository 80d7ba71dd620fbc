//! What is said when all is ready: where everything is, and lines to paste.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};

use super::stack::{Stack, random_hex};
use crate::tools::Tool;

/// Prints it.
pub(crate) async fn print(stack: &Stack) -> Result<()> {
    let token = token(stack).await?;
    let grpcurl = stack.tool(Tool::Grpcurl)?.display().to_string();
    let mut text = places(stack);
    text.push_str(&tour(&grpcurl, &stack.public().to_string(), &token, &uuid()?));
    text.push_str("\nCtrl-C stops all and keeps the data; `cargo xtask dev --reset` forgets it.\n\n");
    std::io::stdout().write_all(text.as_bytes()).context("cannot write")
}

fn places(stack: &Stack) -> String {
    let [http, grpc] = stack.sidecar();
    let rows = [
        ("API, health, reflection", format!("{} (gRPC)", stack.public())),
        ("for the sidecar alone", format!("{} (gRPC)", stack.app())),
        ("sidecar (daprd)", format!("{http} (HTTP), {grpc} (gRPC)")),
        ("scheduler", format!("{} (gRPC)", stack.scheduler())),
        ("data", stack.data().display().to_string()),
        ("logs", stack.logs().display().to_string()),
    ];
    rows.iter().fold(String::from("\n"), |mut text, (what, place)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {what:<24} {place}");
        text
    })
}

/// The lines. The task's id is chosen here, so that they can be pasted as they are.
fn tour(grpcurl: &str, public: &str, token: &str, task: &str) -> String {
    let grpcurl = if grpcurl.contains(' ') { format!("\"{grpcurl}\"") } else { grpcurl.to_owned() };
    let call = |body: &str, method: &str| {
        format!(
            "{grpcurl} -plaintext -H \"authorization: Bearer $TOKEN\" \\\n  -d '{body}' \\\n  {public} docket.v1.{method}\n"
        )
    };
    let recurrence = r#""due_time": "2027-01-31T08:00:00Z", "time_zone": "Europe/Berlin", "recurrence": {"pattern": "PATTERN_MONTHLY"}"#;
    let create = format!(r#"{{"task": {{"task_id": "{task}", "title": "Pay the rent", {recurrence}}}}}"#);
    let one = format!(r#"{{"task_id": "{task}"}}"#);
    let steps = [
        ("A task for every last day of the month, 09:00 in Berlin:", call(&create, "TaskService/CreateTask")),
        ("When it will be due, across the change to summer time:", {
            call(&format!(r#"{{"task_id": "{task}", "page_size": 3}}"#), "TaskService/PreviewOccurrences")
        }),
        ("Complete it:", call(&one, "TaskService/CompleteTask")),
        ("A second later there is the next one, for February 28, 09:00 in Berlin:", {
            call(r#"{"filter": "state = OPEN"}"#, "TaskService/ListTasks")
        }),
        ("What happened to the first one:", call(&one, "AuditService/ListAuditEntries")),
    ];
    let mut text = format!("\nA token for alice, good for 12 hours:\n\nTOKEN={token}\n");
    for (what, line) in steps {
        text.push_str(&format!("\n{what}\n\n{line}"));
    }
    text
}

/// A token, from `docket` itself.
async fn token(stack: &Stack) -> Result<String> {
    let mut docket = tokio::process::Command::from(stack.docket());
    let answer =
        docket.args(["token", "--user", "alice"]).output().await.context("cannot run docket token")?;
    ensure!(answer.status.success(), "docket token: {}", String::from_utf8_lossy(&answer.stderr));
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

/// A random UUID (RFC 9562 section 5.4).
fn uuid() -> Result<String> {
    let digits = random_hex(16)?;
    Ok(format!(
        "{}-{}-4{}-8{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_inside_quotes_of_the_shell() {
        let text = tour("/opt/my tools/grpcurl", "127.0.0.1:7600", "t", &uuid().unwrap());
        let bodies: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("  -d '")?.strip_suffix("' \\")).collect();
        assert_eq!(bodies.len(), 5, "{text}");
        for body in bodies {
            assert!(!body.contains('\''), "{body}");
            serde_json::from_str::<serde_json::Value>(body).expect(body);
        }
        assert!(text.contains("\"/opt/my tools/grpcurl\" -plaintext"), "{text}");
    }

    #[test]
    fn uuids_have_their_version_and_differ() {
        let [one, other] = [uuid().unwrap(), uuid().unwrap()];
        assert_ne!(one, other);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!((&one[14..15], &one[19..20]), ("4", "8"));
    }
}
