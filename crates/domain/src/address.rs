//! Where messages go: addresses of mail and of signed requests, checked so that none can be turned against others.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::content::Invalid;

/// One address of electronic mail (RFC 5321), in ASCII and without quotes, comments, display name or literal address, so
/// that it can stand in a header.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The most bytes of an address (RFC 5321 section 4.5.3.1.3, without the angle brackets).
    pub const MAX_BYTES: usize = 254;

    /// Checks an address. White space is not dropped: a line break may be somebody's header.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > Self::MAX_BYTES {
            return Err(Invalid(format!("must have at most {} bytes", Self::MAX_BYTES)));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(invalid("must not contain control characters or white space"));
        }
        if text.contains([',', ';']) || text.matches('@').count() > 1 {
            return Err(invalid("must be a single address"));
        }
        if !text.is_ascii() {
            return Err(invalid(
                "must be ASCII; other scripts have a form of a domain that begins with xn--",
            ));
        }
        if text.contains(['"', '\\', '(', ')', '<', '>', '[', ']']) {
            return Err(invalid("must be a bare address without quotes, comments, brackets or a name"));
        }
        let options = email_address::Options::default().without_display_text().without_domain_literal();
        match email_address::EmailAddress::parse_with_options(text, options) {
            Ok(address) => Ok(Self(address.into())),
            Err(_) => Err(invalid("must be an address of electronic mail, for example alice@example.com")),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which webhooks a server sends.
#[derive(Clone, Debug, Default)]
pub struct WebhookRules {
    /// The origins that requests may go to.
    pub origins: Vec<WebhookOrigin>,
    /// Whether `http` and hosts of private networks may be used: for tests, and for servers in a network of their own.
    pub allow_private: bool,
}

/// Where a server may send requests: scheme, host and port.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WebhookOrigin(String);

impl WebhookOrigin {
    /// Checks an origin, for example `https://hooks.example.com`; a port that is the scheme's own is dropped.
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, Invalid> {
        let url = url(text)?;
        check_peer(&url, allow_private)?;
        if url.path() != "/" || url.query().is_some() || text.ends_with('/') {
            return Err(invalid(
                "must be a scheme, a host and a port alone, for example https://hooks.example.com",
            ));
        }
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// The origin as RFC 6454 writes it: without a path, and without the scheme's own port.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a user's signed requests go: an `http` or `https` URL with a host, without user, password and fragment.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// The most bytes of a URL.
    pub const MAX_BYTES: usize = 2_048;

    /// How many of the allowed origins a refusal names: it has to fit into an answer.
    const MAX_NAMED: usize = 8;

    /// Checks the form of a URL. Whether requests may go there, the rules of the server say: [`WebhookUrl::allowed`].
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > Self::MAX_BYTES {
            return Err(Invalid(format!("must have at most {} bytes", Self::MAX_BYTES)));
        }
        let url = url(text)?;
        // What a URL is percent-encoded to may be longer.
        if url.as_str().len() > Self::MAX_BYTES {
            return Err(Invalid(format!("must have at most {} bytes when it is encoded", Self::MAX_BYTES)));
        }
        Ok(Self(url))
    }

    /// Checks whether requests may go there.
    pub fn allowed(&self, rules: &WebhookRules) -> Result<(), Invalid> {
        check_peer(&self.0, rules.allow_private)?;
        if rules.origins.contains(&self.origin()) {
            return Ok(());
        }
        if rules.origins.is_empty() {
            return Err(invalid("can not be used: this server sends no webhooks"));
        }
        let mut origins: Vec<&str> =
            rules.origins.iter().map(WebhookOrigin::as_str).take(Self::MAX_NAMED).collect();
        if rules.origins.len() > origins.len() {
            origins.push("and others");
        }
        Err(Invalid(format!("must have one of the origins that this server allows: {}", origins.join(", "))))
    }

    /// Its scheme, host and port.
    pub fn origin(&self) -> WebhookOrigin {
        WebhookOrigin(self.0.origin().ascii_serialization())
    }

    /// What follows the origin: the path, which begins with `/`, and the query.
    pub fn path_and_query(&self) -> &str {
        self.0.as_str().get(self.origin().0.len()..).unwrap_or("/")
    }

    /// The URL, normalized.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

fn url(text: &str) -> Result<Url, Invalid> {
    // The parser would drop them in silence.
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid("must not contain control characters or white space"));
    }
    let url = Url::parse(text).map_err(|why| Invalid(format!("must be a URL: {why}")))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(invalid("must begin with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must not contain a user or a password"));
    }
    if url.fragment().is_some() {
        return Err(invalid("must not contain a fragment"));
    }
    Ok(url)
}

/// What holds for the peer of every request, whoever allows it.
fn check_peer(url: &Url, allow_private: bool) -> Result<(), Invalid> {
    if allow_private {
        return Ok(());
    }
    if url.scheme() != "https" {
        return Err(invalid("must begin with https://"));
    }
    let kind = match url.host() {
        Some(Host::Domain(name)) => local_name(name),
        Some(Host::Ipv4(address)) => inner_v4(address),
        Some(Host::Ipv6(address)) => inner_v6(address),
        None => Some("no host"),
    };
    match kind {
        None => Ok(()),
        Some(kind) => {
            Err(Invalid(format!("must not name {kind}: only hosts of the public network are allowed")))
        }
    }
}

/// RFC 6761 section 6.3: these names are the loopback's, whatever a resolver says.
fn local_name(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    (name == "localhost" || name.ends_with(".localhost")).then_some("the local host")
}

/// Which special range of RFC 6890 an address is in, if requests to it would not leave for the public network.
fn inner_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("an unspecified address"),
        [127, ..] => Some("a loopback address"),
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Some("an address of a private network"),
        [169, 254, ..] => Some("a link-local address"),
        [100, 64..=127, ..] => Some("an address shared behind a carrier's translator"),
        [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some("an address that is reserved")
        }
        [224..=255, ..] => Some("a multicast or reserved address"),
        _ => None,
    }
}

fn inner_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let IpAddr::V4(mapped) = address.to_canonical() {
        return inner_v4(mapped).or(Some("an IPv4 address in the form of IPv6"));
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        [0xfc00..=0xfdff, ..] => Some("an address of a private network"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        // Global unicast addresses; of those, what leads to IPv4 by itself.
        [0x2001, 0, ..] | [0x2002, ..] | [0x2001, 0xdb8, ..] => Some("an address that is reserved"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("an address that is reserved"),
    }
}

fn invalid(rule: &str) -> Invalid {
    Invalid(rule.to_owned())
}
