//! What arguments would have on record, to be held against what is there.

use std::path::Path;

use mcp_core::AuditEntry;
use serde_json::{Map, Value};

use crate::{error::Error, key::Key};

/// What a record has as its `digest` if a call was made with these arguments, with the key of this file: so it can be
/// proved what was done, also where a record shows only a part of it.
///
/// It is the first half of an HMAC-SHA256 over `arguments`, a zero byte and [`AuditEntry::digest`].
///
/// # Errors
///
/// [`Unavailable`](crate::ErrorKind::Unavailable): the key cannot be read. [`NotFound`](crate::ErrorKind::NotFound): there
/// is none.
pub fn digest_of(key_file: impl AsRef<Path>, arguments: &Map<String, Value>) -> Result<String, Error> {
    let path = key_file.as_ref();
    let key = Key::read(path)
        .map_err(Error::of(path.parent().unwrap_or(path)))?
        .ok_or_else(|| Error::no_key(path))?;
    Ok(key.digest(&AuditEntry::digest(arguments)))
}
