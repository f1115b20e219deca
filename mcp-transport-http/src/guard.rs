//! Who may be asked for, and from where: `Host` and `Origin` against DNS rebinding (specification 2026-07-28,
//! "Security & Endpoint").

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use crate::Http;

/// Why a request is refused before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// None, or several (RFC 9112, section 3.2).
    NoHost,
    Host,
    Origin,
    /// A page elsewhere that does not say where it is from.
    Site,
}

impl Refusal {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NoHost => StatusCode::BAD_REQUEST,
            Self::Host | Self::Origin | Self::Site => StatusCode::FORBIDDEN,
        }
    }

    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NoHost => "Bad request: it has to name one Host",
            Self::Host => "Forbidden: requests for this Host are not served here",
            Self::Origin => "Forbidden: pages of this Origin are not served here",
            Self::Site => "Forbidden: pages of other sites are served only with an Origin that is allowed",
        }
    }
}

/// Looks at a request's `Host` and `Origin`, and at `Sec-Fetch-Site` where there is no origin: what a page embeds, such as
/// a picture, is asked for without one.
pub(crate) fn check(options: &Http, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (uri.authority(), hosts.next(), hosts.next()) {
        (_, _, Some(_)) | (None, None, None) => return Err(Refusal::NoHost),
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
    };
    if !host.and_then(host_name).is_some_and(|host| is_served(options, host)) {
        return Err(Refusal::Host);
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        let is_own = |site: &HeaderValue| site == "same-origin" || site == "none";
        let mut sites = headers.get_all("sec-fetch-site").iter();
        return if sites.all(is_own) { Ok(()) } else { Err(Refusal::Site) };
    };
    let origin = origin.to_str().ok().filter(|_| origins.next().is_none()).ok_or(Refusal::Origin)?;
    if is_named(options, origin) {
        return Ok(());
    }
    // `null`, `file:` and their like have no host of ours.
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match authority.and_then(host_name) {
        Some(host) if is_served(options, host) => Ok(()),
        _ => Err(Refusal::Origin),
    }
}

/// Whether an origin was allowed by name.
pub(crate) fn is_named(options: &Http, origin: &str) -> bool {
    options.origins.contains(&origin.to_ascii_lowercase())
}

/// Whether a host is this machine itself, or one that was allowed by name.
fn is_served(options: &Http, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || is_loopback(&host) || options.hosts.contains(&host)
}

