//! Whether a message is what a script says, placeholders and all.

use std::collections::HashMap;

use serde_json::Value;

/// Stands for whatever else is there: as a key in an object, and as the last item in a list.
const MORE: &str = "...more";

/// Values that a script gave names to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Captured(HashMap<String, Value>);

impl Captured {
    /// Looks for a difference, and says where it is. Names that had no value yet have one afterwards.
    pub(crate) fn compare(&mut self, expected: &Value, got: &Value) -> Result<(), String> {
        let mut names = self.clone();
        names.walk(expected, got, "")?;
        *self = names;
        Ok(())
    }

    fn walk(&mut self, expected: &Value, got: &Value, at: &str) -> Result<(), String> {
        match (expected, got) {
            (Value::String(name), _) if name.starts_with('$') => self.named(name, got, at),
            (Value::String(pattern), Value::String(text)) if fits(pattern, text) => Ok(()),
            (Value::Array(expected), Value::Array(got)) => {
                let (expected, is_open) = match expected.split_last() {
                    Some((last, before)) if last == MORE => (before, true),
                    _ => (expected.as_slice(), false),
                };
                if got.len() < expected.len() || (got.len() > expected.len() && !is_open) {
                    return Err(format!("{at}: {} items, not {}", got.len(), expected.len()));
                }
                let mut pairs = expected.iter().zip(got).enumerate();
                pairs.try_for_each(|(index, (expected, got))| {
                    self.walk(expected, got, &format!("{at}/{index}"))
                })
            }
            (Value::Object(expected), Value::Object(got)) => {
                for (key, expected) in expected.iter().filter(|(key, _)| *key != MORE) {
                    let at = format!("{at}/{key}");
                    let got = got.get(key).ok_or_else(|| format!("{at} is missing"))?;
                    self.walk(expected, got, &at)?;
                }
                let unknown = got.keys().find(|key| !expected.contains_key(*key));
                match unknown.filter(|_| !expected.contains_key(MORE)) {
                    Some(key) => Err(format!("{at}/{key} is not expected")),
                    None => Ok(()),
                }
            }
            _ if expected == got => Ok(()),
            _ => Err(format!("{} differs", if at.is_empty() { "it" } else { at })),
        }
    }

    fn named(&mut self, name: &str, got: &Value, at: &str) -> Result<(), String> {
        if name == "$_" {
            return Ok(());
        }
        match self.0.get(name) {
            Some(value) if value != got => Err(format!("{at}: {name} was {value}")),
            Some(_) => Ok(()),
            None => {
                self.0.insert(name.to_owned(), got.clone());
                Ok(())
            }
        }
    }

    /// Puts values in the place of their names.
    pub(crate) fn fill_in(&self, message: &mut Value) -> Result<(), String> {
        match message {
            Value::String(name) if name.starts_with('$') => {
                *message = self.0.get(name).ok_or_else(|| format!("{name} is not known yet"))?.clone();
                Ok(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.fill_in(item)),
            Value::Object(members) => members.values_mut().try_for_each(|member| self.fill_in(member)),
            _ => Ok(()),
        }
    }
}

/// Whether a text fits a pattern, in which `...` stands for any characters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, pattern)) = pattern.split_once("...") else { return pattern == text };
    let (parts, last) = pattern.rsplit_once("...").unwrap_or(("", pattern));
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in parts.split("...") {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn placeholders_stand_for_what_they_should_and_nothing_else() {
    use serde_json::json;

    let mut names = Captured::default();
    for (expected, got, is_right) in [
        (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
        (json!({"a": 1, "...more": ""}), json!({"a": 1, "b": 2}), true),
        (json!({"a": 1, "...more": ""}), json!({"b": 2}), false),
        (json!([1, "...more"]), json!([1, 2, 3]), true),
        (json!([1, 2, "...more"]), json!([1]), false),
        (json!("..."), json!("any"), true),
        (json!("..."), json!(1), false),
        (json!("$_"), json!(1), true),
        (json!("a...c"), json!("abc"), true),
        (json!("a...b...c"), json!("a c"), false),
        (json!("ab...bc"), json!("abc"), false),
        (json!(["$one", "$one"]), json!([1, 2]), false),
        (json!(["$one", "$one"]), json!([3, 3]), true),
        (json!("$one"), json!(1), false),
    ] {
        assert_eq!(names.compare(&expected, &got).is_ok(), is_right, "{expected} {got}");
    }
    let mut message = json!({"state": "$one"});
    names.fill_in(&mut message).unwrap();
    assert_eq!(message, json!({"state": 3}));
    assert!(names.fill_in(&mut json!("$two")).is_err());
}
