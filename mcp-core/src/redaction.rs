//! What of a call's arguments a record shows: no credentials, and nothing long.
//!
//! Arguments are looked at as they came, before anybody holds them against a schema: a call that is refused is on
//! record, too. So a place that a schema marks is hidden whatever stands on the way to it.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    credentials::{HIDDEN, is_credential, without_credentials},
    hidden::{HiddenPlaces, Hiding},
    protocol::JsonObject,
};

/// What stands in place of what is too deep, or of what comes after too much.
const LEFT_OUT: &str = "[…]";

/// The most characters of a text that are shown.
pub(crate) const LONGEST_TEXT: usize = 200;
/// The most characters of a member's name that are shown.
const LONGEST_NAME: usize = 50;
/// The most items of a list, or members of an object, that are shown.
const MOST_ITEMS: usize = 20;
/// The most lists and objects within each other that are shown.
const MOST_LEVELS: usize = 6;
/// The most bytes of JSON that are shown of one call, but for a few words on what is left out.
const MOST_BYTES: usize = 4096;
/// The most values that are shown of one call.
const MOST_VALUES: usize = 256;

/// Members that may say what a sibling holds, as `{"key": "api_key", "value": "…"}` does.
const SAYING: [&str; 5] = ["key", "name", "field", "header", "variable"];
/// And what that sibling may be called.
const SAID: [&str; 3] = ["value", "values", "val"];

/// The arguments as a record shows them.
pub(crate) fn redacted(arguments: &JsonObject, hidden: &HiddenPlaces) -> JsonObject {
    Redaction { bytes: MOST_BYTES, values: MOST_VALUES }.members(arguments, &hidden.root(), MOST_LEVELS)
}

/// A URI as a record shows it, without the credentials that stand in it.
pub(crate) fn redacted_uri(uri: &str) -> Cow<'_, str> {
    let shown = match uri.split_once('?') {
        Some((path, query)) if query.split('&').any(|pair| is_credential(name_of(pair))) => {
            let pairs = query.split('&').map(|pair| match pair.split_once('=') {
                Some((name, _)) if is_credential(name) => format!("{name}={HIDDEN}"),
                _ => pair.to_owned(),
            });
            Cow::Owned(format!("{path}?{}", pairs.collect::<Vec<_>>().join("&")))
        }
        _ => uri.into(),
    };
    match shown {
        Cow::Borrowed(uri) => shortened(without_credentials(uri)),
        Cow::Owned(uri) => shortened(without_credentials(&uri)).into_owned().into(),
    }
}

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

/// What may still be shown of one call.
struct Redaction {
    /// As JSON has them, where a control character is six.
    bytes: usize,
    values: usize,
}

impl Redaction {
    fn members(&mut self, members: &JsonObject, hidden: &Hiding<'_>, levels: usize) -> JsonObject {
        let mut shown = JsonObject::new();
        let says_credential = members
            .iter()
            .any(|(name, value)| is_one_of(name, &SAYING) && value.as_str().is_some_and(is_credential));
        for (name, value) in members.iter().take(MOST_ITEMS) {
            let short = beginning(without_credentials(name), LONGEST_NAME);
            if self.values == 0 || !self.spend(json_len(&short) + 1) {
                break;
            }
            let below = hidden.member(name);
            let value = match value {
                // Whether there is one is no secret.
                Value::Null | Value::Bool(_) if !below.is_hidden() => self.number(value),
                _ if below.is_hidden() || is_credential(name) => self.hidden(),
                _ if says_credential && is_one_of(name, &SAID) => self.hidden(),
                value => self.value(value, &below, levels),
            };
            shown.insert(short.into_owned(), value);
        }
        if shown.len() < members.len() {
            shown.insert("…".to_owned(), format!("{} more", members.len() - shown.len()).into());
        }
        shown
    }

