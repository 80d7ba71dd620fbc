//! Keys that change while the server runs: published by a server, and in files.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docket_rpc::Authenticator;
use docket_rpc::auth::{Config, Defect, Error};
use docket_rpc::status::RETRY_DELAY;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use crate::auth::claims;
use crate::keys::{Key, set};
use crate::support::{LONG, now};

/// A server that publishes keys.
struct Publisher {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct State {
    /// Paths, and what is answered there: status and headers, body.
    answers: HashMap<String, (String, String)>,
    fetches: usize,
}

impl Publisher {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default());
        let shared = state.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let (head, body) = {
                    let mut state = shared.lock().unwrap();
                    state.fetches += 1;
                    let missing = || ("404 Not Found\r\n".to_owned(), String::new());
                    state.answers.get(&path).cloned().unwrap_or_else(missing)
                };
                let answer = format!(
                    "HTTP/1.1 {head}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Who has read enough goes away.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, state, _serving: AbortOnDropHandle::new(serving) }
    }

    fn answer(&self, path: &str, head: &str, body: &str) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), (head.to_owned(), body.to_owned()));
    }

    fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.public()).collect();
        self.answer("/keys", "200 OK\r\n", &set(&keys));
    }

    fn config(&self, path: &str) -> Config {
        Config { jwks: Some(format!("http://{}{path}", self.address)), ..Config::default() }
    }

    fn fetches(&self) -> usize {
        self.state.lock().unwrap().fetches
    }
}

/// An authenticator that keeps its keys up to date until the guard is dropped.
async fn run(config: &Config) -> (Arc<Authenticator>, DropGuard) {
    let authenticator = Arc::new(Authenticator::open(config, None).await.unwrap());
    let stop = CancellationToken::new();
    let (running, told) = (authenticator.clone(), stop.clone());
    tokio::spawn(async move { running.run(told).await });
    (authenticator, stop.drop_guard())
}

/// Being told to come again in a while.
fn unavailable<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::KeysUnavailable { .. }))
}

/// Lets others go on until it is so.
async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect("in time");
}

/// In which time a file is looked at at least twice.
const TWO_LOOKS: Duration = Duration::from_secs(11);

