//! What surrounds one request: who asks, what they can do, and how to reach them while it runs.

use std::{
    any::Any,
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use serde::Serialize;

use crate::{
    caller::Caller,
    guards::{Doing, Guards},
    outbox::Outbox,
    principal::Principal,
    protocol::{
        capabilities::ClientCapabilities,
        definition::Implementation,
        error::RpcError,
        id::{ProgressToken, RequestId},
        level::LogLevel,
        meta::{TraceContext, WireMeta},
        method,
        notification::notification,
        revision::Revision,
        shape::Kind,
    },
    questions::{Arrived, Asking, ClientLink, Desk, RoundEnd, Subject},
    signal::{Flag, Signal},
    transport_kind::TransportKind,
};

/// One request as its tool, resource or prompt sees it; cheap to clone, and good for as long as the request runs.
#[derive(Clone)]
pub struct Call(Arc<Inner>);

/// What an era adapter knows of a request.
#[derive(Debug)]
pub(crate) struct CallParts {
    pub(crate) id: RequestId,
    pub(crate) revision: Revision,
    pub(crate) transport: TransportKind,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) principal: Principal,
    pub(crate) client: ClientFacts,
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) progress_token: Option<ProgressToken>,
    pub(crate) trace: Option<Box<TraceContext>>,
    pub(crate) header_params: HeaderParams,
    pub(crate) outbox: Arc<Outbox>,
    /// Raised when the way to the client is about to close.
    pub(crate) closing: Signal,
    /// Whether the method is one that may ask the client something.
    pub(crate) may_ask: bool,
    /// What was brought along from an earlier round of questions.
    pub(crate) arrived: Option<Box<Arrived>>,
    /// The way of questions to the client of a session.
    pub(crate) link: Option<Arc<ClientLink>>,
    /// The server that answers.
    pub(crate) server: Arc<dyn Host>,
}

/// The server that answers a call, of a type that this file does not know, since the server knows this one.
pub(crate) trait Host: Any + fmt::Debug + Send + Sync {
    /// Where questions are prepared.
    fn desk(&self) -> &Desk;

    /// What guards a call once its arguments are known.
    fn guards(&self) -> &Guards;

    /// Whether a caller may know that there is a tool of this name; what is found out is the same work for any name.
    fn shows_tool(&self, principal: &Principal, name: &str) -> bool;
}

/// What is known of the client.
#[derive(Debug)]
pub(crate) enum ClientFacts {
    /// What it said in this very request.
    Said(Box<WireMeta>),
    /// What it said when it opened its session.
    Kept(Arc<KnownClient>),
}

/// The client of a session.
#[derive(Debug, PartialEq)]
pub(crate) struct KnownClient {
    pub(crate) info: Box<Implementation>,
    pub(crate) capabilities: Box<ClientCapabilities>,
}

/// The `Mcp-Param-*` headers of a request: `None` where the transport has no headers; names are lower case and
/// without the prefix.
pub(crate) type HeaderParams = Option<Vec<(String, Vec<u8>)>>;

struct Inner {
    parts: CallParts,
    /// Held while a report is queued, so that reports of several threads go out in order and none after the answer.
    reports: Mutex<Reports>,
    /// What it does, once that is found.
    doing: OnceLock<Doing>,
    asking: Asking,
    cancelled: Flag,
    /// Of whose share it counts against, once that was asked for; 0 before.
    caller_hash: AtomicU64,
}

struct Reports {
    /// The last reported progress, which must only grow.
    progress: f64,
    /// Nothing more is said: the answer is there.
    is_over: bool,
}

