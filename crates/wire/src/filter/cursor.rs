//! Walks through the text of a filter, word by word.

use std::fmt::Display;

use docket_domain::content::Invalid;

/// How a field is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
}

/// Longer spellings first, so that `<=` is not read as `<`.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
    (":", Operator::Has),
];

/// What a field is compared with.
#[derive(Debug)]
pub(super) struct Value {
    /// The text without quotes and escapes, or the name of a function.
    pub(super) text: String,
    /// Whether it is the call of a function.
    pub(super) is_call: bool,
    /// Where it stands.
    pub(super) start: Position,
}

/// A place in the text: counts characters from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position(usize);

impl Position {
    pub(super) fn error(self, rule: impl Display) -> Invalid {
        Invalid(format!("is not understood at character {}: {rule}", self.0))
    }
}

/// The text, and how far it has been read.
pub(super) struct Cursor<'a> {
    text: &'a str,
    /// What is left of it.
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, rest: text }
    }

    pub(super) fn position(&mut self) -> Position {
        self.skip_space();
        let read = &self.text[..self.text.len() - self.rest.len()];
        Position(read.chars().count() + 1)
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    /// Reads the `AND` between two comparisons.
    pub(super) fn and(&mut self) -> Result<(), Invalid> {
        let start = self.position();
        match self.word() {
            "AND" => Ok(()),
            "OR" => Err(start.error("`OR` is not supported; comparisons are joined by `AND`")),
            _ => Err(start.error("expected `AND`")),
        }
    }

    /// Reads the field on the left of a comparison.
    pub(super) fn field(&mut self) -> Result<&'a str, Invalid> {
        let start = self.position();
        if self.rest.starts_with(['(', ')']) {
            return Err(start.error("parentheses are not supported"));
        }
        if self.rest.starts_with('-') {
            return Err(start.error("`-` is not supported; use `!=`"));
        }
        match self.word() {
            "" => Err(start.error("expected a comparison, for example `state = OPEN`")),
            "NOT" => Err(start.error("`NOT` is not supported; use `!=`")),
            word => Ok(word),
        }
    }

    /// Reads the rest of a comparison.
    pub(super) fn operator_and_value(&mut self) -> Result<(Operator, Value), Invalid> {
        let start = self.position();
        let found =
            OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, self.rest.strip_prefix(sign)?)));
        let Some((operator, rest)) = found else {
            return Err(start.error("expected one of = != < <= > >= :"));
        };
        self.rest = rest;
        Ok((operator, self.value()?))
    }

    fn value(&mut self) -> Result<Value, Invalid> {
        let start = self.position();
        if let Some(rest) = self.rest.strip_prefix('"') {
            self.rest = rest;
            return Ok(Value { text: self.quoted(start)?, is_call: false, start });
        }
        let text = self.take(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '=' | '<' | '>' | '!'));
        if text.is_empty() {
            return Err(start.error("expected a value; put it in double quotes if it has special characters"));
        }
        let Some(rest) = self.rest.strip_prefix('(') else {
            return Ok(Value { text: text.to_owned(), is_call: false, start });
        };
        self.rest = rest;
        let inside = self.position();
        self.rest = self.rest.strip_prefix(')').ok_or_else(|| inside.error("expected `)`"))?;
        Ok(Value { text: text.to_owned(), is_call: true, start })
    }

    /// Reads a quoted text up to its closing quote; the opening one has been read.
    fn quoted(&mut self, start: Position) -> Result<String, Invalid> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => match chars.next() {
                    Some(escaped @ ('"' | '\\')) => text.push(escaped),
                    _ => {
                        return Err(
                            start.error("in quotes a backslash stands only before \" or another backslash")
                        );
                    }
                },
                Some(other) => text.push(other),
                None => return Err(start.error("the closing double quote is missing")),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }

    fn word(&mut self) -> &'a str {
        self.take(|c| c.is_alphanumeric() || c == '_')
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// The beginning of a text, for messages.
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 40;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
