//! Finding a file of a site, without ever leaving it.
//!
//! The directory of the site is held open, and each name is opened relative to the directory before it, without following
//! symbolic links. So no name, and no link that somebody puts there meanwhile, leads out of it.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::coding::Coding;
use super::path::{SitePath, with_suffix};

/// What an address of a directory shows.
const INDEX: &str = "index.html";

/// The directory of a site.
#[derive(Debug)]
pub(super) struct Files {
    root: File,
}

/// What was found under a path.
#[derive(Debug)]
pub(super) enum Found {
    File(FoundFile),
    /// A directory that was asked for without the slash at its end.
    Directory,
    Nothing,
}

/// A regular file, or its compressed form.
#[derive(Debug)]
pub(super) struct FoundFile {
    pub(super) file: File,
    /// Of the plain file, within the site.
    pub(super) path: PathBuf,
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
    /// How it is compressed.
    pub(super) coding: Option<Coding>,
    /// Whether there are several forms of it.
    pub(super) varies: bool,
}

impl Files {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(root, flags, Mode::empty())?.into() })
    }

    /// The file of a path, in the first of these codings that there is.
    ///
    /// `/about` is, of these, the first that there is: the file `about`, the file `about.html`, the directory `about` with
    /// an `index.html` in it. `/about/` is the last of them only.
    pub(super) fn find(&self, path: &SitePath, accepted: &[Coding]) -> io::Result<Found> {
        let (directories, last) = path.split();
        let mut way = Way { directory: None, root: &self.root, path: PathBuf::new() };
        for name in directories {
            if !way.enter(name)? {
                return Ok(Found::Nothing);
            }
        }
        let name = match last {
            None => OsStr::new(INDEX),
            Some(last) if path.is_directory() => {
                if !way.enter(last)? {
                    return Ok(Found::Nothing);
                }
                OsStr::new(INDEX)
            }
            Some(last) => last,
        };
        if let Some(found) = way.file(name, accepted)? {
            return Ok(Found::File(found));
        }
        if path.is_directory() {
            return Ok(Found::Nothing);
        }
        if let Some(found) = way.file(&with_suffix(name, ".html"), accepted)? {
            return Ok(Found::File(found));
        }
        let has_index = way.enter(name)? && way.regular(OsStr::new(INDEX))?.is_some();
        Ok(if has_index { Found::Directory } else { Found::Nothing })
    }

    /// A file at the root.
    pub(super) fn at_root(&self, name: &str, accepted: &[Coding]) -> io::Result<Option<FoundFile>> {
        Way { directory: None, root: &self.root, path: PathBuf::new() }.file(OsStr::new(name), accepted)
    }
}

/// How far one has come from the root.
#[derive(Debug)]
struct Way<'a> {
    root: &'a File,
    /// None at the root.
    directory: Option<File>,
    path: PathBuf,
}

impl Way<'_> {
    /// Goes on into a directory; false if there is none of that name.
    fn enter(&mut self, name: &OsStr) -> io::Result<bool> {
        let Some(directory) = self.open(name, OFlags::DIRECTORY)? else { return Ok(false) };
        self.directory = Some(directory);
        self.path.push(name);
        Ok(true)
    }

    /// A regular file here, in the first of these codings that there is.
    fn file(&self, name: &OsStr, accepted: &[Coding]) -> io::Result<Option<FoundFile>> {
        // Without the plain file, there is no file of which the others are forms.
        let Some(mut form) = self.regular(name)? else { return Ok(None) };
        let mut forms = Vec::new();
        for coding in Coding::ALL {
            if let Some(other) = self.regular(&with_suffix(name, coding.suffix()))? {
                forms.push((coding, other));
            }
        }
        let varies = !forms.is_empty();
        let mut coding = None;
        let best = accepted.iter().find_map(|liked| forms.iter().position(|(coding, _)| coding == liked));
        if let Some(best) = best {
            let (best, compressed) = forms.swap_remove(best);
            (form, coding) = (compressed, Some(best));
        }
        let (file, metadata) = form;
        let (length, modified) = (metadata.len(), metadata.modified().ok());
        Ok(Some(FoundFile { file, path: self.path.join(name), length, modified, coding, varies }))
    }

    fn regular(&self, name: &OsStr) -> io::Result<Option<(File, Metadata)>> {
        // A named pipe must not keep the thread waiting for a writer.
        let Some(file) = self.open(name, OFlags::NONBLOCK)? else { return Ok(None) };
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then_some((file, metadata)))
    }

    fn open(&self, name: &OsStr, flags: OFlags) -> io::Result<Option<File>> {
        debug_assert!(is_single(name), "a name of one directory");
        let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let directory = self.directory.as_ref().unwrap_or(self.root);
        match rustix::fs::openat(directory, name, flags, Mode::empty()) {
            Ok(file) => Ok(Some(file.into())),
            // There is nothing of that name, or something else: a link, a file in place of a directory, a socket, a file
            // that is not for us.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
            Err(Errno::ACCESS | Errno::PERM | Errno::NXIO | Errno::INVAL | Errno::ILSEQ | Errno::MLINK) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn is_single(name: &OsStr) -> bool {
    name != "." && name != ".." && Path::new(name).components().count() == 1
}
