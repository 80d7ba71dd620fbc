//! Who is let in, as whom, and what the others are told.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use docket_rpc::{Port, auth};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{LONG, SECRET, now, request, start, token, told};

pub(crate) fn claims(changes: &[(&str, Value)]) -> Value {
    let at = now().timestamp();
    let mut claims = json!({"iss": "docket", "aud": "docket", "sub": "alice", "iat": at, "exp": at + 60});
    for (name, value) in changes {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(*name),
            value => claims.as_object_mut().unwrap().insert((*name).to_owned(), value.clone()),
        };
    }
    claims
}

fn signed(changes: &[(&str, Value)], algorithm: Algorithm, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), &claims(changes), &key).unwrap()
}

pub(crate) fn unsigned() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims(&[])))
}

#[tokio::test]
async fn only_a_good_token_opens_the_door() {
    let server = start(Port::Public, LONG).await;
    let mut client = server.client().await;
    let at = now().timestamp();
    let with = |changes: &[(&str, Value)]| format!("Bearer {}", signed(changes, Algorithm::HS256, SECRET));
    let invalid = |detail: &str| format!("Unauthenticated INVALID_TOKEN detail={detail}");
    let missing = || "Unauthenticated MISSING_TOKEN".to_owned();
    let good = || "alice".to_owned();

    let table = [
        ("good", with(&[]), good()),
        ("as issued", format!("Bearer {}", token("alice", &[])), good()),
        ("scheme in lower case", with(&[]).replace("Bearer", "bearer"), good()),
        ("one of several audiences", with(&[("aud", json!(["other", "docket"]))]), good()),
        ("no token", String::new(), missing()),
        ("another scheme", "Basic YWxpY2U6".to_owned(), missing()),
        ("garbage", "Bearer garbage".to_owned(), invalid("malformed")),
        ("far too long", format!("Bearer {}", "x".repeat(9000)), invalid("malformed")),
        ("algorithm none", format!("Bearer {}", unsigned()), invalid("malformed")),
        (
            "other algorithm",
            format!("Bearer {}", signed(&[], Algorithm::HS384, SECRET)),
            invalid("algorithm"),
        ),
        (
            "other secret",
            format!("Bearer {}", signed(&[], Algorithm::HS256, &SECRET.replace('a', "b"))),
            invalid("signature"),
        ),
        ("expired, within leeway", with(&[("exp", json!(at - 29))]), good()),
        ("expired", with(&[("exp", json!(at - 30))]), invalid("expired")),
        ("no end", with(&[("exp", Value::Null)]), invalid("malformed")),
        ("valid from now, within leeway", with(&[("nbf", json!(at + 30))]), good()),
        ("not yet valid", with(&[("nbf", json!(at + 31))]), invalid("not_yet_valid")),
        ("issued in the future", with(&[("iat", json!(at + 31))]), invalid("issued_in_future")),
        ("wrong issuer", with(&[("iss", json!("somebody"))]), invalid("issuer")),
        ("no issuer", with(&[("iss", Value::Null)]), invalid("malformed")),
        ("wrong audience", with(&[("aud", json!("somebody"))]), invalid("audience")),
        ("no audience", with(&[("aud", Value::Null)]), invalid("malformed")),
        ("no subject", with(&[("sub", Value::Null)]), invalid("malformed")),
        ("empty subject", with(&[("sub", json!(""))]), invalid("subject")),
        ("subject with a space", with(&[("sub", json!("a b"))]), invalid("subject")),
        ("subject of another type", with(&[("sub", json!(7))]), invalid("malformed")),
    ];
    for (name, authorization, expect) in table {
        let metadata: &[_] =
            if authorization.is_empty() { &[] } else { &[("authorization", authorization.as_str())] };
        let answer = client.list_audit_entries(request("", metadata)).await;
        let got = answer
            .map_or_else(|status| told(&status), |answer| answer.into_inner().entries[0].user_id.clone());
        assert_eq!(got, expect, "{name}");
    }

    let token = with(&[]);
    let twice = request("", &[("authorization", token.as_str()), ("authorization", token.as_str())]);
    let status = client.list_audit_entries(twice).await.expect_err("two tokens");
    assert_eq!(told(&status), invalid("malformed"));
}

/// Port, scopes of the token, values of `docket-act-as`, what the double is told, what comes of it.
type Row<'a> = (Port, &'a [&'a str], &'a [&'a str], &'a str, &'a str);

#[tokio::test]
async fn a_token_allows_what_its_scopes_say_where_they_say_it() {
    let scope: &[&str] = &[auth::ACT_AS];
    let internal = "PermissionDenied INTERNAL_METHOD method=docket.v1.AuditService/ListAuditEntries";
    let unnamed = "InvalidArgument INVALID_FIELDS";
    let admin: &[&str] = &[auth::DEAD_LETTERS_ADMIN];
    let no_admin = "PermissionDenied MISSING_SCOPE scope=deadletters:admin";
    let table: &[Row] = &[
        (Port::App, scope, &["bob"], "", "bob service docket-tasks"),
        (Port::App, &["other", auth::ACT_AS], &["bob"], "internal", "bob service docket-tasks"),
        (Port::App, scope, &[], "", unnamed),
        (Port::App, scope, &["b b"], "", unnamed),
        (Port::App, scope, &["bob", "eve"], "", unnamed),
        (Port::App, &[], &["bob"], "", "PermissionDenied MISSING_SCOPE scope=tasks:act-as"),
        (Port::App, &["tasks:act-as-not"], &["bob"], "", "PermissionDenied MISSING_SCOPE scope=tasks:act-as"),
        (Port::App, &[], &[], "", "docket-tasks plain"),
        (Port::App, &[], &[], "internal", "PermissionDenied MISSING_SCOPE scope=tasks:act-as"),
        (Port::Public, scope, &[], "", "docket-tasks plain"),
        (Port::Public, scope, &[], "internal", internal),
        (Port::Public, scope, &["bob"], "", internal),
        (Port::Public, &[], &["bob"], "", internal),
        (Port::Public, &[], &[], "internal", internal),
        (Port::Public, admin, &[], "admin", "docket-tasks plain"),
        (Port::App, admin, &[], "admin", "docket-tasks plain"),
        (Port::Public, &[], &[], "admin", no_admin),
        (Port::App, &[], &[], "admin", no_admin),
        (Port::App, scope, &["bob"], "admin", no_admin),
    ];
    let (public, app) = (start(Port::Public, LONG).await, start(Port::App, LONG).await);
    for (port, scopes, named, task, expect) in table {
        let server = if *port == Port::Public { &public } else { &app };
        let bearer = format!("Bearer {}", token("docket-tasks", scopes));
        let mut metadata = vec![("authorization", bearer.as_str())];
        metadata.extend(named.iter().map(|name| (auth::ACT_AS_KEY, *name)));
        let answer = server.client().await.list_audit_entries(request(task, &metadata)).await;
        let got = answer.map_or_else(
            |status| told(&status),
            |answer| {
                let entry = &answer.get_ref().entries[0];
                format!("{} {}", entry.user_id, entry.event_type)
            },
        );
        assert_eq!(got, *expect, "{port:?} {scopes:?} {named:?} {task}");
    }
}
