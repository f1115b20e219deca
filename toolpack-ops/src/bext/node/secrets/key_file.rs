//! `secret.key`: the keys of a data directory, one a line, the current one first.
//!
//! ```text
//! # Comments begin like this one.
//! 1f3a9c02b7d4e856 BASE64 of 32 bytes
//! ```
//!
//! The id before each key follows from it, so a key that was cut short or mixed up is seen as what it is.

use std::fs::File;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use super::error;
use super::key::{Key, MAX_KEYS};
use crate::bext::node::private_file;
use crate::error::{Error, ErrorKind};

const NAME: &str = "secret.key";
const MAX_BYTES: u64 = 16 << 10;

const HEADER: &str = "\
# The keys that the secrets of this directory are encrypted with, the current one first.
# Without them no secret can be read: keep a copy of this file, apart from the data, where only you can read it.
";

pub(super) fn path(root: &Path) -> PathBuf {
    root.join(NAME)
}

/// The keys of the file, the current one first; none if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<Key>>, Error> {
    check_private(path)?;
    let Some(text) = private_file::read(path, MAX_BYTES).map_err(error::key_file)? else { return Ok(None) };
    parse(&Zeroizing::new(text)).map(Some)
}

/// The keys of the file, which is made with a new one if it is not there.
pub(super) fn read_or_make(path: &Path) -> Result<Vec<Key>, Error> {
    // A process that was killed while it wrote the file has left a copy of keys.
    private_file::sweep(path).map_err(error::key_file)?;
    if let Some(keys) = read(path)? {
        return Ok(keys);
    }
    private_file::create(path, text_of(&[&Key::random()?]).as_bytes()).map_err(error::key_file)?;
    // Whoever made it: what lies there counts.
    read(path)?.ok_or_else(|| error::key_file(std::io::ErrorKind::NotFound.into()))
}

/// Writes the file anew, with these keys.
pub(super) fn write(path: &Path, keys: &[&Key]) -> Result<(), Error> {
    private_file::replace(path, text_of(keys).as_bytes()).map_err(error::key_file)
}

fn text_of(keys: &[&Key]) -> Zeroizing<String> {
    // One line has 62 bytes; with room for all, nothing is left behind where a text has grown.
    let mut text = Zeroizing::new(String::with_capacity(HEADER.len() + keys.len() * 64));
    text.push_str(HEADER);
    for key in keys {
        text.push_str(key.id.as_str());
        text.push(' ');
        text.push_str(&key.base64());
        text.push('\n');
    }
    text
}

fn parse(text: &str) -> Result<Vec<Key>, Error> {
    let mut keys: Vec<Key> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line
            .split_once(' ')
            .and_then(|(id, key)| Key::of_base64(key.trim().as_bytes()).filter(|key| key.id.as_str() == id));
        match key {
            Some(key) if keys.iter().all(|known| known.id != key.id) => keys.push(key),
            Some(_) => {}
            None => {
                return Err(error::key_invalid(format!(
                    "line {number} of secret.key is not an id and its key, unchanged; put back a copy of the file, or \
                     the line as it was"
                )));
            }
        }
    }
    match keys.len() {
        0 => Err(error::key_invalid("secret.key has no key in it; put back a copy of the file")),
        1..=MAX_KEYS => Ok(keys),
        _ => Err(error::key_invalid(format!(
            "secret.key has more than {MAX_KEYS} keys; remove the oldest lines"
        ))),
    }
}

/// Refuses a file that others than its owner can read, or that is another's.
#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let metadata = match File::open(path).and_then(|file| file.metadata()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(error::key_file)?,
    };
    let message = if metadata.mode() & 0o077 != 0 {
        "others than its owner may use secret.key, so its keys may be known; run `chmod 600 secret.key` in the data \
         directory if they are not, and rotate them if they are"
    } else if metadata.uid() != rustix::process::geteuid().as_raw() {
        "secret.key belongs to another user, who can read it; run `chown` on it in the data directory for the user that \
         the node runs as"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::PermissionDenied, "secret_key_exposed", message))
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn the_file_says_its_keys_and_a_changed_line_is_seen() {
        let (new, old) = (Key::random().unwrap(), Key::random().unwrap());
        let text = text_of(&[&new, &old]);
        let ids: Vec<_> = parse(&text).unwrap().into_iter().map(|key| key.id).collect();
        assert_eq!(ids, [new.id.clone(), old.id.clone()]);
        // The same key twice is one key.
        assert_eq!(parse(&format!("{}{}", *text, *text)).unwrap().len(), 2);
        for (at, byte) in text.bytes().enumerate().skip(HEADER.len()).filter(|(_, byte)| *byte != b'\n') {
            let mut changed = text.to_string().into_bytes();
            changed[at] = if byte == b'A' { b'B' } else { b'A' };
            let error = parse(&String::from_utf8(changed).unwrap()).unwrap_err();
            assert_eq!(error.code(), "secret_key_invalid");
            assert!(!error.message().contains(&*new.base64()) && !error.message().contains(&*old.base64()));
        }
        for bad in
            ["", "# nothing\n", "abc", "1f3a9c02b7d4e856 ", &format!("0000000000000000 {}", *new.base64())]
        {
            assert_eq!(parse(bad).unwrap_err().code(), "secret_key_invalid", "{bad}");
        }
    }
}
