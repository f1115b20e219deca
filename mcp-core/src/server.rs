//! The builder of a server: what is registered, over which state, under which limits.

use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    build::{BuildError, Problem},
    catalog::Registry,
    endpoint::{Endpoint, Settings},
    entry::IntoEntry,
    limits::Limits,
    prompt::{Prompt, prompt},
    protocol::definition::{Icon, Implementation},
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
        let parts =
            Parts { info, registry: Registry::default(), problems: Vec::new(), settings, layers: Vec::new() };
        Self { state: Arc::new(()), parts: Box::new(parts) }
    }
}

impl<S: Send + Sync + 'static> Server<S> {
    /// Registers what follows over another state; what is registered already keeps its own.
    pub fn over<T: Send + Sync + 'static>(self, state: impl Into<Arc<T>>) -> Server<T> {
        Server { state: state.into(), parts: self.parts }
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
        if let Err(problem) = entry.into_entry().and_then(|entry| self.parts.registry.add(entry)) {
            self.parts.problems.push(problem);
        }
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

    /// Makes a server of it that transports can serve.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with what was registered: names that collide or cannot be, schemas that no
    /// assistant would take.
    pub fn build(self) -> Result<Endpoint, BuildError> {
        let Parts { info, registry, mut problems, settings, layers } = *self.parts;
        if info.name.is_empty() || info.version.is_empty() {
            problems.push(Problem::new("server", "its name and its version must not be empty"));
        }
        if problems.is_empty() {
            let ring = compose(Router, &settings.limits, layers);
            Ok(Endpoint::new(info, registry, settings, ring))
        } else {
            Err(BuildError::new(problems))
        }
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
