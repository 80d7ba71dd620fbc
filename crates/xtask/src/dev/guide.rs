//! What is said when all is ready: where everything is, and lines to paste.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};

use super::stack::{Stack, random_hex};
use crate::tools::Tool;

/// Whose mail it is, where there is a server for it.
const ADDRESS: &str = "alice@example.com";

/// The call whose traces are worth a look.
const COMPLETE: &str = "docket.v1.TaskService/CompleteTask";

/// The instant 35 minutes from now, by whichever `date` there is.
const DUE: &str = "DUE=$(date -u -d '+35 minutes' +%FT%TZ 2>/dev/null || date -u -v+35M +%FT%TZ)";

/// Prints it.
pub(crate) async fn print(stack: &Stack) -> Result<()> {
    let token = token(stack).await?;
    let grpcurl = stack.tool(Tool::Grpcurl)?.display().to_string();
    let shell = Shell { grpcurl, public: stack.public().to_string() };
    let mailbox = stack.mailbox(ADDRESS);
    let traces = stack.traces_of(COMPLETE);
    let mut text = places(stack);
    text.push_str(&format!("\nA token for alice, good for 12 hours:\n\nTOKEN={token}\n"));
    let tour = shell.tour(&uuid()?).into_iter().chain(traced(traces));
    for (what, lines) in tour.chain(shell.reminder(mailbox.as_deref())) {
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

/// What the lines are for.
struct Shell {
    grpcurl: String,
    public: String,
}

/// What to do, and the lines for it.
type Step = (&'static str, String);

impl Shell {
    fn call(&self, body: &str, method: &str) -> String {
        let Self { grpcurl, public } = self;
        let grpcurl = if grpcurl.contains(' ') { format!("\"{grpcurl}\"") } else { grpcurl.clone() };
        format!(
            "{grpcurl} -plaintext -H \"authorization: Bearer $TOKEN\" \\\n  -d '{body}' \\\n  {public} docket.v1.{method}\n"
        )
    }

    /// The lines about a task that repeats. Its id is chosen here, so that they can be pasted as they are.
    fn tour(&self, task: &str) -> Vec<Step> {
        let recurrence = r#""due_time": "2027-01-31T08:00:00Z", "time_zone": "Europe/Berlin", "recurrence": {"pattern": "PATTERN_MONTHLY"}"#;
        let create = format!(r#"{{"task": {{"task_id": "{task}", "title": "Pay the rent", {recurrence}}}}}"#);
        let one = format!(r#"{{"task_id": "{task}"}}"#);
        let next = format!(r#"{{"task_id": "{task}", "page_size": 3}}"#);
        vec![
            (
                "A task for every last day of the month, 09:00 in Berlin:",
                self.call(&create, "TaskService/CreateTask"),
            ),
            (
                "When it will be due, across the change to summer time:",
                self.call(&next, "TaskService/PreviewOccurrences"),
            ),
            ("Complete it:", self.call(&one, "TaskService/CompleteTask")),
            (
                "A second later there is the next one, for February 28, 09:00 in Berlin:",
                self.call(r#"{"filter": "state = OPEN"}"#, "TaskService/ListTasks"),
            ),
            ("What happened to the first one:", self.call(&one, "AuditService/ListAuditEntries")),
        ]
    }

    /// The lines about a reminder that comes a minute after them: by mail, where there is a server for it, else into the log
    /// that is on this terminal.
    fn reminder(&self, mailbox: Option<&str>) -> Vec<Step> {
        let email = format!(r#"{{"preferences": {{"email": "{ADDRESS}"}}}}"#);
        let task = r#"{"task": {"title": "Call the landlord", "due_time": "'$DUE'", "reminders": [{"offset": "2040s"}]}}"#;
        let mut steps = Vec::new();
        if mailbox.is_some() {
            let update = self.call(&email, "NotificationService/UpdatePreferences");
            steps.push(("Where alice's mail goes:", update));
        }
        steps.extend([
            (
                "A task that is due in 35 minutes, with a reminder 34 minutes before:",
                format!("{DUE}\n{}", self.call(task, "TaskService/CreateTask")),
            ),
            ("When she is reminded:", self.call("{}", "ReminderService/ListReminders")),
        ]);
        steps.push(match mailbox {
            Some(mailbox) => ("A minute later the mail is there:", format!("curl -s {mailbox}\n")),
            None => (
                "A minute later this terminal shows it, in a line of docket::notice. What was sent, and how:",
                self.call("{}", "NotificationService/ListDeliveries"),
            ),
        });
        steps
    }
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
        let shell =
            Shell { grpcurl: "/opt/my tools/grpcurl".to_owned(), public: "127.0.0.1:7600".to_owned() };
        let check = |steps: Vec<Step>, calls: usize| {
            let text = steps.into_iter().map(|(_, lines)| lines).collect::<String>();
            let bodies: Vec<String> = text
                .lines()
                .filter_map(|line| line.strip_prefix("  -d '")?.strip_suffix("' \\"))
                // What the shell makes of the one variable.
                .map(|body| body.replace("'$DUE'", "2027-01-31T08:00:00Z"))
                .collect();
            assert_eq!(bodies.len(), calls, "{text}");
            for body in bodies {
                assert!(!body.contains('\''), "{body}");
                serde_json::from_str::<serde_json::Value>(&body).expect(&body);
            }
            assert!(text.contains("\"/opt/my tools/grpcurl\" -plaintext"), "{text}");
        };
        check(shell.tour(&uuid().unwrap()), 5);
        check(shell.reminder(None), 3);
        check(shell.reminder(Some("http://127.0.0.1:7610/box")), 3);
    }

    #[test]
    fn traces_are_told_of_where_they_are_shown() {
        assert!(traced(None).is_none());
        let (_, lines) = traced(Some("http://127.0.0.1:7615/search".to_owned())).unwrap();
        assert_eq!(lines, "http://127.0.0.1:7615/search\n");
    }

    #[test]
    fn the_shell_knows_when_the_task_is_due() {
        let script = format!("{DUE}; echo $DUE");
        let answer = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let due = String::from_utf8(answer.stdout).unwrap();
        assert!(due.len() == 21 && due.ends_with("Z\n") && due.as_bytes()[10] == b'T', "{due:?}");
    }

    #[test]
    fn uuids_have_their_version_and_differ() {
        let [one, other] = [uuid().unwrap(), uuid().unwrap()];
        assert_ne!(one, other);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!((&one[14..15], &one[19..20]), ("4", "8"));
    }
}
