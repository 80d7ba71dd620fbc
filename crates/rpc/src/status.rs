//! Turns faults into `google.rpc.Status`; the only place that builds a `tonic::Status`.

use std::collections::HashMap;
use std::time::Duration;

use docket_proto::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fault::Fault;

/// The `domain` of every `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "docket.dev";

/// How long a client should wait before it tries again, when nothing better is known.
pub const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The details travel in one trailer, and clients refuse header lists over 8 or 16 KiB: a call that broke very many
/// rules is told of as many as fit, and how many more there are.
const MAX_VIOLATION_BYTES: usize = 4 * 1024;

/// Answers a fault.
///
/// The cause of an internal one goes to the log, once, here, and not to the client.
pub fn to_status(fault: &dyn Fault) -> Status {
    // A fault is not a success, whatever it says.
    let code = if fault.code() == Code::Ok { Code::Internal } else { fault.code() };
    let mut details = ErrorDetails::new();
    if matches!(code, Code::Internal | Code::Unknown | Code::DataLoss) {
        tracing::error!(error = chain(fault), "call failed");
        details.set_error_info(reason_text(fault.reason()), DOMAIN, HashMap::new());
        return Status::with_error_details(code, "internal error", details);
    }

    let metadata: HashMap<String, String> =
        fault.metadata().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    details.set_error_info(reason_text(fault.reason()), DOMAIN, metadata);
    for (field, description) in bounded(fault.violations()) {
        details.add_bad_request_violation(field, description);
    }
    if let Some((subject, description)) = fault.quota() {
        details.add_quota_failure_violation(subject, description);
    }
    if let Some(delay) = fault.retry_after() {
        details.set_retry_info(Some(delay));
    }
    Status::with_error_details(code, fault.to_string(), details)
}

/// Answers the fault of a `Result`, so that a handler may write `?`.
pub trait OrStatus<T> {
    /// The value, or the fault as a status.
    fn or_status(self) -> Result<T, Status>;
}

impl<T, F: Fault> OrStatus<T> for Result<T, F> {
    fn or_status(self) -> Result<T, Status> {
        self.map_err(|fault| to_status(&fault))
    }
}

