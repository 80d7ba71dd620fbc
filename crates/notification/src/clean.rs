//! Text of users, made fit for places where it could do harm: subjects, log lines, reasons.

use std::net::{IpAddr, SocketAddr};

/// What looks like nothing and changes how the rest is read: marks and overrides of the writing direction.
fn is_invisible_order(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// In one line: control characters and line breaks of every kind become spaces, runs of white space one; what changes the
/// direction of writing is left out.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible_order(*c)) {
        if c.is_control() || c.is_whitespace() {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
        } else {
            line.push(c);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// At most so many characters; the last one says that there were more.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The most characters of a reason that is kept.
const REASON_CHARS: usize = 500;

/// What Go writes before the URL of a request that failed.
const VERBS: [&str; 7] = ["Get", "Head", "Post", "Put", "Patch", "Delete", "parse"];

/// What is kept of a text that somebody else wrote about a failure: one line of limited length, without whom the message was
/// for, and without URLs and addresses of machines, which may be secrets.
pub(crate) fn reason(text: &str) -> String {
    let text = without_quoted_urls(&without_angles(&one_line(text)));
    let words = text.split(' ').filter(|word| !word.contains('@') && !word.contains("://"));
    let words: Vec<String> = words.map(without_ips).filter(|word| !word.is_empty()).collect();
    shortened(&words.join(" "), REASON_CHARS)
}

/// Without `<...>`, in which mail servers write addresses.
fn without_angles(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once('<') {
        kept.push_str(before);
        match inside.split_once('>') {
            Some((_, after)) => rest = after.strip_prefix(':').unwrap_or(after),
            None => rest = inside,
        }
    }
    kept + rest
}

/// Without `Post "https://…":` and what else is quoted and names a place.
fn without_quoted_urls(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, quoted)) = rest.split_once('"') {
        kept.push_str(before);
        let (inside, after) = quoted.split_once('"').unwrap_or((quoted, ""));
        let verb = VERBS.iter().find(|verb| before.trim_end().ends_with(*verb));
        if let Some(verb) = verb {
            kept.truncate(kept.trim_end().len() - verb.len());
        } else if !inside.contains(['/', '@']) {
            kept.extend(["\"", inside, "\""]);
        }
        rest = if verb.is_some() { after.trim_start_matches([':', ' ']) } else { after };
    }
    kept + rest
}

/// A word without the addresses of machines in it.
fn without_ips(word: &str) -> String {
    let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
    let (mut kept, mut rest) = (String::new(), word);
    while let Some(start) = rest.find(is_part) {
        let (before, run) = rest.split_at(start);
        let (run, after) = run.split_at(run.find(|c| !is_part(c)).unwrap_or(run.len()));
        let core = run.trim_end_matches([':', '.']);
        let is_ip = core.parse::<IpAddr>().is_ok() || core.parse::<SocketAddr>().is_ok();
        kept.push_str(before);
        kept.push_str(if is_ip { "" } else { run });
        rest = after;
    }
    kept.push_str(rest);
    // What stood between two of them says nothing alone.
    if kept == word || kept.contains(char::is_alphabetic) { kept } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_nobody_and_no_place() {
        for (text, expect) in [
            ("550 5.1.1 <x@example.com>: Recipient rejected", "550 5.1.1 Recipient rejected"),
            ("553 x@example.com, who is \"y@example.com\"? sorry", "553 who is ? sorry"),
            ("550 \"a b\"@example.com unknown", "550 \"a unknown"),
            ("Post \"https://h.example.com/x?key=s3cret\": EOF", "EOF"),
            (
                "error: Post \"https://h.example.com/x\": dial tcp 10.1.2.3:443: connect: connection refused",
                "error: dial tcp connect: connection refused",
            ),
            ("parse \"https://h.example.com/%zz\": invalid URL escape \"%zz\"", "invalid URL escape \"%zz\""),
            ("see https://h.example.com/x?key=s3cret for more", "see for more"),
            ("read tcp 127.0.0.1:40000->127.0.0.1:25: i/o timeout", "read tcp i/o timeout"),
            ("dial tcp [2001:db8::1]:443: no route to host", "dial tcp no route to host"),
            ("blocked (192.0.2.7) by list", "blocked by list"),
            ("554 5.7.1 Message 12:30:45 refused: bad", "554 5.7.1 Message 12:30:45 refused: bad"),
            ("an open < bracket and an open \" quote", "an open bracket and an open \" quote\""),
            ("421 4.3.2\r\nBcc: eve@example.com", "421 4.3.2 Bcc:"),
            ("Delete", "Delete"),
            ("", ""),
        ] {
            assert_eq!(reason(text), expect, "{text}");
        }
        assert_eq!(reason(&"x".repeat(10_000)).chars().count(), REASON_CHARS);
    }

    #[test]
    fn a_line_is_one_line() {
        for (text, expect) in [
            ("plain", "plain"),
            ("  two\r\nlines\u{2028}and\u{85}more\t ", "two lines and more"),
            ("Subject: x\r\nBcc: eve@example.com", "Subject: x Bcc: eve@example.com"),
            ("\u{202e}drowssap\u{202c} \0", "drowssap"),
            ("\u{7f}\n", ""),
        ] {
            assert_eq!(one_line(text), expect);
        }
    }

    #[test]
    fn what_is_too_long_ends_with_a_mark() {
        assert_eq!(shortened("ääää", 4), "ääää");
        assert_eq!(shortened("äää ää", 5), "äää…");
        assert_eq!(shortened(&"x".repeat(10_000), 200).chars().count(), 200);
    }
}
