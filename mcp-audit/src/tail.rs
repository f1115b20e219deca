//! The last records of a log, for people.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use crate::{
    error::Error,
    fields::Fields,
    line::LONGEST,
    store::{files_of, is_database, name_of},
};

/// One record, as it stands in the log. Printed, it is a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(String);

impl Record {
    /// The line as it was written, an object of JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The same JSON for a terminal: whatever is no plain character (controls, also those beyond ASCII, and marks that
    /// turn the direction of writing) is escaped as `\uXXXX`, so that nothing in it is obeyed and nothing is disguised.
    pub fn to_printable_json(&self) -> String {
        printable(&self.0)
    }
}

/// The last records of a log, the newest last; fewer where there are not as many. Nothing is held against the chain.
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound): nothing of a log is there. [`Unavailable`](crate::ErrorKind::Unavailable):
/// it cannot be read.
pub fn tail(directory: impl AsRef<Path>, count: usize) -> Result<Vec<Record>, Error> {
    let directory = directory.as_ref();
    if !directory.join(crate::HEAD).exists() && !directory.join(crate::KEY).exists() {
        return Err(Error::not_found(directory));
    }
    let lines = if is_database(directory) { rows(directory, count) } else { lines(directory, count) };
    Ok(lines.map_err(Error::of(directory))?.into_iter().map(Record).collect())
}

fn lines(directory: &Path, count: usize) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in files_of(directory)?.into_iter().rev() {
        if lines.len() >= count {
            break;
        }
        let mut older = last_lines(File::open(name_of(directory, file))?, count - lines.len())?;
        older.append(&mut lines);
        lines = older;
    }
    Ok(lines)
}

/// The most that is read of one line that does not end, in bytes. What stands before it is not looked for: a log with such
/// a line is for `verify`.
const FARTHEST: usize = 16 << 20;

/// The last whole lines of a file, read from its end.
fn last_lines(mut file: impl Read + Seek, count: usize) -> io::Result<Vec<String>> {
    const BLOCK: u64 = 1 << 16;
    let mut start = file.seek(SeekFrom::End(0))?;
    // The newest first.
    let mut lines = Vec::new();
    let mut line = Backwards::default();
    // What stands behind the last break is still being written, or never was to its end.
    let mut is_torn = true;
    while start > 0 && lines.len() < count && line.len <= FARTHEST {
        let len = start.min(BLOCK);
        start -= len;
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        (&mut file).take(len).read_to_end(&mut block)?;
        while let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            line.precede(block.split_off(at + 1));
            block.pop();
            let whole = std::mem::take(&mut line).into_text();
            if !std::mem::take(&mut is_torn) {
                lines.push(whole);
            }
        }
        line.precede(block);
    }
    if start == 0 && !is_torn {
        lines.push(line.into_text());
    }
    lines.truncate(count);
    lines.reverse();
    Ok(lines)
}

/// A line that is read from its end to its beginning.
#[derive(Default)]
struct Backwards {
    /// Its parts, the last one first.
    parts: VecDeque<Vec<u8>>,
    /// How much of it was read, in bytes.
    len: usize,
    /// How much of that is kept.
    kept: usize,
}

impl Backwards {
    fn precede(&mut self, part: Vec<u8>) {
        self.len += part.len();
        self.kept += part.len();
        self.parts.push_back(part);
        // Of what is longer than any record is, the beginning is enough.
        while let Some(last) = self.parts.front().filter(|last| self.kept - last.len() > LONGEST) {
            self.kept -= last.len();
            self.parts.pop_front();
        }
    }

    fn into_text(self) -> String {
        let bytes: Vec<u8> = self.parts.into_iter().rev().flatten().collect();
        String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]).into_owned()
    }
}

