//! The parameters of a request: each has a default and bounds.

use std::ops::RangeInclusive;

use http::Uri;

use crate::bext::node::percent;

/// What is wrong with a parameter, for whoever sent it.
pub(super) type Wrong = String;

/// A whole number.
pub(super) fn number(uri: &Uri, name: &str, default: u64, bounds: RangeInclusive<u64>) -> Result<u64, Wrong> {
    let Some(value) = raw(uri, name) else { return Ok(default) };
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { value.parse().ok() } else { None };
    number.filter(|number| bounds.contains(number)).ok_or_else(|| {
        format!("`{name}` has to be a whole number from {} to {}", bounds.start(), bounds.end())
    })
}

/// A text without control characters; a `+` is a space.
pub(super) fn text(uri: &Uri, name: &str, default: &str, most_bytes: usize) -> Result<String, Wrong> {
    let Some(value) = raw(uri, name) else { return Ok(default.to_owned()) };
    percent::decode(value.replace('+', " ").as_bytes())
        .and_then(|value| String::from_utf8(value).ok())
        .filter(|value| value.len() <= most_bytes && !value.contains(char::is_control))
        .ok_or_else(|| {
            format!("`{name}` has to be one line of percent-encoded text, of up to {most_bytes} bytes")
        })
}

/// The first value of that name, as it stands in the address.
fn raw<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        let of = |uri: &'static str| number(&Uri::from_static(uri), "n", 7, 1..=10);
        assert_eq!(of("/"), Ok(7));
        assert_eq!(of("/?m=3"), Ok(7));
        assert_eq!(of("/?m=3&n=10&n=2"), Ok(10));
        for uri in [
            "/?n=0",
            "/?n=11",
            "/?n=",
            "/?n",
            "/?n=-1",
            "/?n=+1",
            "/?n=1.5",
            "/?n=99999999999999999999",
            "/?n=%31",
        ] {
            assert_eq!(of(uri), Err("`n` has to be a whole number from 1 to 10".to_owned()), "{uri}");
        }
    }

    #[test]
    fn texts_are_one_line() {
        let of = |uri: &'static str| text(&Uri::from_static(uri), "t", "default", 5);
        assert_eq!(of("/"), Ok("default".to_owned()));
        assert_eq!(of("/?t=a+b%2B%C3%A9").ok(), None, "6 bytes");
        assert_eq!(of("/?t=a+%2B%C3%A9"), Ok("a +é".to_owned()));
        assert_eq!(of("/?t"), Ok(String::new()));
        for uri in ["/?t=a%0Ab", "/?t=%FF", "/?t=%", "/?t=abcdef", "/?t=%1b%5b"] {
            assert!(of(uri).is_err(), "{uri}");
        }
    }
}
