//! What stands at which path of a server of its own: the endpoint, and whether the server lives.

use std::net::IpAddr;

use http::{Method, Request, Response, StatusCode};
use http_body::Body;

use crate::{
    HttpService, ResponseBody,
    service::{json_response, refuse, with_allow, without_body},
};

/// Answers a request of whatever path.
pub(crate) async fn route<B>(
    service: HttpService,
    request: Request<B>,
    peer: IpAddr,
) -> Response<ResponseBody>
where
    B: Body,
    B::Error: std::fmt::Display,
{
    let path = request.uri().path();
    if path == service.options().path {
        return service.respond(request, Some(peer)).await;
    }
    let response = match path {
        "/health" | "/health/live" => health(request.method(), true),
        "/health/ready" => health(request.method(), !service.is_closing()),
        _ => not_found(&service),
    };
    if request.method() == Method::HEAD { without_body(response) } else { response }
}

/// Tells whoever asks, and nothing more than that: what is wrong is in the log.
fn health(method: &Method, is_well: bool) -> Response<ResponseBody> {
    match *method {
        Method::GET | Method::HEAD if is_well => {
            json_response(StatusCode::OK, br#"{"status":"ok"}"#.to_vec())
        }
        Method::GET | Method::HEAD => {
            json_response(StatusCode::SERVICE_UNAVAILABLE, br#"{"status":"unavailable"}"#.to_vec())
        }
        _ => with_allow(refuse(StatusCode::METHOD_NOT_ALLOWED, "Only GET is served here"), "GET, HEAD"),
    }
}

fn not_found(service: &HttpService) -> Response<ResponseBody> {
    refuse(StatusCode::NOT_FOUND, &format!("Not found; MCP is served at {}", service.options().path))
}
