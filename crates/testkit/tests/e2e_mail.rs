//! A mail server under the hands of a test: what it keeps, and what its network does to those who send.

use std::io::{Error, ErrorKind};
use std::time::Duration;

use docket_testkit::{Loss, Mail, PATIENCE, wait_for};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nobody answers within it, and whoever can does.
const MOMENT: Duration = Duration::from_millis(300);

/// Who sends mails by SMTP, word by word.
struct Sender(BufStream<TcpStream>);

impl Sender {
    async fn connect(mail: &Mail) -> std::io::Result<Self> {
        let mut sender = Self(BufStream::new(TcpStream::connect(mail.address()).await?));
        sender.answer().await?;
        sender.say("EHLO test").await?;
        Ok(sender)
    }

    /// Says a line, and gives the code that is answered.
    async fn say(&mut self, line: &str) -> std::io::Result<u16> {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.0.flush().await?;
        self.answer().await
    }

    async fn answer(&mut self) -> std::io::Result<u16> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await? == 0 {
                return Err(Error::from(ErrorKind::UnexpectedEof));
            }
            // Another line follows a dash.
            if line.as_bytes().get(3) != Some(&b'-') {
                return line[..3].parse().map_err(|_| Error::other(line));
            }
        }
    }

    async fn send(&mut self, to: &str, subject: &str) -> std::io::Result<u16> {
        self.say("MAIL FROM:<docket@docket.test>").await?;
        self.say(&format!("RCPT TO:<{to}>")).await?;
        self.say("DATA").await?;
        let headers = format!("From: docket@docket.test\r\nTo: {to}\r\nSubject: {subject}");
        self.say(&format!("{headers}\r\nContent-Type: text/html\r\n\r\n<b>{subject}</b>\r\n.")).await
    }
}

async fn send(mail: &Mail, to: &str, subject: &str) -> std::io::Result<u16> {
    Sender::connect(mail).await?.send(to, subject).await
}

async fn subjects(mail: &Mail, address: &str) -> Vec<String> {
    mail.messages_of(address).await.into_iter().map(|message| message.subject).collect()
}

#[tokio::test]
async fn what_was_acknowledged_outlives_every_end() {
    let mut mail = Mail::start().await;
    let address = mail.address();
    assert_eq!(send(&mail, "alice@docket.test", "one").await.unwrap(), 250);
    assert_eq!(send(&mail, "bob+1@docket.test", "else").await.unwrap(), 250);
    let [message] = &mail.messages_of("alice@docket.test").await[..] else { panic!("not one") };
    assert_eq!((message.from.as_str(), message.html.trim()), ("docket@docket.test", "<b>one</b>"));

    let mut idle = Sender::connect(&mail).await.unwrap();
    mail.kill().await;
    assert_eq!(idle.say("NOOP").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(subjects(&mail, "alice@docket.test").await, ["one"], "also while it is away");
    mail.restart().await;
    assert_eq!(mail.address(), address);
    assert_eq!(send(&mail, "alice@docket.test", "two").await.unwrap(), 250);

    mail.stop().await;
    assert!(send(&mail, "alice@docket.test", "lost").await.is_err());
    mail.restart().await;
    assert_eq!(subjects(&mail, "Alice@Docket.test").await, ["one", "two"]);
    assert_eq!(subjects(&mail, "bob+1@docket.test").await, ["else"]);
    assert_eq!(subjects(&mail, "nobody@docket.test").await, Vec::<String>::new());
    assert_eq!(mail.messages().await.len(), 3);
}

#[tokio::test]
async fn mail_whose_answer_is_lost_was_taken() {
    let mail = Mail::start().await;
    mail.accept_in_secret(1, Loss::Reset);
    let error = send(&mail, "alice@docket.test", "one").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(send(&mail, "alice@docket.test", "two").await.unwrap(), 250, "the next is told");

    mail.accept_in_secret(1, Loss::Silence);
    let mut sender = Sender::connect(&mail).await.unwrap();
    let sending = sender.send("alice@docket.test", "three");
    assert!(timeout(MOMENT, sending).await.is_err(), "nobody knows");
    mail.wait_for_messages("alice@docket.test", 3).await;
    assert_eq!(mail.proxy().answers_lost(), 2);
    mail.proxy().heal().await;
    assert_eq!(sender.answer().await.unwrap(), 250, "it comes late");
    assert_eq!(subjects(&mail, "alice@docket.test").await, ["one", "two", "three"]);
}

#[tokio::test]
async fn server_that_is_stopped_is_silent_and_goes_on() {
    let mail = Mail::start().await;
    mail.pause();
    assert!(timeout(MOMENT, Sender::connect(&mail)).await.is_err());
    mail.resume();
    wait_for("a mail that is taken", PATIENCE, async || {
        send(&mail, "alice@docket.test", "one").await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(subjects(&mail, "alice@docket.test").await, ["one"]);
}

#[tokio::test]
async fn login_needs_the_password() {
    let mail = Mail::start().await;
    let plain = |password: &str| {
        use base64::Engine as _;
        let said = format!("\0{}\0{password}", mail.user());
        format!("AUTH PLAIN {}", base64::engine::general_purpose::STANDARD.encode(said))
    };
    let mut sender = Sender::connect(&mail).await.unwrap();
    assert_eq!(sender.say(&plain("wrong")).await.unwrap(), 535);
    assert_eq!(sender.say(&plain(mail.password())).await.unwrap(), 235);
    assert_eq!(sender.send("alice@docket.test", "one").await.unwrap(), 250);
}
