//! `docket dlq` and `docket token --scope`, by way of the binary, with a server in this process.

use docket_proto::v1::dead_letter::State;
use docket_rpc::TlsConfig;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::dead_letters::{Event, bury, get, painted};
use crate::harness::{Api, SECRET, uuid};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) said: String,
    pub(crate) error: String,
}

/// A terminal on the machine of the server, whose secret is in the environment if it is to be.
pub(crate) struct Terminal {
    pub(crate) server: String,
    folder: TempDir,
    pub(crate) secret: Option<&'static str>,
}

impl Terminal {
    pub(crate) fn new(api: &Api) -> Self {
        let folder = tempfile::Builder::new().prefix("docket-test-dlq-").tempdir().unwrap();
        Self { server: api.public_address().to_string(), folder, secret: Some(SECRET) }
    }

    pub(crate) async fn docket(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let mut command = Command::new(DOCKET);
        command.current_dir(self.folder.path()).env_clear().env("USER", "carol");
        command.envs(self.secret.map(|secret| ("DOCKET_AUTH__SECRET", secret)));
        command.envs(environment.iter().copied()).args(arguments);
        let output = command.kill_on_drop(true).output().await.unwrap();
        Run {
            code: output.status.code().unwrap(),
            said: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `docket dlq`, with the server.
    async fn dlq(&self, arguments: &[&str]) -> Run {
        self.docket(&[&["dlq", "--server", &self.server], arguments].concat(), &[]).await
    }

    /// What it says when it succeeds.
    async fn good(&self, arguments: &[&str]) -> String {
        let run = self.dlq(arguments).await;
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run.said
    }

    /// The same as JSON, one value a line.
    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.good(&[arguments, &["--format", "json"]].concat()).await;
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn ids(values: &[Value]) -> Vec<&str> {
    values.iter().map(|value| value["dead_letter_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn letters_are_listed_and_shown() {
    let api = Api::start().await;
    let terminal = Terminal::new(&api);
    assert_eq!(terminal.good(&["list"]).await, "", "there are none");
    let event = painted(90);
    let id = bury(&api, event.clone()).await;
    let other = bury(&api, Event { handler: "recurrence", ..painted(1) }).await;

    let table = terminal.good(&["list"]).await;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[1].starts_with(&id) && lines[1].contains("OPEN") && lines[1].contains("audit"), "{table}");
    assert!(lines[1].ends_with("unknown event type com.todo.task.painted"), "{table}");
    let check = async |arguments: &[&str], expect: &[&String]| {
        let found = terminal.json(&[&["list"], arguments].concat()).await;
        assert_eq!(ids(&found), expect.iter().map(|id| id.as_str()).collect::<Vec<_>>(), "{arguments:?}");
    };
    check(&[], &[&id, &other]).await;
    check(&["--limit", "1"], &[&id]).await;
    check(&["--handler", "recurrence"], &[&other]).await;
    check(&["--state", "open", "--topic", "task-events", "--key", &event.key], &[&id]).await;
    check(&["--state", "REPLAYED", "--state", "DISCARDED"], &[]).await;
    check(&["--event-type", "com.todo.task.created"], &[]).await;
    check(&["--until", "2001-01-01T00:00:00+01:00"], &[]).await;
    check(&["--since", "2001-01-01T00:00:00Z"], &[&id, &other]).await;

    let shown = terminal.good(&["show", &id]).await;
    for text in [&id, &event.event_id, &event.key, "x-tenant: 7", "com.todo.task.painted", "41"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    let shown = terminal.json(&["show", &id]).await;
    let [letter] = &shown[..] else { panic!("{shown:?}") };
    let original: Value = serde_json::from_str(letter["original"].as_str().unwrap()).unwrap();
    assert_eq!(original["id"], event.event_id.as_str());
    assert_eq!((letter["partition"].as_i64(), letter["offset"].as_i64()), (Some(2), Some(41)));
}

#[tokio::test]
async fn letters_are_replayed_and_discarded_when_it_is_meant() {
    let api = Api::start().await;
    let terminal = Terminal::new(&api);
    let mut letters = Vec::new();
    for minutes_ago in [4, 3, 2, 1] {
        letters.push(bury(&api, painted(minutes_ago)).await);
    }
    let state = async |place: usize| get(&api, &letters[place]).await.state();
    for action in [&["replay"][..], &["discard", "--reason", "x"]] {
        let run = terminal.dlq(action).await;
        assert_eq!(run.code, 2, "neither letters nor --all: {run:?}");
        let told = terminal.json(&[action, &["--dry-run"]].concat()).await;
        assert_eq!(ids(&told).len(), 4, "what it would be");
        let run = terminal.dlq(&[action, &[letters[0].as_str(), "--handler", "audit"]].concat()).await;
        assert_eq!(run.code, 2, "letters and a filter: {run:?}");
    }
    assert_eq!(state(0).await, State::Open);

    let run = terminal.dlq(&["replay", &letters[0], "--only-failed-handler"]).await;
    assert_eq!(run.said, format!("{} replayed to audit of task-events\n", letters[0]), "{run:?}");
    assert_eq!((run.code, run.error.as_str()), (0, "1 dead letters replayed\n"));
    let action = &get(&api, &letters[0]).await.actions[0];
    assert_eq!((action.actor.as_str(), action.only_failed_handler), ("carol", true));
    let told = terminal.json(&["discard", &letters[1], "--reason", "painted by mistake"]).await;
    assert_eq!(ids(&told), [&letters[1]]);
    assert_eq!(get(&api, &letters[1]).await.actions[0].reason, "painted by mistake");

    let told = terminal.json(&["replay", "--all", "--handler", "recurrence"]).await;
    assert!(told.is_empty(), "none is of that handler");
    let told = terminal.json(&["replay", "--all", "--user", "dora"]).await;
    assert_eq!(ids(&told), [&letters[2], &letters[3]], "those that were open");
    assert_eq!((state(2).await, state(1).await), (State::Replayed, State::Discarded));
    assert_eq!(get(&api, &letters[3]).await.actions[0].actor, "dora");
    let told = terminal.json(&["discard", "--all", "--state", "replayed", "--reason", "never mind"]).await;
    assert_eq!(told.len(), 3);
}

#[tokio::test]
async fn what_is_refused_stands_in_the_way_of_nothing_else() {
    let api = Api::start().await;
    let terminal = Terminal::new(&api);
    let mut letters = Vec::new();
    for event in [
        Event { topic: "painted-events", ..painted(4) },
        painted(3),
        Event { topic: "painted-events", ..painted(2) },
        painted(1),
    ] {
        letters.push(bury(&api, event).await);
    }
    let dry = terminal.dlq(&["replay", "--dry-run"]).await;
    assert_eq!((dry.code, dry.said.lines().count()), (1, 2), "{dry:?}");
    let run = terminal.dlq(&["replay", "--all"]).await;
    assert_eq!(run.code, 1, "{run:?}");
    let line = |id| format!("{id} replayed to task-events\n");
    assert_eq!(run.said, line(&letters[1]) + &line(&letters[3]));
    for bad in [&letters[0], &letters[2]] {
        assert!(run.error.contains(&format!("{bad} is refused: ")), "{run:?}");
    }
    assert!(run.error.contains("DEAD_LETTER_TOPIC"), "{run:?}");
    assert!(run.error.contains("2 dead letters replayed, 2 refused\n"), "{run:?}");
    for (letter, expect) in letters.iter().zip([State::Open, State::Replayed, State::Open, State::Replayed]) {
        assert_eq!(get(&api, letter).await.state(), expect);
    }
    // The same for letters that are named, and those that do not exist.
    let unknown = uuid();
    let run = terminal.dlq(&["discard", &unknown, &letters[0], "--reason", "no such topic"]).await;
    assert_eq!((run.code, run.said), (1, format!("{} discarded\n", letters[0])), "{}", run.error);
    assert!(run.error.contains("1 dead letters discarded, 1 refused"), "{}", run.error);
}

#[tokio::test]
async fn a_server_with_tls_has_to_prove_itself() {
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    for with_clients in [false, true] {
        let client_ca = with_clients.then(|| certificate.clone());
        let tls = TlsConfig { certificate: certificate.clone(), key: key.clone(), client_ca };
        let api = Api::start_with(|config| config.listen.tls = Some(tls)).await;
        let server = format!("https://{}", api.public_address());
        let terminal = Terminal { server, ..Terminal::new(&api) };
        let run = terminal.dlq(&["list"]).await;
        assert!(run.code == 1 && run.error.contains("no connection"), "nobody vouches for it: {run:?}");
        let [own, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
        let run = terminal.dlq(&["list", "--ca", own]).await;
        assert_eq!(run.code, i32::from(with_clients), "a client that has to prove itself: {run:?}");
        assert_eq!(terminal.good(&["list", "--ca", own, "--cert", own, "--key-file", key]).await, "");
    }
}

#[tokio::test]
async fn who_may_not_or_asks_wrongly_is_told_so() {
    let api = Api::start().await;
    let mut terminal = Terminal::new(&api);
    let id = bury(&api, painted(1)).await;
    let unknown = uuid();
    let run = terminal.dlq(&["show", &unknown]).await;
    assert!(run.code == 1 && run.error.contains("DEAD_LETTER_NOT_FOUND"), "{run:?}");
    let run = terminal.dlq(&["discard", &id, "--reason", ""]).await;
    assert!(run.code == 1 && run.error.contains("INVALID_FIELDS"), "{run:?}");
    let run = terminal.dlq(&["show", "7"]).await;
    assert_eq!(run.code, 2, "{run:?}");
    let nowhere = ["dlq", "--server", "127.0.0.1:1", "list"];
    let run = terminal.docket(&nowhere, &[]).await;
    assert!(run.code == 1 && run.error.contains("no connection to http://127.0.0.1:1"), "{run:?}");

    // With tokens of others, and then without the secret.
    let token = async |arguments: &[&str]| {
        let run = terminal.docket(&[&["token", "--user", "dora"], arguments].concat(), &[]).await;
        assert_eq!(run.code, 0, "{run:?}");
        run.said.trim().to_owned()
    };
    let (plain, admin) = (token(&[]).await, token(&["--scope", "deadletters:admin"]).await);
    let run = terminal.docket(&["token", "--user", "dora", "--scope", "two words"], &[]).await;
    assert_eq!(run.code, 2, "{run:?}");
    terminal.secret = None;
    let list = ["dlq", "--server", &terminal.server, "list"];
    let run = terminal.docket(&list, &[("DOCKET_TOKEN", &plain)]).await;
    assert!(run.code == 1 && run.error.contains("MISSING_SCOPE"), "{run:?}");
    let run = terminal.docket(&list, &[("DOCKET_TOKEN", &admin)]).await;
    assert!(run.code == 0 && run.said.contains(&id), "{run:?}");
    assert_eq!(terminal.dlq(&["--token", &admin, "list"]).await.code, 0);
    let run = terminal.dlq(&["list"]).await;
    assert!(run.code == 1 && run.error.contains("no token"), "{run:?}");
    assert!(!terminal.folder.path().join("secret").exists(), "no secret is made that no server has");
}
