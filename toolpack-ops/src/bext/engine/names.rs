//! Names of instances and apps, safe as names of directories, and addresses of instances: parsed once.

use std::fmt;

use super::text::text_type;

const MAX_CHARS: usize = 64;

// Lower case only: two names never meet in one directory, on a file system that ignores case either.
fn is_name(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

const MAX_URL_CHARS: usize = 2048;

fn is_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return false;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_one_of =
        |marks: &'static [u8]| move |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
    text.len() <= MAX_URL_CHARS
        && !host.is_empty()
        && host.bytes().all(is_one_of(b".:_[]-"))
        && path.bytes().all(is_one_of(b"._~%/-"))
}

text_type! {
    /// The id of an instance: 1 to 64 characters of `a-z 0-9 - _`.
    InstanceId,
    accepts: is_name,
    else: "the id of an instance has 1 to 64 characters of a-z, 0-9, - and _",
    schema: { "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" }
}

text_type! {
    /// The name of an app: 1 to 64 characters of `a-z 0-9 - _`. The default is `default`, the instance's own store.
    AppName,
    accepts: is_name,
    else: "the name of an app has 1 to 64 characters of a-z, 0-9, - and _",
    schema: { "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" }
}

text_type! {
    /// Where an instance answers: an address of `http` or `https` with a host, a port and a path at most.
    ///
    /// User info has no place in it, nor has a query: what is shown to everyone who may look holds no credentials.
    InstanceUrl,
    accepts: is_url,
    else: "the address of an instance is http:// or https://, a host and a path, without user info or query",
    schema: {
        "type": "string",
        "pattern": "^https?://[A-Za-z0-9.:_\\[\\]-]+(/[A-Za-z0-9._~%/-]*)?$",
        "maxLength": MAX_URL_CHARS,
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Default for AppName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// One app of one instance: whose data is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppRef {
    /// The instance.
    pub instance: InstanceId,
    /// The app.
    pub app: AppName,
}

impl AppRef {
    /// The app of the instance.
    pub fn new(instance: InstanceId, app: AppName) -> Self {
        Self { instance, app }
    }
}

impl fmt::Display for AppRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.instance, self.app)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn names_are_safe_as_directories() {
        for good in ["a", "local", "eu-west_1", "0", &"x".repeat(64)] {
            assert_eq!(good.parse::<InstanceId>().unwrap().as_str(), good);
            assert_eq!(good.parse::<AppName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a\\b", "A", "ä", "a b", "a\0", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<InstanceId>().is_err(), "{bad:?}");
            assert!(serde_json::from_value::<AppName>(bad.into()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_hold_no_credentials() {
        for good in ["http://127.0.0.1:3000", "https://eu.example.com/", "http://[::1]:80/a/b%20c"] {
            assert_eq!(good.parse::<InstanceUrl>().unwrap().as_str(), good);
        }
        for bad in
            ["", "b", "ftp://a", "http://", "http:///a", "http://u:p@a", "http://a/?token=x", "http://a b"]
        {
            assert!(bad.parse::<InstanceUrl>().is_err(), "{bad:?}");
        }
    }
}
