//! What a process that has an engine says about itself: to those who connect, and in `node.json` to those who cannot.

use std::{
    env,
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::socket;
use crate::{VERSION, args::StartArgs};

const RECORD: &str = "node.json";

/// A process that has an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) pid: u32,
    pub(crate) version: String,
    /// By which two builds of one version are told apart.
    pub(crate) build: String,
    /// RFC 3339 in UTC.
    pub(crate) started_at: String,
    pub(crate) data: String,
    /// Where it is asked; of no use where the engine is in the process of a client.
    pub(crate) socket: String,
    #[serde(default)]
    pub(crate) verbose: bool,
    #[serde(default)]
    pub(crate) in_process: bool,
}

impl About {
    pub(crate) fn of_this_process(start: &StartArgs, in_process: bool) -> Self {
        Self {
            pid: process::id(),
            version: VERSION.to_owned(),
            build: build(),
            started_at: format!("{:.3}", Timestamp::now()),
            data: start.data.display().to_string(),
            socket: start.data.join(socket::NAME).display().to_string(),
            verbose: start.verbose,
            in_process,
        }
    }
}

/// Which build this program is: its version, and the size and the time of its file.
///
/// To be asked early: once the file is replaced, this is about the new one.
pub(crate) fn build() -> String {
    let about = env::current_exe().and_then(fs::metadata);
    about.map_or_else(
        |_| VERSION.to_owned(),
        |about| format!("{VERSION}+{:x}.{:x}.{:x}", about.size(), about.mtime(), about.mtime_nsec()),
    )
}

/// `node.json` as this process has written it, locked as long as it has the engine; removed when dropped.
#[derive(Debug)]
pub(crate) struct Record {
    path: PathBuf,
    file: File,
}

impl Record {
    /// Writes it, in place of one that was left behind.
    pub(crate) fn write(data: &Path, about: &About) -> io::Result<Self> {
        let path = data.join(RECORD);
        // Nobody reads half of it, or finds it unlocked. Its mode is 0600, as of every temporary file.
        let mut file = NamedTempFile::new_in(data)?;
        file.as_file().lock()?;
        serde_json::to_writer_pretty(&mut file, about)?;
        file.write_all(b"\n")?;
        Ok(Self { file: file.persist(&path)?, path })
    }

    /// Which process has the engine, if there is one.
    pub(crate) fn of_holder(data: &Path) -> Option<About> {
        let mut file = File::open(data.join(RECORD)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            // Left behind by one that was killed.
            Ok(()) | Err(TryLockError::Error(_)) => return None,
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let own = self.file.metadata().map(|about| (about.dev(), about.ino()));
        let found = fs::symlink_metadata(&self.path).map(|about| (about.dev(), about.ino()));
        // Unless the next one has written its own already, or the directory is another.
        if matches!((own, found), (Ok(own), Ok(found)) if own == found) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
