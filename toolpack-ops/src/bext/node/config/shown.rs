//! The text of a configuration as it may be shown: unchanged, but for what is secret in it.
//!
//! Two looks at the text find that. One goes down the tree of its values, and hides those that stand under the name of a
//! credential, however TOML lets that be written. The other goes along the text itself, and hides strings (values and keys)
//! and comments that have a credential in them.

use std::borrow::Cow;
use std::ops::Range;

use toml_edit::{InlineTable, Item, TableLike, Value};

use super::credentials;
use super::reader::{self, Problem};

const HIDDEN_VALUE: &str = "\"[hidden]\"";
const HIDDEN_COMMENT: &str = "# [hidden]";

/// The text with what is secret in it masked; why there is none, if it is no TOML.
pub(super) fn masked(text: &str) -> Result<String, Problem> {
    let document = reader::document(text)?;
    let mut search = Search::default();
    search.table(document.as_table(), false);
    let mut hidden: Vec<(Range<usize>, &str)> =
        search.hidden.into_iter().map(|span| (span, HIDDEN_VALUE)).collect();
    let tokens = tokens(text);
    let strings = tokens.iter().filter(|token| token.kind == Kind::String);
    hidden.extend(
        strings
            .filter(|string| {
                content(&text[string.span.clone()]).is_none_or(|text| credentials::are_in(&text))
            })
            .map(|string| (string.span.clone(), HIDDEN_VALUE)),
    );
    let comments = tokens.into_iter().filter(|token| token.kind == Kind::Comment).map(|token| token.span);
    let of_comments = hidden_comments(text, comments, &hidden);
    hidden.extend(of_comments.into_iter().map(|span| (span, HIDDEN_COMMENT)));
    Ok(without(text, hidden))
}

/// The text with each span replaced; what lies within another is gone with it.
fn without(text: &str, mut hidden: Vec<(Range<usize>, &str)>) -> String {
    hidden.sort_unstable_by_key(|(span, _)| (span.start, std::cmp::Reverse(span.end)));
    let (mut shown, mut end) = (String::with_capacity(text.len()), 0);
    for (span, instead) in hidden {
        if span.start >= end {
            shown.push_str(&text[end..span.start]);
            shown.push_str(instead);
        }
        end = end.max(span.end);
    }
    shown.push_str(&text[end..]);
    shown
}

/// The values that stand under the name of a credential.
#[derive(Default)]
struct Search {
    hidden: Vec<Range<usize>>,
}

impl Search {
    fn table(&mut self, table: &dyn TableLike, is_hidden: bool) {
        // As in `{ name = "API_KEY", value = "…" }`: one entry says what another is.
        let named = table.iter().filter(|(_, item)| names_credential(item.as_value())).count();
        for (name, item) in table.iter() {
            let is_hidden = is_hidden || credentials::is_named_by(name);
            match item {
                Item::None => {}
                Item::Table(table) => self.table(table, is_hidden),
                Item::ArrayOfTables(tables) => {
                    tables.iter().for_each(|table| self.table(table, is_hidden));
                }
                Item::Value(value) => {
                    let others = named - usize::from(names_credential(Some(value)));
                    self.value(value, is_hidden || others > 0);
                }
            }
        }
    }

    fn value(&mut self, value: &Value, is_hidden: bool) {
        match value {
            // It is spread over several places: `a.b = 1` has a table `a` that is written nowhere.
            Value::InlineTable(table) if !is_whole(table) => self.table(table, is_hidden),
            _ if is_hidden => {
                // A parsed value has its place.
                self.hidden.extend(value.span());
            }
            Value::InlineTable(table) => self.table(table, false),
            Value::Array(values) => {
                // As in `["--api-key", "…"]`.
                let named = values.iter().filter(|value| names_credential(Some(value))).count();
                for value in values {
                    let others = named - usize::from(names_credential(Some(value)));
                    self.value(value, others > 0);
                }
            }
            _ => {}
        }
    }
}

fn is_whole(table: &InlineTable) -> bool {
    !table.is_dotted() && table.span().is_some()
}

/// Whether a value is the name of a credential.
fn names_credential(value: Option<&Value>) -> bool {
    const LONGEST_NAME: usize = 64;
    value.and_then(Value::as_str).is_some_and(|text| {
        text.len() <= LONGEST_NAME && !text.contains(char::is_whitespace) && credentials::is_named_by(text)
    })
}

/// Comments that name a credential or have one in them, or stand on the line of something hidden; each with those that
/// go on right below it.
fn hidden_comments(
    text: &str,
    comments: impl Iterator<Item = Range<usize>>,
    hidden: &[(Range<usize>, &str)],
) -> Vec<Range<usize>> {
    let mut ends: Vec<&Range<usize>> = hidden.iter().map(|(span, _)| span).collect();
    ends.sort_unstable_by_key(|span| span.end);
    let mut found: Vec<Range<usize>> = Vec::new();
    for comment in comments {
        let said = unescaped(&text[comment.clone()]);
        let goes_on = found.last().is_some_and(|last| {
            let between = &text[last.end..comment.start];
            between.trim().is_empty() && between.matches('\n').count() == 1
        });
        let line = text[..comment.start].rfind('\n').map_or(0, |newline| newline + 1);
        // The first that ends behind the beginning of the line. One around it that begins earlier has the comment in it.
        let next = ends.partition_point(|span| span.end <= line);
        let beside = ends.get(next).is_some_and(|span| span.start < comment.start);
        if goes_on || beside || credentials::are_named_in(&said) || credentials::are_in(&said) {
            found.push(comment);
        }
    }
    found
}

/// A text with the characters that it has as escapes: a setting that was made a comment may have them in its name.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let len = match part.as_bytes().first() {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let escaped = part.get(1..=len).filter(|_| len > 0);
        let c = escaped.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match c {
            Some(c) => {
                plain.push(c);
                plain.push_str(&part[1 + len..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain.into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Comment,
    String,
}

#[derive(Debug)]
struct Token {
    kind: Kind,
    span: Range<usize>,
}

/// The comments and strings of a text that is TOML: outside of them, neither mark stands for anything else.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (kind, end) = match bytes[at] {
            b'#' => {
                let len = bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at);
                let line = text[at..at + len].trim_end_matches('\r');
                (Kind::Comment, at + line.len())
            }
            quote @ (b'"' | b'\'') => (Kind::String, string_end(bytes, at, quote)),
            _ => {
                at += 1;
                continue;
            }
        };
        found.push(Token { kind, span: at..end });
        at = end;
    }
    found
}

/// Where the string ends that begins at `start`.
fn string_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let is_long = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if is_long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            _ if is_long && bytes[at..].starts_with(&[quote; 3]) => {
                // One or two quotes of its own may stand before those that end it.
                let own = bytes[at + 3..].iter().take(2).take_while(|byte| **byte == quote).count();
                return at + 3 + own;
            }
            byte if !is_long && byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What a string says; none if it is not understood.
fn content(string: &str) -> Option<String> {
    string.parse::<Value>().ok()?.as_str().map(str::to_owned)
}

#[cfg(test)]
#[path = "shown_tests.rs"]
mod tests;
