//! When keys are loaded again, and how long they are good for, on a clock that goes on when all wait.

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use jsonwebtoken::Algorithm;

use super::*;

const PACE: Pace = Pace::Server { refresh: Duration::from_secs(300), max_stale: Duration::from_secs(3600) };

/// The key of RFC 8037, appendix A.2.
const KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// Tokens that no key has signed.
const A: Digest = [1; 32];
const B: Digest = [2; 32];
const C: Digest = [3; 32];
const D: Digest = [4; 32];

const SOON: Option<Duration> = Some(RETRY_DELAY);

/// A server of a test: whether it answers, and what it says of the keys' age. It waits while its gate is closed.
#[derive(Default)]
struct Server {
    loads: AtomicUsize,
    away: std::sync::atomic::AtomicBool,
    gate: tokio::sync::RwLock<()>,
    max_age: Option<Duration>,
}

#[async_trait]
impl Source for Arc<Server> {
    async fn load(&self) -> Result<Loaded, SourceError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        drop(self.gate.read().await);
        if self.away.load(Ordering::Relaxed) {
            return Err(SourceError::TooLarge);
        }
        Ok(Loaded { document: format!("{{\"keys\": [{KEY}]}}").into_bytes(), max_age: self.max_age })
    }
}

/// Keys that are loaded again and again until the guard is dropped.
async fn start(max_age: Option<Duration>) -> (Arc<Server>, Arc<Jwks>, tokio_util::sync::DropGuard) {
    let server = Arc::new(Server { max_age, ..Server::default() });
    let jwks = Jwks::open("auth.jwks", Box::new(server.clone()), PACE, Arc::default()).await.unwrap();
    let (jwks, stop) = (Arc::new(jwks), CancellationToken::new());
    let (running, told) = (jwks.clone(), stop.clone());
    tokio::spawn(async move { running.run(&told).await });
    (server, jwks, stop.drop_guard())
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_as_often_as_their_server_says_within_limits() {
    for (max_age, expect) in [(None, 300), (Some(600), 600), (Some(0), 60), (Some(1_000_000), 3600)] {
        let (server, jwks, _running) = start(max_age.map(Duration::from_secs)).await;
        let loads = || server.loads.load(Ordering::Relaxed);
        seconds(expect - 1).await;
        assert_eq!(loads(), 1, "{max_age:?}");
        seconds(2).await;
        assert_eq!(loads(), 2, "{max_age:?}");
        assert_eq!(jwks.generation.load(Ordering::Relaxed), 0, "the same keys are no change");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_that_no_key_has_signed_cause_one_load_in_a_while() {
    let (server, jwks, _running) = start(None).await;
    let loads = || server.loads.load(Ordering::Relaxed);
    assert!((0..100).all(|_| jwks.miss(&A) == SOON), "come again: they are being loaded");
    seconds(1).await;
    assert_eq!(loads(), 2);
    assert!((0..100).all(|_| jwks.miss(&A).is_none()), "there is no such key");
    // Its key may be there since: whoever had the keys loaded before must not have it refused.
    let rest = jwks.miss(&B).expect("the keys were loaded before it came");
    assert!((28..=29).contains(&rest.as_secs()), "{rest:?}");
    assert_eq!(jwks.miss(&B).map(|again| again <= rest), Some(true));
    seconds(28).await;
    assert_eq!((jwks.miss(&A), jwks.miss(&C)), (None, SOON), "at least that long");
    assert_eq!(loads(), 2);
    seconds(2).await;
    assert_eq!(jwks.miss(&B), SOON);
    seconds(1).await;
    assert_eq!(loads(), 3);
    assert_eq!([&A, &B, &C].map(|token| jwks.miss(token)), [None; 3], "the load was for all who had asked");
    assert!(jwks.miss(&D) > SOON);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_had_begun_when_a_token_came_does_not_refuse_it() {
    let (server, jwks, _running) = start(None).await;
    let loads = || server.loads.load(Ordering::Relaxed);
    let closed = server.gate.write().await;
    seconds(301).await;
    assert_eq!((loads(), jwks.miss(&A)), (2, SOON), "its time has come");
    drop(closed);
    // The load that waits goes first, and the next finds the gate closed.
    let closed = server.gate.write().await;
    seconds(1).await;
    assert_eq!((loads(), jwks.miss(&A)), (3, SOON), "the one that was asked for is under way");
    drop(closed);
    seconds(1).await;
    assert_eq!((loads(), jwks.miss(&A)), (3, None));
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_their_server_for_a_while() {
    let (server, jwks, _running) = start(None).await;
    let there = || !jwks.current().candidates(Some("a"), Algorithm::EdDSA).keys.is_empty();
    server.away.store(true, Ordering::Relaxed);
    seconds(3500).await;
    assert!(there(), "they are old, but not too old");
    assert!((0..3).all(|_| jwks.miss(&A).is_some()), "nobody can say that while the server is away");
    seconds(200).await;
    assert!(!there(), "a key that was taken back must not be good for ever");
    assert_eq!(jwks.generation.load(Ordering::Relaxed), 1, "nor what was checked with it");
    server.away.store(false, Ordering::Relaxed);
    seconds(31).await;
    assert!(there(), "it is back");
}
