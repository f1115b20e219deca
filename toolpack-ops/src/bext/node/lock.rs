//! One node for each data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// The lock of a data directory, held until it is dropped, or the process is gone, however it ends.
#[derive(Debug)]
pub(crate) struct NodeLock {
    file: File,
}

impl Drop for NodeLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that is being started at this moment may hold a copy of it, until it
        // becomes the program that it is to be. That it cannot be unlocked is as good as that it is closed.
        let _ = self.file.unlock();
    }
}

impl NodeLock {
    /// Takes the lock of the directory, which has to be there. It blocks only for as long as the file system takes.
    ///
    /// The file itself stays when the node ends: whoever removed it could take it from under a node that has just begun.
    pub(crate) fn take(root: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let unavailable = |error: std::io::Error| {
            Error::new(
                ErrorKind::Unavailable,
                "store_unavailable",
                "the lock of the data directory cannot be used",
            )
            .with_source(error)
        };
        let file = options.open(root.join("node.lock")).map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                ErrorKind::Unavailable,
                "node_running",
                "another node runs on this data directory; attach to it, or stop it first",
            )),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn a_directory_has_one_holder_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let held = NodeLock::take(root.path()).unwrap();
        assert_eq!(NodeLock::take(root.path()).unwrap_err().code(), "node_running");
        drop(held);
        NodeLock::take(root.path()).unwrap();
    }
}
