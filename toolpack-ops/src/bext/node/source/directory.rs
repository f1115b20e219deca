//! A source that is a directory: its files as they are when they are read.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::export::{Export, is_data_of_a_node, path_within, shorten};
use super::limits::SourceLimits;
use super::manifest::Manifest;
use super::task::Stop;
use super::{invalid, unreadable};
use crate::error::Error;

/// Hands every file below `root` to the export.
pub(super) fn export(root: &Path, export: &mut Export<'_>) -> Result<(), Error> {
    let mut waiting = vec![(root.to_owned(), String::new())];
    while let Some((directory, within)) = waiting.pop() {
        export.enter()?;
        refuse_node(&directory, &within)?;
        for entry in fs::read_dir(&directory).map_err(|error| unreadable(&within, error))? {
            export.stop().check()?;
            let entry = entry.map_err(|error| unreadable(&within, error))?;
            let name = entry.file_name();
            let mut path = within.clone().into_bytes();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            let Some(path) = path_within(&path, export.limits())? else { continue };
            let kind = entry.file_type().map_err(|error| unreadable(&path, error))?;
            if kind.is_dir() {
                waiting.push((entry.path(), path));
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).map_err(|error| unreadable(&path, error))?;
                export.link(path, target.as_os_str().as_bytes())?;
            } else if kind.is_file() {
                file(&entry.path(), path, export)?;
            } else {
                return Err(special(&path));
            }
        }
    }
    Ok(())
}

/// Refuses a directory in which the data of a node would become part of a release, before there is one. What cannot be
/// read, and more directories than a release may have, are left to be refused with the release.
pub(super) fn refuse_nodes(root: &Path, limits: &SourceLimits, stop: &Stop) -> Result<(), Error> {
    let mut waiting = vec![(root.to_owned(), String::new())];
    let mut seen = 0;
    while let Some((directory, within)) = waiting.pop()
        && seen < limits.files
    {
        seen += 1;
        stop.check()?;
        refuse_node(&directory, &within)?;
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if within.is_empty() { name } else { format!("{within}/{name}") };
            if let Ok(Some(path)) = path_within(path.as_bytes(), limits) {
                waiting.push((entry.path(), path));
            }
        }
    }
    Ok(())
}

fn refuse_node(directory: &Path, within: &str) -> Result<(), Error> {
    if !is_data_of_a_node(directory) {
        return Ok(());
    }
    let place = if within.is_empty() { "the source".to_owned() } else { shorten(within) };
    Err(invalid(format!("{place} holds the data of a node, secrets too; it is no part of an app")))
}

fn file(from: &Path, path: String, export: &mut Export<'_>) -> Result<(), Error> {
    let file = open(from).map_err(|error| unreadable(&path, error))?;
    // Asked of what was opened: what is there by that name may have changed meanwhile.
    let metadata = file.metadata().map_err(|error| unreadable(&path, error))?;
    if !metadata.is_file() {
        return Err(special(&path));
    }
    export.file(path, metadata.mode() & 0o100 != 0, None, file)
}

/// Follows no link, and does not wait for the other end of a pipe.
fn open(path: &Path) -> std::io::Result<fs::File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn special(path: &str) -> Error {
    invalid(format!("{} is neither a file nor a directory", shorten(path)))
}

/// The manifest of the directory, without a look at anything else in it.
pub(super) fn manifest(root: &Path) -> Result<Manifest, Error> {
    let path: PathBuf = root.join(Manifest::FILE);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Manifest::default()),
        Err(error) => return Err(unreadable(Manifest::FILE, error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(invalid(format!("{} must be a file", Manifest::FILE)));
        }
        Ok(_) => {}
    }
    let file = open(&path).map_err(|error| unreadable(Manifest::FILE, error))?;
    let mut bytes = Vec::new();
    file.take(Manifest::MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(Manifest::FILE, error))?;
    if bytes.len() as u64 > Manifest::MAX_BYTES {
        return Err(invalid(format!("{} is larger than {} bytes", Manifest::FILE, Manifest::MAX_BYTES)));
    }
    Manifest::parse(&bytes)
}
