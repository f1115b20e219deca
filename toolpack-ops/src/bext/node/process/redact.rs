//! Takes the values of secrets out of what an app prints.

use secrecy::{ExposeSecret, SecretString};

use crate::bext::engine::{SecretName, SecretValue};

/// Shorter values are left as they are: they would be found in every other word.
const MIN_CHARS: usize = 4;

/// What stands at the end of text that was cut.
pub(super) const CUT: &str = " … (cut)";

/// What is looked for, and what stands in its place.
#[derive(Debug)]
pub(super) struct Redactor {
    needles: Vec<(SecretString, String)>,
}

impl Redactor {
    /// Takes out the values of these secrets. Output is looked at line by line, so each line of a value of several counts
    /// as a value.
    pub(super) fn new(secrets: &[(SecretName, SecretValue)]) -> Self {
        let mut needles = Vec::new();
        for (name, value) in secrets {
            let mark = format!("[secret {name}]");
            for line in value.expose().lines().filter(|line| line.chars().count() >= MIN_CHARS) {
                needles.push((SecretString::from(line), mark.clone()));
            }
        }
        Self { needles }
    }

    /// The bytes of the longest value.
    pub(super) fn longest(&self) -> usize {
        self.needles.iter().map(|(needle, _)| needle.expose_secret().len()).max().unwrap_or(0)
    }

    /// The text without values, cut to `limit` bytes (and [`CUT`]). A value that begins before that is found if the text
    /// has it whole, so text that is cut beforehand needs [`longest`](Self::longest) bytes more.
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
        for (needle, mark) in &self.needles {
            let needle = needle.expose_secret();
            let step = needle.chars().next().map_or(1, char::len_utf8);
            let mut from = 0;
            while let Some(at) = text[from..].find(needle) {
                found.push((from + at, from + at + needle.len(), mark));
                from += at + step;
            }
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn redactor(secrets: &[(&str, &str)]) -> Redactor {
        let parse = |(name, value): &(&str, &str)| {
            (name.parse().unwrap(), SecretValue::try_from((*value).to_owned()).unwrap())
        };
        Redactor::new(&secrets.iter().map(parse).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_replaced_by_their_names() {
        let redactor = redactor(&[("A", "hunter2"), ("B", "hunter2-long"), ("C", "abc"), ("D", "ñandú")]);
        for (text, expected) in [
            ("", ""),
            ("nothing here", "nothing here"),
            ("x=hunter2;", "x=[secret A];"),
            ("hunter2hunter2", "[secret A][secret A]"),
            ("hunter2-long", "[secret B]"),
            ("abc is short", "abc is short"),
            ("\u{fffd}ñandú\u{fffd}", "\u{fffd}[secret D]\u{fffd}"),
        ] {
            assert_eq!(redactor.redact(text, 1000), expected);
        }
    }

    #[test]
    fn values_that_overlap_leave_no_end_behind() {
        let redactor = redactor(&[("A", "abcdef"), ("B", "defghi"), ("C", "xyxyx")]);
        assert_eq!(redactor.redact("-abcdefghi-", 1000), "-[secret A]-");
        assert_eq!(redactor.redact("-xyxyxyxyx-", 1000), "-[secret C]-");
    }

    #[test]
    fn each_line_of_a_value_counts() {
        let redactor = redactor(&[("PEM", "-----BEGIN-----\r\nMIIEvQIBADAN\n==\n")]);
        assert_eq!(redactor.redact("MIIEvQIBADAN", 1000), "[secret PEM]");
        assert_eq!(redactor.redact("a == b", 1000), "a == b");
        assert_eq!(redactor.longest(), 15);
    }

    #[test]
    fn a_cut_never_shows_part_of_a_value() {
        let redactor = redactor(&[("A", "0123456789")]);
        let text = "abc0123456789def";
        for limit in 0..=text.len() {
            let out = redactor.redact(text, limit);
            assert!(!out.contains('0') && !out.contains('9'), "{limit}: {out}");
            assert!(out.len() <= limit + CUT.len(), "{limit}: {out}");
        }
        assert_eq!(redactor.redact("äöü", 3), format!("ä{CUT}"));
        assert_eq!(redactor.redact("abc", 3), "abc");
        assert_eq!(redactor.redact("abcd", 3), format!("abc{CUT}"));
    }

    #[test]
    fn nothing_shows_what_is_looked_for() {
        assert!(!format!("{:?}", redactor(&[("A", "hunter2")])).contains("hunter2"));
    }
}
