//! Names of instances and apps: parsed once, safe as names of directories.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::invalid_argument;
use crate::error::Error;

const MAX_CHARS: usize = 64;

// Lower case only: two names never meet in one directory, on a file system that ignores case either.
fn is_name(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                if is_name(&text) {
                    Ok(Self(text))
                } else {
                    Err(invalid_argument(concat!($what, " has 1 to 64 characters of a-z, 0-9, - and _")))
                }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" })
            }
        }
    };
}

name! {
    /// The id of an instance: 1 to 64 characters of `a-z 0-9 - _`.
    InstanceId, "the id of an instance"
}

name! {
    /// The name of an app: 1 to 64 characters of `a-z 0-9 - _`. The default is `default`, the instance's own store.
    AppName, "the name of an app"
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
