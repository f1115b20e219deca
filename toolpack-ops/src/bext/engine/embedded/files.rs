//! Files that appear whole or not at all, however many processes make them at once.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Makes a directory for its owner only; one that exists is left as it is.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file, and its names are durable with the file.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Makes `path` with what `fill` writes under a temporary name beside it, durably; leaves a file that exists as it is.
///
/// The name is linked only to a file that is complete, and linking fails where the name is taken, so of several
/// processes one wins and all see the same file. A process that is killed in between leaves its temporary file, hidden
/// by a dot and never read; nobody removes it, as nobody can know that its maker is gone.
pub(super) fn make_file<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = Temporary(beside(path));
    fill(&temporary.0)?;
    File::open(&temporary.0)?.sync_all()?;
    match fs::hard_link(&temporary.0, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    drop(temporary);
    if let Some(directory) = path.parent() {
        sync_dir(directory)?;
    }
    Ok(())
}

/// As [`make_file`], with known bytes.
pub(super) fn make_file_of(path: &Path, bytes: &[u8]) -> io::Result<()> {
    make_file(path, |temporary| File::create_new(temporary)?.write_all(bytes))
}

/// Removes a file, what SQLite has put beside it and what makers that were killed have left, and the directory if that was
/// all there was in it; durably. Nothing of it needs to be there.
pub(super) fn remove_file_and_traces(directory: &Path, name: &str) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let temporary = format!(".{name}.");
    let journals = SUFFIXES.map(|suffix| format!("{name}{suffix}"));
    for entry in entries {
        let entry = entry?;
        let found = entry.file_name();
        let found = found.to_string_lossy();
        if found.starts_with(&temporary) || journals.iter().any(|journal| *journal == found) {
            fs::remove_file(entry.path())?;
        }
    }
    match fs::remove_dir(directory) {
        Ok(()) => directory.parent().map_or(Ok(()), sync_dir),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => sync_dir(directory),
        Err(error) => Err(error),
    }
}

/// What the names of a database and of what SQLite puts beside it end with.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Which file a name stands for now; a file that was put in its place has another identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

/// The identity of the file at `path`, none if there is no file.
pub(super) fn file_id(path: &Path) -> io::Result<Option<FileId>> {
    match fs::metadata(path) {
        #[cfg(unix)]
        Ok(metadata) => {
            use std::os::unix::fs::MetadataExt;
            Ok(Some(FileId(metadata.dev(), metadata.ino())))
        }
        // Elsewhere an open file cannot be replaced, so every file may count as the same one.
        #[cfg(not(unix))]
        Ok(_) => Ok(Some(FileId(0, 0))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removed when dropped, with what SQLite may have put beside it.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        for suffix in SUFFIXES {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            // It may well not exist, and nothing depends on its removal.
            let _ = fs::remove_file(name);
        }
    }
}

/// A name that no other thread or process takes at the same time.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{nanos}-{count}.new", std::process::id()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn the_first_file_stays_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.toml");
        make_file_of(&path, b"one").unwrap();
        make_file_of(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn racing_makers_agree_on_one_complete_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let seen: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8u8)
                .map(|n| {
                    let path = &path;
                    scope.spawn(move || {
                        make_file_of(path, &[n; 4096]).unwrap();
                        fs::read(path).unwrap()
                    })
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert_eq!(seen[0].len(), 4096);
        assert!(seen.iter().all(|bytes| *bytes == seen[0]));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn directories_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("d");
        make_dir(&path).unwrap();
        make_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
