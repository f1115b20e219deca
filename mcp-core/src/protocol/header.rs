//! Values of the HTTP headers that mirror parts of a message (specification 2026-07-28, "Value Encoding").

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

const PREFIX: &[u8] = b"=?base64?";
const SUFFIX: &[u8] = b"?=";

/// The headers of one HTTP request that say again what its body says, as they stand.
///
/// A header that came twice is given with both values joined by a comma, so that it matches nothing.
#[derive(Clone, Debug, Default)]
pub struct MirroredHeaders<'a> {
    /// `MCP-Protocol-Version`.
    pub protocol_version: Option<Cow<'a, [u8]>>,
    /// `Mcp-Method`.
    pub method: Option<Cow<'a, [u8]>>,
    /// `Mcp-Name`.
    pub name: Option<Cow<'a, [u8]>>,
    /// Every `Mcp-Param-*`: the rest of its name in lower case, and its value.
    pub params: Vec<(String, Vec<u8>)>,
}

/// Undoes the encoding of a value; `None` where it has characters that no header value may have, or broken base64.
pub(crate) fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    let wrapped = value.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    match wrapped {
        Some(encoded) => {
            STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Cow::Owned)
        }
        None if value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) => {
            std::str::from_utf8(value).ok().map(Cow::Borrowed)
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a client makes of a value (specification 2026-07-28, "Value Encoding").
    fn encode(value: &str) -> Vec<u8> {
        let is_plain = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
            && value.trim_matches([' ', '\t']) == value
            && !(value.starts_with("=?base64?") && value.ends_with("?="));
        if is_plain { value.into() } else { [PREFIX, STANDARD.encode(value).as_bytes(), SUFFIX].concat() }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_itself(
            value in prop_oneof![any::<String>(), "[ -~]{0,20}", "(=\\?base64\\?)?[A-Za-z0-9+/=]{0,9}(\\?=)?"],
        ) {
            let encoded = encode(&value);
            let decoded = decode(&encoded);
            prop_assert_eq!(decoded.as_deref(), Some(value.as_str()));
        }

        #[test]
        fn any_bytes_are_a_value_or_none(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            is_wrapped in any::<bool>(),
        ) {
            let bytes = if is_wrapped { [PREFIX, &bytes, SUFFIX].concat() } else { bytes };
            if let Some(value) = decode(&bytes) {
                // And then no other text is meant by it.
                let again = encode(&value);
                prop_assert_eq!(decode(&again), Some(value));
            }
        }
    }

    #[test]
    fn values_are_decoded_as_the_specification_shows() {
        assert_eq!(decode(b"us-west1").as_deref(), Some("us-west1"));
        assert_eq!(decode("=?base64?SGVsbG8sIOS4lueVjA==?=".as_bytes()).as_deref(), Some("Hello, 世界"));
        assert_eq!(decode(b"=?base64?IHBhZGRlZCA=?=").as_deref(), Some(" padded "));
        assert_eq!(decode(b"=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=").as_deref(), Some("=?base64?literal?="));
        // Not wrapped as a whole: literal.
        assert_eq!(decode(b"SGVsbG8=").as_deref(), Some("SGVsbG8="));
        assert_eq!(decode(b"=?base64?SGVsbG8=").as_deref(), Some("=?base64?SGVsbG8="));
    }

    #[test]
    fn broken_values_are_refused() {
        for value in [
            b"=?base64?SGVsbG8?=".as_slice(),
            b"=?base64?SGV%sbG8=?=",
            b"caf\xc3\xa9",
            b"a\x01",
            b"=?base64?/w==?=",
        ] {
            assert_eq!(decode(value), None, "{}", String::from_utf8_lossy(value));
        }
    }
}
