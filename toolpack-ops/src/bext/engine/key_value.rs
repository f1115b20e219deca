//! One key-value store for each app: text under keys, with an optional lifetime.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::text::text_type;
use super::{AppRef, Cursor, PageSize, Timestamp, invalid_argument};
use crate::error::Error;

/// The key-value stores of apps.
///
/// Every method fails with `NotFound` for an instance that is not known (`instance_not_found`) and `Unavailable` if
/// the store does not answer. A key whose time has come is absent from that moment on, in every method.
#[async_trait]
pub trait KeyValue: fmt::Debug + Send + Sync + 'static {
    /// The value of a key; none if it is absent or its time has come.
    async fn get(&self, app: &AppRef, key: &Key) -> Result<Option<Entry>, Error>;

    /// Writes a key, whether it exists or not, and makes it durable before it returns.
    ///
    /// Atomic: a reader sees the old value or the new one. The expiry of the old value goes with it. Of two writes at
    /// once, the later one to commit stays. Idempotent but for the time of expiry.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a value over the engine's limit (`value_too_large`); `Unavailable` past the size limit of
    /// the store (`database_full`).
    async fn set(&self, app: &AppRef, key: &Key, options: SetKey) -> Result<Written, Error>;

    /// Deletes a key, durably. An absent or expired key is `deleted: false`, no error. Idempotent.
    ///
    /// Of several calls at once, exactly one says `deleted: true`.
    async fn delete(&self, app: &AppRef, key: &Key) -> Result<Deleted, Error>;

    /// One page of the keys that start with a prefix, in the order of their UTF-8 bytes.
    ///
    /// A key that is there from the first page to the last comes exactly once, whatever else is written meanwhile. A
    /// page may hold fewer keys than asked for; only an absent `next_cursor` means the end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a cursor that is not one of this list and prefix (`invalid_cursor`).
    async fn list(&self, app: &AppRef, options: ListKeys) -> Result<KeyPage, Error>;
}

/// What to write under a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SetKey {
    /// The value.
    pub value: KeyValueText,
    /// How long it lives; for good, if absent.
    pub ttl: Option<Ttl>,
}

impl SetKey {
    /// A value that lives for good.
    pub fn new(value: KeyValueText) -> Self {
        Self { value, ttl: None }
    }

    /// Lets it live that long.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Option<Ttl>) -> Self {
        self.ttl = ttl;
        self
    }
}

/// Which page of which keys.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListKeys {
    /// What the keys start with; all keys, if empty.
    pub prefix: KeyPrefix,
    /// How many keys at most.
    pub limit: PageSize<1000>,
    /// Where to go on; from the first, if absent.
    pub cursor: Option<Cursor>,
}

impl ListKeys {
    /// Only keys that start so.
    #[must_use]
    pub fn with_prefix(mut self, prefix: KeyPrefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// At most so many keys.
    #[must_use]
    pub fn with_limit(mut self, limit: PageSize<1000>) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on after an earlier page.
    #[must_use]
    pub fn with_cursor(mut self, cursor: Option<Cursor>) -> Self {
        self.cursor = cursor;
        self
    }
}

/// A value and how long it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: String,
    /// When it vanishes; never, if absent.
    pub expires_at: Option<Timestamp>,
}

/// A key was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// When it vanishes; never, if absent.
    pub expires_at: Option<Timestamp>,
}

/// A key was deleted, or was not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deleted {
    /// Whether there was a live key to delete.
    pub deleted: bool,
}

/// One page of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys, in the order of their UTF-8 bytes.
    pub keys: Vec<Key>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<Cursor>,
}

// Lengths are counted in characters, as JSON Schema does, so that schema and parser agree on every text. They are counted
// only as far as the limit: an over-long text costs no more than a long one.
fn has_chars(text: &str, range: RangeInclusive<usize>) -> bool {
    range.contains(&text.chars().take(range.end() + 1).count())
}

text_type! {
    /// A key: 1 to 512 characters, any of them.
    Key,
    accepts: |text| has_chars(text, 1..=512),
    else: "a key has 1 to 512 characters",
    schema: { "type": "string", "minLength": 1, "maxLength": 512 }
}

text_type! {
    /// What keys start with: at most 512 characters; none means every key.
    #[derive(Default)]
    KeyPrefix,
    accepts: |text| has_chars(text, 0..=512),
    else: "a prefix has at most 512 characters",
    schema: { "type": "string", "minLength": 0, "maxLength": 512 }
}

text_type! {
    /// A value: text of at most 1,048,576 characters. An engine may hold fewer bytes and says so when it is asked to.
    KeyValueText,
    accepts: |text| has_chars(text, 0..=1_048_576),
    else: "a value has at most 1048576 characters",
    schema: { "type": "string", "minLength": 0, "maxLength": 1_048_576 }
}

/// A lifetime in whole seconds: 1 second to 100 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Ttl(u64);

impl Ttl {
    /// 100 years of 365 days, in seconds.
    pub const MAX_SECONDS: u64 = 3_153_600_000;

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl TryFrom<u64> for Ttl {
    type Error = Error;

    fn try_from(seconds: u64) -> Result<Self, Error> {
        if (1..=Self::MAX_SECONDS).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            let max = Self::MAX_SECONDS;
            Err(invalid_argument(format!("ttl is 1 to {max} seconds, not {seconds}")))
        }
    }
}

impl From<Ttl> for u64 {
    fn from(ttl: Ttl) -> Self {
        ttl.0
    }
}

impl JsonSchema for Ttl {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Ttl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": Self::MAX_SECONDS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!("ä".repeat(512).parse::<Key>().is_ok());
        assert!("ä".repeat(513).parse::<Key>().is_err());
        assert!("".parse::<Key>().is_err());
        assert!("".parse::<KeyPrefix>().is_ok());
        assert!("x".repeat(1_048_576).parse::<KeyValueText>().is_ok());
        assert!("x".repeat(1_048_577).parse::<KeyValueText>().is_err());
    }

    #[test]
    fn a_lifetime_is_in_range() {
        assert!(Ttl::try_from(1).is_ok() && Ttl::try_from(Ttl::MAX_SECONDS).is_ok());
        for bad in [0, Ttl::MAX_SECONDS + 1, u64::MAX] {
            assert!(Ttl::try_from(bad).is_err(), "{bad}");
        }
    }
}
