//! The templates of `deploy/` for `dapr run -f`: that the CLI knows their keys, that what they name is there, and that they agree
//! with Docket and with the documents.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dapr_run;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use dapr_run::App;
use docket_server::config::Config;
use docket_server::target::Target;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn template(name: &str) -> Vec<App> {
    let folder = root().join("deploy");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    dapr_run::parse(&text, &folder).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// The value behind a flag.
fn flag<'a>(flags: &'a [String], name: &str) -> Option<&'a str> {
    let at = flags.iter().position(|flag| flag == name)?;
    flags.get(at + 1).map(String::as_str)
}

/// That nobody else has this port.
fn alone(taken: &mut BTreeSet<u16>, port: u16, what: &str) {
    assert!(taken.insert(port), "{what}: {port} is taken");
}

#[test]
fn one_docket_is_started_with_what_its_defaults_say() {
    let apps = template("dapr.yaml");
    let [app] = &apps[..] else { panic!("{apps:?}") };
    let (program, arguments) = app.command();
    assert_eq!(program, root().join("target/debug/docket"));
    assert_eq!(arguments, ["serve"]);
    let config = Config::default();
    assert_eq!(app.text("appID"), config.recurrence.tasks_app_id);
    assert_eq!(app.text("appPort"), config.listen.app.port().to_string());
    let flags = app.flags();
    let expect = [
        ("--app-protocol", "grpc"),
        ("--dapr-listen-addresses", "127.0.0.1"),
        ("--scheduler-host-address", "localhost:50006"),
    ];
    for (name, value) in expect {
        assert_eq!(flag(&flags, name), Some(value), "{flags:?}");
    }
    let local = root().join("components/local").display().to_string();
    assert_eq!(flag(&flags, "--resources-path"), Some(local.as_str()));
    assert!(flags.contains(&"--enable-app-health-check".to_owned()), "{flags:?}");
    assert_eq!(flag(&flags, "--placement-host-address"), None, "there are no actors");
}

#[test]
fn each_target_is_an_app_of_its_own_with_the_flags_that_the_components_want() {
    let apps = template("dapr-kafka.yaml");
    let ids: BTreeSet<String> = apps.iter().map(|app| app.text("appID")).collect();
    let targets = Target::value_variants().iter().map(|target| format!("docket-{}", target.name()));
    assert_eq!(ids, targets.collect());
    let document = std::fs::read_to_string(root().join("components/kafka/README.md")).unwrap();
    let mut taken = BTreeSet::new();
    for app in &apps {
        let (id, flags) = (app.text("appID"), app.flags());
        let target = id.strip_prefix("docket-").unwrap();
        assert_eq!(app.command().1, ["serve", "--target", target]);
        let environment: BTreeMap<String, String> = app.environment();
        let address = |name: &str| environment[name].parse::<SocketAddr>().unwrap();
        for name in ["DOCKET_LISTEN__PUBLIC", "DOCKET_LISTEN__APP", "DOCKET_LISTEN__ADMIN"] {
            alone(&mut taken, address(name).port(), &format!("{name} of {id}"));
        }
        assert_eq!(app.text("appPort"), address("DOCKET_LISTEN__APP").port().to_string());
        for key in ["daprHTTPPort", "daprGRPCPort", "daprInternalGRPCPort", "metricsPort"] {
            alone(&mut taken, app.text(key).parse().unwrap(), &format!("{key} of {id}"));
        }
        for name in [
            "--app-health-probe-interval",
            "--app-health-probe-timeout",
            "--app-health-threshold",
            "--max-body-size",
        ] {
            let value = flag(&flags, name).unwrap();
            assert!(document.contains(&format!("{name} {value}")), "{name} {value} is in no document");
        }
        let resources: Vec<&Path> = flags
            .iter()
            .zip(&flags[1..])
            .filter(|(name, _)| *name == "--resources-path")
            .map(|(_, path)| Path::new(path))
            .collect();
        assert_eq!(resources, ["common", "plain"].map(|part| root().join("components/kafka").join(part)));
    }
}

#[test]
fn mistakes_are_found() {
    let folder = root().join("deploy");
    let why = |text: &str| dapr_run::parse(text, &folder).unwrap_err();
    assert!(why("apps: []").contains("'version'"));
    assert!(why("version: 1\napps:\n  - appID: docket").contains("'appDirPath'"));
    let app = |line: &str| format!("version: 1\napps:\n  - appDirPath: ..\n    {line}\n");
    assert!(why(&app("appId: docket")).contains("does not know the key appId"));
    assert!(why(&app("configFilePath: deploy/none.yaml")).contains("is not there"));
    assert!(why("version: 1\ncommon: { appPort: 1 }\napps: []").contains("does not know the key appPort"));
}
