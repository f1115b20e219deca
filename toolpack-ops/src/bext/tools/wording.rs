//! Words that several tools say in the same way: versions, times, and who asked.

use mcp_core::Call;

use crate::bext::engine::Version;

/// Who asks, as records have it: `local` for whoever is at the other end of a pipe.
pub(super) fn by(call: &Call) -> String {
    call.principal().subject().to_owned()
}

/// A version as people say it: `v1.2.4` for `1.2.4`, and every other as it is.
pub(super) fn shown_version(version: &Version) -> String {
    let text = version.as_str();
    if is_semver(text) { format!("v{text}") } else { text.to_owned() }
}

/// Three numbers with dots between them, and perhaps what semantic versioning allows after those.
fn is_semver(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = 0;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    core.split('.').all(|part| {
        numbers += 1;
        is_number(part)
    }) && numbers == 3
}

/// Milliseconds as seconds: `3.2s`, and `0.04s` for what is quick.
pub(super) fn shown_time(millis: u64) -> String {
    // Far below where an f64 would be inexact, for any time that something takes.
    let seconds = millis as f64 / 1000.0;
    if millis < 100 { format!("{:.2}s", seconds.max(0.01)) } else { format!("{seconds:.1}s") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn bare_numbers_get_their_letter() {
        for (version, shown) in [
            ("1.2.4", "v1.2.4"),
            ("1.2.4-rc.1", "v1.2.4-rc.1"),
            ("10.0.0+build.5", "v10.0.0+build.5"),
            ("v1.2.4", "v1.2.4"),
            ("1.2", "1.2"),
            ("1.2.3.4", "1.2.3.4"),
            ("54c5c1e5", "54c5c1e5"),
            ("release/7", "release/7"),
        ] {
            assert_eq!(shown_version(&version.parse().unwrap()), shown);
        }
    }

    #[test]
    fn times_are_in_seconds() {
        for (millis, shown) in
            [(0, "0.01s"), (42, "0.04s"), (100, "0.1s"), (3_240, "3.2s"), (61_000, "61.0s")]
        {
            assert_eq!(shown_time(millis), shown);
        }
    }
}
