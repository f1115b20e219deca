//! What scratch apps are called, so that nobody takes another app for one.

use crate::bext::engine::AppName;
use crate::error::{Error, ErrorKind};

/// What the names of scratch apps begin with.
const PREFIX: &str = "conformance";
/// What the names of directories with their sources begin with.
pub(super) const SOURCES_PREFIX: &str = "bext-conformance-";

/// What a scratch app is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Most files are asked of it.
    Site,
    /// A second one, to tell apps apart by.
    Other,
    /// It has a process, which is released and crashed.
    Process,
    /// It has a process that nobody disturbs.
    Slow,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Site, Self::Other, Self::Process, Self::Slow];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Other => "other",
            Self::Process => "process",
            Self::Slow => "slow",
        }
    }
}

/// The part of the names that all apps of one run have, and no others.
pub(super) fn new_run() -> Result<String, Error> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "internal", "there is no randomness").with_source(error)
    })?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

/// The name of a scratch app of a run.
pub(super) fn of(kind: Kind, run: &str) -> Result<AppName, Error> {
    format!("{PREFIX}-{}-{run}", kind.word()).parse()
}

/// Whether an app of that name is a scratch app.
pub(super) fn is_scratch(name: &AppName) -> bool {
    let mut parts = name.as_str().split('-');
    let (prefix, kind, run, end) = (parts.next(), parts.next(), parts.next(), parts.next());
    prefix == Some(PREFIX)
        && kind.is_some_and(|kind| Kind::ALL.iter().any(|known| known.word() == kind))
        && run.is_some_and(|run| run.len() == 8 && run.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && end.is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn a_name_is_told_from_one_that_is_like_it() {
        let run = new_run().unwrap();
        for kind in Kind::ALL {
            assert!(is_scratch(&of(kind, &run).unwrap()));
        }
        for name in [
            "conformance",
            "conformance-site",
            "conformance-site-0123456",
            "conformance-site-0123456g",
            "conformance-site-01234567-2",
            "conformance-shop-01234567",
            "my-conformance-site-01234567",
        ] {
            assert!(!is_scratch(&name.parse().unwrap()), "{name}");
        }
    }
}
