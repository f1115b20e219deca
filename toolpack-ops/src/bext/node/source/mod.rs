//! Where releases come from: directories, archives and repositories of git; and the artifacts that are made of them.
//!
//! A source is looked at ([`Source::open`]), one of its versions is found ([`Source::resolve`]), and an artifact is made of
//! that ([`Artifacts::make`]). A directory and an archive have one version at a time. The data of git and of a node
//! (`.git`, `.bext*`) never becomes part of an artifact; submodules are left out, and files of LFS stay the pointers that
//! they are in git.

mod archive;
mod artifact_id;
mod artifacts;
mod directory;
mod durable;
mod export;
#[cfg(feature = "bext-git")]
mod git;
mod limits;
mod manifest;
mod order;
mod place;
#[cfg(test)]
pub(crate) mod scratch;
mod task;

use std::io;
use std::path::{Path, PathBuf};
#[cfg(feature = "bext-git")]
use std::sync::Arc;

use self::export::{Export, Exported};
use self::place::Place;
use self::task::Stop;
use crate::bext::engine::{AppSource, Runtime, Version};
use crate::error::{Error, ErrorKind};

pub(crate) use self::artifact_id::ArtifactId;
pub(crate) use self::artifacts::{Artifact, Artifacts};
pub(crate) use self::limits::SourceLimits;
pub(crate) use self::manifest::Manifest;
pub(crate) use self::order::is_same;

/// A source that was looked at. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    kind: Kind,
    limits: SourceLimits,
}

#[derive(Clone, Debug)]
enum Kind {
    Directory(PathBuf),
    Archive(PathBuf),
    #[cfg(feature = "bext-git")]
    Git(Arc<git::Repository>),
}

/// A version whose content is known.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// As records name it: a tag as it is written (`v1.2.4`), a commit by 12 digits, a manifest's version, or
    /// `content-` and 12 digits of the hash of the content.
    pub(crate) version: Version,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// All that a directory or an archive had.
    Content(ArtifactId),
    #[cfg(feature = "bext-git")]
    Commit(gix::ObjectId),
}

impl Resolved {
    /// The artifact that is meant, where that is known before it is made.
    fn content(&self) -> Option<&ArtifactId> {
        match &self.what {
            What::Content(id) => Some(id),
            #[cfg(feature = "bext-git")]
            What::Commit(_) => None,
        }
    }
}

impl Source {
    /// Looks at a source. A remote repository is fetched into `copies`, where it is kept for the next time.
    ///
    /// Errors: `source_not_found`, `source_invalid`, `source_unsupported`; for a remote repository `source_unreachable`,
    /// `source_denied` and `source_timeout` too.
    #[cfg(test)]
    pub(crate) async fn open(source: &AppSource, copies: &Path) -> Result<Self, Error> {
        Self::open_with(source, copies, SourceLimits::default()).await
    }

    /// As [`open`](Self::open), within other limits.
    pub(crate) async fn open_with(
        source: &AppSource,
        copies: &Path,
        limits: SourceLimits,
    ) -> Result<Self, Error> {
        let kind = match Place::of(source)? {
            Place::Path(path) => task::run(move |_| Kind::at(&path)).await?,
            #[cfg(feature = "bext-git")]
            place => {
                let repository = git::Repository::remote(place, copies, &limits);
                repository.refresh().await?;
                Kind::Git(Arc::new(repository))
            }
            #[cfg(not(feature = "bext-git"))]
            Place::Http(_) | Place::Ssh(_) => {
                let _ = copies;
                return Err(without_git());
            }
        };
        Ok(Self { kind, limits })
    }

    /// The runtime that its newest version has, if it is read at all: by a command in its manifest.
    pub(crate) async fn runtime(&self) -> Result<Runtime, Error> {
        let manifest = match &self.kind {
            Kind::Directory(path) => {
                let (path, limits) = (path.clone(), self.limits);
                task::run(move |stop| {
                    directory::refuse_nodes(&path, &limits, stop)?;
                    directory::manifest(&path)
                })
                .await?
            }
            Kind::Archive(_) => self.scan().await?.manifest,
            #[cfg(feature = "bext-git")]
            Kind::Git(repository) => {
                let found = repository.resolve(None).await?;
                repository.clone().manifest(found.1).await?
            }
        };
        Ok(manifest.runtime())
    }

    /// The release of this version, or of the newest. `version_not_found` names those that there are.
    ///
    /// In git a version is a tag, with or without its `v`, a branch, or a commit by 7 to 40 digits; the newest is the
    /// highest release by its tag, else the highest pre-release, else what `HEAD` is at. A directory and an archive have
    /// the version of their manifest, or one named for their content.
    pub(crate) async fn resolve(&self, version: Option<&Version>) -> Result<Resolved, Error> {
        #[cfg(feature = "bext-git")]
        if let Kind::Git(repository) = &self.kind {
            let (version, commit) = repository.resolve(version).await?;
            return Ok(Resolved { version, what: What::Commit(commit) });
        }
        let scanned = self.scan().await?;
        let found = match scanned.manifest.version {
            Some(version) => version,
            None => format!("content-{}", scanned.id.0.get(..12).unwrap_or_default()).parse()?,
        };
        match version {
            Some(wanted) if !order::is_same(wanted.as_str(), found.as_str()) => {
                Err(order::version_not_found(wanted, [found.as_str()]))
            }
            _ => Ok(Resolved { version: found, what: What::Content(scanned.id) }),
        }
    }

