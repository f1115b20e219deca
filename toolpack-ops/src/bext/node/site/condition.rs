//! Whether a request still wants its answer: the preconditions of RFC 9110 13, in the order of its 13.2.2.

use std::time::SystemTime;

use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderValue};

/// What tells one content of a file from another.
#[derive(Clone, Debug)]
pub(super) struct Validators {
    /// A strong entity tag, in its quotes.
    pub(super) tag: HeaderValue,
    /// In whole seconds, as HTTP has it.
    pub(super) modified: SystemTime,
}

/// What the preconditions of a GET or HEAD say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    NotModified,
    PreconditionFailed,
}

/// Steps 1 to 4 of 13.2.2.
pub(super) fn judge(headers: &HeaderMap, validators: &Validators) -> Verdict {
    let tag = validators.tag.as_bytes();
    if headers.contains_key(IF_MATCH) {
        // Strongly: ours is strong, so one that is marked weak is another.
        if !any_tag(headers, IF_MATCH, |weak, other| !weak && other == tag) {
            return Verdict::PreconditionFailed;
        }
    } else if date(headers, IF_UNMODIFIED_SINCE).is_some_and(|since| validators.modified > since) {
        return Verdict::PreconditionFailed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        // Weakly: a cache may have weakened the tag on its way.
        if any_tag(headers, IF_NONE_MATCH, |_, other| other == tag) {
            return Verdict::NotModified;
        }
    } else if date(headers, IF_MODIFIED_SINCE).is_some_and(|since| validators.modified <= since) {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Step 5: whether a `Range` is honoured, as far as `If-Range` is concerned.
pub(super) fn range_holds(headers: &HeaderMap, validators: &Validators) -> bool {
    let mut lines = headers.get_all(IF_RANGE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        // A tag has to be the same one, strongly; a date the very one that was sent.
        (Some(line), None) => {
            line == validators.tag
                || line.to_str().ok().and_then(|line| httpdate::parse_http_date(line).ok())
                    == Some(validators.modified)
        }
    }
}

/// Whether a request is likely to be answered without a body.
pub(super) fn is_revalidation(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE)
}

/// The date of a header; none if it is missing, is no date, or stands there twice.
fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => httpdate::parse_http_date(line.to_str().ok()?).ok(),
        _ => None,
    }
}

/// Whether a list of tags is `*`, or has one that matches; asked with whether it is weak, and the tag in its quotes.
fn any_tag(headers: &HeaderMap, name: HeaderName, matches: impl Fn(bool, &[u8]) -> bool) -> bool {
    headers.get_all(name).iter().any(|line| {
        let line = line.as_bytes().trim_ascii();
        line == b"*" || Tags(line).any(|(weak, tag)| matches(weak, tag))
    })
}

/// The tags of a list. A tag may have a comma in it, so that the list is not simply split; what is not well formed ends it.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = (bool, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0;
        let begins = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let rest = &rest[begins..];
        let (weak, rest) = rest.strip_prefix(b"W/").map_or((false, rest), |rest| (true, rest));
        let inner = rest.strip_prefix(b"\"")?;
        let length = inner.iter().position(|&byte| byte == b'"')?;
        let (tag, after) = rest.split_at(length + 2);
        let after = after.trim_ascii_start();
        // Behind a tag stands a comma or nothing; else the tag still counts, and what follows does not.
        self.0 = if after.starts_with(b",") { after } else { &[] };
        Some((weak, tag))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use std::time::{Duration, UNIX_EPOCH};

    use super::Verdict::{NotModified, PreconditionFailed, Proceed};
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn validators() -> Validators {
        let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
        Validators { tag: HeaderValue::from_static("\"abc\""), modified }
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).fold(
            HeaderMap::new(),
            |mut map, (name, value): (_, HeaderValue)| {
                map.append(name, value);
                map
            },
        )
    }

    #[test]
    fn each_by_itself() {
        for (name, value, verdict) in [
            ("if-match", "\"abc\"", Proceed),
            ("if-match", "*", Proceed),
            ("if-match", "\"x\", \"abc\"", Proceed),
            ("if-match", "W/\"abc\"", PreconditionFailed),
            ("if-match", "\"x\"", PreconditionFailed),
            ("if-match", "abc", PreconditionFailed),
            ("if-match", "", PreconditionFailed),
            ("if-unmodified-since", BEFORE, PreconditionFailed),
            ("if-unmodified-since", EXACT, Proceed),
            ("if-unmodified-since", AFTER, Proceed),
            ("if-unmodified-since", "yesterday", Proceed),
            ("if-none-match", "\"abc\"", NotModified),
            ("if-none-match", "W/\"abc\"", NotModified),
            ("if-none-match", "*", NotModified),
            ("if-none-match", "\"x\",,W/\"y\" ,\t\"abc\"", NotModified),
            ("if-none-match", "\"a,b\",\"abc\"", NotModified),
            ("if-none-match", "\"x,\"abc\"", Proceed),
            ("if-none-match", "\"abc", Proceed),
            ("if-none-match", "\"ABC\"", Proceed),
            ("if-none-match", "", Proceed),
            ("if-modified-since", BEFORE, Proceed),
            ("if-modified-since", EXACT, NotModified),
            ("if-modified-since", AFTER, NotModified),
            ("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT", NotModified),
            ("if-modified-since", "784111777", Proceed),
        ] {
            assert_eq!(judge(&headers(&[(name, value)]), &validators()), verdict, "{name}: {value}");
        }
    }

    #[test]
    fn a_tag_goes_before_a_date_and_a_match_before_a_none_match() {
        for (lines, verdict) in [
            (vec![("if-match", "\"abc\""), ("if-unmodified-since", BEFORE)], Proceed),
            (vec![("if-match", "\"x\""), ("if-none-match", "\"abc\"")], PreconditionFailed),
            (vec![("if-match", "\"abc\""), ("if-none-match", "\"abc\"")], NotModified),
            (vec![("if-none-match", "\"x\""), ("if-modified-since", AFTER)], Proceed),
            (vec![("if-none-match", "\"abc\""), ("if-modified-since", BEFORE)], NotModified),
            (vec![("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")], NotModified),
            (vec![("if-modified-since", AFTER), ("if-modified-since", AFTER)], Proceed),
            (vec![("if-unmodified-since", AFTER), ("if-modified-since", AFTER)], NotModified),
        ] {
            assert_eq!(judge(&headers(&lines), &validators()), verdict, "{lines:?}");
        }
    }

    #[test]
    fn if_range_takes_the_same_tag_or_the_same_date() {
        for (value, holds) in [
            ("\"abc\"", true),
            ("W/\"abc\"", false),
            ("\"x\"", false),
            ("\"x\", \"abc\"", false),
            ("*", false),
            (EXACT, true),
            (BEFORE, false),
            (AFTER, false),
            ("", false),
        ] {
            assert_eq!(range_holds(&headers(&[("if-range", value)]), &validators()), holds, "{value}");
        }
        assert!(range_holds(&HeaderMap::new(), &validators()));
        assert!(!range_holds(&headers(&[("if-range", "\"abc\""), ("if-range", "\"abc\"")]), &validators()));
    }
}
