//! Secrets: they are made once, read from where they may be, and never shown.

use std::os::unix::fs::PermissionsExt as _;

use docket_rpc::{Authenticator, secret};

use crate::config::{Folder, Run};
use crate::harness::now;

#[test]
fn secrets_are_never_shown() {
    const MARK: &str = "Kx9-a-secret-that-nobody-may-see-Kx9";
    let folder = Folder::new();
    let secrets = ["DOCKET_AUTH__SECRET", "DOCKET_DAPR__API_TOKEN", "APP_API_TOKEN", "DAPR_API_TOKEN"]
        .map(|name| (name, MARK));
    let wrong = [&secrets[..], &[("DOCKET_OUTBOX__BATCH", "0")]].concat();
    let shown = |run: &Run| run.said.contains(MARK) || run.error.contains(MARK);
    let print = folder.run(&["config", "print"], &secrets);
    assert_eq!(print.code, 0, "{print:?}");
    for run in [
        print,
        folder
            .run(&["config", "print"], &[("DOCKET_KAFKA__USER", "docket"), ("DOCKET_KAFKA__PASSWORD", MARK)]),
        folder.run(&["config", "check"], &wrong),
        folder.run(&["token", "--user", "alice"], &secrets),
        folder.run_with_file(&format!("[auth]\nsecret = \"{MARK}\""), &["config", "print"], &[]),
        folder.run_with_file(&format!("[auth]\nsecrets = \"{MARK}\""), &["config", "print"], &[]),
    ] {
        assert!(!shown(&run), "{run:?}");
    }
    // What is printed has no secrets at all, so that nothing stands in their place when it is read again.
    let print = folder.run(&["config", "print"], &secrets);
    assert!(!print.said.contains("redacted") && !print.said.contains("api_token"), "{print:?}");
    // An address of a database may have a password in it.
    for url in ["postgres://docket:Kx9@host/db", "postgres:docket:Kx9@host", "sqlite:q.db?password=Kx9"] {
        for command in [&["config", "print"][..], &["migrate"]] {
            let run = folder.run(command, &[("DOCKET_DATABASE__URL", url)]);
            assert!(!run.said.contains("Kx9") && !run.error.contains("Kx9"), "{command:?}: {run:?}");
        }
    }
    // Nor is one that is no good.
    for file in [
        "[auth]\nsecret = 95711779571177",
        "[auth]\nsecret = 9571177.9571177",
        "auth = \"9571177\"",
        "[auth]\nsecret = Kx9571177",
        "[auth]\nsecret = \"Kx9571177\" 9571177",
        "[auth]\nsecret = \"Kx9571177",
        "[dapr]\napi_token = 9571177",
        "[dapr]\napp_api_token = 9571177",
        "dapr = 9571177",
        "[kafka]\npassword = 9571177",
        "kafka = 9571177",
    ] {
        let run = folder.run_with_file(file, &["config", "check"], &[]);
        assert_eq!((run.code, run.error.contains("9571177")), (64, false), "{file}: {run:?}");
        let key = file.trim_start_matches("[auth]\n").trim_start_matches("[dapr]\n");
        let key = key.trim_start_matches("[kafka]\n");
        let key = key.split(' ').next().unwrap();
        assert!(run.error.contains(key) || run.error.contains("line 2"), "{file}: {run:?}");
    }
    let spaced = format!("{MARK} {MARK}");
    for (name, value) in [
        ("DOCKET_AUTH__SECRET", "Kx9-short"),
        ("DOCKET_AUTH__SECRET", "[\"Kx9\", \"of-another-kind\"]"),
        ("DOCKET_DAPR__APP_API_TOKEN", spaced.as_str()),
        ("DOCKET_AUTH__SECRET", "Kx9"),
        ("APP_API_TOKEN", spaced.as_str()),
    ] {
        let run = folder.run(&["config", "check"], &[(name, value)]);
        assert_eq!((run.code, run.error.contains("Kx9")), (64, false), "{name}: {run:?}");
    }
}

