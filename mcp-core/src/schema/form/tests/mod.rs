//! Forms of many types: what is listed for them, what is refused, and what is read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use schemars::JsonSchema;
use serde::Deserialize;

use super::*;

mod listed;
mod read;
mod refused;

/// One of the fields that most tables are about.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct One<T> {
    field: T,
}

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Plain {
    Red,
    Green,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Titled {
    #[schemars(title = "As soon as possible")]
    /// Not shown, since there is a title.
    Soon,
    /// Some day,
    /// perhaps.
    ///
    /// Not shown either.
    Later,
    /// One variant has a comment, so this one is titled as well.
    #[schemars(title = "")]
    Never,
}

#[derive(Debug, Deserialize, JsonSchema)]
enum PartlyTitled {
    Bare,
    #[schemars(title = "Dressed up")]
    Dressed,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("enumNames" = ["Option One", "Option Two"]))]
enum Legacy {
    /// What older clients need is not for comments to overrule.
    One,
    /// Nor here.
    Two,
}

#[derive(Debug, Deserialize, JsonSchema)]
enum Single {
    /// The only way
    Only,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^[A-Z]{2}$"))]
struct Code(String);

impl TryFrom<String> for Code {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.starts_with('X') { Err("codes that begin with X are reserved") } else { Ok(Self(text)) }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct Address {
    /// Where the street
    /// begins.
    street: String,
    #[schemars(title = "House number")]
    number: Option<u16>,
}

/// A comment that is not sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct Order {
    #[serde(flatten)]
    address: Address,
    #[schemars(length(min = 2, max = 40), regex(pattern = "^[^0-9]*$"))]
    name: String,
    #[serde(default)]
    is_gift: bool,
    #[serde(rename = "a/b ~c")]
    odd: Option<Plain>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct Bounds {
    #[schemars(range(min = 18, max = 120))]
    age: i64,
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 10))]
    strict: i32,
    #[schemars(extend("exclusiveMinimum" = 0.5, "maximum" = 9.5, "exclusiveMaximum" = 9.5))]
    ratio: f64,
    #[schemars(extend("exclusiveMinimum" = -0.5, "minimum" = -7, "multipleOf" = 5))]
    step: i16,
    #[schemars(extend("minimum" = 9_007_199_254_740_993_i64))]
    vast: u64,
}

fn unnamed() -> String {
    "nobody".to_owned()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct Defaults {
    #[serde(default = "unnamed")]
    name: String,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    #[schemars(length(min = 1))]
    too_short: String,
    #[serde(default)]
    none_yet: Vec<Plain>,
    #[serde(default)]
    #[schemars(length(min = 1))]
    at_least_one: Vec<Plain>,
    #[schemars(extend("default" = "green"))]
    color: Plain,
    #[schemars(extend("default" = "blue"))]
    no_color: Plain,
}

impl serde::Serialize for Plain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Red => "red",
            Self::Green => "green",
        })
    }
}

/// The form that the conformance suite asks for as `elicitation-sep1034-defaults`.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read for its schema")]
struct ConformanceDefaults {
    #[schemars(extend("default" = "John Doe"))]
    name: String,
    #[schemars(extend("default" = 30))]
    age: i64,
    #[schemars(extend("default" = 95.5))]
    score: f64,
    #[schemars(extend("default" = "active"))]
    status: Status,
    #[schemars(extend("default" = true))]
    verified: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    Inactive,
    Pending,
}

/// The one it asks for as `elicitation-sep1330-enums`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "read for its schema")]
struct ConformanceEnums {
    untitled_single: Untitled,
    titled_single: TitledOptions,
    legacy_enum: LegacyOptions,
    untitled_multi: Vec<Untitled>,
    titled_multi: Vec<TitledChoices>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Untitled {
    Option1,
    Option2,
    Option3,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TitledOptions {
    #[schemars(title = "First Option")]
    Value1,
    #[schemars(title = "Second Option")]
    Value2,
    #[schemars(title = "Third Option")]
    Value3,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TitledChoices {
    /// First Choice
    Value1,
    /// Second Choice
    Value2,
    /// Third Choice
    Value3,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(extend("enumNames" = ["Option One", "Option Two", "Option Three"]))]
enum LegacyOptions {
    Opt1,
    Opt2,
    Opt3,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Consent {}
