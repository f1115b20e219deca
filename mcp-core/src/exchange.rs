//! One message and its answer: what a transport without a standing connection needs of the core.

use std::{net::IpAddr, sync::Arc};

use crate::{
    answer::EncodedAnswer,
    batch,
    endpoint::Endpoint,
    eras::{
        Origin,
        handshake::{Handshake, Said},
        modern,
    },
    principal::Principal,
    protocol::{
        envelope::{self, Incoming},
        error::RpcError,
        header::MirroredHeaders,
        id::RequestId,
        method,
        params::Params,
        revision::Revision,
    },
    questions::random_id,
    running::Running,
    session::{NamedSession, Session},
    signal::Signal,
    transport_kind::TransportKind,
    verdict::Verdict,
};

/// One message as HTTP brings it.
#[derive(Debug)]
pub struct Post<'a> {
    /// The body.
    pub message: &'a [u8],
    /// The headers that say parts of it again.
    pub headers: MirroredHeaders<'a>,
    /// The session that a header names.
    pub session: NamedSession,
    /// On whose behalf it comes.
    pub principal: Principal,
    /// The address that it comes from, where that is known; see [`Call::peer`](crate::Call::peer).
    pub peer: Option<IpAddr>,
    /// Whether the client takes what there is to say before the answer, as a stream.
    pub takes_stream: bool,
    /// Raised by the transport when it is about to shut down; subscriptions end then.
    pub closing: &'a Signal,
}

/// What came of a message.
#[derive(Debug)]
pub enum Exchange {
    /// It wants no answer.
    Accepted,
    /// It is answered at once.
    Answered(EncodedAnswer),
    /// It opened a session, to be kept, and is answered at once.
    Opened {
        /// The session.
        session: Session,
        /// The id of the request, for an error where there is no place for one.
        id: RequestId,
        /// The answer.
        answer: EncodedAnswer,
    },
    /// It asks for what takes its time, or has something to say before it ends.
    Running(Box<Running>),
}

impl Endpoint {
    /// Takes one message.
    ///
    /// To be called within a tokio runtime.
    pub fn exchange(&self, post: Post<'_>) -> Exchange {
        let is_modern = modern::is_modern_header(&post.headers);
        let revision = match &post.session {
            NamedSession::Known(session) if !is_modern => session.revision(),
            _ => Revision::V2026_07_28,
        };
        let refuse = |id: Option<&_>, error: RpcError| self.refuse(&post, id, error, revision);
        if let NamedSession::Known(session) = &post.session
            && revision.has_batches()
            && batch::is_array(post.message)
        {
            return self.take_batch(&post, session);
        }
        let incoming = match envelope::parse(post.message) {
            Ok(incoming) => incoming,
            // Whatever it is that a session which is over was sent, its client is to know that it is.
            Err(malformed) if !is_modern && matches!(post.session, NamedSession::Unknown) => {
                return refuse(malformed.id.as_ref(), RpcError::unknown_session());
            }
            Err(malformed) => return refuse(malformed.id.as_ref(), malformed.error),
        };
        match incoming {
            Incoming::Request { id, method, params: Ok(params) }
                if is_modern || modern::is_modern(&params, None) =>
            {
                self.take_modern(post, id, &method, params)
            }
            // Where the headers do not say otherwise it is one of the session that it names.
            Incoming::Request { params: Err(_), .. } | Incoming::Notification { params: Err(_), .. }
                if !is_modern && !matches!(post.session, NamedSession::None) =>
            {
                self.take_in_session(post, incoming)
            }
            Incoming::Request { id, params: Err(error), .. } => refuse(Some(&id), error),
            Incoming::Notification { params: Err(error), .. } => refuse(None, error),
            Incoming::Notification { params: Ok(params), .. }
                if is_modern || modern::is_modern(&params, None) =>
            {
                match modern::check_version(&params, &post.headers) {
                    Ok(()) => Exchange::Accepted,
                    Err(error) => refuse(None, error),
                }
            }
            Incoming::Response { .. } if is_modern => {
                refuse(None, RpcError::invalid_request("Invalid request: no request of this server is open"))
            }
            incoming => self.take_in_session(post, incoming),
        }
    }

