//! Calls over HTTP without a socket: the service that a server or a router calls, and requests with their body ready.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use toolpack::{Endpoint, Revision, http::HttpService};
use tower_service::Service;

use super::request;

pub(crate) fn service(endpoint: &Endpoint) -> HttpService {
    HttpService::new(endpoint).expect("what is built already can be served")
}

/// A call of `echo` as clients send it.
pub(crate) fn echo() -> Request<Full<Bytes>> {
    let revision = Revision::V2026_07_28;
    let message = request(revision, 1, "tools/call", super::echo());
    Request::builder()
        .method(Method::POST)
        .uri("/mcp")
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::USER_AGENT, "bench/1.0.0")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, text/event-stream")
        .header(header::CONTENT_LENGTH, message.len())
        .header("mcp-protocol-version", revision.as_str())
        .header("mcp-method", "tools/call")
        .header("mcp-name", "echo")
        .body(Full::new(message.into()))
        .expect("all parts are valid")
}

/// Has a request answered and takes the body of the answer, which has to be there at once and in one piece.
pub(crate) fn exchange(service: &mut HttpService, request: Request<Full<Bytes>>) -> Bytes {
    let Ok(response) = at_once(service.call(request));
    let mut body = response.into_body();
    let frame = at_once(body.frame()).expect("an answer has a body");
    let Ok(frame) = frame;
    frame.into_data().expect("a body begins with data")
}

/// What comes of a future that need not wait.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
