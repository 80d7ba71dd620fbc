//! Tokens that somebody else issues, checked with the keys that they publish.

use std::fs;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use docket_rpc::auth::{self, ACT_AS, ACT_AS_KEY, Config};
use docket_rpc::status::RETRY_DELAY;
use docket_rpc::{Authenticator, Port, Secret};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic_types::StatusExt as _;

use crate::auth::{claims, unsigned};
use crate::keys::{Key, set};
use crate::support::{Running, SECRET, now, request, start_as, told};

/// An issuer that publishes its keys in a file.
struct Issuer {
    folder: TempDir,
    rsa: Key,
    ec: Key,
    ed: Key,
}

impl Issuer {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            rsa: Key::new("rsa", Algorithm::RS256),
            ec: Key::new("ec", Algorithm::ES256),
            ed: Key::new("ed", Algorithm::EdDSA),
        }
    }

    fn keys(&self) -> Vec<Value> {
        vec![self.rsa.public(), self.ec.public(), self.ed.public()]
    }

    /// A configuration with these keys.
    fn publish(&self, name: &str, document: &str) -> Config {
        let file = self.folder.path().join(name);
        fs::write(&file, document).unwrap();
        Config { jwks: Some(file.to_str().unwrap().to_owned()), ..Config::default() }
    }
}

async fn open(config: &Config, secret: Option<&str>) -> Arc<Authenticator> {
    let secret = secret.map(|secret| Secret::new(secret).unwrap());
    Arc::new(Authenticator::open(config, secret.as_ref()).await.unwrap())
}

/// Whom the double saw, or how the call was refused.
async fn seen(server: &Running, token: &str, act_as: Option<&str>) -> String {
    let bearer = format!("Bearer {token}");
    let mut metadata = vec![("authorization", bearer.as_str())];
    metadata.extend(act_as.map(|user| (ACT_AS_KEY, user)));
    let answer = server.client().await.list_audit_entries(request("", &metadata)).await;
    answer.map_or_else(
        |status| told(&status),
        |answer| {
            let entry = &answer.get_ref().entries[0];
            format!("{} {}", entry.user_id, entry.event_type)
        },
    )
}

fn hs256(secret: &[u8], id: Option<&str>) -> String {
    let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, &claims(&[]), &EncodingKey::from_secret(secret)).unwrap()
}