    fn value(&mut self, value: &Value, hidden: &Hiding<'_>, levels: usize) -> Value {
        if self.values == 0 || self.bytes == 0 {
            return LEFT_OUT.into();
        }
        self.values -= 1;
        match value {
            // Where an object with a secret in it should stand, a text may be that object in another form.
            Value::String(_) if !hidden.is_empty() => self.hidden(),
            Value::String(text) => {
                let shown = shortened(without_credentials(text));
                if self.spend(json_len(&shown)) { shown.into_owned().into() } else { LEFT_OUT.into() }
            }
            Value::Array(_) | Value::Object(_) if !self.spend(BRACKETS) || levels == 0 => LEFT_OUT.into(),
            Value::Array(items) => {
                let below = hidden.item();
                if below.is_hidden() {
                    return Value::Array(vec![self.hidden()]);
                }
                let mut shown = Vec::new();
                for item in items.iter().take(MOST_ITEMS) {
                    if self.values == 0 || self.bytes == 0 {
                        break;
                    }
                    shown.push(self.value(item, &below, levels - 1));
                }
                if shown.len() < items.len() {
                    shown.push(format!("… {} more", items.len() - shown.len()).into());
                }
                Value::Array(shown)
            }
            Value::Object(members) => Value::Object(self.members(members, hidden, levels - 1)),
            value => self.number(value),
        }
    }

    /// A number, or what is shorter.
    fn number(&mut self, value: &Value) -> Value {
        const LONGEST: usize = 25;
        let len = if value.is_number() { LONGEST } else { BRACKETS + "null".len() };
        if self.spend(len) { value.clone() } else { LEFT_OUT.into() }
    }

    fn hidden(&mut self) -> Value {
        if self.spend(json_len(HIDDEN)) { HIDDEN.into() } else { LEFT_OUT.into() }
    }

    /// Takes from what may still be shown; where that is too little, nothing further is.
    fn spend(&mut self, bytes: usize) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(left) => self.bytes = left,
            None => self.bytes = 0,
        }
        self.bytes > 0
    }
}

/// What a list or an object takes by itself: its brackets and a comma.
const BRACKETS: usize = 3;

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// How much a text takes as JSON, with its quotes and what stands before the next one.
fn json_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum::<usize>() + 3
}

