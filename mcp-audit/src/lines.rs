//! Reads lines one after the other, however long somebody has made them.

use std::io::{self, BufRead};

use crate::line::LONGEST;

/// The lines of a file, one at a time.
pub(crate) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// How many bytes it was, with its break.
    pub(crate) len: u64,
    /// Whether the file ended before the line did.
    pub(crate) is_torn: bool,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, line: Vec::new() }
    }

    /// The next line, without its break; of one that is longer than any record is, only the beginning is kept.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Read, &[u8])>> {
        self.line.clear();
        let mut len = 0;
        loop {
            let part = match self.reader.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if part.is_empty() {
                let read = Read { len, is_torn: true };
                return Ok((len > 0).then_some((read, &self.line)));
            }
            let end = part.iter().position(|&byte| byte == b'\n');
            let text = &part[..end.unwrap_or(part.len())];
            let room = (LONGEST + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            let taken = text.len() + usize::from(end.is_some());
            self.reader.consume(taken);
            len += taken as u64;
            if end.is_some() {
                return Ok(Some((Read { len, is_torn: false }, &self.line)));
            }
        }
    }
}
