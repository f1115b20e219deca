//! Which artifacts stay: those of releases that are kept, and those that something runs from.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::source::{Artifact, ArtifactId, Artifacts, Resolved, Source};
use super::store::{AppsTable, ReleasesTable, Store};
use crate::error::{Error, ErrorKind};

/// The artifacts of an instance, and who uses them.
#[derive(Debug)]
pub(crate) struct Kept {
    artifacts: Artifacts,
    pins: Arc<Pins>,
    // Whoever makes or looks up an artifact holds one until it is pinned; whoever clears away holds all of them, so that
    // nothing is removed between its making and its pin.
    makers: Semaphore,
    // One clears away at a time: what the next wants to have removed, the one before has not seen.
    clearing: Semaphore,
}

const MAKERS: u32 = 1024;

type Pins = Mutex<HashMap<ArtifactId, usize>>;

/// An artifact that stays at least until this is dropped.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) artifact: Artifact,
    pins: Arc<Pins>,
}

impl Kept {
    pub(crate) fn new(artifacts: Artifacts) -> Self {
        Self {
            artifacts,
            pins: Arc::default(),
            makers: Semaphore::new(MAKERS as usize),
            clearing: Semaphore::new(1),
        }
    }

    /// Makes the artifact of a release, or finds it. Dropped, it leaves nothing.
    pub(crate) async fn make(&self, source: &Source, resolved: &Resolved) -> Result<Pinned, Error> {
        let _maker = self.maker().await?;
        let artifact = self.artifacts.make(source, resolved).await?;
        Ok(self.pin(artifact))
    }

    /// One that was made earlier; none if it is not there.
    pub(crate) async fn get(&self, id: &ArtifactId) -> Result<Option<Pinned>, Error> {
        let _maker = self.maker().await?;
        let artifact = self.artifacts.get(id).await?;
        Ok(artifact.map(|artifact| self.pin(artifact)))
    }

    /// Keeps what a source was fetched into until this is dropped: nobody has registered it yet.
    pub(crate) async fn maker(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.makers.acquire().await.map_err(closed)
    }

    /// Forgets releases that are on no route, but for `keep` of each app, and removes the artifacts and the copies of sources
    /// that nobody needs.
    ///
    /// Where one is being made, it is left to whoever makes it, who clears away afterwards.
    pub(crate) async fn clear_away(&self, store: &Store, copies: &Path, keep: usize) -> Result<(), Error> {
        let _turn = self.clearing.acquire().await.map_err(closed)?;
        let Ok(_all) = self.makers.try_acquire_many(MAKERS) else { return Ok(()) };
        let (mut needed, sources) = store
            .write(move |transaction| {
                let releases = ReleasesTable(transaction);
                releases.prune(keep)?;
                Ok((releases.artifacts()?, AppsTable(transaction).sources()?))
            })
            .await?;
        // Read after the releases: what has become one in between is pinned still.
        needed.extend(lock(&self.pins).keys().cloned());
        self.artifacts.keep_only(&needed).await?;
        Source::keep_copies(copies, &sources).await
    }

    fn pin(&self, artifact: Artifact) -> Pinned {
        *lock(&self.pins).entry(artifact.id.clone()).or_default() += 1;
        Pinned { artifact, pins: self.pins.clone() }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut pins = lock(&self.pins);
        if let Some(count) = pins.get_mut(&self.artifact.id) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.artifact.id);
            }
        }
    }
}

fn lock(pins: &Pins) -> MutexGuard<'_, HashMap<ArtifactId, usize>> {
    // The map is whole at any moment, so a panic elsewhere leaves it good.
    pins.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(error)
}
