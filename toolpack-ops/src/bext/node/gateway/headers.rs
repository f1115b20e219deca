//! Which headers a message keeps on its way, and which the gateway writes itself.
//!
//! | Headers of a request | To the app |
//! |---|---|
//! | `Connection` and what it names, `Keep-Alive`, `Proxy-Connection`, `Proxy-Authorization`, `Transfer-Encoding`, `Upgrade`, `TE` | for this hop alone: taken off; written anew for an upgrade, for chunks and for trailers |
//! | `X-Forwarded-For`, `X-Forwarded-Host`, `X-Forwarded-Proto`, `Forwarded` | written by the gateway; a client's are taken off |
//! | other `X-Forwarded-…`, `X-Real-IP`, `True-Client-IP`, `X-Client-IP`, `X-Cluster-Client-IP`, `CF-Connecting-IP`, `Fastly-Client-IP` | taken off: a client does not say where it is |
//! | `X-Original-URL`, `X-Rewrite-URL`, `X-Original-Host` | taken off: there are frameworks that answer for these, and not for what was asked |
//! | `Proxy` | taken off: as `HTTP_PROXY` it is a proxy for what a CGI program asks for |
//! | `Via` | one more, with the version that the request came in |
//! | all others | as they are |
//!
//! What is taken off of a client's by rows two to five is so with `_` for any `-`, too, and within trailers.

use std::fmt::Write;
use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, Version, request};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is meant for the next hop alone (RFC 9110, section 7.6.1), besides what `Connection` names. `Trailer`
/// is not among them: it announces fields that go all the way.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes off what is meant for this hop alone.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
            .filter(|token| {
                !["close", "keep-alive", "upgrade", "te"]
                    .iter()
                    .any(|known| token.eq_ignore_ascii_case(known))
            })
            .filter_map(|token| token.parse().ok())
            // These two are for everyone on the way: a client that names them wants the next server to read
            // another message than this one did.
            .filter(|name| *name != HOST && *name != CONTENT_LENGTH)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// What a request asks its connection to become. Not to HTTP/2, which a gateway speaks itself or not at all:
/// requests inside of it would pass unseen.
pub(super) fn upgrade_asked(request: &request::Parts) -> Option<HeaderValue> {
    let asks = request.version == Version::HTTP_11
        && request.headers.contains_key(UPGRADE)
        && tokens(&request.headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && !tokens(&request.headers, &UPGRADE)
            .any(|protocol| ["h2", "h2c"].iter().any(|http2| protocol.eq_ignore_ascii_case(http2)));
    if asks { request.headers.get(UPGRADE).cloned() } else { None }
}

/// Makes the headers of a request those that an app is to see.
pub(super) fn to_app(headers: &mut HeaderMap, version: Version, from: IpAddr, upgrade: Option<&HeaderValue>) {
    let takes_trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    strip_hop_by_hop(headers);
    strip_forwarded(headers);
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    } else if takes_trailers {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let from = from.to_canonical();
    let mut forwarded = String::with_capacity(96);
    let mut address = String::with_capacity(40);
    // Writing to a string does not fail.
    let _ = write!(address, "{from}");
    let _ = match from {
        IpAddr::V4(_) => write!(forwarded, "for={from}"),
        IpAddr::V6(_) => write!(forwarded, "for=\"[{from}]\""),
    };
    if let Some(host) = headers.get(HOST).cloned() {
        if let Ok(host) = host.to_str() {
            let _ = write!(forwarded, ";host=\"{host}\"");
        }
        headers.insert(X_FORWARDED_HOST, host);
    }
    forwarded.push_str(";proto=http");
    if let Ok(address) = HeaderValue::try_from(address) {
        headers.insert(X_FORWARDED_FOR, address);
    }
    if let Ok(forwarded) = HeaderValue::try_from(forwarded) {
        headers.insert(FORWARDED, forwarded);
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.append(VIA, via(version));
}

/// Makes the headers of a response those that a client is to see.
pub(super) fn to_client(headers: &mut HeaderMap, version: Version) {
    strip_hop_by_hop(headers);
    headers.append(VIA, via(version));
}

/// The version is that in which the message came here.
fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 bext",
        Version::HTTP_2 => "2.0 bext",
        _ => "1.1 bext",
    })
}