    fn take_modern(&self, post: Post<'_>, id: RequestId, method: &str, params: Params) -> Exchange {
        let origin = self.origin(&post);
        match modern::accept(origin, id.clone(), method, params, Some(post.headers)) {
            Ok(request) => Exchange::Running(Running::here(self.core(), request)),
            Err(error) => {
                let error = self.core().charge_refused(&post.principal, post.peer, error);
                Exchange::Answered(EncodedAnswer::refusal(Some(&id), &error, Revision::V2026_07_28))
            }
        }
    }

    /// Takes a message that says nothing of its revision: one that opens a session, or one of a session.
    fn take_in_session(&self, post: Post<'_>, incoming: Incoming<'_>) -> Exchange {
        let id = match &incoming {
            Incoming::Request { id, .. } => Some(id.clone()),
            Incoming::Notification { .. } | Incoming::Response { .. } => None,
        };
        let refuse = |error| self.refuse(&post, id.as_ref(), error, Revision::NEWEST_HANDSHAKE);
        let incoming = match incoming {
            Incoming::Request { id, method, params: Ok(params) } if method == method::INITIALIZE => {
                return self.open(&post, &id, params).unwrap_or_else(refuse);
            }
            incoming => incoming,
        };
        match &post.session {
            NamedSession::Known(session) => {
                let origin = self.origin(&post);
                let said = session.handshake().take(&origin, session.in_flight(), Ok(incoming), None);
                in_session(said, &origin, session.revision())
            }
            NamedSession::Unknown => refuse(RpcError::unknown_session()),
            NamedSession::None => refuse(RpcError::header_mismatch(
                "Header mismatch: MCP-Protocol-Version is missing, or names a revision whose messages belong to a \
                 session, and Mcp-Session-Id names none; a session opens with `initialize`",
            )),
        }
    }

    fn take_batch(&self, post: &Post<'_>, session: &Session) -> Exchange {
        let origin = self.origin(post);
        match session.handshake().take_batch(&origin, session.in_flight(), post.message) {
            Ok(true) => Exchange::Running(Running::elsewhere(origin.outbox)),
            Ok(false) => Exchange::Accepted,
            Err(error) => self.refuse(post, None, error, session.revision()),
        }
    }

    fn open(&self, post: &Post<'_>, id: &RequestId, params: Params) -> Result<Exchange, RpcError> {
        let origin = self.origin(post);
        let (handshake, bytes) = Handshake::open(&origin, id, params)?;
        let name = random_id().map_err(|error| {
            tracing::error!(error, "no session can be named: there is no randomness");
            RpcError::internal()
        })?;
        let answer = EncodedAnswer::new(bytes, Verdict::SERVED);
        Ok(Exchange::Opened { session: Session::new(name, &origin, handshake), id: id.clone(), answer })
    }

    /// Refuses a message.
    fn refuse(
        &self,
        post: &Post<'_>,
        id: Option<&RequestId>,
        error: RpcError,
        revision: Revision,
    ) -> Exchange {
        let error = self.core().charge_refused(&post.principal, post.peer, error);
        Exchange::Answered(EncodedAnswer::refusal(id, &error, revision))
    }

    /// Where a message comes from, with an outbox of its own.
    fn origin(&self, post: &Post<'_>) -> Origin {
        let outbox = Arc::new(self.core().outbox());
        if !post.takes_stream {
            outbox.close();
        }
        Origin {
            principal: post.principal.clone(),
            transport: TransportKind::Tcp,
            peer: post.peer,
            closing: post.closing.clone(),
            outbox,
            core: Arc::clone(self.core()),
        }
    }
}

/// What came of a message of a session.
fn in_session(said: Said, origin: &Origin, revision: Revision) -> Exchange {
    let said = match said {
        Said::Nothing => return Exchange::Accepted,
        Said::Later => return Exchange::Running(Running::elsewhere(Arc::clone(&origin.outbox))),
        said => said,
    };
    let mut bytes = Vec::with_capacity(256);
    let verdict = said.write(&mut bytes, &origin.core, revision);
    if origin.outbox.len() == 0 {
        return Exchange::Answered(EncodedAnswer::new(bytes, verdict));
    }
    // Something was said before.
    origin.outbox.answer(None, bytes, verdict);
    Exchange::Running(Running::elsewhere(Arc::clone(&origin.outbox)))
}