/// Whether a host is a loopback address as browsers write them.
fn is_loopback(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => {
            host.parse::<Ipv6Addr>().is_ok_and(|address| IpAddr::from(address).to_canonical().is_loopback())
        }
        None => host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// The host of `host` or `host:port`; nothing for what is neither.
fn host_name(authority: &str) -> Option<&str> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(end);
    let is_port = |port: &str| {
        let digits = port.strip_prefix(':').unwrap_or_default();
        // The parser alone would also take a sign.
        digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (!host.is_empty() && host.chars().all(is_name) && (port.is_empty() || is_port(port))).then_some(host)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    /// Whether a host, with or without a port, is this machine, as the standard library reads addresses.
    fn is_this_machine(host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let address =
            [host.clone(), format!("{host}:1")].into_iter().find_map(|host| host.parse::<SocketAddr>().ok());
        match address {
            Some(address) => address.ip().to_canonical().is_loopback(),
            None => host.split_once(':').map_or(host.as_str(), |(name, _)| name) == "localhost",
        }
    }

    /// Values that are nearly right, and any other.
    fn authority() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "localhost",
            "LocalHost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "::1",
            "[",
            "]",
            ":",
            "80",
            "65536",
            "+",
            "-",
            "@",
            ".",
            "/",
            "%",
            "%lo",
            "#",
            "?",
            " ",
            ",",
            "evil.com",
            "10.0.0.1",
            "http://",
        ]);
        prop_oneof![
            3 => proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat()),
            1 => any::<String>(),
        ]
    }

    fn checked(options: &Http, host: &str, origin: Option<&str>) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(options, &Uri::from_static("/mcp"), &headers)
    }

    #[test]
    fn this_machine_is_served_under_every_name_it_has() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]",
            "[::1]:9",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(checked(&Http::new(), host, None), Ok(()), "{host}");
            assert_eq!(checked(&Http::new(), "localhost", Some(&format!("http://{host}"))), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_hosts_are_refused() {
        let bad = [
            "evil.example.com",
            "localhost.evil.com",
            "localhost:",
            "localhost:x",
            "localhost:80:80",
            "localhost:+80",
            "localhost:65536",
            "localhost.",
            "[::1%lo]",
            "",
            "[::1",
            "0.0.0.0",
            "localhost@evil.com",
            "127.0.0.1.evil.com",
            "10.0.0.1",
            "[::2]",
            "localhost/x",
        ];
        for host in bad {
            assert_eq!(checked(&Http::new(), host, None), Err(Refusal::Host), "{host}");
        }
        for origin in [
            "null",
            "http://evil.example.com",
            "file://localhost",
            "http://localhost.evil.com",
            "localhost",
            "",
        ] {
            assert_eq!(checked(&Http::new(), "localhost", Some(origin)), Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn what_is_allowed_by_name_is_served() {
        let options = Http::new().allow_host("MCP.example.com").allow_origin("https://app.example.com");
        assert_eq!(checked(&options, "mcp.example.com:443", Some("https://app.example.com")), Ok(()));
        assert_eq!(checked(&options, "mcp.example.com", Some("https://mcp.example.com")), Ok(()));
        assert_eq!(
            checked(&options, "mcp.example.com", Some("http://app.example.com")),
            Err(Refusal::Origin)
        );
        assert_eq!(checked(&options, "app.example.com", None), Err(Refusal::Host));
    }

    proptest! {
        #[test]
        fn whatever_is_served_is_this_machine(host in authority(), origin in proptest::option::of(authority())) {
            let mut headers = HeaderMap::new();
            let (Ok(value), Ok(from)) = (host.parse(), origin.as_deref().unwrap_or_default().parse()) else { return Ok(()) };
            headers.insert(header::HOST, value);
            if origin.is_some() {
                headers.insert(header::ORIGIN, from);
            }
            if check(&Http::new(), &Uri::from_static("/mcp"), &headers).is_ok() {
                prop_assert!(is_this_machine(&host), "{host:?}");
                if let Some(origin) = origin {
                    let (scheme, host) = origin.split_once("://").unwrap();
                    prop_assert!(matches!(scheme, "http" | "https") && is_this_machine(host), "{origin:?}");
                }
            }
        }

        #[test]
        fn what_a_target_names_counts_more_than_the_header(target in authority(), host in authority()) {
            let (Ok(uri), Ok(value)) = (format!("http://{target}/mcp").parse::<Uri>(), host.parse()) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(header::HOST, value)]);
            if check(&Http::new(), &uri, &headers).is_ok() {
                prop_assert!(is_this_machine(uri.authority().unwrap().as_str()), "{uri}");
            }
        }
    }

    #[test]
    fn what_a_page_of_another_site_embeds_is_refused() {
        let checked = |site: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("localhost"));
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
            let options = Http::new().allow_origin("https://app.example.com");
            check(&options, &Uri::from_static("/mcp"), &headers)
        };
        for site in ["cross-site", "same-site", "Cross-Site", "", "something new"] {
            assert_eq!(checked(site, None), Err(Refusal::Site), "{site}");
            assert_eq!(checked(site, Some("https://app.example.com")), Ok(()), "{site}");
            assert_eq!(checked(site, Some("https://evil.example.com")), Err(Refusal::Origin), "{site}");
        }
        for site in ["same-origin", "none"] {
            assert_eq!(checked(site, None), Ok(()), "{site}");
        }
    }

    #[test]
    fn two_hosts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "localhost".parse().unwrap());
        headers.append(header::HOST, "localhost".parse().unwrap());
        assert_eq!(check(&Http::new(), &Uri::from_static("/mcp"), &headers), Err(Refusal::NoHost));
        assert_eq!(check(&Http::new(), &Uri::from_static("/mcp"), &HeaderMap::new()), Err(Refusal::NoHost));
    }
}
