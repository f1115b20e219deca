//! Looks at a whole log: whether it is the one that was written.

use std::{
    fs::File,
    io::{self, BufReader, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    chain::Chain,
    error::Error,
    head::{Found, Head, SignedHead, read_file},
    key::Key,
    lines::Lines,
    report::{Damage, DamageKind, Place, Report},
    store::{files_of, is_database, name_of},
    writer::lock_for_reading,
};

/// Looks at the log of a directory, which may be written to meanwhile.
///
/// What somebody does to it shows, if they do not have the key: records that are changed, removed, put in or put
/// elsewhere; an end that is cut off; files that are missing; a head or a key that is. Two things do not show without a
/// [head kept elsewhere](Verify::expecting): a log that was put back as a whole, with its head, to what it was at an
/// earlier time, and one that was taken away as a whole, with its key.
///
/// # Errors
///
/// [`NotFound`](crate::ErrorKind::NotFound): nothing of a log is there. [`Unavailable`](crate::ErrorKind::Unavailable):
/// it cannot be read. Damage is no error: it stands in the report.
pub fn verify(directory: impl AsRef<Path>) -> Result<Report, Error> {
    Verify::new(directory).run()
}

/// A look at a log with more to hold against it: see [`verify`](verify()).
#[derive(Clone, Debug)]
pub struct Verify {
    directory: PathBuf,
    key_file: Option<PathBuf>,
    expected: Option<Head>,
}

impl Verify {
    /// A look at the log of this directory.
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self { directory: directory.as_ref().to_owned(), key_file: None, expected: None }
    }

    /// The file of the key, where it is [elsewhere](crate::AuditConfig::key_file).
    #[must_use]
    pub fn key_file(mut self, path: impl AsRef<Path>) -> Self {
        self.key_file = Some(path.as_ref().to_owned());
        self
    }

    /// A head that the log had at some time, of which it has to be the continuation.
    #[must_use]
    pub fn expecting(mut self, head: Head) -> Self {
        self.expected = Some(head);
        self
    }

    /// Looks.
    ///
    /// # Errors
    ///
    /// As of [`verify`](verify()).
    pub fn run(&self) -> Result<Report, Error> {
        /// Old files may be removed while they are read.
        const TRIES: usize = 3;

        let failed = Error::of(&self.directory);
        let mut snapshot = Snapshot::take(self)?;
        for _ in 1..TRIES {
            let report = snapshot.look(self).map_err(&failed)?;
            if report.is_whole() {
                return Ok(report);
            }
            let now = Snapshot::take(self)?;
            if now.base() == snapshot.base() {
                return Ok(report);
            }
            snapshot = now;
        }
        snapshot.look(self).map_err(&failed)
    }

    fn head_path(&self) -> PathBuf {
        self.directory.join(crate::HEAD)
    }
}

/// What there is at one moment.
struct Snapshot {
    key: Option<Key>,
    found: Found,
    /// The files by their numbers, each with its length.
    files: Vec<(u64, u64)>,
    /// The last row of a table.
    rows: Option<u64>,
}

impl Snapshot {
    fn take(verify: &Verify) -> Result<Self, Error> {
        let directory = &verify.directory;
        if !directory.is_dir() {
            return Err(Error::not_found(directory));
        }
        let snapshot = Self::read(verify).map_err(Error::of(directory))?;
        let is_nothing = snapshot.files.is_empty() && snapshot.rows.is_none();
        if is_nothing && snapshot.found == Found::Missing && snapshot.key.is_none() {
            return Err(Error::not_found(directory));
        }
        Ok(snapshot)
    }

    fn read(verify: &Verify) -> io::Result<Self> {
        let directory = &verify.directory;
        let key_path = verify.key_file.clone().unwrap_or_else(|| directory.join(crate::KEY));
        // Nobody writes while it is held, so that the head is that of the records.
        let _lock = lock_for_reading(directory)?;
        let key = match Key::read(&key_path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            key => key?,
        };
        let found = read_file(&verify.head_path())?
            .map_or(Found::Missing, |text| SignedHead::read(&text, key.as_ref()));
        let files = files_of(directory)?
            .into_iter()
            .map(|file| Ok((file, name_of(directory, file).metadata()?.len())))
            .collect::<io::Result<_>>()?;
        let rows = if is_database(directory) { Some(last_row(directory)?) } else { None };
        Ok(Self { key, found, files, rows })
    }

