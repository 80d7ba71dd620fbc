//! The channels of `components/notification`, as the sidecar of a test gets them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::components::components;
use crate::daprd::DaprdBuilder;
use crate::gateway::Gateway;
use crate::hooks::Hooks;
use crate::mail::Mail;

/// Who mails of tests are from.
const FROM: &str = "docket@docket.test";

/// What the components call the app that may load them, where a test has a name of its own.
const APP: &str = "docket-notification";

/// What stands for the outside in the components.
const OUTSIDE: [&str; 2] = ["https://fcm.googleapis.com", "https://hooks.example.com"];

/// Where a sidecar finds who vouches for what stands for SendGrid.
const AUTHORITY: &str = "authority.pem";

/// The binding for webhooks.
const WEBHOOK: &str = "webhook-example";

/// What a sidecar is given besides what every one has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Channels {
    /// Folders of resources.
    folders: Vec<PathBuf>,
    secrets: BTreeMap<&'static str, Value>,
    /// Where what is outside is.
    hooks: Option<String>,
    settings: Vec<(&'static str, String)>,
    /// The address and the authority of what stands for SendGrid.
    sendgrid: Option<(String, String)>,
}

impl Channels {
    /// Mails are sent to this server.
    pub(crate) fn mail(&mut self, mail: &Mail) {
        self.mail_at(mail.address(), mail.user(), mail.password());
    }

    fn mail_at(&mut self, address: SocketAddr, user: &str, password: &str) {
        self.folder("smtp");
        let secret = json!({
            "host": address.ip().to_string(), "port": address.port().to_string(), "user": user, "password": password,
        });
        self.secrets.insert("docket-smtp", secret);
        self.settings.extend([
            ("DOCKET_NOTIFICATION__EMAIL__KIND", "smtp".to_owned()),
            ("DOCKET_NOTIFICATION__EMAIL__BINDING", "smtp".to_owned()),
            ("DOCKET_NOTIFICATION__EMAIL__FROM", FROM.to_owned()),
        ]);
    }

    /// Push messages and webhooks are sent to this server.
    pub(crate) fn hooks(&mut self, hooks: &Hooks) {
        self.folder("fcm");
        self.folder("webhook");
        self.secrets.insert("docket-fcm", json!({"authorization": "Bearer of-tests"}));
        let url = hooks.url();
        self.settings.extend([
            ("DOCKET_NOTIFICATION__PUSH__KIND", "fcm".to_owned()),
            ("DOCKET_NOTIFICATION__PUSH__BINDING", "fcm".to_owned()),
            ("DOCKET_NOTIFICATION__WEBHOOK__KIND", "http".to_owned()),
            ("DOCKET_NOTIFICATION__WEBHOOK__ALLOW_PRIVATE", "true".to_owned()),
            ("DOCKET_NOTIFICATION__WEBHOOK__ORIGINS", format!("{{\"{url}\"=\"{WEBHOOK}\"}}")),
        ]);
        self.hooks = Some(url);
    }

    /// Mails are given to whom this gateway leads to.
    pub(crate) fn sendgrid(&mut self, gateway: &Gateway) {
        self.folder("sendgrid");
        self.secrets.insert("docket-sendgrid", json!({"apiKey": "SG.of-tests"}));
        self.settings.extend([
            ("DOCKET_NOTIFICATION__EMAIL__KIND", "sendgrid".to_owned()),
            ("DOCKET_NOTIFICATION__EMAIL__BINDING", "sendgrid".to_owned()),
            ("DOCKET_NOTIFICATION__EMAIL__FROM", FROM.to_owned()),
        ]);
        self.sendgrid = Some((gateway.url(), gateway.authority().to_owned()));
    }

    fn folder(&mut self, name: &str) {
        for name in ["common", name] {
            let folder = components("notification").join(name);
            if !self.folders.contains(&folder) {
                self.folders.push(folder);
            }
        }
    }

    /// What the Docket of the sidecar is told.
    pub(crate) fn settings(&self) -> &[(&'static str, String)] {
        &self.settings
    }

    /// Gives the sidecar of this app what it is to have.
    pub(crate) fn of(&self, daprd: DaprdBuilder, app_id: &str) -> DaprdBuilder {
        let daprd = self.folders.iter().fold(daprd, |daprd, folder| daprd.resources_of(folder));
        let daprd = OUTSIDE.iter().fold(daprd, |daprd, outside| match &self.hooks {
            Some(url) => daprd.rename(outside, url),
            None => daprd,
        });
        if self.secrets.is_empty() {
            return daprd;
        }
        let daprd = match &self.sendgrid {
            Some((url, authority)) => {
                daprd.env("HTTPS_PROXY", url).env("SSL_CERT_FILE", AUTHORITY).file(AUTHORITY, authority)
            }
            None => daprd,
        };
        daprd.rename(APP, app_id).file("notification.json", &json!(self.secrets).to_string())
    }
}
