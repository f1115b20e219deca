//! Which file of an app's store is meant, and whether to write in it.

/// The two files of an app.
///
/// They are two so that SQL cannot reach the keys: there is no table to name and ATTACH is denied. A long statement on
/// the one does not hold up the other either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum StoreFile {
    Data,
    Keys,
}

impl StoreFile {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Data => "data.sqlite",
            Self::Keys => "kv.sqlite",
        }
    }
}

/// Whether a connection may change its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Access {
    Read,
    Write,
}