/// A text that is too long without its middle: what is done may stand at its beginning or at its end, and nobody can push
/// it out of sight from one side.
fn shortened(text: Cow<'_, str>) -> Cow<'_, str> {
    const HALF: usize = LONGEST_TEXT / 2;
    if text.char_indices().nth(LONGEST_TEXT).is_none() {
        return text;
    }
    let end = text.char_indices().nth(HALF).map_or(0, |(at, _)| at);
    let start = text.char_indices().nth_back(HALF - 1).map_or(0, |(at, _)| at);
    format!("{}… ({} bytes) …{}", &text[..end], text.len(), &text[start..]).into()
}

fn beginning(text: Cow<'_, str>, most_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most_chars) {
        None => text,
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()).into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(schema: &Value, arguments: &Value) -> Value {
        let hidden = HiddenPlaces::of(schema.as_object().unwrap());
        Value::Object(redacted(arguments.as_object().unwrap(), &hidden))
    }

    #[test]
    fn credentials_are_hidden_by_name_and_by_form() {
        for name in
            ["password", "API-Key", "dbPassword", "x_auth_token", "clientKey", "AUTHORIZATION", "secrets"]
        {
            assert_eq!(shown(&json!({}), &json!({"in": [{name: "s"}]})), json!({"in": [{name: HIDDEN}]}));
        }
        let kept = json!({"secret_name": "db", "max_token_count": 3, "key": "k", "monkey": "m", "has_password": true});
        assert_eq!(shown(&json!({}), &kept), kept);
        assert_eq!(shown(&json!({}), &json!({"a://b:c@d": 1})), json!({"a://b:[hidden]@d": 1}));
        let texts = json!({"a": "say Bearer abc", "b": ["a://b:c@d"], "c": "bear", "d": "bää"});
        let expected =
            json!({"a": "say Bearer [hidden]", "b": ["a://b:[hidden]@d"], "c": "bear", "d": "bää"});
        assert_eq!(shown(&json!({}), &texts), expected);
        let pairs = json!([{"key": "stripe_secret_key", "value": "s"}, {"Name": "db-password", "Value": ["s"]},
            {"key": "secret_name", "value": "db"}, {"key": "color", "value": "red"}]);
        let expected = json!([{"key": "stripe_secret_key", "value": HIDDEN}, {"Name": "db-password", "Value": HIDDEN},
            {"key": "secret_name", "value": "db"}, {"key": "color", "value": "red"}]);
        assert_eq!(shown(&json!({}), &json!({"pairs": pairs})), json!({"pairs": expected}));
    }

    #[test]
    fn a_marked_place_is_hidden_whatever_stands_on_the_way_to_it() {
        let schema = json!({"properties": {
            "pin": {"writeOnly": true},
            "account": {"properties": {"word": {"format": "password"}, "user": {}}},
            "list": {"items": {"writeOnly": true}},
        }});
        let arguments = json!({"pin": true, "account": {"word": "s", "user": "ada"}, "list": ["s", "s"]});
        let expected = json!({"pin": HIDDEN, "account": {"word": HIDDEN, "user": "ada"}, "list": [HIDDEN]});
        assert_eq!(shown(&schema, &arguments), expected);
        let arguments = json!({"account": "{\"word\":\"s\"}", "list": "s"});
        assert_eq!(shown(&schema, &arguments), json!({"account": HIDDEN, "list": HIDDEN}));
        let arguments = json!({"account": [{"word": "s"}], "list": {"0": "s"}});
        assert_eq!(shown(&schema, &arguments), json!({"account": [{"word": HIDDEN}], "list": {"0": HIDDEN}}));
    }

    #[test]
    fn what_is_long_is_cut_and_what_is_much_is_left_out() {
        let long = "ä".repeat(201);
        let cut = format!("{0}… (402 bytes) …{0}", "ä".repeat(100));
        assert_eq!(shown(&json!({}), &json!({"text": long})), json!({"text": cut}));
        let behind = format!("/*{}*/ DELETE FROM users", "x".repeat(210));
        let reply = shown(&json!({}), &json!({"text": behind}))["text"].as_str().unwrap().to_owned();
        assert!(reply.starts_with("/*x") && reply.ends_with("x*/ DELETE FROM users"), "{reply}");
        let list: Vec<_> = (0..22).collect();
        let reply = shown(&json!({}), &json!({"list": list}));
        assert_eq!(reply["list"].as_array().unwrap().len(), 21);
        assert_eq!(reply["list"][20], "… 2 more");
        let members: JsonObject = (0..21).map(|n| (format!("m{n:02}"), json!(n))).collect();
        let reply = shown(&json!({}), &Value::Object(members));
        assert_eq!((reply.as_object().unwrap().len(), &reply["…"]), (21, &json!("1 more")));

        let deep = (0..100).fold(json!("bottom"), |inner, _| json!([inner]));
        assert!(!shown(&json!({}), &json!({"deep": deep})).to_string().contains("bottom"));
        let wide = json!(vec![json!(vec![json!(vec!["x".repeat(199); 20]); 20]); 20]);
        let reply = shown(&json!({}), &json!({"wide": wide})).to_string();
        assert!(reply.len() < 3 * MOST_BYTES, "{}", reply.len());
    }

    #[test]
    fn all_that_is_shown_is_bounded_as_it_is_written() {
        let controls = "\u{1}".repeat(199);
        let names: JsonObject =
            (0..20).map(|n| (format!("{}{n:02}", "\u{1}".repeat(48)), json!({}))).collect();
        let secrets: JsonObject =
            (0..20).map(|n| (format!("{n:02}password{}", "x".repeat(40)), json!("s"))).collect();
        let nested = |inner: Value| (0..3).fold(inner, |inner, _| json!(vec![inner; 20]));
        for value in [
            nested(json!(controls)),
            nested(json!(names)),
            nested(json!(secrets)),
            nested(json!(1.797_693_134_862_315_7e308)),
            nested(json!([])),
            nested(json!(null)),
            json!("\u{1}".repeat(100_000)),
        ] {
            let reply = shown(&json!({}), &json!({"value": value})).to_string();
            assert!(reply.len() < MOST_BYTES + 200, "{}: {reply}", reply.len());
        }
    }

    #[test]
    fn a_uri_keeps_no_credentials() {
        assert_eq!(
            redacted_uri("db://t/1?page=2&access_token=abc&x"),
            "db://t/1?page=2&access_token=[hidden]&x"
        );
        assert_eq!(redacted_uri("http://a:b@host/"), "http://a:[hidden]@host/");
        assert_eq!(redacted_uri("notes://acme"), "notes://acme");
        assert!(redacted_uri(&"x".repeat(5000)).len() < 250);
    }
}
