//! Secrets, which an app finds in its environment: names come out, values never do.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::paging::page_setters;
use super::text::text_type;
use super::{AppName, Cursor, InstanceId, PageSize, Timestamp};
use crate::error::Error;

/// The secrets of the instances of an engine.
///
/// Those of an app are its own; those without an app are given to every app of the instance, and one of the app of the
/// same name goes before.
#[async_trait]
pub trait Secrets: fmt::Debug + Send + Sync + 'static {
    /// One page of names, ordered. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance or app; `InvalidInput` for a cursor that is not one of this list.
    async fn list_secrets(&self, of: &SecretsOf, options: ListSecrets) -> Result<SecretPage, Error>;

    /// Sets one, whether it exists or not. An app sees it when it next starts: at its next deploy, rollback or restart.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance or app; `InvalidInput` for a name that a node, or the shell that
    /// starts an app, sets itself (`secret_reserved`).
    async fn set_secret(&self, of: &SecretsOf, name: &SecretName, value: SecretValue) -> Result<(), Error>;

    /// Deletes one, and says whether there was one. Idempotent.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unknown instance or app.
    async fn delete_secret(&self, of: &SecretsOf, name: &SecretName) -> Result<bool, Error>;
}

/// Whose secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretsOf {
    /// The instance.
    pub instance: InstanceId,
    /// The app; those of the whole instance, when absent.
    pub app: Option<AppName>,
}

/// Which page of the names.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListSecrets {
    /// How many entries at most.
    pub limit: PageSize<200>,
    /// Where to go on; from the first, if absent.
    pub cursor: Option<Cursor>,
}

impl ListSecrets {
    page_setters!(200);
}

/// One page of names.
#[derive(Clone, Debug)]
pub struct SecretPage {
    /// The secrets, ordered by name.
    pub secrets: Vec<SecretInfo>,
    /// Where the next page begins; absent on the last.
    pub next_cursor: Option<Cursor>,
}

/// What may be known of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SecretInfo {
    /// The name of the secret.
    pub name: SecretName,
    /// When it was last set, RFC 3339 in UTC.
    pub updated_at: Timestamp,
}

fn is_secret_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !text.as_bytes()[0].is_ascii_digit()
}

text_type! {
    /// The name of a secret, as of a variable of an environment: 1 to 128 letters, digits and `_`, and no digit first.
    SecretName,
    accepts: is_secret_name,
    else: "the name of a secret has 1 to 128 characters of A-Z, a-z, 0-9 and _, and does not begin with a digit",
    schema: { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$" }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The value of a secret: at most 64 KiB of text without NUL. Nothing shows it, and it is wiped when dropped.
#[derive(Clone)]
pub struct SecretValue(SecretString);

impl SecretValue {
    /// The most bytes of a value.
    pub const MAX_BYTES: usize = 64 << 10;

    /// The value, for whoever hands it to an app.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl TryFrom<SecretString> for SecretValue {
    type Error = Error;

    fn try_from(value: SecretString) -> Result<Self, Error> {
        let text = value.expose_secret();
        if text.len() > Self::MAX_BYTES || text.contains('\0') {
            return Err(super::invalid_argument(
                "the value of a secret has at most 65536 bytes, none of them NUL",
            ));
        }
        Ok(Self(value))
    }
}

impl TryFrom<String> for SecretValue {
    type Error = Error;

    fn try_from(value: String) -> Result<Self, Error> {
        Self::try_from(SecretString::from(value))
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    /// What is no text is refused without a word of it: a number may be the secret itself.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = SecretValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretValue, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<SecretValue, E> {
                SecretValue::try_from(text).map_err(E::custom)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretValue, E> {
                Err(no_text())
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretValue, E> {
                Err(no_text())
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretValue, E> {
                Err(no_text())
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretValue, E> {
                Err(no_text())
            }
        }

        fn no_text<E: de::Error>() -> E {
            E::custom("the value of a secret is text; put it in quotes")
        }

        // Asked for a string, serde_json says by itself which number it found instead.
        deserializer.deserialize_any(Text)
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

impl JsonSchema for SecretValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretValue".into()
    }

    // writeOnly: by this, a record of the call leaves it out.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true, "pattern": r"^[^\x00]*$", "maxLength": SecretValue::MAX_BYTES })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use serde_json::json;

    use super::*;

    #[test]
    fn the_name_of_a_secret_is_that_of_a_variable() {
        let schema = serde_json::to_value(schemars::schema_for!(SecretName)).unwrap();
        let accepted = |text: &str| {
            let accepted = text.parse::<SecretName>().is_ok();
            assert_eq!(serde_json::from_value::<SecretName>(text.into()).is_ok(), accepted, "{text}");
            assert_eq!(jsonschema::is_valid(&schema, &text.into()), accepted, "{text}");
            accepted
        };
        for text in ["A", "a", "_", "DATABASE_URL", "_1", "x9", &"A".repeat(128)] {
            assert!(accepted(text), "{text}");
        }
        for text in ["", "1A", "A-B", "A B", "A=B", "A\n", "A\0", "\u{c4}", "A.B", &"A".repeat(129)] {
            assert!(!accepted(text), "{text}");
        }
    }

    #[test]
    fn a_value_is_text_of_64_kib_without_nul() {
        for text in ["", "x", "\n", "\u{e4}", &"x".repeat(65536), &"\u{e4}".repeat(32768)] {
            assert_eq!(SecretValue::try_from(text.to_owned()).unwrap().expose(), text);
            assert_eq!(serde_json::from_value::<SecretValue>(text.into()).unwrap().expose(), text);
        }
        for text in ["\0", "hunter2\0", &"x".repeat(65537), &"\u{e4}".repeat(32769)] {
            assert_eq!(SecretValue::try_from(text.to_owned()).unwrap_err().code(), "invalid_argument");
        }
    }

    #[test]
    fn nothing_shows_a_value() {
        let value = SecretValue::try_from("hunter2".to_owned()).unwrap();
        assert_eq!(format!("{value:?} {:?}", Some(value.clone())), "SecretValue(..) Some(SecretValue(..))");
        // Nor does the error for one that is refused.
        for refused in [
            json!(918273645),
            json!(-918273645),
            json!(918273645.5),
            json!(["hunter2"]),
            json!({"hunter2": "hunter2"}),
            json!("hunter2\0"),
            json!("hunter2".repeat(10_000)),
        ] {
            let error = serde_json::from_value::<SecretValue>(refused.clone()).unwrap_err();
            let text = serde_json::from_str::<SecretValue>(&refused.to_string()).unwrap_err();
            let said = format!("{error} {error:?} {text} {text:?}");
            assert!(!said.contains("hunter2") && !said.contains("918273645"), "{said}");
        }
        for refused in [json!(true), json!(null)] {
            assert!(serde_json::from_value::<SecretValue>(refused).is_err());
        }
        let schema = serde_json::to_value(schemars::schema_for!(SecretValue)).unwrap();
        assert_eq!(schema["writeOnly"], true);
    }
}
