//! Waiting for an engine without leaving the client in the dark.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use mcp_core::{Call, ToolError};
use tokio::time::{Instant, timeout_at};

use super::error::tool_error;
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
    let started = Instant::now();
    let mut work = pin!(work);
    let mut seconds = 1;
    loop {
        match timeout_at(started + INTERVAL * seconds, work.as_mut()).await {
            Ok(done) => return done.map_err(tool_error),
            Err(_) => call.progress(seconds.into(), None, format!("running for {seconds} s")),
        }
        seconds += 1;
    }
}
