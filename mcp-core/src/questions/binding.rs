//! What the state between two rounds is good for, and the digests by which that is told.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::desk::Desk;
use crate::{principal::Principal, protocol::JsonObject, schema::make_integral};

/// What a request asks for: its state is good for that alone.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Tool { name: Box<str>, arguments: JsonObject },
    Prompt { name: Box<str>, arguments: Vec<(String, String)> },
    Resource { uri: Box<str> },
}

/// What a state is good for: one server, one caller, one method, one name, the very same arguments.
pub(super) fn binding(desk: &Desk, principal: &Principal, subject: &Subject) -> [u8; 32] {
    let mut hash = Hash::new("toolpack state 1");
    hash.part(desk.server.as_bytes());
    hash.part(principal.kind().as_str().as_bytes());
    hash.part(principal.subject().as_bytes());
    match subject {
        Subject::Tool { name, arguments } => {
            hash.part(b"tool");
            hash.part(name.as_bytes());
            hash.object(arguments);
        }
        Subject::Prompt { name, arguments } => {
            hash.part(b"prompt");
            hash.part(name.as_bytes());
            let sorted: BTreeMap<_, _> = arguments.iter().map(|(name, value)| (name, value)).collect();
            for (name, value) in sorted {
                hash.part(name.as_bytes());
                hash.part(value.as_bytes());
            }
        }
        Subject::Resource { uri } => {
            hash.part(b"resource");
            hash.part(uri.as_bytes());
        }
    }
    hash.finish()
}

/// SHA-256 over parts that cannot run into each other: each has its length before it.
pub(super) struct Hash(Sha256);

impl Hash {
    pub(super) fn new(purpose: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.part(purpose.as_bytes());
        hash
    }

    /// The digest of a text.
    pub(super) fn of(text: &str) -> [u8; 32] {
        Self::new(text).finish()
    }

    pub(super) fn part(&mut self, bytes: &[u8]) {
        self.0.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// A JSON object, whatever the order of its members.
    ///
    /// In place of RFC 8785: its numbers are doubles, so that two large integers could not be told apart, and consent to
    /// one would be consent to the other.
    fn object(&mut self, object: &JsonObject) {
        let sorted: BTreeMap<_, _> = object.iter().collect();
        self.part(b"object");
        self.part(&u64::try_from(sorted.len()).unwrap_or(u64::MAX).to_be_bytes());
        for (name, value) in sorted {
            self.part(name.as_bytes());
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.part(b"null"),
            Value::Bool(value) => self.part(if *value { b"true" } else { b"false" }),
            Value::Number(number) => {
                // `1.0` and `1` are one number, which a client may write either way the second time.
                let mut number = number.clone();
                make_integral(&mut number);
                self.part(b"number");
                self.part(number.to_string().as_bytes());
            }
            Value::String(text) => {
                self.part(b"string");
                self.part(text.as_bytes());
            }
            Value::Array(items) => {
                self.part(b"array");
                self.part(&u64::try_from(items.len()).unwrap_or(u64::MAX).to_be_bytes());
                items.iter().for_each(|item| self.value(item));
            }
            Value::Object(object) => self.object(object),
        }
    }
}

/// Bytes as text.
pub(super) fn base64_of(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
