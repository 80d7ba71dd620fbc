//! An HTTP server that others are to call: it remembers the calls, and answers as it was told, behind a network that can
//! fail.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::port::Port;
use crate::proxy::Proxy;
use crate::{PATIENCE, wait_for};

/// The longest body that is taken.
const BODY: usize = 16 << 20;

/// A call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hook {
    /// Such as `POST`.
    pub method: String,
    /// With what follows a question mark.
    pub path: String,
    /// By name in lower case; one of them, where several have a name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Bytes,
}

/// What is answered to a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    delay: Duration,
}

/// A server on loopback. It runs on a thread of its own, and ends when dropped. Callers reach it through a [`Proxy`].
#[derive(Debug)]
pub struct Hooks {
    proxy: Proxy,
    book: Arc<Mutex<Book>>,
    over: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _port: Port,
}

/// What was called, and what is answered, by path without what follows a question mark.
#[derive(Debug, Default)]
struct Book {
    calls: Vec<Hook>,
    /// Once each, before all others.
    next: BTreeMap<String, VecDeque<Answer>>,
    always: BTreeMap<String, Answer>,
}

impl Answer {
    /// An answer without a body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), delay: Duration::ZERO }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    pub fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Not before so long a time has passed.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl Hooks {
    /// A server that answers 200 to everything.
    pub async fn start() -> Self {
        let mut port = Port::reserve();
        port.release();
        let listener = TcpListener::bind(port.address()).await.expect("the port is the server's own");
        let listener = listener.into_std().expect("a listener can leave its runtime");
        let book = Arc::new(Mutex::new(Book::default()));
        let (over, ends) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&book));
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener can enter a runtime");
                tokio::select! {
                    served = axum::serve(listener, app).into_future() => served.expect("it serves"),
                    _ = ends => {}
                }
            });
        });
        let proxy = Proxy::start(port.address()).await;
        Self { proxy, book, over: Some(over), thread: Some(thread), _port: port }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Where it is, without a path: `http://127.0.0.1:...`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The network between it and all who call.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// What it answers from now on to calls of this path.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.book().always.insert(path.to_owned(), answer);
    }

    /// What it answers to the next calls of this path, one each, before it answers as always.
    pub fn answer_next(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.book().next.entry(path.to_owned()).or_default().extend(answers);
    }

    /// All calls so far, in the order in which they came; also those that are not answered yet.
    pub fn calls(&self) -> Vec<Hook> {
        self.book().calls.clone()
    }

    /// Those of a path.
    pub fn calls_of(&self, path: &str) -> Vec<Hook> {
        let mut calls = self.calls();
        calls.retain(|call| plain(&call.path) == path);
        calls
    }

    /// Waits until this path was called at least so often, and gives the calls.
    pub async fn wait_for_calls(&self, path: &str, count: usize) -> Vec<Hook> {
        wait_for(&format!("{count} calls of {path}"), PATIENCE, async || {
            let calls = self.calls_of(path);
            if calls.len() >= count { Ok(calls) } else { Err(format!("{} calls", calls.len())) }
        })
        .await
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        // Nobody listens any more when the thread has ended by itself, which a test that called it has noticed.
        let _ = self.over.take().map(|over| over.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path without what follows a question mark.
fn plain(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

async fn answer(State(book): State<Arc<Mutex<Book>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else { return respond(Answer::status(400)) };
    let headers = head.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let answer = {
        let mut book = lock(&book);
        let next = book.next.get_mut(plain(&path)).and_then(VecDeque::pop_front);
        let always = || book.always.get(plain(&path)).cloned();
        let answer = next.or_else(always).unwrap_or_else(|| Answer::status(200));
        book.calls.push(Hook { method: head.method.to_string(), path, headers: headers.collect(), body });
        answer
    };
    tokio::time::sleep(answer.delay).await;
    respond(answer)
}

fn respond(answer: Answer) -> Response {
    let response = Response::builder().status(answer.status);
    let response =
        answer.headers.iter().fold(response, |response, (name, value)| response.header(name, value));
    response.body(Body::from(answer.body)).expect("a test gives an answer that is one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::exchange;
    use crate::proxy::{Loss, Way};

    async fn call(hooks: &Hooks, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        exchange(hooks.address(), "POST", path, &[("X-Docket", "yes")], body).await
    }

    #[tokio::test]
    async fn calls_are_remembered_and_answered_as_told() {
        let hooks = Hooks::start().await;
        hooks.answer("/down", Answer::status(503).header("retry-after", "7").body("later"));
        hooks.answer_next("/down", [Answer::status(429), Answer::status(204)]);
        assert_eq!(call(&hooks, "/up?a=b", "{}").await.unwrap(), (200, String::new()));
        for expect in [429, 204, 503, 503] {
            assert_eq!(call(&hooks, "/down", "x").await.unwrap().0, expect);
        }
        assert_eq!(call(&hooks, "/down", "x").await.unwrap().1, "later");
        let calls = hooks.wait_for_calls("/up", 1).await;
        let [up] = &calls[..] else { panic!("{calls:?}") };
        assert_eq!(
            (up.method.as_str(), up.path.as_str(), &up.body[..]),
            ("POST", "/up?a=b", b"{}".as_slice())
        );
        assert_eq!(up.headers["x-docket"], "yes");
        assert_eq!((hooks.calls().len(), hooks.calls_of("/down").len()), (6, 5));
    }

    #[tokio::test]
    async fn caller_whose_answer_is_lost_was_heard_all_the_same() {
        let hooks = Hooks::start().await;
        hooks.proxy().lose_answers_to(b"lose-me", 1, Loss::Reset);
        assert_eq!(call(&hooks, "/", "keep me").await.unwrap().0, 200);
        assert!(call(&hooks, "/", "now lose-me").await.is_err());
        assert_eq!(call(&hooks, "/", "lose-me again").await.unwrap().0, 200);
        assert_eq!((hooks.calls().len(), hooks.proxy().answers_lost()), (3, 1));

        hooks.proxy().lose_answers_to(b"lose-me", 1, Loss::Silence);
        let before = hooks.proxy().bytes(Way::ToClient);
        let (answer, ()) = tokio::join!(call(&hooks, "/", "lose-me"), async {
            wait_for("a lost answer", PATIENCE, async || match hooks.proxy().answers_lost() {
                2 => Ok(()),
                other => Err(format!("{other} lost")),
            })
            .await;
            assert_eq!(hooks.proxy().bytes(Way::ToClient), before);
            hooks.proxy().heal().await;
        });
        assert_eq!(answer.unwrap().0, 200, "it comes when the network is in order");
    }
}
