//! A built server: what transports serve, and what changes its lists while it runs.

use std::{
    any::Any,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    access::Access,
    build::Problem,
    call::{Call, Host},
    catalog::{Catalog, PageSettings, Registry},
    clients::Clients,
    encode::Terms,
    entry::IntoEntry,
    guards::Guards,
    hub::{Changes, Hub},
    limits::Limits,
    meter::{Meter, Refusal},
    outbox::Outbox,
    policy::{Action, Denied, Policy},
    principal::Principal,
    protocol::{
        capabilities::ServerCapabilities,
        definition::Implementation,
        error::{RpcError, code},
        meta::key,
        method,
        params::SubscriptionFilter,
        revision::Revision,
        shape,
    },
    questions::Desk,
    rates::Tolls,
    request::Request,
    rings::{OutcomeFuture, Ring},
};

/// A server that is ready to be served, over any number of transports at once; cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    core: Arc<Core>,
}

/// What every request shares.
pub(crate) struct Core {
    pub(crate) info: Implementation,
    pub(crate) settings: Settings,
    pub(crate) hub: Arc<Hub>,
    pub(crate) clients: Clients,
    guards: Guards,
    desk: Desk,
    page_settings: PageSettings,
    catalog: RwLock<Snapshot>,
    /// Held while the catalog is edited, so that no edit is lost.
    editing: Mutex<()>,
    ring: Box<dyn Ring>,
    tolls: Arc<Tolls>,
    meter: Arc<Meter>,
}

/// What of the configuration outlives the start.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) instructions: Option<String>,
    pub(crate) list_ttl_ms: u64,
    pub(crate) injected_arguments: Vec<String>,
}

/// The catalog that is current, and the answer to `server/discover` made from it.
#[derive(Clone)]
struct Snapshot {
    catalog: Arc<Catalog>,
    discovery: Arc<[u8]>,
}

impl Endpoint {
    pub(crate) fn new(
        info: Implementation,
        registry: Registry,
        settings: Settings,
        (guards, desk): (Guards, Desk),
        (ring, meter, tolls): (Box<dyn Ring>, Arc<Meter>, Arc<Tolls>),
    ) -> Self {
        // Every result repeats it, so it says no more than the specification asks for; `server/discover` says all.
        let brief =
            Implementation { description: None, website_url: None, icons: Vec::new(), ..info.clone() };
        let server_meta = json!({ key::SERVER_INFO: brief }).to_string();
        let page_settings = PageSettings {
            size: settings.limits.page_size.max(1),
            ttl_ms: settings.list_ttl_ms,
            server_meta: server_meta.into(),
        };
        let snapshot = Snapshot::new(registry, &page_settings, &info, &settings, &*guards.policy);
        let core = Arc::new(Core {
            info,
            settings,
            hub: Arc::default(),
            clients: Clients::default(),
            guards,
            desk,
            page_settings,
            catalog: RwLock::new(snapshot),
            editing: Mutex::default(),
            ring,
            tolls,
            meter,
        });
        Self { core }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The server's name and version.
    pub fn info(&self) -> &Implementation {
        &self.core.info
    }

    /// The limits that it was built with.
    pub fn limits(&self) -> &Limits {
        &self.core.settings.limits
    }

    /// Whether this caller may make one more request now, as far as that is known without waiting: for a transport, before
    /// it reads the body of one.
    ///
    /// # Errors
    ///
    /// The error 429 to answer with.
    pub fn check_rates(&self, principal: &Principal, peer: Option<IpAddr>) -> Result<(), RpcError> {
        self.core.noting(self.core.tolls.look(Some(principal), peer))
    }

    /// Whether whoever comes from this address may make one more request now: for a transport, before it looks at
    /// credentials.
    ///
    /// # Errors
    ///
    /// As of [`check_rates`](Self::check_rates).
    pub fn check_address(&self, peer: IpAddr) -> Result<(), RpcError> {
        self.core.noting(self.core.tolls.look(None, Some(peer)))
    }

    /// Counts a request against its caller that never reaches the server: figures that were asked for, a stream, a message
    /// that cannot be read.
    ///
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The error 429 to answer with instead, where the caller has made too many requests already.
    pub fn charge(&self, principal: &Principal, peer: Option<IpAddr>) -> Result<(), RpcError> {
        self.core.charge(principal, peer)
    }

    /// Counts a request against its address alone, whoever made it. Of credentials that are no good
    /// [`charge_failure`](Self::charge_failure) is to be told.
    ///
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The error 429 to answer with instead, where the address has made too many requests already.
    pub fn charge_address(&self, peer: IpAddr) -> Result<(), RpcError> {
        self.core.noting(self.core.tolls.take_from_address(peer, 1))
    }

    /// Counts credentials that are no good against the address that they come from. That is a count of its own, of which
    /// the calls of others from there know nothing.
    ///
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The error 429 to answer with instead, where too many from there were no good already.
    pub fn charge_failure(&self, peer: IpAddr) -> Result<(), RpcError> {
        self.core.noting(self.core.tolls.take_for_failure(peer))
    }

    /// Has the policy decide whether a caller may have what takes this access: for what a transport serves beside the
    /// protocol, such as figures.
    ///
    /// # Errors
    ///
    /// The error 403 to answer with, or 401 where the caller's credentials are no good any more.
    pub fn check_access(&self, principal: &Principal, access: &Access) -> Result<(), RpcError> {
        let shown = self.core.guards.shows(principal, &Action::new("", "", None, access));
        shown.map_err(|denied| denied.into_rpc(|| RpcError::new(code::FORBIDDEN, "Forbidden")))
    }

    /// Counts a refusal of a transport's own, where somebody [wants to know](Self::meter).
    pub fn refused(&self, why: Refusal) {
        self.core.meter.refused(why);
    }

    /// Counts of what the server does; nothing is counted before this is called for the first time.
    pub fn meter(&self) -> &Meter {
        self.core.meter.turn_on();
        &self.core.meter
    }

    /// Changes what is registered, while clients are connected.
    ///
    /// The edit is taken as a whole or, when it returns an error, not at all. Clients that want to know are told
    /// which lists changed. Edits come one after the other: an edit within an edit would wait for ever.
    ///
    /// A tool reaches this through [`Call::server`], and hands a [`Problem`] on with `?`.
    ///
    /// # Errors
    ///
    /// Whatever the edit returns.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Edit) -> Result<T, Problem>) -> Result<T, Problem> {
        let core = &self.core;
        // An edit that panicked has changed nothing.
        let guard = core.editing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = core.catalog();
        let mut edited = Edit(before.registry());
        let value = edit(&mut edited)?;
        let policy = &*core.guards.policy;
        let snapshot = Snapshot::new(edited.0, &core.page_settings, &core.info, &core.settings, policy);
        let changes = before.changes_to(&snapshot.catalog);
        *core.catalog.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
        drop(guard);
        if changes != Changes::default() {
            core.hub.lists_changed(changes);
        }
        Ok(value)
    }

