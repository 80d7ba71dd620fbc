//! Configuration, by way of the binary: an environment is a process's own.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

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
    pub(crate) fn run_with_file(&self, file: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
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
