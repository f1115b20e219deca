//! Resources: what a client may read by URI, fixed or by template.

use std::{borrow::Cow, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::{
    access::Access,
    build::Problem,
    call::Call,
    completion::{CompleteFn, Completing, Completion},
    guards::{Doing, Guarded},
    hidden::HiddenPlaces,
    input::Input,
    protocol::{
        content::{ResourceBody, ResourceContents},
        definition::{About, ResourceDefinition, TemplateDefinition},
        method,
        uri_template::{UriTemplate, Variables},
    },
    request_error::RequestError,
    schema::StringArguments,
};

/// A resource over a state `S`; the implementor is the variables of its URI template.
///
/// The doc comment of the struct is the description, and every field is a variable of the template. A resource of
/// one fixed URI is a struct without fields (`struct Motd {}`).
pub trait Resource<S = ()>: Input {
    /// The URI, or its template of RFC 6570, levels 1 to 3, such as `notes://note/{id}` or `notes://search{?text}`.
    ///
    /// What may be absent from a URI is a field that is an `Option`; [`UriTemplate`] says what may.
    const URI: &'static str;

    /// The resource's name in lists.
    const NAME: &'static str;

    /// Scopes that every reader needs, held against them by the server's [`Policy`](crate::Policy).
    const SCOPES: &'static [&'static str] = &[];

    /// Adds a title, a MIME type, icons, `_meta`, tags, or what everybody needs for it besides scopes.
    fn about(about: About) -> About {
        about
    }

    /// What this very resource touches, to be held against the reader by the server's [`Policy`](crate::Policy).
    fn access(&self) -> Access {
        Access::none()
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`RequestError::not_found`] where the URI names nothing.
    fn read(self, state: &S, call: &Call) -> impl Future<Output = Result<Contents, RequestError>> + Send;

    /// The resources of a template that exist now, for `resources/list`; none by default. A fixed resource is
    /// listed anyway. It is asked for only on behalf of who has the scopes of the resource; what
    /// [`Call::require`] refuses them besides is left out.
    ///
    /// # Errors
    ///
    /// The list could not be made.
    fn list(
        state: &S,
        call: &Call,
    ) -> impl Future<Output = Result<Vec<ResourceDefinition>, RequestError>> + Send {
        let _ = (state, call);
        async { Ok(Vec::new()) }
    }

    /// Suggests values for a variable; `None`, the default, suggests the choices of its type.
    ///
    /// # Errors
    ///
    /// The suggestions could not be made.
    fn complete(
        state: &S,
        completing: Completing,
        call: &Call,
    ) -> impl Future<Output = Result<Option<Completion>, RequestError>> + Send {
        let _ = (state, completing, call);
        async { Ok(None) }
    }
}

/// What a resource holds, and for how long a client may keep it.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    parts: Vec<Part>,
    fresh_for: Duration,
    public: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// At the very URI that was asked for.
    Here { mime_type: Option<String>, body: ResourceBody },
    /// At a URI of its own.
    Elsewhere(ResourceContents),
}

