//! Where engines come from that run applications, and the promises of the groups that need such a one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Checking, Harness};
use crate::bext::engine::{
    App, AppName, AppRef, AppSource, Apps, Deploy, DeployRecord, Deploys, Engines, InstanceId, InstanceUrl,
    ListApps, NewApp, Percent, Release, Rollback, Stages, Unheard, Version,
};
use crate::error::Error;

/// Where engines come from that have every group, and run applications behind a gateway.
///
/// What sources look like is the engine's business, so the harness makes them. Its engines may be one and the same node,
/// if only one can hold the data.
#[async_trait]
pub trait NodeHarness: Harness {
    /// Ends the engines, as a process does that ends in good order; what is opened after that is a new process.
    async fn close(&self, engines: Engines);

    /// A second instance that is there from the start.
    fn other_instance(&self) -> InstanceId;

    /// Makes the source of that name, or changes it, so that its newest version is this one: a site that answers `/` with
    /// `NAME VERSION` as its body.
    async fn site(&self, name: &str, version: &str) -> AppSource;

    /// Changes the source so that its newest version is this one, which stays unhealthy; that is found out after a second
    /// at least, and ten at most.
    async fn unhealthy(&self, name: &str, version: &str) -> AppSource;

    /// Makes the source of an app with a process that answers `/` with the value of this variable of its environment, or
    /// nothing if it is not there.
    async fn process(&self, name: &str, variable: &str) -> AppSource;

    /// Asks a gateway for a path, with this host, and without a cookie.
    async fn get(&self, gateway: &InstanceUrl, host: &str, path: &str) -> Answered;

    /// Puts a mistake into the configuration of an instance.
    async fn spoil_config(&self, instance: &InstanceId);

    /// Takes the mistake out again.
    async fn mend_config(&self, instance: &InstanceId);
}

/// What a gateway answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status, such as 200.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// A promise by its name.
#[derive(Clone, Copy)]
pub struct NodePromise {
    /// Such as `deploys::a_failed_deploy_keeps_the_old_version`.
    pub name: &'static str,
    /// Panics if the promise is broken.
    pub check: for<'h> fn(&'h dyn NodeHarness) -> Checking<'h>,
}

impl fmt::Debug for NodePromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Hands the names of the promises of engines that run applications to a macro, as
/// [`bext_promises!`](crate::bext_promises) does; each takes a [`NodeHarness`](crate::bext::engine::suite::NodeHarness).
#[macro_export]
macro_rules! bext_node_promises {
    ($then:ident) => {
        $then! {
            apps {
                registering_does_not_deploy
                a_name_is_registered_once
                a_source_is_looked_at
                a_domain_leads_to_one_app
                a_domain_leads_to_its_app_at_once
                an_exact_domain_goes_before_a_wildcard
                apps_come_in_pages
                domains_come_in_pages
                a_removed_app_is_gone
                a_removal_of_everything_leaves_nothing
                an_unknown_instance_is_refused
                an_unknown_app_is_refused
                apps_survive_a_restart
                what_is_served_is_counted
            }
            deploys {
                what_was_deployed_is_live
                the_only_app_is_meant_without_a_name
                an_unknown_version_is_refused
                a_failed_deploy_keeps_the_old_version
                a_failed_first_deploy_leaves_nothing_live
                a_second_release_meanwhile_is_refused
                a_dropped_deploy_changes_nothing
                of_deploys_at_once_none_is_half_done
                a_rollback_returns_and_returns_again
                a_rollback_finds_a_kept_version
                a_rollback_without_an_earlier_version_is_refused
                a_canary_gets_its_part_and_then_all
                a_rollback_ends_a_canary
                a_canary_needs_something_live_beside_it
                records_come_newest_first_with_failures
                records_come_in_pages
                a_fleet_is_deployed_each_by_itself
                a_fleet_is_checked_before_it_is_deployed
                releases_survive_a_restart
                a_canary_survives_a_restart
            }
            secrets {
                names_come_out_and_values_never_do
                a_set_replaces_and_says_when
                deleting_says_whether_there_was_one
                an_app_has_its_own
                names_come_in_pages
                what_the_engine_sets_is_reserved
                an_unknown_app_has_none
                an_app_sees_a_secret_at_its_next_deploy
                secrets_survive_a_restart
            }
            configs {
                a_configuration_can_be_read
                what_has_not_changed_changes_nothing
                a_mistake_keeps_what_was_in_effect
                an_unknown_instance_has_no_configuration
            }
            conformance {
                checks_leave_nothing_behind
                an_unknown_suite_is_refused_with_those_there_are
            }
        }
    };
}

macro_rules! list_promises {
    ($($group:ident { $($promise:ident)* })*) => {
        /// All promises of engines that run applications.
        pub const NODE_PROMISES: &[NodePromise] = &[$($(NodePromise {
            name: concat!(stringify!($group), "::", stringify!($promise)),
            check: |harness| Box::pin(super::$group::$promise(harness)),
        }),*),*];
    };
}

bext_node_promises!(list_promises);

/// An engine that was opened, and short words for what is asked of it.
#[derive(Debug)]
pub(super) struct Bench<'h> {
    pub(super) harness: &'h dyn NodeHarness,
    pub(super) engines: Engines,
}

/// For how long something that has to come about may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits from one look to the next, and not for ever.
#[derive(Debug)]
pub(super) struct Until {
    what: &'static str,
    end: tokio::time::Instant,
}

