//! Which app a host leads to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::backend::Backend;
use crate::bext::engine::{AppName, DomainName, Percent};

/// Where requests for an app go. It is reached by its domains, and as `NAME.localhost`.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) app: AppName,
    pub(crate) domains: Vec<DomainName>,
    /// What is live.
    pub(crate) stable: Arc<Backend>,
    /// What is on trial, and for which part of new visitors.
    pub(crate) canary: Option<(Percent, Arc<Backend>)>,
}

/// All routes at one time; never changed, but replaced.
#[derive(Debug, Default)]
pub(super) struct Routes {
    apps: BTreeMap<String, Arc<Entry>>,
    exact: HashMap<String, Arc<Entry>>,
    /// By what stands behind `*.`.
    wildcard: HashMap<String, Arc<Entry>>,
}

/// A route, and what is remembered of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) route: Route,
    /// How many requests were led to the stable release or to the canary by weight.
    turns: AtomicU64,
}

impl Entry {
    pub(super) fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }
}

impl Routes {
    pub(super) fn with(&self, route: Route) -> Self {
        let mut apps = self.apps.clone();
        apps.insert(route.app.as_str().to_owned(), Arc::new(Entry { route, turns: AtomicU64::new(0) }));
        Self::of(apps)
    }

    pub(super) fn without(&self, app: &AppName) -> Self {
        let mut apps = self.apps.clone();
        apps.remove(app.as_str());
        Self::of(apps)
    }

    fn of(apps: BTreeMap<String, Arc<Entry>>) -> Self {
        let mut exact = HashMap::new();
        let mut wildcard = HashMap::new();
        for entry in apps.values() {
            for domain in &entry.route.domains {
                match domain.wildcard_of() {
                    Some(parent) => wildcard.insert(parent.to_owned(), entry.clone()),
                    None => exact.insert(domain.as_str().to_owned(), entry.clone()),
                };
            }
        }
        Self { apps, exact, wildcard }
    }

    /// The route of a host, in lower case: by the name of an app, then by its domain, then by one that stands
    /// for it.
    pub(super) fn of_host(&self, host: &str) -> Option<&Arc<Entry>> {
        host.strip_suffix(".localhost")
            .and_then(|name| self.apps.get(name))
            .or_else(|| self.exact.get(host))
            .or_else(|| host.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent)))
    }

    pub(super) fn of_app(&self, app: &AppName) -> Option<&Arc<Entry>> {
        self.apps.get(app.as_str())
    }
}