#[tokio::test]
async fn a_token_is_checked_with_the_key_that_it_names_and_in_no_other_way() {
    let issuer = Issuer::new();
    let (other_ec, p384) = (Key::new("other", Algorithm::ES256), Key::new("p384", Algorithm::ES384));
    let (public_rsa, mut encryption) = (issuer.rsa.public(), other_ec.public());
    encryption["use"] = json!("enc");
    let mut mislabelled = Key::new("mislabelled", Algorithm::ES256).public();
    mislabelled["alg"] = json!("RS256");
    let short = json!({"kty": "OKP", "crv": "Ed25519", "kid": "short", "x": "AAAA"});
    let off_curve =
        json!({"kty": "EC", "crv": "P-256", "kid": "off", "x": "A".repeat(43), "y": "A".repeat(43)});
    let weak = json!({"kty": "RSA", "kid": "weak", "n": "_".repeat(171), "e": "AQAB"});
    let shared = json!({"kty": "oct", "kid": "shared", "k": URL_SAFE_NO_PAD.encode(SECRET)});
    let unfit = [encryption, p384.public(), mislabelled, short, off_curve, weak, shared];
    let document = set(&[issuer.keys(), unfit.to_vec()].concat());
    let config = issuer.publish("jwks.json", &document);
    let modulus = URL_SAFE_NO_PAD.decode(public_rsa["n"].as_str().unwrap()).unwrap();
    let with = |changes: &[(&str, Value)]| issuer.rsa.sign(&claims(changes));
    let at = now().timestamp();
    let crit = {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": false});
        format!("{}.{}.AAAA", part(header), part(claims(&[])))
    };
    let plain = claims(&[]);
    let mut forged = issuer.ed.sign(&plain);
    forged.replace_range(forged.len() - 20..forged.len() - 10, "AAAAAAAAAA");

    let secret = format!("{SECRET}-of-the-server");
    let alone = start_as(Port::Public, open(&config, None).await, None).await;
    let both = start_as(Port::Public, open(&config, Some(&secret)).await, None).await;
    let good = "alice plain";
    let invalid = |detail: &str| format!("Unauthenticated INVALID_TOKEN detail={detail}");
    let table = [
        ("RS256", with(&[]), good.to_owned()),
        ("ES256", issuer.ec.sign(&plain), good.to_owned()),
        ("EdDSA", issuer.ed.sign(&plain), good.to_owned()),
        ("no name", issuer.ec.sign_as(None, &plain), good.to_owned()),
        // It may be signed with a key that is not known yet.
        ("no name, no such key", other_ec.sign_as(None, &plain), "Unavailable UNAVAILABLE".to_owned()),
        ("no such name", other_ec.sign(&plain), "Unavailable UNAVAILABLE".to_owned()),
        ("somebody else's key", other_ec.sign_as(Some("ec"), &plain), invalid("signature")),
        ("changed", forged, invalid("signature")),
        ("the name of another kind", issuer.ec.sign_as(Some("rsa"), &plain), invalid("algorithm")),
        ("another curve", p384.sign(&plain), invalid("algorithm")),
        ("another curve under a good name", p384.sign_as(Some("ec"), &plain), invalid("algorithm")),
        ("no algorithm", unsigned(), invalid("malformed")),
        ("unknown extension", crit, invalid("malformed")),
        ("far too long", "x".repeat(9000), invalid("malformed")),
        ("expired", with(&[("exp", json!(at - 30))]), invalid("expired")),
        ("not yet valid", with(&[("nbf", json!(at + 31))]), invalid("not_yet_valid")),
        ("issued in the future", with(&[("iat", json!(at + 31))]), invalid("issued_in_future")),
        ("no end", with(&[("exp", Value::Null)]), invalid("malformed")),
        ("wrong issuer", with(&[("iss", json!("somebody"))]), invalid("issuer")),
        ("wrong audience", with(&[("aud", json!("somebody"))]), invalid("audience")),
        ("no subject", with(&[("sub", json!(""))]), invalid("subject")),
    ];
    for (name, token, expect) in &table {
        assert_eq!(seen(&alone, token, None).await, *expect, "{name}");
        assert_eq!(seen(&both, token, None).await, *expect, "{name}, beside a secret");
        assert_eq!(seen(&alone, token, None).await, *expect, "{name}, once more");
    }
    let bearer = format!("Bearer {}", other_ec.sign(&plain));
    let answer = alone.client().await.list_audit_entries(request("", &[("authorization", &bearer)])).await;
    let told = answer.expect_err("no such name").get_details_retry_info().and_then(|info| info.retry_delay);
    assert_eq!(told, Some(RETRY_DELAY));
    // Whoever knows a public key must not be able to sign with it.
    let confused =
        [&modulus[..], document.as_bytes(), b"", SECRET.as_bytes(), public_rsa.to_string().as_bytes()]
            .map(|secret| [None, Some("rsa"), Some("shared")].map(|id| hs256(secret, id)));
    for token in confused.as_flattened() {
        assert_eq!(seen(&alone, token, None).await, invalid("algorithm"));
        assert_eq!(seen(&both, token, None).await, invalid("signature"));
    }
    assert_eq!(seen(&alone, &hs256(secret.as_bytes(), None), None).await, invalid("algorithm"));
    assert_eq!(seen(&both, &hs256(secret.as_bytes(), None), None).await, good);
}

#[tokio::test]
async fn a_time_that_is_over_is_over_for_a_token_that_was_good() {
    let issuer = Issuer::new();
    let authenticator = open(&issuer.publish("jwks.json", &set(&issuer.keys())), None).await;
    let token = issuer.rsa.sign(&claims(&[]));
    let after = |seconds| authenticator.verify(&token, now() + std::time::Duration::from_secs(seconds));
    assert!(after(0).is_ok() && after(89).is_ok());
    assert_eq!(after(90), Err(auth::Error::InvalidToken(auth::Defect::Expired)));
    assert_eq!(after(90), Err(auth::Error::InvalidToken(auth::Defect::Expired)));
}

