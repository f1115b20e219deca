//! The artifacts of an instance: what releases are made of, kept by the hash of their content and never changed.
//!
//! ```text
//! HASH/files/          the files: 0444 or 0555, and directories 0555
//! HASH/artifact.toml   how many files and bytes they are
//! .new-…/              one that is being made
//! .old-…/              one that is being removed
//! ```
//!
//! An app that is started in its artifact finds it read-only, and writes elsewhere: into its `TMPDIR`, or a directory of
//! its own. Root may write there all the same, so what was changed is found by count and bytes only.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::artifact_id::ArtifactId;
use super::durable::{sync, sync_each};
use super::export::{Export, Exported};
use super::manifest::Manifest;
use super::task::{self, Stop};
use super::{Resolved, Source, unwritable};
use crate::error::{Error, ErrorKind};

const NEW: &str = ".new-";
const OLD: &str = ".old-";
const FILES: &str = "files";
const MARKER: &str = "artifact.toml";

/// What a release is made of: files that are never changed, and what their manifest says.
///
/// As long as a copy of this value is held, [`keep_only`](Artifacts::keep_only) does not remove it.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) id: ArtifactId,
    pub(crate) directory: PathBuf,
    pub(crate) manifest: Manifest,
    _lease: Arc<Lease>,
}

impl Artifact {
    /// The directory of its static site: what the manifest says, else `public`, else `dist`, else all of it.
    pub(crate) fn site_directory(&self) -> PathBuf {
        let said = self.manifest.static_dir.as_deref();
        let found = || ["public", "dist"].into_iter().find(|name| self.directory.join(name).is_dir());
        match said.or_else(found) {
            None | Some("") => self.directory.clone(),
            Some(name) => self.directory.join(name),
        }
    }
}

/// The artifacts of an instance. Cloning it is cheap, and gives the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Artifacts {
    root: PathBuf,
    leases: Leases,
}

/// How often each artifact is in use.
type Leases = Arc<Mutex<HashMap<ArtifactId, usize>>>;

/// That an artifact is in use.
#[derive(Debug)]
struct Lease {
    id: ArtifactId,
    leases: Leases,
}

impl Lease {
    fn take(id: &ArtifactId, leases: &Leases) -> Arc<Self> {
        *leases.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default() += 1;
        Arc::new(Self { id: id.clone(), leases: leases.clone() })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = leases.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                leases.remove(&self.id);
            }
        }
    }
}

impl Artifacts {
    /// Those in this directory, which is made if it is not there. What an earlier process left unfinished is removed, so
    /// there is one of these for a directory at a time, and clones of it.
    pub(crate) async fn open(root: PathBuf) -> Result<Self, Error> {
        task::run(move |stop| {
            DirBuilder::new().recursive(true).mode(0o700).create(&root).map_err(unwritable)?;
            for entry in fs::read_dir(&root).map_err(unwritable)? {
                stop.check()?;
                let entry = entry.map_err(unwritable)?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with(NEW) || name.starts_with(OLD) {
                    remove_tree(&entry.path()).map_err(unwritable)?;
                }
            }
            Ok(Self { root, leases: Leases::default() })
        })
        .await
    }

