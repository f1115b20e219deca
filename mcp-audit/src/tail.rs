//! The last records of a log, for people.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Seek, SeekFrom},
    path::Path,
};

use crate::{
    error::Error,
    fields::Fields,
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

/// The last whole lines of a file, read from its end.
fn last_lines(mut file: File, count: usize) -> io::Result<Vec<String>> {
    const BLOCK: u64 = 1 << 16;
    let mut start = file.seek(SeekFrom::End(0))?;
    let mut text = Vec::new();
    let breaks = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    while start > 0 && breaks(&text) <= count {
        let len = start.min(BLOCK);
        start -= len;
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::with_capacity(text.len() + usize::try_from(len).unwrap_or(0));
        (&mut file).take(len).read_to_end(&mut block)?;
        block.append(&mut text);
        text = block;
    }
    // What stands behind the last break is still being written, or never was to its end.
    let Some(end) = text.iter().rposition(|byte| *byte == b'\n') else { return Ok(Vec::new()) };
    let whole: Vec<_> = text[..end].split(|byte| *byte == b'\n').collect();
    let last = &whole[whole.len().saturating_sub(count)..];
    Ok(last.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect())
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

/// JSON escapes control characters of ASCII, and not those beyond, which may turn the direction of writing.
fn printable(json: &str) -> String {
    let shown = |c: char| match c {
        '"' | '\\' | '\'' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    json.chars().map(shown).collect()
}
