//! A mail, as its reader sees it.

use mail_parser::{Address, MessageParser, MimeHeaders as _};

/// A mail in a mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Whose mailbox it is in: whom it was sent to, whatever it says itself.
    pub recipient: String,
    /// The address that it says to be from.
    pub from: String,
    /// The addresses that it says to be for.
    pub to: Vec<String>,
    /// Its subject, decoded.
    pub subject: String,
    /// Its HTML, decoded; empty when it has none.
    pub html: String,
    /// Its text as it is; empty when it has none of its own.
    pub text: String,
    /// All of it, as it came. The mail server has put two headers before it.
    pub raw: String,
}

impl Message {
    /// Reads a mail.
    ///
    /// # Panics
    /// When it is none.
    pub(super) fn read(recipient: &str, raw: String) -> Self {
        let Some(mail) = MessageParser::default().parse(raw.as_bytes()) else { panic!("no mail: {raw}") };
        let part = |kind: &str| -> String {
            let of_kind = |part: &&mail_parser::MessagePart<'_>| {
                part.content_type().is_some_and(|found| found.subtype() == Some(kind))
            };
            mail.parts
                .iter()
                .find(of_kind)
                .and_then(|part| part.text_contents())
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            recipient: recipient.to_owned(),
            from: addresses(mail.from()).into_iter().next().unwrap_or_default(),
            to: addresses(mail.to()),
            subject: mail.subject().unwrap_or_default().to_owned(),
            html: part("html"),
            text: part("plain"),
            raw,
        }
    }

    /// Every header, in their order, each with its value as it came but for line breaks. Two are the mail server's.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in self.raw.lines().take_while(|line| !line.is_empty()) {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = headers.last_mut() {
                    value.push_str(line);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
        headers
    }
}

fn addresses(header: Option<&Address<'_>>) -> Vec<String> {
    let addresses = header.into_iter().flat_map(Address::iter);
    addresses.filter_map(|one| one.address()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_as_it_was_meant() {
        let raw = "Return-Path: <a@x.org>\r\nFrom: Docket <docket@x.org>\r\nTo: b@x.org,\r\n c@x.org\r\n\
            Subject: =?UTF-8?q?Gr=C3=BC=C3=9Fe,_?=\r\n =?UTF-8?q?Welt?=\r\nMIME-Version: 1.0\r\n\
            Content-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            <p>Gr=C3=BC=C3=9Fe =\r\nan alle</p>\r\n.. zwei Punkte";
        let message = Message::read("b@x.org", raw.to_owned());
        assert_eq!((message.recipient.as_str(), message.from.as_str()), ("b@x.org", "docket@x.org"));
        assert_eq!(message.to, ["b@x.org", "c@x.org"]);
        assert_eq!(message.subject, "Grüße, Welt");
        assert_eq!(message.html.replace("\r\n", "\n"), "<p>Grüße an alle</p>\n.. zwei Punkte");
        assert_eq!(message.text, "");
        let headers = message.headers();
        assert_eq!(headers[2], ("To".to_owned(), "b@x.org, c@x.org".to_owned()));
        assert_eq!(headers.len(), 7, "{headers:?}");
    }
}
