//! Where the requests of an instance go: its gateway, and the releases at work behind it.
//!
//! Both change together, under one lock that is never held for longer than a switch takes, so what the gateway leads to is
//! always what is at work.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::gateway::{Gateway, GatewayFigures, GatewaySettings, Route};
use super::running::{Condition, Place, Running};
use crate::bext::engine::{AppName, DomainName, Percent};

/// The gateway of an instance and what is behind it.
#[derive(Debug)]
pub(crate) struct Traffic {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    front: Front,
    apps: BTreeMap<AppName, Live>,
}

#[derive(Debug)]
enum Front {
    Up {
        gateway: Gateway,
        since: Instant,
    },
    /// It does not listen, and why.
    Down(String),
}

/// An app that has a route.
#[derive(Debug)]
struct Live {
    domains: Vec<DomainName>,
    stable: Running,
    canary: Option<(Percent, Running)>,
}

/// What becomes of an app's route.
#[derive(Debug)]
pub(crate) enum Change {
    /// This gets all requests; a canary ends.
    Live(Running),
    /// This gets a part of them.
    Canary(Percent, Running),
    /// The canary gets all of them.
    Promote,
    /// The canary gets none any more.
    EndCanary,
}

/// How an app is.
#[derive(Debug)]
pub(crate) struct AppCondition {
    pub(crate) stable: Condition,
    pub(crate) canary: Option<Condition>,
}

/// What the releases at work have counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) processes: u64,
    pub(crate) restarts: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        let front = Front::Down("the gateway was not started yet".to_owned());
        Self { state: Mutex::new(State { front, apps: BTreeMap::new() }) }
    }
}

impl Traffic {
    /// The gateway listens: it gets all routes.
    pub(crate) fn open(&self, gateway: Gateway) {
        let mut state = self.state();
        for (app, live) in &state.apps {
            gateway.set_route(live.route(app));
        }
        state.front = Front::Up { gateway, since: Instant::now() };
    }

    /// The gateway does not listen.
    pub(crate) fn fail(&self, reason: String) {
        self.state().front = Front::Down(reason);
    }

    /// Takes the gateway out, to close it; and says why there is none.
    pub(crate) fn close(&self, reason: &str) -> Option<Gateway> {
        match std::mem::replace(&mut self.state().front, Front::Down(reason.to_owned())) {
            Front::Up { gateway, .. } => Some(gateway),
            Front::Down(_) => None,
        }
    }

    /// Where the gateway listens and for how long it has, or why it does not.
    pub(crate) fn gateway(&self) -> Result<(SocketAddr, Instant), String> {
        match &self.state().front {
            Front::Up { gateway, since } => Ok((gateway.local_addr(), *since)),
            Front::Down(reason) => Err(reason.clone()),
        }
    }

    pub(crate) fn set_settings(&self, settings: GatewaySettings) {
        if let Front::Up { gateway, .. } = &self.state().front {
            gateway.set_settings(settings);
        }
    }

    pub(crate) fn figures(&self) -> GatewayFigures {
        match &self.state().front {
            Front::Up { gateway, .. } => gateway.figures(),
            Front::Down(_) => GatewayFigures::default(),
        }
    }

    /// Has requests go elsewhere from now on, in one switch, and gives back what gets none any more.
    pub(crate) fn change(&self, app: &AppName, domains: Vec<DomainName>, change: Change) -> Vec<Running> {
        let mut state = self.state();
        let live = state.apps.remove(app);
        let (live, out) = match (live, change) {
            (Some(old), Change::Live(stable)) => {
                let mut out = vec![old.stable];
                out.extend(old.canary.map(|(_, canary)| canary));
                (Live { domains, stable, canary: None }, out)
            }
            (Some(old), Change::Canary(percent, canary)) => {
                let out = old.canary.map(|(_, canary)| canary).into_iter().collect();
                (Live { domains, stable: old.stable, canary: Some((percent, canary)) }, out)
            }
            (Some(Live { stable, canary: Some((_, canary)), .. }), Change::Promote) => {
                (Live { domains, stable: canary, canary: None }, vec![stable])
            }
            (Some(old), Change::Promote | Change::EndCanary) => {
                let out = old.canary.map(|(_, canary)| canary).into_iter().collect();
                (Live { domains, stable: old.stable, canary: None }, out)
            }
            (None, Change::Live(stable) | Change::Canary(_, stable)) => {
                (Live { domains, stable, canary: None }, Vec::new())
            }
            (None, Change::Promote | Change::EndCanary) => return Vec::new(),
        };
        if let Front::Up { gateway, .. } = &state.front {
            gateway.set_route(live.route(app));
        }
        state.apps.insert(app.clone(), live);
        out
    }

