//! Configuration, by way of the binary: an environment is a process's own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use docket_rpc::{Authenticator, secret};
use tempfile::TempDir;

use crate::harness::now;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// A folder, in which the binary is run with nothing in its environment but what is said.
pub(crate) struct Folder(TempDir);

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) said: String,
    pub(crate) error: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("docket-test-config-").tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = Command::new(DOCKET);
        command.current_dir(self.path()).env_clear().args(arguments);
        let output = command.envs(environment.iter().copied()).output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            said: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs with a configuration file.
    fn run_with_file(&self, file: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        std::fs::write(self.path().join("docket.toml"), file).unwrap();
        let arguments = [&["--config", "docket.toml"], arguments].concat();
        self.run(&arguments, environment)
    }
}

#[test]
fn a_wrong_configuration_stops_the_start_and_is_named() {
    let folder = Folder::new();
    let check = |file: &str, environment: &[(&str, &str)], expect: &[&str]| {
        for arguments in [&["config", "check"][..], &["serve"], &["migrate"]] {
            let run = folder.run_with_file(file, arguments, environment);
            assert_eq!(run.code, 64, "{arguments:?} with {file:?} and {environment:?}: {run:?}");
            for text in expect {
                assert!(run.error.contains(text), "{text:?} for {file:?} and {environment:?}: {run:?}");
            }
        }
    };
    // An unknown key.
    check("no_such_key = 1", &[], &["no_such_key"]);
    check("[outbox]\nbatchsize = 1", &[], &["outbox", "batchsize"]);
    check("[dapr.retry]\nattempt = 1", &[], &["dapr.retry", "attempt"]);
    check("", &[("DOCKET_OUTBOX__BATCHSIZE", "1")], &["outbox", "batchsize"]);
    check("", &[("DOCKET_OUTBOKS__BATCH", "1")], &["outboks"]);
    // A value of another kind.
    check("[outbox]\nbatch = \"many\"", &[], &["outbox.batch", "many"]);
    check("", &[("DOCKET_OUTBOX__BATCH", "many")], &["outbox.batch", "many"]);
    check("[listen]\npublic = \"nowhere\"", &[], &["listen.public", "socket address"]);
    check(
        "[listen]\nadmin = \"somewhere\"",
        &[],
        &["listen.admin", "somewhere", "a socket address, or nothing"],
    );
    check("log_format = \"xml\"", &[], &["log_format", "xml", "json"]);
    check(
        "[listen]\npublic = \"0.0.0.0:7000\"\napp = \"127.0.0.1:7000\"",
        &[("DOCKET_LISTEN__ADMIN", "127.0.0.1:7000")],
        &[
            "listen.app must be another address than listen.public",
            "listen.admin must be another address than listen.public",
            "listen.admin must be another address than listen.app",
        ],
    );
    check(
        "[telemetry]\nsample_ratio = 1.5\ncollector_app_id = \"a b\"\nflush_ms = 0\nmetrics_interval_seconds = 3601",
        &[],
        &[
            "telemetry.sample_ratio: must be between 0 and 1",
            "telemetry.collector_app_id: must be",
            "telemetry.flush_ms: must be",
            "telemetry.metrics_interval_seconds: must be",
        ],
    );
    check("[telemetry]\nexport = \"pigeon\"", &[], &["telemetry.export", "pigeon", "sidecar"]);
    check("[admin]\nprofile = true", &[], &["admin", "profile"]);
    check("targets = [\"tusks\"]", &[], &["targets", "tusks"]);
    // A value that cannot be.
    check("[outbox]\nbatch = 0", &[], &["outbox: batch must be 1 to 500, not 0"]);
    check(
        "drain_seconds = 601\n[database]\nread_connections = 0\nmax_connections = 0\nacquire_timeout_ms = 60001\n[tasks]\ntopic = \" \"",
        &[("DOCKET_DAPR__PUBSUB", ""), ("DOCKET_RECURRENCE__TASKS_APP_ID", "")],
        &[
            "drain_seconds must be 0 to 600, not 601",
            "database.read_connections must be 1 to 64, not 0",
            "database.max_connections must be 1 to 1000, not 0",
            "database.acquire_timeout_ms must be 1 to 60000, not 60001",
            "tasks.topic must not be empty",
            "dapr.pubsub must not be empty",
            "recurrence.tasks_app_id must not be empty",
        ],
    );
    check(
        "[server]\nmax_deadline_seconds = 0\nmax_request_bytes = 1023\nmax_response_bytes = 0\n\
         max_header_list_bytes = 1\nmax_concurrent_streams = 0\nkeepalive_seconds = 3601\n\
         keepalive_timeout_seconds = 0",
        &[],
        &[
            "server.max_deadline_seconds must be 1 to 3600, not 0",
            "server.max_request_bytes must be 1024 to",
            "server.max_response_bytes must be",
            "server.max_header_list_bytes must be",
            "server.max_concurrent_streams must be",
            "server.keepalive_seconds must be 1 to 3600, not 3601",
            "server.keepalive_timeout_seconds must be",
        ],
    );
    check(
        "[dapr]\ndeadline_ms = 300001\nhandler_timeout_ms = 0\nkeys_in_flight = 0\nretry.attempts = 11\n\
         retry.backoff_ms = 60001\nbulk.max_messages = 0\nbulk.lanes = 17",
        &[],
        &[
            "dapr.deadline_ms must be 1 to 300000, not 300001",
            "dapr.handler_timeout_ms must be",
            "dapr.keys_in_flight must be",
            "dapr.retry.attempts must be 1 to 10, not 11",
            "dapr.retry.backoff_ms must be 0 to 60000, not 60001",
            "dapr.bulk.max_messages must be",
            "dapr.bulk.lanes must be",
        ],
    );
    check(
        "[retention]\ninbox_days = 20\nidempotency_keys_days = 6\npublished_days = 36501\ncycle_seconds = 0\n\
         [tasks]\ngap_seconds = 0\n[recurrence]\nbinding = \"\"",
        &[],
        &[
            "retention.inbox_days must be 0 (for ever) or at least 2 * retention.topic_days + \
             retention.replay_window_days, which is 28, not 20",
            "retention.idempotency_keys_days must be 0 (for ever) or at least 7, not 6",
            "retention.published_days must be 0 to 36500, not 36501",
            "retention.cycle_seconds must be 1 to 86400, not 0",
            "tasks.gap_seconds must be 1 to 86400, not 0",
            "recurrence.binding must not be empty",
        ],
    );
    check(
        "[reminders]\ntopic = \"task-events\"\npubsub = \" \"\nlate_seconds = 59\nhorizon_seconds = 0\npoll_ms = 99\n\
         grace_seconds = 0\njob_retry_seconds = 0\nbucket_from = 1\nrepublish_seconds = 1\nwitness_seconds = 0\n\
         [notification]\nmax_in_flight = 0\nreminders_app_id = \"\"\ntasks_app_id = \" \"\n\
         [retention]\nreminders_days = 27\ndeliveries_days = 36501",
        &[],
        &[
            "reminders.topic must be another one than tasks.topic",
            "reminders.pubsub must not be empty",
            "reminders.late_seconds must be 60 to 31622400, not 59",
            "reminders.horizon_seconds must be 60 to",
            "reminders.poll_ms must be 100 to 60000, not 99",
            "reminders.grace_seconds must be 1 to",
            "reminders.job_retry_seconds must be 1 to",
            "reminders.bucket_from must be 2 to 501, not 1",
            "reminders.republish_seconds must be 60 to",
            "reminders.witness_seconds must be 1 to",
            "notification.max_in_flight must be 1 to 256, not 0",
            "notification.reminders_app_id must not be empty",
            "notification.tasks_app_id must not be empty",
            "retention.reminders_days must be 0 (for ever) or at least",
            "retention.deliveries_days must be 0 to 36500, not 36501",
        ],
    );
    check("[notification.email]\nkind = \"smtp\"", &[], &["notification.email.from must be an address"]);
    check("[notification.email]\nkind = \"pigeon\"", &[], &["notification.email.kind", "pigeon"]);
    check(
        "[notification.webhook]\nkind = \"http\"\norigins = { \"https://127.0.0.1\" = \"x\" }",
        &[],
        &["notification.webhook.origins"],
    );
    check("[kafka]\nreminders_topic = \"x\"", &[], &["kafka", "reminders_topic"]);
    check("[kafka]\nbrokers = \"host:9092,host\"", &[], &["kafka.brokers", "\"host\" is not host:port"]);
    check(
        "[kafka]\nuser = \"docket\"\nreplication_factor = 1",
        &[],
        &["kafka.user and kafka.password go together", "kafka.min_insync_replicas must be at most"],
    );
    check("[retention]\ntopic_days = 9", &[], &["which is 32, not 30"]);
    check("", &[("DOCKET_RETENTION__TOPIC_DAYS", "0")], &["retention.inbox_days must be 0", "topic_days is"]);
    check(
        "dapr.dead_letter_suffix = \"-dead\"\nserver.max_response_bytes = 5505023",
        &[],
        &[
            "dapr.dead_letter_suffix must be \"-dlq\", not \"-dead\"",
            "server.max_response_bytes must be at least 5505024, not 5505023",
        ],
    );
    check(
        "[dapr]\nmax_message_bytes = 2000000",
        &[],
        &["server.max_response_bytes", "dapr.max_message_bytes"],
    );
    check("log = \"a=b=c\"", &[], &["log: \"a=b=c\""]);
    check("[auth]\nsecret = \"short\"", &[], &["auth.secret", "32 bytes"]);
    check("", &[("DOCKET_AUTH__SECRET", "1234")], &["auth.secret", "32 bytes", "environment"]);
    check(
        "[auth]\njwks = \"ftp://host/keys\"\nservice_jwks = \"keys.json\"\njwks_refresh_seconds = 9\n\
         jwks_max_stale_seconds = 0\nleeway_seconds = 3601\nrequired_scope = \"a b\"",
        &[],
        &[
            "auth.jwks must be a file, or a URL of https or http",
            "auth.service_issuer and auth.service_jwks need each other",
            "auth.services must name a subject",
            "auth.jwks_refresh_seconds must be 10 to",
            "auth.jwks_max_stale_seconds must be 60 to",
            "auth.leeway_seconds must be 0 to 3600",
            "auth.required_scope must be one scope",
        ],
    );
    check("[listen.tls]\ncertificate = \"tls.crt\"", &[], &["listen.tls", "key"]);
    check("", &[("APP_API_TOKEN", "with a space")], &["printable ASCII"]);
    check("", &[("APP_API_TOKEN", "[redacted]")], &["[redacted] stands for an API token"]);
    check("log = \"info\"\n[outbox", &[], &["docket.toml: line 2"]);
    // Receipts come from handlers in the process.
    check(
        "[database]\nurl = \"postgres://h/d\"\n[dapr]\ndeadline_ms = 20000",
        &[],
        &["outbox.lease_seconds", "dapr.deadline_ms", "15s is less than that for 20s"],
    );
    check(
        "targets = [\"tasks\"]",
        &[],
        &["outbox.confirm", "lacks audit, recurrence, reminders, notification, deadletters", "broker"],
    );
    check("targets = [\"tasks\", \"audit\"]", &[], &["outbox.confirm", "lacks recurrence, reminders,"]);
    check(
        "targets = [\"audit\", \"recurrence\", \"notification\", \"reminders\"]",
        &[],
        &["outbox.confirm", "lacks deadletters"],
    );
    check("targets = [\"reminders\", \"deadletters\"]", &[], &["lacks audit, recurrence, notification"]);
    check("[deadletters]\npubsub = \" \"", &[], &["deadletters.pubsub must not be empty"]);
    check("[deadletters]\ntopic = \"x\"", &[], &["deadletters", "topic"]);

    let run = folder.run(&["--config", "missing.toml", "config", "check"], &[]);
    assert_eq!((run.code, run.error.contains("missing.toml")), (64, true), "{run:?}");
    let run = folder.run(&["config", "check"], &[("DOCKET_CONFIG", "missing.toml")]);
    assert_eq!((run.code, run.error.contains("missing.toml")), (64, true), "{run:?}");
    // What only a server needs does not keep the other commands from working.
    let run = folder.run(&["config", "check"], &[]);
    assert_eq!((run.code, run.error.contains("APP_API_TOKEN")), (64, true), "{run:?}");
    let run = folder.run(&["serve", "--target", "tasks"], &[]);
    assert_eq!((run.code, run.error.contains("outbox.confirm")), (64, true), "{run:?}");
}

