//! The order of versions, as their names are read: which is the newest, and which one a misspelt name is near to.

use std::cmp::Ordering;

use crate::bext::engine::Version;
use crate::error::{Error, ErrorKind};

/// A name that reads as a version: up to three numbers, with or without `v` before them, perhaps a pre-release after `-`.
///
/// The order is that of semver 2.0, section 11; a number that is left out counts as 0, and what stands after `+` does not
/// count at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order<'a> {
    numbers: [u64; 3],
    pre_release: Option<&'a str>,
}

impl<'a> Order<'a> {
    /// None if the name does not read as a version.
    pub(super) fn of(name: &'a str) -> Option<Self> {
        let text = bare(name);
        let text = text.split_once('+').map_or(text, |(before, _)| before);
        let (core, pre_release) = match text.split_once('-') {
            Some((core, pre_release)) => (core, Some(pre_release)),
            None => (text, None),
        };
        let mut numbers = [0; 3];
        for (at, part) in core.split('.').enumerate() {
            // A sign would parse as well.
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            *numbers.get_mut(at)? = part.parse().ok().filter(|_| digits)?;
        }
        pre_release
            .is_none_or(|text| text.split('.').all(|part| !part.is_empty()))
            .then_some(Self { numbers, pre_release })
    }

    #[cfg(feature = "bext-git")]
    pub(super) fn is_pre_release(&self) -> bool {
        self.pre_release.is_some()
    }
}

impl Ord for Order<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre_release, other.pre_release) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => compare_pre_releases(one, other),
        })
    }
}

impl PartialOrd for Order<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Part by part: numbers by value and before words, words by their bytes, and the shorter one first.
fn compare_pre_releases(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        let (left, right) = match (one.next(), other.next()) {
            (Some(left), Some(right)) => (left, right),
            (left, right) => return left.is_some().cmp(&right.is_some()),
        };
        let order = match (left.parse::<u64>(), right.parse::<u64>()) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => left.cmp(right),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The name without `v` before a number.
fn bare(name: &str) -> &str {
    let rest = name.strip_prefix(['v', 'V']).unwrap_or(name);
    if rest.starts_with(|first: char| first.is_ascii_digit()) { rest } else { name }
}

/// Whether both names say the same version, one perhaps with `v` before it.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    bare(one) == bare(other)
}

/// Orders names from the newest to the oldest: releases and pre-releases by version, then other names by themselves.
pub(super) fn newest_first(names: &mut [&str]) {
    names.sort_by(|one, other| match (Order::of(one), Order::of(other)) {
        (Some(left), Some(right)) => right.cmp(&left).then_with(|| one.cmp(other)),
        (left, right) => right.is_some().cmp(&left.is_some()).then_with(|| one.cmp(other)),
    });
}

/// The error for a version that is not there, with [what there is](what_there_is).
pub(super) fn version_not_found<'a>(wanted: &Version, known: impl IntoIterator<Item = &'a str>) -> Error {
    let message = format!("the source has no version {wanted}; {}", what_there_is(wanted, known));
    Error::new(ErrorKind::NotFound, "version_not_found", message)
}

/// Says what there is in place of a version that is none. It names at most ten: what a misspelt name is near to, and then
/// the newest.
pub(super) fn what_there_is<'a>(wanted: &Version, known: impl IntoIterator<Item = &'a str>) -> String {
    const MAX_NAMES: usize = 10;
    let wanted = wanted.as_str();
    let mut names: Vec<&str> = known.into_iter().filter(|name| *name != wanted).collect();
    newest_first(&mut names);
    names.dedup();
    let count = names.len();
    if count == 0 {
        return "it has none yet".to_owned();
    }
    let near = names
        .iter()
        // The nearest first, and of two that are as near the newer one.
        .filter_map(|name| Some((distance(wanted, name)?, *name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name);
    let mut text = String::new();
    if let Some(near) = near {
        names.retain(|name| *name != near);
        names.insert(0, near);
        text.push_str(&format!("did you mean {near}? "));
    }
    names.truncate(MAX_NAMES);
    text.push_str(&format!("it has {}", names.join(", ")));
    if count > names.len() {
        text.push_str(&format!(" and {} more", count - names.len()));
    }
    text
}

/// How far apart two names are, if one may be the other misspelt. Not at all, if they are the same version written with
/// more numbers or fewer.
fn distance(wanted: &str, known: &str) -> Option<usize> {
    if let (Some(wanted), Some(known)) = (Order::of(wanted), Order::of(known))
        && wanted.cmp(&known).is_eq()
    {
        return Some(0);
    }
    let (wanted, known) = (bare(wanted), bare(known));
    let reach = known.len().max(3) / 3;
    if wanted.len().abs_diff(known.len()) > reach {
        return None;
    }
    Some(strsim::damerau_levenshtein(wanted, known)).filter(|distance| *distance <= reach)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn versions_are_ordered_as_semver_says() {
        let ascending = [
            "v0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "v1.0.0",
            "1.2",
            "V1.2.4",
            "1.10.0",
            "2",
        ];
        for pair in ascending.windows(2) {
            assert!(Order::of(pair[0]).unwrap() < Order::of(pair[1]).unwrap(), "{pair:?}");
        }
        assert_eq!(Order::of("v1.2").unwrap().cmp(&Order::of("1.2.0+build.7").unwrap()), Ordering::Equal);
        for name in [
            "release",
            "v",
            "1.2.3.4",
            "1.x",
            "version1",
            "1.-2",
            "+1",
            "1.0-",
            "1.0-a..b",
            "",
            "99999999999999999999",
        ] {
            assert_eq!(Order::of(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_is_the_same_with_v_or_without() {
        assert!(is_same("1.2.4", "v1.2.4") && is_same("v1.2.4", "1.2.4") && is_same("a", "a"));
        assert!(!is_same("version", "ersion") && !is_same("1.2.4", "1.2.40"));
    }

    #[test]
    fn what_is_there_is_said_from_the_newest_on() {
        let wanted = "1.2.5".parse().unwrap();
        let many: Vec<String> = (0..20).map(|minor| format!("v3.{minor}.0")).collect();
        let message =
            version_not_found(&wanted, many.iter().map(String::as_str).chain(["v1.2.4", "nightly"]));
        assert_eq!(
            message.message(),
            "the source has no version 1.2.5; did you mean v1.2.4? it has v1.2.4, v3.19.0, v3.18.0, v3.17.0, v3.16.0, \
             v3.15.0, v3.14.0, v3.13.0, v3.12.0, v3.11.0 and 12 more"
        );
        let named = |wanted: &str, known: &[&str]| {
            let message =
                version_not_found(&wanted.parse().unwrap(), known.iter().copied()).message().to_owned();
            message.split_once("; ").unwrap().1.to_owned()
        };
        // The same numbers come first, however they are written.
        let known = ["v1.1.0", "v1.10.0", "1.10.0-rc.1", "1.11"];
        assert_eq!(named("1.10", &known), "did you mean v1.10.0? it has v1.10.0, 1.11, 1.10.0-rc.1, v1.1.0");
        assert_eq!(named("v1.11.0", &known), "did you mean 1.11? it has 1.11, v1.10.0, 1.10.0-rc.1, v1.1.0");
        // What was asked for is not suggested.
        assert_eq!(named("blobtag", &["blobtag", "other"]), "it has other");
        assert_eq!(named("1.2", &["1.2"]), "it has none yet");
        let none = version_not_found(&wanted, []);
        assert_eq!(none.message(), "the source has no version 1.2.5; it has none yet");
        assert_eq!((none.kind(), none.code()), (ErrorKind::NotFound, "version_not_found"));
    }
}
