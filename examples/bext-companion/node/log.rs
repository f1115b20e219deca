//! `node.log`: what the node logs, in two files of bounded size.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tracing_subscriber::fmt::MakeWriter;

const NAME: &str = "node.log";

/// After so many bytes another file is begun, and the one before the last is gone.
const MAX_BYTES: u64 = 4 << 20;

/// The log of this process.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    /// Whether standard error goes where the log goes, so that panics are in it.
    takes_stderr: bool,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl Log {
    /// Opens it to go on writing.
    pub(crate) fn open(data: &Path, takes_stderr: bool) -> io::Result<Self> {
        let path = Self::path(data);
        let open = Open::at(&path, takes_stderr)?;
        Ok(Self { path, takes_stderr, open: Mutex::new(open) })
    }

    pub(crate) fn path(data: &Path) -> PathBuf {
        data.join(NAME)
    }

    /// The file, to go on writing to by hand.
    pub(crate) fn file(path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)
    }
}

impl Open {
    fn at(path: &Path, takes_stderr: bool) -> io::Result<Self> {
        let file = Log::file(path)?;
        if takes_stderr {
            rustix::stdio::dup2_stderr(&file)?;
        }
        Ok(Self { bytes: file.metadata()?.len(), file })
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = &'a Log;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Log {
    /// Writes a record, which is one call.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let length = record.len() as u64;
        if open.bytes > 0 && open.bytes + length > MAX_BYTES {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *open = Open::at(&self.path, self.takes_stderr)?;
        }
        open.file.write_all(record)?;
        open.bytes += length;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
