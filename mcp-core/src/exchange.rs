//! One message and its answer: what a transport without a standing connection needs of the core.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use serde_json::json;

use crate::{
    answer::{AnswerStatus, EncodedAnswer},
    call::{Call, TransportKind},
    encode,
    endpoint::{Core, Endpoint},
    eras::{Origin, modern},
    outbox::Item,
    principal::Principal,
    protocol::{
        envelope::{self, Incoming},
        error::{RpcError, code},
        header::MirroredHeaders,
        method,
        params::Params,
        revision::Revision,
    },
    rings::OutcomeFuture,
    signal::Signal,
};

/// What came of a message.
#[derive(Debug)]
pub enum Exchange {
    /// It was a notification, and wants no answer.
    Accepted,
    /// It was refused at once.
    Refused(EncodedAnswer),
    /// It is a request, which runs while it is polled and is cancelled when dropped.
    Running(Box<Running>),
}

impl Endpoint {
    /// Takes one message that stands for itself, as over HTTP, with the headers that mirror parts of it.
    ///
    /// `closing` is raised by the transport when it is about to shut down; subscriptions end then.
    pub fn exchange(
        &self,
        message: &[u8],
        headers: MirroredHeaders<'_>,
        principal: Principal,
        closing: &Signal,
    ) -> Exchange {
        let revision = Revision::V2026_07_28;
        let refuse =
            |id: Option<&_>, error: &RpcError| Exchange::Refused(EncodedAnswer::refusal(id, error, revision));
        let (id, method, params) = match envelope::parse(message) {
            Ok(Incoming::Request { id, method, params }) => (Some(id), method, params),
            Ok(Incoming::Notification { method, params }) => (None, method, params),
            Ok(Incoming::Response { .. }) => {
                let error = RpcError::invalid_request("Invalid request: no request of this server is open");
                return refuse(None, &error);
            }
            Err(malformed) => return refuse(malformed.id.as_ref(), &malformed.error),
        };
        let params = match params {
            Ok(params) => params,
            Err(error) => return refuse(id.as_ref(), &error),
        };
        if !modern::is_modern(&params, Some(&headers)) {
            return refuse(id.as_ref(), &handshake_refusal(&method, &params));
        }
        let Some(id) = id else {
            return match modern::check_version(&params, &headers) {
                Ok(()) => Exchange::Accepted,
                Err(error) => refuse(None, &error),
            };
        };
        let outbox = Arc::new(self.core().outbox());
        let origin = Origin {
            principal,
            transport: TransportKind::Tcp,
            closing: closing.clone(),
            outbox,
            core: Arc::clone(self.core()),
        };
        match modern::accept(origin, id.clone(), &method, params, Some(headers)) {
            Ok(request) => {
                let (call, is_subscription) = (request.call.clone(), request.is_subscription());
                let future = Some(self.core().run(request));
                Exchange::Running(Box::new(Running {
                    call,
                    core: Arc::clone(self.core()),
                    is_subscription,
                    future,
                    answer: None,
                }))
            }
            Err(error) => refuse(Some(&id), &error),
        }
    }
}

/// What a client of the handshake era is told, as long as its revisions are served over pipes only.
fn handshake_refusal(name: &str, params: &Params) -> RpcError {
    if name == method::INITIALIZE {
        let requested = params.protocol_version.as_deref().unwrap_or_default();
        let message = format!(
            "This endpoint serves revision {} alone; {} is served on stdio",
            Revision::MODERN[0],
            Revision::NEWEST_HANDSHAKE
        );
        return RpcError::new(code::UNSUPPORTED_VERSION, message).with_data(
            json!({"requested": crate::protocol::error::shorten(requested), "supported": Revision::MODERN}),
        );
    }
    RpcError::header_mismatch(
        "Header mismatch: MCP-Protocol-Version is missing or names a revision that opens with a handshake",
    )
}

/// A request that runs while it is polled. Dropping it before its answer cancels it.
pub struct Running {
    call: Call,
    core: Arc<Core>,
    is_subscription: bool,
    future: Option<OutcomeFuture>,
    /// The answer, while notifications before it are still to be handed out.
    answer: Option<EncodedAnswer>,
}

/// What a running request has for its client.
#[derive(Debug)]
pub enum Step {
    /// A notification that belongs to the request; more will come.
    Notification(Vec<u8>),
    /// The answer; nothing comes after it.
    Answer(EncodedAnswer),
}

impl Running {
    /// Whether this is a stream of notifications, of no use to a client that takes none.
    pub fn is_subscription(&self) -> bool {
        self.is_subscription
    }

    /// Runs the request on until it has something for its client. Not to be polled again after the answer.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if let Poll::Ready(Item::Note { bytes, .. } | Item::Answer { bytes, .. }) =
                self.call.outbox().poll_pop(cx)
            {
                return Poll::Ready(Step::Notification(bytes));
            }
            if let Some(answer) = self.answer.take() {
                return Poll::Ready(Step::Answer(answer));
            }
            let Some(future) = &mut self.future else { return Poll::Pending };
            if let Poll::Ready(outcome) = future.as_mut().poll(cx) {
                self.future = None;
                self.call.end(|| {});
                let mut bytes = Vec::with_capacity(256);
                let terms = self.core.terms(self.call.revision());
                encode::answer(&mut bytes, self.call.id(), &outcome, terms);
                self.answer = Some(EncodedAnswer { bytes, status: AnswerStatus::of(outcome.rpc_error()) });
                continue;
            }
            // The work may have queued something after the look above.
            match self.call.outbox().poll_pop(cx) {
                Poll::Ready(Item::Note { bytes, .. } | Item::Answer { bytes, .. }) => {
                    return Poll::Ready(Step::Notification(bytes));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.future.is_some() {
            self.call.cancel();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("call", &self.call).finish_non_exhaustive()
    }
}
