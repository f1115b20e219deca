//! What the text of a source means: a place on this machine, or the address of a repository.

use std::path::PathBuf;

use super::{invalid, unsupported};
use crate::bext::engine::AppSource;
use crate::error::Error;

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// An absolute path on this machine.
    Path(PathBuf),
    /// A repository that is asked over HTTP or HTTPS.
    Http(String),
    /// A repository that the program `ssh` leads to.
    Ssh(SshAddress),
}

/// A repository behind SSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshAddress {
    /// The host, with `USER@` before it where one was given.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// The path on that host; relative to the user's home if it does not begin with `/`.
    pub(super) path: String,
}

impl Place {
    pub(super) fn of(source: &AppSource) -> Result<Self, Error> {
        let text = source.as_str();
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => http(text, rest),
                "ssh" => ssh(rest),
                "file" => file(rest),
                scheme => Err(unsupported(format!(
                    "sources are not read over {}://; known are https://, http://, ssh:// and file://",
                    scheme.escape_default()
                ))),
            };
        }
        if text.starts_with('/') {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        if text.starts_with('~') {
            return Err(invalid("~ is not expanded in a source; write the whole path, from / on"));
        }
        // `git@host:path`, as git itself has it: a colon before the first slash.
        match text.split_once(':') {
            Some((host, path)) if !host.contains('/') => scp(host, path),
            _ => Err(invalid(
                "a path of a source begins with /, because the directory that a node runs in means nothing to its callers",
            )),
        }
    }
}

fn http(text: &str, rest: &str) -> Result<Place, Error> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(invalid(
            "the address of a source holds no user name or password, because it is shown to whoever may look; for a private \
             repository use ssh with a key that the node's user has",
        ));
    }
    if path.contains(['?', '#']) {
        return Err(invalid("the address of a repository has no query and no fragment"));
    }
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(is_host) || authority.starts_with('-') {
        return Err(invalid("the address of a source needs a host, as in https://host/path.git"));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid(
            "the path of an address has no spaces and only ASCII; write other characters as %20 and the like",
        ));
    }
    Ok(Place::Http(text.trim_end_matches('/').to_owned()))
}

fn ssh(rest: &str) -> Result<Place, Error> {
    let Some((authority, path)) = rest.split_once('/') else {
        return Err(invalid("an address of ssh has a path, as in ssh://git@host/path.git"));
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let port = port.parse().ok().filter(|port| *port > 0);
            (host, Some(port.ok_or_else(|| invalid("the port of an address is a number from 1 to 65535"))?))
        }
        _ => (host, None),
    };
    // The brackets of an IPv6 address are for the address, and ssh wants none.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // `/~/` and `/~user/` are relative to a home, as git has it.
    let path = if path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
    ssh_address(user, host, port, path)
}

fn scp(host: &str, path: &str) -> Result<Place, Error> {
    let (user, host) = match host.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, host),
    };
    // `ext::command`, as git has its helpers, and `C:\path`, as Windows has its drives.
    let is_drive = user.is_none() && host.len() == 1;
    if path.starts_with(':') || is_drive || host.is_empty() || (user.is_none() && path.is_empty()) {
        return Err(invalid(
            "a source is a path of the machine that the node runs on, from / on, or the address of a repository, as in \
             https://host/path.git, ssh://git@host/path.git or git@host:path.git",
        ));
    }
    // `user:password@host:path`, which git itself would take for a host named `user`.
    if user.is_none() && path.split('/').next().is_some_and(|start| start.contains('@')) {
        return Err(holds_password());
    }
    ssh_address(user, host, None, path.to_owned())
}

fn holds_password() -> Error {
    invalid("the address of a source holds no password; ssh uses a key that the node's user has")
}

