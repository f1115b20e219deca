//! Blocking work that ends soon after nobody waits for it any more.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, ErrorKind};

/// Tells work that it is to end: it asks between its steps, and what would hold it up is ended for it.
#[derive(Default)]
pub(super) struct Stop {
    flag: AtomicBool,
    hooks: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl Stop {
    /// The error to end with, once the work is to end.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.flag.load(Ordering::SeqCst) {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "cancelled",
                "the caller went away; nothing was kept",
            ));
        }
        Ok(())
    }

    /// The flag itself, for libraries that ask it.
    #[cfg(feature = "bext-git")]
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// Has `hook` run when the work is to end; at once, if that is so already.
    #[cfg(any(feature = "bext-git", test))]
    pub(super) fn on_stop(&self, hook: impl FnOnce() + Send + 'static) {
        let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.flag.load(Ordering::SeqCst) {
            drop(hooks);
            return hook();
        }
        hooks.push(Box::new(hook));
    }

    /// Ends the work.
    pub(super) fn stop(&self) {
        let hooks = {
            let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
            self.flag.store(true, Ordering::SeqCst);
            std::mem::take(&mut *hooks)
        };
        for hook in hooks {
            hook();
        }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("flag", &self.flag).finish_non_exhaustive()
    }
}

struct StopOnDrop(Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Does blocking work. Dropping the future ends it soon, at one of its next checks.
pub(super) async fn run<T: Send + 'static>(
    work: impl FnOnce(&Arc<Stop>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let stop = Arc::new(Stop::default());
    let _stop_on_drop = StopOnDrop(stop.clone());
    tokio::task::spawn_blocking(move || work(&stop)).await.unwrap_or_else(|panic| {
        Err(Error::new(ErrorKind::Unexpected, "internal", "the engine failed").with_source(panic))
    })
}

/// As [`run`], for so long at most. The caller hears of it in time, even if the work takes a moment more to end.
///
/// It has a thread of its own, because a server that is silent may hold it up: a process that ends does not wait for it.
#[cfg(feature = "bext-git")]
pub(super) async fn run_within<T: Send + 'static>(
    limit: std::time::Duration,
    work: impl FnOnce(&Arc<Stop>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let failed = || Error::new(ErrorKind::Unexpected, "internal", "the engine failed");
    let stop = Arc::new(Stop::default());
    let _stop_on_drop = StopOnDrop(stop.clone());
    let (done, is_done) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("source-fetch".to_owned());
    // Nobody may listen any more, and then nobody wants the result.
    thread.spawn(move || drop(done.send(work(&stop)))).map_err(|error| failed().with_source(error))?;
    match tokio::time::timeout(limit, is_done).await {
        Ok(result) => result.map_err(|panic| failed().with_source(panic))?,
        Err(_) => {
            let message = format!("the repository was not read within {} s", limit.as_secs_f64());
            Err(Error::new(ErrorKind::TimedOut, "source_timeout", message))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let work = tokio::spawn(run(move |stop| {
            let (hook, hooked) = std::sync::mpsc::channel();
            stop.on_stop(move || hook.send(()).unwrap());
            started.send(()).unwrap();
            // It is held up until the hook lets it go.
            hooked.recv().unwrap();
            let error = stop.check().unwrap_err();
            // One that comes late runs at once.
            let late = Arc::new(AtomicBool::new(false));
            stop.on_stop({
                let late = late.clone();
                move || late.store(true, Ordering::SeqCst)
            });
            let late = late.load(Ordering::SeqCst);
            ended.send((error.kind(), late)).unwrap();
            Ok(())
        }));
        has_started.await.unwrap();
        work.abort();
        assert_eq!(has_ended.await.unwrap(), (ErrorKind::Cancelled, true));
    }
}