    /// Removes the copies of remote repositories that none of these sources needs, and that are not being fetched.
    pub(crate) async fn keep_copies(copies: &Path, sources: &[AppSource]) -> Result<(), Error> {
        #[cfg(feature = "bext-git")]
        {
            let places: Vec<Place> = sources.iter().filter_map(|source| Place::of(source).ok()).collect();
            git::keep_copies(copies, places).await
        }
        #[cfg(not(feature = "bext-git"))]
        {
            let _ = (copies, sources);
            Ok(())
        }
    }

    /// Reads all files of a directory or an archive, without writing any.
    async fn scan(&self) -> Result<Exported, Error> {
        let this = self.clone();
        task::run(move |stop: &std::sync::Arc<Stop>| {
            let mut export = Export::new(None, &this.limits, stop);
            let in_one_directory = this.kind.export(&mut export)?;
            export.finish(in_one_directory)
        })
        .await
    }

    /// Hands all files of a version to the export, and says whether the one directory that they may be in counts.
    fn export(&self, resolved: &Resolved, export: &mut Export<'_>) -> Result<bool, Error> {
        match (&self.kind, &resolved.what) {
            #[cfg(feature = "bext-git")]
            (Kind::Git(repository), What::Commit(commit)) => {
                repository.export(*commit, export).map(|()| false)
            }
            (kind, _) => kind.export(export),
        }
    }
}

impl Kind {
    /// What there is at a path of this machine.
    fn at(path: &Path) -> Result<Self, Error> {
        let path = path.canonicalize().map_err(not_found)?;
        if path.is_dir() {
            if path.parent().is_none() {
                return Err(invalid("this directory holds more than an app: a whole machine"));
            }
            if path.ancestors().any(export::is_data_of_a_node) {
                return Err(invalid("this directory is of the data of a node, secrets too; it is no app"));
            }
            if !is_repository(&path) {
                return Ok(Self::Directory(path));
            }
            #[cfg(feature = "bext-git")]
            return Ok(Self::Git(Arc::new(git::Repository::local(path)?)));
            #[cfg(not(feature = "bext-git"))]
            return Err(without_git());
        }
        if path.is_file() && archive::is_archive(&path) {
            return Ok(Self::Archive(path));
        }
        Err(invalid(
            "a source is a directory, a repository of git, or a file whose name ends with .tar.gz or .tgz",
        ))
    }

    fn export(&self, export: &mut Export<'_>) -> Result<bool, Error> {
        match self {
            Self::Directory(path) => directory::export(path, export).map(|()| false),
            Self::Archive(path) => archive::export(path, export).map(|()| true),
            #[cfg(feature = "bext-git")]
            Self::Git(_) => {
                Err(Error::new(ErrorKind::Unexpected, "internal", "a repository is read by its commits"))
            }
        }
    }
}

/// Whether a directory is a repository of git: a working copy, or a bare one.
fn is_repository(path: &Path) -> bool {
    // `.git` is a file in a further working copy of a repository.
    path.join(".git").exists()
        || path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir()
}

#[cfg(not(feature = "bext-git"))]
fn without_git() -> Error {
    unsupported("this server was built without git; use a directory without .git, or a .tar.gz")
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, "source_invalid", message)
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, "source_unsupported", message)
}

fn not_found(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let message = "the source may not be read by the user that the node runs as";
        return Error::new(ErrorKind::InvalidInput, "source_not_found", message).with_source(error);
    }
    let message = "there is no source at this path of the machine that the node runs on";
    Error::new(ErrorKind::InvalidInput, "source_not_found", message).with_source(error)
}

/// A part of the source that cannot be read; `path` is within the source.
fn unreadable(path: &str, error: io::Error) -> Error {
    let path = if path.is_empty() { "the source".to_owned() } else { export::shorten(path) };
    let why = match error.kind() {
        io::ErrorKind::PermissionDenied => "the user that the node runs as may not read it",
        io::ErrorKind::NotFound => "it went away meanwhile",
        _ => "reading failed",
    };
    let message = format!("{path} cannot be read: {why}");
    Error::new(ErrorKind::InvalidInput, "source_unreadable", message).with_source(error)
}

/// The instance's own directory cannot be written.
fn unwritable(error: io::Error) -> Error {
    let message = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "there is no room left for artifacts",
        _ => "the artifacts of the instance cannot be written",
    };
    Error::new(ErrorKind::Unavailable, "store_unavailable", message).with_source(error)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
