//! The era of the handshake (up to 2025-11-25): a session keeps what a modern request would say itself.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::{Origin, modern};
use crate::{
    batch::{self, Batch},
    call::{Call, CallParts, ClientFacts, KnownClient},
    encode::{self, plain_result},
    endpoint::Core,
    hub::{Change, Subscriber},
    in_flight::{InFlight, Started, write_answer},
    outbox::Outbox,
    protocol::{
        capabilities::ClientCapabilities,
        definition::Implementation,
        envelope::Incoming,
        error::{RpcError, shorten},
        id::RequestId,
        level::LogLevel,
        method,
        notification::notification,
        params::Params,
        revision::Revision,
    },
    questions::ClientLink,
    request::{Operation, Outcome, Request},
    verdict::Verdict,
};

/// What a handshake settled, and what has come up since: a session, whatever its messages travel over.
#[derive(Debug)]
pub(crate) struct Handshake {
    revision: Revision,
    client: Arc<KnownClient>,
    /// The least severe level that the client wants to see.
    log_level: Mutex<LogLevel>,
    /// The questions that the client has not answered yet.
    questions: Arc<ClientLink>,
    subscriber: Subscriber,
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.questions.end();
    }
}

/// What there is to say to a message at once.
pub(crate) enum Said {
    /// Nothing, now or later.
    Nothing,
    /// Nothing yet: the answer comes when the request is done.
    Later,
    /// The adapter's own answer, encoded.
    Own(Vec<u8>),
    /// What came of a request.
    Outcome(Call, Outcome),
    /// The request, or what should have been one, is refused.
    Refused(Option<RequestId>, RpcError),
}

impl Said {
    /// That a message is refused.
    pub(crate) fn refused(origin: &Origin, id: Option<RequestId>, error: RpcError) -> Self {
        Self::Refused(id, origin.charge_refused(error))
    }

    /// What there is to say of a request that was started.
    pub(crate) fn of(call: Call, started: Started) -> Self {
        match started {
            Started::Done(outcome) => Self::Outcome(call, outcome),
            Started::Moved => Self::Later,
            Started::Cancelled => Self::Nothing,
        }
    }

    /// Appends what there is to say, under this revision; how it ended, as HTTP has it.
    pub(crate) fn write(&self, out: &mut Vec<u8>, core: &Core, revision: Revision) -> Verdict {
        match self {
            Self::Nothing | Self::Later => Verdict::SERVED,
            Self::Own(answer) => {
                out.extend_from_slice(answer);
                Verdict::SERVED
            }
            Self::Outcome(call, outcome) => {
                write_answer(out, core, call, outcome);
                Verdict::in_session(outcome.rpc_error())
            }
            Self::Refused(id, error) => {
                encode::error(out, id.as_ref(), error, revision);
                if id.is_some() { Verdict::in_session(Some(error)) } else { Verdict::REFUSED }
            }
        }
    }
}

/// What the adapter makes of a request.
enum Accepted {
    /// It served the request itself: the encoded answer.
    Answered(Vec<u8>),
    /// The core has to.
    Request(Box<Request>),
}

impl Handshake {
    /// Opens a session: negotiates the revision and answers `initialize`.
    pub(crate) fn open(
        origin: &Origin,
        id: &RequestId,
        params: Params,
    ) -> Result<(Arc<Self>, Vec<u8>), RpcError> {
        origin.principal.check_valid()?;
        let missing = |name| RpcError::invalid_params(format!("params.{name} is required"));
        let requested = params.protocol_version.ok_or_else(|| missing("protocolVersion"))?;
        let capabilities = params.capabilities.ok_or_else(|| missing("capabilities"))?;
        let info = params.client_info.ok_or_else(|| missing("clientInfo"))?;
        let limit = origin.core.settings.limits.client_bytes;
        if kept_bytes(&info, &capabilities) > limit {
            return Err(RpcError::too_large("What the client says of itself", limit));
        }
        origin.charge()?;
        let revision = Revision::handshake(&requested).unwrap_or(Revision::NEWEST_HANDSHAKE);
        let handshake = Self {
            revision,
            client: origin.core.clients.share(KnownClient { info, capabilities }),
            log_level: Mutex::new(LogLevel::Info),
            questions: Arc::default(),
            subscriber: origin.core.subscribe_session(),
        };
        let mut answer = Vec::new();
        plain_result(&mut answer, id, &origin.core.initialize_result(revision));
        Ok((Arc::new(handshake), answer))
    }

    /// Takes a message of the session, or one member of a batch.
    pub(crate) fn take(
        &self,
        origin: &Origin,
        in_flight: &Arc<InFlight>,
        message: batch::Member<'_>,
        batch: Option<&Arc<Batch>>,
    ) -> Said {
        match message {
            Ok(Incoming::Request { id, method, params }) => {
                let taken = params.and_then(|params| {
                    if batch.is_some() {
                        check_member(&method, &params)?;
                    }
                    self.request(origin, in_flight, id.clone(), &method, params, batch)
                });
                taken.unwrap_or_else(|error| Said::refused(origin, Some(id), error))
            }
            Ok(Incoming::Notification { method, params }) => {
                // A malformed notification is ignored, as any other that means nothing here.
                if let (method::CANCELLED, Ok(params)) = (&*method, params) {
                    cancel(in_flight, &origin.outbox, params);
                }
                Said::Nothing
            }
            // An answer to nothing that is open is ignored.
            Ok(Incoming::Response { id, answer }) => {
                if let Some(id) = id {
                    self.questions.resolve(&id, answer.read());
                }
                Said::Nothing
            }
            Err(malformed) => Said::refused(origin, malformed.id, malformed.error),
        }
    }

