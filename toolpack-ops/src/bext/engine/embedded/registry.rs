//! `instances.toml`: the instances that this data directory holds.
//!
//! ```toml
//! [[instance]]
//! id = "local"
//! name = "local" # optional
//! url = "http://127.0.0.1:3000" # optional: where its gateway answers, without user info
//! ```

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::files;
use crate::bext::engine::{Instance, InstanceId, InstanceUrl};
use crate::error::{Error, ErrorKind};

const FIRST: &str = "# The instances of this directory; the data of one lies in instances/ID/.\n\n[[instance]]\nid = \"local\"\n";
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Registry {
    path: PathBuf,
    // The text last read, and what it said. The file may change under us at any time, also twice within one tick of
    // its time stamp, so the text itself is compared.
    cache: Mutex<Option<(String, Arc<[Instance]>)>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    instance: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: InstanceId,
    name: Option<String>,
    url: Option<InstanceUrl>,
}

impl Registry {
    /// The registry of a data directory; makes its file on first start.
    pub(super) fn open(root: &Path) -> Result<Self, Error> {
        let path = root.join("instances.toml");
        if files::file_id(&path).map_err(unavailable)?.is_none() {
            files::make_file_of(&path, FIRST.as_bytes()).map_err(unavailable)?;
        }
        let registry = Self { path, cache: Mutex::new(None) };
        registry.all()?;
        Ok(registry)
    }

    /// All instances, ordered by id.
    pub(super) fn all(&self) -> Result<Arc<[Instance]>, Error> {
        let mut text = String::new();
        let file = File::open(&self.path).map_err(unavailable)?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unavailable)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(invalid(format!("instances.toml is larger than {MAX_BYTES} bytes")));
        }
        // What is cached is complete at any moment, so a panic elsewhere leaves it good.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, instances)) = &*cache
            && *known == text
        {
            return Ok(instances.clone());
        }
        let instances: Arc<[Instance]> = parse(&text)?.into();
        *cache = Some((text, instances.clone()));
        Ok(instances)
    }

    pub(super) fn resolve(&self, id: &InstanceId) -> Result<Instance, Error> {
        let all = self.all()?;
        all.iter().find(|instance| instance.id == *id).cloned().ok_or_else(|| not_found(id, &all))
    }
}

fn parse(text: &str) -> Result<Vec<Instance>, Error> {
    let document: Document =
        toml::from_str(text).map_err(|error| invalid("instances.toml cannot be read").with_source(error))?;
    let mut instances: Vec<Instance> = document
        .instance
        .into_iter()
        .map(|row| Instance {
            name: row.name.unwrap_or_else(|| row.id.to_string()),
            id: row.id,
            url: row.url,
        })
        .collect();
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    match instances.windows(2).find(|pair| pair[0].id == pair[1].id) {
        Some(pair) => Err(invalid(format!("instances.toml has the id \"{}\" twice", pair[0].id))),
        None => Ok(instances),
    }
}

fn not_found(id: &InstanceId, all: &[Instance]) -> Error {
    const SHOWN: usize = 10;
    let known: Vec<&str> = all.iter().take(SHOWN).map(|instance| instance.id.as_str()).collect();
    let more = if all.len() > SHOWN { " and more" } else { "" };
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let message = format!("there is no instance \"{id}\"; known: {known}{more}");
    Error::new(ErrorKind::NotFound, "instance_not_found", message)
}

fn unavailable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "registry_unavailable", "the list of instances cannot be read")
        .with_source(error)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, "registry_invalid", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn the_first_start_makes_one_instance_and_changes_are_seen() {
        let root = tempfile::tempdir().unwrap();
        let registry = Registry::open(root.path()).unwrap();
        let local: InstanceId = "local".parse().unwrap();
        assert_eq!(registry.resolve(&local).unwrap().name, "local");
        std::fs::write(&registry.path, "[[instance]]\nid = \"b\"\n[[instance]]\nid = \"a\"\nname = \"A\"")
            .unwrap();
        let names: Vec<String> = registry.all().unwrap().iter().map(|i| i.name.clone()).collect();
        assert_eq!(names, ["A", "b"]);
        let error = registry.resolve(&local).unwrap_err();
        assert_eq!(error.message(), "there is no instance \"local\"; known: a, b");
    }

    #[test]
    fn a_bad_file_is_refused() {
        for bad in [
            "[[instance]]",
            "[[instance]]\nid = \"../x\"",
            "x = 1",
            "[[instance]]\nid=\"a\"\naddress=\"b\"",
            "[[instance]]\nid=\"a\"\nurl=\"http://admin:secret@a\"",
            "\0",
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), "registry_invalid", "{bad:?}");
        }
        let twice = parse("[[instance]]\nid = \"a\"\n[[instance]]\nid = \"a\"").unwrap_err();
        assert_eq!(twice.message(), "instances.toml has the id \"a\" twice");
    }
}
