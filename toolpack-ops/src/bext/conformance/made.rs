//! The scratch apps of a run, and how they are removed again, whatever became of the run.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::names;
use super::scratch::{self, Sources};
use crate::bext::engine::{App, AppRef, Apps, InstanceId, ListApps, Removal};
use crate::error::Error;

/// How long a removal waits for an app that is being released, such as one whose release was given up a moment ago.
const BUSY_TIME: Duration = Duration::from_secs(60);

/// The scratch apps of a run. Dropping it removes them, too, in the background.
#[derive(Debug)]
pub(super) struct Made {
    apps: Arc<dyn Apps>,
    refs: Mutex<Vec<AppRef>>,
    /// They go with the apps, and not before: a release may be reading them.
    sources: Arc<Sources>,
}

impl Made {
    pub(super) fn new(apps: Arc<dyn Apps>, sources: Arc<Sources>) -> Self {
        Self { apps, refs: Mutex::default(), sources }
    }

    /// Notes that an app is about to be made: it may be there even if nobody is told so.
    pub(super) fn note(&self, app: AppRef) {
        self.refs().push(app);
    }

    /// Removes all of them. One that cannot be removed keeps no other from it.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let refs = self.refs().clone();
        let removals = refs.iter().map(|app| async move {
            remove(&*self.apps, app).await?;
            self.refs().retain(|left| left != app);
            Ok(())
        });
        futures_util::future::join_all(removals).await.into_iter().collect()
    }

    fn refs(&self) -> MutexGuard<'_, Vec<AppRef>> {
        // The list is whole at any moment, so a panic elsewhere leaves it good.
        self.refs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let refs = std::mem::take(&mut *self.refs());
        if refs.is_empty() {
            return;
        }
        // Without a runtime the next run finds them.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (apps, sources) = (self.apps.clone(), self.sources.clone());
        runtime.spawn(async move {
            for app in refs {
                if let Err(error) = remove(&*apps, &app).await {
                    tracing::warn!(%app, %error, "a scratch app is left; a later run removes it");
                }
            }
            drop(sources);
        });
    }
}

/// Removes an app with all that is its own; done if it is not there.
async fn remove(apps: &dyn Apps, app: &AppRef) -> Result<(), Error> {
    let deadline = Instant::now() + BUSY_TIME;
    loop {
        match apps.remove_app(app, Removal::Everything).await {
            Err(error) if error.code() == "app_not_found" => return Ok(()),
            Err(error) if error.code() == "app_busy" && Instant::now() < deadline => {
                sleep(Duration::from_millis(50)).await;
            }
            removed => return removed,
        }
    }
}

/// Removes scratch apps of runs that never came to their end, and says how many. One that cannot be removed keeps no other
/// from it.
pub(super) async fn remove_left(apps: &dyn Apps, instance: &InstanceId) -> Result<usize, Error> {
    let mut left = Vec::new();
    let mut options = ListApps::default();
    loop {
        let page = apps.list_apps(instance, options).await?;
        for app in page.apps {
            if is_left(&app).await {
                left.push(app);
            }
        }
        match page.next_cursor {
            Some(cursor) => options = ListApps::default().with_cursor(Some(cursor)),
            None => break,
        }
    }
    let removals = left.iter().map(|app| async move {
        remove(apps, &AppRef::new(instance.clone(), app.name.clone())).await?;
        forget_sources(scratch::directory_of(&app.source).map(Path::to_owned)).await;
        Ok(())
    });
    let removed: Result<Vec<()>, Error> =
        futures_util::future::join_all(removals).await.into_iter().collect();
    removed.map(|removed| removed.len())
}

/// Removes sources of killed runs that have no app any more, or had none yet.
pub(super) async fn remove_left_sources() {
    let Ok(Ok(left)) = tokio::task::spawn_blocking(scratch::all_left).await else { return };
    forget_sources(left).await;
}

/// Whether an app is a scratch app beyond doubt, by its name and by where its source is, and nobody works on it any more.
async fn is_left(app: &App) -> bool {
    let Some(directory) = scratch::directory_of(&app.source).filter(|_| names::is_scratch(&app.name)) else {
        return false;
    };
    let directory = directory.to_owned();
    tokio::task::spawn_blocking(move || scratch::is_left(&directory)).await.unwrap_or(false)
}

async fn forget_sources(directories: impl IntoIterator<Item = PathBuf>) {
    let directories: Vec<PathBuf> = directories.into_iter().collect();
    let removing = tokio::task::spawn_blocking(move || {
        for directory in directories {
            if let Err(error) = scratch::remove_left(&directory) {
                tracing::warn!(%error, directory = %directory.display(), "sources of scratch apps are left");
            }
        }
    });
    // It says itself what went wrong.
    let _ = removing.await;
}