impl Call {
    pub(crate) fn new(parts: CallParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            reports: Mutex::new(Reports { progress: f64::NEG_INFINITY, is_over: false }),
            doing: OnceLock::new(),
            asking: Asking::default(),
            cancelled: Flag::default(),
            caller_hash: AtomicU64::new(0),
        }))
    }

    /// On whose behalf the request is made.
    pub fn principal(&self) -> &Principal {
        &self.0.parts.principal
    }

    /// The hash of whose share of the server's limits it counts against, under the keys of that server.
    pub(crate) fn caller_hash(&self, keys: &RandomState) -> u64 {
        let known = self.0.caller_hash.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let hash = keys.hash_one(Caller::of(self.principal(), self.peer()));
        self.0.caller_hash.store(hash, Ordering::Relaxed);
        hash
    }

    /// The id that the client gave the request.
    pub fn id(&self) -> &RequestId {
        &self.0.parts.id
    }

    /// The revision of the protocol that the client speaks. For telemetry: behaviour should not depend on it.
    pub fn revision(&self) -> Revision {
        self.0.parts.revision
    }

    /// The client's name and version, as it says itself.
    pub fn client(&self) -> Option<&Implementation> {
        match &self.0.parts.client {
            ClientFacts::Said(meta) => meta.client_info.as_deref(),
            ClientFacts::Kept(client) => Some(&client.info),
        }
    }

    /// What the client can do.
    pub fn client_capabilities(&self) -> &ClientCapabilities {
        match &self.0.parts.client {
            ClientFacts::Said(meta) => meta.client_capabilities.as_ref().unwrap_or(&ClientCapabilities::NONE),
            ClientFacts::Kept(client) => &client.capabilities,
        }
    }

    /// The trace that the client's request belongs to.
    pub fn trace_context(&self) -> Option<&TraceContext> {
        self.0.parts.trace.as_deref()
    }

    /// Over what the request came.
    pub fn transport(&self) -> TransportKind {
        self.0.parts.transport
    }

    /// The address that the request came from, where it came over a network: that of the socket, or what a proxy says that
    /// the transport was told to believe.
    pub fn peer(&self) -> Option<IpAddr> {
        self.0.parts.peer
    }

    /// Whether the client asked to be told of progress.
    pub fn wants_progress(&self) -> bool {
        self.0.parts.progress_token.is_some()
    }

    /// Reports how far the work has come, where the client wants to know.
    ///
    /// `done` must grow from report to report; one that does not is left out. `total` is in the same unit, where
    /// it is known. Reporting never waits: a client that reads slowly gets the newest report. Nothing is reported once
    /// the request is over.
    pub fn progress(&self, done: f64, total: Option<f64>, message: impl AsRef<str>) {
        let Some(token) = &self.0.parts.progress_token else { return };
        let mut reports = self.reports();
        if !done.is_finite() || reports.is_over || done <= reports.progress {
            return;
        }
        reports.progress = done;
        let params = ProgressParams {
            progress_token: token,
            progress: done,
            total: total.filter(|total| total.is_finite()),
            message: Some(message.as_ref())
                .filter(|message| !message.is_empty() && self.revision().names(Kind::Progress, "message")),
        };
        self.0.parts.outbox.offer(Some(token.clone()), notification(method::PROGRESS, &params));
    }

    /// Sends a log message to the client, if it asked for this level. No secrets, please: it leaves the server.
    ///
    /// `data` is any JSON, often a sentence; what cannot be serialized is left out. A client that reads too slowly
    /// misses messages rather than stopping the work.
    pub fn log(&self, level: LogLevel, logger: &str, data: impl Serialize) {
        if self.0.parts.log_level.is_none_or(|least| level < least) {
            return;
        }
        let params = LogParams { level, logger: (!logger.is_empty()).then_some(logger), data };
        let message = notification(method::MESSAGE, &params);
        let reports = self.reports();
        if !reports.is_over {
            self.0.parts.outbox.offer(None, message);
        }
    }

    /// Whether the client has given up on the request. Async work need not ask: it is dropped at its next await.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.is_raised()
    }

    /// Waits until the request is over before its answer: for work that runs in tasks or threads of its own.
    pub async fn cancelled(&self) {
        self.0.cancelled.raised().await;
    }

    /// Tells the work that nobody waits for it any more.
    pub(crate) fn cancel(&self) {
        self.end();
        self.0.cancelled.raise();
    }

    /// Ends all reports: the answer is there.
    pub(crate) fn end(&self) {
        self.reports().is_over = true;
    }

    fn reports(&self) -> MutexGuard<'_, Reports> {
        // Nothing that runs with the lock held is the author's.
        self.0.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn closing(&self) -> &Signal {
        &self.0.parts.closing
    }

    pub(crate) fn host(&self) -> &Arc<dyn Host> {
        &self.0.parts.server
    }

    pub(crate) fn desk(&self) -> &Desk {
        self.host().desk()
    }

    pub(crate) fn guards(&self) -> &Guards {
        self.host().guards()
    }

    pub(crate) fn may_ask(&self) -> bool {
        self.0.parts.may_ask
    }

    pub(crate) fn link(&self) -> Option<&Arc<ClientLink>> {
        self.0.parts.link.as_ref()
    }

    /// Takes up what the request brings along from an earlier round, now that it is known what it asks for.
    pub(crate) fn take_up(&self, subject: impl FnOnce() -> Subject) -> Result<(), RpcError> {
        let parts = &self.0.parts;
        // In a session the work goes on where it was; and of who cannot be asked nothing is to be remembered.
        if parts.link.is_some()
            || (parts.arrived.is_none() && self.client_capabilities().can_answer_nothing())
        {
            return Ok(());
        }
        self.asking().take_up(self.desk(), self.principal(), subject(), parts.arrived.as_deref())
    }

    /// What its work asks.
    pub(crate) fn asking(&self) -> &Asking {
        &self.0.asking
    }

    /// What the call does, from when that is found.
    pub(crate) fn doing(&self) -> Option<&Doing> {
        self.0.doing.get()
    }

    /// Takes note of what the call does.
    pub(crate) fn does(&self, doing: Doing) -> &Doing {
        self.0.doing.get_or_init(|| doing)
    }

    /// How the request ends, if its work asked something or cannot go on; to be called when it waits.
    pub(crate) fn poll_round_end(&self, cx: &mut Context<'_>) -> Poll<RoundEnd> {
        let end = self.asking().poll_end(self.desk(), self.principal(), cx);
        if end.is_ready() {
            // What the work started elsewhere is told that nobody waits for it any more.
            self.cancel();
        }
        end
    }

    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.0.parts.outbox
    }

    pub(crate) fn header_params(&self) -> &HeaderParams {
        &self.0.parts.header_params
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", self.id())
            .field("revision", &self.revision())
            .field("principal", self.principal())
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProgressParams<'a> {
    progress_token: &'a ProgressToken,
    progress: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

#[derive(Serialize)]
struct LogParams<'a, T> {
    level: LogLevel,
    #[serde(skip_serializing_if = "Option::is_none")]
    logger: Option<&'a str>,
    data: T,
}