#[test]
fn a_token_is_signed_with_a_secret_that_is_made_once_for_its_owner_alone() {
    let folder = Folder::new();
    let environment = [("DOCKET_DATA_DIR", "data")];
    let tokens = ["alice", "bob"].map(|user| {
        let run = folder.run(&["token", "--user", user, "--minutes", "5"], &environment);
        assert_eq!(run.code, 0, "{run:?}");
        run.said
    });
    let file = folder.path().join("data/secret");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let authenticator = Authenticator::new(&docket_rpc::AuthConfig::default(), &secret::load(&file).unwrap());
    for (token, user) in tokens.iter().zip(["alice", "bob"]) {
        let claims = authenticator.verify(token.trim(), now()).unwrap();
        assert_eq!((claims.subject.as_str(), claims.scopes.len()), (user, 0));
        let later = now() + chrono::TimeDelta::minutes(6);
        assert!(authenticator.verify(token.trim(), later).is_err(), "good for 5 minutes");
    }

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let run = folder.run(&["token", "--user", "alice"], &environment);
    assert_eq!((run.code, run.said.as_str()), (1, ""), "a secret that others may read");
    assert!(run.error.contains("data/secret") && run.error.contains("chmod 600"), "{run:?}");
    for (user, minutes) in [("a b", "5"), ("", "5"), ("alice", "0"), ("alice", "525601")] {
        let run = folder.run(&["token", "--user", user, "--minutes", minutes], &environment);
        assert_eq!((run.code, run.said.as_str()), (2, ""), "{user:?} for {minutes} minutes");
    }
}

#[test]
fn keys_and_certificates_that_are_not_there_stop_the_start() {
    let folder = Folder::new();
    // The key of RFC 8037, appendix A.2.
    let keys =
        r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    std::fs::write(folder.path().join("keys.json"), keys).unwrap();
    let published = "[auth]\njwks = \"keys.json\"\n";
    let check = |file: &str, dapr: &str, expect: &str| {
        let environment = [
            ("DOCKET_LISTEN__PUBLIC", "127.0.0.1:0"),
            ("DOCKET_LISTEN__APP", "127.0.0.1:0"),
            ("DOCKET_LISTEN__ADMIN", ""),
            ("DOCKET_DAPR__ENABLED", dapr),
            ("APP_API_TOKEN", "token"),
        ];
        let run = folder.run_with_file(file, &["serve"], &environment);
        assert_eq!(run.code, 1, "{file}: {run:?}");
        assert!(run.error.contains(expect), "{file}: {run:?}");
    };
    check("[auth]\njwks = \"missing.json\"", "false", "auth.jwks: no keys: can not read missing.json");
    check("[auth]\njwks = \"docket.toml\"", "false", "auth.jwks: no keys: it is not a JSON Web Key Set");
    check("[auth]\nservice_token = \"missing\"", "true", "auth.service_token: can not read missing");
    check("[auth]\nservice_token = \"/dev/null\"", "true", "auth.service_token: /dev/null holds no token");
    check(published, "true", "auth.service_token: must name a file");
    let tls = "[listen.tls]\ncertificate = \"missing.crt\"\nkey = \"missing.key\"";
    check(tls, "false", "listen.tls: certificate: can not read missing.crt");

    // A secret that nobody asked for is not made, and signs nothing.
    let run = folder.run_with_file(published, &["token", "--user", "alice"], &[]);
    assert_eq!((run.code, run.said.as_str()), (1, ""), "{run:?}");
    assert!(run.error.contains("auth.secret") && run.error.contains("auth.jwks"), "{run:?}");
    let secret = [("DOCKET_AUTH__SECRET", "a-secret-of-at-least-thirty-two-bytes")];
    assert_eq!(folder.run_with_file(published, &["token", "--user", "alice"], &secret).code, 0);
}
