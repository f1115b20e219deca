//! Percent-encoding (RFC 3986, section 2.1): undone in values, spelled out for characters beyond ASCII.

/// Whether every `%` begins a whole escape, and the escapes spell UTF-8.
pub(super) fn is_sound(text: &str) -> bool {
    decode(text).is_some()
}

/// Undoes percent-encoding; `None` where what comes out is not UTF-8 or an escape is cut short.
pub(super) fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The escapes that stand for a character.
pub(super) fn encode(c: char) -> String {
    c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_where_they_spell_utf_8() {
        for (text, decoded) in [
            ("", Some("")),
            ("a+b é", Some("a+b é")),
            ("%C3%A9%20x", Some("é x")),
            ("%c3%a9", Some("é")),
            ("a%2Fb%25", Some("a/b%")),
            ("%00", Some("\0")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%+1", None),
            ("%ff", None),
            ("%C3", None),
            ("%é", None),
        ] {
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
        assert_eq!(encode('é'), "%C3%A9");
    }
}
