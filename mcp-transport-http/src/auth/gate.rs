//! Who gets in: the principal of a request, or the response that turns it away.

use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use mcp_core::{EncodedAnswer, Principal, Revision, RpcError};

use super::Found;
use crate::{
    Http, ResponseBody,
    responses::{json_response, refuse},
};

/// The challenge where nothing else says what to show.
const CHALLENGE: &str = "Bearer realm=\"mcp\"";

/// Finds the principal of a request: first the one that a layer in front put there, then by the ways that the options
/// name, in their order. It comes before the body, which is not read of a request that is turned away.
pub(crate) async fn admit(options: &Http, head: &Parts) -> Result<Principal, Box<Response<ResponseBody>>> {
    if let Some(principal) = head.extensions.get::<Principal>() {
        return if principal.is_valid() { Ok(principal.clone()) } else { Err(unauthorized(options)) };
    }
    let mut refused = None;
    for way in &options.ways {
        let mut found = way.authenticate(head);
        while let Found::Later(later) = found {
            found = later.await;
        }
        match found {
            Found::Principal(principal) if principal.is_valid() => return Ok(principal),
            Found::Nothing => {}
            Found::Malformed(why) => return Err(malformed(way.challenge(), why)),
            // Nothing is left to wait for after the loop above.
            Found::Unavailable | Found::Later(_) => return Err(unavailable()),
            // Another way may know them.
            Found::Principal(_) | Found::Unknown => {
                refused.get_or_insert_with(|| way.challenge());
            }
        }
    }
    match (refused, &options.stranger) {
        (Some(challenge), _) => Err(unknown(challenge)),
        (None, Some(stranger)) => Ok(stranger.clone()),
        (None, None) => Err(nothing_shown(options)),
    }
}

/// The response to a request whose credentials ended before there was another, with the answer that it is given.
pub(crate) fn end(options: &Http, answer: Option<EncodedAnswer>) -> Response<ResponseBody> {
    let mut response = *unauthorized(options);
    if let Some(answer) = answer {
        *response.body_mut() = ResponseBody::whole(answer.bytes);
    }
    response
}

/// Turns away whose credentials are no good any more.
fn unauthorized(options: &Http) -> Box<Response<ResponseBody>> {
    unknown(options.ways.first().map_or(CHALLENGE, |way| way.challenge()))
}

fn nothing_shown(options: &Http) -> Box<Response<ResponseBody>> {
    let mut response = refuse(StatusCode::UNAUTHORIZED, "Unauthorized: this server wants to know who calls");
    match options.ways.as_slice() {
        [] => {
            // Whoever mounted a service without a layer in front finds here why nothing is answered.
            tracing::info!(
                "nobody is let in; Http::keys, Http::without_auth or a Principal in the extensions open this up"
            );
            challenge(&mut response, CHALLENGE.to_owned());
        }
        ways => ways.iter().for_each(|way| challenge(&mut response, way.challenge().to_owned())),
    }
    Box::new(response)
}

fn unknown(by: &str) -> Box<Response<ResponseBody>> {
    const WHY: &str = "These credentials are not known, or no good any more";
    let mut response = refuse(StatusCode::UNAUTHORIZED, &format!("Unauthorized: {WHY}"));
    challenge(&mut response, format!("{by}, error=\"invalid_token\", error_description=\"{WHY}\""));
    Box::new(response)
}

fn malformed(by: &str, why: &'static str) -> Box<Response<ResponseBody>> {
    let mut response = refuse(StatusCode::BAD_REQUEST, &format!("Bad request: {why}"));
    challenge(&mut response, format!("{by}, error=\"invalid_request\", error_description=\"{why}\""));
    Box::new(response)
}

fn unavailable() -> Box<Response<ResponseBody>> {
    let error = RpcError::overloaded("Unavailable: who calls cannot be found out at the moment");
    let answer = EncodedAnswer::refusal(None, &error, Revision::V2026_07_28);
    let mut response = json_response(StatusCode::SERVICE_UNAVAILABLE, answer.bytes);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    Box::new(response)
}

/// Says what to show. Several challenges stand in as many headers, which is easier to read than one list of them.
fn challenge(response: &mut Response<ResponseBody>, text: String) {
    match HeaderValue::try_from(text) {
        Ok(value) => drop(response.headers_mut().append(header::WWW_AUTHENTICATE, value)),
        // Of somebody's own, with a line break in it.
        Err(error) => tracing::error!(%error, "a challenge cannot stand in a header"),
    }
}
