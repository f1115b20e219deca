//! A standing connection in both directions: both eras at once, many requests at a time, newline framing.

use std::{
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::task::AbortHandle;

use crate::{
    batch, encode,
    endpoint::Endpoint,
    eras::{
        Origin,
        handshake::{self, Handshake, Said},
        modern,
    },
    in_flight::InFlight,
    outbox::Item,
    principal::Principal,
    protocol::{
        envelope::{self, Incoming},
        error::{RpcError, code},
        id::RequestId,
        method,
        params::Params,
        revision::Revision,
    },
    signal::Signal,
    transport_kind::TransportKind,
};

/// The server's end of one connection over which messages travel as lines: stdio, or any stream of bytes.
///
/// A transport hands lines to [`receive`](Self::receive) and writes out what it appends, together with what
/// [`poll_output`](Self::poll_output) has later. A request is run where it is received; only if it has to wait is
/// it moved to a task of its own.
#[derive(Debug)]
pub struct Connection {
    origin: Origin,
    session: Option<Arc<Handshake>>,
    changes_task: Option<AbortHandle>,
    in_flight: Arc<InFlight>,
}

impl Connection {
    /// A connection with nothing received yet.
    pub fn new(endpoint: &Endpoint, principal: Principal, transport: TransportKind) -> Self {
        let outbox = Arc::new(endpoint.core().outbox());
        let core = Arc::clone(endpoint.core());
        let origin = Origin { principal, transport, peer: None, closing: Signal::new(), outbox, core };
        Self { origin, session: None, changes_task: None, in_flight: Arc::default() }
    }

    /// Says what address it comes from; see [`Call::peer`](crate::Call::peer).
    #[must_use]
    pub fn peer(mut self, peer: IpAddr) -> Self {
        self.origin.peer = Some(peer);
        self
    }

    /// Takes one message and appends what there is to say about it at once, each message a line.
    ///
    /// To be called within a tokio runtime.
    pub fn receive(&mut self, message: &[u8], out: &mut Vec<u8>) {
        let has_batches = self.session.as_ref().filter(|session| session.revision().has_batches());
        if let Some(session) = has_batches.filter(|_| batch::is_array(message)) {
            match session.take_batch(&self.origin, &self.in_flight, message) {
                Ok(_) => self.flush(out),
                Err(error) => self.refuse(None, &self.origin.charge_refused(error), out),
            }
            return;
        }
        let said = match (envelope::parse(message), &self.session) {
            (Ok(Incoming::Request { id, method, params }), _) => {
                let taken = params.and_then(|params| self.request(id.clone(), &method, params));
                taken.unwrap_or_else(|error| Said::refused(&self.origin, Some(id), error))
            }
            (Ok(Incoming::Notification { method, params }), None) => {
                // A malformed notification is ignored, as any other that means nothing here.
                if let (method::CANCELLED, Ok(params)) = (&*method, params) {
                    handshake::cancel(&self.in_flight, &self.origin.outbox, params);
                }
                Said::Nothing
            }
            (Ok(Incoming::Response { .. }), None) => Said::Nothing,
            (message, Some(session)) => session.take(&self.origin, &self.in_flight, message, None),
            (Err(malformed), None) => Said::refused(&self.origin, malformed.id, malformed.error),
        };
        self.say(&said, out);
    }

    /// Answers a message that was too large to be read.
    pub fn reject_oversized(&self, limit: usize, out: &mut Vec<u8>) {
        self.refuse(None, &RpcError::too_large("The message", limit), out);
    }

    /// Appends messages that are ready by now, waiting for the first.
    pub fn poll_output(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<()> {
        let Poll::Ready(first) = self.origin.outbox.poll_pop(cx) else { return Poll::Pending };
        write(first, out);
        self.flush(out);
        Poll::Ready(())
    }

    /// Whether some request has no answer yet; an open subscription is one.
    pub fn is_busy(&self) -> bool {
        !self.in_flight.is_empty() || self.origin.outbox.len() > 0
    }

    /// Ends subscriptions; what else runs goes on until it is done or [abandoned](Self::abandon).
    pub fn close(&self) {
        self.origin.closing.raise();
    }

    /// Cancels what is still running, and appends an error for each.
    pub fn abandon(&mut self, out: &mut Vec<u8>) {
        self.in_flight.cancel_all(Some(&RpcError::new(code::OVERLOADED, "The server is shutting down")));
        self.flush(out);
    }

    /// The task of a request that waits, to see when it has ended.
    pub(crate) fn task_of(&self, id: &RequestId) -> Option<AbortHandle> {
        self.in_flight.task_of(id)
    }

    /// Runs a request here, and moves it to a task if it does not end at once.
    fn request(&mut self, id: RequestId, name: &str, params: Params) -> Result<Said, RpcError> {
        if modern::is_modern(&params, None) {
            self.in_flight.check_new(&id)?;
            let request = modern::accept(self.origin.clone(), id, name, params, None)?;
            let call = request.call.clone();
            return Ok(Said::of(call, self.in_flight.start(&self.origin.core, request, None, None)));
        }
        match &self.session {
            Some(session) => session.request(&self.origin, &self.in_flight, id, name, params, None),
            None if name == method::INITIALIZE => {
                let (session, answer) = Handshake::open(&self.origin, &id, params)?;
                let telling = Arc::clone(&session).tell_changes(self.origin.clone());
                self.changes_task = Some(tokio::spawn(telling).abort_handle());
                self.session = Some(session);
                Ok(Said::Own(answer))
            }
            None => {
                let missing = modern::missing_keys(&params.meta.unwrap_or_default()).join(" and ");
                Err(RpcError::invalid_params(format!(
                    "Invalid params: `_meta` lacks {missing}, and no session was opened with `initialize`"
                )))
            }
        }
    }

    fn revision(&self) -> Revision {
        self.session.as_ref().map_or(Revision::V2026_07_28, |session| session.revision())
    }

    /// Appends what there is to say at once, after what was queued before it.
    fn say(&mut self, said: &Said, out: &mut Vec<u8>) {
        if matches!(said, Said::Outcome(..)) {
            self.flush(out);
        }
        let start = out.len();
        said.write(out, &self.origin.core, self.revision());
        if out.len() > start {
            out.push(b'\n');
        }
    }

    fn refuse(&self, id: Option<&RequestId>, error: &RpcError, out: &mut Vec<u8>) {
        encode::error(out, id, error, self.revision());
        out.push(b'\n');
    }

    /// Appends what is queued by now. What comes meanwhile has its turn later: a thread that reports without end would
    /// keep this going for ever.
    fn flush(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.origin.outbox.len() {
            let Some(item) = self.origin.outbox.pop() else { return };
            write(item, out);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.origin.closing.raise();
        self.changes_task.iter().for_each(AbortHandle::abort);
        self.in_flight.cancel_all(None);
    }
}

fn write(item: Item, out: &mut Vec<u8>) {
    match item {
        Item::Note { bytes, .. } | Item::Answer { bytes, .. } => {
            out.extend_from_slice(&bytes);
            out.push(b'\n');
        }
        // Of one request among many.
        Item::End => {}
    }
}
