//! `bext.app.toml`: what a source says of its app, all of it optional.
//!
//! ```toml
//! version = "1.2.4"                     # where the source has no tags
//! [process]                             # without it, the app is static
//! command = ["python3", "server.py"]
//! [static]
//! dir = "public"                        # default: public, dist, or the root
//! [health]
//! path = "/"                            # a static site without it has no check
//! timeout = "10s"                       # 1ms to 10m
//! ```

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::bext::engine::{Runtime, Version};
use crate::error::{Error, ErrorKind};

/// What `bext.app.toml` says, with its defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) version: Option<Version>,
    /// The command of an app of the runtime `process`; none for a static one. Its first word is not empty.
    pub(crate) command: Option<Vec<String>>,
    /// The directory of a static site, within the artifact; found if it is not said. No part of it is `..`; empty for the
    /// root.
    pub(crate) static_dir: Option<String>,
    /// The path that has to be answered with 2xx or 3xx. It begins with `/` and is ASCII without spaces. Where it is not said,
    /// a process has to answer `/`, and a static site nothing in particular.
    pub(crate) health_path: Option<String>,
    /// Within which time, 10 seconds by default, 1 millisecond to 10 minutes.
    pub(crate) health_timeout: Duration,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            version: None,
            command: None,
            static_dir: None,
            health_path: None,
            health_timeout: Duration::from_secs(10),
        }
    }
}

impl Manifest {
    /// The name of the file, at the root of a source.
    pub(crate) const FILE: &str = "bext.app.toml";

    /// The most bytes of the file.
    pub(super) const MAX_BYTES: u64 = 64 << 10;

    /// Reads one.
    ///
    /// Errors: `manifest_invalid`, saying the line and what may stand there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            refused(line, "is not UTF-8")
        })?;
        let reader = Reader { text };
        let table = DeTable::parse(text).map_err(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join(" ");
            reader.refuse(error.span().unwrap_or_default(), message)
        })?;
        reader.manifest(table.get_ref())
    }

    /// The runtime of an app that is of this manifest.
    pub(crate) fn runtime(&self) -> Runtime {
        if self.command.is_some() { Runtime::Process } else { Runtime::Static }
    }
}

fn refused(line: usize, why: impl std::fmt::Display) -> Error {
    let message = format!("{}, line {line}: {why}", Manifest::FILE);
    Error::new(ErrorKind::InvalidInput, "manifest_invalid", message)
}

type Value<'a> = Spanned<DeValue<'a>>;

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn refuse(&self, at: Range<usize>, why: impl std::fmt::Display) -> Error {
        let before = self.text.get(..at.start).unwrap_or_default();
        refused(1 + before.bytes().filter(|byte| *byte == b'\n').count(), why)
    }

    fn manifest(&self, table: &DeTable<'_>) -> Result<Manifest, Error> {
        let mut manifest = Manifest::default();
        self.check_names("", table, &["version", "process", "static", "health"])?;
        if let Some(value) = table.get("version") {
            let version = self.text_of("version", value)?.parse();
            manifest.version =
                Some(version.map_err(|error: Error| self.refuse(value.span(), error.message()))?);
        }
        if let Some(value) = table.get("process") {
            manifest.command = Some(self.command(value)?);
        }
        if let Some(table) = self.table(table, "static", &["dir"])?
            && let Some(value) = table.get("dir")
        {
            manifest.static_dir = Some(self.directory(value)?);
        }
        if let Some(table) = self.table(table, "health", &["path", "timeout"])? {
            if let Some(value) = table.get("path") {
                manifest.health_path = Some(self.health_path(value)?);
            }
            if let Some(value) = table.get("timeout") {
                let text = self.text_of("health.timeout", value)?;
                manifest.health_timeout = duration(text).ok_or_else(|| {
                    self.refuse(
                        value.span(),
                        "health.timeout is a time from \"1ms\" to \"10m\", such as \"10s\"",
                    )
                })?;
            }
        }
        Ok(manifest)
    }

    fn command(&self, process: &Value<'_>) -> Result<Vec<String>, Error> {
        const FORM: &str = "process.command is a list of words, such as [\"python3\", \"server.py\"]";
        let Some(table) = process.get_ref().as_table() else {
            return Err(self.refuse(process.span(), "process is a table, written [process]"));
        };
        self.check_names("process.", table, &["command"])?;
        let Some(value) = table.get("command") else {
            return Err(self
                .refuse(process.span(), "[process] needs a command, such as [\"python3\", \"server.py\"]"));
        };
        let Some(words) = value.get_ref().as_array() else {
            return Err(self.refuse(value.span(), FORM));
        };
        let words = words.iter().map(|word| {
            let text = word.get_ref().as_str().ok_or_else(|| self.refuse(word.span(), FORM))?;
            if text.contains('\0') {
                return Err(self.refuse(word.span(), "a word of process.command holds no NUL"));
            }
            Ok(text.to_owned())
        });
        let words = words.collect::<Result<Vec<_>, _>>()?;
        if words.first().is_none_or(|word| word.trim().is_empty()) {
            return Err(self.refuse(value.span(), "process.command needs a program as its first word"));
        }
        Ok(words)
    }

    fn directory(&self, value: &Value<'_>) -> Result<String, Error> {
        let text = self.text_of("static.dir", value)?;
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    let why = "static.dir stays within the source; no part of it is \"..\"";
                    return Err(self.refuse(value.span(), why));
                }
                part => parts.push(part),
            }
        }
        if text.starts_with('/') || text.is_empty() || text.contains(char::is_control) {
            let why = "static.dir is a path within the source, such as \"public\", or \".\" for all of it";
            return Err(self.refuse(value.span(), why));
        }
        Ok(parts.join("/"))
    }

    fn health_path(&self, value: &Value<'_>) -> Result<String, Error> {
        let text = self.text_of("health.path", value)?;
        if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Ok(text.to_owned());
        }
        let why = "health.path begins with / and has no spaces, no # and only ASCII, such as \"/health\"";
        Err(self.refuse(value.span(), why))
    }

    fn text_of<'v>(&self, name: &str, value: &'v Value<'_>) -> Result<&'v str, Error> {
        let wrong = || {
            let kind = value.get_ref().type_str();
            self.refuse(value.span(), format!("{name} is a text in quotes, and not of the type {kind}"))
        };
        value.get_ref().as_str().ok_or_else(wrong)
    }

    fn table<'t, 'v>(
        &self,
        table: &'t DeTable<'v>,
        name: &str,
        known: &[&str],
    ) -> Result<Option<&'t DeTable<'v>>, Error> {
        let Some(value) = table.get(name) else { return Ok(None) };
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.refuse(value.span(), format!("{name} is a table, written [{name}]")));
        };
        self.check_names(&format!("{name}."), table, known)?;
        Ok(Some(table))
    }

    fn check_names(&self, place: &str, table: &DeTable<'_>, known: &[&str]) -> Result<(), Error> {
        // In the order of the text, so that what is said does not depend on the order of a map.
        let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        let name = key.get_ref().as_ref();
        let near = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
        let hint = match near.filter(|(distance, known)| *distance <= known.len().max(3) / 3) {
            Some((_, near)) => format!("did you mean {place}{near}?"),
            None => format!("known here are {}", known.join(", ")),
        };
        let name: String = name.chars().take(64).collect();
        Err(self.refuse(key.span(), format!("{place}{} is not known; {hint}", name.escape_debug())))
    }
}

