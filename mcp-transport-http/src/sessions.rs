//! The sessions of clients that open with a handshake: kept under their ids until they are ended, or idle for too long.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mcp_core::{NamedSession, Principal, Session};

/// The sessions of a service.
#[derive(Debug)]
pub(crate) struct Sessions {
    limit: usize,
    idle_time: Duration,
    start: Instant,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: HashMap<Box<str>, Arc<Entry>>,
    /// Whether a task looks after those that are idle.
    is_swept: bool,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    /// In milliseconds since the start.
    last_used: AtomicU64,
}

impl Sessions {
    pub(crate) fn new(limit: usize, idle_time: Duration) -> Arc<Self> {
        Arc::new(Self { limit, idle_time, start: Instant::now(), kept: RwLock::default() })
    }

    /// The session of this id, if it is this caller's.
    pub(crate) fn find(&self, id: Option<&str>, principal: &Principal) -> NamedSession {
        let Some(id) = id else { return NamedSession::None };
        let entry = self.read().sessions.get(id).map(Arc::clone);
        match entry.filter(|entry| entry.session.is_of(principal)) {
            Some(entry) => {
                entry.last_used.store(self.now(), Ordering::Relaxed);
                NamedSession::Known(entry.session.clone())
            }
            None => NamedSession::Unknown,
        }
    }

    /// Keeps a session; false where there is no place for it.
    pub(crate) fn keep(self: &Arc<Self>, session: Session) -> bool {
        let mut kept = self.write();
        if kept.sessions.len() >= self.limit {
            return false;
        }
        let entry = Entry { last_used: self.now().into(), session };
        kept.sessions.insert(entry.session.id().into(), Arc::new(entry));
        if !kept.is_swept {
            kept.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.idle_time));
        }
        true
    }

    /// Ends a session.
    pub(crate) fn end(&self, session: &Session) {
        self.write().sessions.remove(session.id());
        session.end();
    }

    /// Waits until every request of every session is answered.
    pub(crate) async fn settled(&self) {
        let sessions: Vec<_> = self.read().sessions.values().map(|entry| entry.session.clone()).collect();
        for session in sessions {
            session.settled().await;
        }
    }

    /// Ends those that have been idle for too long; true if there is none left.
    fn end_idle(&self) -> bool {
        let now = self.now();
        let mut ended = Vec::new();
        let mut kept = self.write();
        kept.sessions.retain(|_, entry| {
            if entry.session.is_busy() {
                entry.last_used.store(now, Ordering::Relaxed);
            }
            let idle = now.saturating_sub(entry.last_used.load(Ordering::Relaxed));
            let is_over = Duration::from_millis(idle) >= self.idle_time;
            if is_over {
                ended.push(Arc::clone(entry));
            }
            !is_over
        });
        // Decided with the lock held: whoever keeps the next one starts the next sweep.
        kept.is_swept = !kept.sessions.is_empty();
        let is_empty = !kept.is_swept;
        if kept.sessions.capacity() > 4 * kept.sessions.len() {
            kept.sessions.shrink_to_fit();
        }
        drop(kept);
        ended.iter().for_each(|entry| entry.session.end());
        is_empty
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Kept> {
        // Nothing in here panics with the lock held.
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends idle sessions as long as there are any, and none later than an eighth of their time.
async fn sweep(sessions: Weak<Sessions>, idle_time: Duration) {
    let pause = (idle_time / 8).clamp(Duration::from_millis(1), Duration::from_secs(60));
    loop {
        tokio::time::sleep(pause).await;
        let Some(sessions) = sessions.upgrade() else { return };
        if sessions.end_idle() {
            return;
        }
    }
}
