//! The files of a release on their way out of a source: checked, counted, hashed, and written if there is a place for them.
//!
//! Every kind of source hands its files to an [`Export`], so the rules are in one place. What is written is made of
//! directories and regular files alone, which the export makes itself, so no name leads out of its place.
//!
//! The hash of the content is one over the sorted files: path, whether it may be executed, length and hash of each. An empty
//! directory is no content, nor are owners and times.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind as IoKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::artifact_id::ArtifactId;
use super::limits::SourceLimits;
use super::manifest::Manifest;
use super::task::Stop;
use super::{invalid, unreadable, unwritable};
use crate::error::{Error, ErrorKind};

/// Files that are on their way out of a source.
#[derive(Debug)]
pub(super) struct Export<'a> {
    /// Where they are written; none if it is only their hash that is wanted.
    place: Option<PathBuf>,
    limits: &'a SourceLimits,
    stop: &'a Stop,
    files: BTreeMap<String, Content>,
    links: BTreeMap<String, String>,
    folders: BTreeSet<String>,
    /// How many directories were looked into, whether there are files in them or not.
    entered: usize,
    bytes: u64,
    /// What may turn out to be the manifest, by its path.
    manifests: BTreeMap<String, Vec<u8>>,
    /// What is read goes through here.
    buffer: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Content {
    executable: bool,
    bytes: u64,
    hash: [u8; 32],
}

/// All files of a release.
#[derive(Debug)]
pub(super) struct Exported {
    pub(super) id: ArtifactId,
    pub(super) files: usize,
    pub(super) bytes: u64,
    pub(super) manifest: Manifest,
    /// The directory within the place of the export that all of them are in; empty if it is the place itself.
    pub(super) folder: String,
}

/// A path of a source, or nothing if what is there is never part of a release: the data of git and of a node.
///
/// It has no empty part, and none that is `.` or `..`.
pub(super) fn path_within(path: &[u8], limits: &SourceLimits) -> Result<Option<String>, Error> {
    let shown = || shorten(&String::from_utf8_lossy(path));
    let text = str::from_utf8(path).map_err(|_| invalid(format!("the name {} is not UTF-8", shown())))?;
    if text.len() > limits.path_bytes {
        return Err(invalid(format!("the path {} is longer than {} bytes", shown(), limits.path_bytes)));
    }
    if text.contains(char::is_control) {
        return Err(invalid(format!("the name {} holds a control character", shown())));
    }
    let mut depth = 0;
    let mut excluded = false;
    for part in text.split('/') {
        if matches!(part, "" | "." | "..") {
            return Err(invalid(format!("the path {} is not one within the source", shown())));
        }
        if part.len() > 255 {
            return Err(invalid(format!("the name {} is longer than 255 bytes", shown())));
        }
        excluded |= is_excluded(part);
        depth += 1;
    }
    if depth > limits.depth {
        return Err(invalid(format!("{} is deeper than {} directories", shown(), limits.depth)));
    }
    Ok((!excluded).then(|| text.to_owned()))
}

pub(super) fn is_excluded(name: &str) -> bool {
    name.eq_ignore_ascii_case(".git")
        || name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(".bext"))
}

/// A name as an error shows it.
pub(super) fn shorten(name: &str) -> String {
    const MAX_CHARS: usize = 80;
    let shown: String = name.escape_debug().take(MAX_CHARS).collect();
    if name.chars().count() > MAX_CHARS { format!("{shown}…") } else { shown }
}

impl<'a> Export<'a> {
    /// Into this directory, which is there and is empty; or only to be hashed.
    pub(super) fn new(place: Option<PathBuf>, limits: &'a SourceLimits, stop: &'a Stop) -> Self {
        Self {
            place,
            limits,
            stop,
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            folders: BTreeSet::new(),
            entered: 0,
            bytes: 0,
            manifests: BTreeMap::new(),
            buffer: vec![0; 64 << 10],
        }
    }