#[cfg(feature = "sqlite")]
fn rows(directory: &Path, count: usize) -> io::Result<Vec<String>> {
    let look = || -> rusqlite::Result<Vec<String>> {
        let connection = crate::store::open_database(directory)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let mut statement = connection.prepare("SELECT line FROM records ORDER BY id DESC LIMIT ?1")?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut lines =
            statement.query_map([count], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        lines.reverse();
        Ok(lines)
    };
    look().map_err(io::Error::other)
}

#[cfg(not(feature = "sqlite"))]
fn rows(_: &Path, _: usize) -> io::Result<Vec<String>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "SQLite is not built in"))
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(fields) = serde_json::from_str::<Fields<'_>>(&self.0) else {
            // Who changed it may have put in what a terminal obeys.
            return write!(f, "no record: {}", self.0.escape_debug());
        };
        let said = |text: &str| text.escape_debug().to_string();
        write!(f, "{}", said(&fields.time))?;
        if let (Some(kind), Some(subject)) = (&fields.kind, &fields.subject) {
            write!(f, "  {} {}", said(kind), said(subject))?;
        }
        if let Some(peer) = &fields.peer {
            write!(f, " from {}", said(peer))?;
        }
        if let (Some(method), Some(name)) = (&fields.method, &fields.name) {
            write!(f, "  {} {}", said(method), said(name))?;
        }
        if let Some(arguments) = fields.arguments.as_deref().filter(|arguments| !arguments.is_empty()) {
            let arguments = serde_json::to_string(arguments).map_err(|_| fmt::Error)?;
            write!(f, " {}", printable(&arguments))?;
        }
        write!(f, "  {}", said(&fields.event))?;
        for word in [&fields.outcome, &fields.code, &fields.reason].into_iter().flatten() {
            write!(f, " {}", said(word))?;
        }
        if let Some(confirmation) = fields.confirmation.as_deref().filter(|how| *how != "not_needed") {
            write!(f, ", confirmation {}", said(confirmation))?;
        }
        if let Some(count) = fields.count {
            write!(f, " {count}")?;
        }
        if let Some(micros) = fields.micros {
            write!(f, " in {}.{:03} ms", micros / 1000, micros % 1000)?;
        }
        Ok(())
    }
}

/// JSON escapes control characters of ASCII, and not those beyond, nor marks that turn the direction of writing. What is no
/// JSON may have any of them.
fn printable(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        // Quotes and backslashes are those of the JSON itself.
        if matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1 {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // A text takes whatever is written to it.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::*;

    fn last(text: impl AsRef<[u8]>, count: usize) -> Vec<String> {
        last_lines(io::Cursor::new(text), count).unwrap()
    }

    #[test]
    fn the_last_lines_are_those_that_are_whole() {
        assert_eq!(last("", 2), [""; 0]);
        assert_eq!(last("torn", 2), [""; 0]);
        assert_eq!(last("a\n", 2), ["a"]);
        assert_eq!(last("a\nb\nc\ntorn", 2), ["b", "c"]);
        assert_eq!(last("a\nb\nc\n", 0), [""; 0]);
        // Over the borders of blocks, one of which stands at each byte of a line.
        for shift in 0..12 {
            let line = |n: usize| format!("line {n:05}");
            let text: String = (0..20_000).map(|n| line(n) + "\n").chain(["x".repeat(shift)]).collect();
            let expected: Vec<_> = (5_000..20_000).map(line).collect();
            assert_eq!(last(text, 15_000), expected, "{shift}");
        }
        // What is before one that is long, as it may be of somebody's making.
        let long = "x".repeat(8 << 20);
        assert_eq!(last(format!("a\nb\n{long}"), 2), ["a", "b"]);
        let shown = last(format!("a\n{long}\nb\n"), 3);
        assert_eq!((&*shown[0], shown[1].len(), &*shown[2]), ("a", LONGEST, "b"));
    }

    /// A file of one byte over and over, that counts how much of it is read.
    struct Endless {
        at: u64,
        read: usize,
    }

    impl Seek for &mut Endless {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.at = match to {
                SeekFrom::Start(at) => at,
                _ => 1 << 40,
            };
            Ok(self.at)
        }
    }

    impl Read for &mut Endless {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            bytes.fill(b'x');
            self.read += bytes.len();
            Ok(bytes.len())
        }
    }

    #[test]
    fn a_line_that_does_not_end_is_given_up() {
        let mut endless = Endless { at: 0, read: 0 };
        assert_eq!(last_lines(&mut endless, 10).unwrap(), [""; 0]);
        assert!(endless.read <= FARTHEST + (1 << 17), "{}", endless.read);
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_stays_json() {
        let text = "plain é 漢 'q' \u{9b}2J \u{202e}x\u{2066} \u{feff} \u{e0001}\u{7f}";
        let json = serde_json::to_string(&serde_json::json!({"text": text, "quoted": "\"\\"})).unwrap();
        let shown = Record(json.clone()).to_printable_json();
        assert!(
            shown.contains(r"plain é 漢 'q' \u009b2J \u202ex\u2066 \ufeff \udb40\udc01\u007f"),
            "{shown}"
        );
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&shown), value(&json));
        assert_eq!(Record("no\u{1b}[2Jjson".into()).to_printable_json(), r"no\u001b[2Jjson");
    }
}
