//! Where a request comes from when proxies pass it on: what they say counts as far as they were named, and no further.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName, header};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses that belong together: a single one, or all that begin with the same bits, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    first: IpAddr,
    prefix: u8,
}

/// What was given names neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no address and no network such as 10.0.0.0/8: {why}")]
pub struct NotANetwork {
    given: String,
    why: String,
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = |why: String| NotANetwork { given: text.to_owned(), why };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse().map_err(|_| wrong(format!("`{address}` is not an address of IPv4 or IPv6")))?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => Some(prefix)
                .filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|prefix| prefix.parse().ok())
                .filter(|prefix| *prefix <= bits)
                .ok_or_else(|| wrong(format!("after the slash there has to be a number up to {bits}")))?,
        };
        // An address of IPv4 in the form of IPv6 is the one that it stands for, as those of sockets are.
        let (address, prefix) = match (address, address.to_canonical()) {
            (IpAddr::V6(_), canonical @ IpAddr::V4(_)) if prefix >= 96 => (canonical, prefix - 96),
            (address, _) => (address, prefix),
        };
        let first = masked(address, prefix);
        if first != address {
            return Err(wrong(format!("it has bits behind the first {prefix}; {first}/{prefix} has none")));
        }
        Ok(Self { first, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl Network {
    fn has(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && masked(address, self.prefix) == self.first
    }
}

/// The address with all but its first bits cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

/// The proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies(Vec<Network>);

impl Proxies {
    pub(crate) fn trust(&mut self, network: Network) {
        self.0.push(network);
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.has(address))
    }

    /// Where a request comes from that this socket's peer sent: the peer itself, unless it is a proxy that is believed; then
    /// whom it names, and so on until one is named that is not believed.
    ///
    /// Where a proxy that is believed names nobody, or in a way that cannot be read, the last that is known is that proxy.
    pub(crate) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let names = |header: &HeaderName| headers.contains_key(header);
        match (names(&header::FORWARDED), names(&X_FORWARDED_FOR)) {
            (false, false) => peer,
            (true, false) => self.last_before(peer, forwarded(headers)),
            (false, true) => self.last_before(peer, x_forwarded_for(headers)),
            (true, true) => {
                // A proxy that writes one of them may hand on the other as the client sent it, and which that is cannot be
                // told. So they have to agree.
                let by_standard = self.last_before(peer, forwarded(headers));
                let by_custom = self.last_before(peer, x_forwarded_for(headers));
                if by_standard == by_custom { by_standard } else { peer }
            }
        }
    }

    /// The first of these hops that is not believed, or the last that can be read.
    fn last_before(&self, peer: IpAddr, hops: impl IntoIterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut last = peer;
        for hop in hops {
            let Some(hop) = hop else { return last };
            last = hop;
            if !self.trusts(hop) {
                return last;
            }
        }
        last
    }
}

/// The hops of `X-Forwarded-For`, the nearest first.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let mut hops = Vec::new();
    // Each hop adds at the end, be it to a line or as one of its own.
    for line in lines(headers, &X_FORWARDED_FOR) {
        match line {
            Some(line) => hops.extend(line.split(',').map(|hop| address(hop.trim()))),
            None => hops.push(None),
        }
    }
    hops.reverse();
    hops
}

/// The hops of `Forwarded` (RFC 7239), the nearest first.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let mut hops = Vec::new();
    for line in lines(headers, &header::FORWARDED) {
        // In a line that cannot be read it is not clear either where one hop ends and the next begins: a quotation mark that
        // a client left open would swallow what a proxy added.
        match line.and_then(elements) {
            Some(elements) => hops.extend(elements),
            None => hops.push(None),
        }
    }
    hops.reverse();
    hops
}

fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<&'a str>> {
    headers.get_all(name).iter().map(|line| line.to_str().ok())
}

