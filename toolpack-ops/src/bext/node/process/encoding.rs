//! Readings of a text: the text as it is, and with what is encoded in it decoded, each byte with its place in the text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// How often a reading is decoded again: a JSON text in a JSON text is one that takes twice.
const MAX_DEPTH: usize = 2;

/// A way to write characters by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// Backslashes, as in JSON and in the literals of programming languages. `\xE9` is a byte.
    Backslash,
    /// The same, where `\xE9` is a character: `é`.
    BackslashOfCharacters,
    /// `%20`, as in addresses.
    Percent,
    /// The same, where `+` is a blank: as in forms.
    Form,
    /// `&quot;` and `&#34;`.
    Html,
    /// A single quote in what a shell has between such.
    Shell,
}

const ENCODINGS: [Encoding; 6] = [
    Encoding::Backslash,
    Encoding::BackslashOfCharacters,
    Encoding::Percent,
    Encoding::Form,
    Encoding::Html,
    Encoding::Shell,
];

/// What something encoded stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Byte(u8),
    Character(char),
}

/// A text in one reading.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Where in the text that stands which was read as a byte; none where that is the byte itself.
    places: Option<Vec<(usize, usize)>>,
}

impl Reading<'_> {
    /// Where in the text these bytes are, of which there is at least one.
    pub(super) fn place(&self, bytes: Range<usize>) -> Range<usize> {
        let place = |at: usize| self.places.as_ref().map_or((at, at + 1), |places| places[at]);
        place(bytes.start).0..place(bytes.end - 1).1
    }

    /// The reading with this decoded; none if there is nothing to decode.
    fn decode(&self, encoding: Encoding) -> Option<Reading<'static>> {
        // Most texts have nothing of it, and are not copied.
        if !self.bytes.iter().any(|byte| encoding.begins_with(*byte)) {
            return None;
        }
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        let mut at = 0;
        let mut is_changed = false;
        while let Some(byte) = self.bytes.get(at) {
            let decoded = encoding.decode(&self.bytes[at..]);
            let length = decoded.map_or(1, |(length, _)| length);
            let place = self.place(at..at + length);
            match decoded {
                None => bytes.push(*byte),
                Some((_, Meaning::Byte(byte))) => bytes.push(byte),
                Some((_, Meaning::Character(character))) => {
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            places.resize(bytes.len(), (place.start, place.end));
            is_changed |= decoded.is_some();
            at += length;
        }
        is_changed.then_some(Reading { bytes: Cow::Owned(bytes), places: Some(places) })
    }
}

