//! The revisions of the protocol that are served, and which era each belongs to.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// A revision of the Model Context Protocol that this crate serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Revision {
    /// 2024-11-05: the first one.
    V2024_11_05,
    /// 2025-03-26: tool annotations, audio, batches of messages.
    V2025_03_26,
    /// 2025-06-18: structured content, resource links, titles, forms.
    V2025_06_18,
    /// 2025-11-25: icons, visits to URLs; the last one whose session is opened with `initialize`.
    V2025_11_25,
    /// 2026-07-28: every request carries all that it needs.
    V2026_07_28,
}

impl Revision {
    /// Every served revision, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];

    /// The newest revision of each era: what tests of an author's own look at, where earlier ones only say less.
    pub const NEWEST: [Self; 2] = [Self::V2025_11_25, Self::V2026_07_28];

    /// The newest revision that is spoken over a handshake; what an unknown version in `initialize` is answered with.
    pub const NEWEST_HANDSHAKE: Self = Self::V2025_11_25;

    /// The revisions without a handshake, as `server/discover` lists them.
    pub const MODERN: [&'static str; 1] = ["2026-07-28"];

    /// The revision's date, as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The served revision of this date.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == text)
    }

    /// The served revision of this date, if it opens with a handshake.
    pub fn handshake(text: &str) -> Option<Self> {
        Self::parse(text).filter(|revision| !revision.is_modern())
    }

    /// Whether each request carries its own metadata, with no session beside it.
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// Whether messages may come several at a time, as an array.
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A version as a client names it. Of one that is served no copy is made, which every request would pay for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedVersion {
    Served(Revision),
    Other(String),
}

impl NamedVersion {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Served(revision) => revision.as_str(),
            Self::Other(name) => name,
        }
    }

    /// The served revision of this era.
    pub(crate) fn modern(&self) -> Option<Revision> {
        match self {
            Self::Served(revision) if revision.is_modern() => Some(*revision),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for NamedVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = NamedVersion;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, name: &str) -> Result<NamedVersion, E> {
                let served = Revision::parse(name).map(NamedVersion::Served);
                Ok(served.unwrap_or_else(|| NamedVersion::Other(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}
