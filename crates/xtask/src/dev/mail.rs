//! The mail server of `dev --mail`, and what the others have to know of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::ports::Port;

/// The file in which the sidecar looks for it.
pub(super) const SECRETS: &str = "notification.json";

/// What the sidecar needs of `components/` for it.
pub(super) const RESOURCES: [&str; 2] = ["components/notification/common", "components/notification/smtp"];

/// Where mail comes from.
const FROM: &str = "Docket <docket@example.com>";

/// A server that takes mail for everybody and sends none on.
#[derive(Debug)]
pub(super) struct Mail {
    smtp: Port,
    api: Port,
}

impl Mail {
    pub(super) fn new(smtp: Port, api: Port) -> Self {
        Self { smtp, api }
    }

    /// What `docket` is told.
    pub(super) fn settings() -> [(&'static str, &'static str); 2] {
        [("DOCKET_NOTIFICATION__EMAIL__KIND", "smtp"), ("DOCKET_NOTIFICATION__EMAIL__FROM", FROM)]
    }

    /// Tells the sidecar where it is.
    pub(super) fn write_secrets(&self, folder: &Path) -> Result<()> {
        let address = self.smtp.address();
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let secrets = json!({ "docket-smtp": { "host": host, "port": port, "user": "", "password": "" } });
        let file = folder.join(SECRETS);
        fs::write(&file, secrets.to_string()).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Starts it with its jar in this folder.
    pub(super) fn command(&mut self, java: &Path, jars: &Path) -> Command {
        let mut command = Command::new(java);
        for (name, port) in [("smtp", &self.smtp), ("api", &self.api)] {
            command.arg(format!("-Dgreenmail.{name}.hostname={}", port.address().ip()));
            command.arg(format!("-Dgreenmail.{name}.port={}", port.number()));
        }
        command.args(["-Dgreenmail.auth.disabled", "-cp"]).arg(jars.join("*"));
        command.arg("com.icegreen.greenmail.standalone.GreenMailStandaloneRunner");
        self.smtp.release();
        self.api.release();
        command
    }

    /// Where it says that it is ready.
    pub(super) fn readiness(&self) -> (std::net::SocketAddr, &'static str) {
        (self.api.address(), "/api/service/readiness")
    }

    /// Where the mail of an address can be read, as JSON.
    pub(super) fn box_of(&self, address: &str) -> String {
        format!("http://{}/api/user/{address}/messages", self.api.address())
    }
}
