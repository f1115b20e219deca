//! Protocol eras as adapters at the edge: each turns messages of its revisions into the core's one model.

pub(crate) mod handshake;
pub(crate) mod modern;

use std::{net::IpAddr, sync::Arc};

use crate::{
    endpoint::Core, outbox::Outbox, principal::Principal, protocol::error::RpcError, signal::Signal,
    transport_kind::TransportKind,
};

/// What a transport knows about where a message came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) principal: Principal,
    pub(crate) transport: TransportKind,
    /// The address, where it came over a network.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) closing: Signal,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) core: Arc<Core>,
}

impl Origin {
    /// Takes what a request costs that the era's adapter serves itself.
    pub(crate) fn charge(&self) -> Result<(), RpcError> {
        self.core.charge(&self.principal, self.peer)
    }

    /// What a message is refused with.
    pub(crate) fn charge_refused(&self, error: RpcError) -> RpcError {
        self.core.charge_refused(&self.principal, self.peer, error)
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("info", &self.info).finish_non_exhaustive()
    }
}
