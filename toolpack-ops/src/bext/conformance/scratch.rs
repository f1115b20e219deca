//! The sources of the scratch apps: static sites, and apps whose process is the host's.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::names::{Kind, SOURCES_PREFIX};

/// What `/large.bin` of the site holds: enough that it goes out in many pieces.
pub(super) const LARGE_BYTES: usize = 300_000;

/// A byte of `/large.bin`; the period is a prime, so that no piece looks like another.
pub(super) fn large_byte(position: usize) -> u8 {
    (position % 251) as u8
}

/// The text of `/app.js`, which is there compressed, too.
pub(super) const SCRIPT: &str =
    "export const answer = 42; // said again and again and again and again and again\n";

/// The file of a directory of sources that is locked for as long as their run goes on, however its process ends.
const LOCK: &str = "lock";

/// Directories of sources, removed when dropped. All of its methods block.
#[derive(Debug)]
pub(super) struct Sources {
    // Removed before it is unlocked: nobody finds a directory that is free, and about to go.
    directory: tempfile::TempDir,
    lock: File,
}

impl Drop for Sources {
    fn drop(&mut self) {
        // Closing the file is not enough while a process that is being started has a copy of it. What cannot be removed
        // is free for a later run, as is what cannot be unlocked, a moment later.
        let _ = fs::remove_dir_all(self.directory.path());
        let _ = self.lock.unlock();
    }
}

/// The directory that a run has the sources of its apps in, told from the source of one of them; none if it is not of that
/// form.
pub(super) fn directory_of(source: &str) -> Option<&Path> {
    let directory = Path::new(source).parent()?;
    is_named(directory).then_some(directory)
}

fn is_named(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(SOURCES_PREFIX))
}

/// Whether nobody works with a directory of sources any more: it is unlocked, or gone. It blocks.
pub(super) fn is_left(directory: &Path) -> bool {
    match File::open(directory.join(LOCK)) {
        // A run has locked it before it makes an app.
        Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        Ok(lock) => lock.try_lock().is_ok(),
    }
}

/// Removes a directory of sources that is left, if it is where runs put theirs. It blocks.
pub(super) fn remove_left(directory: &Path) -> io::Result<()> {
    if directory.parent() != Some(&*std::env::temp_dir()) || !is_left(directory) {
        return Ok(());
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The directories of sources that are left of runs that were killed, with apps or without. It blocks.
pub(super) fn all_left() -> io::Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for entry in fs::read_dir(std::env::temp_dir())? {
        let path = entry?.path();
        // One without the file is being made at this moment, for all that can be known.
        if is_named(&path) && !path.is_symlink() && path.join(LOCK).exists() && is_left(&path) {
            left.push(path);
        }
    }
    Ok(left)
}

impl Sources {
    /// The sites; processes have a command that has to be written first.
    pub(super) fn make() -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(SOURCES_PREFIX).tempdir()?;
        // Locked before it has its name, so that nobody finds it free.
        let lock = tempfile::NamedTempFile::new_in(directory.path())?;
        lock.as_file().lock()?;
        let lock = lock.persist(directory.path().join(LOCK))?;
        let sources = Self { directory, lock };
        sources.write_site()?;
        sources.write_version(Kind::Site, "1.0.0")?;
        sources.write_version(Kind::Other, "1.0.0")?;
        Ok(sources)
    }

    /// Where the source of an app is.
    pub(super) fn of(&self, kind: Kind) -> PathBuf {
        self.directory.path().join(kind.word())
    }

    /// A static site in this version, which its file `version` says.
    pub(super) fn write_version(&self, kind: Kind, version: &str) -> io::Result<()> {
        let public = self.of(kind).join("public");
        fs::create_dir_all(&public)?;
        write(&self.of(kind), "bext.app.toml", format!("version = \"{version}\"\n"))?;
        write(&public, "version", version)
    }

    fn write_site(&self) -> io::Result<()> {
        let public = self.of(Kind::Site).join("public");
        fs::create_dir_all(public.join("sub"))?;
        write(&public, "index.html", "<!doctype html><title>first</title>\n")?;
        write(&public, "style.css", "body { color: black }\n")?;
        write(&public, "app.js", SCRIPT)?;
        write(&public, "data.json", "{}\n")?;
        write(&public, "image.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n")?;
        write(&public, "empty.txt", "")?;
        write(&public, "a name.txt", "found\n")?;
        write(&public, "404.html", "<!doctype html><title>nothing here</title>\n")?;
        write(&public, "sub/index.html", "<!doctype html><title>below</title>\n")?;
        write(&public, "large.bin", (0..LARGE_BYTES).map(large_byte).collect::<Vec<u8>>())?;
        write(&self.of(Kind::Site), "outside.txt", "not to be served\n")?;
        let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
        io::Write::write_all(&mut compressed, SCRIPT.as_bytes())?;
        write(&public, "app.js.gz", compressed.finish()?)
    }

    /// An app with a process, in this version, which comes up well.
    pub(super) fn write_well(&self, kind: Kind, command: &[String], version: &str) -> io::Result<()> {
        self.write_process(kind, command, version, "20s")?;
        match fs::remove_file(self.of(kind).join("unhealthy")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// An app with a process, in this version, which fails its health check.
    pub(super) fn write_ailing(&self, kind: Kind, command: &[String], version: &str) -> io::Result<()> {
        // It fails however short this is, and with a short time soon.
        self.write_process(kind, command, version, "300ms")?;
        write(&self.of(kind), "unhealthy", "")
    }

    fn write_process(&self, kind: Kind, command: &[String], version: &str, health: &str) -> io::Result<()> {
        let words: Vec<String> = command.iter().map(|word| toml_string(word)).collect();
        let manifest = format!(
            "version = \"{version}\"\n\n[process]\ncommand = [{}]\n\n[health]\npath = \"/health\"\ntimeout = \"{health}\"\n",
            words.join(", "),
        );
        fs::create_dir_all(self.of(kind))?;
        write(&self.of(kind), "bext.app.toml", manifest)
    }
}

fn write(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    fs::write(directory.join(name), bytes)
}

/// A basic string of TOML, whatever is in it.
fn toml_string(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
