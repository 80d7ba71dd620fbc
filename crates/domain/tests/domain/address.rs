//! Which addresses messages may go to, and why not to others.

use docket_domain::address::WebhookRules;
use docket_domain::{EmailAddress, WebhookOrigin, WebhookUrl};

#[test]
fn one_bare_address_is_taken() {
    for text in [
        "alice@example.com",
        "a@b",
        "first.last+tag@sub.example.co.uk",
        "o'brien_{x}@example.com",
        "alice@xn--bcher-kva.example",
        &format!("{}@example.com", "a".repeat(64)),
    ] {
        assert_eq!(EmailAddress::parse(text).unwrap().as_str(), text);
    }
}

#[test]
fn what_could_be_more_than_an_address_is_refused() {
    let control = "control characters or white space";
    let label = "a".repeat(62);
    let long = format!("a@{}.example", [label.as_str(); 4].join("."));
    assert!(long.len() > 254);
    for (text, why) in [
        ("alice@example.com\r\nBcc: eve@example.com", control),
        ("alice@example.com\nSubject: x", control),
        ("alice@example.com\r", control),
        ("alice@example.com\0", control),
        ("\u{85}alice@example.com", control),
        ("alice@example.com ", control),
        (" alice@example.com", control),
        ("alice\u{2028}@example.com", control),
        ("alice@example.com,eve@example.com", "a single address"),
        ("alice@example.com;eve@example.com", "a single address"),
        ("eve@example.com@example.org", "a single address"),
        ("alice@bücher.example", "ASCII"),
        ("ålice@example.com", "ASCII"),
        ("alice\u{202e}@example.com", "ASCII"),
        ("\"alice\"@example.com", "bare address"),
        ("<alice@example.com>", "bare address"),
        ("Alice<alice@example.com>", "bare address"),
        ("alice(comment)@example.com", "bare address"),
        ("alice@[127.0.0.1]", "bare address"),
        ("alice\\@example.com", "bare address"),
        ("", "an address of electronic mail"),
        ("alice", "an address of electronic mail"),
        ("@example.com", "an address of electronic mail"),
        ("alice@", "an address of electronic mail"),
        (".alice@example.com", "an address of electronic mail"),
        ("alice..b@example.com", "an address of electronic mail"),
        ("alice@-example.com", "an address of electronic mail"),
        ("alice@example..com", "an address of electronic mail"),
        (&format!("{}@example.com", "a".repeat(65)), "an address of electronic mail"),
        (&long, "at most 254 bytes"),
    ] {
        let refused = EmailAddress::parse(text).expect_err(text);
        assert!(refused.0.contains(why), "{text:?}: {refused}");
    }
}

fn rules(origins: &[&str], allow_private: bool) -> WebhookRules {
    let origins = origins.iter().map(|text| WebhookOrigin::parse(text, allow_private).unwrap()).collect();
    WebhookRules { origins, allow_private }
}

fn checked(text: &str, rules: &WebhookRules) -> Result<WebhookUrl, String> {
    let url = WebhookUrl::parse(text).map_err(|why| why.0)?;
    url.allowed(rules).map_err(|why| why.0)?;
    Ok(url)
}

#[test]
fn an_allowed_origin_takes_any_path() {
    let rules = rules(&["https://hooks.example.com", "https://hooks.example.com:8443"], false);
    for (text, origin, path) in [
        ("https://hooks.example.com", "https://hooks.example.com", "/"),
        ("https://hooks.example.com:443/", "https://hooks.example.com", "/"),
        ("https://HOOKS.example.com/a/b?c=d&e", "https://hooks.example.com", "/a/b?c=d&e"),
        ("https://hooks.example.com?x", "https://hooks.example.com", "/?x"),
        ("https://hooks.example.com/a/../b", "https://hooks.example.com", "/b"),
        ("https://hooks.example.com:8443/ä", "https://hooks.example.com:8443", "/%C3%A4"),
    ] {
        let url = checked(text, &rules).unwrap();
        assert_eq!((url.origin().as_str(), url.path_and_query()), (origin, path), "{text}");
        assert_eq!(WebhookUrl::parse(url.as_str()), Ok(url), "what is stored is read again");
    }
}

#[test]
fn other_origins_are_refused_with_those_that_are_allowed() {
    let rules = rules(&["https://hooks.example.com", "https://other.example"], false);
    for text in [
        "https://example.com/",
        "https://hooks.example.com.evil.example/",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com./",
        "https://evil.example/https://hooks.example.com/",
        "https://evil.example\\hooks.example.com/",
    ] {
        let why = checked(text, &rules).expect_err(text);
        assert!(why.contains("https://hooks.example.com, https://other.example"), "{text}: {why}");
    }
    let why = checked("https://example.com/", &WebhookRules::default()).unwrap_err();
    assert!(why.contains("sends no webhooks"), "{why}");
}