    /// Tells whoever subscribed to this resource that it changed.
    pub fn resource_updated(&self, uri: &str) {
        self.core.hub.resource_updated(uri);
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("info", &self.core.info).finish_non_exhaustive()
    }
}

/// An edit of what is registered; see [`Endpoint::edit`].
#[derive(Debug)]
pub struct Edit(Registry);

impl Edit {
    /// Adds a tool, a resource or a prompt.
    ///
    /// # Errors
    ///
    /// One that cannot be served, or whose name is taken.
    pub fn add(&mut self, entry: impl IntoEntry) -> Result<(), Problem> {
        self.0.add(entry.into_entry()?)
    }

    /// Removes a tool; false if there was none of this name.
    pub fn remove_tool(&mut self, name: &str) -> bool {
        self.0.remove_tool(name)
    }

    /// Removes a prompt; false if there was none of this name.
    pub fn remove_prompt(&mut self, name: &str) -> bool {
        self.0.remove_prompt(name)
    }

    /// Removes a resource or a template, as it is written; false if there was none.
    pub fn remove_resource(&mut self, uri: &str) -> bool {
        self.0.remove_resource(uri)
    }
}

impl Call {
    /// The server that answers, to change its lists or to say that a resource changed.
    pub fn server(&self) -> Endpoint {
        Endpoint { core: Core::of(self) }
    }
}

impl Host for Core {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn guards(&self) -> &Guards {
        &self.guards
    }

    fn shows_tool(&self, principal: &Principal, name: &str) -> bool {
        let Some(tool) = self.catalog().tool(name).map(|tool| Arc::clone(tool.guarded())) else {
            _ = self.guards.judge_nothing(principal, method::TOOLS_CALL, name);
            return false;
        };
        let shown = self.guards.shows(principal, &tool.action(&tool.name, &tool.requires));
        shown.map_or_else(|denied| !denied.is_hidden() && !denied.is_unauthorized(), |()| true)
    }
}

impl Core {
    /// The core that a call is answered by.
    pub(crate) fn of(call: &Call) -> Arc<Self> {
        let host: Arc<dyn Any + Send + Sync> = Arc::clone(call.host()) as _;
        match host.downcast() {
            Ok(core) => core,
            // Both era adapters put it there, and nobody else can make a call.
            Err(_) => unreachable!("a call is answered by a core"),
        }
    }

