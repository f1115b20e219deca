//! `node.sock`: made by the node for its own user alone, and found by fronts, however long the path of the directory is.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt},
            net::UnixStream,
        },
    },
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixSocket};

pub(crate) const NAME: &str = "node.sock";

/// How long a path of a socket may be on every system, in bytes; the least is 104 with the zero at its end.
const MAX_PATH_BYTES: usize = 100;

/// How many may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Connects to the node of a directory.
pub(crate) fn connect(data: &Path) -> io::Result<UnixStream> {
    let (path, _directory) = short_path(data)?;
    UnixStream::connect(path)
}

/// A path by which the system takes the socket, and what has to stay open while it is used.
fn short_path(data: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = data.join(NAME);
    if path.as_os_str().len() <= MAX_PATH_BYTES {
        return Ok((path, None));
    }
    if !cfg!(target_os = "linux") {
        let room = MAX_PATH_BYTES - NAME.len() - 1;
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the path is too long for a socket in it: it may have {room} bytes"),
        ));
    }
    // The directory by its descriptor: the socket is in it all the same, and nobody's place among temporary files is needed.
    let directory = File::open(data)?;
    let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(NAME);
    Ok((path, Some(directory)))
}

/// The socket of this node; its file is removed when dropped, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct Socket {
    // Removed before the listener closes: nobody finds a file at which nobody listens.
    file: SocketFile,
    pub(crate) listener: UnixListener,
}

impl Socket {
    /// Listens. Whoever calls this holds the lock of the directory, so a socket that is there is a dead node's.
    pub(crate) fn bind(data: &Path) -> io::Result<Self> {
        let path = data.join(NAME);
        match fs::symlink_metadata(&path) {
            Ok(about) if about.file_type().is_socket() => fs::remove_file(&path)?,
            Ok(_) => {
                let message = format!("{} is there already and is no socket", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let socket = UnixSocket::new_stream()?;
        let (short, _directory) = short_path(data)?;
        socket.bind(short)?;
        let file = SocketFile { identity: identity(&path)?, path };
        // Nobody can connect before `listen`, so nobody has while the file was open to more than its owner.
        fs::set_permissions(&file.path, Permissions::from_mode(0o600))?;
        Ok(Self { file, listener: socket.listen(BACKLOG)? })
    }

    /// By which its file is known.
    pub(super) fn identity(&self) -> Identity {
        self.file.identity
    }
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // A file that stays is taken for a dead node's by the next one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode, by which a file or a directory is known.
pub(super) type Identity = (u64, u64);

/// The identity of what is at this path; of a link itself.
pub(super) fn identity(path: &Path) -> io::Result<Identity> {
    let about = fs::symlink_metadata(path)?;
    Ok((about.dev(), about.ino()))
}

/// Whether this user may do all that we can: it could anyhow. The file's mode keeps others out already, but not where it
/// can be changed, or was.
pub(super) fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}
