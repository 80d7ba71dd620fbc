//! What a process tells Prometheus, read strictly: the text format 0.0.4.

use std::collections::BTreeMap;

/// All figures of a process at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(Vec<Sample>);

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// What tells it from others of the name.
    pub labels: BTreeMap<String, String>,
    /// How much it is.
    pub value: f64,
}

impl Figures {
    /// Reads a page.
    ///
    /// # Errors
    /// When a line is not of the format, or a figure has no type; it is shown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut types, mut samples) = (BTreeMap::new(), Vec::new());
        for line in text.lines() {
            let wrong = |why: &str| format!("{why}: {line:?}");
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                match (words.next(), words.next(), words.next()) {
                    (Some("HELP"), Some(name), _) if is_name(name) => {}
                    (Some("TYPE"), Some(name), Some(kind)) if is_name(name) && KINDS.contains(&kind) => {
                        if types.insert(name, kind).is_some() {
                            return Err(wrong("a second type of one name"));
                        }
                    }
                    _ => return Err(wrong("neither a help nor a type")),
                }
                continue;
            }
            let sample = sample(line).ok_or_else(|| wrong("not a figure"))?;
            if !has_type(&types, &sample.name) {
                return Err(wrong("without a type"));
            }
            samples.push(sample);
        }
        Ok(Self(samples))
    }

    /// Every one.
    pub fn all(&self) -> &[Sample] {
        &self.0
    }

    /// Those of a name that have these labels.
    pub fn of<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        let has = |sample: &Sample, (label, value): &(&str, &str)| {
            sample.labels.get(*label).is_some_and(|known| known == value)
        };
        self.0
            .iter()
            .filter(move |sample| sample.name == name && labels.iter().all(|label| has(sample, label)))
    }

    /// Their sum; none when there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.of(name, labels).map(|sample| sample.value).reduce(|a, b| a + b)
    }
}

const KINDS: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

/// A histogram's figures have endings to its name.
fn has_type(types: &BTreeMap<&str, &str>, name: &str) -> bool {
    let histogram = |end: &str| {
        name.strip_suffix(end).and_then(|name| types.get(name)).is_some_and(|kind| *kind == "histogram")
    };
    types.contains_key(name) || ["_bucket", "_sum", "_count"].into_iter().any(histogram)
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = value.strip_prefix(' ')?.parse().ok()?;
    is_name(name).then(|| Sample { name: name.to_owned(), labels, value })
}

/// The labels, and what follows the brace after them.
fn labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (mut value, mut characters) = (String::new(), rest.char_indices());
        let end = loop {
            match characters.next()? {
                (end, '"') => break end,
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    _ => return None,
                }),
                (_, other) => value.push(other),
            }
        };
        if !is_name(name) || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        let rest = &rest[end + 1..];
        text = rest.strip_prefix(',').unwrap_or(rest);
        if text.len() == rest.len() && !rest.starts_with('}') {
            return None;
        }
    }
}

fn is_name(text: &str) -> bool {
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    starts && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_with_their_labels() {
        let text = "# HELP up Whether \"it\" lives\n# TYPE up gauge\nup 1\n# TYPE wait_seconds histogram\n\
                    wait_seconds_bucket{le=\"+Inf\",way=\"a\\\"b\\n\"} 2\nwait_seconds_sum{} 0.5\nup{a=\"b\",c=\"\"} NaN\n\
                    up{a=\"b\"} 4\n";
        let figures = Figures::parse(text).unwrap();
        assert_eq!(figures.all().len(), 5);
        assert_eq!(figures.sum("wait_seconds_bucket", &[("way", "a\"b\n")]), Some(2.0));
        assert_eq!(figures.sum("up", &[("c", "d")]), None);
        assert_eq!(figures.sum("wait_seconds_sum", &[]), Some(0.5));
        assert_eq!(figures.of("up", &[("a", "b")]).count(), 2);
    }

    #[test]
    fn what_is_not_of_the_format_is_refused() {
        let check = |line: &str| {
            let text = format!("# TYPE up gauge\n{line}\n");
            assert!(Figures::parse(&text).is_err(), "{line:?}");
        };
        for line in [
            "",
            "up",
            "up x",
            "up{a=\"b\" 1",
            "up{a=b} 1",
            "up{a=\"b\"c=\"d\"} 1",
            "up{a=\"\\x\"} 1",
            "up{1=\"b\"} 1",
            "up{a=\"b\",a=\"c\"} 1",
            "down 1",
            "up_sum 1",
            "1up 1",
            "# TYPE up gauge",
            "# TYPE down thing",
            "# anything",
        ] {
            check(line);
        }
    }
}
