//! The innermost service: finds what a request asks for and has it done.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use serde::Serialize;
use serde_json::json;
use tower_service::Service;

use crate::{
    access::Access,
    call::Call,
    catalog::{Audience, Catalog, List, Shown, assemble},
    completion::Completing,
    endpoint::Core,
    failure::Failure,
    guards::{Doing, Guarded, Guards},
    hub::{Change, Subscriber},
    policy::Denied,
    protocol::{
        definition::ResourceDefinition,
        error::{RpcError, shorten},
        id::RequestId,
        meta::key,
        method,
        notification::notification,
        params::{Reference, SubscriptionFilter},
        shape::{self, Kind},
    },
    questions::{RoundEnd, Subject},
    request::{Operation, Outcome, Reply, Request},
    request_error::RequestError,
    resource::ResourceEntry,
    rings::OfCall,
    tool::{CallFuture, ToolReply},
    tool_error::ToolError,
};

/// Serves requests from the catalog that is current when they come.
///
/// It takes the core from the request: the core holds the ring that this is the end of, and would otherwise hold
/// itself, and with it the state of every tool, for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Router;

impl Router {
    fn route(request: Request) -> Result<Routed, RpcError> {
        let Request { operation, call } = request;
        call.principal().check_valid()?;
        let core = Core::of(&call);
        let catalog = core.catalog();
        if let Some(what) = missing_capability(&catalog, &operation) {
            return Err(RpcError::method_not_found(operation.method())
                .with_data(json!(format!("this server has no {what}"))));
        }
        Ok(match operation {
            Operation::CallTool { name, arguments } => {
                let noting = |guards: &Guards, doing| Some(guards.noting(doing, &arguments));
                let tool = found(catalog.tool(&name), &call, method::TOOLS_CALL, &name, noting)?;
                let doing = call.guards().noting(tool.doing(), &arguments);
                admit(&call, doing, &tool.guarded().requires)?;
                tool.check_headers(&arguments, &call)?;
                let arguments = tool.without_injected(arguments, &core.settings.injected_arguments);
                call.take_up(|| Subject::Tool { name, arguments: arguments.clone() })?;
                Routed::Tool { work: tool.call(arguments, call.clone()), call }
            }
            Operation::List { list, cursor } => list_page(catalog, list, cursor.as_deref(), call)?,
            Operation::Discover => Routed::ready(Reply::Ready(core.discovery())),
            Operation::ReadResource { uri } => {
                let (resource, variables) =
                    found(catalog.resource(&uri), &call, method::RESOURCES_READ, &uri, |_, doing| {
                        Some(doing)
                    })?;
                // Its URI says all that there is to decide by.
                admit(&call, resource.doing(&uri), &resource.access(variables.clone()))?;
                call.take_up(|| Subject::Resource { uri: uri.clone() })?;
                let reading = Arc::clone(resource).read(uri.clone(), variables, call.clone());
                let reader = call.clone();
                Routed::later(call, async move {
                    reading.await.map(Reply::Resource).map_err(|error| failed(&reader, error, &uri))
                })
            }
            Operation::GetPrompt { name, arguments } => {
                let noting = |guards: &Guards, doing| Some(guards.noting_texts(doing, &arguments));
                let prompt = found(catalog.prompt(&name), &call, method::PROMPTS_GET, &name, noting)?;
                let doing = call.guards().noting_texts(prompt.doing(), &arguments);
                admit(&call, doing, &prompt.guarded().requires)?;
                call.take_up(|| Subject::Prompt { name: name.clone(), arguments: arguments.clone() })?;
                let getting = prompt.get(arguments, call.clone());
                let getter = call.clone();
                Routed::later(call, async move {
                    getting.await.map(Reply::Prompt).map_err(|error| failed(&getter, error, &name))
                })
            }
            Operation::Complete { reference, completing } => complete(&catalog, reference, completing, call)?,
            Operation::Listen { filter } => {
                let listening = call.clone();
                Routed::later(call, async move { listen(&core, filter, &listening).await })
            }
        })
    }
}

impl Service<Request> for Router {
    type Response = Outcome;
    type Error = Infallible;
    type Future = Routed;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Routed {
        Self::route(request).unwrap_or_else(|error| Routed::Ready(Some(Outcome::error(error))))
    }
}

/// What the router does for a request: nothing further, a tool, or something else that waits.
pub(crate) enum Routed {
    Ready(Option<Outcome>),
    Tool { work: CallFuture, call: Call },
    Later { work: Pin<Box<dyn Future<Output = Outcome> + Send>>, call: Call },
}