impl Until {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, end: tokio::time::Instant::now() + PATIENCE }
    }

    pub(super) async fn next(&self) {
        self.next_after(&"").await;
    }

    /// The same, where there is something to say of what came in its place.
    pub(super) async fn next_after(&self, seen: &(impl fmt::Debug + Sync)) {
        assert!(tokio::time::Instant::now() < self.end, "it never comes: {}; seen: {seen:?}", self.what);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl<'h> Bench<'h> {
    pub(super) async fn open(harness: &'h dyn NodeHarness) -> Self {
        Self { harness, engines: harness.open().await }
    }

    /// The same data, held by a new process.
    pub(super) async fn restart(self) -> Self {
        self.harness.close(self.engines).await;
        Self::open(self.harness).await
    }

    pub(super) fn apps(&self) -> &dyn Apps {
        &**self.engines.apps().unwrap()
    }

    pub(super) fn deploys(&self) -> &dyn Deploys {
        &**self.engines.deploys().unwrap()
    }

    pub(super) fn instance(&self) -> InstanceId {
        self.harness.instance()
    }

    pub(super) fn named(&self, name: &str) -> AppRef {
        AppRef::new(self.instance(), app_name(name))
    }

    /// Registers a site of version 1.0.0 under the name of its source.
    pub(super) async fn add(&self, name: &str) -> AppRef {
        self.add_on(&self.instance(), name, name).await
    }

    pub(super) async fn add_on(&self, instance: &InstanceId, name: &str, source: &str) -> AppRef {
        let source = self.harness.site(source, "1.0.0").await;
        self.apps().add_app(instance, NewApp::new(app_name(name), source)).await.unwrap();
        AppRef::new(instance.clone(), app_name(name))
    }

    /// Registers a site and puts version 1.0.0 live.
    pub(super) async fn live(&self, name: &str) -> AppRef {
        let app = self.add(name).await;
        self.deploy(&app).await;
        app
    }

    /// Puts a further version of a site live.
    pub(super) async fn next(&self, app: &AppRef, version: &str) -> DeployRecord {
        self.harness.site(app.app.as_str(), version).await;
        self.deploy(app).await
    }

    /// Deploys the newest version.
    pub(super) async fn deploy(&self, app: &AppRef) -> DeployRecord {
        self.try_deploy(app, None, None).await.unwrap()
    }

    pub(super) async fn try_deploy(
        &self,
        app: &AppRef,
        version: Option<&str>,
        percent: Option<u64>,
    ) -> Result<DeployRecord, Error> {
        self.deploys().deploy(deploy_of(app, version, percent), Arc::new(Unheard)).await
    }

    pub(super) async fn try_rollback(
        &self,
        app: &AppRef,
        version: Option<&str>,
    ) -> Result<DeployRecord, Error> {
        let version = version.map(|version| version.parse().unwrap());
        let rollback = Rollback { release: release_of(app), version };
        self.deploys().rollback(rollback, Arc::new(Unheard)).await
    }

    pub(super) async fn try_promote(&self, app: &AppRef) -> Result<DeployRecord, Error> {
        self.deploys().promote_canary(release_of(app), Arc::new(Unheard)).await
    }

    /// The app as lists have it.
    pub(super) async fn app(&self, app: &AppRef) -> App {
        let page = self.apps().list_apps(&app.instance, ListApps::default()).await.unwrap();
        page.apps.into_iter().find(|found| found.name == app.app).expect("the app is listed")
    }

    /// What the gateway of the harness's instance answers for `/` of this host.
    pub(super) async fn get(&self, host: &str) -> Answered {
        self.get_on(&self.instance(), host).await
    }

    pub(super) async fn get_on(&self, instance: &InstanceId, host: &str) -> Answered {
        let resolved = self.engines.instances.resolve(instance).await.unwrap();
        let gateway = resolved.url.expect("an instance that runs apps has a gateway");
        self.harness.get(&gateway, host, "/").await
    }

    /// What is answered under the app's own name.
    pub(super) async fn page(&self, app: &AppRef) -> Answered {
        self.get_on(&app.instance, &own_host(app)).await
    }

    /// The version of a site that is answered with; anything else is a broken promise.
    pub(super) async fn served(&self, app: &AppRef) -> String {
        let answer = self.page(app).await;
        assert_eq!(answer.status, 200, "{app}: {answer:?}");
        let name = format!("{} ", app.app);
        let version = answer.body.trim().strip_prefix(&name).map(str::to_owned);
        version.unwrap_or_else(|| panic!("{app} answers with {:?}", answer.body))
    }
}

pub(super) fn app_name(name: &str) -> AppName {
    name.parse().unwrap()
}

pub(super) fn own_host(app: &AppRef) -> String {
    format!("{}.localhost", app.app)
}

pub(super) fn release_of(app: &AppRef) -> Release {
    Release { instance: app.instance.clone(), app: Some(app.app.clone()), by: "the suite".to_owned() }
}

pub(super) fn deploy_of(app: &AppRef, version: Option<&str>, percent: Option<u64>) -> Deploy {
    Deploy {
        release: release_of(app),
        version: version.map(|version| version.parse::<Version>().unwrap()),
        canary: percent.map(|percent| Percent::try_from(percent).unwrap()),
    }
}

/// The numbers of a version, however the engine marks it.
pub(super) fn bare(version: &Version) -> &str {
    version.as_str().trim_start_matches('v')
}

/// Hears that a release has reached its first stage.
#[derive(Debug, Default)]
pub(super) struct Begun(tokio::sync::Notify);

impl Begun {
    pub(super) async fn wait(&self) {
        tokio::time::timeout(PATIENCE, self.0.notified()).await.expect("stages are said");
    }
}

impl Stages for Begun {
    fn reached(&self, done: u64, total: u64, doing: &str) {
        assert!(done <= total && !doing.is_empty(), "{done} of {total}: {doing:?}");
        self.0.notify_one();
    }
}
