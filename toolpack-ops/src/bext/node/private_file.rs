//! Small files for their owner alone, which appear and change whole or not at all.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Makes a directory for its owner only, durably; one that exists is left as it is.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_parent(path),
    }
}

/// Makes a file with these bytes, durably; says whether it did. One that exists is left as it is.
pub(super) fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    // Looked for first: on a full disk nothing can be written beside it.
    if fs::symlink_metadata(path).is_ok() {
        return Ok(false);
    }
    match written_beside(path, bytes)?.persist_noclobber(path) {
        Ok(_) => sync_parent(path).map(|()| true),
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(failed) => Err(failed.error),
    }
}

/// Puts a file with these bytes in the place of whatever is there, durably.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    written_beside(path, bytes)?.persist(path).map_err(|failed| failed.error)?;
    sync_parent(path)
}

/// The text of a file, none if there is no file. One of more than `max_bytes` is an error of the kind `FileTooLarge`.
pub(super) fn read(path: &Path, max_bytes: u64) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    // As much room as it needs, at once: no part of a key is left behind in memory where a text has grown.
    let len = file.metadata()?.len().min(max_bytes);
    let mut text = String::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
    file.take(max_bytes + 1).read_to_string(&mut text)?;
    if text.len() as u64 > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {max_bytes} bytes"),
        ));
    }
    Ok(Some(text))
}

/// Removes what a process that was killed in the middle of [`create`] or [`replace`] has left.
///
/// Only for whoever is alone with the directory: it removes what another one is just writing, too.
pub(super) fn sweep(path: &Path) -> io::Result<()> {
    let prefix = prefix(path);
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The file under a temporary name, complete on the disk. `tempfile` makes files that only their owner may read, with a
/// name that nothing else has.
fn written_beside(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file =
        tempfile::Builder::new().prefix(&prefix(path)).suffix(".new").tempfile_in(directory(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn prefix(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// The directory of a file.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in the directory of a file durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file, and its names are durable with the file.
    if cfg!(unix) { File::open(directory(path))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    }

    #[test]
    fn the_first_file_stays_until_it_is_replaced_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        assert_eq!(read(&path, 10).unwrap(), None);
        assert!(create(&path, b"one").unwrap());
        assert!(!create(&path, b"two").unwrap());
        assert_eq!(read(&path, 10).unwrap().as_deref(), Some("one"));
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path, 5).unwrap().as_deref(), Some("three"));
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        #[cfg(unix)]
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        for name in ["a.txt", ".a.txt.x1.new", ".b.txt.x1.new", "c"] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        sweep(&path).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".b.txt.x1.new", "a.txt", "c"]);
    }

    #[cfg(unix)]
    #[test]
    fn directories_are_for_their_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("d");
        make_dir(&path).unwrap();
        make_dir(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        fs::write(directory.path().join("f"), "").unwrap();
        assert!(make_dir(&directory.path().join("f")).is_err());
    }
}