#[tokio::test]
async fn the_scope_that_is_asked_for_may_be_written_in_three_ways() {
    let issuer = Issuer::new();
    let config = issuer.publish("jwks.json", &set(&issuer.keys()));
    let config = Config { required_scope: Some("docket".to_owned()), ..config };
    let authenticator = open(&config, None).await;
    let missing = "PermissionDenied MISSING_SCOPE scope=docket";
    for port in [Port::Public, Port::App] {
        let server = start_as(port, authenticator.clone(), None).await;
        let table = [
            (json!({"scope": "openid docket"}), "alice plain"),
            (json!({"scp": ["openid", "docket"]}), "alice plain"),
            (json!({"scp": "openid docket"}), "alice plain"),
            (json!({"scope": "openid", "scp": ["docket"]}), "alice plain"),
            (json!({}), missing),
            (json!({"scope": "docket-not"}), missing),
            (json!({"scp": ["openid docket"]}), missing),
            (json!({"scope": 7}), "Unauthenticated INVALID_TOKEN detail=malformed"),
            (json!({"scp": {"docket": true}}), "Unauthenticated INVALID_TOKEN detail=malformed"),
        ];
        for (scopes, expect) in table {
            let changes: Vec<(&str, Value)> = scopes
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone()))
                .collect();
            let got = seen(&server, &issuer.ed.sign(&claims(&changes)), None).await;
            assert_eq!(got, expect, "{port:?} {scopes}");
        }
    }
}

/// What a cluster's tokens say about the pods of a service account.
const POD: &str = "system:serviceaccount:docket:recurrence";

#[tokio::test]
async fn a_cluster_speaks_for_the_services_that_are_named_and_for_nobody_else() {
    let (users, cluster) = (Issuer::new(), Issuer::new());
    let service_jwks = cluster.publish("jwks.json", &set(&[cluster.ec.public()])).jwks;
    let config = Config {
        services: [POD.to_owned()].into(),
        service_issuer: Some("https://kubernetes".to_owned()),
        service_jwks,
        required_scope: Some("docket".to_owned()),
        ..users.publish("jwks.json", &set(&[users.ed.public()]))
    };
    assert_eq!(config.faults(), [""; 0]);
    let authenticator = open(&config, None).await;
    let (public, app) = (
        start_as(Port::Public, authenticator.clone(), None).await,
        start_as(Port::App, authenticator, None).await,
    );
    let of = |issuer: &str, subject: &str| {
        claims(&[("iss", json!(issuer)), ("sub", json!(subject)), ("scope", json!("docket"))])
    };
    let pod = cluster.ec.sign(&of("https://kubernetes", POD));
    let stranger = cluster.ec.sign(&of("https://kubernetes", "alice"));
    let forger = cluster.ec.sign_as(Some("ed"), &of("docket", "alice"));
    let namesake = users.ed.sign(&of("docket", POD));
    let issued = [("sub", json!("indexer")), ("scope", json!(ACT_AS))];
    let service = users.ed.sign(&claims(&issued));
    let user = users.ed.sign(&of("docket", "alice"));
    let internal = "PermissionDenied INTERNAL_METHOD method=docket.v1.AuditService/ListAuditEntries";
    let table = [
        (&app, &pod, Some("bob"), format!("bob service {POD}")),
        (&app, &pod, None, "InvalidArgument INVALID_FIELDS".to_owned()),
        (&public, &pod, Some("bob"), internal.to_owned()),
        (&public, &pod, None, format!("{POD} plain")),
        (&app, &stranger, None, "Unauthenticated INVALID_TOKEN detail=subject".to_owned()),
        (&public, &stranger, None, "Unauthenticated INVALID_TOKEN detail=subject".to_owned()),
        (&app, &namesake, Some("bob"), "PermissionDenied MISSING_SCOPE scope=tasks:act-as".to_owned()),
        (&app, &namesake, None, format!("{POD} plain")),
        (&app, &service, Some("bob"), "bob service indexer".to_owned()),
        (&app, &forger, None, "Unauthenticated INVALID_TOKEN detail=algorithm".to_owned()),
        (&app, &user, None, "alice plain".to_owned()),
        (&app, &user, Some("bob"), "PermissionDenied MISSING_SCOPE scope=tasks:act-as".to_owned()),
        (&public, &user, None, "alice plain".to_owned()),
    ];
    for (row, (server, token, act_as, expect)) in table.into_iter().enumerate() {
        assert_eq!(seen(server, token, act_as).await, expect, "row {row}");
    }
}

