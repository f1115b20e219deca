//! The sessions of clients that open with a handshake: kept under their ids until they are ended, or idle for too long.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mcp_core::{NamedSession, Principal, Session};
use tokio::time::Instant;

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

    /// Ends all that are this caller's.
    pub(crate) fn end_of(&self, principal: &Principal) {
        let ended: Vec<_> =
            self.write().sessions.extract_if(|_, entry| entry.session.is_of(principal)).collect();
        ended.iter().for_each(|(_, entry)| entry.session.end());
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use mcp_core::{
        Endpoint, Exchange, IntoEndpoint as _, MirroredHeaders, Post, PrincipalKind, Server, Signal,
    };
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 5;
    const IDLE_MS: u64 = 8_000;

    /// What may happen; sessions and callers by number.
    #[derive(Clone, Debug)]
    enum Step {
        Open(u8),
        Find(prop::sample::Index, u8),
        Guess(String, u8),
        End(prop::sample::Index),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let session = any::<prop::sample::Index>;
        prop_oneof![
            3 => (0..2_u8).prop_map(Step::Open),
            4 => (session(), 0..2_u8).prop_map(|(session, caller)| Step::Find(session, caller)),
            1 => ("[A-Za-z0-9_-]{0,22}", 0..2_u8).prop_map(|(id, caller)| Step::Guess(id, caller)),
            1 => session().prop_map(Step::End),
            3 => (0..IDLE_MS).prop_map(Step::Wait),
        ]
    }

    fn principal(number: u8) -> Principal {
        Principal::new(PrincipalKind::User, number.to_string())
    }

    fn open(endpoint: &Endpoint, principal: Principal) -> Session {
        let message = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",
            "capabilities":{},"clientInfo":{"name":"test","version":"0"}}}"#;
        let post = Post {
            message: message.as_bytes(),
            headers: MirroredHeaders::default(),
            session: NamedSession::None,
            principal,
            peer: None,
            takes_stream: false,
            closing: &Signal::new(),
        };
        match endpoint.exchange(post) {
            Exchange::Opened { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    /// A session as the plain list knows it.
    struct Known {
        session: Session,
        owner: u8,
        used: Instant,
        is_ended: bool,
    }

    impl Known {
        /// Whether it is there; either may be true while it has not been swept yet.
        fn may_be(&self, is_there: bool) -> bool {
            let idle = self.used.elapsed();
            let (over, swept) = (Duration::from_millis(IDLE_MS), Duration::from_millis(IDLE_MS / 8 * 9 + 5));
            if is_there { !self.is_ended && idle < swept } else { self.is_ended || idle >= over }
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_plain_list_would(steps in prop::collection::vec(step(), 0..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(async {
                let endpoint = Server::new("test", "0").into_endpoint().unwrap();
                let sessions = Sessions::new(LIMIT, Duration::from_millis(IDLE_MS));
                let mut known: Vec<Known> = Vec::new();
                for step in steps {
                    match step {
                        Step::Open(owner) => {
                            let session = open(&endpoint, principal(owner));
                            let is_kept = sessions.keep(session.clone());
                            let surely = known.iter().filter(|known| !known.may_be(false)).count();
                            let perhaps = known.iter().filter(|known| known.may_be(true)).count();
                            let may_be = if is_kept { surely < LIMIT } else { perhaps >= LIMIT };
                            prop_assert!(may_be, "{surely} to {perhaps} were there");
                            let used = Instant::now();
                            known.push(Known { session, owner, used, is_ended: !is_kept });
                        }
                        Step::Find(index, caller) if !known.is_empty() => {
                            let index = index.index(known.len());
                            let known = &mut known[index];
                            let found = sessions.find(Some(known.session.id()), &principal(caller));
                            match found {
                                NamedSession::Known(found) => {
                                    prop_assert_eq!(caller, known.owner);
                                    prop_assert_eq!(found.id(), known.session.id());
                                    prop_assert!(known.may_be(true));
                                    known.used = Instant::now();
                                }
                                NamedSession::Unknown if caller == known.owner => {
                                    prop_assert!(known.may_be(false));
                                    known.is_ended = true;
                                }
                                NamedSession::Unknown => {}
                                NamedSession::None => prop_assert!(false, "an id was named"),
                            }
                        }
                        Step::Guess(id, caller) => {
                            let found = sessions.find(Some(&id), &principal(caller));
                            prop_assert!(matches!(found, NamedSession::Unknown));
                        }
                        Step::End(index) if !known.is_empty() => {
                            let index = index.index(known.len());
                            let known = &mut known[index];
                            sessions.end(&known.session);
                            known.is_ended = true;
                        }
                        Step::Find(..) | Step::End(_) => {}
                        Step::Wait(time) => tokio::time::sleep(Duration::from_millis(time)).await,
                    }
                    let perhaps = known.iter().filter(|known| known.may_be(true)).count();
                    prop_assert!(sessions.read().sessions.len() <= perhaps.min(LIMIT));
                }
                // And in the end there is none.
                tokio::time::sleep(Duration::from_millis(2 * IDLE_MS)).await;
                prop_assert_eq!(sessions.read().sessions.len(), 0);
                prop_assert!(!sessions.read().is_swept);
                Ok(())
            })?;
        }
    }
}
