//! The sources of the scratch apps: static sites, and apps whose process is the host's.

use std::fs;
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

/// Directories of sources, removed when dropped. All of its methods block.
#[derive(Debug)]
pub(super) struct Sources {
    directory: tempfile::TempDir,
}

impl Sources {
    /// The sites; processes have a command that has to be written first.
    pub(super) fn make() -> io::Result<Self> {
        let sources = Self { directory: tempfile::Builder::new().prefix(SOURCES_PREFIX).tempdir()? };
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
