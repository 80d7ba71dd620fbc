//! What is said when all is up: where everything is, and lines to paste.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::forward;
use super::inspect;
use super::settings::Cluster;
use super::site::Site;
use crate::random;
use crate::tour::Shell;

/// Where a reminder is seen, since no mail server is configured.
const SHOWN: &str = "A minute later the log of the notification shows it, in a line of docket::notice. What was sent, and how:";

/// What each target's API is.
const SERVICES: [(&str, &str); 5] = [
    ("tasks", "TaskService"),
    ("audit", "AuditService"),
    ("deadletters", "DeadLetterService"),
    ("reminders", "ReminderService"),
    ("notification", "NotificationService"),
];

/// All of it.
pub(super) fn text(site: &Site, grpcurl: &Path) -> Result<String> {
    let mut shell = Shell::new(grpcurl, "127.0.0.1:7600");
    let mut text = String::from("\n");
    for ((target, address), (_, service)) in forward::stable().into_iter().zip(SERVICES) {
        shell.serves(service, &address.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {target:<14} {address}  docket.v1.{service}");
    }
    if site.made.cluster == Cluster::Existing {
        text.push_str(
            "\nThese ports lead there while this runs, in another terminal:\n\ncargo xtask forward\n",
        );
    }
    match token(site, "alice") {
        Ok(token) => text.push_str(&format!("\nA token for alice, good for 12 hours:\n\nTOKEN={token}\n")),
        Err(_) => {
            text.push_str("\nTokens come from the identity provider that is configured:\n\nTOKEN=...\n")
        }
    }
    for (what, lines) in shell.tour(&random::uuid()?).into_iter().chain(shell.reminder(None, SHOWN)) {
        text.push_str(&format!("\n{what}\n\n{lines}"));
    }
    text.push_str(
        "\nWhat else there is: `cargo xtask smoke` tries all of it, `status` says how it is, `logs TARGET`, `trace`, `psql`, \
         `topics`;\n`down` removes it.\n\n",
    );
    Ok(text)
}

/// Prints it.
pub(super) fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write")
}

/// A token, signed by Docket itself.
pub(super) fn token(site: &Site, user: &str) -> Result<String> {
    let deployment = format!("deployment/{}", site.deployment("tasks")?);
    let said = site.kubectl.text(&inspect::docket(&deployment, &["token", "--user", user]))?;
    Ok(said.trim().to_owned())
}
