//! Many files made durable at once.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::task::Stop;

/// Makes these files and directories durable.
///
/// Several at a time: a file system that keeps a journal writes those that come together in one go, so that thousands take
/// what a few take one after the other. All that a file system holds could be written instead, but then a release would
/// wait for whatever else the machine writes.
pub(super) fn sync_each(paths: &[PathBuf], stop: &Stop) -> io::Result<()> {
    const THREADS: usize = 8;
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            if stop.check().is_err() {
                break;
            }
            sync(path)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..THREADS.min(paths.len())).map(|_| scope.spawn(work)).collect();
        let own = work();
        others.into_iter().fold(own, |done, other| {
            done.and(
                other.join().unwrap_or_else(|_| Err(io::Error::other("a thread that writes has failed"))),
            )
        })
    })
}

/// Makes a file durable, or the names in a directory.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
