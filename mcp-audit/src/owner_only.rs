//! Directories and files that only their owner may read or write.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Makes a directory and those above it, unless it is there.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Options that make a file, where there is none.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes a file from whoever is not its owner, and says so in the log. Where it is not ours to change it is only said: it is
/// for whoever put it there.
#[cfg(unix)]
pub(crate) fn tighten(path: &Path, why: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() || mode & 0o077 == 0 {
        return;
    }
    // What a link leads to is of somebody else's choice, and may serve others as well.
    let is_tightened =
        !path.is_symlink() && fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).is_ok();
    let (path, mode) = (path.display(), format!("{mode:04o}"));
    tracing::warn!(%path, mode, is_tightened, "a file of the audit was not its owner's alone: {why}");
}

/// Elsewhere files have no such permissions.
#[cfg(not(unix))]
pub(crate) fn tighten(_: &Path, _: &str) {}

/// Replaces a file as a whole: whoever looks sees the old one or the new one. Where it is to be durable, it is once
/// this returns.
pub(crate) fn replace(path: &Path, contents: &[u8], durable: bool) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = options().write(true).truncate(true).open(&new)?;
    file.write_all(contents)?;
    if durable {
        file.sync_all()?;
    }
    drop(file);
    fs::rename(&new, path)?;
    if durable { sync_directory_of(path) } else { Ok(()) }
}

/// Makes durable what a directory says of a file.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        #[cfg(unix)]
        Some(directory) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}
