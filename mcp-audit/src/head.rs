//! Where a chain stands: what is published, and what the signed file beside the log says.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
    str::FromStr,
};

use serde::Deserialize;

use crate::{hash::Hash, key::Key, owner_only};

/// Where a chain stands: the number of its last record, and that record's hash.
///
/// Written as `SEQ:HASH`. Kept elsewhere, it shows whether the log that is there later is the same one, even to
/// somebody who fears that the key was stolen: see [`Verify::expecting`](crate::Verify::expecting).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    seq: u64,
    hash: Hash,
}

impl Head {
    /// Of a chain without records.
    pub(crate) const START: Self = Self { seq: 0, hash: Hash::ZERO };

    pub(crate) const fn new(seq: u64, hash: Hash) -> Self {
        Self { seq, hash }
    }

    /// The number of the last record; 0 where there is none.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The number of the record that follows. Somebody may have written the largest there is.
    pub(crate) const fn next(&self) -> u64 {
        self.seq.saturating_add(1)
    }

    pub(crate) const fn hash(&self) -> Hash {
        self.hash
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// A text that is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoHead;

impl fmt::Display for NoHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a head is a number, a colon and 64 hexadecimal digits")
    }
}

impl std::error::Error for NoHead {}

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, NoHead> {
        let (seq, hash) = text.trim().split_once(':').ok_or(NoHead)?;
        let hash = Hash::parse(hash.as_bytes()).ok_or(NoHead)?;
        Ok(Self { seq: seq.parse().map_err(|_| NoHead)?, hash })
    }
}

/// The size of the file, filled up with spaces: one sector of a disk, which is written as a whole or not at all.
const FILE_BYTES: usize = 512;

/// What the signed file beside the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedHead {
    pub(crate) sink: StoreKind,
    /// The last record that it covers.
    pub(crate) last: Head,
    /// What the first record that is kept follows: all up to it was removed because it was old.
    pub(crate) base: Head,
    /// The number in the name of the file that is written to; 0 where there are no files.
    pub(crate) file: u64,
    /// How much of that file is covered, in bytes; the last row of a table.
    pub(crate) end: u64,
}

/// In what a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreKind {
    Files,
    Sqlite,
}

impl StoreKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Sqlite => "sqlite",
        }
    }
}

/// The form of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    sink: StoreKind,
    last: String,
    base: String,
    file: u64,
    end: u64,
    mac: String,
}

/// What is found where the head should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Signed(SignedHead),
    Missing,
    Unreadable,
    /// Signed by somebody else, or changed; what it says is not to be believed.
    Forged(SignedHead),
}

impl SignedHead {
    /// Of a log without records.
    pub(crate) fn start(sink: StoreKind) -> Self {
        let file = u64::from(sink == StoreKind::Files);
        Self { sink, last: Head::START, base: Head::START, file, end: 0 }
    }

    fn body(&self) -> String {
        let Self { sink, last, base, file, end } = self;
        let sink = sink.as_str();
        format!(r#"{{"sink":"{sink}","last":"{last}","base":"{base}","file":{file},"end":{end}"#)
    }

    fn text(&self, mac: &str) -> String {
        let text = format!("{},\"mac\":\"{mac}\"}}", self.body());
        format!("{text:<width$}\n", width = FILE_BYTES - 1)
    }

    /// The file as a whole.
    pub(crate) fn sign(&self, key: &Key) -> String {
        self.text(&key.sign_head(self.body().as_bytes()).to_string())
    }

    /// Reads what such a file says; without a key whoever signed it is believed.
    pub(crate) fn read(text: &[u8], key: Option<&Key>) -> Found {
        let Ok(wire) = serde_json::from_slice::<Wire>(text) else { return Found::Unreadable };
        let Wire { sink, last, base, file, end, mac } = wire;
        let (Ok(last), Ok(base)) = (last.parse(), base.parse()) else { return Found::Unreadable };
        let head = Self { sink, last, base, file, end };
        // There is one way to write it.
        if head.text(&mac).as_bytes() != text {
            return Found::Unreadable;
        }
        let is_signed = |key: &Key| key.sign_head(head.body().as_bytes()).to_string() == mac;
        if key.is_none_or(is_signed) { Found::Signed(head) } else { Found::Forged(head) }
    }
}

/// The bytes of the file of the head, if it is there.
pub(crate) fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces what the file of the head says, as a whole.
///
/// It is written over in its place: as safe as to put a new file there, since it is one sector, and with nothing but
/// that sector to wait for three times as quick.
pub(crate) fn write_file(path: &Path, text: &str, durable: bool) -> io::Result<()> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) if file.metadata()?.len() == text.len() as u64 => file,
        // There is none, or what is there is none of ours.
        _ => return owner_only::replace(path, text.as_bytes(), durable),
    };
    file.write_all(text.as_bytes())?;
    if durable { file.sync_data() } else { Ok(()) }
}
