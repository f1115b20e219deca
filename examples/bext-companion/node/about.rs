//! What a process that has an engine says about itself: to those who connect, and in `node.json` to those who cannot.

use std::{
    env, fs,
    io::{self, Write},
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

/// `node.json` as this process has written it; removed when dropped.
#[derive(Debug)]
pub(crate) struct Record(PathBuf);

impl Record {
    /// Writes it, in place of one that was left behind.
    pub(crate) fn write(data: &Path, about: &About) -> io::Result<Self> {
        let path = data.join(RECORD);
        // Nobody reads half of it. Its mode is 0600, as of every temporary file.
        let mut file = NamedTempFile::new_in(data)?;
        serde_json::to_writer_pretty(&mut file, about)?;
        file.write_all(b"\n")?;
        file.persist(&path)?;
        Ok(Self(path))
    }

    /// What is written there; nothing, if it cannot be read.
    pub(crate) fn read(data: &Path) -> Option<About> {
        read(&data.join(RECORD))
    }
}

fn read(path: &Path) -> Option<About> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

impl Drop for Record {
    fn drop(&mut self) {
        // Only whoever holds the lock writes it, so it is ours; unless the directory is another. Where that is gone, so is it.
        if read(&self.0).is_some_and(|about| about.pid == process::id()) {
            let _ = fs::remove_file(&self.0);
        }
    }
}
