//! A client in memory that speaks either era, so that a tool is tested as it is called: by name, with JSON, through
//! everything that stands between the wire and its code.
//!
//! ```
//! # use mcp_core::{Annotations, Server, Text, testing::Client, tool_fn};
//! # use serde_json::json;
//! # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Greet { name: String }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let server = Server::new("demo", "1.0.0")
//!     .add(tool_fn("greet", Annotations::read_only(), async |q: Greet, _| Ok(Text(format!("Hello, {}!", q.name)))));
//! let client = Client::new(server).await;
//! assert_eq!(client.call("greet", json!({"name": "Ada"})).await.text(), "Hello, Ada!");
//! assert!(client.call("greet", json!({"nam": "Ada"})).await.text().contains("did you mean `name`?"));
//! # }
//! ```
//!
//! Mistakes of a test, such as a server that cannot be built, panic with the reason.

mod link;
mod options;
mod reply;

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use serde_json::{Value, json};

use self::link::Link;
pub use self::{
    options::{Asked, Options, Reaction},
    reply::{CallReply, RequestReply},
};
use crate::{Revision, protocol::meta::key, protocol::method, server::IntoEndpoint};

/// A client that answers every question would otherwise go on for ever where a server asks for ever.
const MOST_ROUNDS: usize = 32;

/// A client of a server in the same process; cheap to clone, and good for many requests at once.
#[derive(Clone, Debug)]
pub struct Client {
    link: Arc<Link>,
    options: Arc<Options>,
    next_id: Arc<AtomicI64>,
}

impl Client {
    /// A client of the newest revision.
    ///
    /// # Panics
    ///
    /// If the server cannot be built.
    pub async fn new(server: impl IntoEndpoint) -> Self {
        Self::with(server, Options::new()).await
    }

    /// A client of this revision, with every other default.
    ///
    /// # Panics
    ///
    /// If the server cannot be built, or refuses the session.
    pub async fn with_revision(server: impl IntoEndpoint, revision: Revision) -> Self {
        Self::with(server, Options::new().revision(revision)).await
    }

    /// A client that presents itself so; one of a revision with a handshake opens its session at once.
    ///
    /// # Panics
    ///
    /// If the server cannot be built, or refuses the session.
    pub async fn with(server: impl IntoEndpoint, options: Options) -> Self {
        let endpoint = server.into_endpoint().unwrap_or_else(|error| panic!("{error}"));
        let client = Self {
            link: Link::open(&endpoint, &options),
            options: Arc::new(options),
            next_id: Arc::new(AtomicI64::new(1)),
        };
        let revision = client.options.revision;
        if !revision.is_modern() {
            let params = json!({
                "protocolVersion": revision.as_str(),
                "capabilities": client.options.capabilities,
                "clientInfo": {"name": "testing", "version": "0"},
            });
            let reply = client.request(method::INITIALIZE, params).await;
            assert_eq!(reply.result()["protocolVersion"], revision.as_str());
            client.notify(method::INITIALIZED, json!({}));
        }
        client
    }

    /// Calls a tool.
    pub async fn call(&self, name: &str, arguments: Value) -> CallReply {
        self.request(method::TOOLS_CALL, json!({"name": name, "arguments": arguments})).await.into()
    }

    /// All tools, over all pages, as `tools/list` shows them.
    pub async fn list_tools(&self) -> Vec<Value> {
        self.list(method::TOOLS_LIST, "tools").await
    }

    /// All resources, over all pages.
    pub async fn list_resources(&self) -> Vec<Value> {
        self.list(method::RESOURCES_LIST, "resources").await
    }

    /// All resource templates, over all pages.
    pub async fn list_templates(&self) -> Vec<Value> {
        self.list(method::TEMPLATES_LIST, "resourceTemplates").await
    }

    /// All prompts, over all pages.
    pub async fn list_prompts(&self) -> Vec<Value> {
        self.list(method::PROMPTS_LIST, "prompts").await
    }

    /// Reads a resource.
    pub async fn read(&self, uri: &str) -> RequestReply {
        self.request(method::RESOURCES_READ, json!({ "uri": uri })).await
    }

    /// Fills in a prompt.
    pub async fn prompt(&self, name: &str, arguments: Value) -> RequestReply {
        self.request(method::PROMPTS_GET, json!({"name": name, "arguments": arguments})).await
    }

