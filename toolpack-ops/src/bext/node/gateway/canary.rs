//! Which release answers a request while there is a canary.

use std::sync::Arc;

use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Response};

use super::backend::Backend;
use super::routes::Entry;
use crate::bext::engine::Percent;

/// The names of the cookies that have a visitor keep to a release begin with this; the name of the app
/// follows.
const COOKIE_PREFIX: &str = "bext-release-";

/// Has the next request of a visitor go to the same release.
#[derive(Debug)]
pub(super) struct Stick(String);

impl Stick {
    fn to(entry: &Entry, release: &Backend) -> Self {
        let (app, label) = (entry.route.app.as_str(), release.label());
        Self(format!("{COOKIE_PREFIX}{app}={label}; Path=/; HttpOnly; SameSite=Lax"))
    }

    pub(super) fn set_on<B>(self, response: &mut Response<B>) {
        if let Ok(value) = HeaderValue::try_from(self.0) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
}

/// The release for a request, and what its visitor is given to keep to it: by the cookie, if it names one
/// that is there, and by weight alone otherwise. Without a canary nothing is kept.
pub(super) fn choose<'a>(entry: &'a Entry, headers: &HeaderMap) -> (&'a Arc<Backend>, Option<Stick>) {
    let stable = &entry.route.stable;
    let Some((percent, canary)) = &entry.route.canary else { return (stable, None) };
    let kept = cookies(headers).find_map(|pair| {
        let label =
            pair.strip_prefix(COOKIE_PREFIX)?.strip_prefix(entry.route.app.as_str())?.strip_prefix('=')?;
        [canary, stable].into_iter().find(|release| release.label() == label)
    });
    if let Some(release) = kept {
        return (release, None);
    }
    let release = if is_canary_turn(entry.turn(), *percent) { canary } else { stable };
    (release, Some(Stick::to(entry, release)))
}

/// Multiples of the golden ratio spread evenly over the circle at every length (Weyl), so the share of the
/// canary is exact to a few requests; and in no short period that a client's own pattern of requests could
/// fall in step with.
fn is_canary_turn(turn: u64, percent: Percent) -> bool {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let place = turn.wrapping_add(1).wrapping_mul(GOLDEN);
    // The upper 64 bits of the product: 0 to 99.
    let hundredth = (u128::from(place) * 100) >> 64;
    hundredth < u128::from(percent.get())
}

/// Takes the cookies of releases off a request: they are between the visitor and the gateway.
///
/// What is left becomes one header, as HTTP/1.1 wants it of the several that HTTP/2 allows (RFC 9113, section
/// 8.2.3).
pub(super) fn strip_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let (first, second) = (lines.next(), lines.next());
    let has_ours =
        || headers.get_all(COOKIE).iter().any(|line| contains(line.as_bytes(), COOKIE_PREFIX.as_bytes()));
    if first.is_none() || (second.is_none() && !has_ours()) {
        return;
    }
    let mut left = Vec::new();
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            if !pair.is_empty() && !pair.starts_with(COOKIE_PREFIX.as_bytes()) {
                if !left.is_empty() {
                    left.extend_from_slice(b"; ");
                }
                left.extend_from_slice(pair);
            }
        }
    }
    headers.remove(COOKIE);
    // Parts of valid values are a valid value.
    if let Ok(left) = HeaderValue::from_bytes(&left)
        && !left.is_empty()
    {
        headers.insert(COOKIE, left);
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).map(str::trim)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn the_share_of_the_canary_is_exact_to_a_few_requests() {
        for percent in 1..=99_u64 {
            let weight = Percent::try_from(percent).unwrap();
            let canary = (0..1000).filter(|turn| is_canary_turn(*turn, weight)).count();
            assert!(canary.abs_diff(percent as usize * 10) <= 5, "{percent}: {canary}");
        }
    }

    #[test]
    fn an_app_sees_its_own_cookies_alone() {
        let stripped = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_static(line));
            }
            strip_cookies(&mut headers);
            let left: Vec<_> =
                headers.get_all(COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect();
            left
        };
        assert_eq!(stripped(&["a=1;b=2"]), ["a=1;b=2"]);
        assert_eq!(stripped(&["a=1; bext-release-shop=abc; b=\"x y\""]), ["a=1; b=\"x y\""]);
        assert_eq!(stripped(&["a=1", "bext-release-shop=abc", "b=2"]), ["a=1; b=2"]);
        assert!(stripped(&["bext-release-shop=abc"]).is_empty());
        assert!(stripped(&[]).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_cookie_of_a_release_is_left_and_every_other_is(
            pairs in proptest::collection::vec("(bext-release-[a-z]{0,3}|[a-z]{1,3})=[a-z\"=]{0,4}", 0..6),
            separator in "; ?",
        ) {
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, HeaderValue::try_from(pairs.join(&separator)).unwrap());
            strip_cookies(&mut headers);
            let expected: Vec<_> = pairs.iter().filter(|pair| !pair.starts_with(COOKIE_PREFIX)).collect();
            let left: Vec<_> = cookies(&headers).filter(|pair| !pair.is_empty()).collect();
            proptest::prop_assert_eq!(left, expected);
        }
    }
}
