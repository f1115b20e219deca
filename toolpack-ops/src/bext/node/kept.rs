//! Which artifacts stay: those of releases that are kept, and those that something runs from.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::source::{Artifact, ArtifactId, Artifacts, Resolved, Source};
use super::store::{AppsTable, ReleasesTable, Store};
use crate::error::{Error, ErrorKind};

/// The artifacts of an instance, and who uses them: an [`Artifact`] that somebody holds stays.
#[derive(Debug)]
pub(crate) struct Kept {
    artifacts: Artifacts,
    // Whoever makes or looks up an artifact holds one until it has it; whoever clears away holds all of them, so that nobody
    // begins to need one after it was found that nobody does.
    makers: Semaphore,
    /// Whether something was left lying because somebody was at work.
    is_behind: AtomicBool,
    // One clears away at a time: what the next wants to have removed, the one before has not seen.
    clearing: Semaphore,
}

const MAKERS: u32 = 1024;

impl Kept {
    pub(crate) fn new(artifacts: Artifacts) -> Self {
        Self {
            artifacts,
            makers: Semaphore::new(MAKERS as usize),
            is_behind: AtomicBool::new(false),
            clearing: Semaphore::new(1),
        }
    }

    /// Makes the artifact of a release, or finds it. Dropped, it leaves nothing.
    pub(crate) async fn make(&self, source: &Source, resolved: &Resolved) -> Result<Artifact, Error> {
        let _maker = self.maker().await?;
        self.artifacts.make(source, resolved).await
    }

    /// One that was made earlier; none if it is not there.
    pub(crate) async fn get(&self, id: &ArtifactId) -> Result<Option<Artifact>, Error> {
        let _maker = self.maker().await?;
        self.artifacts.get(id).await
    }

    /// Keeps what a source was fetched into until this is dropped: nobody has registered it yet.
    pub(crate) async fn maker(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.makers.acquire().await.map_err(closed)
    }

    /// Forgets releases that are on no route, but for `keep` of each app, and removes the artifacts and the copies of sources
    /// that nobody needs.
    ///
    /// Where one is being made, nothing is done, and [`is_behind`](Self::is_behind) from then on.
    pub(crate) async fn clear_away(&self, store: &Store, copies: &Path, keep: usize) -> Result<(), Error> {
        let _turn = self.clearing.acquire().await.map_err(closed)?;
        let Ok(_all) = self.makers.try_acquire_many(MAKERS) else {
            self.is_behind.store(true, Ordering::Relaxed);
            return Ok(());
        };
        self.is_behind.store(false, Ordering::Relaxed);
        let (needed, sources) = store
            .write(move |transaction| {
                let releases = ReleasesTable(transaction);
                releases.prune(keep)?;
                Ok((releases.artifacts()?, AppsTable(transaction).sources()?))
            })
            .await?;
        self.artifacts.keep_only(&needed).await?;
        Source::keep_copies(copies, &sources).await
    }

    /// Whether there may be something to clear away that was left lying.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(error)
}