impl Contents {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(Part::Here { mime_type: None, body: ResourceBody::Text(text.into()) })
    }

    /// Bytes.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::of(Part::Here { mime_type: None, body: ResourceBody::Blob(STANDARD.encode(bytes)) })
    }

    /// JSON, of the MIME type `application/json`.
    ///
    /// # Errors
    ///
    /// What cannot be serialized, such as a map whose keys are no strings.
    pub fn json(value: &impl Serialize) -> Result<Self, RequestError> {
        let text = serde_json::to_string(value)
            .map_err(|error| RequestError::failed("the resource could not be encoded").caused_by(error))?;
        Ok(Self::text(text).mime_type("application/json"))
    }

    /// Several parts, each with its own URI.
    pub fn parts(parts: impl IntoIterator<Item = ResourceContents>) -> Self {
        let parts = parts.into_iter().map(Part::Elsewhere).collect();
        Self { parts, fresh_for: Duration::ZERO, public: false }
    }

    /// Says what the contents are, where that differs from read to read; what every read has in common is better
    /// said once, with [`About::mime_type`].
    #[must_use]
    pub fn mime_type(mut self, kind: impl Into<String>) -> Self {
        if let Some(Part::Here { mime_type, .. }) = self.parts.first_mut() {
            *mime_type = Some(kind.into());
        }
        self
    }

    /// For how long a client may use them without asking again; not at all by default.
    #[must_use]
    pub fn fresh_for(mut self, time: Duration) -> Self {
        self.fresh_for = time;
        self
    }

    /// Says that they are the same for every caller, so that a shared cache may keep them. It counts only where the
    /// resource states no scopes and touches nothing: such a cache asks no policy.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.public = true;
        self
    }

    fn of(part: Part) -> Self {
        Self { parts: vec![part], fresh_for: Duration::ZERO, public: false }
    }
}

/// An answer to `resources/read`, ready to be written in any revision.
#[derive(Debug)]
pub(crate) struct ReadReply {
    pub(crate) contents: Vec<ResourceContents>,
    pub(crate) fresh_for: Duration,
    pub(crate) public: bool,
}

type ReadFuture = Pin<Box<dyn Future<Output = Result<Contents, RequestError>> + Send>>;
type ReadFn = dyn Fn(Variables, Call) -> ReadFuture + Send + Sync;
type ListFuture = Pin<Box<dyn Future<Output = Result<Vec<ResourceDefinition>, RequestError>> + Send>>;
type ListFn = dyn Fn(Call) -> ListFuture + Send + Sync;

/// A resource, ready to be registered: made by [`resource`](fn@resource) or [`resource_fn`].
pub struct ResourceEntry {
    pub(crate) template: UriTemplate,
    guarded: Arc<Guarded>,
    name: String,
    about: About,
    arguments: Arc<StringArguments>,
    /// What the resource of these variables touches.
    access: Box<dyn Fn(Variables) -> Access + Send + Sync>,
    read: Box<ReadFn>,
    list: Box<ListFn>,
    complete: CompleteFn,
}

/// Makes a value of a [`Resource`] and its state, to be added to a server that runs already.
///
/// # Errors
///
/// A template that cannot be served, or whose variables are not the fields; the [`Problem`] says why.
pub fn resource<R: Resource<S>, S: Send + Sync + 'static>(state: Arc<S>) -> Result<ResourceEntry, Problem> {
    let (read_state, list_state) = (Arc::clone(&state), Arc::clone(&state));
    let work = Work {
        requires: Access::scopes_of(R::SCOPES.iter().copied()),
        access: Box::new(R::access),
        read: move |variables: R, call: Call| {
            let state = Arc::clone(&read_state);
            async move { variables.read(&state, &call).await }
        },
        list: Box::new(move |call| {
            let state = Arc::clone(&list_state);
            Box::pin(async move { R::list(&state, &call).await })
        }),
        complete: Arc::new(move |completing, call| {
            let state = Arc::clone(&state);
            Box::pin(async move { R::complete(&state, completing, &call).await })
        }),
    };
    entry(R::URI, R::NAME, R::about(About::default()), work)
}

/// A resource made of a function; its argument is the variables of the URI template, [`Empty`](crate::Empty) for a
/// fixed URI.
///
/// ```
/// # use mcp_core::{Contents, Empty, Server, resource_fn};
/// let motd = resource_fn("demo://motd", "motd", async |_: Empty, _| Ok(Contents::text("Be kind.")));
/// let server = Server::new("demo", "1.0.0").add(motd.about(|about| about.description("The message of the day")));
/// ```
pub fn resource_fn<I, F, Fut>(uri: impl Into<String>, name: impl Into<String>, read: F) -> ResourceFn<F, I>
where
    I: Input,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Contents, RequestError>> + Send + 'static,
{
    ResourceFn {
        uri: uri.into(),
        name: name.into(),
        about: About::default(),
        requires: Access::none(),
        access: Box::new(|_| Access::none()),
        read,
    }
}

