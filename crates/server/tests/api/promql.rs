//! What a query asks Prometheus for. Enough of PromQL's grammar to tell names from words; whether a query is right,
//! Prometheus's own `promtool` says.

use std::collections::BTreeSet;

/// Before them stands an aggregation, after them a list of labels.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// They stand between operands.
const WORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];

/// What a query asks for.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) series: BTreeSet<String>,
    /// By which is chosen or grouped.
    pub(crate) labels: BTreeSet<String>,
    /// Which values a label may have, or may not, each alternative of a pattern by itself.
    pub(crate) values: BTreeSet<(String, String)>,
}

impl Asked {
    /// Of this query.
    pub(crate) fn of(query: &str) -> Self {
        let mut asked = Self::default();
        let mut rest = query;
        while let Some(next) = rest.chars().next() {
            rest = match next {
                'a'..='z' | 'A'..='Z' | '_' | ':' => asked.word(rest),
                '0'..='9' => split(rest, |c| !c.is_alphanumeric() && c != '.').1,
                '[' => split(rest, |c| c == ']').1,
                '{' => asked.matchers(&rest[1..]),
                _ => &rest[next.len_utf8()..],
            };
        }
        asked
    }

    /// A name or a word at the beginning; answers what follows it.
    fn word<'a>(&mut self, rest: &'a str) -> &'a str {
        let (word, rest) = split(rest, |c| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        let follows = rest.trim_start();
        if GROUPINGS.contains(&word) {
            let Some(list) = follows.strip_prefix('(') else { return rest };
            let (list, rest) = split(list, |c| c == ')');
            let labels = list.split(',').map(str::trim).filter(|label| !label.is_empty());
            self.labels.extend(labels.map(str::to_owned));
            return rest;
        }
        let (after, _) = split(follows, |c: char| !c.is_ascii_alphabetic());
        let is_function = follows.starts_with('(') || matches!(after, "by" | "without");
        if !is_function && !WORDS.contains(&word) {
            self.series.insert(word.to_owned());
        }
        rest
    }

    /// What stands in braces; answers what follows them.
    fn matchers<'a>(&mut self, mut rest: &'a str) -> &'a str {
        loop {
            rest = rest.trim_start_matches([' ', '\n', ',']);
            if let Some(rest) = rest.strip_prefix('}') {
                return rest;
            }
            let (label, text) = split(rest, |c| c == '"');
            let label = label.trim_end_matches(['=', '!', '~', ' ']);
            let Some(text) = text.strip_prefix('"') else { return "" };
            let (value, after) = split(text, |c| c == '"');
            self.labels.insert(label.to_owned());
            self.values.extend(value.split('|').map(|value| (label.to_owned(), value.to_owned())));
            rest = after.strip_prefix('"').unwrap_or_default();
        }
    }
}

/// What stands before the first of these characters, and the rest from it on.
fn split(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

#[test]
fn names_are_told_from_words() {
    let check = |query: &str, series: &[&str], labels: &[&str], values: &[(&str, &str)]| {
        let asked = Asked::of(query);
        assert!(asked.series.iter().eq(series), "{query}: {asked:?}");
        assert!(asked.labels.iter().eq(labels), "{query}: {asked:?}");
        let told = values.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        assert_eq!(asked.values, told.collect(), "{query}");
    };
    check("up", &["up"], &[], &[]);
    check(
        "sum by (le, a) (rate(b_bucket{c=~\"x|y\", d!=\"\"}[5m])) > 14.4 * 0.001",
        &["b_bucket"],
        &["a", "c", "d", "le"],
        &[("c", "x"), ("c", "y"), ("d", "")],
    );
    check("max(a:b:rate5m) unless on (x)\n  sum(c offset 1h) > 1e3", &["a:b:rate5m", "c"], &["x"], &[]);
    check("count(a) by (x) / ignoring(y) group_left b[1h:5m] and bool", &["a", "b"], &["x", "y"], &[]);
    check(
        "absent(up{job=\"docket\"}) or e{f=\"by (g)\"}",
        &["e", "up"],
        &["f", "job"],
        &[("f", "by (g)"), ("job", "docket")],
    );
}