    /// Has these domains lead to an app, and no others.
    pub(crate) fn set_domains(&self, app: &AppName, domains: Vec<DomainName>) {
        let state = &mut *self.state();
        if let Some(live) = state.apps.get_mut(app) {
            live.domains = domains;
            if let Front::Up { gateway, .. } = &state.front {
                gateway.set_route(live.route(app));
            }
        }
    }

    /// Puts a release at work in the place of one that should run and does not. Gives it back if that is gone.
    pub(crate) fn revive(&self, app: &AppName, place: Place, running: Running) -> Option<Running> {
        let state = &mut *self.state();
        let Some(live) = state.apps.get_mut(app) else { return Some(running) };
        let Some(down) = live.at(place) else { return Some(running) };
        down.hand_over(&running);
        *down = running;
        if let Front::Up { gateway, .. } = &state.front {
            gateway.set_route(live.route(app));
        }
        None
    }

    /// Notes why a release that should run does not. Says whether it should, still.
    pub(crate) fn still_down(&self, app: &AppName, place: Place, reason: Option<String>) -> bool {
        let mut state = self.state();
        let Some(down) = state.apps.get_mut(app).and_then(|live| live.at(place)) else { return false };
        if let Some(reason) = reason {
            down.set_reason(reason);
        }
        down.is_down()
    }

    /// Takes an app's route away, and gives back what was at work.
    pub(crate) fn remove(&self, app: &AppName) -> Vec<Running> {
        let mut state = self.state();
        if let Front::Up { gateway, .. } = &state.front {
            gateway.remove_route(app);
        }
        state.apps.remove(app).map(Live::into_running).unwrap_or_default()
    }

    /// Takes everything out that is at work.
    pub(crate) fn remove_all(&self) -> Vec<Running> {
        let apps = std::mem::take(&mut self.state().apps);
        apps.into_values().flat_map(Live::into_running).collect()
    }

    /// How an app is that has a route; none if it has none.
    pub(crate) fn condition(&self, app: &AppName) -> Option<AppCondition> {
        self.state().apps.get(app).map(Live::condition)
    }

    /// How all apps with a route are, ordered by name.
    pub(crate) fn conditions(&self) -> Vec<(AppName, AppCondition)> {
        self.state().apps.iter().map(|(app, live)| (app.clone(), live.condition())).collect()
    }

    pub(crate) fn counted(&self) -> Counted {
        let state = self.state();
        let all = state.apps.values().flat_map(Live::running);
        all.filter_map(Running::process).fold(Counted::default(), |counted, process| Counted {
            processes: counted.processes + u64::from(process.pid.is_some()),
            restarts: counted.restarts + process.restarts,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic within a change loses that app's route at most; the others are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn route(&self, app: &AppName) -> Route {
        Route {
            app: app.clone(),
            domains: self.domains.clone(),
            stable: self.stable.backend().clone(),
            canary: self.canary.as_ref().map(|(percent, canary)| (*percent, canary.backend().clone())),
        }
    }

    fn at(&mut self, place: Place) -> Option<&mut Running> {
        let canary = self.canary.as_mut().map(|(_, canary)| canary);
        std::iter::once(&mut self.stable).chain(canary).find(|running| running.place() == place)
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        std::iter::once(&self.stable).chain(self.canary.as_ref().map(|(_, canary)| canary))
    }

    fn into_running(self) -> Vec<Running> {
        std::iter::once(self.stable).chain(self.canary.map(|(_, canary)| canary)).collect()
    }

    fn condition(&self) -> AppCondition {
        AppCondition {
            stable: self.stable.condition(),
            canary: self.canary.as_ref().map(|(_, canary)| canary.condition()),
        }
    }
}