    /// The catalog that is current.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner).catalog)
    }

    /// Whether a caller may be told when a resource changes: whoever may read it may.
    pub(crate) fn tells_of(&self, uri: &str, principal: &Principal) -> Result<(), Denied> {
        let catalog = self.catalog();
        // What nothing here serves needs no right: whoever names it may hear of it.
        let Some((resource, variables)) = catalog.resource(uri) else { return Ok(()) };
        let access = resource.access(variables);
        self.guards.shows(principal, &resource.guarded().action(uri, &access))
    }

    /// Whether a caller may subscribe to a resource; one that is not there is hidden from everybody.
    pub(crate) fn offers(&self, uri: &str, principal: &Principal) -> Result<(), Denied> {
        if self.catalog().resource(uri).is_some() {
            return self.tells_of(uri, principal);
        }
        self.guards.judge_nothing(principal, method::RESOURCES_READ, uri)?;
        Err(Denied::hidden("there is no such resource"))
    }

    /// The answer to `server/discover`.
    pub(crate) fn discovery(&self) -> Arc<[u8]> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner).discovery)
    }

    /// A queue for a connection or a request, of the size that the limits say.
    pub(crate) fn outbox(&self) -> Outbox {
        Outbox::new(self.settings.limits.queued_notifications, self.settings.limits.queued_bytes)
    }

    /// Under which terms answers of this revision go out.
    pub(crate) fn terms(&self, revision: Revision) -> Terms<'_> {
        let server_meta = &self.page_settings.server_meta;
        Terms { revision, server_meta, result_bytes: self.settings.limits.result_bytes }
    }

    /// Takes what a request costs that is not sent through the ring.
    pub(crate) fn charge(&self, principal: &Principal, peer: Option<IpAddr>) -> Result<(), RpcError> {
        self.noting(self.tolls.take_now(principal, peer, 1))
    }

    /// What a message is refused with that the ring never sees: it was read all the same, so it costs what a request does.
    pub(crate) fn charge_refused(
        &self,
        principal: &Principal,
        peer: Option<IpAddr>,
        error: RpcError,
    ) -> RpcError {
        if error.code == code::TOO_MANY_CALLS {
            return error;
        }
        self.charge(principal, peer).err().unwrap_or(error)
    }

    /// Counts a refusal that the ring does not see.
    fn noting(&self, charged: Result<(), RpcError>) -> Result<(), RpcError> {
        charged.inspect_err(|_| self.meter.refused(Refusal::TooManyCalls))
    }

    /// Sends a request through the ring.
    pub(crate) fn run(&self, request: Request) -> OutcomeFuture {
        self.ring.run(request)
    }

    /// The answer to `initialize` in this revision.
    pub(crate) fn initialize_result(&self, revision: Revision) -> impl Serialize + '_ {
        InitializeResult {
            protocol_version: revision.as_str(),
            capabilities: shape::capabilities(&self.catalog().capabilities, revision),
            server_info: shape::implementation(&self.info, revision),
            instructions: self.settings.instructions.as_deref(),
        }
    }

    /// Subscribes a handshake session, which hears of every list without asking. There are no more of them than
    /// sessions.
    pub(crate) fn subscribe_session(&self) -> crate::hub::Subscriber {
        let filter = SubscriptionFilter {
            tools_list_changed: true,
            prompts_list_changed: true,
            resources_list_changed: true,
            resource_subscriptions: Vec::new(),
        };
        self.hub.subscribe(filter)
    }
}

impl Snapshot {
    fn new(
        registry: Registry,
        pages: &PageSettings,
        info: &Implementation,
        settings: &Settings,
        policy: &dyn Policy,
    ) -> Self {
        let catalog = Catalog::new(registry, pages, policy);
        let discovery = DiscoverResult {
            result_type: "complete",
            supported_versions: Revision::MODERN,
            capabilities: &catalog.capabilities,
            instructions: settings.instructions.as_deref(),
            ttl_ms: settings.list_ttl_ms,
            // What the server can do is the same for all: of a kind of things that is hidden from a caller, the list is
            // empty.
            cache_scope: "public",
        };
        let mut encoded = crate::catalog::encode(&discovery);
        encoded.pop();
        let meta = json!({ key::SERVER_INFO: info });
        encoded.extend_from_slice(format!(r#","_meta":{meta}}}"#).as_bytes());
        Self { catalog: Arc::new(catalog), discovery: encoded.into() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiscoverResult<'a> {
    result_type: &'static str,
    supported_versions: [&'static str; 1],
    capabilities: &'a ServerCapabilities,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
    ttl_ms: u64,
    cache_scope: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InitializeResult<'a> {
    protocol_version: &'static str,
    capabilities: Value,
    server_info: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<&'a str>,
}
