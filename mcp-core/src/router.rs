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
    call::Call,
    catalog::{Audience, Catalog, List, assemble},
    completion::Completing,
    endpoint::Core,
    failure::Failure,
    guards::Doing,
    hub::Change,
    policy::Denied,
    protocol::{
        error::RpcError,
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
        let core = Core::of(&call);
        let catalog = core.catalog();
        if let Some(what) = missing_capability(&catalog, &operation) {
            return Err(RpcError::method_not_found(operation.method())
                .with_data(json!(format!("this server has no {what}"))));
        }
        Ok(match operation {
            Operation::CallTool { name, arguments } => {
                let tool = catalog.tool(&name).ok_or_else(|| unknown_tool(&catalog, &name))?;
                admit(&call, call.guards().noting(tool.doing(), &arguments))?;
                tool.check_headers(&arguments, &call)?;
                let arguments = tool.without_injected(arguments, &core.settings.injected_arguments);
                call.take_up(|| Subject::Tool { name, arguments: arguments.clone() })?;
                Routed::Tool { work: tool.call(arguments, call.clone()), call }
            }
            Operation::List { list, cursor } => list_page(catalog, list, cursor.as_deref(), call)?,
            Operation::Discover => Routed::ready(Reply::Ready(core.discovery())),
            Operation::ReadResource { uri } => {
                let (resource, variables) =
                    catalog.resource(&uri).ok_or_else(|| RpcError::resource_not_found(&uri))?;
                admit(&call, resource.doing(&uri))?;
                call.take_up(|| Subject::Resource { uri: uri.clone() })?;
                let reading = Arc::clone(resource).read(uri.clone(), variables, call.clone());
                Routed::later(call, async move {
                    reading.await.map(Reply::Resource).map_err(|error| error.into_rpc(&uri))
                })
            }
            Operation::GetPrompt { name, arguments } => {
                let prompt = catalog.prompt(&name).ok_or_else(|| unknown_prompt(&name))?;
                admit(&call, call.guards().noting_texts(prompt.doing(), &arguments))?;
                call.take_up(|| Subject::Prompt { name: name.clone(), arguments: arguments.clone() })?;
                let getting = prompt.get(arguments, call.clone());
                Routed::later(call, async move {
                    getting.await.map(Reply::Prompt).map_err(|error| error.into_rpc(&name))
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
            Self::Tool { work, call } => (work.as_mut().poll(cx).map(settled), call),
        };
        match polled {
            Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
            // It waits, be it for an answer that only a further request can bring.
            Poll::Pending => call.poll_round_end(cx).map(|end| {
                Ok(match end {
                    RoundEnd::Asks(questions) => Outcome::input_required(questions),
                    RoundEnd::Failed(Failure::Rpc(error)) => Outcome::error(error),
                    RoundEnd::Failed(Failure::Tool(error)) if is_tool => settled(Err(error)),
                    // A resource or a prompt has no other way to fail.
                    RoundEnd::Failed(Failure::Tool(error)) => {
                        Outcome::error(RequestError::from(error).into_rpc(""))
                    }
                })
            }),
        }
    }
}

/// What comes of a tool: its answer, an error of the same form, or one of the protocol.
fn settled(result: Result<ToolReply, ToolError>) -> Outcome {
    let reply = match result {
        Ok(reply) => reply.checked(),
        Err(mut error) => match error.take_denial() {
            Some(denial) => return Outcome::error(denial),
            None => error.into(),
        },
    };
    Outcome::complete(Reply::Tool(reply))
}

/// Takes note of what a call does, and has the policy decide by what is known of it.
fn admit(call: &Call, doing: Doing) -> Result<(), RpcError> {
    let doing = call.does(doing);
    call.guards().admit(call, doing).map_err(Denied::into_rpc)
}

/// Has the policy decide whether the caller may know of something, by what everybody needs for it.
fn shows(call: &Call, doing: &Doing) -> Result<(), RpcError> {
    let action = doing.action(&doing.guarded.requires);
    call.guards().shows(call.principal(), &action).map_err(Denied::into_rpc)
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

fn unknown_tool(catalog: &Catalog, name: &str) -> RpcError {
    let hint =
        crate::schema::nearest(name, catalog.tool_names()).map(|near| format!("; did you mean {near}?"));
    RpcError::invalid_params(format!(
        "Unknown tool: {}{}",
        crate::protocol::error::shorten(name),
        hint.unwrap_or_default()
    ))
}

fn unknown_prompt(name: &str) -> RpcError {
    RpcError::invalid_params(format!("Unknown prompt: {}", crate::protocol::error::shorten(name)))
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
    let page = catalog.pages(list, call.revision()).page(cursor).ok_or_else(invalid)?;
    Ok(Routed::ready(Reply::Ready(page)))
}

/// The fixed resources and those that templates list, in one order.
async fn list_resources(catalog: &Catalog, after: Option<String>, call: Call) -> Result<Reply, RpcError> {
    let pages = catalog.pages(List::Resources, call.revision());
    let settings = pages.settings();
    let mut found: Vec<_> = catalog.fixed_resources().collect();
    // What a caller may not read is not named either.
    let is_shown =
        |template: &&Arc<ResourceEntry>| shows(&call, &template.doing(template.template.as_str())).is_ok();
    for template in catalog.templates().filter(is_shown) {
        match template.list(call.clone()).await {
            Ok(listed) => found.extend(listed),
            // Nor does it keep from the caller what they may read of others.
            Err(error) if error.is_denial() => {}
            Err(error) => return Err(error.into_rpc(template.template.as_str())),
        }
    }
    // A stable sort: a fixed resource stands before what a template lists under the same URI.
    found.sort_by(|a, b| a.uri.cmp(&b.uri));
    found.dedup_by(|a, b| a.uri == b.uri);
    let start = after.map_or(0, |after| found.partition_point(|resource| resource.uri <= after));
    let rest = &found[start..];
    let page = &rest[..rest.len().min(settings.size)];
    let next = (page.len() < rest.len()).then(|| page.last().map(|last| last.uri.as_str())).flatten();
    let items: Vec<_> =
        page.iter().map(|resource| shape::definition(resource, Kind::Resource, call.revision())).collect();
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

    let (subject, work): (_, Pin<Box<dyn Future<Output = Completed> + Send>>) = match reference {
        Reference::Prompt { name } => {
            let prompt = Arc::clone(catalog.prompt(&name).ok_or_else(|| unknown_prompt(&name))?);
            shows(&call, &prompt.doing())?;
            (name, Box::pin(prompt.complete(completing, call.clone())))
        }
        Reference::Resource { uri } => {
            let template = catalog.template(&uri).ok_or_else(|| RpcError::resource_not_found(&uri))?;
            shows(&call, &template.doing(&uri))?;
            (uri, Box::pin(Arc::clone(template).complete(completing, call.clone())))
        }
    };
    Ok(Routed::later(call, async move {
        work.await.map(Reply::Completion).map_err(|error| error.into_rpc(&subject))
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
    filter.resource_subscriptions.retain(|uri| core.tells_of(uri, call.principal()).is_ok());
    let subscriber = core.hub.subscribe_stream(filter.clone(), limits.subscriptions).ok_or_else(|| {
        RpcError::overloaded(format!("{} subscriptions are open already", limits.subscriptions))
    })?;

    let id = call.id();
    let acknowledged = Params { meta: Meta { id }, notifications: Some(&filter), uri: None };
    call.outbox().send(notification(method::ACKNOWLEDGED, &acknowledged)).await;
    loop {
        let changes = tokio::select! {
            changes = subscriber.changes() => changes,
            () = call.closing().raised() => return Ok(Reply::Ended),
        };
        for change in changes {
            let method = change.method();
            let uri = match &change {
                // What was granted may have changed, and so may what there is.
                Change::Updated(uri) if core.tells_of(uri, call.principal()).is_err() => continue,
                Change::Updated(uri) => Some(uri.as_str()),
                _ => None,
            };
            let params = Params { meta: Meta { id }, notifications: None, uri };
            tokio::select! {
                () = call.outbox().send(notification(method, &params)) => {}
                () = call.closing().raised() => return Ok(Reply::Ended),
            }
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
