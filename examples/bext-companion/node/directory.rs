//! Whether the data directory is still the one that the node was started in, and the node is found in it: no node outlives
//! its directory, and none is lost whose socket somebody has swept away.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::socket::{Identity, NAME, identity};
use crate::engine::LOCK;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(2);

/// What of it is another than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The directory or its lock is gone, or another is in its place.
    Gone,
    /// The socket alone is.
    SocketGone,
}

/// A directory and its lock, as they were at the start.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
    known: [Identity; 2],
}

impl Directory {
    pub(super) fn of(data: &Path) -> io::Result<Self> {
        Ok(Self { path: data.to_owned(), known: identities(data)? })
    }

    /// Waits for a change.
    pub(super) async fn change(&self, socket: Identity) -> Change {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first comes at once, and would have one that cannot be helped tried again without a pause.
        looks.tick().await;
        loop {
            looks.tick().await;
            let directory = self.clone();
            if let Ok(Some(change)) = spawn_blocking(move || directory.look(socket)).await {
                return change;
            }
        }
    }

    fn look(&self, socket: Identity) -> Option<Change> {
        // Any other error may pass.
        let is_missing = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        match identities(&self.path) {
            Ok(found) if found != self.known => return Some(Change::Gone),
            Err(error) if is_missing(&error) => return Some(Change::Gone),
            _ => {}
        }
        match identity(&self.path.join(NAME)) {
            Ok(found) if found != socket => Some(Change::SocketGone),
            Err(error) if is_missing(&error) => Some(Change::SocketGone),
            _ => None,
        }
    }
}

fn identities(data: &Path) -> io::Result<[Identity; 2]> {
    // With the dot the directory that a link leads to, and not the link.
    Ok([identity(&data.join("."))?, identity(&data.join(LOCK))?])
}
