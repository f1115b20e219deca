//! Waiting for an engine without leaving the client in the dark.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_core::{Call, ToolError};
use tokio::time::{Instant, timeout_at};

use super::error::tool_error;
use crate::bext::engine::{Stages, Unheard};
use crate::error::Error;

const INTERVAL: Duration = Duration::from_secs(1);

/// Waits for the engine; after each second tells a client that wants to know how many have passed.
///
/// How long it will take nobody knows, so there is no total.
pub(super) async fn with_progress<T>(
    call: &Call,
    work: impl Future<Output = Result<T, Error>> + Send,
) -> Result<T, ToolError> {
    if !call.wants_progress() {
        return work.await.map_err(tool_error);
    }
    let tick = |seconds: u32| call.progress(seconds.into(), None, format!("running for {seconds} s"));
    each_second(work, tick).await.map_err(tool_error)
}

/// Waits for long work that says at which stage it is, and passes that on to a client that wants to know.
///
/// A stage that lasts is reported again after each second, a little further on, so that a client which gives up on what
/// is silent sees that it is not.
pub(super) async fn with_stages<T, W>(
    call: &Call,
    work: impl FnOnce(Arc<dyn Stages>) -> W,
) -> Result<T, ToolError>
where
    W: Future<Output = Result<T, Error>> + Send,
{
    if !call.wants_progress() {
        return work(Arc::new(Unheard)).await.map_err(tool_error);
    }
    let told = Arc::new(Told { call: call.clone(), now: Mutex::default() });
    let work = work(told.clone());
    each_second(work, |_| told.again()).await.map_err(tool_error)
}

async fn each_second<T>(work: impl Future<Output = T> + Send, tick: impl Fn(u32) + Send) -> T {
    let started = Instant::now();
    let mut work = pin!(work);
    let mut seconds = 1;
    loop {
        match timeout_at(started + INTERVAL * seconds, work.as_mut()).await {
            Ok(done) => return done,
            Err(_) => tick(seconds),
        }
        seconds += 1;
    }
}

/// Stages on their way to the client. Whoever keeps it longer than the call speaks to nobody.
#[derive(Debug)]
struct Told {
    call: Call,
    now: Mutex<Option<Now>>,
}

/// The stage that the work is at.
#[derive(Debug)]
struct Now {
    done: f64,
    total: f64,
    doing: String,
    since: Instant,
}

impl Told {
    /// Says the stage once more, further on by a part of it that grows and never becomes the whole.
    fn again(&self) {
        let now = self.now();
        let Some(now) = now.as_ref() else { return };
        let seconds = now.since.elapsed().as_secs();
        if seconds > 0 {
            let part = seconds as f64 / (seconds as f64 + 10.0);
            self.call.progress(now.done + part, Some(now.total), format!("{} ({seconds} s)", now.doing));
        }
    }

    fn now(&self) -> MutexGuard<'_, Option<Now>> {
        // Nothing that runs with the lock held can leave it half changed.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stages for Told {
    fn reached(&self, done: u64, total: u64, doing: &str) {
        // No count of stages comes near where an f64 would be inexact.
        let (done, total) = (done as f64, total as f64);
        self.call.progress(done, Some(total), doing);
        *self.now() = Some(Now { done, total, doing: doing.to_owned(), since: Instant::now() });
    }
}
