//! The builder of a server: what is registered, over which state, under which limits.

use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    audit::{Audit, AuditMode},
    build::{BuildError, Problem},
    catalog::Registry,
    endpoint::{Endpoint, Settings},
    entry::{Entry, IntoEntry},
    guards::{ConfirmDestructive, Guards},
    limits::Limits,
    pack_options::{PackOptions, Taking},
    policy::Policy,
    prompt::{Prompt, prompt},
    protocol::definition::{Icon, Implementation},
    questions::{Desk, MemoryOnce, Once, SealKey},
    rates::{RateStore, Rates, Tolls},
    request::{Outcome, Request},
    resource::{Resource, resource},
    rings::{BoxError, OwnLayer, RingService, compose},
    router::Router,
    tool::{Tool, tool},
};

/// Arguments that some clients add to every call on their own. They are taken out before validation where a tool
/// has no argument of the name.
const INJECTED_ARGUMENTS: [&str; 5] = ["sessionId", "action", "chatInput", "toolCallId", "tool"];

/// A server being put together; `S` is the state of what is registered next.
///
/// Mistakes in what is registered come to light in [`build`](Self::build), all of them at once.
pub struct Server<S = ()> {
    state: Arc<S>,
    parts: Box<Parts>,
}

struct Parts {
    info: Implementation,
    registry: Registry,
    problems: Vec<Problem>,
    settings: Settings,
    layers: Vec<OwnLayer>,
    /// The packs that are being registered, one within the other.
    packs: Vec<Taking>,
    guards: Guards,
    seal_keys: Vec<SealKey>,
    once: Arc<dyn Once>,
    rate_store: Option<Arc<dyn RateStore>>,
}

impl Parts {
    /// What the packs that are being registered make of an entry; the innermost names it first.
    fn taken(&mut self, entry: Entry) -> Result<Option<Entry>, Problem> {
        let mut packs = self.packs.iter_mut().rev();
        packs.try_fold(Some(entry), |entry, pack| entry.map_or(Ok(None), |entry| pack.take(entry)))
    }
}

impl Server {
    /// A server of this name and version, with nothing registered.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let settings = Settings {
            limits: Limits::default(),
            instructions: None,
            list_ttl_ms: 60_000,
            injected_arguments: INJECTED_ARGUMENTS.map(str::to_owned).into(),
        };
        let info = Implementation { name: name.into(), version: version.into(), ..Implementation::default() };
        let parts = Parts {
            info,
            registry: Registry::default(),
            problems: Vec::new(),
            settings,
            layers: Vec::new(),
            packs: Vec::new(),
            guards: Guards::default(),
            seal_keys: Vec::new(),
            once: Arc::new(MemoryOnce::default()),
            rate_store: None,
        };
        Self { state: Arc::new(()), parts: Box::new(parts) }
    }
}