/// The addresses that the elements of one line of `Forwarded` are for; `None` for a line that is none.
fn elements(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut elements = Vec::new();
    let mut rest = line.trim();
    'elements: loop {
        let mut origin = None;
        loop {
            let (name, value) = rest.split_once('=')?;
            if name.is_empty() || !name.bytes().all(is_token) {
                return None;
            }
            let (value, after) = value_of(value)?;
            if name.eq_ignore_ascii_case("for") {
                // Twice in one element is none (RFC 7239, section 4).
                if origin.is_some() {
                    return None;
                }
                origin = Some(address(&value));
            }
            let after = after.trim_start();
            rest = match after.strip_prefix(';') {
                Some(further) => further.trim_start(),
                None => {
                    elements.push(origin.flatten());
                    match after.strip_prefix(',') {
                        Some(further) => rest = further.trim_start(),
                        None if after.is_empty() => return Some(elements),
                        None => return None,
                    }
                    continue 'elements;
                }
            };
        }
    }
}

/// The value at the beginning, a token or quoted, and what stands after it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (!value.is_empty()).then(|| (value.to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[index + 1..])),
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}

/// Whether this may stand in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An address as proxies write it, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse().map(IpAddr::V6).ok(),
        None => text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip())),
    };
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    /// Where a request from this peer comes from, if all of `10.0.0.0/8` and one address of IPv6 are believed.
    fn origin(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let mut proxies = Proxies::default();
        for network in ["10.0.0.0/8", "2001:db8::1"] {
            proxies.trust(network.parse().unwrap());
        }
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        proxies.origin(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn what_a_stranger_says_is_not_believed() {
        for header in [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")] {
            assert_eq!(origin("198.51.100.1", &[header]), "198.51.100.1");
            assert_eq!(origin("::ffff:198.51.100.1", &[header]), "198.51.100.1");
            assert_eq!(origin("2001:db8::2", &[header]), "2001:db8::2");
            assert_eq!(origin(PROXY, &[header]), "192.0.2.1");
            assert_eq!(origin("::ffff:10.0.0.1", &[header]), "192.0.2.1");
            assert_eq!(origin("2001:db8::1", &[header]), "192.0.2.1");
        }
        assert_eq!(origin(PROXY, &[]), PROXY);
    }

    #[test]
    fn the_nearest_that_is_not_believed_counts() {
        for (list, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("6.6.6.6,192.0.2.1 , 10.2.2.2", "192.0.2.1"),
            ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:443, ::ffff:10.9.9.9", "2001:db8::9"),
            // What cannot be read ends what is known.
            ("6.6.6.6, unknown", PROXY),
            ("6.6.6.6, unknown, 10.2.2.2", "10.2.2.2"),
            ("6.6.6.6,", PROXY),
            ("", PROXY),
            ("192.0.2.1.5", PROXY),
            ("[192.0.2.1]", PROXY),
            ("192.0.2.1:99999", PROXY),
            ("192.0.2.1 10.0.0.2", PROXY),
            ("fe80::1%eth0", PROXY),
            ("192.0.2.1\u{e4}", PROXY),
        ] {
            assert_eq!(origin(PROXY, &[("x-forwarded-for", list)]), expected, "{list}");
        }
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1")];
        assert_eq!(origin(PROXY, &lines), "192.0.2.1");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_has_it() {
        for (line, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=\"192.0.2.1:80\";proto=http;by=203.0.113.43", "192.0.2.1"),
            ("proto=https ; for=\"[2001:db8::9]:4711\"", "2001:db8::9"),
            ("for=6.6.6.6, for=192.0.2.1", "192.0.2.1"),
            ("for=6.6.6.6,for=192.0.2.1;host=\"a,b;c\" , for=10.1.1.1", "192.0.2.1"),
            ("for=\"192.0.2.\\1\"", "192.0.2.1"),
            ("for=192.0.2.1, for=unknown, for=10.2.2.2", "10.2.2.2"),
            ("for=_hidden", PROXY),
            ("proto=https", PROXY),
            ("for=6.6.6.6, proto=https", PROXY),
            // What cannot be read counts for nothing.
            ("for=6.6.6.6;for=6.6.6.7", PROXY),
            ("for=", PROXY),
            ("for", PROXY),
            ("for=\"6.6.6.6", PROXY),
            ("for=6.6.6.6 for=6.6.6.7", PROXY),
            ("for=6.6.6.6;;proto=http", PROXY),
            ("for=6.6.6.6,", PROXY),
            ("=6.6.6.6", PROXY),
            ("f r=6.6.6.6", PROXY),
            // A client that left a quotation mark open, and a proxy that added what it knows.
            ("for=6.6.6.6;x=\", for=192.0.2.1", PROXY),
            ("for=6.6.6.6;x=\", for=\"[2001:db8::9]:80\"", PROXY),
        ] {
            assert_eq!(origin(PROXY, &[("forwarded", line)]), expected, "{line}");
        }
        let lines = [("forwarded", "for=\"6.6.6.6"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(origin(PROXY, &lines), "192.0.2.1");
    }

    #[test]
    fn two_headers_have_to_agree() {
        let both = |standard, custom| origin(PROXY, &[("forwarded", standard), ("x-forwarded-for", custom)]);
        assert_eq!(both("for=192.0.2.1", "192.0.2.1"), "192.0.2.1");
        assert_eq!(both("for=6.6.6.6", "192.0.2.1"), PROXY);
        assert_eq!(both("for=192.0.2.1", "6.6.6.6"), PROXY);
        assert_eq!(both("nonsense", "192.0.2.1"), PROXY);
    }

    #[test]
    fn networks_are_read_or_said_to_be_none() {
        let network = |text: &str| text.parse::<Network>();
        for (text, first, prefix, inside, outside) in [
            ("10.0.0.0/8", "10.0.0.0", 8, "10.255.0.1", "11.0.0.0"),
            ("192.0.2.1", "192.0.2.1", 32, "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "0.0.0.0", 0, "255.255.255.255", "::1"),
            ("::/0", "::", 0, "2001:db8::1", "10.0.0.1"),
            ("2001:db8::/33", "2001:db8::", 33, "2001:db8:7fff::", "2001:db8:8000::"),
            ("::1", "::1", 128, "::1", "::2"),
            ("::ffff:10.0.0.0/104", "10.0.0.0", 8, "10.1.2.3", "11.0.0.0"),
        ] {
            let known = network(text).unwrap();
            assert_eq!(known, Network { first: first.parse().unwrap(), prefix });
            assert_eq!(network(&known.to_string()), Ok(known));
            assert!(known.has(inside.parse().unwrap()), "{text} {inside}");
            assert!(!known.has(outside.parse().unwrap()), "{text} {outside}");
        }
        for (text, why) in [
            ("", "`` is not an address"),
            ("proxy.example.com", "`proxy.example.com` is not an address"),
            ("10.0.0.0/33", "a number up to 32"),
            ("::1/129", "a number up to 128"),
            ("10.0.0.0/", "a number up to 32"),
            ("10.0.0.0/+8", "a number up to 32"),
            ("10.0.0.0/8/8", "a number up to 32"),
            ("10.0.0.1/8", "it has bits behind the first 8; 10.0.0.0/8 has none"),
        ] {
            let error = network(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(&format!("`{text}`")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_believed_about_who_stands_before_the_last_proxy(
            said in "[ -~]{0,60}",
            is_standard in any::<bool>(),
        ) {
            // Whatever a client says, a proxy that adds a line of its own decides.
            let (name, added) =
                if is_standard { ("forwarded", "for=192.0.2.1") } else { ("x-forwarded-for", "192.0.2.1") };
            prop_assert_eq!(origin(PROXY, &[(name, &said), (name, added)]), "192.0.2.1");
            // And one that adds to the client's line is at worst not understood.
            let joined = format!("{said}, {added}");
            let found = origin(PROXY, &[(name, &joined)]);
            prop_assert!(found == "192.0.2.1" || found == PROXY, "{} is {}", joined, found);
        }
    }
}
