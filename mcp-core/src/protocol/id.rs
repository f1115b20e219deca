//! The id of a request, and the token under which its progress is reported: a string or an integer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The id that a client gave its request, echoed in the answer.
///
/// MCP allows strings and integers, never `null` (specification 2026-07-28, basic, "Requests"). Integers outside
/// the range of `i64` are refused, since they could not be echoed unchanged, and so are strings of more than
/// [`MAX_BYTES`](Self::MAX_BYTES).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestId {
    /// An integer id.
    Number(i64),
    /// A string id.
    Text(Box<str>),
}

/// The token of a request's progress notifications; of the same form as an id.
pub type ProgressToken = RequestId;

impl RequestId {
    /// How long a string may be. An id is kept while its request runs, and said again with every notification of a
    /// subscription, as a token is with every report of progress: one large message would be many.
    pub const MAX_BYTES: usize = 1024;
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<i64> for RequestId {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for RequestId {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = RequestId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a string of at most {} bytes or an integer of 64 bits", RequestId::MAX_BYTES)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<RequestId, E> {
                Ok(RequestId::Number(number))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<RequestId, E> {
                i64::try_from(number)
                    .map(RequestId::Number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RequestId, E> {
                if text.len() > RequestId::MAX_BYTES {
                    return Err(E::invalid_length(text.len(), &self));
                }
                Ok(RequestId::Text(text.into()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
