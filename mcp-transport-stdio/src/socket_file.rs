//! The file of a Unix socket: made for its owner alone, in place of a dead server's, and removed by whom it belongs to.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use tokio::{
    net::{UnixListener, UnixSocket, UnixStream},
    time::{Instant, sleep},
};

use crate::ServeError;

/// How many clients may wait to be accepted; the kernel has a limit of its own, which may be lower.
pub(crate) const BACKLOG: u32 = 1024;

/// How long another server may take to begin or not in the same directory.
const LOCK_TIME: Duration = Duration::from_secs(5);

/// A file of ours; removed when dropped, unless another has taken its place.
///
/// To be dropped before its listener: as long as that lives no other server takes the file for a dead one's.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, by which it is known.
    identity: (u64, u64),
}

impl SocketFile {
    /// Makes the file and listens there.
    pub(crate) async fn listen(path: &Path) -> Result<(Self, UnixListener), ServeError> {
        let failed = |source| ServeError::SocketFile { path: path.to_owned(), source };
        // The current directory may be another by the time that the file is removed.
        let path = std::path::absolute(path).map_err(failed)?;
        // Nobody else decides meanwhile that a socket here is dead: two that begin at once would remove each other's.
        let _lock = lock(path.parent().unwrap_or(&path)).await.map_err(failed)?;
        let socket = match bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_if_dead(&path).await?;
                bind(&path)
            }
            bound => bound,
        };
        let socket = socket.map_err(failed)?;
        let file = Self::at(path.clone()).map_err(failed)?;
        // Nobody can connect before `listen`, so nobody has while the file was open to more than its owner.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        let listener = socket.listen(BACKLOG).map_err(failed)?;
        Ok((file, listener))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn at(path: PathBuf) -> io::Result<Self> {
        let identity = identity(&path)?;
        Ok(Self { path, identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "a socket cannot be removed");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let about = fs::symlink_metadata(path)?;
    Ok((about.dev(), about.ino()))
}

fn bind(path: &Path) -> io::Result<UnixSocket> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    Ok(socket)
}

/// Removes the socket of a server that is no more, and nothing else.
async fn remove_if_dead(path: &Path) -> Result<(), ServeError> {
    let failed = |source| ServeError::SocketFile { path: path.to_owned(), source };
    // Not that of what a link points to: binding would not follow it either.
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !about.file_type().is_socket() {
        return Err(ServeError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::debug!(path = %path.display(), "removing the socket of a server that is no more");
            fs::remove_file(path).map_err(failed)
        }
        // Its queue is full, so there is one who let it fill.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(ServeError::SocketInUse(path.to_owned()))
        }
        Err(error) => Err(failed(error)),
        Ok(_) => Err(ServeError::SocketInUse(path.to_owned())),
    }
}

/// Locks a directory against others who do the same; there is no file to be left behind.
async fn lock(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    let deadline = Instant::now() + LOCK_TIME;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                sleep(Duration::from_millis(5)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
