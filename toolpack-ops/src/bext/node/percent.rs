//! Percent-encoding, read strictly: what is not well formed is refused rather than passed on as it stands.

/// The bytes that a percent-encoded text stands for; none if a `%` is not followed by two hexadecimal digits.
pub(super) fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(if byte == b'%' { 16 * digit(*rest.next()?)? + digit(*rest.next()?)? } else { byte });
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once_and_strictly() {
        assert_eq!(decode(b"a%20b%C3%a9").as_deref(), Some("a bé".as_bytes()));
        assert_eq!(decode(b"%252e").as_deref(), Some(&b"%2e"[..]));
        assert_eq!(decode(b"").as_deref(), Some(&b""[..]));
        for broken in ["%", "%2", "a%", "%zz", "%2g", "%u002e", "%+1", "%%20"] {
            assert_eq!(decode(broken.as_bytes()), None, "{broken}");
        }
    }
}