    /// Runs a request of the session.
    pub(crate) fn request(
        &self,
        origin: &Origin,
        in_flight: &Arc<InFlight>,
        id: RequestId,
        name: &str,
        params: Params,
        batch: Option<&Arc<Batch>>,
    ) -> Result<Said, RpcError> {
        let place = in_flight.reserve(&id)?;
        Ok(match self.accept(origin.clone(), id, name, params)? {
            Accepted::Answered(answer) => Said::Own(answer),
            Accepted::Request(request) => {
                let call = request.call.clone();
                Said::of(call, in_flight.start(&origin.core, *request, Some(place), batch))
            }
        })
    }

    /// Takes several messages at once. Their answers go to the outbox together; true if there will be any.
    pub(crate) fn take_batch(
        &self,
        origin: &Origin,
        in_flight: &Arc<InFlight>,
        message: &[u8],
    ) -> Result<bool, RpcError> {
        let members = batch::read(message, origin.core.settings.limits.batch_length)?;
        let wanted = members.iter().filter(|member| batch::wants_answer(member)).count();
        let max_bytes = origin.core.settings.limits.result_bytes;
        let batch = (wanted > 0).then(|| Batch::new(Arc::clone(&origin.outbox), wanted, max_bytes));
        for member in members {
            let said = self.take(origin, in_flight, member, batch.as_ref());
            let mut bytes = Vec::new();
            said.write(&mut bytes, &origin.core, self.revision);
            match (&batch, &said) {
                (Some(batch), Said::Outcome(call, _)) => batch.answer_call(call, &bytes),
                (Some(batch), _) if !bytes.is_empty() => batch.answer(&bytes),
                _ => {}
            }
        }
        Ok(batch.is_some())
    }

    /// The revision that was agreed on.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// Reads a request of the session, or serves it if only a session can.
    fn accept(
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
        origin.principal.check_valid()?;
        match name {
            method::PING => return empty(&id),
            method::SET_LEVEL => {
                let level =
                    params.level.ok_or_else(|| RpcError::invalid_params("params.level is required"))?;
                origin.charge()?;
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
            peer: origin.peer,
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

    /// Opens another way to the client than those of its requests, in place of an earlier one.
    pub(crate) fn stand(&self, outbox: &Arc<Outbox>) {
        self.questions.stand(outbox);
    }

    /// Forgets that way, unless another has taken its place.
    pub(crate) fn leave(&self, outbox: &Arc<Outbox>) {
        self.questions.leave(outbox);
    }

    /// Whether such a way is open.
    pub(crate) fn stands(&self) -> bool {
        self.questions.stands()
    }

    /// Gives up on what the client was asked, and closes that way: the session is over.
    pub(crate) fn end(&self) {
        self.questions.end();
    }

    /// Adds a resource to what the session hears of, or takes it out.
    fn subscribe(&self, origin: &Origin, name: &str, uri: Box<str>) -> Result<(), RpcError> {
        let catalog = origin.core.catalog();
        if catalog.capabilities.resources.is_none() {
            return Err(RpcError::method_not_found(name));
        }
        // One that is gone by now can still be unsubscribed from.
        if name == method::RESOURCES_SUBSCRIBE {
            let offered = origin.core.offers(&uri, &origin.principal);
            offered.map_err(|denied| denied.into_rpc(|| RpcError::resource_not_found(&uri)))?;
        }
        origin.charge()?;
        self.subscriber.edit_resources(|resources| {
            if name == method::RESOURCES_UNSUBSCRIBE {
                resources.retain(|known| **known != *uri);
                return Ok(());
            }
            if !resources.iter().any(|known| **known == *uri) {
                let all = resources.iter().map(String::as_str).chain([&*uri]);
                origin.core.settings.limits.check_subscribed(all)?;
                resources.push(uri.into());
            }
            Ok(())
        })
    }

    /// Tells the client of changes for as long as the session lasts and its caller's credentials are good.
    pub(crate) async fn tell_changes(self: Arc<Self>, origin: Origin) {
        let caller = origin.principal.clone();
        tokio::select! {
            () = self.tell(&origin) => {}
            () = caller.ended() => {}
        }
    }

    async fn tell(&self, origin: &Origin) {
        loop {
            for change in self.subscriber.changes().await {
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

/// Refuses what cannot be part of a batch.
fn check_member(method: &str, params: &Params) -> Result<(), RpcError> {
    if method == method::INITIALIZE {
        return Err(RpcError::invalid_request("Invalid request: `initialize` comes alone, not in a batch"));
    }
    if modern::is_modern(params, None) {
        return Err(RpcError::invalid_request(
            "Invalid request: the revision that this message names has no batches",
        ));
    }
    Ok(())
}

/// How much of what a client says of itself is kept as long as its session.
fn kept_bytes(info: &Implementation, capabilities: &ClientCapabilities) -> usize {
    let texts = [&info.title, &info.description, &info.website_url].into_iter().flatten();
    let texts = texts.chain([&info.name, &info.version]).map(String::len);
    // Their settings are any JSON.
    let settings = serde_json::to_vec(capabilities).map_or(usize::MAX, |json| json.len());
    texts.fold(settings, usize::saturating_add)
}

/// Cancels what a notification says.
pub(crate) fn cancel(in_flight: &InFlight, outbox: &Outbox, params: Params) {
    let Some(id) = params.request_id else { return };
    if in_flight.cancel(&id) {
        let reason = params.reason.as_deref().map(shorten);
        tracing::debug!(%id, reason = reason.as_deref(), "a request was cancelled");
    } else {
        outbox.forget_answer(&id);
    }
}
