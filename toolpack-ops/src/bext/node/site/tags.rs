//! The entity tags of files: a hash of what is in them, computed once and remembered.

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::HeaderValue;

use super::PIECE;
use super::coding::Coding;

/// How many tags are remembered in each of the two generations. Those of a large site take about 4 MB.
const MOST_TAGS: usize = 10_000;

/// A file as it is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    /// Within the site.
    pub(super) path: PathBuf,
    pub(super) coding: Option<Coding>,
    /// The files of an artifact do not change. If one does nevertheless, its tag must not stay: a strong tag that is
    /// wrong lets a client put two contents together.
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
}

/// The tags of a site.
#[derive(Debug, Default)]
pub(super) struct Tags {
    remembered: Mutex<Generations<FileKey, HeaderValue>>,
    /// The large files that are being read. Those that ask for the tag of one meanwhile wait for the same reading, which
    /// goes on when they go away.
    under_way: Mutex<HashMap<FileKey, Reading>>,
}

type Reading = Shared<BoxFuture<'static, Result<HeaderValue, io::ErrorKind>>>;

impl Tags {
    /// One that is remembered.
    pub(super) fn known(&self, key: &FileKey) -> Option<HeaderValue> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    /// The tag of a file whose content is at hand.
    pub(super) fn of_content(&self, key: FileKey, content: &[u8]) -> HeaderValue {
        let tag = tag(&blake3::hash(content), key.coding);
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).insert(key, tag.clone());
        tag
    }

    /// The tag of a file that is read for it, piece by piece, unless it is remembered.
    pub(super) async fn of_file(self: &Arc<Self>, key: FileKey, file: Arc<File>) -> io::Result<HeaderValue> {
        if let Some(tag) = self.known(&key) {
            return Ok(tag);
        }
        let reading = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.entry(key).or_insert_with_key(|key| self.clone().begin(key.clone(), file)).clone()
        };
        reading.await.map_err(io::Error::from)
    }

    fn begin(self: Arc<Self>, key: FileKey, file: Arc<File>) -> Reading {
        let task = tokio::task::spawn_blocking(move || {
            let hash = hash(&file, key.length);
            let tag = hash.map(|hash| tag(&hash, key.coding)).map_err(|error| error.kind());
            if let Ok(tag) = &tag {
                self.remembered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(key.clone(), tag.clone());
            }
            // Only now, so that whoever comes next finds the one or the other.
            self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            tag
        });
        task.map(|done| done.unwrap_or(Err(io::ErrorKind::Other))).boxed().shared()
    }
}

fn hash(file: &File, length: u64) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE];
    let mut position = 0;
    while position < length {
        let count = (length - position).min(PIECE as u64) as usize;
        file.read_exact_at(&mut piece[..count], position)?;
        hasher.update(&piece[..count]);
        position += count as u64;
    }
    Ok(hasher.finalize())
}

/// Half of the hash: 128 bits, in which no two contents meet by chance. The compressed forms of a file are other
/// representations, and have other tags even where their bytes are the same.
fn tag(hash: &blake3::Hash, coding: Option<Coding>) -> HeaderValue {
    let hash = &hash.to_hex()[..32];
    let tag = coding.map_or_else(|| format!("\"{hash}\""), |coding| format!("\"{hash}-{}\"", coding.name()));
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// A memory that forgets what was not asked for lately: when the young generation is full it becomes the old one, and what
/// was the old one is gone.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V> Default for Generations<K, V> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Generations<K, V> {
    fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= MOST_TAGS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn key(path: &str, length: u64) -> FileKey {
        FileKey { path: path.into(), coding: None, length, modified: None }
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_asked_for() {
        let mut memory = Generations::default();
        for number in 0..3 * MOST_TAGS {
            memory.insert(number, number);
            assert_eq!(memory.get(&0), Some(0));
        }
        assert!(memory.young.len() + memory.old.len() <= 2 * MOST_TAGS);
        assert_eq!(memory.get(&1), None);
        assert_eq!(memory.get(&(3 * MOST_TAGS - 1)), Some(3 * MOST_TAGS - 1));
    }

    #[tokio::test]
    async fn a_file_is_read_once_for_all_that_ask_and_even_if_they_leave() {
        let directory = tempfile::tempdir().unwrap();
        let content = vec![7; 3 * PIECE + 5];
        std::fs::write(directory.path().join("a"), &content).unwrap();
        let file = Arc::new(File::open(directory.path().join("a")).unwrap());
        let tags = Arc::new(Tags::default());
        let key = key("a", content.len() as u64);

        // Both wait for one reading; the first goes away.
        let mut first = Box::pin(tags.of_file(key.clone(), file.clone()));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(tags.of_file(key.clone(), file.clone()));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(tags.under_way.lock().unwrap().len(), 1);
        drop(first);
        let tag = second.await.unwrap();
        assert_eq!(tag, format!("\"{}\"", &blake3::hash(&content).to_hex()[..32]));
        assert_eq!(tags.known(&key), Some(tag.clone()));
        assert!(tags.under_way.lock().unwrap().is_empty());

        // It is the content that makes the tag, however it is read.
        assert_eq!(Tags::default().of_content(key.clone(), &content), tag);
        // A file of another length is another file.
        assert_eq!(tags.known(&FileKey { length: 1, ..key }), None);
    }

    #[tokio::test]
    async fn a_file_that_is_shorter_than_it_was_is_an_error_that_is_not_remembered() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), "short").unwrap();
        let file = Arc::new(File::open(directory.path().join("a")).unwrap());
        let tags = Arc::new(Tags::default());
        let error = tags.of_file(key("a", 100), file).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(tags.known(&key("a", 100)), None);
        assert!(tags.under_way.lock().unwrap().is_empty());
    }
}
