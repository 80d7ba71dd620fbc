//! Logins of Kafka and PostgreSQL where no operator looks after them: they get the passwords that the Secrets have now. Both
//! are told by somebody inside the pod, who needs no password, and through a pipe.

use anyhow::{Context as _, Error, Result, anyhow};

use super::kubectl::Kubectl;
use super::site::DATA;

/// What Kafka's own program for it is run with: the arguments of a Java that reads them from its input, where no list of
/// processes shows them. It needs next to no memory, of which it takes Kafka's; the listener is the pod's own loopback.
const CONFIG: &str = "\
-Xmx64m
-XX:+UseSerialGC
-XX:TieredStopAtLevel=1
-Dlog4j2.configurationFile=/etc/kafka/log4j2.xml
-cp
/opt/kafka/libs/*
kafka.admin.ConfigCommand
--bootstrap-server=127.0.0.1:9093
--entity-type=users
--entity-name=docket
--alter
--add-config
";

/// Makes the login that serves, as `roles.sql` of its manifest does.
const SERVER: &str = "\
SELECT 'CREATE ROLE docket_server LOGIN NOINHERIT'
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'docket_server') \\gexec
";

/// Kafka's one user has this password.
pub(super) fn kafka(kubectl: &Kubectl, password: &str) -> Result<()> {
    let java = ["/opt/java/openjdk/bin/java", "@/dev/stdin"];
    let arguments = ["exec", "--stdin", "--namespace", DATA, "kafka-0", "--container=kafka", "--"];
    let told = kubectl
        .feed(&[&arguments[..], &java].concat(), &format!("{CONFIG}SCRAM-SHA-256=[password={password}]\n"));
    told.map(drop)
        .map_err(|error| without(&error, &[password]))
        .context("Kafka does not take the password of its user")
}

/// PostgreSQL's roles have these passwords. The login that serves is there again where somebody has dropped it in favour of
/// another; the migration gives it what it may. The owner cannot be dropped.
pub(super) fn postgres(kubectl: &Kubectl, roles: &[(&str, &str)]) -> Result<()> {
    let script =
        ". /etc/docket/programs.sh; exec psql --no-psqlrc --quiet --dbname=postgres --set=ON_ERROR_STOP=1";
    let arguments = [
        "exec",
        "--stdin",
        "--namespace",
        DATA,
        "postgres-0",
        "--container=postgres",
        "--",
        "sh",
        "-c",
        script,
    ];
    let told = kubectl.feed(&arguments, &format!("{SERVER}{}", statements(roles)));
    let passwords: Vec<&str> = roles.iter().map(|(_, password)| *password).collect();
    told.map(drop)
        .map_err(|error| without(&error, &passwords))
        .context("PostgreSQL does not take the passwords of its roles")
}

/// An error without these words: programs repeat what they are told when they do not understand it.
fn without(error: &Error, secrets: &[&str]) -> Error {
    let text = secrets
        .iter()
        .fold(format!("{error:#}"), |text, secret| text.replace(secret, "…").replace(&literal(secret), "…"));
    anyhow!("{text}")
}

fn statements(roles: &[(&str, &str)]) -> String {
    roles
        .iter()
        .map(|(role, password)| format!("ALTER ROLE {role} PASSWORD '{}';\n", literal(password)))
        .collect()
}

/// A text between the quotes of SQL.
fn literal(text: &str) -> String {
    text.replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_has_a_password() {
        let error = anyhow!("Invalid credential property SCRAM=[password=s3cret]").context("kubectl exec");
        let said = format!("{:#}", without(&error, &["s3cret"]));
        assert_eq!(said, "kubectl exec: Invalid credential property SCRAM=[password=…]");
        let error = anyhow!("syntax error: ALTER ROLE docket_owner PASSWORD 'it''s'");
        assert!(!without(&error, &["it's"]).to_string().contains("it"));
    }

    #[test]
    fn login_that_was_dropped_is_what_the_manifest_makes() {
        let file = crate::workspace::root().join("deploy/platform/plain/postgres.yaml");
        let manifest = std::fs::read_to_string(file).unwrap();
        assert!(manifest.contains("ALTER ROLE docket_server LOGIN NOINHERIT PASSWORD"), "{SERVER}");
        assert!(SERVER.contains("'CREATE ROLE docket_server LOGIN NOINHERIT'"), "{SERVER}");
        assert!(SERVER.ends_with("\\gexec\n"), "{SERVER}");
    }

    #[test]
    fn password_ends_where_it_ends() {
        // Who makes the Secret may choose any.
        let said = statements(&[("docket_owner", "it's"), ("docket_server", "plain")]);
        assert_eq!(
            said,
            "ALTER ROLE docket_owner PASSWORD 'it''s';\nALTER ROLE docket_server PASSWORD 'plain';\n"
        );
    }
}
