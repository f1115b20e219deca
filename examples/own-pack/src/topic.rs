//! What an item is about: text that is held to a rule once, where it is parsed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an item is about: 1 to 32 characters of `a-z 0-9 -`, such as `rust`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(!try_from, !into)]
pub struct Topic(#[schemars(regex(pattern = "^[a-z0-9-]{1,32}$"))] String);

impl TryFrom<String> for Topic {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_fine = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        match (1..=32).contains(&text.len()) && text.bytes().all(is_fine) {
            true => Ok(Self(text)),
            false => Err("a topic has 1 to 32 characters of a-z, 0-9 and -"),
        }
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
