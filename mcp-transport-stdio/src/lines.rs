//! Cuts a stream of bytes into lines, and skips those that are too long without keeping them.

use std::ops::Range;

/// How much is asked for at a time: little at first, so that a thousand idle clients cost little, and more for as long as
/// reads fill what is asked for.
const LEAST_READ: usize = 4 << 10;
const MOST_READ: usize = 64 << 10;

/// A growing and shrinking buffer that hands out its lines in place.
#[derive(Debug)]
pub(crate) struct Lines {
    max_bytes: usize,
    buffer: Vec<u8>,
    /// What of the buffer has been read and not handed out yet.
    start: usize,
    end: usize,
    /// How much is asked for next.
    read_bytes: usize,
    /// Up to where, from `start`, there is known to be no end of line.
    searched: usize,
    /// Whether the line that is being read was too long already.
    is_skipping: bool,
}

/// What a stream goes on with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A line without its end; never empty.
    Line(&'a [u8]),
    /// A line that was too long, and is gone.
    Oversized,
}

impl Lines {
    /// Lines of at most this many bytes.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            read_bytes: LEAST_READ,
            searched: 0,
            is_skipping: false,
        }
    }

    /// Room to read into; what was read is told to [`filled`](Self::filled).
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.room_for(self.read_bytes)
    }

    /// Takes in what was read into the room.
    pub(crate) fn filled(&mut self, bytes: usize) {
        let room = self.buffer.len() - self.end;
        self.end += bytes;
        if bytes == room {
            self.read_bytes = (2 * self.read_bytes).min(MOST_READ);
        } else if bytes < self.read_bytes / 8 {
            self.read_bytes = (self.read_bytes / 2).max(LEAST_READ);
        }
    }

    /// Takes in what was read elsewhere.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.room_for(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// Forgets all that was read.
    pub(crate) fn clear(&mut self) {
        (self.start, self.end, self.searched) = (0, 0, 0);
    }

    fn room_for(&mut self, bytes: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // A buffer that a long line blew up, or many at once, is let go.
            if self.buffer.len() > 4 * self.read_bytes {
                self.buffer = Vec::new();
            }
        }
        if self.buffer.len() < self.end + bytes {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            self.buffer.resize(self.buffer.len().max(self.end + bytes), 0);
        }
        &mut self.buffer[self.end..]
    }

    /// The next whole line, if there is one.
    pub(crate) fn next_frame(&mut self) -> Option<Frame<'_>> {
        loop {
            let unsearched = &self.buffer[self.start + self.searched..self.end];
            let Some(length) = memchr::memchr(b'\n', unsearched).map(|position| self.searched + position)
            else {
                self.searched = self.end - self.start;
                if self.searched > self.max_bytes {
                    self.is_skipping = true;
                }
                if self.is_skipping {
                    (self.start, self.searched) = (self.end, 0);
                }
                return None;
            };
            let line = self.start..self.start + length;
            (self.start, self.searched) = (line.end + 1, 0);
            if std::mem::take(&mut self.is_skipping) || length > self.max_bytes {
                return Some(Frame::Oversized);
            }
            let line = self.trim(line);
            if !line.is_empty() {
                return Some(Frame::Line(&self.buffer[line]));
            }
        }
    }

    /// What stands there at the end of input without an end of line.
    pub(crate) fn last_frame(&mut self) -> Option<Frame<'_>> {
        let rest = self.start..self.end;
        self.start = self.end;
        if std::mem::take(&mut self.is_skipping) {
            return Some(Frame::Oversized);
        }
        let rest = self.trim(rest);
        (!rest.is_empty()).then(|| Frame::Line(&self.buffer[rest]))
    }

    /// Without blanks at either end, such as the `\r` of a client on Windows.
    fn trim(&self, line: Range<usize>) -> Range<usize> {
        let bytes = &self.buffer[line.clone()];
        let front = bytes.len() - bytes.trim_ascii_start().len();
        let trimmed = bytes.trim_ascii().len();
        line.start + front..line.start + front + trimmed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds bytes in chunks of the given sizes and notes what comes out.
    fn frames(max_bytes: usize, input: &[u8], chunks: &[usize]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(max_bytes);
        let mut out = Vec::new();
        let mut rest = input;
        let mut sizes = chunks.iter().copied().cycle();
        while !rest.is_empty() {
            let room = lines.room();
            let size = sizes.next().unwrap_or(1).clamp(1, rest.len().min(room.len()));
            room[..size].copy_from_slice(&rest[..size]);
            lines.filled(size);
            rest = &rest[size..];
            while let Some(frame) = lines.next_frame() {
                out.push(owned(frame));
            }
            assert!(lines.buffer.len() <= max_bytes + 5 * MOST_READ, "{} bytes kept", lines.buffer.len());
        }
        out.extend(lines.last_frame().map(owned));
        out
    }

    fn owned(frame: Frame<'_>) -> Option<Vec<u8>> {
        match frame {
            Frame::Line(line) => Some(line.to_vec()),
            Frame::Oversized => None,
        }
    }

    #[test]
    fn a_line_at_the_limit_is_read_and_one_byte_more_is_skipped() {
        let input = b"12345\n123456\n\n \r\n1\r\nlast";
        for chunk in 1..input.len() {
            let expected = [Some(b"12345".to_vec()), None, Some(b"1".to_vec()), Some(b"last".to_vec())];
            assert_eq!(frames(5, input, &[chunk]), expected, "in chunks of {chunk}");
        }
    }

    #[test]
    fn a_line_of_any_length_takes_no_more_memory_than_the_limit() {
        let mut input = vec![b'x'; 50 << 20];
        input.extend_from_slice(b"\nnext\n");
        assert_eq!(frames(1 << 20, &input, &[MOST_READ]), [None, Some(b"next".to_vec())]);
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(
            input in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), any::<u8>()], 0..400),
            chunks in proptest::collection::vec(1_usize..50, 1..10),
            max_bytes in 1_usize..30,
        ) {
            let mut parts: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
            let last = parts.pop().filter(|last| !last.is_empty());
            let expected: Vec<_> = parts.into_iter().chain(last)
                .map(|line| (line.len() <= max_bytes).then(|| line.trim_ascii().to_vec()))
                .filter(|line| line.as_ref().is_none_or(|line| !line.is_empty()))
                .collect();
            prop_assert_eq!(frames(max_bytes, &input, &chunks), expected);
        }
    }
}
