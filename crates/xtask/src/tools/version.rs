//! Versions as programs say them.

use std::fmt;

/// A version; a pre-release comes before its release, and pre-releases of one release are not told apart.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    released: bool,
}

impl Version {
    /// A released version.
    pub(crate) const fn release(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch, released: true }
    }

    /// Reads `1.18.3`, `v1.18.3`, `1.18.3-rc.1`, `go1.26` and their like.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches("go").trim_start_matches('v');
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let (numbers, released) = text.split_once('-').map_or((text, true), |(numbers, _)| (numbers, false));
        let mut numbers = numbers.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next().transpose().ok();
        let (major, minor, patch) = (next()??, next()??, next()?.unwrap_or(0));
        next()?.is_none().then_some(Self { major, minor, patch, released })
    }

    /// The first one in a text.
    pub(crate) fn find(text: &str) -> Option<Self> {
        let words =
            text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '(' | ')' | '='));
        words.filter(|word| word.matches('.').count() >= 2).find_map(Self::parse)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, patch, released } = self;
        write!(f, "{major}.{minor}.{patch}{}", if *released { "" } else { " (pre-release)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        let rising =
            ["1.18.2", "1.18.3-rc.1", "v1.18.3", "1.18.10", "1.19.0-rc.1", "1.19", "go1.26.6", "go1.27+exp"];
        let versions: Vec<Version> = rising.iter().map(|text| Version::parse(text).unwrap()).collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        for text in ["edge", "", "1", "127.0.0.1", "1.x.3"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn version_is_found_among_other_words() {
        let check = |text, expect| assert_eq!(Version::find(text), expect, "{text}");
        let expect = Some(Version::release(1, 18, 3));
        check("level=info msg=\"Starting at 127.0.0.1 -- version 1.18.3 -- commit \" ver=1.18.1", expect);
        check("cargo-deny 1.18.3\n", expect);
        check("took 0.5 s", None);
    }
}
