//! The sessions of clients that open with a handshake: kept under their ids until they are ended, or idle for too long.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use mcp_core::{Caller, NamedSession, Principal, Session};
use tokio::time::Instant;

/// The sessions of a service.
#[derive(Debug)]
pub(crate) struct Sessions {
    limit: usize,
    /// How many of them one caller may have.
    share: usize,
    idle_time: Duration,
    start: Instant,
    /// Callers are known by a hash under a random key: so nobody chooses those with whom a share is shared.
    keys: RandomState,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sessions: HashMap<Box<str>, Arc<Entry>>,
    /// What callers have of them.
    shares: HashMap<u64, Share>,
    /// Those that nobody used yet, the oldest first, and some that were used or have ended since.
    unused: VecDeque<Weak<Entry>>,
    /// As of [`Share::idle_at`], of all.
    idle_at: u64,
    /// Whether a task looks after those that are idle.
    is_swept: bool,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    /// Whose it is, unless that is a process of the same user on the same machine.
    caller: Option<u64>,
    /// In milliseconds since the start.
    last_used: AtomicU64,
    /// Whether any message has named it, or it has ended: nobody gives it up for another.
    is_used: AtomicBool,
}

/// What one caller has.
#[derive(Debug)]
struct Share {
    sessions: usize,
    /// Before this time, in milliseconds since the start, none of them will have been idle for too long.
    idle_at: u64,
}

/// There is no place for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace {
    /// The limit that was reached.
    pub(crate) limit: usize,
    /// Whether it is that of one caller.
    pub(crate) is_of_caller: bool,
    /// When the first of those that are there may end by being idle.
    pub(crate) retry_after: Duration,
}

impl Sessions {
    pub(crate) fn new(limit: usize, share: usize, idle_time: Duration) -> Arc<Self> {
        let (start, keys) = (Instant::now(), RandomState::new());
        Arc::new(Self { limit, share, idle_time, start, keys, kept: RwLock::default() })
    }

    /// The session of this id, if it is this caller's.
    pub(crate) fn find(&self, id: Option<&str>, principal: &Principal) -> NamedSession {
        let Some(id) = id else { return NamedSession::None };
        let entry = self.read().sessions.get(id).map(Arc::clone);
        match entry.filter(|entry| entry.session.is_of(principal)) {
            Some(entry) => {
                entry.last_used.store(self.now(), Ordering::Relaxed);
                entry.is_used.store(true, Ordering::Relaxed);
                NamedSession::Known(entry.session.clone())
            }
            None => NamedSession::Unknown,
        }
    }

    /// Keeps a session of this caller, if there is a place for it. Where all are taken, the oldest that was never used is
    /// ended: whoever opens sessions and does nothing with them keeps nobody else out.
    pub(crate) fn keep(self: &Arc<Self>, session: Session, caller: &Caller<'_>) -> Result<(), NoPlace> {
        let caller = (!caller.is_local()).then(|| self.keys.hash_one(caller));
        let now = self.now();
        let idle_at = now.saturating_add(millis(self.idle_time));
        let no_place = |limit, is_of_caller, idle_at: u64| {
            // What is idle is ended a little later than it could be.
            let wait =
                Duration::from_millis(idle_at.saturating_sub(now)).saturating_add(pause(self.idle_time));
            Err(NoPlace { limit, is_of_caller, retry_after: wait.max(Duration::from_secs(1)) })
        };
        let mut kept = self.write();
        let share = caller.and_then(|caller| kept.shares.get(&caller));
        let (had, own_idle_at) = share.map_or((0, idle_at), |share| (share.sessions, share.idle_at));
        if caller.is_some() && had >= self.share {
            return no_place(self.share, true, own_idle_at);
        }
        let given_up = if kept.sessions.len() >= self.limit {
            match kept.take_unused() {
                None => return no_place(self.limit, false, kept.idle_at),
                unused => unused,
            }
        } else {
            None
        };
        let entry = Entry { last_used: now.into(), is_used: false.into(), caller, session };
        kept.insert(Arc::new(entry), idle_at);
        if !kept.is_swept {
            kept.is_swept = true;
            kept.idle_at = idle_at;
            tokio::spawn(sweep(Arc::downgrade(self), self.idle_time));
        }
        drop(kept);
        if let Some(entry) = given_up {
            tracing::debug!("a session that was never used made place for another");
            entry.session.end();
        }
        Ok(())
    }

