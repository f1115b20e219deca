//! What browsers are told (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>), for pages whose origin was
//! allowed by name.
//!
//! Written here and not taken from tower-http: the guard knows the origins, and which headers may be sent is in part a
//! prefix, `Mcp-Param-`, where its layer takes a list or allows all that is asked for.

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use crate::{Http, ResponseBody, guard};

/// What a client of MCP sends beside what browsers allow anyway.
const REQUEST_HEADERS: &str = "content-type, accept, authorization, mcp-session-id, mcp-protocol-version, \
                               last-event-id, mcp-method, mcp-name";
/// What it has to read beside what browsers show anyway.
const RESPONSE_HEADERS: &str = "mcp-session-id, www-authenticate, retry-after";
/// For how long a browser need not ask again, in seconds: two hours, as much as most take.
const MAX_AGE: &str = "7200";

/// The origin of a page that may read the answer, as its browser wrote it.
pub(crate) fn allowed_origin(options: &Http, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().filter(|_| origins.next().is_none())?;
    guard::is_named(options, origin.to_str().ok()?).then(|| origin.clone())
}

/// Tells the browser of such a page that it may read this response.
pub(crate) fn share(response: &mut Response<ResponseBody>, options: &Http, origin: Option<HeaderValue>) {
    if options.origins.is_empty() {
        return;
    }
    let headers = response.headers_mut();
    // Also where there is no such page: a cache must not hand its response to one.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
    }
}

/// Tells the browser of such a page what it may send, where it asks for that beforehand.
pub(crate) fn answer_preflight(
    response: &mut Response<ResponseBody>,
    options: &Http,
    asked: &HeaderMap,
    methods: &'static str,
) {
    let is_preflight = asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight && allowed_origin(options, asked).is_some() {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, request_headers(options, asked));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        headers.append(header::VARY, HeaderValue::from_name(header::ACCESS_CONTROL_REQUEST_HEADERS));
    }
}

/// The headers that a page may send: those known, those of credentials, and of those it asks for every mirrored parameter.
fn request_headers(options: &Http, asked: &HeaderMap) -> HeaderValue {
    let mut allowed = REQUEST_HEADERS.to_owned();
    for name in options.ways.iter().flat_map(|way| way.headers()) {
        allowed.push_str(", ");
        allowed.push_str(name.as_str());
    }
    let asked = asked.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    for name in asked.filter_map(|names| names.to_str().ok()).flat_map(|names| names.split(',')) {
        // Parsed, so that nothing but names gets into the answer.
        if let Ok(name) = name.trim().parse::<HeaderName>()
            && name.as_str().starts_with("mcp-param-")
        {
            allowed.push_str(", ");
            allowed.push_str(name.as_str());
        }
    }
    HeaderValue::try_from(allowed).unwrap_or_else(|_| HeaderValue::from_static(REQUEST_HEADERS))
}
