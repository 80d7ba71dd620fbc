//! What the answers of output bindings mean. Pure functions: tables of texts test them.

use docket_sidecar::Error;
use tonic::Code;

use super::Outcome;
use crate::clean::reason;

/// What the sidecar writes before what a binding says.
const SAID: &str = "error invoking output binding";

/// What an error means, where that does not depend on the binding; else what the binding says.
pub(crate) fn judge(binding: &str, error: &Error) -> Result<String, Outcome> {
    match error {
        Error::Unavailable(status) if never_left(status) => {
            Err(Outcome::Later(reason("the sidecar can not be reached")))
        }
        Error::Unavailable(status) => {
            let lost = format!("the connection to the sidecar was lost: {}", status.message());
            Err(Outcome::Unknown(reason(&lost)))
        }
        Error::Deadline(limit) => {
            Err(Outcome::Unknown(reason(&format!("the binding {binding} did not answer within {limit:?}"))))
        }
        Error::Rejected { message, .. } if is_missing(message) => {
            Err(Outcome::Missing { binding: binding.to_owned() })
        }
        Error::Rejected { message, .. } if message.contains(SAID) => {
            let said = message.split_once(": ").map_or(message.as_str(), |(_, said)| said);
            of_resiliency(binding, said).map_or_else(|| Ok(said.to_owned()), Err)
        }
        // The sidecar's own refusals: the binding was not called.
        Error::Rejected {
            code:
                Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented | Code::ResourceExhausted,
            message,
        } => Err(Outcome::Later(reason(&format!("the sidecar refuses: {message}")))),
        Error::Rejected { code, message } => {
            Err(Outcome::Unknown(reason(&format!("the sidecar answered {code:?}: {message}"))))
        }
    }
}

/// What the sidecar says in the place of a binding, where its resiliency policies end a call or do not begin it.
fn of_resiliency(binding: &str, said: &str) -> Option<Outcome> {
    match said.trim_end() {
        // The binding goes on with what it has begun.
        "context deadline exceeded" | "context canceled" => {
            Some(Outcome::Unknown(format!("the sidecar gave up waiting for the binding {binding}: {said}")))
        }
        "circuit breaker is open" | "too many requests" => {
            Some(Outcome::Later(format!("the sidecar does not call the binding {binding} now: {said}")))
        }
        _ => None,
    }
}