    /// Ends a session.
    pub(crate) fn end(&self, session: &Session) {
        self.write().remove(session.id());
        session.end();
    }

    /// Ends all that are this caller's.
    pub(crate) fn end_of(&self, principal: &Principal) {
        let mut kept = self.write();
        let theirs = kept.sessions.values().filter(|entry| entry.session.is_of(principal));
        let theirs: Vec<_> = theirs.map(Arc::clone).collect();
        theirs.iter().for_each(|entry| _ = kept.remove(entry.session.id()));
        drop(kept);
        theirs.iter().for_each(|entry| entry.session.end());
    }

    /// How many are open.
    #[cfg(feature = "metrics")]
    pub(crate) fn len(&self) -> usize {
        self.read().sessions.len()
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
        let idle_time = millis(self.idle_time);
        let mut ended = Vec::new();
        let mut guard = self.write();
        let kept = &mut *guard;
        kept.shares.clear();
        kept.idle_at = now.saturating_add(idle_time);
        kept.sessions.retain(|_, entry| {
            if entry.session.is_busy() {
                entry.last_used.store(now, Ordering::Relaxed);
            }
            let idle_at = entry.last_used.load(Ordering::Relaxed).saturating_add(idle_time);
            if idle_at <= now {
                entry.is_used.store(true, Ordering::Relaxed);
                ended.push(Arc::clone(entry));
                return false;
            }
            kept.idle_at = kept.idle_at.min(idle_at);
            add(&mut kept.shares, entry.caller, idle_at);
            true
        });
        // Decided with the lock held: whoever keeps the next one starts the next sweep.
        kept.is_swept = !kept.sessions.is_empty();
        let is_empty = !kept.is_swept;
        if kept.sessions.capacity() > 4 * kept.sessions.len() {
            kept.sessions.shrink_to_fit();
        }
        if kept.shares.capacity() > 4 * kept.shares.len() {
            kept.shares.shrink_to_fit();
        }
        kept.forget_used();
        drop(guard);
        ended.iter().for_each(|entry| entry.session.end());
        is_empty
    }