    fn base(&self) -> Option<Head> {
        match &self.found {
            Found::Signed(head) => Some(head.base),
            _ => None,
        }
    }

    fn look(&self, verify: &Verify) -> io::Result<Report> {
        let (head, amiss) = match &self.found {
            Found::Signed(head) => (Some(head), None),
            Found::Missing => (None, Some(DamageKind::HeadMissing)),
            Found::Unreadable => (None, Some(DamageKind::HeadUnreadable)),
            Found::Forged(_) => (None, Some(DamageKind::HeadForged)),
        };
        // With another key no signature is right, and it is enough to say so once.
        let key = self.key.as_ref().filter(|_| !matches!(self.found, Found::Forged(_)));
        let mut chain = Chain::new(key, head, verify.expected);
        let whole = |file: PathBuf| Place { file, line: None };
        if let Some(kind) = amiss {
            chain.damage(Damage { place: whole(verify.head_path()), seq: None, kind });
        }
        if self.key.is_none() {
            let place = whole(verify.directory.join(crate::KEY));
            chain.damage(Damage { place, seq: None, kind: DamageKind::KeyMissing });
        }
        let mut end = verify.directory.clone();
        if self.rows.is_some() {
            end = self.look_at_rows(&verify.directory, &mut chain)?;
        }
        // Those before were to be removed as old.
        let first = head.map_or(0, |head| head.base.next());
        for (at, &(file, len)) in self.files.iter().enumerate().filter(|(_, (file, _))| *file >= first) {
            end = name_of(&verify.directory, file);
            let is_last = at + 1 == self.files.len();
            match File::open(&end) {
                Ok(opened) => look_at_file(opened.take(len), &end, is_last, &mut chain)?,
                // What was in it is missing, and that is said.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(chain.finish(whole(end)))
    }

    #[cfg(feature = "sqlite")]
    fn look_at_rows(&self, directory: &Path, chain: &mut Chain<'_>) -> io::Result<PathBuf> {
        let path = directory.join(crate::store::DATABASE);
        let look = |chain: &mut Chain<'_>| -> rusqlite::Result<()> {
            let connection = crate::store::open_database(directory)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            let mut statement =
                connection.prepare("SELECT id, line FROM records WHERE id <= ?1 ORDER BY id")?;
            let mut rows = statement.query([self.rows])?;
            while let Some(row) = rows.next()? {
                let line = row.get_ref(1)?.as_bytes().unwrap_or_default();
                chain.line(&path, row.get(0)?, line);
            }
            Ok(())
        };
        look(chain).map_err(io::Error::other)?;
        Ok(path)
    }

    #[cfg(not(feature = "sqlite"))]
    fn look_at_rows(&self, _: &Path, _: &mut Chain<'_>) -> io::Result<PathBuf> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "SQLite is not built in"))
    }
}

#[cfg(feature = "sqlite")]
fn last_row(directory: &Path) -> io::Result<u64> {
    let connection = crate::store::open_database(directory)?;
    let last = "SELECT coalesce(max(id), 0) FROM records";
    connection.query_row(last, (), |row| row.get(0)).map_err(io::Error::other)
}

#[cfg(not(feature = "sqlite"))]
fn last_row(_: &Path) -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "SQLite is not built in"))
}

fn look_at_file(file: io::Take<File>, path: &Path, is_last: bool, chain: &mut Chain<'_>) -> io::Result<()> {
    let mut lines = Lines::new(BufReader::with_capacity(1 << 16, file));
    let mut number = 0;
    while let Some((read, line)) = lines.next()? {
        number += 1;
        if read.is_torn {
            chain.torn(path, number, is_last);
        } else {
            chain.line(path, number, line);
        }
    }
    Ok(())
}