fn ssh_address(user: Option<&str>, host: &str, port: Option<u16>, path: String) -> Result<Place, Error> {
    if user.is_some_and(|user| user.contains(':')) {
        return Err(holds_password());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
    let is_good = |name: &str| !name.is_empty() && name.bytes().all(is_name) && !name.starts_with('-');
    if !is_good(host) || !user.is_none_or(is_good) {
        return Err(invalid(
            "an address of ssh has a user and a host of letters, digits and . - _, as in git@host:path.git",
        ));
    }
    if path.is_empty() || path == "/" || path.starts_with('-') {
        return Err(invalid("an address of ssh has a path, as in git@host:path.git"));
    }
    let host = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    Ok(Place::Ssh(SshAddress { host, port, path }))
}

/// A repository on this machine is read where it is, without a copy and without git's own programs.
fn file(rest: &str) -> Result<Place, Error> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if path.starts_with('/') && !path.contains('%') {
        return Ok(Place::Path(PathBuf::from(path)));
    }
    Err(invalid("an address of a file is file:// and an absolute path of this machine, written as it is"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn place(text: &str) -> Result<Place, Error> {
        Place::of(&text.parse().unwrap())
    }

    fn at(host: &str, port: Option<u16>, path: &str) -> Place {
        Place::Ssh(SshAddress { host: host.to_owned(), port, path: path.to_owned() })
    }

    #[test]
    fn a_source_is_a_path_or_an_address() {
        assert_eq!(place("/srv/shop").unwrap(), Place::Path("/srv/shop".into()));
        assert_eq!(place("/srv/a:b@c").unwrap(), Place::Path("/srv/a:b@c".into()));
        assert_eq!(place("file:///srv/shop.git").unwrap(), Place::Path("/srv/shop.git".into()));
        assert_eq!(
            place("https://host:8443/a/b.git/").unwrap(),
            Place::Http("https://host:8443/a/b.git".into())
        );
        assert_eq!(place("http://[::1]:80/a").unwrap(), Place::Http("http://[::1]:80/a".into()));
        assert_eq!(place("git@host:team/shop.git").unwrap(), at("git@host", None, "team/shop.git"));
        assert_eq!(place("host:/srv/shop").unwrap(), at("host", None, "/srv/shop"));
        assert_eq!(place("ssh://git@host:2222/a/b.git").unwrap(), at("git@host", Some(2222), "/a/b.git"));
        assert_eq!(place("ssh://[fe80::1]/a").unwrap(), at("fe80::1", None, "/a"));
        assert_eq!(place("ssh://host/~git/a").unwrap(), at("host", None, "~git/a"));
    }

    #[test]
    fn what_is_no_source_is_refused_with_what_to_write() {
        for (text, hint) in [
            ("shop", "begins with /"),
            ("./shop", "begins with /"),
            ("~/shop", "~ is not expanded"),
            ("https://me:secret@host/a", "holds no user name or password"),
            ("https://token@host/a", "holds no user name or password"),
            ("https:///a", "needs a host"),
            ("https://host/a?token=x", "no query"),
            ("https://host/a b", "no spaces"),
            ("ssh://me:secret@host/a", "holds no password"),
            ("me:secret@host:a", "holds no password"),
            ("ssh://-oProxyCommand=x/a", "an address of ssh"),
            ("-oProxyCommand=x:a", "an address of ssh"),
            ("git@host:-a", "has a path"),
            ("git@host:", "has a path"),
            ("ssh://host", "has a path"),
            ("ssh://host:0/a", "port"),
            ("file://host/a", "file://"),
        ] {
            let error = place(text).unwrap_err();
            assert!(matches!(error.code(), "source_invalid"), "{text}: {error}");
            assert!(error.message().contains(hint), "{text}: {error}");
            assert!(!error.message().contains("secret"), "{text}: {error}");
        }
        assert_eq!(place("ftp://host/a").unwrap_err().code(), "source_unsupported");
        for text in ["C:\\x", "c:/srv/shop", "C:shop", "ext::sh -c x", "git@ext::x", "shop:", ":shop"] {
            let error = place(text).unwrap_err();
            assert_eq!(error.code(), "source_invalid", "{text}: {error}");
            for form in ["/", "https://", "ssh://", "git@host:path"] {
                assert!(error.message().contains(form), "{text}: {form}: {error}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(https?://|ssh://|file://|git@)?[a-z~@:/.\\[\\]%-]{0,20}\\PC{0,10}") {
            if let Ok(source) = text.parse() {
                let _ = Place::of(&source);
            }
        }
    }
}
