//! Whether the data directory is still the one that the node was started in: no node outlives its directory.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::socket::identity;
use crate::engine::LOCK;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(2);

/// A directory and its lock, as they were at the start.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
    known: [(u64, u64); 2],
}

impl Directory {
    pub(super) fn of(data: &Path) -> io::Result<Self> {
        Ok(Self { path: data.to_owned(), known: identities(data)? })
    }

    /// Waits until it is gone, or another is in its place.
    pub(super) async fn gone(self) {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let directory = self.clone();
            if spawn_blocking(move || directory.is_gone()).await.unwrap_or(false) {
                return;
            }
        }
    }

    fn is_gone(&self) -> bool {
        match identities(&self.path) {
            Ok(found) => found != self.known,
            // Any other error may pass.
            Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }
}

fn identities(data: &Path) -> io::Result<[(u64, u64); 2]> {
    // With the dot the directory that a link leads to, and not the link.
    Ok([identity(&data.join("."))?, identity(&data.join(LOCK))?])
}
