//! The scratch apps of a run, and how they are removed again, whatever became of the run.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::names;
use super::scratch::Sources;
use crate::bext::engine::{App, AppRef, Apps, InstanceId, ListApps, Removal, Timestamp};
use crate::error::Error;

/// How long a removal waits for an app that is being released, such as one whose release was given up a moment ago.
const BUSY_TIME: Duration = Duration::from_secs(60);
/// A run that began so long ago is over: it has a limit of time, and less of it.
const LONG_AGO: Duration = Duration::from_secs(30 * 60);

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

/// Removes scratch apps of runs that never came to their end, by the clock of the instance.
pub(super) async fn remove_forgotten(
    apps: &dyn Apps,
    instance: &InstanceId,
    now: Timestamp,
) -> Result<(), Error> {
    let mut options = ListApps::default();
    loop {
        let page = apps.list_apps(instance, options).await?;
        for app in page.apps.iter().filter(|app| is_forgotten(app, now)) {
            remove(apps, &AppRef::new(instance.clone(), app.name.clone())).await?;
            forget_source(app.source.clone()).await;
        }
        match page.next_cursor {
            Some(cursor) => options = ListApps::default().with_cursor(Some(cursor)),
            None => return Ok(()),
        }
    }
}

/// Whether an app is one of ours that nobody works on any more.
fn is_forgotten(app: &App, now: Timestamp) -> bool {
    let age = now.unix_millis().saturating_sub(app.created_at.unix_millis());
    names::is_ours(app) && u128::try_from(age).is_ok_and(|age| age > LONG_AGO.as_millis())
}

/// Removes the directory that a killed run has left its sources in, if it is on this machine and where we put it.
async fn forget_source(source: String) {
    let removing = tokio::task::spawn_blocking(move || {
        let Some(directory) = Path::new(&source).parent() else { return };
        let is_ours = directory.parent() == Some(&*std::env::temp_dir())
            && directory
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(names::SOURCES_PREFIX));
        if is_ours
            && let Err(error) = std::fs::remove_dir_all(directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "sources of a scratch app are left");
        }
    });
    // It says itself what went wrong.
    let _ = removing.await;
}
