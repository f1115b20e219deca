//! Who wants to hear of changes, and what each has yet to be told.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::protocol::{method, params::SubscriptionFilter};

/// All subscribers of a server.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    next: AtomicU64,
    streams: AtomicUsize,
    subscribers: Mutex<HashMap<u64, Arc<Shared>>>,
}

/// One subscriber; unsubscribes when dropped.
#[derive(Debug)]
pub(crate) struct Subscriber {
    key: u64,
    hub: Arc<Hub>,
    shared: Arc<Shared>,
    is_stream: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

/// Pending changes merge, so that a slow reader costs no more than its own filter.
#[derive(Debug, Default)]
struct State {
    filter: SubscriptionFilter,
    tools: bool,
    prompts: bool,
    resources: bool,
    updated: BTreeSet<String>,
}

/// Which lists have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
}

/// One change that a subscriber is to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Tools,
    Prompts,
    Resources,
    Updated(String),
}

impl Change {
    /// The notification that tells of it.
    pub(crate) const fn method(&self) -> &'static str {
        match self {
            Self::Tools => method::TOOLS_CHANGED,
            Self::Prompts => method::PROMPTS_CHANGED,
            Self::Resources => method::RESOURCES_CHANGED,
            Self::Updated(_) => method::RESOURCE_UPDATED,
        }
    }
}

impl Hub {
    /// Adds a session, which has no stream of its own.
    pub(crate) fn subscribe(self: &Arc<Self>, filter: SubscriptionFilter) -> Subscriber {
        self.add(filter, false)
    }

    /// Adds a stream, unless there are as many as there may be.
    pub(crate) fn subscribe_stream(
        self: &Arc<Self>,
        filter: SubscriptionFilter,
        limit: usize,
    ) -> Option<Subscriber> {
        let one_more = |streams| (streams < limit).then_some(streams + 1);
        self.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(self.add(filter, true))
    }

    fn add(self: &Arc<Self>, filter: SubscriptionFilter, is_stream: bool) -> Subscriber {
        let shared = Arc::new(Shared::default());
        lock(&shared.state).filter = filter;
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.subscribers).insert(key, Arc::clone(&shared));
        Subscriber { key, hub: Arc::clone(self), shared, is_stream }
    }

    /// Tells everybody whom it concerns that lists have changed.
    pub(crate) fn lists_changed(&self, changes: Changes) {
        self.publish(|state| {
            let (tools, prompts, resources) = (
                changes.tools && state.filter.tools_list_changed,
                changes.prompts && state.filter.prompts_list_changed,
                changes.resources && state.filter.resources_list_changed,
            );
            state.tools |= tools;
            state.prompts |= prompts;
            state.resources |= resources;
            tools || prompts || resources
        });
    }

    /// Tells everybody whom it concerns that a resource has changed.
    pub(crate) fn resource_updated(&self, uri: &str) {
        self.publish(|state| {
            let wanted = state.filter.resource_subscriptions.iter().any(|wanted| wanted == uri);
            wanted && state.updated.insert(uri.to_owned())
        });
    }

    fn publish(&self, mut note: impl FnMut(&mut State) -> bool) {
        for shared in lock(&self.subscribers).values() {
            if note(&mut lock(&shared.state)) {
                shared.news.notify_one();
            }
        }
    }
}

impl Subscriber {
    /// Waits for changes and takes all that are pending.
    pub(crate) async fn changes(&self) -> Vec<Change> {
        loop {
            let changes = lock(&self.shared.state).take();
            if !changes.is_empty() {
                return changes;
            }
            self.shared.news.notified().await;
        }
    }

    /// Changes which resources the subscriber wants to hear of; what is pending of others is dropped.
    pub(crate) fn edit_resources<T>(&self, edit: impl FnOnce(&mut Vec<String>) -> T) -> T {
        let mut state = lock(&self.shared.state);
        let State { filter, updated, .. } = &mut *state;
        let value = edit(&mut filter.resource_subscriptions);
        updated.retain(|uri| filter.resource_subscriptions.contains(uri));
        value
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        lock(&self.hub.subscribers).remove(&self.key);
        self.hub.streams.fetch_sub(self.is_stream.into(), Ordering::Relaxed);
    }
}

impl State {
    fn take(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (flag, change) in [
            (&mut self.tools, Change::Tools),
            (&mut self.prompts, Change::Prompts),
            (&mut self.resources, Change::Resources),
        ] {
            if std::mem::take(flag) {
                changes.push(change);
            }
        }
        changes.extend(std::mem::take(&mut self.updated).into_iter().map(Change::Updated));
        changes
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics with a lock held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
