//! Where releases come from: directories, archives and repositories of git; and the artifacts that are made of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bext::engine::{AppSource, Runtime, Version};
use crate::error::Error;

/// A source that was looked at.
#[derive(Debug)]
pub(crate) struct Source {}

impl Source {
    /// Looks at a source. A remote repository is fetched into `copies`, where it is kept for the next time.
    ///
    /// Errors: `source_not_found`, `source_invalid`, `source_unsupported`.
    pub(crate) async fn open(_source: &AppSource, _copies: &Path) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Removes the copy that was kept of a source, if there is one.
    pub(crate) async fn forget(_source: &AppSource, _copies: &Path) -> Result<(), Error> {
        unimplemented!()
    }

    /// The runtime that its newest version has, if it is read at all: by a command in its manifest.
    pub(crate) async fn runtime(&self) -> Result<Runtime, Error> {
        unimplemented!()
    }

    /// The release of this version, or of the newest. `version_not_found` names those that there are.
    pub(crate) async fn resolve(&self, _version: Option<&Version>) -> Result<Resolved, Error> {
        unimplemented!()
    }
}

/// A version whose content is known.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// As records name it: a tag as it is written (`v1.2.4`), a commit by 12 digits, a manifest's version, or
    /// `content-` and 12 digits of the hash of the content.
    pub(crate) version: Version,
}

/// The artifacts of an instance.
#[derive(Clone, Debug)]
pub(crate) struct Artifacts {}

impl Artifacts {
    /// Those in this directory, which is made if it is not there. What an earlier process left unfinished is removed.
    pub(crate) async fn open(_root: PathBuf) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Makes the artifact of a release, durably, or finds that it is there. Cancelled, it leaves nothing.
    pub(crate) async fn make(&self, _source: &Source, _resolved: &Resolved) -> Result<Artifact, Error> {
        unimplemented!()
    }

    /// One that was made earlier; none if it is not there.
    pub(crate) async fn get(&self, _id: &ArtifactId) -> Result<Option<Artifact>, Error> {
        unimplemented!()
    }

    /// Removes all but these.
    pub(crate) async fn keep_only(&self, _ids: &[ArtifactId]) -> Result<(), Error> {
        unimplemented!()
    }
}

/// The hash of an artifact's content, as 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ArtifactId(pub(crate) String);

/// What a release is made of: files that are never changed, and what their manifest says.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    pub(crate) id: ArtifactId,
    pub(crate) directory: PathBuf,
    pub(crate) manifest: Manifest,
}

/// What `bext.app.toml` says, with its defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) version: Option<Version>,
    /// The command of an app of the runtime `process`; none for a static one.
    pub(crate) command: Option<Vec<String>>,
    /// The directory of a static site, within the artifact; found if it is not said.
    pub(crate) static_dir: Option<String>,
    pub(crate) health_path: String,
    pub(crate) health_timeout: Duration,
}
