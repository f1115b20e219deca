//! Files of lines, which follow one another; each is named for the number of its first record.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::Store;
use crate::{
    head::{Head, SignedHead, StoreKind},
    line::Line,
    lines::Lines,
    owner_only,
};

/// Files of lines in one directory.
#[derive(Debug)]
pub(crate) struct FileStore {
    directory: PathBuf,
    max_file_bytes: u64,
    /// How many files are kept; all when not given.
    max_files: Option<usize>,
}

/// The name of the file that begins with this record.
pub(crate) fn name_of(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("audit-{first:020}.jsonl"))
}

/// The files of a directory by the numbers in their names, in order.
pub(crate) fn files_of(directory: &Path) -> io::Result<Vec<u64>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl"));
        files
            .extend(number.filter(|number| number.len() == 20).and_then(|number| number.parse::<u64>().ok()));
    }
    files.sort_unstable();
    Ok(files)
}

impl FileStore {
    pub(crate) fn new(directory: &Path, max_file_bytes: u64, max_files: Option<usize>) -> Self {
        Self { directory: directory.to_owned(), max_file_bytes, max_files }
    }

    fn name_of(&self, file: u64) -> PathBuf {
        name_of(&self.directory, file)
    }

    fn length_of(&self, file: u64) -> io::Result<Option<u64>> {
        match fs::metadata(self.name_of(file)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Shows the whole lines of a file from a place on; how far they go.
    fn see_from(&self, file: u64, from: u64, see: &mut dyn FnMut(&[u8])) -> io::Result<u64> {
        let mut opened = File::open(self.name_of(file))?;
        opened.seek(SeekFrom::Start(from))?;
        let mut lines = Lines::new(BufReader::new(opened));
        let mut end = from;
        while let Some((read, line)) = lines.next()? {
            if read.is_torn {
                break;
            }
            see(line);
            end += read.len;
        }
        Ok(end)
    }

    /// Has a file end with a line break, so that what is written next stands by itself; its length.
    fn close_line(&self, file: u64) -> io::Result<u64> {
        let mut opened = owner_only::options().read(true).append(true).open(self.name_of(file))?;
        let len = opened.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if len > 0 {
            opened.seek(SeekFrom::End(-1))?;
            opened.read_exact(&mut last)?;
        }
        if last == *b"\n" {
            return Ok(len);
        }
        opened.write_all(b"\n")?;
        Ok(len + 1)
    }

    /// What the first record of a file follows, as far as that can be read.
    fn base_of(&self, file: u64) -> io::Result<Option<Head>> {
        let mut lines = Lines::new(BufReader::new(File::open(self.name_of(file))?));
        let first = lines.next()?;
        let first = first.and_then(|(_, line)| Line::parse(line).filter(Line::is_whole));
        Ok(first.map(|line| Head::new(line.seq.saturating_sub(1), line.prev)))
    }

    /// What the chain follows once the oldest files are removed, if any are too many beside the one that is begun.
    fn base_after_removal(&self, last: Head) -> io::Result<Option<Head>> {
        let Some(others) = self.max_files.map(|most| most.max(1) - 1) else { return Ok(None) };
        let files = files_of(&self.directory)?;
        match files.len().checked_sub(others) {
            None | Some(0) => Ok(None),
            Some(_) if others == 0 => Ok(Some(last)),
            // Where it cannot be read what would be the oldest, nothing is removed that may explain it.
            Some(old) => self.base_of(files[old]),
        }
    }
}

impl Store for FileStore {
    fn kind(&self) -> StoreKind {
        StoreKind::Files
    }

    fn is_empty(&mut self) -> io::Result<bool> {
        for file in files_of(&self.directory)? {
            if self.length_of(file)?.is_some_and(|len| len > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_at(&mut self, head: &SignedHead) -> io::Result<bool> {
        Ok(self.length_of(head.file)?.unwrap_or(0) == head.end)
    }

    fn take_up(&mut self, head: &mut SignedHead, see: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        match self.length_of(head.file)? {
            // The file is made when it is written to.
            None if head.end == 0 => {}
            // Somebody took it away; what follows stands in a file of its own.
            None => (head.file, head.end) = (head.last.next(), 0),
            Some(len) if len < head.end => head.end = self.close_line(head.file)?,
            Some(len) => {
                let end = self.see_from(head.file, head.end, see)?;
                if end < len {
                    owner_only::options().write(true).open(self.name_of(head.file))?.set_len(end)?;
                }
                head.end = end;
            }
        }
        // There are none unless the head was put back: a file is begun after a head that names it.
        for file in
            files_of(&self.directory)?.into_iter().filter(|file| *file > head.file).collect::<Vec<_>>()
        {
            self.see_from(file, 0, see)?;
            (head.file, head.end) = (file, self.close_line(file)?);
        }
        Ok(())
    }

    fn without_head(&mut self) -> io::Result<SignedHead> {
        let mut head = SignedHead::start(StoreKind::Files);
        let files = files_of(&self.directory)?;
        let (Some(&oldest), Some(&newest)) = (files.first(), files.last()) else { return Ok(head) };
        head.base = self.base_of(oldest)?.unwrap_or(Head::START);
        for &file in files.iter().rev() {
            let mut last = None;
            self.see_from(file, 0, &mut |line| {
                let whole = Line::parse(line).filter(Line::is_whole);
                last = whole.map(|line| line.as_head()).or(last);
            })?;
            if let Some(last) = last {
                head.last = last;
                break;
            }
        }
        (head.file, head.end) = (newest, self.close_line(newest)?);
        Ok(head)
    }

    fn make_room(&mut self, head: &mut SignedHead) -> io::Result<bool> {
        if head.end < self.max_file_bytes {
            return Ok(false);
        }
        let next = head.last.next();
        if let Some(base) = self.base_after_removal(head.last)? {
            head.base = base;
        }
        (head.file, head.end) = (next, 0);
        Ok(true)
    }

    fn append(&mut self, head: &mut SignedHead, lines: &[String], durable: bool) -> io::Result<()> {
        let path = self.name_of(head.file);
        let mut file = owner_only::options().append(true).open(&path)?;
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        let written = file.write_all(&bytes).and_then(|()| if durable { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // Where this fails as well, what is whole is taken up by whoever writes next.
            let _ = file.set_len(head.end);
            return Err(error);
        }
        if durable && head.end == 0 {
            owner_only::sync_directory_of(&path)?;
        }
        head.end += bytes.len() as u64;
        Ok(())
    }

    fn remove_old(&mut self, head: &SignedHead) -> io::Result<()> {
        let first = head.base.next();
        for file in files_of(&self.directory)?.into_iter().filter(|file| *file < first) {
            fs::remove_file(self.name_of(file))?;
        }
        Ok(())
    }
}