impl Routed {
    fn ready(reply: Reply) -> Self {
        Self::Ready(Some(Outcome::complete(reply)))
    }

    fn later(call: Call, work: impl Future<Output = Result<Reply, RpcError>> + Send + 'static) -> Self {
        Self::Later { work: Box::pin(async move { work.await.into() }), call }
    }
}

impl OfCall for Routed {
    fn call(&self) -> Option<&Call> {
        match self {
            Self::Ready(_) => None,
            Self::Tool { call, .. } | Self::Later { call, .. } => Some(call),
        }
    }
}

impl Future for Routed {
    type Output = Result<Outcome, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let is_tool = matches!(&*self, Self::Tool { .. });
        let (polled, call) = match &mut *self {
            // Polled again after it was done, which no executor does: pending for ever harms nobody.
            Self::Ready(outcome) => {
                return outcome.take().map_or(Poll::Pending, |outcome| Poll::Ready(Ok(outcome)));
            }
            Self::Later { work, call } => (work.as_mut().poll(cx), call),
            Self::Tool { work, call } => (work.as_mut().poll(cx).map(|result| settled(call, result)), call),
        };
        match polled {
            Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
            // It waits, be it for an answer that only a further request can bring.
            Poll::Pending => call.poll_round_end(cx).map(|end| {
                Ok(match end {
                    RoundEnd::Asks(questions) => Outcome::input_required(questions),
                    RoundEnd::Failed(Failure::Rpc(error)) => Outcome::error(error),
                    RoundEnd::Failed(Failure::Tool(error)) if is_tool => settled(call, Err(error)),
                    // A resource or a prompt has no other way to fail.
                    RoundEnd::Failed(Failure::Tool(error)) => Outcome::error(failed(call, error.into(), "")),
                })
            }),
        }
    }
}

/// What comes of a tool: its answer, an error of the same form, or one of the protocol.
fn settled(call: &Call, result: Result<ToolReply, ToolError>) -> Outcome {
    let reply = match result {
        Ok(reply) => reply.checked(),
        Err(mut error) => match error.take_denial() {
            Some(denied) => return Outcome::error(refused(call, denied)),
            None => error.into(),
        },
    };
    Outcome::complete(Reply::Tool(reply))
}

/// Why a resource could not be read, or a prompt not be filled in; `subject` is its URI or name.
fn failed(call: &Call, mut error: RequestError, subject: &str) -> RpcError {
    match error.take_denial() {
        Some(denied) => refused(call, denied),
        None => error.into_rpc(subject),
    }
}

/// What a caller is told who may not do what the call does.
fn refused(call: &Call, denied: Denied) -> RpcError {
    denied.into_rpc(|| match call.doing() {
        Some(doing) => unknown(call, doing.guarded.method, doing.name()),
        // A list or a completion, of which each says itself what is not there.
        None => RpcError::invalid_params("There is no such thing"),
    })
}

/// What a name stands for; an error as for one that stands for nothing.
fn found<T>(
    found: Option<T>,
    call: &Call,
    method: &'static str,
    name: &str,
    noting: impl FnOnce(&Guards, Doing) -> Option<Doing>,
) -> Result<T, RpcError> {
    found.ok_or_else(|| match call.guards().ask_in_vain(call, method, name, noting) {
        Ok(()) => unknown(call, method, name),
        Err(denied) => denied.into_rpc(|| unknown(call, method, name)),
    })
}

/// Takes note of what a call does, and has the policy decide by what is known of it.
fn admit(call: &Call, doing: Doing, access: &Access) -> Result<(), RpcError> {
    let doing = call.does(doing);
    let admitted = call.guards().admit(call, doing, access);
    if admitted.as_ref().map_or_else(|denied| !denied.is_hidden() && !denied.is_unauthorized(), |()| true) {
        doing.make_known();
    }
    admitted.map_err(|denied| refused(call, denied))
}

/// Has the policy decide whether the caller may know of something, by what everybody needs for it.
fn shows(call: &Call, guarded: &Guarded) -> Result<(), Denied> {
    call.guards().shows(call.principal(), &guarded.action(&guarded.name, &guarded.requires))
}

/// Which items of a list the caller may know of; `None` for all of them. What only a scope keeps from them is no secret.
fn shown(catalog: &Catalog, list: List, call: &Call) -> Option<Shown> {
    let is_hidden = |denied: Denied| denied.is_hidden();
    catalog.shown(list, |action| !call.guards().shows(call.principal(), action).is_err_and(is_hidden))
}

