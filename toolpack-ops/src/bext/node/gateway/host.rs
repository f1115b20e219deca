//! Which host a request asks for.

use std::borrow::Cow;

use http::header::HOST;
use http::{HeaderValue, Request};

/// Has a request name its host once, in its `Host` header, wherever it was named before.
///
/// What is named twice, in two headers or otherwise than in the address, is refused: whoever answers might
/// take the other.
pub(super) fn settle<B>(request: &mut Request<B>) -> Result<(), &'static str> {
    let mut named = request.headers().get_all(HOST).iter();
    let header = named.next();
    if named.next().is_some() {
        return Err("the request has more than one Host header");
    }
    let settled = match (request.uri().authority(), header) {
        (Some(authority), Some(header))
            if !header.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            return Err("the request names one host in its address and another in its Host header");
        }
        (Some(authority), None) => Some(
            HeaderValue::from_str(authority.as_str())
                .map_err(|_| "the host of the request is no host name")?,
        ),
        (None, None) => return Err("the request has no Host header"),
        (_, Some(_)) => None,
    };
    if let Some(host) = settled {
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

/// The name in a `Host` header as routes have it: without port and final dot, in lower case. None if it is no
/// host.
pub(super) fn name_in(host: &HeaderValue) -> Option<Cow<'_, str>> {
    let host = host.to_str().ok()?;
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (address, port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))?)
        }
        None => {
            let (name, port) = host.split_once(':').unwrap_or((host, ""));
            let name = name.strip_suffix('.').unwrap_or(name);
            // An underscore is in no domain, but the name of an app may have one.
            let is_label = |label: &str| {
                !label.is_empty()
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            };
            if !name.split('.').all(is_label) {
                return None;
            }
            (name, port)
        }
    };
    if port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn named(host: &'static str) -> Option<String> {
        name_in(&HeaderValue::from_static(host)).map(Cow::into_owned)
    }

    #[test]
    fn the_name_of_a_host_has_no_port_no_final_dot_and_no_case() {
        for host in [
            "shop.localhost",
            "Shop.LocalHost:8080",
            "shop.localhost.",
            "shop.localhost.:80",
            "shop.localhost:",
        ] {
            assert_eq!(named(host).as_deref(), Some("shop.localhost"), "{host}");
        }
        assert_eq!(named("my_app.localhost").as_deref(), Some("my_app.localhost"));
        assert_eq!(named("[::1]:80").as_deref(), Some("::1"));
        assert_eq!(named("127.0.0.1").as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn what_is_no_host_is_none() {
        for host in [
            "",
            ".",
            "..",
            "a..b",
            "shop localhost",
            "shop/localhost",
            "user@shop.localhost",
            "shop:80:80",
            "shop:http",
            "shop:123456",
            "[::1",
            "[shop]",
            "[::1]x",
            "a,b",
            "shop.localhost?",
        ] {
            assert_eq!(named(host), None, "{host}");
        }
    }

    #[test]
    fn a_host_is_named_once() {
        let settled = |request: http::request::Builder| {
            let mut request = request.body(()).unwrap();
            settle(&mut request).map(|()| request.headers()[HOST].clone())
        };
        assert_eq!(settled(Request::get("/").header(HOST, "a.test")).unwrap(), "a.test");
        assert_eq!(settled(Request::get("http://a.test/")).unwrap(), "a.test");
        assert_eq!(settled(Request::get("http://a.test/").header(HOST, "A.test")).unwrap(), "A.test");
        assert!(settled(Request::get("http://a.test/").header(HOST, "b.test")).is_err());
        assert!(settled(Request::get("/").header(HOST, "a.test").header(HOST, "a.test")).is_err());
        assert!(settled(Request::get("/")).is_err());
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_said_a_name_has_no_other_characters(host in "\\PC{0,40}|[a-zA-Z0-9._:@-]{0,40}") {
            let Ok(value) = HeaderValue::from_bytes(host.as_bytes()) else { return Ok(()) };
            if let Some(name) = name_in(&value) {
                let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:".contains(&byte);
                proptest::prop_assert!(!name.is_empty() && name.bytes().all(is_plain), "{}", name);
            }
        }
    }
}
