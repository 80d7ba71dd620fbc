//! Callers whose tokens are missing, forged, expired or meant for somebody else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use docket_proto::v1::GetTaskRequest;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::call::Call;
use super::{Row, World, good, row};
use crate::harness::{SECRET, now};

const MISSING: &str = "Unauthenticated MISSING_TOKEN";

pub(super) fn rows(world: &World) -> Vec<Row> {
    let get = GetTaskRequest { task_id: world.task.task_id.clone() };
    let call = || Call::of("/docket.v1.TaskService/GetTask", &get);
    let shows = |value: &str| call().header("authorization", value);
    let refused = |name: &str, token: &str, detail: &str| {
        row(name, call().bearer(token), format!("Unauthenticated INVALID_TOKEN detail={detail}"))
    };
    let alice = world.alice.as_str();
    let (header, rest) = alice.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let malformed = |name: &str, token: &str| refused(name, token, "malformed");
    let mut rows = vec![
        row("no token", call(), MISSING),
        row("an empty authorization", shows(""), MISSING),
        row("a token without its scheme", shows(alice), MISSING),
        row("another scheme", shows("Basic YWxpY2U6c2VjcmV0"), MISSING),
        row("the scheme alone", shows("Bearer"), MISSING),
        malformed("an empty token", ""),
        malformed("a word", "alice"),
        malformed("three dots", "..."),
        malformed("a token without a signature", &format!("{header}.{payload}")),
        malformed("a token of four parts", &format!("{alice}.{signature}")),
        malformed("a token of 9,000 bytes", &format!("{header}.{payload}.{}", "A".repeat(9_000))),
        row("a token with umlauts", shows(&format!("Bearer {header}.ä.{signature}")), MISSING),
        refused(
            "a token with the signature of another",
            &format!("{header}.{payload}.{}", world.bob.rsplit_once('.').unwrap().1),
            "signature",
        ),
        refused("a token with an empty signature", &format!("{header}.{payload}."), "signature"),
        row(
            "two tokens",
            shows(&format!("Bearer {alice}")).header("authorization", format!("Bearer {alice}")),
            "Unauthenticated INVALID_TOKEN detail=malformed",
        ),
        good("a scheme in capitals", shows(&format!("BEARER {alice}"))),
    ];
    rows.extend(forged().into_iter().map(|(name, token, detail)| refused(name, &token, detail)));
    rows
}

/// What a good token says, with one claim replaced; `Value::Null` takes it away.
fn claims(name: &str, value: Value) -> Value {
    let now = now().timestamp();
    let mut claims =
        json!({"iss": "docket", "aud": "docket", "sub": "alice", "iat": now, "exp": now + 60, "scope": ""});
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

fn signed(header: &Header, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn forged() -> Vec<(&'static str, String, &'static str)> {
    let now = now().timestamp();
    let hs256 = || Header::new(Algorithm::HS256);
    let says = |name, value| signed(&hs256(), &claims(name, value), SECRET);
    let whole = claims("scope", json!("tasks:act-as"));
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let unsigned = |header: Value, signature: &str| format!("{}.{}.{signature}", part(&header), part(&whole));
    // The signature is right, and the header says something else.
    let (_, hs256_signature) = says("scope", json!("tasks:act-as"))
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let critical = signed_by_hand(&json!({"alg": "HS256", "crit": ["exp"], "exp": 1}), &whole);
    let embedded =
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": URL_SAFE_NO_PAD.encode("x".repeat(32))}});
    vec![
        ("a token without an algorithm", unsigned(json!({"alg": "none"}), ""), "malformed"),
        ("NONE in capitals", unsigned(json!({"alg": "NONE", "typ": "JWT"}), ""), "malformed"),
        ("no algorithm, with a signature", unsigned(json!({"alg": "none"}), &hs256_signature), "malformed"),
        ("no algorithm at all", unsigned(json!({"typ": "JWT"}), &hs256_signature), "malformed"),
        ("an unknown algorithm", unsigned(json!({"alg": "HS1"}), &hs256_signature), "malformed"),
        ("RS256 with the secret", unsigned(json!({"alg": "RS256"}), &hs256_signature), "algorithm"),
        ("ES256 with the secret", unsigned(json!({"alg": "ES256"}), &hs256_signature), "algorithm"),
        ("HS512 with the secret", signed(&Header::new(Algorithm::HS512), &whole, SECRET), "algorithm"),
        (
            "a key of its own in the header",
            format!("{}.{}.{hs256_signature}", part(&embedded), part(&whole)),
            "signature",
        ),
        ("an extension that nobody knows", critical, "malformed"),
        ("another secret", signed(&hs256(), &whole, "another-secret-of-thirty-two-bytes-"), "signature"),
        ("a secret of nothing", signed(&hs256(), &whole, ""), "signature"),
        ("an expired token", says("exp", json!(now - 31)), "expired"),
        ("a token of 1970", says("exp", json!(0)), "expired"),
        ("a token that expired before 1970", says("exp", json!(-1)), "malformed"),
        ("a token for later", says("nbf", json!(now + 3_600)), "not_yet_valid"),
        ("a token from the future", says("iat", json!(now + 3_600)), "issued_in_future"),
        ("a token for somebody else", says("aud", json!("another-service")), "audience"),
        ("a token for several, and not for this", says("aud", json!(["a", "b"])), "audience"),
        ("a token for nobody", says("aud", Value::Null), "malformed"),
        ("a token of another issuer", says("iss", json!("https://evil.example")), "issuer"),
        ("a token of no issuer", says("iss", Value::Null), "malformed"),
        ("a token for ever", says("exp", Value::Null), "malformed"),
        ("a token until a word", says("exp", json!("tomorrow")), "malformed"),
        ("a token of nobody", says("sub", Value::Null), "malformed"),
        ("a token of a number", says("sub", json!(7)), "malformed"),
        ("a token of an empty name", says("sub", json!("")), "subject"),
        ("a token of a name with a space", says("sub", json!("alice bob")), "subject"),
        ("a token of a name with NUL", says("sub", json!("alice\u{0}")), "subject"),
        ("a token of a name of 256 letters", says("sub", json!("a".repeat(256))), "subject"),
        ("claims that are a list", signed(&hs256(), &json!([1, 2]), SECRET), "malformed"),
        (
            "claims that are no JSON",
            format!("{}.{}.AAAA", part(&json!({"alg": "HS256"})), URL_SAFE_NO_PAD.encode("{")),
            "malformed",
        ),
    ]
}

/// Signs what the library would not write.
fn signed_by_hand(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}
