//! Names of instances and apps: parsed once, safe as names of directories.

use std::fmt;

use super::text::text_type;

const MAX_CHARS: usize = 64;

// Lower case only: two names never meet in one directory, on a file system that ignores case either.
fn is_name(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
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
}