    fn now(&self) -> u64 {
        millis(self.start.elapsed())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Kept> {
        // Nothing in here panics with the lock held.
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn insert(&mut self, entry: Arc<Entry>, idle_at: u64) {
        // So that those which have ended do not pile up behind an old one, at a cost that they have paid for.
        if self.unused.len() > 2 * self.sessions.len() + 16 {
            self.forget_used();
        }
        add(&mut self.shares, entry.caller, idle_at);
        self.unused.push_back(Arc::downgrade(&entry));
        self.sessions.insert(entry.session.id().into(), entry);
    }

    fn remove(&mut self, id: &str) -> Option<Arc<Entry>> {
        let entry = self.sessions.remove(id)?;
        entry.is_used.store(true, Ordering::Relaxed);
        if let Some(caller) = entry.caller
            && let Some(share) = self.shares.get_mut(&caller)
        {
            share.sessions -= 1;
            if share.sessions == 0 {
                self.shares.remove(&caller);
            }
        }
        Some(entry)
    }

    /// Takes out the oldest that nobody used.
    fn take_unused(&mut self) -> Option<Arc<Entry>> {
        while let Some(entry) = self.unused.pop_front() {
            let Some(entry) = entry.upgrade().filter(|entry| !entry.is_used.load(Ordering::Relaxed)) else {
                continue;
            };
            // It may have ended at this very moment.
            if let Some(entry) = self.remove(entry.session.id()) {
                return Some(entry);
            }
        }
        None
    }

    fn forget_used(&mut self) {
        let is_unused = |entry: Arc<Entry>| !entry.is_used.load(Ordering::Relaxed);
        self.unused.retain(|entry| entry.upgrade().is_some_and(is_unused));
        if self.unused.capacity() > 4 * self.unused.len() {
            self.unused.shrink_to_fit();
        }
    }
}

fn add(shares: &mut HashMap<u64, Share>, caller: Option<u64>, idle_at: u64) {
    if let Some(caller) = caller {
        let share = shares.entry(caller).or_insert(Share { sessions: 0, idle_at });
        share.sessions += 1;
        share.idle_at = share.idle_at.min(idle_at);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// After what time it is looked for idle sessions again.
fn pause(idle_time: Duration) -> Duration {
    (idle_time / 8).clamp(Duration::from_millis(1), Duration::from_secs(60))
}

/// Ends idle sessions as long as there are any, and none later than an eighth of their time.
async fn sweep(sessions: Weak<Sessions>, idle_time: Duration) {
    loop {
        tokio::time::sleep(pause(idle_time)).await;
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
    const SHARE: usize = 3;
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
        is_used: bool,
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
                let sessions = Sessions::new(LIMIT, SHARE, Duration::from_millis(IDLE_MS));
                let mut known: Vec<Known> = Vec::new();
                for step in steps {
                    match step {
                        Step::Open(owner) => {
                            let owned_by = principal(owner);
                            let session = open(&endpoint, owned_by.clone());
                            let surely: Vec<_> =
                                (0..known.len()).filter(|index| !known[*index].may_be(false)).collect();
                            let kept = sessions.keep(session.clone(), &Caller::of(&owned_by, None));
                            let is_there = |known: &Known| {
                                sessions.read().sessions.contains_key(known.session.id())
                            };
                            let gone = surely.iter().filter(|index| !is_there(&known[**index])).copied();
                            let gone: Vec<usize> = gone.collect();
                            match kept {
                                Ok(()) if gone.is_empty() => prop_assert!(surely.len() < LIMIT),
                                Ok(()) => {
                                    // The oldest that was never used, since there was no other place.
                                    prop_assert_eq!(gone.len(), 1);
                                    prop_assert_eq!(sessions.read().sessions.len(), LIMIT);
                                    let older = surely.iter().filter(|index| **index < gone[0]);
                                    prop_assert!(!known[gone[0]].is_used);
                                    prop_assert!(older.into_iter().all(|index| known[*index].is_used));
                                    known[gone[0]].is_ended = true;
                                }
                                Err(no_place) => {
                                    prop_assert!(gone.is_empty());
                                    let there: Vec<_> = known.iter().filter(|known| is_there(known)).collect();
                                    let own = there.iter().filter(|known| known.owner == owner).count();
                                    if no_place.is_of_caller {
                                        prop_assert_eq!((own, no_place.limit), (SHARE, SHARE));
                                    } else {
                                        prop_assert!(own < SHARE && there.iter().all(|known| known.is_used));
                                        prop_assert_eq!((there.len(), no_place.limit), (LIMIT, LIMIT));
                                    }
                                    let most = IDLE_MS + IDLE_MS / 8;
                                    let wait = no_place.retry_after;
                                    prop_assert!(wait <= Duration::from_millis(most) && !wait.is_zero());
                                }
                            }
                            let (used, is_ended) = (Instant::now(), kept.is_err());
                            known.push(Known { session, owner, used, is_used: false, is_ended });
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
                                    known.is_used = true;
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
                    let kept = sessions.read();
                    prop_assert!(kept.sessions.len() <= perhaps.min(LIMIT));
                    let shares = kept.shares.values().map(|share| share.sessions);
                    prop_assert_eq!(shares.clone().sum::<usize>(), kept.sessions.len());
                    prop_assert!(shares.clone().all(|sessions| (1..=SHARE).contains(&sessions)));
                    prop_assert!(kept.unused.len() <= 2 * LIMIT + 17);
                }
                // And in the end there is none.
                tokio::time::sleep(Duration::from_millis(2 * IDLE_MS)).await;
                prop_assert_eq!(sessions.read().sessions.len(), 0);
                prop_assert!(sessions.read().shares.is_empty() && sessions.read().unused.is_empty());
                prop_assert!(!sessions.read().is_swept);
                Ok(())
            })?;
        }
    }
}
