//! Lines to paste that show what Docket does, whoever runs it.

use std::path::Path;

/// Whose mail it is, where there is a server for it.
pub(crate) const ADDRESS: &str = "alice@example.com";

/// The instant 35 minutes from now, by whichever `date` there is.
const DUE: &str = "DUE=$(date -u -d '+35 minutes' +%FT%TZ 2>/dev/null || date -u -v+35M +%FT%TZ)";

/// What the lines are for.
#[derive(Debug)]
pub(crate) struct Shell {
    grpcurl: String,
    /// Where every service is that is not found in `services`.
    public: String,
    services: Vec<(String, String)>,
}

/// What to do, and the lines for it.
pub(crate) type Step = (&'static str, String);

impl Shell {
    /// Where all services are at one address.
    pub(crate) fn new(grpcurl: &Path, public: &str) -> Self {
        let services = Vec::new();
        Self { grpcurl: grpcurl.display().to_string(), public: public.to_owned(), services }
    }

    /// One of them is somewhere else.
    pub(crate) fn serves(&mut self, service: &str, address: &str) {
        self.services.push((service.to_owned(), address.to_owned()));
    }

    fn call(&self, body: &str, method: &str) -> String {
        let Self { grpcurl, public, services } = self;
        let own = services.iter().find(|(service, _)| method.starts_with(&format!("{service}/")));
        let address = own.map_or(public, |(_, address)| address);
        let grpcurl = if grpcurl.contains(' ') { format!("\"{grpcurl}\"") } else { grpcurl.clone() };
        format!(
            "{grpcurl} -plaintext -H \"authorization: Bearer $TOKEN\" \\\n  -d '{body}' \\\n  {address} docket.v1.{method}\n"
        )
    }

    /// The lines about a task that repeats. Its id is chosen here, so that they can be pasted as they are.
    pub(crate) fn tour(&self, task: &str) -> Vec<Step> {
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
    /// of whoever sends it; `shown` says where that is seen.
    pub(crate) fn reminder(&self, mailbox: Option<&str>, shown: &'static str) -> Vec<Step> {
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
            None => (shown, self.call("{}", "NotificationService/ListDeliveries")),
        });
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn lines_are_json_inside_quotes_of_the_shell() {
        let shell = Shell::new(Path::new("/opt/my tools/grpcurl"), "127.0.0.1:7600");
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
        check(shell.tour(&random::uuid().unwrap()), 5);
        check(shell.reminder(None, "shown"), 3);
        check(shell.reminder(Some("http://127.0.0.1:7610/box"), "shown"), 3);
    }

    #[test]
    fn each_service_is_called_where_it_is() {
        let mut shell = Shell::new(Path::new("grpcurl"), "127.0.0.1:7600");
        shell.serves("AuditService", "127.0.0.1:7620");
        let tour = shell.tour("7");
        let (_, audit) = tour.last().unwrap();
        assert!(audit.ends_with("127.0.0.1:7620 docket.v1.AuditService/ListAuditEntries\n"), "{audit}");
        assert!(tour[0].1.ends_with("127.0.0.1:7600 docket.v1.TaskService/CreateTask\n"), "{}", tour[0].1);
    }

    #[test]
    fn the_shell_knows_when_the_task_is_due() {
        let script = format!("{DUE}; echo $DUE");
        let answer = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let due = String::from_utf8(answer.stdout).unwrap();
        assert!(due.len() == 21 && due.ends_with("Z\n") && due.as_bytes()[10] == b'T', "{due:?}");
    }
}
