//! The era of the handshake (up to 2025-11-25): a session keeps what a modern request would say itself.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::{Origin, modern};
use crate::{
    call::{Call, CallParts, ClientFacts, KnownClient},
    encode::plain_result,
    hub::{Change, Subscriber},
    policy::Denied,
    protocol::{
        error::RpcError, id::RequestId, level::LogLevel, method, notification::notification, params::Params,
        revision::Revision,
    },
    questions::{ClientAnswer, ClientLink},
    request::{Operation, Request},
};

/// A session, from `initialize` to the end of its connection.
#[derive(Debug)]
pub(crate) struct Session {
    revision: Revision,
    client: Arc<KnownClient>,
    /// The least severe level that the client wants to see.
    log_level: Mutex<LogLevel>,
    /// The questions that the client has not answered yet.
    questions: Arc<ClientLink>,
    subscriber: Option<Subscriber>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.questions.close();
    }
}

/// What the adapter makes of a request.
pub(crate) enum Accepted {
    /// It served the request itself: the encoded answer.
    Answered(Vec<u8>),
    /// The core has to.
    Request(Box<Request>),
}

impl Session {
    /// Opens a session: negotiates the revision and answers `initialize`.
    pub(crate) fn open(
        origin: &Origin,
        id: &RequestId,
        params: Params,
    ) -> Result<(Arc<Self>, Vec<u8>), RpcError> {
        let missing = |name| RpcError::invalid_params(format!("params.{name} is required"));
        let requested = params.protocol_version.ok_or_else(|| missing("protocolVersion"))?;
        let capabilities = params.capabilities.ok_or_else(|| missing("capabilities"))?;
        let info = params.client_info.ok_or_else(|| missing("clientInfo"))?;
        let revision = Revision::handshake(&requested).unwrap_or(Revision::NEWEST_HANDSHAKE);
        let session = Self {
            revision,
            client: Arc::new(KnownClient { info, capabilities }),
            log_level: Mutex::new(LogLevel::Info),
            questions: Arc::default(),
            subscriber: origin.core.subscribe_session(),
        };
        let mut answer = Vec::new();
        plain_result(&mut answer, id, &origin.core.initialize_result(revision));
        Ok((Arc::new(session), answer))
    }

    /// Takes the client's answer to a question.
    pub(crate) fn answered(&self, id: &RequestId, answer: ClientAnswer) {
        self.questions.resolve(id, answer);
    }

    /// The revision that was agreed on.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// Reads a request of the session, or serves it if only a session can.
    pub(crate) fn accept(
        &self,
        origin: Origin,
        id: RequestId,
        name: &str,
        mut params: Params,
    ) -> Result<Accepted, RpcError> {
        let empty = |id: &RequestId| {
            let mut answer = Vec::new();
            plain_result(&mut answer, id, &json!({}));
            Ok(Accepted::Answered(answer))
        };
        match name {
            method::PING => return empty(&id),
            method::SET_LEVEL => {
                let level =
                    params.level.ok_or_else(|| RpcError::invalid_params("params.level is required"))?;
                *self.log_level.lock().unwrap_or_else(PoisonError::into_inner) = level;
                return empty(&id);
            }
            method::RESOURCES_SUBSCRIBE | method::RESOURCES_UNSUBSCRIBE => {
                self.subscribe(&origin, name, Params::required(params.uri, "uri")?)?;
                return empty(&id);
            }
            method::INITIALIZE => return Err(RpcError::invalid_request("The session is open already")),
            // Methods of the other era.
            method::DISCOVER | method::LISTEN => return Err(RpcError::method_not_found(name)),
            _ => {}
        }
        let mut meta = params.meta.take().unwrap_or_default();
        let operation = Operation::read(name, params)?.ok_or_else(|| RpcError::method_not_found(name))?;
        let call = Call::new(CallParts {
            id,
            may_ask: operation.may_ask(),
            arrived: None,
            link: Some(Arc::clone(&self.questions)),
            revision: self.revision,
            transport: origin.transport,
            principal: origin.principal,
            client: ClientFacts::Kept(Arc::clone(&self.client)),
            log_level: Some(*self.log_level.lock().unwrap_or_else(PoisonError::into_inner)),
            progress_token: meta.progress_token.take(),
            trace: modern::trace(&mut meta),
            header_params: None,
            outbox: origin.outbox,
            closing: origin.closing,
            server: origin.core,
        });
        Ok(Accepted::Request(Box::new(Request { operation, call })))
    }

    /// Adds a resource to what the session hears of, or takes it out.
    fn subscribe(&self, origin: &Origin, name: &str, uri: Box<str>) -> Result<(), RpcError> {
        let catalog = origin.core.catalog();
        if catalog.capabilities.resources.is_none() {
            return Err(RpcError::method_not_found(name));
        }
        // One that is gone by now can still be unsubscribed from.
        if name == method::RESOURCES_SUBSCRIBE {
            if catalog.resource(&uri).is_none() {
                return Err(RpcError::resource_not_found(&uri));
            }
            origin.core.tells_of(&uri, &origin.principal).map_err(Denied::into_rpc)?;
        }
        let limit = origin.core.settings.limits.subscribed_resources;
        let Some(subscriber) = &self.subscriber else {
            return Err(RpcError::overloaded("As many subscriptions are open as the server takes"));
        };
        subscriber.edit_resources(|resources| {
            resources.retain(|known| **known != *uri);
            if name == method::RESOURCES_UNSUBSCRIBE {
                return Ok(());
            }
            if resources.len() >= limit {
                return Err(RpcError::invalid_params(format!(
                    "A session may subscribe to at most {limit} resources"
                )));
            }
            resources.push(uri.into());
            Ok(())
        })
    }

    /// Tells the client of changes for as long as the session lasts.
    pub(crate) async fn tell_changes(self: Arc<Self>, origin: Origin) {
        let Some(subscriber) = &self.subscriber else { return };
        loop {
            for change in subscriber.changes().await {
                let params = match &change {
                    // What was granted may have changed, and so may what there is.
                    Change::Updated(uri) if origin.core.tells_of(uri, &origin.principal).is_err() => continue,
                    Change::Updated(uri) => json!({ "uri": uri }),
                    _ => json!({}),
                };
                origin.outbox.send(notification(change.method(), &params)).await;
            }
        }
    }
}
