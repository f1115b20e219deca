//! A standing connection in both directions: both eras at once, many requests at a time, newline framing.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::task::AbortHandle;

use crate::{
    call::{Call, TransportKind},
    encode,
    endpoint::{Core, Endpoint},
    eras::{
        Origin,
        handshake::{Accepted, Session},
        modern,
    },
    outbox::Item,
    principal::Principal,
    protocol::{
        envelope::{self, Incoming},
        error::{RpcError, shorten},
        id::RequestId,
        meta::key,
        method,
        notification::notification,
        params::Params,
        revision::Revision,
    },
    request::{Outcome, OutcomeKind, Reply, Request},
    rings::OutcomeFuture,
    signal::Signal,
};

/// The server's end of one connection over which messages travel as lines: stdio, or any stream of bytes.
///
/// A transport hands lines to [`receive`](Self::receive) and writes out what it appends, together with what
/// [`poll_output`](Self::poll_output) has later. A request is run where it is received; only if it has to wait is
/// it moved to a task of its own.
#[derive(Debug)]
pub struct Connection {
    origin: Origin,
    session: Option<Arc<Session>>,
    changes_task: Option<AbortHandle>,
    running: HashMap<RequestId, Moved>,
}

/// A request that was moved to a task.
#[derive(Debug)]
struct Moved {
    call: Call,
    task: AbortHandle,
}

impl Connection {
    /// A connection with nothing received yet.
    pub fn new(endpoint: &Endpoint, principal: Principal, transport: TransportKind) -> Self {
        let outbox = Arc::new(endpoint.core().outbox());
        let core = Arc::clone(endpoint.core());
        let origin = Origin { principal, transport, closing: Signal::new(), outbox, core };
        Self { origin, session: None, changes_task: None, running: HashMap::new() }
    }

    /// Takes one message and appends what there is to say about it at once, each message a line.
    ///
    /// To be called within a tokio runtime.
    pub fn receive(&mut self, message: &[u8], out: &mut Vec<u8>) {
        match envelope::parse(message) {
            Ok(Incoming::Request { id, method, params }) => {
                if let Err(error) = params.and_then(|params| self.request(id.clone(), &method, params, out)) {
                    self.refuse(Some(&id), &error, out);
                }
            }
            Ok(Incoming::Notification { method, params }) => {
                // A malformed notification is ignored, as any other that means nothing here.
                if let (method::CANCELLED, Ok(params)) = (&*method, params) {
                    self.cancel(params);
                }
            }
            // An answer to nothing that is open is ignored.
            Ok(Incoming::Response { id, answer }) => {
                if let (Some(session), Some(id)) = (&self.session, id) {
                    session.answered(&id, answer.read());
                }
            }
            Err(malformed) => self.refuse(malformed.id.as_ref(), &malformed.error, out),
        }
    }

    /// Answers a message that was too large to be read.
    pub fn reject_oversized(&self, limit: usize, out: &mut Vec<u8>) {
        self.refuse(None, &RpcError::too_large("The message", limit), out);
    }

