//! The era without a handshake (from 2026-07-28): every request says all that there is to know about it.

use super::Origin;
use crate::{
    call::{Call, CallParts, ClientFacts},
    protocol::{
        error::{RpcError, shorten},
        header::{self, MirroredHeaders},
        id::RequestId,
        meta::{TraceContext, WireMeta, key},
        params::Params,
        revision::{NamedVersion, Revision},
    },
    questions::Arrived,
    request::{Operation, Request},
};

/// Whether a request belongs to this era, whatever its method: it names its protocol version.
pub(crate) fn is_modern(params: &Params, headers: Option<&MirroredHeaders<'_>>) -> bool {
    params.meta.as_ref().is_some_and(|meta| meta.protocol_version.is_some())
        || headers.is_some_and(is_modern_header)
}

/// Whether the headers alone say so: they name a version, and none that opens with a handshake.
pub(crate) fn is_modern_header(headers: &MirroredHeaders<'_>) -> bool {
    let is_handshake =
        |version| std::str::from_utf8(version).is_ok_and(|version| Revision::handshake(version).is_some());
    headers.protocol_version.as_deref().is_some_and(|version| !is_handshake(version))
}

/// Whether the version that a notification is sent under is served, wherever it is named.
pub(crate) fn check_version(params: &Params, headers: &MirroredHeaders<'_>) -> Result<(), RpcError> {
    let in_body = params.meta.as_ref().and_then(|meta| meta.protocol_version.as_ref());
    let header = headers.protocol_version.as_deref().map(String::from_utf8_lossy);
    match in_body.map(NamedVersion::as_str).or(header.as_deref()) {
        Some(version) if !Revision::parse(version).is_some_and(Revision::is_modern) => {
            Err(RpcError::unsupported_version(version))
        }
        _ => Ok(()),
    }
}

/// Reads a request of this era; checks come in the order of the specification.
pub(crate) fn accept(
    origin: Origin,
    id: RequestId,
    method: &str,
    mut params: Params,
    headers: Option<MirroredHeaders<'_>>,
) -> Result<Request, RpcError> {
    let mut meta = params.meta.take().unwrap_or_default();
    let (Some(version), Some(_)) = (&meta.protocol_version, &meta.client_capabilities) else {
        let missing = missing_keys(&meta).join(" and ");
        return Err(RpcError::invalid_params(format!("Invalid params: `_meta` lacks {missing}")));
    };
    if let Some(headers) = &headers {
        check_version_header(headers, version.as_str())?;
    }
    let revision = version.modern().ok_or_else(|| RpcError::unsupported_version(version.as_str()))?;
    if let Some(headers) = &headers {
        check_method_header(headers, method)?;
    }
    let (state, responses) = (params.request_state.take(), params.input_responses.take());
    let operation = Operation::read(method, params)?.ok_or_else(|| RpcError::method_not_found(method))?;
    if let Some(headers) = &headers {
        check_name_header(headers, operation.mirrored_name())?;
    }
    let may_ask = operation.may_ask();
    let has_arrived = may_ask && (state.is_some() || responses.is_some());
    let call = Call::new(CallParts {
        id,
        may_ask,
        arrived: has_arrived.then(|| Box::new(Arrived { state, responses })),
        link: None,
        revision,
        transport: origin.transport,
        peer: origin.peer,
        principal: origin.principal,
        log_level: meta.log_level,
        progress_token: meta.progress_token.take(),
        trace: trace(&mut meta),
        client: ClientFacts::Said(meta),
        header_params: headers.map(|headers| headers.params),
        outbox: origin.outbox,
        closing: origin.closing,
        server: origin.core,
    });
    Ok(Request { operation, call })
}

/// Takes the trace context out, where a client sent any.
pub(super) fn trace(meta: &mut WireMeta) -> Option<Box<TraceContext>> {
    let any = meta.traceparent.is_some() || meta.tracestate.is_some() || meta.baggage.is_some();
    any.then(|| {
        Box::new(TraceContext {
            traceparent: meta.traceparent.take(),
            tracestate: meta.tracestate.take(),
            baggage: meta.baggage.take(),
        })
    })
}

/// The required keys of `_meta` that are not there, in backquotes.
pub(crate) fn missing_keys(meta: &WireMeta) -> Vec<String> {
    [
        (meta.protocol_version.is_none(), key::PROTOCOL_VERSION),
        (meta.client_capabilities.is_none(), key::CLIENT_CAPABILITIES),
    ]
    .into_iter()
    .filter(|(is_missing, _)| *is_missing)
    .map(|(_, key)| format!("`{key}`"))
    .collect()
}

fn check_version_header(headers: &MirroredHeaders<'_>, version: &str) -> Result<(), RpcError> {
    match headers.protocol_version.as_deref() {
        Some(header) if header == version.as_bytes() => Ok(()),
        Some(_) => Err(mismatch("MCP-Protocol-Version", "is not the protocol version in the body's `_meta`")),
        None => Err(mismatch("MCP-Protocol-Version", "is missing")),
    }
}

fn check_method_header(headers: &MirroredHeaders<'_>, method: &str) -> Result<(), RpcError> {
    match headers.method.as_deref() {
        Some(header) if header == method.as_bytes() => Ok(()),
        Some(_) => Err(mismatch("Mcp-Method", &format!("is not the body's method, {}", shorten(method)))),
        None => Err(mismatch("Mcp-Method", "is missing")),
    }
}

fn check_name_header(headers: &MirroredHeaders<'_>, name: Option<&str>) -> Result<(), RpcError> {
    let Some(name) = name else { return Ok(()) };
    match headers.name.as_deref().map(header::decode) {
        Some(Some(header)) if header == name => Ok(()),
        Some(Some(_)) => Err(mismatch("Mcp-Name", &format!("is not the body's, {}", shorten(name)))),
        Some(None) => Err(mismatch("Mcp-Name", "has characters or base64 that a header value cannot have")),
        None => Err(mismatch("Mcp-Name", "is missing")),
    }
}

fn mismatch(header: &str, why: &str) -> RpcError {
    RpcError::header_mismatch(format!("Header mismatch: {header} {why}"))
}