impl<S: Send + Sync + 'static> Server<S> {
    /// Registers what follows over another state; what is registered already keeps its own.
    pub fn over<T: Send + Sync + 'static>(self, state: impl Into<Arc<T>>) -> Server<T> {
        Server { state: state.into(), parts: self.parts }
    }

    /// Registers something over another state, and goes on over this one.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(
        self,
        state: impl Into<Arc<T>>,
        register: impl FnOnce(Server<T>) -> Server<T>,
    ) -> Self {
        let own = Arc::clone(&self.state);
        Server { state: own, parts: register(self.over(state)).parts }
    }

    /// Registers what belongs to a pack, as its options say.
    pub(crate) fn within(mut self, options: PackOptions, register: impl FnOnce(Self) -> Self) -> Self {
        self.parts.packs.push(Taking::new(options));
        let mut server = register(self);
        let taken = server.parts.packs.pop();
        server.parts.problems.extend(taken.into_iter().flat_map(Taking::missing));
        server
    }

    /// Registers a tool.
    #[must_use]
    pub fn tool<T: Tool<S>>(self) -> Self {
        let entry = tool::<T, S>(Arc::clone(&self.state));
        self.add(entry)
    }

    /// Registers a resource.
    #[must_use]
    pub fn resource<R: Resource<S>>(self) -> Self {
        let entry = resource::<R, S>(Arc::clone(&self.state));
        self.add(entry)
    }

    /// Registers a prompt.
    #[must_use]
    pub fn prompt<P: Prompt<S>>(self) -> Self {
        let entry = prompt::<P, S>(Arc::clone(&self.state));
        self.add(entry)
    }

    /// Registers a value: [`tool_fn`](crate::tool_fn()), [`DynTool`](crate::DynTool) and their like.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "servers are not numbers, and nothing says it better")]
    pub fn add(mut self, entry: impl IntoEntry) -> Self {
        let added = entry.into_entry().and_then(|entry| match self.parts.taken(entry)? {
            Some(entry) => self.parts.registry.add(entry),
            None => Ok(()),
        });
        self.parts.problems.extend(added.err());
        self
    }

    /// A name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.parts.info.title = Some(title.into());
        self
    }

    /// What the server is.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.parts.info.description = Some(description.into());
        self
    }

    /// Where to read more.
    #[must_use]
    pub fn website_url(mut self, url: impl Into<String>) -> Self {
        self.parts.info.website_url = Some(url.into());
        self
    }

    /// One more picture of the server.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.parts.info.icons.push(icon);
        self
    }

    /// How a model is to use the server; clients put it before the model's eyes.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.parts.settings.instructions = Some(instructions.into());
        self
    }

    /// Changes the limits.
    #[must_use]
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.parts.settings.limits);
        self
    }

    /// How often callers may call; the same as `limits(|limits| limits.rates = rates)`.
    #[must_use]
    pub fn rates(mut self, rates: Rates) -> Self {
        self.parts.settings.limits.rates = rates;
        self
    }

    /// Where it is counted how often callers call; in the memory of this process when not given.
    #[must_use]
    pub fn rate_store(mut self, store: impl RateStore) -> Self {
        self.parts.rate_store = Some(Arc::new(store));
        self
    }

    /// For how long clients may keep lists without asking again; 60 seconds by default. Those that subscribed are
    /// told of changes at once.
    #[must_use]
    pub fn list_ttl(mut self, time: Duration) -> Self {
        self.parts.settings.list_ttl_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Replaces the names of arguments that clients are known to add on their own, and that are ignored where a
    /// tool does not know them: by default `sessionId`, `action`, `chatInput`, `toolCallId` and `tool`.
    #[must_use]
    pub fn injected_arguments<I>(mut self, names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.parts.settings.injected_arguments = names.into_iter().map(Into::into).collect();
        self
    }

    /// Puts a tower layer around every request, inside the panic guard and the trace, outside the limits of
    /// concurrency and time. The first that is added is the outermost; several composed with
    /// `tower::ServiceBuilder` and added at once cost one boxed future together.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<RingService> + Send + 'static,
        L::Service: Service<Request, Response = Outcome> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<BoxError>,
        <L::Service as Service<Request>>::Future: Send,
    {
        self.parts.layers.push(OwnLayer::new(layer));
        self
    }

    /// Serves only tools that change nothing, by their [`Annotations`](crate::Annotations): the others are not there, be
    /// they registered before, after, or while the server runs.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.parts.registry.read_only();
        self
    }

    /// Decides who sees and may do what; [`ByGrants`](crate::ByGrants) when not given, [`Rules`](crate::Rules) for more than
    /// scopes and tenants.
    #[must_use]
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.parts.guards.policy = Box::new(policy);
        self
    }

    /// Has the person in front of the client agree before something destructive is done.
    #[must_use]
    pub fn confirm(mut self, confirm: ConfirmDestructive) -> Self {
        self.parts.guards.confirm = Some(confirm);
        self
    }

    /// Keeps a record of what is done, and has it depend on that record where the audit's [mode](Audit::mode) says so.
    #[must_use]
    pub fn audit(mut self, audit: impl Audit) -> Self {
        let mode = audit.mode();
        self.parts.guards.audit_required = mode == AuditMode::Required;
        self.parts.guards.audit = (mode != AuditMode::Off).then(|| Box::new(audit) as Box<dyn Audit>);
        self
    }

    /// The key under which clients carry the state of questions. All processes that serve the same clients need the same
    /// one, and the same name of the server; without it each makes up its own, and refuses the
    /// answers to what was asked before a restart.
    ///
    /// Given several times, the first seals and all of them open: so a key is replaced without anybody noticing.
    #[must_use]
    pub fn seal_key(mut self, key: SealKey) -> Self {
        self.parts.seal_keys.push(key);
        self
    }

    /// Where it is remembered which confirmations were used; in memory when not given.
    #[must_use]
    pub fn once(mut self, once: impl Once) -> Self {
        self.parts.once = Arc::new(once);
        self
    }

    /// Makes a server of it that transports can serve.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with what was registered: names that collide or cannot be, schemas that no
    /// assistant would take.
    pub fn build(self) -> Result<Endpoint, BuildError> {
        let Parts {
            info, registry, mut problems, settings, layers, guards, seal_keys, once, rate_store, ..
        } = *self.parts;
        if info.name.is_empty() || info.version.is_empty() {
            problems.push(Problem::new("server", "its name and its version must not be empty"));
        }
        let unfit = guards.policy.problems(&registry.names());
        problems.extend(unfit.into_iter().map(|why| Problem::new("policy", why)));
        problems.extend(settings.limits.rates.problems());
        let desk = Desk::new(info.name.clone(), seal_keys, once, settings.limits.clone());
        match desk {
            Ok(desk) if problems.is_empty() => {
                let meter = Arc::default();
                let tolls = Tolls::new(&settings.limits.rates, rate_store);
                let ring = compose(Router, &settings.limits, (&meter, &tolls), layers);
                return Ok(Endpoint::new(info, registry, settings, (guards, desk), (ring, meter, tolls)));
            }
            Ok(_) => {}
            Err(error) => {
                problems.push(Problem::new("server", format!("no key can be made for questions: {error}")));
            }
        }
        Err(BuildError::new(problems))
    }
}

/// What a transport can serve: a built [`Endpoint`], or a [`Server`] that it builds first.
pub trait IntoEndpoint {
    /// Builds the server, if it is not built yet.
    ///
    /// # Errors
    ///
    /// What [`Server::build`] says.
    fn into_endpoint(self) -> Result<Endpoint, BuildError>;
}

impl<S: Send + Sync + 'static> IntoEndpoint for Server<S> {
    fn into_endpoint(self) -> Result<Endpoint, BuildError> {
        self.build()
    }
}

impl IntoEndpoint for Endpoint {
    fn into_endpoint(self) -> Result<Endpoint, BuildError> {
        Ok(self)
    }
}

impl IntoEndpoint for &Endpoint {
    fn into_endpoint(self) -> Result<Endpoint, BuildError> {
        Ok(self.clone())
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("info", &self.parts.info).finish_non_exhaustive()
    }
}
