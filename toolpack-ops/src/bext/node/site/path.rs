//! From the path of a request to the names of a file: decoded once, and refused if any name could leave the site.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::bext::node::percent;

/// What tells the node about an app, and nobody else.
const MANIFEST: &[u8] = b"bext.app.toml";

/// The names on the way from the root of the site. Each is a single name of one directory: it is not empty, has no slash,
/// and does not begin with a dot, `.well-known` at the root excepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SitePath {
    names: Vec<OsString>,
    /// Whether a directory is meant: it ends with a slash.
    directory: bool,
}

/// Why a path names no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not a well-formed path.
    Malformed,
    /// There is never a file of such a name.
    NotServed,
}

impl SitePath {
    pub(super) fn parse(path: &str) -> Result<Self, Refused> {
        // `http` gives an empty path to a URI that has none, which stands for the root.
        let path = path.as_bytes();
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if path.is_empty() {
            return Ok(Self { names: Vec::new(), directory: true });
        }
        let directory = path.ends_with(b"/");
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let names = path.split(|&byte| byte == b'/').enumerate();
        let names = names.map(|(depth, encoded)| {
            let name = percent::decode(encoded).ok_or(Refused::Malformed)?;
            if is_served(&name, depth) { Ok(OsString::from_vec(name)) } else { Err(Refused::NotServed) }
        });
        Ok(Self { names: names.collect::<Result<_, _>>()?, directory })
    }

    pub(super) fn is_directory(&self) -> bool {
        self.directory
    }

    /// The directories on the way, and the last name; no name for the root.
    pub(super) fn split(&self) -> (&[OsString], Option<&OsStr>) {
        match self.names.split_last() {
            Some((last, directories)) => (directories, Some(last)),
            None => (&[], None),
        }
    }
}

/// A name is refused before any file is looked for, and whether or not there is one.
///
/// An empty name (`//host`) would make a redirect that leads to another host. A backslash separates names for some
/// clients, and control characters have no place in a path.
fn is_served(name: &[u8], depth: usize) -> bool {
    let hidden = name.starts_with(b".") && !(depth == 0 && name == b".well-known");
    let strange = name.iter().any(|&byte| byte.is_ascii_control() || byte == b'/' || byte == b'\\');
    !name.is_empty() && !hidden && !strange && !is_manifest(name)
}

/// The manifest, and its compressed forms; without regard to case, as some file systems have none.
fn is_manifest(name: &[u8]) -> bool {
    [&b""[..], b".br", b".gz"].into_iter().any(|suffix| {
        name.len() == MANIFEST.len() + suffix.len()
            && name[..MANIFEST.len()].eq_ignore_ascii_case(MANIFEST)
            && name[MANIFEST.len()..].eq_ignore_ascii_case(suffix)
    })
}

/// A name with something at its end.
pub(super) fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    OsString::from_vec([name.as_bytes(), suffix.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    fn names(path: &str) -> (Vec<String>, bool) {
        let path = SitePath::parse(path).unwrap();
        (path.names.iter().map(|name| name.to_string_lossy().into_owned()).collect(), path.directory)
    }

    #[test]
    fn reads_names_and_decodes_each_once() {
        assert_eq!(names(""), (vec![], true));
        assert_eq!(names("/"), (vec![], true));
        assert_eq!(names("/a/b%20c.html"), (vec!["a".into(), "b c.html".into()], false));
        assert_eq!(names("/%C3%A9t%C3%A9/"), (vec!["été".into()], true));
        assert_eq!(names("/%252e%252e/x"), (vec!["%2e%2e".into(), "x".into()], false));
        assert_eq!(
            names("/.well-known/security.txt"),
            (vec![".well-known".into(), "security.txt".into()], false)
        );
        assert_eq!(names("/a..b/c."), (vec!["a..b".into(), "c.".into()], false));
        let bytes = SitePath::parse("/%FF").unwrap();
        assert_eq!(bytes.split().1.unwrap().as_bytes(), b"\xff");
    }

    #[test]
    fn refuses_whatever_could_leave_the_site_or_is_not_for_it() {
        for path in [
            "/..",
            "/../x",
            "/a/../b",
            "/a/..",
            "/%2e%2e/x",
            "/%2E./x",
            "/.%2e/x",
            "/..%2fx",
            "/..%2Fetc%2Fpasswd",
            "/a%2fb",
            "/..%5cx",
            "/a\\..\\b",
            "/%5c..%5c",
            "/a%00.html",
            "/%00",
            "/a%0a",
            "/a%7f",
            "//",
            "//host",
            "//host/",
            "/a//b",
            "/./a",
            "/.",
            "/.git/config",
            "/.env",
            "/a/.hidden",
            "/a/.well-known/x",
            "/.well-known/.secret",
            "/.WELL-KNOWN/x",
            "/bext.app.toml",
            "/BEXT.app.TOML",
            "/bext.app.toml.gz",
            "/bext%2eapp%2etoml",
            "/a/bext.app.toml",
            "/bext.app.toml/",
        ] {
            assert_eq!(SitePath::parse(path), Err(Refused::NotServed), "{path}");
        }
        for path in ["/%", "/%2", "/a%zz", "/%u002e%u002e/", "/%%32%65"] {
            assert_eq!(SitePath::parse(path), Err(Refused::Malformed), "{path}");
        }
        assert_eq!(names("/bext.app.toml.txt").0, ["bext.app.toml.txt"]);
    }
}
