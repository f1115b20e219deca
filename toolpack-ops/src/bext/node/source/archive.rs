//! A source that is a `.tar.gz`: read as a stream, with everything in it under suspicion.
//!
//! The extended headers are read here and not by the library, which takes whatever length they claim into memory.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::export::{Export, path_within, shorten};
use super::limits::SourceLimits;
use super::{invalid, not_found};
use crate::error::Error;

/// The most bytes of an extended header: two paths and some records more.
const MAX_HEADER_BYTES: u64 = 64 << 10;

/// Whether a name says that the file is such an archive.
pub(super) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

/// Hands every file of the archive to the export.
pub(super) fn export(path: &Path, export: &mut Export<'_>) -> Result<(), Error> {
    let file = File::open(path).map_err(not_found)?;
    let packed = Rc::new(Cell::new(0));
    let packed_file = Counted { from: BufReader::with_capacity(64 << 10, file), count: packed.clone() };
    let unpacked = Unpacked {
        from: MultiGzDecoder::new(packed_file),
        packed,
        bytes: 0,
        limits: *export.limits(),
        too_much: Rc::new(Cell::new(false)),
    };
    let too_much = unpacked.too_much.clone();
    let mut archive = Archive::new(unpacked);
    let result = entries(&mut archive, export).and_then(|()| drain(archive.into_inner(), export));
    if too_much.get() {
        return Err(invalid(
            "the archive becomes far larger than it is; it is taken for an attack and not unpacked",
        ));
    }
    result
}

fn entries(archive: &mut Archive<Unpacked>, export: &mut Export<'_>) -> Result<(), Error> {
    let mut extended = Extended::default();
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        export.stop().check()?;
        let mut entry = entry.map_err(damaged)?;
        match entry.header().entry_type() {
            EntryType::GNULongName => extended.path = Some(long_name(&mut entry)?),
            EntryType::GNULongLink => extended.target = Some(long_name(&mut entry)?),
            EntryType::XHeader => extended.records(&mut entry)?,
            // What it says holds for all that follow: a comment, as git writes one.
            EntryType::XGlobalHeader => drop(header_of(&mut entry)?),
            _ => take(entry, std::mem::take(&mut extended), export)?,
        }
    }
    Ok(())
}

fn take(entry: Entry<'_, Unpacked>, extended: Extended, export: &mut Export<'_>) -> Result<(), Error> {
    let path = extended.path.unwrap_or_else(|| entry.path_bytes().into_owned());
    let shown = shorten(&String::from_utf8_lossy(&path));
    let kind = entry.header().entry_type();
    let Some(inner) = relative(&path) else {
        return Err(invalid(format!("the archive has the path {shown}, which leads out of it")));
    };
    // `./`, the root itself.
    if inner.is_empty() {
        return if kind.is_dir() { Ok(()) } else { Err(invalid("the archive has a file without a name")) };
    }
    let Some(path) = path_within(&inner, export.limits())? else { return Ok(()) };
    match kind {
        // Those that are needed are made with the files in them.
        EntryType::Directory => Ok(()),
        EntryType::Regular | EntryType::Continuous => {
            let size = entry.header().entry_size().map_err(damaged)?;
            if extended.size.is_some_and(|said| said != size) {
                return Err(invalid(format!("{shown} has two sizes in the archive")));
            }
            if size > export.limits().bytes {
                return Err(invalid(format!("the source has more than {} bytes", export.limits().bytes)));
            }
            let mode = entry.header().mode().map_err(damaged)?;
            // What cannot be read of an archive is damaged; nothing else keeps a part of it from being read.
            export.file(path, mode & 0o100 != 0, Some(size), entry).map_err(|error| match error.code() {
                "source_unreadable" => damaged(error),
                _ => error,
            })
        }
        EntryType::Symlink => {
            let target = extended.target.or_else(|| entry.link_name_bytes().map(|name| name.into_owned()));
            export.link(path, &target.unwrap_or_default())
        }
        EntryType::Link => {
            // A second name of a file, from the root of the archive on.
            let target = extended.target.or_else(|| entry.link_name_bytes().map(|name| name.into_owned()));
            let target = relative(&target.unwrap_or_default()).filter(|target| !target.is_empty());
            let target =
                target.ok_or_else(|| invalid(format!("the link {shown} leads out of the archive")))?;
            let up = "../".repeat(path.matches('/').count());
            export.link(path, &[up.as_bytes(), &target].concat())
        }
        _ => Err(invalid(format!("{shown} of the archive is neither a file nor a directory nor a link"))),
    }
}

/// The path without `.` in it and a final slash; none if it is absolute, or goes up.
fn relative(path: &[u8]) -> Option<Vec<u8>> {
    if path.starts_with(b"/") {
        return None;
    }
    let parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let parts: Vec<_> = parts.collect();
    (!parts.contains(&&b".."[..])).then(|| parts.join(&b'/'))
}

/// What stands before an entry and is about it.
#[derive(Debug, Default)]
struct Extended {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extended {
    fn records(&mut self, entry: &mut Entry<'_, Unpacked>) -> Result<(), Error> {
        let bytes = header_of(entry)?;
        for record in PaxExtensions::new(&bytes) {
            let record = record.map_err(damaged)?;
            match record.key_bytes() {
                b"path" => self.path = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.target = Some(record.value_bytes().to_vec()),
                b"size" => {
                    let size = record.value().ok().and_then(|size| size.parse().ok());
                    self.size =
                        Some(size.ok_or_else(|| invalid("the archive has a size that is no number"))?);
                }
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(invalid("the archive has sparse files; pack it without --sparse"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn long_name(entry: &mut Entry<'_, Unpacked>) -> Result<Vec<u8>, Error> {
    let mut name = header_of(entry)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn header_of(entry: &mut Entry<'_, Unpacked>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    entry.take(MAX_HEADER_BYTES + 1).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() as u64 > MAX_HEADER_BYTES {
        return Err(invalid("the archive has a name longer than any file has"));
    }
    Ok(bytes)
}

/// Reads on to the end, so that a cut or a wrong checksum shows.
fn drain(mut rest: Unpacked, export: &Export<'_>) -> Result<(), Error> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        export.stop().check()?;
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(damaged(error)),
        }
    }
}

fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    invalid("the archive is damaged, or is no .tar.gz").with_source(error)
}

/// Counts what is read.
struct Counted<R> {
    from: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// What comes out of an archive, as long as it is not suspiciously much.
struct Unpacked {
    from: MultiGzDecoder<Counted<BufReader<File>>>,
    packed: Rc<Cell<u64>>,
    bytes: u64,
    limits: SourceLimits,
    too_much: Rc<Cell<bool>>,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.bytes += count as u64;
        let allowed =
            self.packed.get().saturating_mul(self.limits.ratio).saturating_add(self.limits.ratio_free_bytes);
        // Headers and padding come on top of the files: a kilobyte each, and what else there may be.
        let headers = (self.limits.files as u64).saturating_mul(2 << 10).saturating_add(1 << 20);
        if self.bytes > allowed || self.bytes > self.limits.bytes.saturating_add(headers) {
            self.too_much.set(true);
            return Err(io::Error::other("too much comes out of it"));
        }
        Ok(count)
    }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