/// The reason as `google.rpc.ErrorInfo` carries it.
pub fn reason_text(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// The message and all its causes on one line.
fn chain(fault: &dyn Fault) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn bounded(mut violations: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut bytes = 0;
    let fitting = violations
        .iter()
        .take_while(|(field, description)| {
            bytes += field.len() + description.len();
            bytes <= MAX_VIOLATION_BYTES
        })
        .count();
    let more = violations.len() - fitting;
    violations.truncate(fitting);
    if more > 0 {
        violations.push((String::new(), format!("and {more} more")));
    }
    violations
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::auth;
    use crate::fault::{
        DeadlineExceeded, Internal, InvalidFields, InvalidPageToken, Unavailable, UnknownMethod,
    };
    use crate::limit::{Overloaded, Refused, UnsupportedCompression};

    #[test]
    fn who_may_come_back_is_told_when() {
        #[derive(Debug, thiserror::Error)]
        #[error("for the test")]
        struct Any(Code, ErrorReason);

        impl Fault for Any {
            fn code(&self) -> Code {
                self.0
            }

            fn reason(&self) -> ErrorReason {
                self.1
            }
        }

        let check = |code: Code, reason: ErrorReason, expect: Option<Duration>| {
            let told = to_status(&Any(code, reason)).get_details_retry_info();
            assert_eq!(told.and_then(|info| info.retry_delay), expect, "{code:?} {reason:?}");
        };
        check(Code::Unavailable, ErrorReason::Unavailable, Some(RETRY_DELAY));
        check(Code::ResourceExhausted, ErrorReason::Overloaded, Some(RETRY_DELAY));
        check(Code::Aborted, ErrorReason::Conflict, Some(RETRY_DELAY));
        // The same call would be refused again: its etag is old.
        check(Code::Aborted, ErrorReason::EtagMismatch, None);
        check(Code::NotFound, ErrorReason::TaskNotFound, None);
    }

    /// Fault, code, reason, keys of the metadata.
    type Documented = (Box<dyn Fault>, Code, &'static str, &'static [&'static str]);

    /// Codes and metadata keys as the comments of `error_reason.proto` document them.
    #[test]
    fn faults_answer_as_documented() {
        // Or the line about the internal fault could be found to interest nobody, for the test below too.
        let _listening = tracing::subscriber::set_default(tracing_subscriber::registry());
        const LIMIT: &[&str] = &["limit", "unit", "value"];
        let method = || "docket.v1.TaskService/Nope".to_owned();
        let user = || "alice".parse().unwrap();
        let cases: Vec<Documented> = vec![
            (Box::new(InvalidFields::one("a", "b")), Code::InvalidArgument, "INVALID_FIELDS", &[]),
            (Box::new(InvalidPageToken), Code::InvalidArgument, "INVALID_PAGE_TOKEN", &[]),
            (Box::new(auth::Error::MissingToken), Code::Unauthenticated, "MISSING_TOKEN", &[]),
            (
                Box::new(auth::Error::InvalidToken(auth::Defect::Expired)),
                Code::Unauthenticated,
                "INVALID_TOKEN",
                &["detail"],
            ),
            (
                Box::new(auth::Error::MissingScope { scope: "s".to_owned() }),
                Code::PermissionDenied,
                "MISSING_SCOPE",
                &["scope"],
            ),
            (
                Box::new(auth::Error::InternalMethod { method: method() }),
                Code::PermissionDenied,
                "INTERNAL_METHOD",
                &["method"],
            ),
            (Box::new(auth::Error::InvalidActAs("x")), Code::InvalidArgument, "INVALID_FIELDS", &[]),
            (Box::new(Unavailable), Code::Unavailable, "UNAVAILABLE", &[]),
            (Box::new(DeadlineExceeded), Code::DeadlineExceeded, "DEADLINE_EXCEEDED", &[]),
            (Box::new(Internal::new("secret cause")), Code::Internal, "INTERNAL", &[]),
            (
                Box::new(UnknownMethod { method: method(), why: None }),
                Code::Unimplemented,
                "UNKNOWN_METHOD",
                &["method"],
            ),
            (
                Box::new(Overloaded { places: 3, delay: Duration::from_millis(750) }),
                Code::ResourceExhausted,
                "OVERLOADED",
                LIMIT,
            ),
            (
                Box::new(Refused::Rate { user: user(), per_second: 5, delay: Duration::from_millis(20) }),
                Code::ResourceExhausted,
                "RATE_LIMITED",
                LIMIT,
            ),
            (
                Box::new(Refused::Concurrency { user: user(), calls: 5, delay: Duration::from_secs(1) }),
                Code::ResourceExhausted,
                "CONCURRENCY_LIMITED",
                LIMIT,
            ),
            (
                Box::new(UnsupportedCompression { encoding: "snappy".to_owned() }),
                Code::Unimplemented,
                "UNSUPPORTED_COMPRESSION",
                &["encoding"],
            ),
        ];
        for (fault, code, reason, keys) in cases {
            let status = to_status(fault.as_ref());
            let info = status.get_details_error_info().expect("an ErrorInfo");
            let mut sent: Vec<&str> = info.metadata.keys().map(String::as_str).collect();
            sent.sort_unstable();
            assert_eq!((status.code(), info.reason.as_str(), sent.as_slice()), (code, reason, keys));
            assert_eq!(info.domain, "docket.dev");
            let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(retry, fault.retry_after(), "{reason}");
            let quota = status.get_details_quota_failure().map(|failure| failure.violations);
            let quota = quota.map(|all| (all[0].subject.clone(), all[0].description.clone()));
            assert_eq!(quota, fault.quota(), "{reason}");
            assert!(!status.message().contains("secret"), "{}", status.message());
        }
    }

    #[test]
    fn all_violations_are_answered_and_very_many_are_counted() {
        let check = |count: usize, expect: usize, last: (&str, &str)| {
            let violations = (0..count).map(|i| (format!("f[{i}]"), "x".repeat(90))).collect();
            let status = to_status(&InvalidFields { violations });
            let sent = status.get_details_bad_request().expect("a BadRequest").field_violations;
            assert_eq!(sent.len(), expect);
            let (field, description) =
                (sent[expect - 1].field.as_str(), sent[expect - 1].description.as_str());
            assert_eq!((field, description), last);
            assert!(status.details().len() < 6 * 1024, "{}", status.details().len());
        };
        check(3, 3, ("f[2]", "x".repeat(90).as_str()));
        check(10_000, 44, ("", "and 9957 more"));
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the row is corrupt")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn an_internal_fault_logs_its_chain_once() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            let cause = "x".parse::<i32>().unwrap_err();
            to_status(&Internal::new(Outer(cause)));
            to_status(&InvalidPageToken);
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.contains("the call failed: the row is corrupt: invalid digit found in string"),
            "{text}"
        );
    }
}
