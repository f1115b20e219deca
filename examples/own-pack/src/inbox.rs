//! Where texts wait to be put on the list: a second small trait, and the folder that it is by default.

use std::{
    fmt,
    fs::{self, File},
    io::{self, BufReader, Read as _},
    path::PathBuf,
};

use async_trait::async_trait;

use crate::blocking::blocking;

/// Texts that wait to be imported. Looks and changes nothing.
#[async_trait]
pub trait Inbox: fmt::Debug + Send + Sync + 'static {
    /// The names of the texts, in order.
    async fn names(&self) -> io::Result<Vec<String>>;

    /// How many words a text has.
    async fn words(&self, name: &str) -> io::Result<u32>;
}

/// The `.txt` files of a folder.
#[derive(Clone, Debug)]
pub struct FolderInbox {
    folder: PathBuf,
}

impl FolderInbox {
    /// The texts in this folder, which need not be there yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

#[async_trait]
impl Inbox for FolderInbox {
    async fn names(&self) -> io::Result<Vec<String>> {
        let folder = self.folder.clone();
        blocking(move || {
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            };
            let mut names = Vec::new();
            for entry in entries {
                let name = entry?.file_name().into_string().unwrap_or_default();
                names.extend(name.strip_suffix(".txt").map(str::to_owned));
            }
            names.sort();
            Ok(names)
        })
        .await
    }

    async fn words(&self, name: &str) -> io::Result<u32> {
        let path = self.folder.join(format!("{name}.txt"));
        blocking(move || {
            // Byte by byte, so that a text of any length takes the same memory.
            let (mut words, mut in_word) = (0, false);
            for byte in BufReader::new(File::open(path)?).bytes() {
                let is_letter = !byte?.is_ascii_whitespace();
                words += u32::from(is_letter && !in_word);
                in_word = is_letter;
            }
            Ok(words)
        })
        .await
    }
}