    /// Suggestions for an argument of a prompt.
    pub async fn complete_prompt(&self, name: &str, argument: &str, value: &str) -> Vec<String> {
        self.complete(json!({"type": "ref/prompt", "name": name}), argument, value).await
    }

    /// Suggestions for a variable of a resource template.
    pub async fn complete_resource(&self, template: &str, variable: &str, value: &str) -> Vec<String> {
        self.complete(json!({"type": "ref/resource", "uri": template}), variable, value).await
    }

    /// Sends any request and waits for its answer. Questions are answered as [`Options::answering`] says.
    ///
    /// # Panics
    ///
    /// If the server asks without end, or the connection ends.
    pub async fn request(&self, method: &str, mut params: Value) -> RequestReply {
        let mut notifications = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let mut reply = self.start(method, params.clone()).answer().await;
            let responses = self.options.answering.as_ref().and_then(|answer| reply.answers(answer));
            notifications.append(reply.notifications_mut());
            match responses {
                Some(responses) => {
                    params["inputResponses"] = responses;
                    params["requestState"] = json!(reply.state());
                }
                None => {
                    *reply.notifications_mut() = notifications;
                    return reply;
                }
            }
        }
        panic!("the server asks without end");
    }

    /// Sends any request; its answer and notifications are read from what comes back.
    pub fn start(&self, method: &str, mut params: Value) -> Pending {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        params["_meta"]["progressToken"] = json!(id);
        if self.options.revision.is_modern() {
            let meta = &mut params["_meta"];
            meta[key::PROTOCOL_VERSION] = json!(self.options.revision.as_str());
            meta[key::CLIENT_CAPABILITIES] = self.options.capabilities.clone();
        }
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let mailbox = self.link.expect(&json!(id));
        self.link.send(message.to_string());
        Pending { id, mailbox, link: Arc::clone(&self.link) }
    }

    /// Sends a notification.
    pub fn notify(&self, method: &str, params: Value) {
        self.link.send(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
    }

    /// Sends a message as it is, such as the answer to a question that was left open.
    pub fn send(&self, message: Value) {
        self.link.send(message.to_string());
    }

    /// The next message that belongs to no request of this client's: changes of lists and resources in a handshake
    /// session, and questions of the server's that were left open.
    pub async fn notification(&self) -> Value {
        self.link.stray().await
    }

    /// Every message so far in the order of its travel: true for those that the client sent.
    pub fn transcript(&self) -> Vec<(bool, Value)> {
        self.link.transcript()
    }

    async fn list(&self, method: &str, member: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut params = json!({});
        loop {
            let reply = self.request(method, params).await;
            let page = reply.result();
            items.extend(page[member].as_array().into_iter().flatten().cloned());
            match page.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => return items,
            }
        }
    }

    async fn complete(&self, reference: Value, argument: &str, value: &str) -> Vec<String> {
        let params = json!({"ref": reference, "argument": {"name": argument, "value": value}});
        let reply = self.request(method::COMPLETE, params).await;
        let values = reply.result()["completion"]["values"].as_array().cloned().unwrap_or_default();
        values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// A request under way.
#[derive(Debug)]
pub struct Pending {
    id: i64,
    mailbox: link::Mailbox,
    link: Arc<Link>,
}

impl Pending {
    /// The next notification of the request: progress, a log message, or a change on a subscription; `None` once
    /// the answer is there.
    pub async fn notification(&mut self) -> Option<Value> {
        self.mailbox.notification().await
    }

    /// Waits for the answer.
    pub async fn answer(mut self) -> RequestReply {
        let mut notifications = Vec::new();
        while let Some(notification) = self.mailbox.notification().await {
            notifications.push(notification);
        }
        RequestReply::new(self.mailbox.answer(), notifications)
    }

    /// Gives up on the request and says so to the server; waits until what it did has been dropped, and with it undone.
    pub async fn cancel(self) {
        let params = json!({"requestId": self.id});
        let message = json!({"jsonrpc": "2.0", "method": method::CANCELLED, "params": params});
        self.link.cancel(self.id, &message).await;
    }
}

impl IntoFuture for Pending {
    type Output = RequestReply;
    type IntoFuture = Pin<Box<dyn Future<Output = RequestReply> + Send>>;

    /// The same as [`answer`](Self::answer).
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.answer())
    }
}