    /// Appends messages that are ready by now, waiting for the first.
    pub fn poll_output(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<()> {
        let Poll::Ready(first) = self.origin.outbox.poll_pop(cx) else { return Poll::Pending };
        self.write(first, out);
        self.flush(out);
        Poll::Ready(())
    }

    /// Whether some request has no answer yet; an open subscription is one.
    pub fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Ends subscriptions; what else runs goes on until it is done or [abandoned](Self::abandon).
    pub fn close(&self) {
        self.origin.closing.raise();
    }

    /// Cancels what is still running, and appends an error for each.
    pub fn abandon(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        for (id, moved) in std::mem::take(&mut self.running) {
            moved.cancel();
            let error =
                RpcError::new(crate::protocol::error::code::OVERLOADED, "The server is shutting down");
            encode::error(out, Some(&id), &error, moved.call.revision());
            out.push(b'\n');
        }
    }

    /// The task of a request that waits, to see when it has ended.
    pub(crate) fn task_of(&self, id: &RequestId) -> Option<AbortHandle> {
        self.running.get(id).map(|moved| moved.task.clone())
    }

    fn request(
        &mut self,
        id: RequestId,
        name: &str,
        params: Params,
        out: &mut Vec<u8>,
    ) -> Result<(), RpcError> {
        if self.running.contains_key(&id) {
            return Err(RpcError::invalid_request(
                "Invalid request: a request of the same id is still running",
            ));
        }
        let origin = self.origin.clone();
        if modern::is_modern(&params, None) {
            let request = modern::accept(origin, id, name, params, None)?;
            self.run(request, out);
            return Ok(());
        }
        match &self.session {
            Some(session) => match session.accept(origin, id, name, params)? {
                Accepted::Request(request) => self.run(*request, out),
                Accepted::Answered(answer) => push_line(out, &answer),
            },
            None if name == method::INITIALIZE => {
                let (session, answer) = Session::open(&origin, &id, params)?;
                push_line(out, &answer);
                self.changes_task =
                    Some(tokio::spawn(Arc::clone(&session).tell_changes(origin)).abort_handle());
                self.session = Some(session);
            }
            None => {
                return Err(RpcError::invalid_params(format!(
                    "Invalid params: `_meta` lacks `{}` and `{}`, and no session was opened with `initialize`",
                    key::PROTOCOL_VERSION,
                    key::CLIENT_CAPABILITIES
                )));
            }
        }
        Ok(())
    }

    /// Runs a request here, and moves it to a task if it does not end at once.
    fn run(&mut self, request: Request, out: &mut Vec<u8>) {
        let call = request.call.clone();
        let mut work = self.origin.core.run(request);
        // Whatever it waits for wakes the task that polls it next.
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => {
                call.end(|| {});
                self.flush(out);
                write_answer(out, &self.origin.core, &call, &outcome);
                out.push(b'\n');
            }
            Poll::Pending => {
                let task = tokio::spawn(Waiting { work, call: call.clone() }).abort_handle();
                self.running.insert(call.id().clone(), Moved { call, task });
            }
        }
    }

    fn cancel(&mut self, params: Params) {
        let Some(moved) = params.request_id.and_then(|id| self.running.remove(&id)) else { return };
        tracing::debug!(id = %moved.call.id(), reason = params.reason.as_deref().map(shorten).as_deref(), "a request was cancelled");
        moved.cancel();
    }

    fn refuse(&self, id: Option<&RequestId>, error: &RpcError, out: &mut Vec<u8>) {
        let revision = self.session.as_ref().map_or(Revision::V2026_07_28, |session| session.revision());
        encode::error(out, id, error, revision);
        out.push(b'\n');
    }

    /// Appends what is queued by now. What comes meanwhile has its turn later: a thread that reports without end would
    /// keep this going for ever.
    fn flush(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.origin.outbox.len() {
            let Some(item) = self.origin.outbox.pop() else { return };
            self.write(item, out);
        }
    }

    fn write(&mut self, item: Item, out: &mut Vec<u8>) {
        match item {
            Item::Note { bytes, .. } => push_line(out, &bytes),
            // A cancelled request is not answered, even if it was done by then.
            Item::Answer { id, bytes } => {
                if self.running.remove(&id).is_some() {
                    push_line(out, &bytes);
                }
            }
        }
    }
}

impl Moved {
    fn cancel(&self) {
        self.call.withdraw();
        self.task.abort();
        self.call.outbox().forget_answer(self.call.id());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.origin.closing.raise();
        self.changes_task.iter().for_each(AbortHandle::abort);
        self.running.values().for_each(Moved::cancel);
    }
}

/// A request in its own task; queues its answer.
struct Waiting {
    work: OutcomeFuture,
    call: Call,
}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let outcome = std::task::ready!(self.work.as_mut().poll(cx));
        let call = &self.call;
        let mut bytes = Vec::with_capacity(256);
        write_answer(&mut bytes, &Core::of(call), call, &outcome);
        call.end(|| call.outbox().answer(call.id().clone(), bytes));
        Poll::Ready(())
    }
}

/// Appends the answer; a subscription that the server ended is also cancelled, as the specification wants it on
/// a channel that all requests share.
fn write_answer(out: &mut Vec<u8>, core: &Core, call: &Call, outcome: &Outcome) {
    encode::answer(out, call.id(), outcome, core.terms(call.revision()));
    if matches!(outcome.0, OutcomeKind::Complete(Reply::Ended)) {
        out.push(b'\n');
        out.extend_from_slice(&notification(
            method::CANCELLED,
            &serde_json::json!({ "requestId": call.id() }),
        ));
    }
}

fn push_line(out: &mut Vec<u8>, message: &[u8]) {
    out.extend_from_slice(message);
    out.push(b'\n');
}