/// Whether it is so at any time within the limit.
async fn within(limit: Duration, what: impl Fn() -> bool) -> bool {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let waiting = async {
        while !what() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(limit, waiting).await.is_ok()
}

#[tokio::test]
async fn an_unknown_key_is_fetched_once_whoever_asks_for_it() {
    let publisher = Publisher::start().await;
    let (old, new) = (Key::new("old", Algorithm::ES256), Key::new("new", Algorithm::EdDSA));
    publisher.publish(&[&old]);
    let (authenticator, _running) = run(&publisher.config("/keys")).await;
    let verify = |token: &str| authenticator.verify(token, now()).map(|claims| claims.subject.to_string());
    let (of_old, of_new) = (old.sign(&claims(&[])), new.sign(&claims(&[])));
    assert_eq!(verify(&of_old), Ok("alice".to_owned()));

    publisher.publish(&[&new]);
    // Nobody waits for the network: they are told to come again.
    for _ in 0..100 {
        assert_eq!(verify(&of_new), Err(Error::KeysUnavailable { after: RETRY_DELAY }));
    }
    assert_eq!(verify(&of_old), Ok("alice".to_owned()), "still published, as far as is known");
    until(|| verify(&of_new).is_ok()).await;
    assert!(unavailable(&verify(&of_old)), "no longer published, unless it is again");
    // Once for the start, and once for all who came with the new key; who makes up names has no fetch for a while.
    // Nor does that refuse anybody: all are told to come again, because a good token could be among them.
    for name in 0..100 {
        let made_up = new.sign_as(Some(&name.to_string()), &claims(&[]));
        assert!(unavailable(&verify(&made_up)));
        tokio::task::yield_now().await;
    }
    assert_eq!(publisher.fetches(), 2);
}

#[tokio::test]
async fn a_new_key_is_fetched_with_names_and_without() {
    let nameless = |key: &Key| {
        let mut public = key.public();
        public.as_object_mut().unwrap().remove("kid");
        public
    };
    let named = |key: &Key| key.public();
    let (es, ed) = (Algorithm::ES256, Algorithm::EdDSA);
    type Row<'a> = (&'a str, &'a dyn Fn(&Key) -> Value, Option<&'a str>, Algorithm);
    let table: [Row; 4] = [
        ("no name in the set", &nameless, Some("new"), es),
        ("no name in the token", &named, None, es),
        ("no name at all", &nameless, None, es),
        ("no name at all, and of another kind", &nameless, None, ed),
    ];
    for (name, published, id, algorithm) in table {
        let publisher = Publisher::start().await;
        let (old, new, forger) =
            (Key::new("old", es), Key::new("new", algorithm), Key::new("new", algorithm));
        publisher.answer("/keys", "200 OK\r\n", &set(&[published(&old)]));
        let (authenticator, _running) = run(&publisher.config("/keys")).await;
        let verify = |token: &str| authenticator.verify(token, now()).map(drop);
        let [of_old, of_new, forged] = [&old, &new, &forger].map(|key| key.sign_as(id, &claims(&[])));
        assert_eq!(verify(&of_old), Ok(()), "{name}");

        publisher.answer("/keys", "200 OK\r\n", &set(&[published(&new)]));
        assert!(unavailable(&verify(&forged)), "{name}: it could be good");
        assert!(unavailable(&verify(&of_new)), "{name}");
        until(|| verify(&of_new).is_ok()).await;
        until(|| verify(&forged) == Err(Error::InvalidToken(Defect::Signature))).await;
        assert!(unavailable(&verify(&of_old)), "{name}: it has not asked before");
        assert_eq!(publisher.fetches(), 2, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_set_of_keys_is_not_taken() {
    let (publisher, other) = (Publisher::start().await, Publisher::start().await);
    let key = Key::new("key", Algorithm::EdDSA);
    let document = set(&[key.public()]);
    let location = |address: SocketAddr| format!("302 Found\r\nlocation: http://{address}/good\r\n");
    publisher.answer("/good", "200 OK\r\n", &document);
    publisher.answer("/moved", &location(publisher.address), "");
    publisher.answer("/elsewhere", &location(other.address), "");
    publisher.answer("/round", "302 Found\r\nlocation: /round\r\n", "");
    publisher.answer("/error", "503 Service Unavailable\r\n", &document);
    publisher.answer("/large", "200 OK\r\n", &format!("{document}{}", " ".repeat(256 << 10)));
    publisher.answer("/html", "200 OK\r\n", "<html>sign in</html>");
    other.answer("/good", "200 OK\r\n", &document);
    let table = [
        ("/good", ""),
        ("/moved", ""),
        ("/elsewhere", "answers 302"),
        ("/round", "answers 302"),
        ("/error", "answers 503"),
        ("/nowhere", "answers 404"),
        ("/large", "larger than"),
        ("/html", "not a JSON Web Key Set"),
    ];
    for (path, expect) in table {
        let opened = Authenticator::open(&publisher.config(path), None).await;
        let got = opened.err().map(|error| std::error::Error::source(&error).unwrap().to_string());
        let got = got.unwrap_or_default();
        assert!(got.contains(expect) && got.is_empty() == expect.is_empty(), "{path}: {got}");
    }
    assert_eq!(other.fetches(), 0, "another host is not asked");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = Config { jwks: Some(format!("http://u:p4ss@{nobody}/k?t=p4ss")), ..Config::default() };
    let error = Authenticator::open(&config, None).await.err().expect("nobody answers");
    let shown = format!("{error:?} {error}");
    assert!(shown.contains("does not answer") || shown.contains(&nobody.to_string()), "{shown}");
    assert!(!shown.contains("p4ss"), "no password of an address is shown: {shown}");
}

/// The clock of the process stands still unless all wait, and then goes on to what they wait for.
#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let (old, new) = (Key::new("old", Algorithm::ES256), Key::new("new", Algorithm::EdDSA));
    std::fs::write(&file, set(&[old.public()])).unwrap();
    let config = Config { jwks: Some(file.to_str().unwrap().to_owned()), ..Config::default() };
    let (authenticator, _running) = run(&config).await;
    let good = |key: &Key| authenticator.verify(&key.sign(&claims(&[])), now()).is_ok();
    assert!(good(&old));
    for bad in ["", "{\"keys\": [", "{\"keys\": []}"] {
        std::fs::write(&file, bad).unwrap();
        assert!(!within(TWO_LOOKS, || !good(&old)).await, "{bad:?}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(!within(TWO_LOOKS, || !good(&old)).await, "a file that is gone");
    let of_new = new.sign(&claims(&[]));
    assert!(unavailable(&authenticator.verify(&of_new, now())), "it may be in a file that is none");

    // As Kubernetes does: another file under the same name.
    let next = folder.path().join("next");
    std::fs::write(&next, set(&[new.public(), json!({"kty": "future"})])).unwrap();
    std::fs::rename(&next, &file).unwrap();
    assert!(within(LONG, || good(&new)).await);
    assert!(!good(&old));
}