/// What the server would need to have for this operation.
fn missing_capability(catalog: &Catalog, operation: &Operation) -> Option<&'static str> {
    let capabilities = &catalog.capabilities;
    match operation {
        Operation::List { list: List::Prompts, .. } | Operation::GetPrompt { .. } => {
            capabilities.prompts.is_none().then_some("prompts")
        }
        Operation::List { list: List::Resources | List::Templates, .. } | Operation::ReadResource { .. } => {
            capabilities.resources.is_none().then_some("resources")
        }
        Operation::Complete { .. } => capabilities.completions.is_none().then_some("completions"),
        _ => None,
    }
}

/// The error for a name that stands for nothing, or for nothing that the caller may know of: the two are the same.
fn unknown(call: &Call, method: &'static str, name: &str) -> RpcError {
    match method {
        method::TOOLS_CALL => unknown_tool(&Core::of(call).catalog(), call, name),
        method::PROMPTS_GET => RpcError::invalid_params(format!("Unknown prompt: {}", shorten(name))),
        _ => RpcError::resource_not_found(name),
    }
}

fn unknown_tool(catalog: &Catalog, call: &Call, name: &str) -> RpcError {
    let shown = shown(catalog, List::Tools, call);
    let near = crate::schema::nearest(name, catalog.tool_names(shown.as_ref()));
    let hint = near.map(|near| format!("; did you mean {near}?"));
    RpcError::invalid_params(format!("Unknown tool: {}{}", shorten(name), hint.unwrap_or_default()))
}

/// A page of a list: ready, unless templates have resources of their own to add.
fn list_page(
    catalog: Arc<Catalog>,
    list: List,
    cursor: Option<&str>,
    call: Call,
) -> Result<Routed, RpcError> {
    let invalid = || RpcError::invalid_params("Invalid cursor; begin again without one");
    if list == List::Resources && catalog.has_templates() {
        let after =
            cursor.map(|cursor| crate::catalog::decode_cursor(cursor).ok_or_else(invalid)).transpose()?;
        let listing = call.clone();
        return Ok(Routed::later(call, async move { list_resources(&catalog, after, listing).await }));
    }
    let shown = shown(&catalog, list, &call);
    let page = catalog.pages(list, call.revision(), shown.as_ref()).page(cursor).ok_or_else(invalid)?;
    Ok(Routed::ready(Reply::Ready(page)))
}

/// The fixed resources and those that templates list, in one order.
async fn list_resources(catalog: &Catalog, after: Option<String>, call: Call) -> Result<Reply, RpcError> {
    /// Where a resource that is found comes from, by which those of two sources stand in order.
    #[derive(PartialEq)]
    enum Source {
        Registry,
        Template,
    }

    let settings = catalog.page_settings();
    let shown = shown(catalog, List::Resources, &call);
    let mut found: Vec<_> =
        catalog.fixed_resources(shown.as_ref()).map(|resource| (resource, Source::Registry)).collect();
    // What a caller may not read is not named either.
    let is_shown = |template: &&Arc<ResourceEntry>| shows(&call, template.guarded()).is_ok();
    for template in catalog.templates().filter(is_shown) {
        match template.list(call.clone()).await {
            Ok(listed) => found.extend(listed.into_iter().map(|resource| (resource, Source::Template))),
            Err(mut error) => match error.take_denial() {
                // Nor does it keep from the caller what they may read of others.
                Some(denied) if !denied.is_unauthorized() => {}
                Some(denied) => return Err(refused(&call, denied)),
                None => return Err(error.into_rpc(template.template.as_str())),
            },
        }
    }
    // A stable sort: a fixed resource stands before what a template lists under the same URI.
    found.sort_by(|(a, _), (b, _)| a.uri.cmp(&b.uri));
    found.dedup_by(|(a, _), (b, _)| a.uri == b.uri);
    let start = after.map_or(0, |after| found.partition_point(|(resource, _)| resource.uri <= after));
    let core = Core::of(&call);
    let is_readable = |(resource, source): &&(ResourceDefinition, Source)| {
        *source == Source::Registry || core.tells_of(&resource.uri, call.principal()).is_ok()
    };
    // One more than the page holds says whether there is another.
    let mut rest = found[start..].iter().filter(is_readable).map(|(resource, _)| resource);
    let page: Vec<_> = rest.by_ref().take(settings.size).collect();
    let next = page.last().filter(|_| rest.next().is_some()).map(|last| last.uri.as_str());
    let items: Vec<_> =
        page.iter().map(|resource| shape::definition(*resource, Kind::Resource, call.revision())).collect();
    let items = items.iter().map(Vec::as_slice);
    let page = assemble(List::Resources, call.revision(), items, next, settings, Audience::Caller);
    Ok(Reply::Ready(page.into()))
}

