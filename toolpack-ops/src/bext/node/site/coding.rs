//! Which of the ready compressed forms of a file a client takes: `Accept-Encoding`, as RFC 9110 12.5.3 reads it.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// How a stored file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// The better ones first: of two that a client likes as much, the first is sent.
    pub(super) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// The value of `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the name of the compressed file has at its end.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }

    fn has_name(self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.name()) || (self == Self::Gzip && name.eq_ignore_ascii_case("x-gzip"))
    }
}

/// The codings that a client takes, the most liked first; only those that it likes at least as much as the plain file.
///
/// A client that says nothing gets the plain file, though RFC 9110 would allow any form: those that say nothing are the
/// ones that cannot read them. A client that refuses the plain file gets it when there is nothing else, which RFC 9110
/// allows and serves it better than an error.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<Coding> {
    let mut coding_weights = [None; Coding::ALL.len()];
    let (mut plain, mut any) = (None, None);
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    for member in lines.flat_map(|line| line.split(',')) {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let Some(weight) = parts.next().map_or(Some(1000), thousandths) else { continue };
        if name.eq_ignore_ascii_case("identity") {
            plain = Some(weight);
        } else if name == "*" {
            any = Some(weight);
        } else if let Some(at) = Coding::ALL.iter().position(|coding| coding.has_name(name)) {
            coding_weights[at] = Some(weight);
        }
    }
    let plain = plain.or(any).unwrap_or(0);
    let mut accepted: Vec<(Coding, u16)> = Coding::ALL
        .into_iter()
        .zip(coding_weights)
        .filter_map(|(coding, weight)| Some((coding, weight.or(any)?)))
        .filter(|&(_, weight)| weight > 0 && weight >= plain)
        .collect();
    // The sort is stable, so that the better coding stays first among equals.
    accepted.sort_by_key(|&(_, weight)| std::cmp::Reverse(weight));
    accepted.into_iter().map(|(coding, _)| coding).collect()
}

/// A weight (`q=0.5`) in thousandths; none if it is not one.
fn thousandths(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !name.eq_ignore_ascii_case("q") || !digits {
        return None;
    }
    match whole {
        "0" => format!("{fraction:0<3}").parse().ok(),
        "1" if fraction.bytes().all(|byte| byte == b'0') => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn of(lines: &[&str]) -> Vec<&'static str> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, line.parse().unwrap());
        }
        accepted(&headers).into_iter().map(Coding::name).collect()
    }

    #[test]
    fn follows_the_weights() {
        assert_eq!(of(&[]), [""; 0]);
        assert_eq!(of(&[""]), [""; 0]);
        assert_eq!(of(&["gzip, deflate, br, zstd"]), ["br", "gzip"]);
        assert_eq!(of(&["gzip", "br"]), ["br", "gzip"]);
        assert_eq!(of(&["gzip;q=1.0, br;q=0.9"]), ["gzip", "br"]);
        assert_eq!(of(&["br;q=0.001,gzip;q=0"]), ["br"]);
        assert_eq!(of(&["GZIP; Q=0.5"]), ["gzip"]);
        assert_eq!(of(&["x-gzip"]), ["gzip"]);
        assert_eq!(of(&["*"]), ["br", "gzip"]);
        assert_eq!(of(&["*;q=0"]), [""; 0]);
        assert_eq!(of(&["*;q=0, gzip"]), ["gzip"]);
        assert_eq!(of(&["br;q=0, *"]), ["gzip"]);
        assert_eq!(of(&["identity, gzip;q=0.5"]), [""; 0]);
        assert_eq!(of(&["identity;q=0.5, gzip;q=0.8, br;q=0.2"]), ["gzip"]);
        assert_eq!(of(&["identity;q=0"]), [""; 0]);
    }

    #[test]
    fn a_weight_that_is_none_drops_its_coding() {
        for weight in
            ["q=2", "q=1.001", "q=.5", "q=0.1234", "q=-1", "q=", "q", "q=0,5x", "level=3", "q=1e0", "q=+1"]
        {
            assert_eq!(of(&[&format!("br;{weight}")]), [""; 0], "{weight}");
        }
    }
}