/// Shows each reading of a text: one as it is, and those with one encoding, or one within another, decoded. The time this
/// takes grows with the text, not faster.
pub(super) fn each_reading(text: &str, mut show: impl FnMut(&Reading<'_>)) {
    let reading = Reading { bytes: Cow::Borrowed(text.as_bytes()), places: None };
    descend(&reading, 0, &mut HashSet::new(), &RandomState::new(), &mut show);
}

fn descend(
    reading: &Reading<'_>,
    depth: usize,
    seen: &mut HashSet<u64>,
    hasher: &RandomState,
    show: &mut impl FnMut(&Reading<'_>),
) {
    // Encodings that decode a text to the same are shown once.
    if !seen.insert(hasher.hash_one(&reading.bytes)) {
        return;
    }
    show(reading);
    if depth == MAX_DEPTH {
        return;
    }
    for encoding in ENCODINGS {
        if let Some(decoded) = reading.decode(encoding) {
            descend(&decoded, depth + 1, seen, hasher, show);
        }
    }
}

impl Encoding {
    fn begins_with(self, byte: u8) -> bool {
        match self {
            Self::Backslash | Self::BackslashOfCharacters => byte == b'\\',
            Self::Percent => byte == b'%',
            Self::Form => byte == b'%' || byte == b'+',
            Self::Html => byte == b'&',
            Self::Shell => byte == b'\'',
        }
    }

    /// What these bytes begin with, and how many bytes that has; none if that is nothing encoded.
    fn decode(self, bytes: &[u8]) -> Option<(usize, Meaning)> {
        let (first, rest) = bytes.split_first()?;
        if !self.begins_with(*first) {
            return None;
        }
        let (length, meaning) = match self {
            Self::Backslash => after_backslash(rest, Meaning::Byte)?,
            Self::BackslashOfCharacters => after_backslash(rest, |byte| Meaning::Character(byte.into()))?,
            Self::Form if *first == b'+' => (0, Meaning::Byte(b' ')),
            Self::Percent | Self::Form => (2, Meaning::Byte(u8::try_from(digits(rest.get(..2)?, 16)?).ok()?)),
            Self::Html => after_ampersand(rest)?,
            Self::Shell => {
                let is_quote = [r"\''", r#""'"'"#].iter().find(|quote| rest.starts_with(quote.as_bytes()))?;
                (is_quote.len(), Meaning::Byte(b'\''))
            }
        };
        Some((length + 1, meaning))
    }
}

fn after_backslash(bytes: &[u8], byte: fn(u8) -> Meaning) -> Option<(usize, Meaning)> {
    let first = *bytes.first()?;
    let hexadecimal = |length: usize| digits(bytes.get(1..=length)?, 16);
    let decoded = match first {
        b'a' => Some((1, Meaning::Byte(0x07))),
        b'b' => Some((1, Meaning::Byte(0x08))),
        b't' => Some((1, Meaning::Byte(b'\t'))),
        b'n' => Some((1, Meaning::Byte(b'\n'))),
        b'v' => Some((1, Meaning::Byte(0x0b))),
        b'f' => Some((1, Meaning::Byte(0x0c))),
        b'r' => Some((1, Meaning::Byte(b'\r'))),
        b'e' => Some((1, Meaning::Byte(0x1b))),
        b'0'..=b'7' => {
            let length = bytes.iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
            digits(&bytes[..length], 8).and_then(|value| Some((length, byte(u8::try_from(value).ok()?))))
        }
        b'x' => hexadecimal(2).and_then(|value| Some((3, byte(u8::try_from(value).ok()?)))),
        b'u' if bytes.get(1) == Some(&b'{') => {
            let length = bytes[2..].iter().take(7).position(|byte| *byte == b'}');
            length.and_then(|length| {
                Some((length + 3, Meaning::Character(char::from_u32(digits(&bytes[2..2 + length], 16)?)?)))
            })
        }
        b'u' => hexadecimal(4).and_then(|high| match char::from_u32(high) {
            Some(character) => Some((5, Meaning::Character(character))),
            None => Some((11, Meaning::Character(of_pair(high, bytes.get(5..11)?)?))),
        }),
        b'U' => hexadecimal(8).and_then(|value| Some((9, Meaning::Character(char::from_u32(value)?)))),
        _ => None,
    };
    // Before all others it only says that they stand for themselves.
    Some(decoded.unwrap_or((1, Meaning::Byte(first))))
}

/// The character that UTF-16 writes as two, of which the second is as `\uDC00`.
fn of_pair(high: u32, second: &[u8]) -> Option<char> {
    let low = digits(second.strip_prefix(br"\u")?, 16)?;
    let pair = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
    char::decode_utf16(pair).next()?.ok()
}

fn after_ampersand(bytes: &[u8]) -> Option<(usize, Meaning)> {
    // More digits than this are of no character.
    const MAX_LENGTH: usize = 10;
    let length = bytes.iter().take(MAX_LENGTH).position(|byte| *byte == b';')?;
    let character = match &bytes[..length] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        b"nbsp" => '\u{a0}',
        [b'#', b'x' | b'X', number @ ..] => char::from_u32(digits(number, 16)?)?,
        [b'#', number @ ..] => char::from_u32(digits(number, 10)?)?,
        _ => return None,
    };
    Some((length + 1, Meaning::Character(character)))
}

/// A number of nothing but digits, of which there is at least one.
fn digits(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        number.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_decoded() {
        let decode = |encoding: Encoding, text: &str| {
            let reading = Reading { bytes: Cow::Borrowed(text.as_bytes()), places: None };
            let decoded = reading.decode(encoding)?;
            assert_eq!(decoded.place(0..decoded.bytes.len()), 0..text.len(), "{text}");
            Some(String::from_utf8_lossy(&decoded.bytes).into_owned())
        };
        for (encoding, text, expected) in [
            (Encoding::Backslash, r#"a\n\t\\n\"\/\q"#, "a\n\t\\n\"/q"),
            (Encoding::Backslash, r"\u00e4\u{1F600}\ud83d\ude00\U0001f600\xc3\xa4\303\244\0", "ä😀😀😀ää\0"),
            (Encoding::Backslash, r"\u00\x4\ud83d\u{}\u{1234567}\", r"u00x4ud83du{}u{1234567}\"),
            (Encoding::BackslashOfCharacters, r"\xe4\344", "ää"),
            (Encoding::Percent, "%C3%a4+%4%zz%", "ä+%4%zz%"),
            (Encoding::Form, "a+b%2B", "a b+"),
            (Encoding::Html, "&lt;&#228;&#xE4;&lt&none;&#;&#xD800;", "<ää&lt&none;&#;&#xD800;"),
            (Encoding::Shell, r#"'a'\''b'"'"'c'"#, "'a'b'c'"),
        ] {
            assert_eq!(decode(encoding, text).as_deref(), Some(expected), "{text}");
        }
        for encoding in ENCODINGS {
            assert_eq!(decode(encoding, "plain ä 'text'"), None);
            assert_eq!(decode(encoding, ""), None);
        }
    }

    #[test]
    fn readings_are_few_and_differ() {
        let mut readings = Vec::new();
        each_reading("plain", |reading| readings.push(reading.bytes.to_vec()));
        assert_eq!(readings, [b"plain"]);
        readings.clear();
        each_reading(r"%255c\\\xe4+&amp;amp;'\''", |reading| readings.push(reading.bytes.to_vec()));
        assert!(readings.len() > 12 && readings.len() <= 1 + 6 + 36, "{}", readings.len());
        let count = readings.len();
        readings.sort();
        readings.dedup();
        assert_eq!(readings.len(), count);
    }
}