    pub(super) fn limits(&self) -> &'a SourceLimits {
        self.limits
    }

    pub(super) fn stop(&self) -> &'a Stop {
        self.stop
    }

    /// Counts a directory. In git few objects make endlessly many, one in the other.
    pub(super) fn enter(&mut self) -> Result<(), Error> {
        self.entered += 1;
        if self.entered > self.limits.files {
            return Err(invalid(format!("the source has more than {} directories", self.limits.files)));
        }
        Ok(())
    }

    /// Takes a file, which has to have so many bytes, where that is known before. `path` is one of [`path_within`].
    pub(super) fn file(
        &mut self,
        path: String,
        executable: bool,
        length: Option<u64>,
        content: impl Read,
    ) -> Result<(), Error> {
        self.claim(&path)?;
        self.write(path, executable, length, content)
    }

    /// Takes a symbolic link. It becomes a copy of the file it leads to, when all files are known.
    pub(super) fn link(&mut self, path: String, target: &[u8]) -> Result<(), Error> {
        let target = str::from_utf8(target).map_err(|_| astray(&path, "where it leads is not UTF-8"))?;
        if path == Manifest::FILE {
            return Err(invalid(format!("{} must be a file, not a link", Manifest::FILE)));
        }
        let target = resolve(&path, target).ok_or_else(|| {
            astray(&path, "it leads out of the source, and what it leads to would be missing")
        })?;
        self.claim(&path)?;
        self.links.insert(path, target);
        Ok(())
    }

    /// All files. Where `in_one_directory` allows it, the one directory that holds all of them does not count.
    pub(super) fn finish(mut self, in_one_directory: bool) -> Result<Exported, Error> {
        self.copy_links()?;
        let folder = if in_one_directory { self.only_folder().unwrap_or_default() } else { String::new() };
        let within = if folder.is_empty() { 0 } else { folder.len() + 1 };
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"toolpack artifact 1\n");
        for (path, content) in &self.files {
            let path = &path.as_bytes()[within..];
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path);
            hasher.update(&[u8::from(content.executable)]);
            hasher.update(&content.bytes.to_le_bytes());
            hasher.update(&content.hash);
        }
        if self.files.is_empty() {
            return Err(invalid("the source has no files"));
        }
        let manifest = if folder.is_empty() {
            Manifest::FILE.to_owned()
        } else {
            format!("{folder}/{}", Manifest::FILE)
        };
        let manifest = self
            .manifests
            .get(&manifest)
            .map(|bytes| Manifest::parse(bytes))
            .transpose()?
            .unwrap_or_default();
        if let Some(dir) =
            manifest.static_dir.as_deref().filter(|dir| !dir.is_empty() && manifest.command.is_none())
        {
            let dir = if folder.is_empty() { dir.to_owned() } else { format!("{folder}/{dir}") };
            if !self.folders.contains(&dir) {
                let message =
                    format!("{}: static.dir names no directory of the source that has files", Manifest::FILE);
                return Err(Error::new(ErrorKind::InvalidInput, "manifest_invalid", message));
            }
        }
        let id = ArtifactId(hasher.finalize().to_hex().to_string());
        Ok(Exported { id, files: self.files.len(), bytes: self.bytes, manifest, folder })
    }

    /// The directory that everything is in, if there is such a one, and no manifest that says where the root is.
    fn only_folder(&self) -> Option<String> {
        let first = self.files.keys().next()?.split_once('/')?.0;
        let inside = |path: &String| path.split_once('/').is_some_and(|(folder, _)| folder == first);
        self.files.keys().all(inside).then(|| first.to_owned())
    }

    /// Takes a name, and makes the directories that it is in.
    fn claim(&mut self, path: &str) -> Result<(), Error> {
        self.stop.check()?;
        if self.files.len() + self.links.len() >= self.limits.files {
            return Err(invalid(format!("the source has more than {} files", self.limits.files)));
        }
        let is_file = |path: &str| self.files.contains_key(path) || self.links.contains_key(path);
        if is_file(path) || self.folders.contains(path) {
            return Err(invalid(format!("the source has {} twice", shorten(path))));
        }
        let mut missing = Vec::new();
        let mut rest = path;
        while let Some((folder, _)) = rest.rsplit_once('/') {
            if self.folders.contains(folder) {
                break;
            }
            if is_file(folder) {
                return Err(invalid(format!(
                    "the source has {} as a file and as a directory",
                    shorten(folder)
                )));
            }
            missing.push(folder.to_owned());
            rest = folder;
        }
        for folder in missing.into_iter().rev() {
            if let Some(place) = &self.place {
                fs::create_dir(place.join(&folder)).map_err(|error| taken(&folder, error))?;
            }
            self.folders.insert(folder);
        }
        Ok(())
    }

    fn write(
        &mut self,
        path: String,
        executable: bool,
        length: Option<u64>,
        mut from: impl Read,
    ) -> Result<(), Error> {
        let mut file = match &self.place {
            Some(place) => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true).mode(0o600);
                Some(options.open(place.join(&path)).map_err(|error| taken(&path, error))?)
            }
            None => None,
        };
        let is_manifest = path.rsplit('/').next() == Some(Manifest::FILE) && path.matches('/').count() <= 1;
        let mut kept = is_manifest.then(Vec::new);
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        loop {
            self.stop.check()?;
            let count = match from.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == IoKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&path, error)),
            };
            let chunk = &self.buffer[..count];
            bytes += count as u64;
            self.bytes += count as u64;
            if self.bytes > self.limits.bytes {
                return Err(invalid(format!("the source has more than {} bytes", self.limits.bytes)));
            }
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(chunk);
                if kept.len() as u64 > Manifest::MAX_BYTES {
                    return Err(invalid(format!(
                        "{} is larger than {} bytes",
                        Manifest::FILE,
                        Manifest::MAX_BYTES
                    )));
                }
            }
            hasher.update(chunk);
            if let Some(file) = &mut file {
                file.write_all(chunk).map_err(unwritable)?;
            }
        }
        if length.is_some_and(|length| length != bytes) {
            return Err(invalid(format!("{} is cut off", shorten(&path))));
        }
        if let Some(file) = file {
            let mode = if executable { 0o555 } else { 0o444 };
            file.set_permissions(Permissions::from_mode(mode)).map_err(unwritable)?;
        }
        if let Some(kept) = kept {
            self.manifests.insert(path.clone(), kept);
        }
        self.files.insert(path, Content { executable, bytes, hash: *hasher.finalize().as_bytes() });
        Ok(())
    }

    fn copy_links(&mut self) -> Result<(), Error> {
        const MAX_STEPS: usize = 32;
        let links = std::mem::take(&mut self.links);
        for (path, target) in &links {
            let mut file = target;
            let mut steps = 0;
            while let Some(next) = links.get(file) {
                file = next;
                steps += 1;
                if steps > MAX_STEPS {
                    return Err(astray(path, "it leads in a circle"));
                }
            }
            let Some(content) = self.files.get(file).cloned() else {
                return Err(astray(path, "what it leads to is no file of the source"));
            };
            match &self.place {
                Some(place) => {
                    let from = File::open(place.join(file)).map_err(unwritable)?;
                    self.write(path.clone(), content.executable, Some(content.bytes), from)?;
                }
                None => {
                    self.bytes += content.bytes;
                    if self.bytes > self.limits.bytes {
                        return Err(invalid(format!("the source has more than {} bytes", self.limits.bytes)));
                    }
                    self.files.insert(path.clone(), content);
                }
            }
        }
        Ok(())
    }
}

/// Where a link leads, by its words alone: a path within the source, or none.
fn resolve(link: &str, target: &str) -> Option<String> {
    if target.starts_with('/') || target.is_empty() {
        return None;
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn astray(path: &str, why: &str) -> Error {
    invalid(format!("the link {} cannot be part of a release: {why}", shorten(path)))
}

fn taken(path: &str, error: std::io::Error) -> Error {
    // On a file system that ignores the case of names.
    if error.kind() == IoKind::AlreadyExists {
        return invalid(format!("the source has two names like {}, which are one here", shorten(path)));
    }
    unwritable(error)
}

/// Whether a directory is that of a node: its secrets are in it.
pub(super) fn is_data_of_a_node(directory: &Path) -> bool {
    directory.join("node.lock").exists() && directory.join("instances.toml").exists()
}
