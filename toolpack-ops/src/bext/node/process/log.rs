//! The file that the output of an app is kept in, of bounded size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// How large the file may become before it is put aside.
const MAX_BYTES: u64 = 10 << 20;

/// A log that is appended to. Two releases of an app that run side by side each have one on the same file.
///
/// What cannot be written, because the disk is full, is lost: an app does not stop for its log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    max_bytes: u64,
    file: Option<File>,
    /// How often text was lost since something was last written.
    losses: u64,
    /// What was written last broke off within a line.
    is_torn: bool,
}

impl Log {
    /// The log in this file, opened when something is written. At 10 MiB it is renamed to `NAME.1`, in place of the one
    /// before.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: MAX_BYTES, file: None, losses: 0, is_torn: false }
    }

    /// Appends whole lines.
    pub(super) fn append(&mut self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        match self.try_append(lines) {
            Ok(()) => {
                if self.losses > 0 {
                    tracing::info!(path = %self.path.display(), losses = self.losses, "output is kept again");
                }
                self.losses = 0;
                self.is_torn = false;
            }
            Err(error) => {
                // Once, not for each line: whatever collects this log may be on the same full disk.
                if self.losses == 0 {
                    tracing::warn!(%error, path = %self.path.display(), "output of an app is lost");
                }
                self.losses += 1;
                self.file = None;
            }
        }
    }

    fn try_append(&mut self, lines: &str) -> io::Result<()> {
        let mut file = self.current(lines.len() as u64)?;
        // One write, so that lines of two releases do not mix.
        let written = if self.is_torn { file.write_all(b"\n") } else { Ok(()) };
        self.is_torn = true;
        written?;
        file.write_all(lines.as_bytes())?;
        self.file = Some(file);
        Ok(())
    }

    /// The file that has this path now, with room for so many bytes.
    fn current(&mut self, more: u64) -> io::Result<File> {
        loop {
            let file = match self.file.take() {
                Some(file) => file,
                None => open(&self.path)?,
            };
            // The other release, or the owner, may have put it aside.
            if !is_at(&file, &self.path)? {
                continue;
            }
            let size = file.metadata()?.len();
            if size == 0 || size + more <= self.max_bytes {
                return Ok(file);
            }
            // Whoever has the lock renames it; the other then finds that it is no longer here. Closing frees the lock.
            flock(&file, FlockOperation::LockExclusive)?;
            if is_at(&file, &self.path)? {
                fs::rename(&self.path, aside(&self.path))?;
            }
        }
    }
}

/// Where a full log is put.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.mode() & 0o777 != 0o600 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let here = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn log(path: &Path, max_bytes: u64) -> Log {
        Log { max_bytes, ..Log::new(path.to_owned()) }
    }

    #[test]
    fn a_full_log_is_put_aside_and_one_old_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/shop.log");
        let mut log = log(&path, 20);
        for line in [
            "one-------\n",
            "two------\n",
            "three----\n",
            "four-----\n",
            "five-----\n",
            "a longer line than all\n",
        ] {
            log.append(line);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "a longer line than all\n");
        assert_eq!(fs::read_to_string(aside(&path)).unwrap(), "four-----\nfive-----\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
    }

    #[test]
    fn two_on_one_file_lose_nothing_when_it_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.log");
        // It is put aside once: what both write is less than twice the size.
        let line = "0123456789abcde\n";
        let write = |mut log: Log| (0..300).for_each(|_| log.append(line));
        std::thread::scope(|scope| {
            scope.spawn(|| write(log(&path, 6000)));
            scope.spawn(|| write(log(&path, 6000)));
        });
        let both = [fs::read_to_string(aside(&path)).unwrap(), fs::read_to_string(&path).unwrap()].concat();
        assert_eq!(both.lines().count(), 600);
        assert!(both.lines().all(|each| each == line.trim_end()));
    }

    #[test]
    fn a_log_that_was_removed_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.log");
        let mut log = log(&path, 1000);
        log.append("one\n");
        fs::remove_file(&path).unwrap();
        log.append("two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }

    #[test]
    fn what_cannot_be_written_is_lost_and_later_lines_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.log");
        fs::create_dir(&path).unwrap();
        let mut log = log(&path, 1000);
        log.append("lost\n");
        log.append("lost too\n");
        assert_eq!(log.losses, 2);
        fs::remove_dir(&path).unwrap();
        log.append("kept\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept\n");
        assert_eq!(log.losses, 0);
        // A line that broke off is ended first.
        log.is_torn = true;
        log.append("more\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept\n\nmore\n");
    }
}
