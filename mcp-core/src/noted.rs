//! What a record is told of a call's arguments: as much as may be shown, and a digest of all of them.

use std::io;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{hidden::HiddenPlaces, protocol::JsonObject, redaction::redacted};

/// What a record is told of a call's arguments.
#[derive(Debug)]
pub(crate) struct Noted {
    /// With secrets hidden and long values cut; `None` where nothing of them is shown.
    pub(crate) shown: Option<JsonObject>,
    /// Of all of them, as they came.
    pub(crate) digest: [u8; 32],
}

impl Noted {
    pub(crate) fn of(arguments: &JsonObject, hidden: &HiddenPlaces) -> Self {
        Self { shown: Some(redacted(arguments, hidden)), digest: digest(arguments) }
    }
}

/// The SHA-256 of the JSON without blanks, the members of each object in the order of their names.
pub(crate) fn digest(arguments: &JsonObject) -> [u8; 32] {
    let mut hash = Sha256::new();
    feed_members(&mut hash, arguments);
    hash.finalize().into()
}

fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(members) => feed_members(hash, members),
        Value::Array(items) => {
            hash.update(b"[");
            for (at, item) in items.iter().enumerate() {
                hash.update(if at == 0 { "" } else { "," });
                feed(hash, item);
            }
            hash.update(b"]");
        }
        value => feed_plain(hash, value),
    }
}

fn feed_members(hash: &mut Sha256, members: &JsonObject) {
    hash.update(b"{");
    let feed_member = |(at, (name, value)): (usize, (&String, &Value))| {
        hash.update(if at == 0 { "" } else { "," });
        feed_plain(hash, name);
        hash.update(b":");
        feed(hash, value);
    };
    if members.keys().is_sorted() {
        members.iter().enumerate().for_each(feed_member);
    } else {
        // Whoever builds the server may have turned on that objects keep the order that they came in.
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted.into_iter().enumerate().for_each(feed_member);
    }
    hash.update(b"}");
}

/// A text or a number, say.
fn feed_plain(hash: &mut Sha256, value: &(impl serde::Serialize + ?Sized)) {
    // It takes whatever is written to it, and there is nothing that could not be written.
    let _ = serde_json::to_writer(Feeding(hash), value);
}

struct Feeding<'a>(&'a mut Sha256);

impl io::Write for Feeding<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_digest_is_that_of_the_json() {
        let arguments = json!({"b": [1, -2.5, null, true, {}], "a": {"d": "ä\"\n", "c": []}, "": 18446744073709551615_u64});
        let text = r#"{"":18446744073709551615,"a":{"c":[],"d":"ä\"\n"},"b":[1,-2.5,null,true,{}]}"#;
        assert_eq!(digest(arguments.as_object().unwrap()), *Sha256::digest(text));
    }
}