/// (URL, why not)
const REFUSED: [(&str, &str); 48] = [
    ("", "must be a URL"),
    ("hooks.example.com/x", "must be a URL"),
    ("https://", "must be a URL"),
    ("https://exa mple.com/", "white space"),
    ("https://example.com/a\nb", "control characters"),
    ("https://example.com/a\tb", "control characters"),
    (" https://example.com/", "white space"),
    ("ftp://example.com/", "must begin with https://"),
    ("javascript:alert(1)", "must begin with https://"),
    ("data:text/html,x", "must begin with https://"),
    ("file:///etc/passwd", "must begin with https://"),
    ("http://example.com/", "must begin with https://"),
    ("https://user@example.com/", "a user or a password"),
    ("https://:secret@example.com/", "a user or a password"),
    ("https://hooks.example.com@evil.example/", "a user or a password"),
    ("https://example.com/#x", "a fragment"),
    ("https://localhost/", "the local host"),
    ("https://LocalHost./", "the local host"),
    ("https://a.localhost/", "the local host"),
    ("https://127.0.0.1/", "a loopback address"),
    ("https://127.255.255.254:8443/", "a loopback address"),
    ("https://2130706433/", "a loopback address"),
    ("https://0x7f.1/", "a loopback address"),
    ("https://0177.0.0.1/", "a loopback address"),
    ("https://[::1]/", "a loopback address"),
    ("https://0.0.0.0/", "an unspecified address"),
    ("https://0/", "an unspecified address"),
    ("https://[::]/", "an unspecified address"),
    ("https://10.0.0.1/", "a private network"),
    ("https://172.16.0.1/", "a private network"),
    ("https://172.31.255.255/", "a private network"),
    ("https://192.168.1.1/", "a private network"),
    ("https://[fc00::1]/", "a private network"),
    ("https://[fdff::1]/", "a private network"),
    ("https://169.254.169.254/latest/meta-data", "a link-local address"),
    ("https://[fe80::1]/", "a link-local address"),
    ("https://[febf::1]/", "a link-local address"),
    ("https://100.64.0.1/", "a carrier's translator"),
    ("https://100.127.255.255/", "a carrier's translator"),
    ("https://[::ffff:127.0.0.1]/", "a loopback address"),
    ("https://[::ffff:a00:1]/", "a private network"),
    ("https://[::ffff:8.8.8.8]/", "in the form of IPv6"),
    ("https://[::127.0.0.1]/", "reserved"),
    ("https://[64:ff9b::7f00:1]/", "reserved"),
    ("https://[2002:7f00:1::]/", "reserved"),
    ("https://224.0.0.1/", "multicast or reserved"),
    ("https://255.255.255.255/", "multicast or reserved"),
    ("https://[ff02::1]/", "reserved"),
];

#[test]
fn an_address_that_is_not_public_is_refused_whatever_the_origins_say() {
    for (text, why) in REFUSED {
        // As if an operator had listed it while it was allowed.
        let origins: Vec<WebhookOrigin> = WebhookUrl::parse(text).iter().map(WebhookUrl::origin).collect();
        let told = checked(text, &WebhookRules { origins, allow_private: false }).expect_err(text);
        assert!(told.contains(why), "{text:?}: {told}");
    }
}

#[test]
fn public_addresses_at_the_edges_of_ranges_are_not() {
    for host in [
        "9.255.255.255",
        "11.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "8.8.8.8",
        "[2606:4700::1]",
    ] {
        let origin = format!("https://{host}");
        let rules = rules(&[&origin], false);
        checked(&format!("{origin}/x"), &rules).unwrap_or_else(|why| panic!("{host}: {why}"));
    }
}

#[test]
fn a_private_network_can_be_allowed() {
    let rules = rules(&["http://127.0.0.1:8080", "http://localhost"], true);
    for text in ["http://127.0.0.1:8080/a", "http://localhost:80/"] {
        checked(text, &rules).unwrap_or_else(|why| panic!("{text}: {why}"));
    }
    let why = checked("http://127.0.0.1:8081/", &rules).unwrap_err();
    assert!(why.contains("http://127.0.0.1:8080, http://localhost"), "{why}");
}

#[test]
fn an_origin_is_nothing_but_an_origin() {
    for text in ["https://a.example/", "https://a.example/x", "https://a.example?x", "https://a.example/x/"] {
        let why = WebhookOrigin::parse(text, false).expect_err(text);
        assert!(why.0.contains("alone"), "{text}: {why}");
    }
    for text in
        ["http://a.example", "https://127.0.0.1", "https://localhost:8443", "https://[::1]", "a.example", ""]
    {
        assert!(WebhookOrigin::parse(text, false).is_err(), "{text}");
    }
    assert_eq!(WebhookOrigin::parse("https://A.example:443", false).unwrap().as_str(), "https://a.example");
    let long = format!("https://a.example/{}", "x".repeat(2_048));
    assert!(WebhookUrl::parse(&long).unwrap_err().0.contains("2048"));
    let grows = format!("https://a.example/{}", "ä".repeat(600));
    assert!(WebhookUrl::parse(&grows).unwrap_err().0.contains("encoded"));
}
