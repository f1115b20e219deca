//! Puts records at the end of the chain, under the lock of the directory.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    AuditConfig, Sink,
    error::Error,
    fields::Fields,
    head::{Found, Head, SignedHead, StoreKind, read_file, write_file},
    key::Key,
    line::{Line, compose},
    owner_only,
    store::{FileStore, Store},
};

/// Whoever writes to a log; several processes may have one each for the same directory.
#[derive(Debug)]
pub(crate) struct Writer {
    directory: PathBuf,
    key: Key,
    store: Box<dyn Store>,
    is_durable: bool,
    /// The head as it was written or read last, and whether it still stands there as such.
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    text: Vec<u8>,
    head: SignedHead,
    /// Whether a write after it failed, so that nobody knows what stands behind it.
    is_doubtful: bool,
}

const ROLLED_BACK: &str = "an older head stood in place of the last one";

/// Nobody else writes to the directory until this is dropped, nor reads where its chain ends.
pub(crate) fn lock(directory: &Path) -> io::Result<File> {
    // Opened anew each time: one that somebody took away and made again would lock nobody out.
    let file = owner_only::options().append(true).open(directory.join(crate::LOCK))?;
    take(File::try_lock, &file)?;
    Ok(file)
}

/// Nobody writes to the directory until this is dropped; `None` where nobody ever did.
pub(crate) fn lock_for_reading(directory: &Path) -> io::Result<Option<File>> {
    match File::open(directory.join(crate::LOCK)) {
        Ok(file) => {
            take(File::try_lock_shared, &file)?;
            Ok(Some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tries to take a lock for a while. To wait for it for ever would be to hang with whoever has it, stopped or on a disk
/// that does not answer.
fn take(try_lock: impl Fn(&File) -> Result<(), TryLockError>, file: &File) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    const LONGEST_NAP: Duration = Duration::from_millis(5);
    let (since, mut nap) = (Instant::now(), Duration::from_micros(50));
    loop {
        match try_lock(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if since.elapsed() > PATIENCE => {
                let message = "another process has held the lock of the audit for ten seconds";
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(nap);
                nap = (nap * 2).min(LONGEST_NAP);
            }
        }
    }
}

/// Takes the files of a log from whoever is not their owner.
fn tighten_all(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with("audit")) {
            owner_only::tighten(&entry.path(), "others could read or write it");
        }
    }
    Ok(())
}

impl Writer {
    /// Takes up the log of a directory where it ends, or begins one.
    pub(crate) fn open(config: &AuditConfig) -> Result<Self, Error> {
        let failed = Error::of(&config.directory);
        owner_only::make_directory(&config.directory).map_err(&failed)?;
        let lock = lock(&config.directory).map_err(&failed)?;
        owner_only::tighten(&config.key_path(), "whoever could read the key can sign: take a new one");
        tighten_all(&config.directory).map_err(&failed)?;
        let text = read_file(&config.directory.join(crate::HEAD)).map_err(&failed)?;
        let said = text.as_deref().map(|text| SignedHead::read(text, None));
        if let Some(Found::Signed(said)) = &said
            && said.sink != kind_of(config.sink)
        {
            let (there, kept) = (config.directory.display(), said.sink.as_str());
            return Err(Error::invalid(format!("the audit in {there} is kept in another sink, `{kept}`")));
        }
        let mut store = store_of(config).map_err(&failed)?;
        let key = Key::read(&config.key_path()).map_err(&failed)?;
        let is_empty = store.is_empty().map_err(&failed)?;
        // The head of an empty log is written before the key, wherever that is: a key without a head is what somebody
        // left who took the log.
        let is_new = is_empty
            && match (&key, &said) {
                (None, None) => true,
                (None, Some(Found::Signed(head))) => head.last == Head::START,
                _ => false,
            };
        let (key, key_text) = match key {
            Some(key) => (key, None),
            None => Key::make().map(|(key, text)| (key, Some(text))).map_err(&failed)?,
        };
        let is_durable = config.is_durable();
        let mut writer = Self { directory: config.directory.clone(), key, store, is_durable, known: None };
        if is_new {
            writer.put_head(&SignedHead::start(writer.store.kind())).map_err(&failed)?;
        }
        if let Some(text) = key_text {
            Key::keep(&config.key_path(), &text).map_err(&failed)?;
        }
        drop(lock);
        // What is found amiss is on record from the first.
        writer.write(&[]).map_err(&failed)?;
        Ok(writer)
    }

    /// Under which it signs.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Where the chain stood after the last write.
    pub(crate) fn last(&self) -> Head {
        self.known.as_ref().map_or(Head::START, |known| known.head.last)
    }

    /// Puts records at the end; all of them are there when this returns, and covered by the head.
    pub(crate) fn write(&mut self, records: &[String]) -> io::Result<()> {
        let _lock = lock(&self.directory)?;
        let written = self.write_locked(records);
        if let (Err(_), Some(known)) = (&written, &mut self.known) {
            known.is_doubtful = true;
        }
        written
    }

    fn write_locked(&mut self, records: &[String]) -> io::Result<()> {
        let (mut head, notices) = self.current()?;
        let notices = notices.iter().map(|reason| Fields::damaged(reason).to_text());
        let records: Vec<String> = notices.chain(records.iter().cloned()).collect();
        if records.is_empty() {
            return Ok(());
        }
        if self.store.make_room(&mut head)? {
            self.put_head(&head)?;
            self.store.remove_old(&head)?;
        }
        let covered = head.last.seq();
        let mut lines = Vec::with_capacity(records.len());
        for fields in &records {
            let (line, last) = compose(&head.last, covered, fields, &self.key);
            lines.push(line);
            head.last = last;
        }
        self.store.append(&mut head, &lines, self.is_durable)?;
        self.put_head(&head)
    }

    /// Where the chain ends now, and what was found amiss.
    fn current(&mut self) -> io::Result<(SignedHead, Vec<&'static str>)> {
        let text = read_file(&self.directory.join(crate::HEAD))?;
        if let (Some(text), Some(known)) = (&text, &self.known)
            && *text == known.text
            && !known.is_doubtful
            && self.store.is_at(&known.head)?
        {
            return Ok((known.head.clone(), Vec::new()));
        }
        let mut notices = Vec::new();
        let found = text.as_deref().map_or(Found::Missing, |text| SignedHead::read(text, Some(&self.key)));
        let written = self.known.as_ref().map_or(0, |known| known.head.last.seq());
        let mut head = match found {
            Found::Signed(head) if head.last.seq() >= written && head.sink == self.store.kind() => head,
            found => {
                notices.push(match found {
                    Found::Missing => "the signed head was missing",
                    Found::Unreadable => "the signed head could not be read",
                    Found::Signed(_) => ROLLED_BACK,
                    Found::Forged(_) => "the head was not signed with this key",
                });
                match &self.known {
                    // Nothing that was written since it was known is lost by this: it stands behind it.
                    Some(known) => known.head.clone(),
                    None => self.store.without_head()?,
                }
            }
        };
        let Self { store, key, .. } = self;
        let (covered, mut last, mut is_rolled_back) = (head.last.seq(), head.last, false);
        store.take_up(&mut head, &mut |line| {
            let Some(line) = Line::parse(line) else { return };
            let follows = line.seq == last.next() && line.prev == last.hash();
            if follows && line.is_whole() && line.is_sealed(key) {
                is_rolled_back |= line.head != covered;
                last = line.as_head();
            }
        })?;
        head.last = last;
        if is_rolled_back && notices.is_empty() {
            notices.push(ROLLED_BACK);
        }
        self.put_head(&head)?;
        Ok((head, notices))
    }

    fn put_head(&mut self, head: &SignedHead) -> io::Result<()> {
        let text = head.sign(&self.key);
        write_file(&self.directory.join(crate::HEAD), &text, self.is_durable)?;
        self.known = Some(Known { text: text.into_bytes(), head: head.clone(), is_doubtful: false });
        Ok(())
    }
}

fn kind_of(sink: Sink) -> StoreKind {
    match sink {
        #[cfg(feature = "sqlite")]
        Sink::Sqlite => StoreKind::Sqlite,
        _ => StoreKind::Files,
    }
}

fn store_of(config: &AuditConfig) -> io::Result<Box<dyn Store>> {
    Ok(match config.sink {
        #[cfg(feature = "sqlite")]
        Sink::Sqlite => Box::new(crate::store::SqliteStore::open(&config.directory)?),
        _ => Box::new(FileStore::new(&config.directory, config.max_file_bytes, config.max_files)),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use super::*;
    use crate::verify;

    fn record() -> Vec<String> {
        vec![Fields::lost(1).to_text()]
    }

    /// A log in which every record has a file of its own.
    fn config(most: Option<usize>) -> (tempfile::TempDir, AuditConfig) {
        let directory = tempfile::tempdir().unwrap();
        let config = AuditConfig::new(directory.path().join("audit"));
        (directory, config.with(|config| (config.max_file_bytes, config.max_files) = (1, most)))
    }

    /// Looks at a log that has to be whole: how many records there are, and how many of them behind the head.
    fn whole(config: &AuditConfig) -> (u64, u64) {
        let report = verify(&config.directory).unwrap();
        assert!(report.is_whole(), "{report}");
        (report.records, report.unsigned)
    }

    #[test]
    fn an_end_between_two_files_leaves_no_gap() {
        for most in [None, Some(1), Some(2)] {
            let (_directory, config) = config(most);
            let mut writer = Writer::open(&config).unwrap();
            (0..4).for_each(|_| writer.write(&record()).unwrap());
            let kept = whole(&config).0;
            // The head names a file that is not made yet, and what is old is not removed yet.
            let (mut head, _) = writer.current().unwrap();
            assert!(writer.store.make_room(&mut head).unwrap());
            writer.put_head(&head).unwrap();
            drop(writer);
            assert_eq!(whole(&config).0, most.map_or(kept, |most| most as u64 - 1));
            let mut writer = Writer::open(&config).unwrap();
            (0..2).for_each(|_| writer.write(&record()).unwrap());
            assert_eq!(whole(&config), (most.map_or(6, |most| most as u64), 0));
        }
    }

    #[test]
    fn an_end_between_records_and_their_head_loses_neither() {
        let (_directory, config) = config(None);
        let mut writer = Writer::open(&config).unwrap();
        writer.write(&record()).unwrap();
        let (mut head, _) = writer.current().unwrap();
        head.file = 2;
        head.end = 0;
        writer.put_head(&head).unwrap();
        let (line, _) = compose(&head.last, head.last.seq(), &record()[0], &writer.key);
        writer.store.append(&mut head, &[line], true).unwrap();
        assert_eq!(whole(&config), (2, 1));
        // The same process finds it, as it does after a head that could not be written, and so does another.
        writer.write(&record()).unwrap();
        assert_eq!(whole(&config), (3, 0));
        drop(writer);
        Writer::open(&config).unwrap().write(&record()).unwrap();
        assert_eq!(whole(&config), (4, 0));
    }

    #[test]
    fn the_largest_number_there_is_ends_nothing() {
        let (_directory, config) = config(None);
        let mut writer = Writer::open(&config).unwrap();
        writer.write(&record()).unwrap();
        // Whoever puts this in takes the head away, so that it is believed.
        let before = Head::new(u64::MAX - 1, crate::hash::Hash::ZERO);
        let (line, _) = compose(&before, 1, &record()[0], &writer.key);
        let mut head = SignedHead { file: u64::MAX, ..SignedHead::start(StoreKind::Files) };
        writer.store.append(&mut head, &[line], false).unwrap();
        std::fs::remove_file(config.directory.join(crate::HEAD)).unwrap();
        drop(writer);
        let mut writer = Writer::open(&config).unwrap();
        writer.write(&record()).unwrap();
        assert!(!verify(&config.directory).unwrap().is_whole());
    }
}