/// Finds what an argument belongs to and has it completed.
fn complete(
    catalog: &Catalog,
    reference: Reference,
    completing: Completing,
    call: Call,
) -> Result<Routed, RpcError> {
    type Completed = Result<crate::Completion, RequestError>;

    let (method, subject, work): (_, _, Pin<Box<dyn Future<Output = Completed> + Send>>) = match reference {
        Reference::Prompt { name } => {
            let method = method::PROMPTS_GET;
            let prompt = Arc::clone(found(catalog.prompt(&name), &call, method, &name, |_, _| None)?);
            shows(&call, prompt.guarded())
                .map_err(|denied| denied.into_rpc(|| unknown(&call, method, &name)))?;
            (method, name, Box::pin(prompt.complete(completing, call.clone())))
        }
        Reference::Resource { uri } => {
            let method = method::RESOURCES_READ;
            let template = Arc::clone(found(catalog.template(&uri), &call, method, &uri, |_, _| None)?);
            shows(&call, template.guarded())
                .map_err(|denied| denied.into_rpc(|| unknown(&call, method, &uri)))?;
            (method, uri, Box::pin(template.complete(completing, call.clone())))
        }
    };
    let completer = call.clone();
    Ok(Routed::later(call, async move {
        work.await.map(Reply::Completion).map_err(|mut error| match error.take_denial() {
            Some(denied) => denied.into_rpc(|| unknown(&completer, method, &subject)),
            None => error.into_rpc(&subject),
        })
    }))
}

/// Tells the client of changes until it has heard enough or the connection is about to close.
async fn listen(core: &Arc<Core>, mut filter: SubscriptionFilter, call: &Call) -> Result<Reply, RpcError> {
    let limits = &core.settings.limits;
    limits.check_subscribed(filter.resource_subscriptions.iter().map(String::as_str))?;
    // What is acknowledged is what will be told: nothing of kinds that the server does not have.
    let capabilities = core.catalog().capabilities.clone();
    filter.prompts_list_changed &= capabilities.prompts.is_some();
    filter.resources_list_changed &= capabilities.resources.is_some();
    if capabilities.resources.is_none() {
        filter.resource_subscriptions.clear();
    }
    // What is not there may come yet, and so may what is hidden: until then nothing is told of either.
    let may_come = |denied: Denied| denied.is_hidden();
    filter
        .resource_subscriptions
        .retain(|uri| core.offers(uri, call.principal()).map_or_else(may_come, |()| true));
    let subscriber = core.hub.subscribe_stream(filter.clone(), limits.subscriptions).ok_or_else(|| {
        RpcError::overloaded(format!("{} subscriptions are open already", limits.subscriptions))
    })?;

    let id = call.id();
    let acknowledged = Params { meta: Meta { id }, notifications: Some(&filter), uri: None };
    call.outbox().send(notification(method::ACKNOWLEDGED, &acknowledged)).await;
    let telling = tell(core, &subscriber, call);
    tokio::select! {
        never = telling => match never {},
        () = call.closing().raised() => {}
        // Whoever opened it may hear nothing more.
        () = call.principal().ended() => {}
    }
    Ok(Reply::Ended)
}

/// Tells of changes for as long as it is polled.
async fn tell(core: &Core, subscriber: &Subscriber, call: &Call) -> Infallible {
    let id = call.id();
    loop {
        for change in subscriber.changes().await {
            let method = change.method();
            let uri = match &change {
                // What was granted may have changed, and so may what there is.
                Change::Updated(uri) if core.tells_of(uri, call.principal()).is_err() => continue,
                Change::Updated(uri) => Some(uri.as_str()),
                _ => None,
            };
            let params = Params { meta: Meta { id }, notifications: None, uri };
            call.outbox().send(notification(method, &params)).await;
        }
    }
}

/// The parameters of a notification on a subscription.
#[derive(Serialize)]
struct Params<'a> {
    #[serde(rename = "_meta")]
    meta: Meta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notifications: Option<&'a SubscriptionFilter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<&'a str>,
}

struct Meta<'a> {
    id: &'a RequestId,
}

impl Serialize for Meta<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(key::SUBSCRIPTION_ID, self.id)])
    }
}