/// No connection could be made.
fn never_left(status: &tonic::Status) -> bool {
    let first: Option<&(dyn std::error::Error + 'static)> = Some(status);
    std::iter::successors(first, |error| error.source()).any(|error| error.is::<tonic::ConnectError>())
}

fn is_missing(message: &str) -> bool {
    message.contains("couldn't find output binding")
}

/// What mail servers mean, by what `bindings.smtp` says.
pub(crate) fn of_smtp(said: &str) -> Outcome {
    // It says this once it is past the greeting and the login, and has begun with the message.
    let begun = said.contains("could not send email");
    let text = reason(said);
    match smtp_code(said) {
        // Credentials, TLS, rights and reputation of the relay are the operator's matter: mending them mends the message.
        // So is whatever is refused before the message was begun.
        Some(530..=538) => Outcome::Later(text),
        Some(500..=599) if !begun || is_policy(said) => Outcome::Later(text),
        Some(500..=599) => Outcome::Refused(text),
        Some(_) => Outcome::Later(text),
        None if said.contains("invalid address") || said.contains("invalid message") => {
            Outcome::Refused(text)
        }
        // The line was cut, and perhaps only the answer is missing.
        None if begun => Outcome::Unknown(text),
        None => Outcome::Later(text),
    }
}

/// The reply code (RFC 5321 section 4.2) in an error of Go's `net/smtp`: three digits at the beginning of a part.
fn smtp_code(said: &str) -> Option<u16> {
    said.split(": ").find_map(|part| {
        let digits = part.get(..3)?;
        let ends = part[3..].chars().next().is_none_or(|c| c == ' ' || c == '-');
        let first = digits.starts_with(['4', '5']);
        (ends && first && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
    })
}

/// Whether it says an enhanced status (RFC 3463) of security or policy: `550 5.7.26`.
fn is_policy(said: &str) -> bool {
    said.split([' ', '-']).any(|word| word.starts_with("5.7."))
}

/// What SendGrid means, by what `bindings.twilio.sendgrid` says.
pub(crate) fn of_sendgrid(said: &str) -> Outcome {
    const FAILED: &str = "sending email failed: ";
    let text = reason(said);
    let code = said.split_once(FAILED).and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    match code {
        // The key is the operator's matter.
        Some(401 | 403) => Outcome::Denied(text),
        Some(code) => of_status(code, || text),
        None => of_transport(said),
    }
}

/// What the answer of an HTTP server means.
pub(crate) fn of_status(code: u16, text: impl FnOnce() -> String) -> Outcome {
    match code {
        200..=299 => Outcome::Sent,
        408 | 425 | 429 | 500..=599 => Outcome::Later(text()),
        _ => Outcome::Refused(text()),
    }
}

/// What it means that an HTTP server did not answer, by what Go's client says.
pub(crate) fn of_transport(said: &str) -> Outcome {
    // Before the request was written, nothing has gone out.
    const NOT_SENT: [&str; 7] = [
        "connection refused",
        "no such host",
        "no route to host",
        "network is unreachable",
        "dial tcp",
        "TLS handshake",
        "x509:",
    ];
    let text = reason(said);
    if said.contains("parse \"") && said.contains("invalid URL escape") {
        // No request can be made of such a URL.
        return Outcome::Refused(text);
    }
    match NOT_SENT.iter().any(|part| said.contains(part)) {
        true => Outcome::Later(text),
        false => Outcome::Unknown(text),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use docket_rpc::fault::Unavailable;
    use docket_rpc::to_status;

    use super::*;

    fn kind(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Sent => "sent",
            Outcome::Later(_) => "later",
            Outcome::Denied(_) => "denied",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown(_) => "unknown",
            Outcome::NotBegun => "not begun",
            Outcome::Missing { .. } => "missing",
        }
    }

    #[test]
    fn what_mail_servers_say_is_understood() {
        let sending = "error from smtp binding, sending email failed: gomail: could not send email 1: ";
        let dialing = "error from smtp binding, sending email failed: ";
        for (start, said, expect) in [
            (sending, "550 5.1.1 <x@example.com>: Recipient address rejected: User unknown", "refused"),
            (sending, "553 sorry", "refused"),
            (sending, "550-5.7.26 This mail is unauthenticated", "later"),
            (sending, "554 5.7.1 Client host blocked", "later"),
            (sending, "552 5.2.2 Mailbox full", "refused"),
            (sending, "554", "refused"),
            (sending, "421 4.3.2 Service shutting down", "later"),
            (sending, "450 4.2.1 Greylisted: come again", "later"),
            (sending, "452 4.3.1 Insufficient system storage", "later"),
            (sending, "530 5.7.0 Must issue a STARTTLS command first", "later"),
            (sending, "EOF", "unknown"),
            (sending, "read tcp 127.0.0.1:40000->127.0.0.1:25: i/o timeout", "unknown"),
            (sending, "write tcp 10.0.0.1:40000->10.0.0.2:587: write: broken pipe", "unknown"),
            (sending, "gomail: invalid address \"x\": mail: missing '@'", "refused"),
            (dialing, "535 5.7.8 Error: authentication failed", "later"),
            (dialing, "554 5.7.1 No service for you", "later"),
            (dialing, "554 No SMTP service here", "later"),
            (dialing, "502 Command not implemented", "later"),
            (dialing, "dial tcp 127.0.0.1:587: connect: connection refused", "later"),
            (dialing, "dial tcp: lookup mail.example.com: no such host", "later"),
            (dialing, "EOF", "later"),
            (
                dialing,
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                "later",
            ),
        ] {
            let outcome = of_smtp(&format!("{start}{said}"));
            assert_eq!(kind(&outcome), expect, "{start}{said}");
        }
    }

    #[test]
    fn what_http_servers_say_is_understood() {
        for (code, expect) in [
            (200, "sent"),
            (204, "sent"),
            (301, "refused"),
            (400, "refused"),
            (404, "refused"),
            (408, "later"),
            (410, "refused"),
            (425, "later"),
            (429, "later"),
            (500, "later"),
            (503, "later"),
        ] {
            assert_eq!(kind(&of_status(code, String::new)), expect, "{code}");
        }
        for (said, expect) in [
            (
                "Post \"https://hooks.example.com/x\": dial tcp 10.1.2.3:443: connect: connection refused",
                "later",
            ),
            (
                "Post \"https://hooks.example.com/x\": dial tcp: lookup hooks.example.com: no such host",
                "later",
            ),
            ("Post \"https://hooks.example.com/x\": net/http: TLS handshake timeout", "later"),
            ("Post \"https://hooks.example.com/x\": context deadline exceeded", "unknown"),
            ("Post \"https://hooks.example.com/x\": EOF", "unknown"),
            ("parse \"https://hooks.example.com/%zz\": invalid URL escape \"%zz\"", "refused"),
            ("Post \"https://hooks.example.com/x\": read: connection reset by peer", "unknown"),
        ] {
            assert_eq!(kind(&of_transport(said)), expect, "{said}");
        }
    }

    #[test]
    fn what_sendgrid_says_is_understood() {
        let said = |code: &str| format!("error from SendGrid: sending email failed: {code}");
        for (text, expect) in [
            (said("400 {Errors:[{Field:personalizations Message:bad Help:<nil>}]}"), "refused"),
            (said("401 {Errors:[]}"), "denied"),
            (said("403 {Errors:[]}"), "denied"),
            (said("429 {Errors:[]}"), "later"),
            (said("503 {Errors:[]}"), "later"),
            (said("Post \"https://api.sendgrid.com/v3/mail/send\": EOF"), "unknown"),
            (
                said("Post \"https://api.sendgrid.com/v3/mail/send\": dial tcp: lookup x: no such host"),
                "later",
            ),
        ] {
            assert_eq!(kind(&of_sendgrid(&text)), expect, "{text}");
        }
    }

    #[test]
    fn what_the_sidecar_says_is_told_from_what_a_binding_says() {
        let rejected = |code, message: &str| Error::Rejected { code, message: message.to_owned() };
        let said = rejected(Code::Internal, "error invoking output binding smtp: 550 5.1.1 no");
        assert_eq!(judge("smtp", &said), Ok("550 5.1.1 no".to_owned()));
        let answered =
            |said: &str| rejected(Code::Internal, &format!("error invoking output binding smtp: {said}"));
        // It is the mail server that says this.
        assert!(judge("smtp", &answered("sending email failed: 450 too many requests")).is_ok());
        let missing =
            rejected(Code::Internal, "error invoking output binding smtp: couldn't find output binding smtp");
        assert_eq!(judge("smtp", &missing), Err(Outcome::Missing { binding: "smtp".to_owned() }));
        for (error, expect) in [
            (Error::Deadline(Duration::from_secs(20)), "unknown"),
            (Error::Unavailable(Box::new(to_status(&Unavailable))), "unknown"),
            (rejected(Code::Unauthenticated, "no"), "later"),
            (rejected(Code::Unknown, "h2 protocol error"), "unknown"),
            (answered("context deadline exceeded"), "unknown"),
            (answered("context canceled"), "unknown"),
            (answered("circuit breaker is open"), "later"),
            (answered("too many requests"), "later"),
        ] {
            assert_eq!(kind(&judge("smtp", &error).unwrap_err()), expect, "{error:?}");
        }
    }

    #[test]
    fn a_reason_is_one_line_of_limited_length() {
        let said = "gomail: could not send email 1";
        let Outcome::Refused(text) = of_smtp(&format!("{said}: 550 a\r\nb {}", "x".repeat(10_000))) else {
            panic!()
        };
        assert!(
            text.starts_with("gomail: could not send email 1: 550 a b xx") && text.chars().count() == 500,
            "{text}"
        );
    }
}
