//! The turn to start something in a data directory: of fronts that begin at once, one starts the node.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use tokio::task::spawn_blocking;

/// How long others may take to start something; longer than a node has for it.
const PATIENCE: Duration = Duration::from_secs(90);

/// A lock on the directory itself, so that no file is left behind. The system lets it go with the process.
#[derive(Debug)]
pub(crate) struct StartLock {
    _directory: File,
}

impl StartLock {
    /// Takes it, unless somebody else has it.
    pub(crate) fn try_take(data: &Path) -> io::Result<Option<Self>> {
        let directory = File::open(data)?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(Self { _directory: directory })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes it when it is free.
    pub(crate) fn take(data: &Path) -> io::Result<Self> {
        let began = Instant::now();
        loop {
            match Self::try_take(data)? {
                Some(lock) => return Ok(lock),
                None if began.elapsed() > PATIENCE => {
                    let message = "others have been starting something there for too long";
                    return Err(io::Error::new(io::ErrorKind::TimedOut, message));
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// The same for whoever must not block.
    pub(crate) async fn wait_for(data: &Path) -> io::Result<Self> {
        let data = data.to_owned();
        spawn_blocking(move || Self::take(&data)).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }
}
