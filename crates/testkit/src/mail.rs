//! A mail server, behind a network that can fail.

mod message;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::java::{arguments, java};
use crate::port::Port;
use crate::process::{Process, Program};
use crate::proxy::{Loss, Proxy};
use crate::{PATIENCE, http, wait_for};
pub use message::Message;

/// Who may log in.
const USER: &str = "docket";

/// What a client of SMTP says last of a mail: what is answered to it tells whether the server has the mail.
const END_OF_MAIL: &[u8] = b"\r\n.\r\n";

/// One for all tests of a program: a static does not end, so its guard ends it when the program has.
static SHARED: OnceCell<Mail> = OnceCell::const_new();

/// A mail server with a mailbox for everybody: GreenMail. Listens on loopback alone.
///
/// Who logs in must know the password, but nobody must log in. Clients reach it through a [`Proxy`].
#[derive(Debug)]
pub struct Mail {
    process: Process,
    proxy: Proxy,
    api: SocketAddr,
    password: String,
    /// What it had accepted before it was ended: it keeps mails in its memory alone.
    before: Mutex<Vec<Message>>,
}

/// A mailbox, as the server describes it.
#[derive(Deserialize)]
struct Mailbox {
    email: String,
}

/// A mail, as the server describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    mime_message: String,
}

impl Mail {
    /// A mail server without mails.
    pub async fn start() -> Self {
        let [smtp, api] = [(); 2].map(|()| Port::reserve());
        let proxy = Proxy::start(smtp.address()).await;
        let password = uuid::Uuid::new_v4().simple().to_string();
        let properties = [
            ("greenmail.smtp.hostname", smtp.address().ip().to_string()),
            ("greenmail.smtp.port", smtp.number().to_string()),
            ("greenmail.api.hostname", api.address().ip().to_string()),
            ("greenmail.api.port", api.number().to_string()),
            ("greenmail.users", format!("{USER}:{password}@docket.test")),
            ("greenmail.startup.timeout", PATIENCE.as_millis().to_string()),
        ];
        let mut program = Program::new("mail", java());
        let class = "com.icegreen.greenmail.standalone.GreenMailStandaloneRunner";
        program.arguments = arguments("TOOL_MAIL", &properties, class);
        let api_address = api.address();
        program.ports = vec![smtp, api];
        let mut process = Process::new(program);
        process.spawn();
        let mut mail = Self { process, proxy, api: api_address, password, before: Mutex::default() };
        mail.ready().await;
        mail
    }

    /// The mail server that all tests of this program share, each with addresses of its own. Ends with the program. Only for
    /// those who do it no harm.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// Where it takes mails: SMTP, no TLS.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// The network between it and all who send mails.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Who may log in.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The password of [`Mail::user`].
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Takes the next so many mails, but lets nobody know: the answer after a mail's final dot is lost.
    pub fn accept_in_secret(&self, mails: u64, how: Loss) {
        self.proxy.lose_answers_to(END_OF_MAIL, mails, how);
    }

    /// The mails that it has accepted for this address, in the order in which it did.
    ///
    /// # Panics
    /// When it can not be asked, or a mail can not be read.
    pub async fn messages_of(&self, address: &str) -> Vec<Message> {
        let mut messages = self.known();
        messages.retain(|message| message.recipient.eq_ignore_ascii_case(address));
        if self.process.id().is_some() {
            messages.extend(self.mailbox(address).await.unwrap_or_else(|error| panic!("{error}")));
        }
        messages
    }

    /// All mails that it has accepted, by mailbox.
    ///
    /// # Panics
    /// As [`Mail::messages_of`].
    pub async fn messages(&self) -> Vec<Message> {
        let mut messages = self.known();
        if self.process.id().is_some() {
            messages.extend(self.mailboxes().await.unwrap_or_else(|error| panic!("{error}")));
        }
        messages
    }

    /// Waits until it has accepted at least so many mails for this address, and gives them.
    pub async fn wait_for_messages(&self, address: &str, count: usize) -> Vec<Message> {
        wait_for(&format!("{count} mails for {address}"), PATIENCE, async || {
            let messages = self.messages_of(address).await;
            let subjects = || messages.iter().map(|message| message.subject.clone()).collect::<Vec<_>>();
            if messages.len() >= count { Ok(()) } else { Err(format!("{:?}", subjects())) }
        })
        .await;
        self.messages_of(address).await
    }

    /// Ends it at once, if it runs: connections break, new ones are refused. What it has acknowledged is not lost, as with a
    /// mail server that writes to a disk.
    pub async fn kill(&mut self) {
        self.leave().await;
        self.process.kill();
    }

    /// The same, but asks it to end (SIGTERM), and waits until it has.
    pub async fn stop(&mut self) {
        self.leave().await;
        if self.process.id().is_some() {
            self.process.terminate().await;
        }
    }

    /// Kills it if it runs, and starts it again where it was.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.process.spawn();
        self.ready().await;
        self.proxy.heal().await;
    }

    /// Stops it where it is (SIGSTOP): connections are made, and nothing is said on them.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Takes it off the network, and keeps what it has. Nobody has heard of a mail that comes too late for this.
    async fn leave(&mut self) {
        self.proxy.cut().await;
        if self.process.id().is_some() {
            self.process.resume();
            let messages = self.mailboxes().await.unwrap_or_else(|error| panic!("{error}"));
            self.before.get_mut().unwrap_or_else(PoisonError::into_inner).extend(messages);
        }
    }

    async fn ready(&mut self) {
        let api = self.api;
        // It listens for mails before it listens for this.
        self.process.ready(async || http::get(api, "/api/service/readiness", &[]).await).await;
    }

    fn known(&self) -> Vec<Message> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn mailboxes(&self) -> Result<Vec<Message>, String> {
        let boxes = http::get(self.api, "/api/user", &[]).await?;
        let boxes: Vec<Mailbox> = serde_json::from_str(&boxes).map_err(|error| error.to_string())?;
        let mut messages = Vec::new();
        for mailbox in boxes {
            messages.extend(self.mailbox(&mailbox.email).await?);
        }
        Ok(messages)
    }

    async fn mailbox(&self, address: &str) -> Result<Vec<Message>, String> {
        let path = format!("/api/user/{}/messages", utf8_percent_encode(address, NON_ALPHANUMERIC));
        let answer = http::exchange(self.api, "GET", &path, &[], "").await;
        let entries = match answer.map_err(|error| format!("GET {path}: {error}"))? {
            (200, body) => body,
            // Mailboxes are made when the first mail comes.
            (400, body) if body.contains("not found") => return Ok(Vec::new()),
            (code, body) => return Err(format!("GET {path}: {code} {body}")),
        };
        let entries: Vec<Entry> = serde_json::from_str(&entries).map_err(|error| error.to_string())?;
        Ok(entries.into_iter().map(|entry| Message::read(address, entry.mime_message)).collect())
    }
}
