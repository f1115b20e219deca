//! The sources of the scratch apps: a static site, and one whose process is the host's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// What `/large.bin` of the site holds: enough that it goes out in many pieces.
pub(super) const LARGE_BYTES: usize = 300_000;

/// A byte of `/large.bin`; the period is a prime, so that no piece looks like another.
pub(super) fn large_byte(position: usize) -> u8 {
    (position % 251) as u8
}

/// The text of `/app.js`, which is there compressed, too.
pub(super) const SCRIPT: &str =
    "export const answer = 42; // said again and again and again and again and again\n";

/// Directories of sources, removed when dropped.
#[derive(Debug)]
pub(super) struct Sources {
    directory: tempfile::TempDir,
}

impl Sources {
    pub(super) fn make() -> io::Result<Self> {
        let sources = Self { directory: tempfile::Builder::new().prefix("bext-conformance-").tempdir()? };
        fs::create_dir(sources.process())?;
        sources.write_site("1.0.0")?;
        Ok(sources)
    }

    pub(super) fn site(&self) -> PathBuf {
        self.directory.path().join("site")
    }

    pub(super) fn process(&self) -> PathBuf {
        self.directory.path().join("process")
    }

    /// The site, in this version.
    pub(super) fn write_site(&self, version: &str) -> io::Result<()> {
        let public = self.site().join("public");
        fs::create_dir_all(public.join("sub"))?;
        write(&self.site(), "bext.app.toml", format!("version = \"{version}\"\n"))?;
        write(&public, "index.html", format!("<!doctype html><title>{version}</title>\n"))?;
        write(&public, "version", version)?;
        write(&public, "style.css", "body { color: black }\n")?;
        write(&public, "app.js", SCRIPT)?;
        write(&public, "data.json", "{}\n")?;
        write(&public, "image.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n")?;
        write(&public, "empty.txt", "")?;
        write(&public, "a name.txt", "found\n")?;
        write(&public, "404.html", "<!doctype html><title>nothing here</title>\n")?;
        write(&public, "sub/index.html", "<!doctype html><title>below</title>\n")?;
        write(&public, "large.bin", (0..LARGE_BYTES).map(large_byte).collect::<Vec<u8>>())?;
        write(&self.site(), "outside.txt", "not to be served\n")?;
        let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
        io::Write::write_all(&mut compressed, SCRIPT.as_bytes())?;
        write(&public, "app.js.gz", compressed.finish()?)
    }

    /// The app with a process, in this version; `ails` if it is to fail its health check.
    pub(super) fn write_process(&self, command: &[String], version: &str, ails: bool) -> io::Result<()> {
        let words: Vec<String> = command.iter().map(|word| toml_string(word)).collect();
        let manifest = format!(
            "version = \"{version}\"\n\n[process]\ncommand = [{}]\n\n[health]\npath = \"/health\"\ntimeout = \"{}\"\n",
            words.join(", "),
            if ails { "1s" } else { "20s" },
        );
        write(&self.process(), "bext.app.toml", manifest)?;
        let mark = self.process().join("unhealthy");
        match ails {
            true => fs::write(mark, ""),
            false if mark.exists() => fs::remove_file(mark),
            false => Ok(()),
        }
    }
}

fn write(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    fs::write(directory.join(name), bytes)
}

/// A basic string of TOML, whatever is in it.
fn toml_string(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
