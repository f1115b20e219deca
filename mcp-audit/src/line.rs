//! One record as one line, byte for byte: what is hashed, and what is signed.
//!
//! ```text
//! {"seq":7,"prev":"…","head":6,"time":"…",…,"hash":"…","seal":"…"}
//! ```
//!
//! `hash` is the SHA-256 of all bytes before `,"hash"`, `prev` that of the record before, and `seal` an HMAC of `hash`.
//! `head` is the last record that the signed head covered when this one was written: by it a head that was put back
//! is told from one that a crash left behind. There is one way to write a record, so that no byte of it can change
//! unnoticed.

use std::fmt::Write as _;

use crate::{
    hash::{Hash, parse_hex, write_hex},
    head::Head,
    key::{Key, Seal},
};

/// The longest line that is read; what is written is far below.
pub(crate) const LONGEST: usize = 1 << 18;

const HASH: &str = ",\"hash\":\"";
const SEAL: &str = "\",\"seal\":\"";
const END: &str = "\"}";
/// Everything behind the body.
const TRAILER: usize = HASH.len() + 64 + SEAL.len() + 32 + END.len();

/// A record as it was read.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    pub(crate) prev: Hash,
    pub(crate) head: u64,
    body: &'a [u8],
    pub(crate) hash: Hash,
    seal: Seal,
}

/// Writes the record that follows `last`, without a line break; `fields` are those of an object, without its braces.
pub(crate) fn compose(last: &Head, head: u64, fields: &str, key: &Key) -> (String, Head) {
    let mut line = String::with_capacity(fields.len() + TRAILER + 160);
    let seq = last.next();
    // A text takes whatever is written to it.
    let _ = write!(line, "{{\"seq\":{seq},\"prev\":\"{}\",\"head\":{head},{fields}", last.hash());
    let hash = Hash::of(line.as_bytes());
    let _ = write!(line, "{HASH}{hash}{SEAL}");
    let _ = write_hex(&mut line, &key.seal(&hash).0);
    line.push_str(END);
    (line, Head::new(seq, hash))
}

impl<'a> Line<'a> {
    /// Reads a line, without its break; `None` for what cannot be a record.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (body, trailer) = line.split_at_checked(line.len().checked_sub(TRAILER)?)?;
        let trailer = trailer.strip_prefix(HASH.as_bytes())?;
        let (hash, trailer) = trailer.split_at_checked(64)?;
        let trailer = trailer.strip_prefix(SEAL.as_bytes())?.strip_suffix(END.as_bytes())?;
        let (seq, rest) = number(body.strip_prefix(b"{\"seq\":")?)?;
        let (prev, rest) = rest.strip_prefix(b",\"prev\":\"")?.split_at_checked(64)?;
        let (head, rest) = number(rest.strip_prefix(b"\",\"head\":")?)?;
        rest.strip_prefix(b",")?;
        let (prev, hash) = (Hash::parse(prev)?, Hash::parse(hash)?);
        Some(Self { seq, prev, head, body, hash, seal: Seal(parse_hex(trailer)?) })
    }

    /// Whether the hash is that of the record.
    pub(crate) fn is_whole(&self) -> bool {
        Hash::of(self.body) == self.hash
    }

    /// Whether somebody wrote it who had the key.
    pub(crate) fn is_sealed(&self, key: &Key) -> bool {
        key.seal(&self.hash) == self.seal
    }

    /// What is hashed: an object, but for its end.
    pub(crate) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Where the chain stands with it.
    pub(crate) fn as_head(&self) -> Head {
        Head::new(self.seq, self.hash)
    }
}

/// A number in the one form that it is written in, and what follows.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    if number.len() > 1 && number[0] == b'0' {
        return None;
    }
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}
