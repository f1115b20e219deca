//! What stands at which path of a server of its own: the endpoint, and whether the server lives.

use std::net::IpAddr;

use http::{Method, Request, Response, StatusCode};
use http_body::Body;

use crate::{
    HttpService, ResponseBody,
    responses::{json_response, refuse, with_allow, without_body},
};

/// By which address a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// That of the endpoint.
    Endpoint,
    /// That of figures alone.
    Metrics,
}

/// Answers a request of whatever path.
pub(crate) async fn route<B>(
    service: HttpService,
    request: Request<B>,
    peer: IpAddr,
    door: Door,
) -> Response<ResponseBody>
where
    B: Body,
    B::Error: std::fmt::Display,
{
    let path = request.uri().path();
    if door == Door::Endpoint && path == service.options().path {
        return service.respond(request, Some(peer)).await;
    }
    let is_head = request.method() == Method::HEAD;
    let response = match path {
        "/health" | "/health/live" => health(request.method(), true),
        "/health/ready" => health(request.method(), !service.is_closing()),
        #[cfg(feature = "metrics")]
        "/metrics" if door == Door::Metrics || service.options().metrics_scope.is_some() => {
            let is_open = door == Door::Metrics;
            service.measured(request.into_parts().0, peer, is_open).await
        }
        _ => not_found(&service, door),
    };
    service.figures().responded(response.status());
    if is_head { without_body(response) } else { response }
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

fn not_found(service: &HttpService, door: Door) -> Response<ResponseBody> {
    let why = match door {
        Door::Endpoint => format!("Not found; MCP is served at {}", service.options().path),
        Door::Metrics => "Not found; figures are served at /metrics".to_owned(),
    };
    refuse(StatusCode::NOT_FOUND, &why)
}