/// Whether the body of a message is coded for its hop in no other way than by chunks, once. The gateway takes
/// off no other coding, and so must not pass on what is behind one as if it were the body.
pub(super) fn is_plainly_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
}

/// What apps believe of whoever stands before them, besides all that begins with [`FORWARDED_PREFIX`].
const OF_A_PROXY: [&str; 11] = [
    "forwarded",
    "x-real-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "proxy",
];
const FORWARDED_PREFIX: &str = "x-forwarded-";

/// Takes off what a client says in the place of a proxy: where it comes from, and what was asked for.
pub(super) fn strip_forwarded(headers: &mut HeaderMap) {
    let forged: Vec<HeaderName> =
        headers.keys().filter(|name| is_of_a_proxy(name.as_str())).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// Many frameworks take `_` in the name of a header for `-`, so a client might say it that way.
fn is_of_a_proxy(name: &str) -> bool {
    let begins = |with: &str| {
        name.len() >= with.len()
            && name
                .bytes()
                .zip(with.bytes())
                .all(|(byte, other)| byte == other || (byte == b'_' && other == b'-'))
    };
    begins(FORWARDED_PREFIX) || OF_A_PROXY.iter().any(|known| name.len() == known.len() && begins(known))
}

/// The members of a header that is a list.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_is_for_one_hop_goes_no_further() {
        let mut given = headers(&[
            ("connection", "close, X-Secret, host, content-length"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic eA=="),
            ("proxy-connection", "keep-alive"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("host", "a.test"),
            ("content-length", "3"),
            ("trailer", "x-sum"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut given);
        assert_eq!(
            given,
            headers(&[("host", "a.test"), ("content-length", "3"), ("trailer", "x-sum"), ("accept", "*/*")])
        );
    }

    #[test]
    fn where_a_request_comes_from_is_what_the_connection_says() {
        let mut given = headers(&[
            ("host", "a.test:80"),
            ("forwarded", "for=1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x-forwarded-port", "443"),
            ("x-real-ip", "1.2.3.4"),
            ("x_real_ip", "1.2.3.4"),
            ("proxy", "http://evil.test"),
            ("true-client-ip", "1.2.3.4"),
            ("true_client_ip", "1.2.3.4"),
            ("x-client-ip", "1.2.3.4"),
            ("x-cluster-client-ip", "1.2.3.4"),
            ("x_cluster-client_ip", "1.2.3.4"),
            ("cf-connecting-ip", "1.2.3.4"),
            ("fastly-client-ip", "1.2.3.4"),
            ("x-original-url", "/admin"),
            ("x_original_url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("x-original-host", "evil.test"),
            ("x-original-urls", "kept"),
            ("x-forward", "kept"),
            ("te", "trailers"),
            ("connection", "x-forwarded-host, te"),
            ("via", "1.1 before"),
        ]);
        to_app(&mut given, Version::HTTP_2, "::1".parse().unwrap(), None);
        assert_eq!(
            given,
            headers(&[
                ("host", "a.test:80"),
                ("x-original-urls", "kept"),
                ("x-forward", "kept"),
                ("te", "trailers"),
                ("connection", "te"),
                ("via", "1.1 before"),
                ("via", "2.0 bext"),
                ("x-forwarded-for", "::1"),
                ("x-forwarded-host", "a.test:80"),
                ("x-forwarded-proto", "http"),
                ("forwarded", "for=\"[::1]\";host=\"a.test:80\";proto=http"),
            ])
        );
    }

    #[test]
    fn an_upgrade_is_asked_for_by_both_headers_and_never_to_http2() {
        let asked = |version: Version, connection: &str, upgrade: &str| {
            let request = http::Request::get("/")
                .version(version)
                .header(CONNECTION, connection)
                .header(UPGRADE, upgrade);
            upgrade_asked(&request.body(()).unwrap().into_parts().0).is_some()
        };
        assert!(asked(Version::HTTP_11, "keep-alive, Upgrade", "websocket"));
        assert!(!asked(Version::HTTP_11, "keep-alive", "websocket"));
        assert!(!asked(Version::HTTP_10, "upgrade", "websocket"));
        assert!(!asked(Version::HTTP_11, "upgrade, http2-settings", "h2c"));
        assert!(!asked(Version::HTTP_11, "upgrade", "websocket, H2C"));
    }
}