/// See [`resource_fn`].
pub struct ResourceFn<F, I> {
    uri: String,
    name: String,
    about: About,
    requires: Access,
    access: Box<dyn Fn(&I) -> Access + Send + Sync>,
    read: F,
}

impl<F, I> fmt::Debug for ResourceFn<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceFn").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl<F, I> ResourceFn<F, I> {
    /// Adds a title, a description, a MIME type, icons or `_meta`.
    #[must_use]
    pub fn about(mut self, about: impl FnOnce(About) -> About) -> Self {
        self.about = about(self.about);
        self
    }

    /// Scopes that every reader needs; as [`Resource::SCOPES`].
    #[must_use]
    pub fn scopes<S>(mut self, scopes: S) -> Self
    where
        S: IntoIterator,
        S::Item: Into<Cow<'static, str>>,
    {
        self.requires = Access::scopes_of(scopes);
        self
    }

    /// What a resource touches; as [`Resource::access`].
    #[must_use]
    pub fn access(mut self, access: impl Fn(&I) -> Access + Send + Sync + 'static) -> Self {
        self.access = Box::new(access);
        self
    }

    /// Checks it, and makes a resource of it.
    pub(crate) fn into_resource<Fut>(self) -> Result<ResourceEntry, Problem>
    where
        I: Input,
        F: Fn(I, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Contents, RequestError>> + Send + 'static,
    {
        let work = Work {
            requires: self.requires,
            access: self.access,
            read: self.read,
            list: Box::new(|_| Box::pin(async { Ok(Vec::new()) })),
            complete: Arc::new(|_, _| Box::pin(async { Ok(None) })),
        };
        entry(&self.uri, &self.name, self.about, work)
    }
}

/// What a resource does, and who may have it done.
struct Work<I, F> {
    requires: Access,
    access: Box<dyn Fn(&I) -> Access + Send + Sync>,
    read: F,
    list: Box<ListFn>,
    complete: CompleteFn,
}

