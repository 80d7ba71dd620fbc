//! What is said when all is ready: where everything is, and lines to paste.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};

use super::stack::Stack;
use crate::random;
use crate::tools::Tool;
use crate::tour::{ADDRESS, Shell, Step};

/// The call whose traces are worth a look.
const COMPLETE: &str = "docket.v1.TaskService/CompleteTask";

/// Where a reminder is seen where there is no mail server.
const SHOWN: &str =
    "A minute later this terminal shows it, in a line of docket::notice. What was sent, and how:";

/// Prints it.
pub(crate) async fn print(stack: &Stack) -> Result<()> {
    let token = token(stack).await?;
    let shell = Shell::new(stack.tool(Tool::Grpcurl)?, &stack.public().to_string());
    let mailbox = stack.mailbox(ADDRESS);
    let traces = stack.traces_of(COMPLETE);
    let mut text = places(stack);
    text.push_str(&format!("\nA token for alice, good for 12 hours:\n\nTOKEN={token}\n"));
    let tour = shell.tour(&random::uuid()?).into_iter().chain(traced(traces));
    for (what, lines) in tour.chain(shell.reminder(mailbox.as_deref(), SHOWN)) {
        text.push_str(&format!("\n{what}\n\n{lines}"));
    }
    text.push_str("\nCtrl-C stops all and keeps the data; `cargo xtask dev --reset` forgets it.\n\n");
    std::io::stdout().write_all(text.as_bytes()).context("cannot write")
}

fn places(stack: &Stack) -> String {
    let [http, grpc] = stack.sidecar();
    let mut rows = vec![
        ("API, health, reflection", format!("{} (gRPC)", stack.public())),
        ("for the sidecar alone", format!("{} (gRPC)", stack.app())),
        ("for operators", format!("http://{} (/metrics, /readyz)", stack.admin())),
        ("sidecar (daprd)", format!("{http} (HTTP), {grpc} (gRPC)")),
        ("scheduler", format!("{} (gRPC)", stack.scheduler())),
        ("data", stack.data().display().to_string()),
        ("logs", stack.logs().display().to_string()),
    ];
    rows.extend(stack.traces().map(|pages| ("traces (Jaeger)", format!("http://{pages}"))));
    rows.iter().fold(String::from("\n"), |mut text, (what, place)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {what:<24} {place}");
        text
    })
}

/// Where to see what the tour has set going, for a browser.
fn traced(link: Option<String>) -> Option<Step> {
    link.map(|link| ("All that the completion has set going, as a trace, in a browser:", format!("{link}\n")))
}

/// A token, from `docket` itself.
async fn token(stack: &Stack) -> Result<String> {
    let mut docket = tokio::process::Command::from(stack.docket());
    let answer =
        docket.args(["token", "--user", "alice"]).output().await.context("cannot run docket token")?;
    ensure!(answer.status.success(), "docket token: {}", String::from_utf8_lossy(&answer.stderr));
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_told_of_where_they_are_shown() {
        assert!(traced(None).is_none());
        let (_, lines) = traced(Some("http://127.0.0.1:7615/search".to_owned())).unwrap();
        assert_eq!(lines, "http://127.0.0.1:7615/search\n");
    }
}