#[tokio::test]
async fn without_a_second_issuer_the_services_are_subjects_of_the_first() {
    let users = Issuer::new();
    let config = users.publish("jwks.json", &set(&users.keys()));
    let config = Config { services: ["indexer".to_owned()].into(), ..config };
    let authenticator = open(&config, None).await;
    let (public, app) = (
        start_as(Port::Public, authenticator.clone(), None).await,
        start_as(Port::App, authenticator, None).await,
    );
    let indexer = users.ed.sign(&claims(&[("sub", json!("indexer"))]));
    let alice = users.ed.sign(&claims(&[]));
    assert_eq!(seen(&app, &indexer, Some("bob")).await, "bob service indexer");
    assert_eq!(seen(&public, &indexer, None).await, "indexer plain");
    assert_eq!(seen(&app, &alice, Some("bob")).await, "PermissionDenied MISSING_SCOPE scope=tasks:act-as");
}

#[test]
fn a_location_of_keys_is_shown_without_what_may_be_secret_in_it() {
    let check = |location: &str, expect: &str| {
        let location = Some(location.to_owned());
        let config = Config { jwks: location.clone(), service_jwks: location, ..Config::default() };
        let shown = serde_json::to_value(&config).unwrap();
        assert_eq!((&shown["jwks"], &shown["service_jwks"]), (&json!(expect), &json!(expect)));
    };
    check("keys/jwks.json", "keys/jwks.json");
    check("https://id.example/keys", "https://id.example/keys");
    check(
        "https://id.example:8443/keys?p=a&code=s3cret&s3cret#s3cret",
        "https://id.example:8443/keys?p=…&code=…&…",
    );
    check("https://s3cret@id.example/keys", "https://id.example/keys");
    check("http://u:s3cret@[::1]:80/keys", "http://[::1]/keys");
    check("https://u:s3cret@id.example:port/keys", "https:…");
    check("ftp://u:s3cret@id.example/keys", "ftp:…");
    assert_eq!(serde_json::to_value(Config::default()).unwrap()["jwks"], Value::Null);
}

#[tokio::test]
async fn keys_that_can_not_be_had_stop_the_start() {
    let issuer = Issuer::new();
    let check = async |name: &str, document: &str, expect: &str| {
        let error = Authenticator::open(&issuer.publish(name, document), None).await.err().expect(name);
        let source = std::error::Error::source(&error).expect(name).to_string();
        assert_eq!(error.to_string(), "auth.jwks: no keys");
        assert!(source.contains(expect), "{name}: {source}");
    };
    let many: Vec<Value> = (0..33).map(|_| issuer.ed.public()).collect();
    check("empty", "", "not a JSON Web Key Set").await;
    check("no set", &issuer.rsa.public().to_string(), "not a JSON Web Key Set").await;
    check("no key", "{\"keys\": []}", "no key for").await;
    check("no fit key", "{\"keys\": [{\"kty\": \"oct\", \"k\": \"AAAA\"}, 7]}", "no key for").await;
    check("too many", &set(&many), "33 keys").await;
    check("too large", &" ".repeat((256 << 10) + 1), "larger than").await;
    let missing = Config { jwks: Some("/nowhere/jwks.json".to_owned()), ..Config::default() };
    let error = Authenticator::open(&missing, None).await.err().unwrap();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("/nowhere/jwks.json"));

    let text = |text: &str| Some(text.to_owned());
    for (config, key) in [
        (Config { jwks: text(""), ..Config::default() }, "auth.jwks"),
        (Config { jwks: text("https://"), ..Config::default() }, "auth.jwks"),
        (Config { jwks: text("ftp://host/keys"), ..Config::default() }, "auth.jwks"),
        (Config { jwks: text("https://u:p@host/keys"), ..Config::default() }, "auth.jwks"),
        (Config { jwks: text("https://token@host/keys"), ..Config::default() }, "auth.jwks"),
        (Config { jwks: text("https://:p@host/keys"), ..Config::default() }, "auth.jwks"),
        (
            Config { service_jwks: text("https://u:p@host/keys"), ..Config::default() },
            "auth.service_jwks must",
        ),
        (Config { service_jwks: text("keys"), ..Config::default() }, "auth.service_issuer"),
        (Config { service_issuer: text("docket"), ..Config::default() }, "auth.service_issuer"),
        (Config { required_scope: text("a b"), ..Config::default() }, "auth.required_scope"),
        (Config { audience: String::new(), ..Config::default() }, "auth.audience"),
    ] {
        let faults = config.faults().join("; ");
        assert!(faults.contains(key), "{config:?}: {faults}");
    }
}