#[test]
fn a_configuration_that_can_be_is_right() {
    let folder = Folder::new();
    let check = |file: &str, environment: &[(&str, &str)]| {
        let environment = [environment, &[("APP_API_TOKEN", "token")]].concat();
        let run = folder.run_with_file(file, &["config", "check"], &environment);
        assert_eq!(run.code, 0, "{file:?}: {run:?}");
    };
    check("", &[]);
    check("targets = [\"tasks\"]\n[outbox]\nconfirm = \"broker\"", &[]);
    check("targets = [\"tasks\"]\n[dapr]\nenabled = false", &[]);
    check("targets = [\"audit\", \"recurrence\", \"reminders\", \"notification\", \"deadletters\"]", &[]);
    check("", &[("DOCKET_TARGETS", "audit,recurrence,reminders,notification,deadletters")]);
    check("[outbox]\nconfirm = \"broker\"", &[("DOCKET_TARGETS", "reminders")]);
    check("", &[("DOCKET_REMINDERS__PUBSUB", "pubsub-reminders")]);
    check("[listen]\nadmin = \"\"", &[]);
    check(
        "[listen]\npublic = \"127.0.0.1:0\"\napp = \"127.0.0.1:0\"",
        &[("DOCKET_LISTEN__ADMIN", "127.0.0.1:0")],
    );
    // Nobody listens there.
    check("[listen]\napp = \"127.0.0.1:7600\"\n[dapr]\nenabled = false", &[]);
    check("[telemetry]\nexport = \"sidecar\"", &[("DOCKET_TELEMETRY__SAMPLE_RATIO", "0.1")]);
    check("", &[("DOCKET_ADMIN__PROFILING", "true")]);
    check(
        "[notification.email]\nkind = \"smtp\"\nfrom = \"Docket <docket@example.com>\"\n\
         [notification.webhook]\nkind = \"http\"\norigins = { \"https://hooks.example.com\" = \"webhook-example\" }",
        &[],
    );
    check("[outbox]\nconfirm = \"broker\"", &[("DOCKET_TARGETS", "deadletters")]);
    check("", &[("DOCKET_DEADLETTERS__PUBSUB", "pubsub-dead-letters"), ("DOCKET_TOKEN", "not a key")]);
    check("[dapr]\ndeadline_ms = 20000", &[]);
    check("", &[("DOCKET_TARGETS", "[audit,recurrence,reminders,notification,deadletters]")]);
    check("", &[("DOCKET_DAPR__BULK__MAX_MESSAGES", "10"), ("UNRELATED", "1")]);
    // What looks like a number is a text all the same where a text is wanted.
    check("", &[("DOCKET_AUTH__SECRET", "12345678901234567890123456789012")]);
    check("", &[("DOCKET_DAPR__APP_API_TOKEN", "123"), ("DOCKET_DAPR__API_TOKEN", "true")]);
    check("", &[("DOCKET_KAFKA__USER", "docket"), ("DOCKET_KAFKA__PASSWORD", "123")]);
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let folder = Folder::new();
    let file = "[outbox]\npoll_ms = 2000\nbatch = 7\n";
    let environment = [("DOCKET_OUTBOX__POLL_MS", "3000"), ("DAPR_GRPC_PORT", "3")];
    let run = folder.run_with_file(file, &["config", "print"], &environment);
    let printed: toml::Table = run.said.parse().unwrap();
    let outbox = |key: &str| printed["outbox"][key].as_integer().unwrap();
    assert_eq!(outbox("poll_ms"), 3_000, "environment");
    assert_eq!(outbox("batch"), 7, "file");
    assert_eq!(outbox("retry_max_ms"), 5_000, "default");
    assert_eq!(printed["dapr"]["endpoint"].as_str(), Some("http://127.0.0.1:3"), "Dapr's own variables");

    let ours = [("DOCKET_DAPR__ENDPOINT", "http://127.0.0.1:4"), ("DAPR_GRPC_PORT", "3")];
    let printed: toml::Table = folder.run(&["config", "print"], &ours).said.parse().unwrap();
    assert_eq!(printed["dapr"]["endpoint"].as_str(), Some("http://127.0.0.1:4"), "ours before Dapr's");

    // The database is in the folder of the data, unless it is somewhere else.
    let url = |file: &str, environment: &[(&str, &str)]| {
        let run = folder.run_with_file(file, &["config", "print"], environment);
        run.said.parse::<toml::Table>().unwrap()["database"]["url"].as_str().unwrap().to_owned()
    };
    assert_eq!(url("data_dir = \"/p/a?b\"", &[]), "sqlite:/p/a%3Fb/docket.db");
    let elsewhere = [("DOCKET_DATABASE__URL", "sqlite:q.db?mode=rwc")];
    assert_eq!(url("data_dir = \"/p\"", &elsewhere), "sqlite:q.db?mode=rwc");

    // An address that is turned off, by the file or by a variable, which has no other way to say it.
    let admin = |file: &str, environment: &[(&str, &str)]| {
        let run = folder.run_with_file(file, &["config", "print"], environment);
        run.said.parse::<toml::Table>().unwrap()["listen"]["admin"].as_str().unwrap().to_owned()
    };
    assert_eq!(admin("", &[]), "127.0.0.1:7602");
    assert_eq!(admin("", &[("DOCKET_LISTEN__ADMIN", "")]), "");
    assert_eq!(admin("listen.admin = \"\"", &[]), "");
    assert_eq!(admin("listen.admin = \"\"", &[("DOCKET_LISTEN__ADMIN", "[::1]:1")]), "[::1]:1");

    // OpenTelemetry's own variables come last, too.
    let sends = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")];
    let printed: toml::Table = folder.run(&["config", "print"], &sends).said.parse().unwrap();
    assert_eq!(printed["telemetry"]["export"].as_str(), Some("direct"));

    // What is printed is a file that makes the same.
    let again = folder.run_with_file(&run.said, &["config", "print"], &[]);
    assert_eq!(again.said, run.said, "{}", again.error);
}

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