/// `500ms`, `10s`, `2m`, within bounds.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(factor)?;
    (1..=600_000).contains(&millis).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn everything_is_optional() {
        let manifest = Manifest::parse(b"").unwrap();
        assert_eq!(manifest, Manifest::default());
        assert_eq!((manifest.runtime(), manifest.health_path.as_deref()), (Runtime::Static, None));
        assert_eq!(manifest.health_timeout, Duration::from_secs(10));
        assert_eq!(Manifest::parse(b"[static]\n[health]\n").unwrap(), Manifest::default());
    }

    #[test]
    fn all_that_it_may_say_is_read() {
        let text = br#"
            version = "1.2.4"
            [process]
            command = ["python3", "server.py", ""]
            [static]
            dir = "./web//public/"
            [health]
            path = "/health?deep=1"
            timeout = "500ms"
        "#;
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.version.as_ref().unwrap().as_str(), "1.2.4");
        assert_eq!(manifest.command.as_ref().unwrap(), &["python3", "server.py", ""]);
        assert_eq!(manifest.static_dir.as_deref(), Some("web/public"));
        assert_eq!(manifest.health_path.as_deref(), Some("/health?deep=1"));
        assert_eq!(manifest.health_timeout, Duration::from_millis(500));
        assert_eq!(manifest.runtime(), Runtime::Process);
        assert_eq!(Manifest::parse(b"static.dir = '.'").unwrap().static_dir.as_deref(), Some(""));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("verson = \"1\"", "line 1: verson is not known; did you mean version?"),
            ("\n[proces]\ncommand = [\"a\"]", "line 2: proces is not known; did you mean process?"),
            (
                "[process]\ncomand = [\"a\"]",
                "line 2: process.comand is not known; did you mean process.command?",
            ),
            ("[deploy]\n", "line 1: deploy is not known; known here are version, process, static, health"),
            ("version = 1.2", "line 1: version is a text in quotes, and not of the type float"),
            ("version = \"a b\"", "line 1: a version has at most 128"),
            ("process = true", "line 1: process is a table"),
            ("[process]\n", "line 1: [process] needs a command"),
            ("[process]\ncommand = \"python3 server.py\"", "line 2: process.command is a list of words"),
            ("[process]\ncommand = [\"a\",\n 1]", "line 3: process.command is a list of words"),
            ("[process]\ncommand = []", "line 2: process.command needs a program"),
            ("[process]\ncommand = [\" \", \"a\"]", "line 2: process.command needs a program"),
            ("[process]\ncommand = [\"a\\u0000\"]", "line 2: a word of process.command holds no NUL"),
            ("[static]\ndir = \"../other\"", "line 2: static.dir stays within the source"),
            ("[static]\ndir = \"/etc\"", "line 2: static.dir is a path within the source"),
            ("[static]\ndir = \"\"", "line 2: static.dir is a path within the source"),
            ("[[static]]\ndir = \"a\"", "static is a table"),
            ("[health]\npath = \"health\"", "line 2: health.path begins with /"),
            ("[health]\npath = \"/a b\"", "line 2: health.path begins with /"),
            (
                "[health]\ntimeout = 10",
                "line 2: health.timeout is a text in quotes, and not of the type integer",
            ),
            ("[health]\ntimeout = \"0s\"", "line 2: health.timeout is a time from"),
            ("[health]\ntimeout = \"11m\"", "line 2: health.timeout is a time from"),
            ("[health]\ntimeout = \"ten seconds\"", "line 2: health.timeout is a time from"),
            ("version = \"1\"\nversion = \"2\"", "line 2: duplicate key"),
            ("a = = 1", "line 1: "),
        ] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidInput, "manifest_invalid"), "{text}");
            assert!(error.message().contains(said), "{text:?}: {}", error.message());
        }
        let error = Manifest::parse(b"\n\n\xff").unwrap_err();
        assert!(error.message().contains("line 3: is not UTF-8"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
