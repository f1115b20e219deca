//! How lists are cut into pages: a size with a stated maximum, and an opaque cursor.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::invalid_argument;
use crate::error::{Error, ErrorKind};

/// The setters of a page, for the options of a list that have a `limit` and a `cursor`.
macro_rules! page_setters {
    ($max:literal) => {
        /// At most so many entries.
        #[must_use]
        pub fn with_limit(mut self, limit: PageSize<$max>) -> Self {
            self.limit = limit;
            self
        }

        /// Goes on after an earlier page.
        #[must_use]
        pub fn with_cursor(mut self, cursor: Option<Cursor>) -> Self {
            self.cursor = cursor;
            self
        }
    };
}

pub(super) use page_setters;

/// How many entries a page has at most: 1 to `MAX`, 100 by default (or `MAX`, where that is less).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct PageSize<const MAX: u32>(u32);

impl<const MAX: u32> PageSize<MAX> {
    /// The size `N`; that it is in range is seen when this is compiled.
    pub const fn of<const N: u32>() -> Self {
        const { assert!(N >= 1 && N <= MAX, "a page has 1 to MAX entries") };
        Self(N)
    }

    /// The size as a number.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

impl<const MAX: u32> Default for PageSize<MAX> {
    fn default() -> Self {
        Self(MAX.min(100))
    }
}

impl<const MAX: u32> TryFrom<u64> for PageSize<MAX> {
    type Error = Error;

    fn try_from(size: u64) -> Result<Self, Error> {
        u32::try_from(size)
            .ok()
            .filter(|size| (1..=MAX).contains(size))
            .map(Self)
            .ok_or_else(|| invalid_argument(format!("a page has 1 to {MAX} entries, not {size}")))
    }
}

impl<const MAX: u32> From<PageSize<MAX>> for u64 {
    fn from(size: PageSize<MAX>) -> Self {
        size.0.into()
    }
}

impl<const MAX: u32> JsonSchema for PageSize<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("PageSize{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": MAX })
    }
}

/// Where a list goes on: the `next_cursor` of the page before, unchanged.
///
/// A cursor holds a place in the order, not a count, so entries that come and go between two pages neither repeat nor
/// hide others. What it holds is the engine's business: an engine refuses a cursor that it did not give, with
/// `InvalidInput` and code `invalid_cursor`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor(String);

impl Cursor {
    const MAX_CHARS: usize = 4096;

    /// A cursor to the place after `place` in the list called `list`.
    pub fn after(list: &str, place: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(list.len() + 1 + place.len());
        bytes.extend_from_slice(list.as_bytes());
        bytes.push(b':');
        bytes.extend_from_slice(place);
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The place in the list called `list`.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, code `invalid_cursor`, if this is no cursor of that list.
    pub fn place(&self, list: &str) -> Result<Vec<u8>, Error> {
        BASE64_URL_SAFE_NO_PAD
            .decode(&self.0)
            .ok()
            .and_then(|bytes| bytes.strip_prefix(list.as_bytes())?.strip_prefix(b":").map(<[u8]>::to_vec))
            .ok_or_else(Self::invalid)
    }

    /// The error for a cursor that belongs to another list.
    pub fn invalid() -> Error {
        Error::new(
            ErrorKind::InvalidInput,
            "invalid_cursor",
            "this cursor is not one of this list; pass next_cursor of the page before unchanged, or none",
        )
    }

    /// The cursor as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Cursor {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        if (1..=Self::MAX_CHARS).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(invalid_argument(format!("a cursor has 1 to {} characters", Self::MAX_CHARS)))
        }
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.0
    }
}

impl JsonSchema for Cursor {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": Self::MAX_CHARS })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn a_page_has_a_size_in_range() {
        assert_eq!(PageSize::<1000>::default().get(), 100);
        assert_eq!(PageSize::<50>::default().get(), 50);
        assert_eq!(PageSize::<200>::try_from(200).unwrap().get(), 200);
        for bad in [0, 201, u64::MAX] {
            assert!(PageSize::<200>::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cursor_is_of_one_list() {
        let cursor = Cursor::after("keys", "ä:b".as_bytes());
        assert_eq!(cursor.place("keys").unwrap(), "ä:b".as_bytes());
        assert_eq!(cursor.place("instances").unwrap_err().code(), "invalid_cursor");
        let made_up = Cursor::try_from("not one of ours".to_owned()).unwrap();
        assert_eq!(made_up.place("keys").unwrap_err().code(), "invalid_cursor");
    }
}
