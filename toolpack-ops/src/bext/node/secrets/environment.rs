//! What may stand in the environment of an app, and how much.

use crate::bext::engine::SecretName;
use crate::error::{Error, ErrorKind};

/// The most secrets of one app, and of the whole instance without those of its apps.
pub(super) const MAX_SECRETS: u64 = 1_000;

/// The most bytes of all that one app is given, names and values, as the system counts them. A process gets a quarter of
/// its stack for that, 2 MiB as a rule; this leaves room for what else stands there.
pub(super) const MAX_ENVIRONMENT_BYTES: u64 = 512 << 10;

/// What each entry has beside its name and its value: `=` and the NUL at its end.
pub(super) const ENTRY_BYTES: u64 = 2;

const SET_BY_THE_NODE: [&str; 5] = ["PATH", "PORT", "HOST", "BEXT_APP", "BEXT_VERSION"];

/// Refuses a name that an app may not find a secret under.
pub(crate) fn check_name(name: &SecretName) -> Result<(), Error> {
    let text = name.as_str();
    let why = if SET_BY_THE_NODE.contains(&text) {
        "the node sets it itself"
    } else if text.starts_with("BEXT_") {
        "names that begin with BEXT_ are the node's"
    } else if text.starts_with("LD_") || text.starts_with("DYLD_") {
        // LD_PRELOAD and its kind put foreign code into a process before the first line of its own.
        "names that begin with LD_ or DYLD_ change which code a process loads"
    } else {
        return Ok(());
    };
    let message = format!("no secret can be called {name}: {why}; choose another name");
    Err(Error::new(ErrorKind::InvalidInput, "secret_reserved", message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn names_with_a_meaning_of_their_own_are_refused() {
        for reserved in [
            "PATH",
            "PORT",
            "HOST",
            "BEXT_APP",
            "BEXT_VERSION",
            "BEXT_X",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
        ] {
            let error = check_name(&reserved.parse().unwrap()).unwrap_err();
            assert_eq!((error.code(), error.kind()), ("secret_reserved", ErrorKind::InvalidInput));
            assert!(error.message().contains(reserved), "{}", error.message());
        }
        for free in ["DATABASE_URL", "PORTAL", "path", "MY_PATH", "BEXTRA", "LD", "OLD_KEY", "HOSTNAME"] {
            check_name(&free.parse().unwrap()).unwrap();
        }
    }
}
