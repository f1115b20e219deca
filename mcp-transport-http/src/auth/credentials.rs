//! Where credentials stand in the head of a request, and nowhere else: `Authorization: Bearer` (RFC 6750) and headers by
//! name. The query is never looked at: it ends up in logs and histories.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a request shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown<'a> {
    Nothing,
    /// A token, by its grammar.
    Token(&'a [u8]),
    /// What is wrong.
    Malformed(&'static str),
}

/// The token that a request shows, in `Authorization` or in one of these headers.
pub(super) fn shown<'a>(headers: &'a HeaderMap, names: &[HeaderName]) -> Shown<'a> {
    let mut shown = bearer(headers);
    for name in names {
        shown = match (shown, own_header(headers, name)) {
            (Shown::Malformed(why), _) | (_, Shown::Malformed(why)) => return Shown::Malformed(why),
            (Shown::Nothing, other) | (other, Shown::Nothing) => other,
            // Also where they are the same: which of two counts must not depend on who reads them.
            (Shown::Token(_), Shown::Token(_)) => {
                return Shown::Malformed("the credentials stand in two places");
            }
        };
    }
    shown
}

fn bearer(headers: &HeaderMap) -> Shown<'_> {
    const SCHEME: &[u8] = b"bearer";
    let value = match single(headers, &header::AUTHORIZATION) {
        Ok(Some(value)) => value.as_bytes(),
        Ok(None) => return Shown::Nothing,
        Err(why) => return Shown::Malformed(why),
    };
    // Of a scheme and of a token no other character is any.
    let end = value.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(value.len());
    let (scheme, token) = value.split_at(end);
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        // Credentials of another scheme are none of ours.
        return Shown::Nothing;
    }
    match trim_spaces(token) {
        b"" => Shown::Malformed("the bearer token is missing"),
        bare if bare.len() < token.len() && is_token(bare) => Shown::Token(bare),
        _ => Shown::Malformed("the bearer token holds characters that it may not"),
    }
}

fn own_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Shown<'a> {
    match single(headers, name).map(|value| value.map(HeaderValue::as_bytes)) {
        Ok(None) => Shown::Nothing,
        Ok(Some(token)) if is_token(token) => Shown::Token(token),
        Ok(Some(b"")) => Shown::Malformed("the header of the key is empty"),
        Ok(Some(_)) => Shown::Malformed("the key holds characters that it may not"),
        Err(why) => Shown::Malformed(why),
    }
}

fn trim_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err("the header of the credentials is there twice"),
        (value, None) => Ok(value),
    }
}

/// Whether it is a `b64token` (RFC 6750, section 2.1).
fn is_token(mut text: &[u8]) -> bool {
    while let [rest @ .., b'='] = text {
        text = rest;
    }
    // Each request has some fifty, of which next to none is wrong: to look at all of them is quicker than to be ready to stop.
    !text.is_empty() && text.iter().fold(true, |all, &byte| all & IN_TOKEN[usize::from(byte)])
}

/// The characters of a token.
const IN_TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        byte += 1;
    }
    table
};

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: HeaderName = HeaderName::from_static("x-client-key");

    fn kind(headers: &[(&HeaderName, &[u8])]) -> Result<Option<String>, ()> {
        let values =
            headers.iter().map(|&(name, value)| (name.clone(), HeaderValue::from_bytes(value).unwrap()));
        let mut map = HeaderMap::new();
        values.for_each(|(name, value)| _ = map.append(name, value));
        match shown(&map, &[KEY]) {
            Shown::Nothing => Ok(None),
            Shown::Token(token) => Ok(Some(String::from_utf8(token.to_vec()).unwrap())),
            Shown::Malformed(_) => Err(()),
        }
    }

    #[test]
    fn a_token_is_found_where_it_may_stand_and_only_if_it_is_one() {
        let bearer = &header::AUTHORIZATION;
        let found = |token: &str| Ok(Some(token.to_owned()));
        for (headers, expected) in [
            (&[][..], Ok(None)),
            (&[(bearer, &b"Bearer a.b-_~+/=="[..])][..], found("a.b-_~+/==")),
            (&[(bearer, b"bEARER   a")], found("a")),
            (&[(&KEY, b"a")], found("a")),
            (&[(bearer, b"Basic YTpi")], Ok(None)),
            (&[(bearer, b"Basic YTpi"), (&KEY, b"a")], found("a")),
            (&[(bearer, b"Bearera")], Ok(None)),
            (&[(bearer, b"Bearer")], Err(())),
            (&[(bearer, b"Bearer  ")], Err(())),
            (&[(bearer, b"Bearer =")], Err(())),
            (&[(bearer, b"Bearer a b")], Err(())),
            (&[(bearer, b"Bearer a,Bearer b")], Err(())),
            (&[(bearer, b"Bearer\ta")], Err(())),
            (&[(bearer, b"Bearer a\xff")], Err(())),
            (&[(bearer, b"Bearer \"a\"")], Err(())),
            (&[(bearer, b"Bearer a"), (bearer, b"Bearer a")], Err(())),
            (&[(bearer, b"Bearer a"), (&KEY, b"a")], Err(())),
            (&[(bearer, b"Bearer"), (&KEY, b"a")], Err(())),
            (&[(&KEY, b"a"), (&KEY, b"a")], Err(())),
            (&[(&KEY, b"")], Err(())),
            (&[(&KEY, b"a b")], Err(())),
            (&[(&KEY, b"\xff")], Err(())),
        ] {
            assert_eq!(kind(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn of_all_bytes_those_of_the_grammar_are_in_a_token() {
        for byte in 0..=u8::MAX {
            let is_in = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_token(&[b'a', byte, b'b']), is_in, "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_found_was_sent_and_is_a_token(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let Ok(header) = HeaderValue::from_bytes(&[b"Bearer ", &value[..]].concat()) else { return Ok(()) };
            let map = HeaderMap::from_iter([(header::AUTHORIZATION, header)]);
            if let Shown::Token(token) = shown(&map, &[KEY]) {
                prop_assert!(value.windows(token.len()).any(|part| part == token));
                prop_assert!(token.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'"' && byte != b','));
            }
        }
    }
}
