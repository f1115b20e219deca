//! A session of the handshake era over a transport without a standing connection: what its messages find again.

use std::sync::Arc;

use crate::{
    endpoint::Core,
    eras::{Origin, handshake::Handshake},
    in_flight::InFlight,
    outbox::Outbox,
    principal::Principal,
    protocol::revision::Revision,
    running::Running,
    signal::Signal,
    transport_kind::TransportKind,
};

/// A session that a client opened with `initialize`; cheap to clone, and over once it is [ended](Self::end) or the last
/// clone is dropped.
///
/// A transport keeps it under its [id](Self::id) and hands it over with each message that names it.
#[derive(Clone, Debug)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: Box<str>,
    principal: Principal,
    core: Arc<Core>,
    handshake: Arc<Handshake>,
    in_flight: Arc<InFlight>,
}

/// The session that a message names.
#[derive(Clone, Debug)]
pub enum NamedSession {
    /// None.
    None,
    /// This one.
    Known(Session),
    /// One that is not there, not any more, or somebody else's: which of these is nobody's business.
    Unknown,
}

impl Session {
    pub(crate) fn new(id: String, origin: &Origin, handshake: Arc<Handshake>) -> Self {
        Self(Arc::new(Inner {
            id: id.into(),
            principal: origin.principal.clone(),
            core: Arc::clone(&origin.core),
            handshake,
            in_flight: Arc::default(),
        }))
    }

    /// What its messages name it by: 128 bits of randomness in 22 characters of `A-Z a-z 0-9 _ -`.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The revision that was agreed on.
    pub fn revision(&self) -> Revision {
        self.0.handshake.revision()
    }

    /// Whether it is this caller's. What the caller was granted may have changed since it was opened.
    pub fn is_of(&self, principal: &Principal) -> bool {
        let own = &self.0.principal;
        (own.kind(), own.subject()) == (principal.kind(), principal.subject())
    }

    /// Whether something of it is under way: a request that is not answered yet, or an open stream.
    pub fn is_busy(&self) -> bool {
        !self.0.in_flight.is_empty() || self.0.handshake.stands()
    }

    /// Waits until every request is answered.
    pub async fn settled(&self) {
        self.0.in_flight.emptied().await;
    }

    /// Ends it: requests are cancelled, streams end.
    pub fn end(&self) {
        self.0.end();
    }

    /// Opens the stream of what belongs to no request, in place of an earlier one: changes of lists and resources, and
    /// questions that can go no other way. It ends with the session,
    /// with the credentials of the caller, or when `closing` is raised.
    pub fn stream(&self, principal: Principal, closing: &Signal) -> Box<Running> {
        let core = Arc::clone(&self.0.core);
        let (closing, outbox) = (closing.clone(), Arc::new(core.outbox()));
        let origin = Origin {
            principal,
            transport: TransportKind::Tcp,
            // What it tells needs no place of origin.
            peer: None,
            closing: closing.clone(),
            outbox,
            core,
        };
        let outbox = Arc::clone(&origin.outbox);
        self.0.handshake.stand(&outbox);
        let telling = Arc::clone(&self.0.handshake).tell_changes(origin);
        let standing = Standing { handshake: Arc::clone(&self.0.handshake), outbox: Arc::clone(&outbox) };
        Running::standing(outbox, async move {
            tokio::select! {
                // The caller's credentials are no good any more.
                () = telling => {}
                () = closing.raised() => {}
            }
            standing.outbox.end();
        })
    }

    pub(crate) fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    pub(crate) fn in_flight(&self) -> &Arc<InFlight> {
        &self.0.in_flight
    }
}

/// A stream that is open; forgotten by its session when dropped.
struct Standing {
    handshake: Arc<Handshake>,
    outbox: Arc<Outbox>,
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.handshake.leave(&self.outbox);
    }
}

impl Inner {
    fn end(&self) {
        // In this order: a request that is woken because its question was given up would be answered.
        self.in_flight.end();
        self.handshake.end();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}
