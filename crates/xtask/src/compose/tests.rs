//! The rules on what breaks them and on what does not, on all that is there, and how secrets are made.

use std::os::unix::fs::PermissionsExt as _;

use super::files::{of_text, violations};
use super::*;

#[test]
fn nothing_below_deploy_and_components_breaks_the_rules() {
    assert_eq!(violations().unwrap(), [""; 0]);
}

#[test]
fn what_breaks_a_rule_is_found() {
    let check = |line: &str, expect: &str| {
        let found = of_text(line, true);
        assert!(
            found.iter().any(|found| found.starts_with("1: ") && found.contains(expect)),
            "{line}: {found:?}"
        );
    };
    for line in
        ["    image: postgres", "image: \"ghcr.io/a/b\"", "- image: localhost:5000/docket", "image: docket:"]
    {
        check(line, "without a version");
    }
    check("image: redis:latest", "`latest`");
    check("# FROM rust:latest", "`latest`");
    for line in [
        "password: hunter2",
        "  saslPassword: \"open sesame\"",
        "\"saslPassword\": \"open sesame\",",
        "POSTGRES_PASSWORD=postgres",
        "apiKey: abc # of nobody",
    ] {
        check(line, "a password");
    }
    check("url: postgres://docket:hunter2@db:5432/docket", "an address with a password");
    check("see https://alice:s3cret@example.com/", "an address with a password");
    check("-----BEGIN EC PRIVATE KEY-----", "a private key");
    check("token: eyJhbGciOiJIUzI1NiJ9abcdef0123456789xyzq", "looks like a secret");
    check("DOCKET_APP_TOKEN=4f1c2b3a5d6e7f8091a2b3c4d5e6f708", "looks like a secret");
}

#[test]
fn what_is_said_elsewhere_is_no_secret() {
    for line in [
        "image: docker.io/library/postgres:17.6",
        "image: kindest/node@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
        "image: {{ .Values.image.repository }}:{{ .Values.image.tag }}",
        "password:",
        "password: \"\"",
        "POSTGRES_ADMIN_PASSWORD=",
        "POSTGRES_PASSWORD: ${POSTGRES_ADMIN_PASSWORD:?run deploy/compose/secrets.sh first}",
        "password: { secretKeyRef: { name: docket-kafka, key: saslPassword } }",
        "url: postgres://docket_server:${POSTGRES_SERVER_PASSWORD:?first}@postgres:5432/docket",
        "url: postgres://docket_owner:...@127.0.0.1:5432/docket",
        "existingSecret: docket-kafka",
        "digest: sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed",
        "# password: what somebody chooses",
        "{{- if hasSuffix \":latest\" . }}",
    ] {
        assert_eq!(of_text(line, true), [""; 0], "{line}");
    }
    assert_eq!(of_text("the password: open sesame", false), [""; 0], "prose has no settings");
}

/// Runs the script that makes secrets on copies of what it works with.
fn made(folder: &Path) -> (bool, String) {
    let compose = folder.join("compose");
    fs::create_dir_all(&compose).unwrap();
    for file in ["env.example", "secrets.sh"] {
        fs::copy(workspace::root().join("deploy/compose").join(file), compose.join(file)).unwrap();
    }
    let output = Command::new("sh").arg(compose.join("secrets.sh")).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn secrets_are_made_once_each_another_and_for_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(made(folder.path()), (true, String::new()));
    let file = folder.path().join(".env");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let env = fs::read_to_string(&file).unwrap();
    let example = read(EXAMPLE).unwrap();
    let names = |text: &str| -> Vec<String> {
        let names =
            text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        names.map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(names(&env), names(&example));
    let secrets: BTreeSet<&str> = env
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| example.lines().any(|line| line == format!("{name}=")))
        .map(|(_, value)| value)
        .collect();
    assert_eq!(
        secrets.len(),
        example.lines().filter(|line| !line.starts_with('#') && line.ends_with('=')).count()
    );
    let drawn = |value: &&str| value.len() == 48 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(secrets.iter().all(drawn), "{secrets:?}");

    let (done, why) = made(folder.path());
    assert!(!done && why.contains("is there already"), "{why}");
    assert_eq!(fs::read_to_string(&file).unwrap(), env, "what databases were made with is left as it is");
}

#[test]
fn every_variable_without_a_default_is_one_of_the_example() {
    let (services, example) = (read(SERVICES).unwrap(), read(EXAMPLE).unwrap());
    let asked: BTreeSet<&str> =
        services.split("${").skip(1).filter_map(|rest| rest.split(['}', ':']).next()).collect();
    assert!(asked.len() >= 8, "{asked:?}");
    for name in asked {
        assert!(example.lines().any(|line| line.starts_with(&format!("{name}="))), "{name}");
    }
}

#[test]
fn versions_are_those_of_everything_else() {
    let services = read(SERVICES).unwrap();
    let images: BTreeSet<&str> =
        services.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
    let pinned = read("deploy/platform/versions.toml").unwrap();
    let dapr = read("crates/xtask/tools/dapr/go.mod").unwrap();
    let dapr = dapr.lines().find_map(|line| line.trim().strip_prefix("github.com/dapr/dapr v")).unwrap();
    let mut known = 0;
    for image in &images {
        let (name, version) = image.rsplit_once(':').unwrap();
        match name.strip_prefix("docker.io/") {
            Some(name) if name.starts_with("daprio/") => assert_eq!(version, dapr, "{image}"),
            Some(_) => assert!(pinned.contains(&format!("\"{image}\"")), "{image}"),
            None if name == "docket" => assert_eq!(version, env!("CARGO_PKG_VERSION")),
            // Redpanda's own, which nothing else has.
            None => continue,
        }
        known += 1;
    }
    assert_eq!(known, 6, "{images:?}");
}

#[test]
fn sidecars_have_the_flags_that_the_components_want() {
    let (services, document) = (read(SERVICES).unwrap(), read("components/kafka/README.md").unwrap());
    let flags = document.lines().flat_map(str::split_whitespace).filter(|word| word.starts_with("--"));
    let (_, sidecar) = services.split_once("x-sidecar:").unwrap();
    let sidecar = sidecar.split("\nservices:").next().unwrap();
    let asked: BTreeSet<&str> = flags.collect();
    // That of each service.
    for flag in asked.into_iter().filter(|flag| *flag != "--app-id") {
        assert!(sidecar.contains(flag), "{flag}");
    }
    // Each stands beside the Docket of its name.
    let beside: Vec<(&str, &str)> = services
        .split("\n  ")
        .filter_map(|line| line.strip_suffix("-sidecar:"))
        .filter(|name| name.starts_with("docket"))
        .map(|name| (name, services.split(&format!("\n  {name}-sidecar:")).nth(1).unwrap()))
        .collect();
    assert_eq!(beside.len(), 7);
    for (name, service) in beside {
        let service = service.split("\n\n").next().unwrap();
        assert!(service.contains(&format!("command: [--app-id={name}]\n")), "{service}");
        assert!(service.contains(&format!("network_mode: service:{name}\n")), "{service}");
    }
}
