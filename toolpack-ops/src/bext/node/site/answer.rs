//! The responses of a static site.

use std::ffi::OsStr;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, LOCATION, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};

use super::condition::{Validators, Verdict, judge, range_holds};
use super::pieces::{Pieces, Stretch};
use super::range::{Selection, Span, select};
use super::{Opened, fingerprint, media};
use crate::bext::node::body::Body;

/// What may change with the next release: kept, but asked about each time.
const REVALIDATED: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");

/// What never changes under its name: a year, which is what `forever` is on the web.
const UNCHANGING: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The answer with a file, or with what of it the client still wants.
pub(super) fn file_answer(request: &Parts, opened: Opened, validators: &Validators) -> Response<Body> {
    let headers = file_headers(&opened, Some(validators));
    match judge(&request.headers, validators) {
        Verdict::Proceed => {}
        Verdict::NotModified => return not_modified(headers),
        Verdict::PreconditionFailed => {
            return text(StatusCode::PRECONDITION_FAILED, "the file is not the one that the request is for");
        }
    }
    let length = opened.key.length;
    // No other method has ranges: a HEAD says what a GET without them gives.
    let by_range = request.method == Method::GET && range_holds(&request.headers, validators);
    match if by_range { select(&request.headers, length) } else { Selection::Whole } {
        Selection::Whole => with_file(StatusCode::OK, headers, opened, Span { start: 0, end: length }),
        Selection::One(span) => {
            let mut headers = headers;
            headers.insert(CONTENT_RANGE, value(&span.of(length)));
            with_file(StatusCode::PARTIAL_CONTENT, headers, opened, span)
        }
        Selection::Several(spans) => in_parts(headers, opened, &spans, validators),
        Selection::Unsatisfiable => {
            let mut response = text(StatusCode::RANGE_NOT_SATISFIABLE, "no such range: the file is shorter");
            response.headers_mut().insert(CONTENT_RANGE, value(&format!("bytes */{length}")));
            response
        }
    }
}

/// The answer where there is no file: the site's own page, or a short text.
///
/// It has no validators: a precondition is about a file that there is.
pub(super) fn missing_page(page: Option<Opened>) -> Response<Body> {
    let Some(page) = page else { return text(StatusCode::NOT_FOUND, "there is no such page") };
    let mut headers = file_headers(&page, None);
    headers.insert(CACHE_CONTROL, REVALIDATED);
    let whole = Span { start: 0, end: page.key.length };
    with_file(StatusCode::NOT_FOUND, headers, page, whole)
}

/// Leads to the same path with a slash, so that relative links in the page of a directory are right.
pub(super) fn redirect(request: &Parts) -> Response<Body> {
    let query = request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}/{query}", request.uri.path());
    let Ok(location) = HeaderValue::from_bytes(location.as_bytes()) else { return missing_page(None) };
    let mut response =
        text(StatusCode::PERMANENT_REDIRECT, "the page is at the same path with a slash at its end");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// A short text for people. It is never kept without asking, so that the next release may answer otherwise.
pub(super) fn text(status: StatusCode, message: &str) -> Response<Body> {
    let message = Bytes::from(format!("{message}\n"));
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, REVALIDATED);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(message.len()));
    response(status, headers, full(message))
}

/// The same response as to a GET, whose length it still says.
pub(super) fn without_body(response: Response<Body>) -> Response<Body> {
    response.map(|_| empty())
}

fn not_modified(mut headers: HeaderMap) -> Response<Body> {
    // What a cache needs to refresh what it has, and nothing that describes a body.
    for name in [CONTENT_TYPE, CONTENT_ENCODING, X_CONTENT_TYPE_OPTIONS, ACCEPT_RANGES] {
        headers.remove(name);
    }
    response(StatusCode::NOT_MODIFIED, headers, empty())
}

fn file_headers(opened: &Opened, validators: Option<&Validators>) -> HeaderMap {
    let name = opened.key.path.file_name().unwrap_or(OsStr::new(""));
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, media::content_type(name));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let cache = if fingerprint::is_fingerprinted(name) { UNCHANGING } else { REVALIDATED };
    headers.insert(CACHE_CONTROL, cache);
    if let Some(coding) = opened.key.coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    if opened.varies {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(validators) = validators {
        headers.insert(ETAG, validators.tag.clone());
        headers.insert(LAST_MODIFIED, value(&httpdate::fmt_http_date(validators.modified)));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    headers
}

fn with_file(status: StatusCode, mut headers: HeaderMap, opened: Opened, span: Span) -> Response<Body> {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(span.len()));
    let body = match opened.content {
        // What was read is small, so that its positions are numbers of memory, too.
        Some(content) => full(content.slice(span.start as usize..span.end as usize)),
        None => Pieces::new(opened.file, [Stretch::File(span)]).boxed_unsync(),
    };
    response(status, headers, body)
}

/// Several ranges, as `multipart/byteranges`.
fn in_parts(
    mut headers: HeaderMap,
    opened: Opened,
    spans: &[Span],
    validators: &Validators,
) -> Response<Body> {
    // A content that has its own hash in it cannot be made, so the hash never stands in it by accident or intent.
    let tag = validators.tag.to_str().unwrap_or_default();
    let boundary = format!("bext-{}", tag.trim_matches('"'));
    let media =
        headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default().to_owned();
    let mut stretches = Vec::with_capacity(2 * spans.len() + 1);
    let mut length = 0;
    for (number, span) in spans.iter().enumerate() {
        let line_end = if number == 0 { "" } else { "\r\n" };
        let range = span.of(opened.key.length);
        let opening =
            format!("{line_end}--{boundary}\r\nContent-Type: {media}\r\nContent-Range: {range}\r\n\r\n");
        length += opening.len() as u64 + span.len();
        stretches.extend([Stretch::Text(opening.into()), Stretch::File(*span)]);
    }
    let closing = format!("\r\n--{boundary}--\r\n");
    length += closing.len() as u64;
    stretches.push(Stretch::Text(closing.into()));
    headers.insert(CONTENT_TYPE, value(&format!("multipart/byteranges; boundary={boundary}")));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    response(StatusCode::PARTIAL_CONTENT, headers, Pieces::new(opened.file, stretches).boxed_unsync())
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A value that we made of ASCII.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn full(content: Bytes) -> Body {
    Full::new(content).map_err(|never| match never {}).boxed_unsync()
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
