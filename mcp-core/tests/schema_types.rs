//! Types as awkward as arguments come, each under the name of its snapshot.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two fields, one of them optional.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Inner {
    /// A number.
    n: i32,
    m: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Plain {
    DarkRed,
    Green,
}

/// A choice whose variants say what they mean.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Documented {
    /// The first.
    A,
    /// The second.
    B,
    C,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Tagged {
    Point { x: i32, label: Option<String> },
    Nested(Inner),
    Nothing,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Untagged {
    Count(i64),
    Name(String),
    Object { x: i32 },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) enum External {
    Unit,
    New(i32),
    Struct { x: i32 },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tree {
    value: i32,
    next: Option<Box<Tree>>,
    children: Vec<Tree>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Expression {
    Number { value: i64 },
    Add { left: Box<Expression>, right: Box<Expression> },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FlattenedStruct {
    a: i32,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FlattenedMap {
    a: i32,
    #[serde(flatten)]
    rest: HashMap<String, i32>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FlattenedEnum {
    a: i32,
    #[serde(flatten)]
    tagged: Tagged,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FlattenedOption {
    a: i32,
    #[serde(flatten)]
    inner: Option<Inner>,
}

fn seven() -> u8 {
    7
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Defaults {
    #[serde(default = "seven")]
    some_number: u8,
    #[serde(default)]
    some_list: Vec<String>,
    #[serde(default)]
    maybe_text: Option<String>,
}

/// A name in lower case.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LowerName(String);

impl TryFrom<String> for LowerName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let is_lower = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if is_lower { Ok(Self(text)) } else { Err("a name is of the letters a to z") }
    }
}

impl JsonSchema for LowerName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LowerName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^[a-z]+$"})
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Newtype(u16);

/// Runs a machine.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Command {
    /// Sets it going.
    Start {
        /// Which machine.
        name: String,
        /// How it is labelled.
        labels: Vec<Plain>,
        /// Whether it rings first.
        signal: Option<bool>,
    },
    /// Has it stand still.
    Stop {
        /// Which machine.
        name: String,
        /// What is called out.
        signal: Option<String>,
    },
    Reset {},
}

/// Calls a macro with the name and type of every field that is tried.
macro_rules! for_each_type {
    ($each:ident) => {
        $each! {
            optional_struct: Option<Inner>,
            plain_enum: Plain,
            optional_enum: Option<Plain>,
            documented_enum: Documented,
            optional_documented_enum: Option<Documented>,
            tagged_enum: Tagged,
            optional_tagged_enum: Option<Tagged>,
            untagged_enum: Untagged,
            external_enum: External,
            nested_struct: Inner,
            map: HashMap<String, i32>,
            map_of_optional_structs: Option<HashMap<String, Option<Inner>>>,
            list_of_options: Vec<Option<i32>>,
            tuple: (i32, String),
            optional_tuple: Option<(i32, f32)>,
            array: [u8; 3],
            set: BTreeSet<i32>,
            u8: u8,
            u16: u16,
            u32: u32,
            u64: u64,
            i8: i8,
            i16: i16,
            i32: i32,
            i64: i64,
            usize: usize,
            nonzero: std::num::NonZeroU8,
            f32: f32,
            f64: f64,
            boolean: bool,
            character: char,
            unit: (),
            recursive_struct: Tree,
            optional_recursive_struct: Option<Tree>,
            recursive_enum: Expression,
            flattened_struct: FlattenedStruct,
            flattened_map: FlattenedMap,
            flattened_enum: FlattenedEnum,
            flattened_option: FlattenedOption,
            defaults: Defaults,
            any: Value,
            optional_any: Option<Value>,
            list_of_any: Vec<Value>,
            parsed_newtype: LowerName,
            optional_parsed_newtype: Option<LowerName>,
            newtype: Newtype,
        }
    };
}
pub(crate) use for_each_type;
