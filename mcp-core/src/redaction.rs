//! What of a call's arguments a record shows: no credentials, and nothing long.
//!
//! Arguments are looked at as they came, before anybody holds them against a schema: a call that is refused is on
//! record, too. So a place that a schema marks is hidden whatever stands on the way to it.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    hidden::{HiddenPlaces, Hiding},
    protocol::JsonObject,
};

/// What stands in place of a secret.
const HIDDEN: &str = "[hidden]";
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
/// The most bytes of names and texts that are shown of one call.
const MOST_BYTES: usize = 4096;
/// The most values that are shown of one call.
const MOST_VALUES: usize = 256;

/// A name that has one of these in it, in whatever case and with whatever marks in between, is a credential's.
const CREDENTIALS: [&str; 24] = [
    "accesskey",
    "apikey",
    "authorization",
    "authkey",
    "bearer",
    "clientkey",
    "connectionstring",
    "cookie",
    "credential",
    "dsn",
    "encryptionkey",
    "jwt",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pincode",
    "privatekey",
    "pwd",
    "secret",
    "servicekey",
    "sessionkey",
    "signingkey",
    "token",
];

/// Unless it ends in one of these: a name of a secret is none, and is what a record is read for.
const NO_CREDENTIALS: [&str; 4] = ["count", "limit", "name", "names"];

/// The arguments as a record shows them.
pub(crate) fn redacted(arguments: &JsonObject, hidden: &HiddenPlaces) -> JsonObject {
    Redaction { bytes: MOST_BYTES, values: MOST_VALUES }.members(arguments, &hidden.root(), MOST_LEVELS)
}

/// A URI as a record shows it, without the credentials that stand in it.
pub(crate) fn redacted_uri(uri: &str) -> Cow<'_, str> {
    if has_password(uri) {
        return HIDDEN.into();
    }
    let Some((path, query)) = uri.split_once('?') else { return cut(uri, LONGEST_TEXT) };
    if !query.split('&').any(|pair| is_credential(pair.split_once('=').map_or(pair, |(name, _)| name))) {
        return cut(uri, LONGEST_TEXT);
    }
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_credential(name) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    });
    let shown = format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"));
    cut(&shown, LONGEST_TEXT).into_owned().into()
}

/// What may still be shown of one call.
struct Redaction {
    bytes: usize,
    values: usize,
}

impl Redaction {
    fn members(&mut self, members: &JsonObject, hidden: &Hiding<'_>, levels: usize) -> JsonObject {
        let mut shown = JsonObject::new();
        for (name, value) in members.iter().take(MOST_ITEMS) {
            let below = hidden.member(name);
            let value = match value {
                // Whether there is one is no secret.
                Value::Null | Value::Bool(_) if !below.is_hidden() => value.clone(),
                _ if below.is_hidden() || is_credential(name) => HIDDEN.into(),
                value => self.value(value, &below, levels),
            };
            let name = cut(name, LONGEST_NAME);
            self.bytes = self.bytes.saturating_sub(name.len());
            shown.insert(name.into_owned(), value);
        }
        if let Some(more) = members.len().checked_sub(MOST_ITEMS + 1) {
            shown.insert("…".to_owned(), format!("{} more", more + 1).into());
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
            Value::String(_) if !hidden.is_empty() => HIDDEN.into(),
            Value::String(text) => self.text(text),
            Value::Array(_) | Value::Object(_) if levels == 0 => LEFT_OUT.into(),
            Value::Array(items) => {
                let below = hidden.item();
                let mut shown: Vec<_> = if below.is_hidden() {
                    vec![HIDDEN.into()]
                } else {
                    items.iter().take(MOST_ITEMS).map(|item| self.value(item, &below, levels - 1)).collect()
                };
                if !below.is_hidden() && items.len() > MOST_ITEMS {
                    shown.push(format!("… {} more", items.len() - MOST_ITEMS).into());
                }
                Value::Array(shown)
            }
            Value::Object(members) => Value::Object(self.members(members, hidden, levels - 1)),
            value => value.clone(),
        }
    }

    fn text(&mut self, text: &str) -> Value {
        if is_credential_text(text) {
            return HIDDEN.into();
        }
        let shown = cut(text, LONGEST_TEXT);
        self.bytes = self.bytes.saturating_sub(shown.len());
        shown.into_owned().into()
    }
}

fn cut(text: &str, most_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most_chars) {
        None => text.into(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()).into(),
    }
}

/// Whether a name is that of a credential.
fn is_credential(name: &str) -> bool {
    let mut bare = [0; 64];
    let mut len = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric).take(bare.len()) {
        bare[len] = byte.to_ascii_lowercase();
        len += 1;
    }
    let bare = &bare[..len];
    let has = |part: &str| bare.windows(part.len()).any(|window| window == part.as_bytes());
    CREDENTIALS.into_iter().any(has) && !NO_CREDENTIALS.iter().any(|end| bare.ends_with(end.as_bytes()))
}

/// Whether a text is a credential by its form: that of an `Authorization` header, a JSON Web Token, a private key, or a
/// URL with a password.
fn is_credential_text(text: &str) -> bool {
    let begins = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    begins("bearer ")
        || begins("basic ")
        || (text.starts_with("eyJ") && text.matches('.').count() == 2)
        || text.contains("PRIVATE KEY-----")
        || has_password(text)
}

/// Whether it holds a URL with a password in it.
fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        let authority = &rest[..rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len())];
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
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
        for text in [
            "Bearer abc",
            "basic YTpi",
            "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
            "see postgres://ada:pass@host/db?x=1",
        ] {
            assert_eq!(shown(&json!({}), &json!({"text": text})), json!({"text": HIDDEN}), "{text}");
        }
        let kept = json!({"a": "https://host:80/a@b:c", "b": "mail ada@host", "c": "bear", "d": "bää"});
        assert_eq!(shown(&json!({}), &kept), kept);
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
        let cut = format!("{}… (402 bytes)", "ä".repeat(200));
        assert_eq!(shown(&json!({}), &json!({"text": long})), json!({"text": cut}));
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
    fn a_uri_keeps_no_credentials() {
        assert_eq!(
            redacted_uri("db://t/1?page=2&access_token=abc&x"),
            "db://t/1?page=2&access_token=[hidden]&x"
        );
        assert_eq!(redacted_uri("http://a:b@host/"), HIDDEN);
        assert_eq!(redacted_uri("notes://acme"), "notes://acme");
        assert!(redacted_uri(&"x".repeat(5000)).len() < 250);
    }
}
