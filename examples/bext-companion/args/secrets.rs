//! `secrets`: which of its commands, with what.

use std::{ffi::OsString, path::PathBuf};

use super::{
    data_or_default,
    words::{Words, once},
};

/// What to do with the secrets in a data directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SecretsTask {
    /// Encrypt them under a new key, and drop the old one.
    Rotate { data: PathBuf },
}

/// Reads the words after `secrets`.
pub(super) fn parse(mut words: Words<impl Iterator<Item = OsString>>) -> Result<SecretsTask, String> {
    let command = words.next().filter(|word| word.flag == "rotate");
    command.ok_or("secrets wants rotate after it")?;
    let mut data = None;
    while let Some(word) = words.next() {
        match word.flag.as_str() {
            "--data" => once(&word, &mut data, words.value(&word, "a directory")?)?,
            _ => return Err(word.unknown()),
        }
    }
    Ok(SecretsTask::Rotate { data: data_or_default(data)? })
}
