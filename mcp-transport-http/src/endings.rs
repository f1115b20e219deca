//! Sessions end with the credentials of the principal that opened them.
//!
//! A request of a session runs on when its client goes away, and a stream of a session may be opened at any time: what
//! looks after a principal is therefore neither, but one task for all sessions of that principal.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use mcp_core::{Principal, PrincipalKind, Signal};

use crate::sessions::Sessions;

/// Looks after the principals of sessions.
#[derive(Debug)]
pub(crate) struct Endings {
    sessions: Weak<Sessions>,
    watched: Mutex<HashSet<(PrincipalKind, Box<str>)>>,
    /// Raised when this is dropped.
    gone: Signal,
}

impl Endings {
    pub(crate) fn new(sessions: &Arc<Sessions>) -> Arc<Self> {
        Arc::new(Self { sessions: Arc::downgrade(sessions), watched: Mutex::default(), gone: Signal::new() })
    }

    /// Ends the sessions of a principal, now and later, when its credentials end. To be called once it has one.
    pub(crate) fn look_after(self: &Arc<Self>, principal: &Principal) {
        if !principal.may_end() || !self.lock().insert(name(principal)) {
            return;
        }
        let (endings, gone, principal) = (Arc::downgrade(self), self.gone.clone(), principal.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = principal.ended() => {}
                () = gone.raised() => return,
            }
            let Some(endings) = endings.upgrade() else { return };
            // First this: a session that is opened by then has another looked after.
            endings.lock().remove(&name(&principal));
            if let Some(sessions) = endings.sessions.upgrade() {
                sessions.end_of(&principal);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(PrincipalKind, Box<str>)>> {
        // Nothing in here panics with the lock held.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Endings {
    fn drop(&mut self) {
        self.gone.raise();
    }
}

fn name(principal: &Principal) -> (PrincipalKind, Box<str>) {
    (principal.kind(), principal.subject().into())
}
