//! Which bytes of a file are asked for: `Range`, as RFC 9110 14 reads it.

use http::HeaderMap;
use http::header::RANGE;

/// More ranges than this in one request are not worth their parts, and are answered with the whole file.
const MOST_RANGES: usize = 16;

/// The bytes from `start` on, without `end`; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Span {
    pub(super) fn len(self) -> u64 {
        self.end - self.start
    }

    /// As `Content-Range` says it.
    pub(super) fn of(self, length: u64) -> String {
        format!("bytes {}-{}/{length}", self.start, self.end - 1)
    }
}

/// What of a file is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    Whole,
    One(Span),
    /// Two or more, in the order in which they are asked for.
    Several(Vec<Span>),
    /// Every range begins behind the end.
    Unsatisfiable,
}

/// What these headers ask for, of a file of this length.
///
/// A header that is not well formed is ignored, as RFC 9110 has it; so is one with more than 16 ranges, or with ranges that
/// are more in sum than the file, which only wastes. An empty file is always sent whole: some clients ask for the first
/// bytes of everything, and there is no way to say that a part of nothing follows.
pub(super) fn select(headers: &HeaderMap, length: u64) -> Selection {
    let mut lines = headers.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Selection::Whole };
    let Some(ranges) = line.to_str().ok().and_then(parse) else { return Selection::Whole };
    if length == 0 {
        return Selection::Whole;
    }
    let spans: Vec<Span> = ranges.into_iter().filter_map(|range| range.within(length)).collect();
    let sum = spans.iter().fold(0, |sum: u64, span| sum.saturating_add(span.len()));
    match spans[..] {
        [] => Selection::Unsatisfiable,
        [span] => Selection::One(span),
        _ if sum > length => Selection::Whole,
        _ => Selection::Several(spans),
    }
}

/// A range as it is written.
#[derive(Clone, Copy, Debug)]
enum Range {
    /// `5-9`, and `5-` without a last byte.
    From(u64, Option<u64>),
    /// `-5`: the last five bytes.
    Last(u64),
}

impl Range {
    fn within(self, length: u64) -> Option<Span> {
        let (start, end) = match self {
            Self::From(first, last) => {
                (first, last.map_or(length, |last| last.saturating_add(1).min(length)))
            }
            Self::Last(count) => (length.saturating_sub(count), length),
        };
        (start < end).then_some(Span { start, end })
    }
}

fn parse(header: &str) -> Option<Vec<Range>> {
    let (unit, ranges) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Members of a list may be empty, and blank space may surround them.
    let ranges = ranges.split(',').map(str::trim).filter(|range| !range.is_empty());
    let ranges: Vec<Range> = ranges.take(MOST_RANGES + 1).map(parse_one).collect::<Option<_>>()?;
    (!ranges.is_empty() && ranges.len() <= MOST_RANGES).then_some(ranges)
}

fn parse_one(range: &str) -> Option<Range> {
    match range.split_once('-')? {
        ("", last) => Some(Range::Last(number(last)?)),
        (first, "") => Some(Range::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Range::From(first, Some(last)))
        }
    }
}

/// Digits, and nothing else. A number that is larger than any file counts as the largest.
fn number(digits: &str) -> Option<u64> {
    let well_formed = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use proptest::prelude::*;

    use super::*;

    fn of(range: &str, length: u64) -> Selection {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().unwrap());
        select(&headers, length)
    }

    fn span(start: u64, end: u64) -> Span {
        Span { start, end }
    }

    #[test]
    fn one_range() {
        for (range, start, end) in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-9", 0, 10),
            ("bytes=0-99", 0, 10),
            ("bytes=9-", 9, 10),
            ("bytes=-3", 7, 10),
            ("bytes=-99", 0, 10),
            ("Bytes=2-4", 2, 5),
            ("bytes= 2-4 ", 2, 5),
            ("bytes=,2-4,", 2, 5),
            ("bytes=0-18446744073709551615", 0, 10),
            ("bytes=-99999999999999999999999", 0, 10),
            // Of several, those that there are.
            ("bytes=99-, 2-4", 2, 5),
            ("bytes=2-4, -0", 2, 5),
        ] {
            assert_eq!(of(range, 10), Selection::One(span(start, end)), "{range}");
        }
    }

    #[test]
    fn several_ranges_as_long_as_they_are_worth_it() {
        assert_eq!(of("bytes=0-1,4-5", 10), Selection::Several(vec![span(0, 2), span(4, 6)]));
        assert_eq!(of("bytes=-1, 0-0", 10), Selection::Several(vec![span(9, 10), span(0, 1)]));
        assert_eq!(of("bytes=0-3,2-5", 10), Selection::Several(vec![span(0, 4), span(2, 6)]));
        assert_eq!(of("bytes=0-,0-", 10), Selection::Whole);
        assert_eq!(of("bytes=0-5,4-9", 10), Selection::Whole);
        let many = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        assert!(matches!(of(&many(16), 100), Selection::Several(spans) if spans.len() == 16));
        assert_eq!(of(&many(17), 100), Selection::Whole);
    }

    #[test]
    fn what_cannot_be_satisfied() {
        for range in
            ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=10-11,12-", "bytes=99999999999999999999-"]
        {
            assert_eq!(of(range, 10), Selection::Unsatisfiable, "{range}");
        }
        for range in ["bytes=0-", "bytes=0-0", "bytes=-5", "bytes=-0"] {
            assert_eq!(of(range, 0), Selection::Whole, "{range}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_ignored() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-0",
            "bytes=0-1,3-2",
            "bytes=0",
            "bytes=--1",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=0x1-2",
            "items=0-1",
            "bytes:0-1",
            "bytes=1 - 2",
            "bytes=0-1;2-3",
            "=0-1",
        ] {
            assert_eq!(of(range, 10), Selection::Whole, "{range}");
        }
        let mut twice = HeaderMap::new();
        twice.append(RANGE, "bytes=0-1".parse().unwrap());
        twice.append(RANGE, "bytes=2-3".parse().unwrap());
        assert_eq!(select(&twice, 10), Selection::Whole);
    }

    proptest! {
        #[test]
        fn spans_lie_within_the_file(range in "(bytes=)?[-0-9, ]{0,40}", length in 0_u64..200) {
            let spans = match of(&range, length) {
                Selection::One(span) => vec![span],
                Selection::Several(spans) => spans,
                _ => vec![],
            };
            for span in spans {
                prop_assert!(span.start < span.end && span.end <= length);
            }
        }
    }
}