    /// Makes the artifact of a release, durably, or finds that it is there. Cancelled, it leaves nothing.
    ///
    /// Errors: `source_invalid`, `source_not_found` and `source_unreadable` for what is wrong with the source;
    /// `manifest_invalid`; `source_changed` if a directory or an archive is no longer what was resolved;
    /// `store_unavailable` if it cannot be written.
    pub(crate) async fn make(&self, source: &Source, resolved: &Resolved) -> Result<Artifact, Error> {
        let (this, source, resolved) = (self.clone(), source.clone(), resolved.clone());
        task::run(move |stop| {
            if let Some(id) = resolved.content()
                && let Some(artifact) = this.find(id)?
            {
                return Ok(artifact);
            }
            let work = tempfile::Builder::new().prefix(NEW).tempdir_in(&this.root).map_err(unwritable)?;
            let work = Unfinished(Some(work.keep()));
            let place = work.path().join("unpacked");
            fs::create_dir(&place).map_err(unwritable)?;
            let mut export = Export::new(Some(place.clone()), &source.limits, stop);
            let exported = source.export(&resolved, &mut export).and_then(|in_one| export.finish(in_one))?;
            if resolved.content().is_some_and(|id| *id != exported.id) {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "source_changed",
                    "the source was changed while it was read; deploy again when it is as it should be",
                ));
            }
            let files = work.path().join(FILES);
            fs::rename(place.join(&exported.folder), &files).map_err(unwritable)?;
            if !exported.folder.is_empty() {
                fs::remove_dir(&place).map_err(unwritable)?;
            }
            seal(work.path(), &exported, stop)?;
            this.adopt(work, &exported.id)
        })
        .await
    }

    /// One that was made earlier; none if it is not there, or not whole.
    pub(crate) async fn get(&self, id: &ArtifactId) -> Result<Option<Artifact>, Error> {
        let (this, id) = (self.clone(), id.clone());
        task::run(move |_| this.find(&id)).await
    }

    /// Removes all but these, and those in use: which are being made, or are held as an [`Artifact`].
    pub(crate) async fn keep_only(&self, ids: &[ArtifactId]) -> Result<(), Error> {
        let (this, ids) = (self.clone(), ids.to_vec());
        task::run(move |stop| {
            for entry in fs::read_dir(&this.root).map_err(unwritable)? {
                stop.check()?;
                let entry = entry.map_err(unwritable)?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let id = ArtifactId(name);
                if id.is_hash() && !ids.contains(&id) {
                    this.remove(&id).map_err(unwritable)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// The artifact, if it is there and has as many files and bytes as it should.
    fn find(&self, id: &ArtifactId) -> Result<Option<Artifact>, Error> {
        if !id.is_hash() {
            return Ok(None);
        }
        // Before the look, so that it is not removed after it.
        let lease = Lease::take(id, &self.leases);
        let home = self.root.join(&id.0);
        let directory = home.join(FILES);
        let marker = match fs::read_to_string(home.join(MARKER)) {
            Ok(marker) => marker,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unwritable(error)),
        };
        let found = count(&directory).map(|(files, bytes)| marker_of(files, bytes));
        if !found.as_ref().is_ok_and(|found| *found == marker) {
            tracing::warn!(artifact = id.0, "an artifact is not whole, and is not used");
            return Ok(None);
        }
        let manifest = super::directory::manifest(&directory)?;
        Ok(Some(Artifact { id: id.clone(), directory, manifest, _lease: lease }))
    }

    /// Gives what is finished its place, if nobody was faster.
    fn adopt(&self, mut work: Unfinished, id: &ArtifactId) -> Result<Artifact, Error> {
        let _lease = Lease::take(id, &self.leases);
        let home = self.root.join(&id.0);
        // Twice: what is there but not whole is moved out of the way.
        for _ in 0..2 {
            match fs::rename(work.path(), &home) {
                Ok(()) => {
                    work.0 = None;
                    sync(&self.root).map_err(unwritable)?;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
                    ) => {}
                Err(error) => return Err(unwritable(error)),
            }
            if let Some(artifact) = self.find(id)? {
                return Ok(artifact);
            }
            self.discard(&home).map_err(unwritable)?;
        }
        Err(unwritable(io::Error::other("an artifact that was just made is not whole")))
    }

    fn remove(&self, id: &ArtifactId) -> io::Result<()> {
        let away = {
            // Held over the renaming, so that nobody takes it into use meanwhile.
            let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
            if leases.contains_key(id) {
                return Ok(());
            }
            self.move_away(&self.root.join(&id.0))?
        };
        remove_tree(&away)
    }

    fn discard(&self, home: &Path) -> io::Result<()> {
        match self.move_away(home) {
            Ok(away) => remove_tree(&away),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Under a name that the next start removes, should this process end before it does.
    fn move_away(&self, home: &Path) -> io::Result<PathBuf> {
        let away = tempfile::Builder::new().prefix(OLD).tempdir_in(&self.root)?.keep();
        // An empty directory is replaced.
        match fs::rename(home, &away) {
            Ok(()) => Ok(away),
            Err(error) => {
                fs::remove_dir(&away)?;
                Err(error)
            }
        }
    }
}

/// A directory that is removed when it does not become an artifact.
#[derive(Debug)]
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = remove_tree(path)
        {
            tracing::warn!(%error, "what is left of an artifact is removed at the next start");
        }
    }
}

/// Makes what was exported read-only and durable.
fn seal(work: &Path, exported: &Exported, stop: &Stop) -> Result<(), Error> {
    let seal = || {
        let marker = work.join(MARKER);
        fs::write(&marker, marker_of(exported.files, exported.bytes))?;
        fs::set_permissions(&marker, Permissions::from_mode(0o444))?;
        let mut paths = vec![marker, work.to_owned()];
        each_directory(&work.join(FILES), &mut |directory| {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if !entry.file_type()?.is_dir() {
                    paths.push(entry.path());
                }
            }
            paths.push(directory.to_owned());
            // The files are so already.
            fs::set_permissions(directory, Permissions::from_mode(0o555))
        })?;
        sync_each(&paths, stop)
    };
    seal().map_err(unwritable)?;
    stop.check()
}

fn marker_of(files: usize, bytes: u64) -> String {
    format!("files = {files}\nbytes = {bytes}\n")
}

/// How many files are below a directory, and how many bytes.
fn count(directory: &Path) -> io::Result<(usize, u64)> {
    let (mut files, mut bytes) = (0, 0);
    each_directory(directory, &mut |directory| {
        for entry in fs::read_dir(directory)? {
            let metadata = entry?.metadata()?;
            if !metadata.is_dir() {
                files += 1;
                bytes += metadata.len();
            }
        }
        Ok(())
    })?;
    Ok((files, bytes))
}

/// Calls back for the directory and all below it, the inner ones first. No link is followed.
fn each_directory(directory: &Path, work: &mut impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut found = vec![directory.to_owned()];
    let mut at = 0;
    while let Some(directory) = found.get(at) {
        let entries = fs::read_dir(directory)?;
        at += 1;
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.push(entry.path());
            }
        }
    }
    found.iter().rev().try_for_each(|directory| work(directory))
}

/// Removes a tree whose directories may be read-only. Nothing is made in it meanwhile.
pub(super) fn remove_tree(root: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(root)?.is_dir() {
        return fs::remove_file(root);
    }
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(root)
}
