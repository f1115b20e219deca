//! Takes the values of secrets out of what an app prints, also where it prints them encoded.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};

use super::encoding::{Reading, each_reading};
use crate::bext::engine::{SecretName, SecretValue};

/// Shorter values are left as they are: they would be found in every other word.
const MIN_CHARS: usize = 4;

/// Shorter values, and lines of values, are not looked for in Base64, nor such lines in hexadecimal; and so many lines of
/// a value are.
const MIN_BYTES: usize = 8;
const MAX_LINES: usize = 64;

/// How many times longer than it is a value may be written, with one encoding within another.
const MAX_GROWTH: usize = 8;

/// What stands at the end of text that was cut.
pub(super) const CUT: &str = " … (cut)";

/// What is looked for, and what stands in its place.
#[derive(Debug)]
pub(super) struct Redactor {
    needles: Vec<Needle>,
}

#[derive(Debug)]
struct Needle {
    text: SecretString,
    form: Form,
    mark: String,
}

/// How a value is looked for. In each form it is found as well where that is encoded with backslashes, percent signs or
/// entities: those have many spellings, so they are decoded in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    /// In either case.
    Hexadecimal,
    /// With either alphabet: the part of it that is the same whatever stands before the value and after it.
    Base64,
}

impl Redactor {
    /// Takes out the values of these secrets. Output is looked at line by line, so each line of a value of several counts
    /// as a value.
    pub(super) fn new(secrets: &[(SecretName, SecretValue)]) -> Self {
        let mut needles = Vec::new();
        for (name, value) in secrets {
            let mark = format!("[secret {name}]");
            let mut add = |text: &str, form| {
                needles.push(Needle { text: SecretString::from(text), form, mark: mark.clone() });
            };
            let value = value.expose();
            // More lines than one stand in one of output where they are encoded.
            let whole = (value.chars().count() >= MIN_CHARS).then_some(value);
            let lines = || value.lines().filter(|line| line.len() != value.len());
            for text in whole.into_iter().chain(lines().filter(|line| line.chars().count() >= MIN_CHARS)) {
                add(text, Form::Plain);
            }
            let long_lines = lines().filter(|line| line.len() >= MIN_BYTES).take(MAX_LINES);
            for text in whole.into_iter().chain(long_lines) {
                add(&hexadecimal(text), Form::Hexadecimal);
                if text.len() >= MIN_BYTES {
                    (0..3).for_each(|before| add(&base64_after(before, text), Form::Base64));
                }
            }
        }
        Self { needles }
    }

    /// The most bytes that a value is found in.
    pub(super) fn reach(&self) -> usize {
        let plain = self.needles.iter().filter(|needle| needle.form == Form::Plain);
        plain.map(|needle| needle.text.expose_secret().len()).max().unwrap_or(0) * MAX_GROWTH
    }

    /// The text without values, cut to `limit` bytes (and [`CUT`]). A value that begins before that is found if the text
    /// has it whole, so text that is cut beforehand needs [`reach`](Self::reach) bytes more.
    pub(super) fn redact(&self, text: &str, limit: usize) -> String {
        let mut out = String::new();
        let mut position = 0;
        for (start, end, mark) in self.find(text) {
            if start >= limit || out.len() >= limit {
                break;
            }
            out.push_str(&text[position..start]);
            out.push_str(mark);
            position = end;
        }
        let until = text.floor_char_boundary(limit.min(text.len()));
        if position < until {
            out.push_str(&text[position..until]);
            position = until;
        }
        let is_cut = position < text.len() || out.len() > limit;
        out.truncate(out.floor_char_boundary(limit));
        if is_cut {
            out.push_str(CUT);
        }
        out
    }

    /// Where there are values, in order. Those that overlap are one, so that no end of one is left beside another.
    fn find(&self, text: &str) -> Vec<(usize, usize, &str)> {
        let mut found: Vec<(usize, usize, &str)> = Vec::new();
        if self.needles.is_empty() {
            return found;
        }
        each_reading(text, |reading| {
            for (form, bytes) in [
                (Form::Plain, Cow::Borrowed(&*reading.bytes)),
                (Form::Hexadecimal, reading.bytes.to_ascii_lowercase().into()),
                (Form::Base64, reading.bytes.iter().map(|byte| standard(*byte)).collect()),
            ] {
                for needle in self.needles.iter().filter(|needle| needle.form == form) {
                    needle.find(reading, &bytes, |start, end| {
                        let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
                        found.push((start, end, &needle.mark));
                    });
                }
            }
        });
        found.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        found.dedup_by(|next, kept| {
            let overlaps = next.0 < kept.1;
            if overlaps {
                kept.1 = kept.1.max(next.1);
            }
            overlaps
        });
        found
    }
}

impl Needle {
    /// Says where in the text this is, as it was read; places that overlap as one.
    fn find(&self, reading: &Reading<'_>, bytes: &[u8], mut found: impl FnMut(usize, usize)) {
        let mut last = 0..0;
        let mut flush = |bytes: Range<usize>| {
            if !bytes.is_empty() {
                let place = reading.place(bytes);
                found(place.start, place.end);
            }
        };
        occurrences(bytes, self.text.expose_secret().as_bytes(), |start, end| {
            if last.end > start {
                last.end = last.end.max(end);
            } else {
                flush(std::mem::replace(&mut last, start..end));
            }
            if self.form == Form::Base64 && last.end == end {
                // What is left of the characters at both ends holds bits of the value too.
                let is_of_it = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'+' | b'/');
                last.start -= bytes[..last.start].iter().rev().take_while(is_of_it).count();
                last.end += bytes[last.end..].iter().take_while(is_of_it).count();
                last.end += bytes[last.end..].iter().take_while(|byte| **byte == b'=').count();
            }
        });
        flush(last);
    }
}

/// Says where a needle is, be it that it overlaps with itself. The time this takes grows with the lengths of both, however
/// often it is there, and however much of it.
fn occurrences(bytes: &[u8], needle: &[u8], mut found: impl FnMut(usize, usize)) {
    let Some(first) = memmem::find(bytes, needle) else { return };
    // From there on after Knuth, Morris and Pratt: for each beginning of the needle, the longest shorter one it ends with.
    let mut borders = vec![0_usize; needle.len()];
    let mut length = 0;
    for at in 1..needle.len() {
        while length > 0 && needle[length] != needle[at] {
            length = borders[length - 1];
        }
        length += usize::from(needle[length] == needle[at]);
        borders[at] = length;
    }
    let mut matched = 0;
    for (at, byte) in bytes.iter().enumerate().skip(first) {
        while matched > 0 && (matched == needle.len() || needle[matched] != *byte) {
            matched = borders[matched - 1];
        }
        matched += usize::from(needle[matched] == *byte);
        if matched == needle.len() {
            found(at + 1 - matched, at + 1);
        }
    }
}

fn hexadecimal(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(2 * text.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The Base64 of a text after so many bytes, without what depends on what stands before it and after it.
fn base64_after(before: usize, text: &str) -> String {
    let encoded = STANDARD_NO_PAD.encode([&b"\0\0"[..before], text.as_bytes()].concat());
    let own = (before * 8).div_ceil(6)..(before + text.len()) * 8 / 6;
    encoded[own].to_owned()
}

/// A character of the Base64 alphabet for addresses in the standard one.
fn standard(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    }
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