/// Puts a resource together, checking everything that can be checked before it is read.
fn entry<I, F, Fut>(uri: &str, name: &str, about: About, work: Work<I, F>) -> Result<ResourceEntry, Problem>
where
    I: Input,
    F: Fn(I, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Contents, RequestError>> + Send + 'static,
{
    let refuse = |why: String| Problem::new(format!("resource `{uri}`"), why);
    let template = UriTemplate::parse(uri).map_err(|error| refuse(error.to_string()))?;
    let arguments = Arc::new(StringArguments::of::<I>().map_err(refuse)?);
    let variables: Vec<_> = template.variables().map(str::to_owned).collect();
    if let Some(name) = arguments.names().iter().find(|name| !variables.contains(name)) {
        return Err(refuse(format!("field `{name}` is no variable of the template")));
    }
    if let Some(name) = variables.iter().find(|name| !arguments.names().contains(name)) {
        return Err(refuse(format!("variable `{name}` is no field of the struct")));
    }
    let (read_arguments, read) = (Arc::clone(&arguments), Arc::new(work.read));
    let (access_arguments, access) =
        (Arc::clone(&arguments), Arc::<dyn Fn(&I) -> Access + Send + Sync>::from(work.access));
    let touches = Arc::clone(&access);
    let guarded = Guarded {
        method: method::RESOURCES_READ,
        name: uri.to_owned(),
        annotations: None,
        tags: about.tags.clone(),
        requires: work.requires.and(about.requires.clone()),
        hidden: HiddenPlaces::NONE,
    };
    Ok(ResourceEntry {
        template,
        guarded: Arc::new(guarded),
        name: name.to_owned(),
        about,
        arguments,
        // Variables that are none of its type name nothing.
        access: Box::new(move |variables| {
            access_arguments
                .read::<I>(variables)
                .map_or_else(|_| Access::none(), |variables| touches(&variables))
        }),
        read: Box::new(move |variables, call| match read_arguments.read::<I>(variables) {
            Ok(variables) => {
                let (access, read) = (access(&variables), Arc::clone(&read));
                Box::pin(async move {
                    // A function may do something before its future is ever polled.
                    let reading = async { read(variables, call.clone()).await };
                    call.guards().around(&call, access, reading).await
                })
            }
            Err(error) => Box::pin(async move { Err(call.guards().refuse(&call, error).into()) }),
        }),
        list: work.list,
        complete: work.complete,
    })
}

impl ResourceEntry {
    /// What is known of it before it is read.
    pub(crate) fn guarded(&self) -> &Arc<Guarded> {
        &self.guarded
    }

    pub(crate) fn guarded_mut(&mut self) -> &mut Guarded {
        Arc::make_mut(&mut self.guarded)
    }

    /// What reading it does.
    pub(crate) fn doing(&self, uri: &str) -> Doing {
        Doing::new(&self.guarded, Some(uri))
    }

    /// What a reader of the resource of these variables needs.
    pub(crate) fn access(&self, variables: Variables) -> Access {
        self.guarded.requires.clone().and((self.access)(variables))
    }

    /// The definition of a fixed resource.
    pub(crate) fn definition(&self) -> ResourceDefinition {
        let about = self.about.clone();
        ResourceDefinition {
            uri: self.template.as_str().to_owned(),
            name: self.name.clone(),
            title: about.title,
            description: about.description.or_else(|| self.arguments.description().map(str::to_owned)),
            mime_type: about.mime_type,
            size: about.size,
            annotations: about.annotations,
            icons: about.icons,
            meta: about.meta,
        }
    }

    /// The definition of a template.
    pub(crate) fn template_definition(&self) -> TemplateDefinition {
        let ResourceDefinition { uri, name, title, description, mime_type, annotations, icons, meta, .. } =
            self.definition();
        TemplateDefinition {
            uri_template: uri,
            name,
            title,
            description,
            mime_type,
            annotations,
            icons,
            meta,
        }
    }

    /// Reads the resource at a URI that matched with these variables.
    pub(crate) async fn read(
        self: Arc<Self>,
        uri: Box<str>,
        variables: Variables,
        call: Call,
    ) -> Result<ReadReply, RequestError> {
        let contents = (self.read)(variables, call.clone()).await?;
        let place = |part| match part {
            Part::Elsewhere(contents) => contents,
            Part::Here { mime_type, body } => ResourceContents {
                uri: uri.to_string(),
                mime_type: mime_type.or_else(|| self.about.mime_type.clone()),
                body,
                meta: None,
            },
        };
        Ok(ReadReply {
            contents: contents.parts.into_iter().map(place).collect(),
            fresh_for: contents.fresh_for,
            public: contents.public && self.is_for_everybody(&uri, &call),
        })
    }

    /// Whether no caller could be refused the resource at this URI: a shared cache asks no policy.
    fn is_for_everybody(&self, uri: &str, call: &Call) -> bool {
        let Some(variables) = self.template.match_uri(uri) else { return false };
        let access = self.access(variables);
        access.is_none() && !call.guards().policy.may_hide(&self.guarded.action(uri, &access))
    }

    /// The resources of the template that exist now.
    pub(crate) fn list(&self, call: Call) -> ListFuture {
        (self.list)(call)
    }

    /// Suggests values for a variable.
    pub(crate) async fn complete(
        self: Arc<Self>,
        completing: Completing,
        call: Call,
    ) -> Result<Completion, RequestError> {
        crate::completion::complete(&self.arguments, &self.complete, completing, call).await
    }
}

impl fmt::Debug for ResourceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceEntry").field("template", &self.template).finish_non_exhaustive()
    }
}
