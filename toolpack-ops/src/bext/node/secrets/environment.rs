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

/// Names that one shell or another gives a value of its own, or drops. An app is started by a shell, so its value of such
/// a name would not be the one that was set.
const NAMES_OF_SHELLS: [&str; 22] = [
    "_",
    "BASH",
    "BASHOPTS",
    "BASHPID",
    "BASH_VERSION",
    "EPOCHREALTIME",
    "EPOCHSECONDS",
    "EUID",
    "HISTCMD",
    "IFS",
    "LINENO",
    "OLDPWD",
    "OPTERR",
    "OPTIND",
    "PPID",
    "PS1",
    "PWD",
    "RANDOM",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    "UID",
];

/// Whether an app cannot be given this name, since shells set it themselves.
pub(crate) fn is_of_shells(name: &SecretName) -> bool {
    NAMES_OF_SHELLS.contains(&name.as_str())
}

/// Refuses a name that an app may not find a secret under.
pub(crate) fn check_name(name: &SecretName) -> Result<(), Error> {
    let text = name.as_str();
    let why = if SET_BY_THE_NODE.contains(&text) {
        "the node sets it itself"
    } else if text.starts_with("BEXT_") {
        "names that begin with BEXT_ are the node's"
    } else if is_of_shells(name) {
        "shells set it themselves, and an app is started by one"
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
        ]
        .into_iter()
        .chain(NAMES_OF_SHELLS)
        {
            let error = check_name(&reserved.parse().unwrap()).unwrap_err();
            assert_eq!((error.code(), error.kind()), ("secret_reserved", ErrorKind::InvalidInput));
            assert!(error.message().contains(reserved), "{}", error.message());
        }
        for free in [
            "DATABASE_URL",
            "PORTAL",
            "path",
            "MY_PATH",
            "BEXTRA",
            "LD",
            "OLD_KEY",
            "HOSTNAME",
            "USER_UID",
            "uid",
            "__",
        ] {
            check_name(&free.parse().unwrap()).unwrap();
        }
    }
}
