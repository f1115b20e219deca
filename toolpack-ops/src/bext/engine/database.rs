//! One SQL database for each app: one statement in, rows or counts out.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::AppRef;
use crate::error::Error;

/// The SQL databases of apps.
///
/// Both methods take one statement; a closing `;`, blanks and comments may follow it and nothing else. Text past the
/// engine's length limit (`sql_too_long`), a second statement (`multiple_statements`), and what an app has no business
/// with (`sql_blocked`: the words `DROP` and `TRUNCATE` outside literals and comments, whatever leaves the app's own
/// database, whatever changes how the engine works) are refused with `InvalidInput` before anything runs.
#[async_trait]
pub trait Database: fmt::Debug + Send + Sync + 'static {
    /// Runs one reading statement on one consistent state of the database.
    ///
    /// Rows come in the statement's own order and are cut at the engine's limits of rows and bytes, with
    /// `truncated: true`; a first row that alone is over the limit of bytes is refused with `InvalidInput`
    /// (`row_too_large`). It stores nothing, whatever the text says. Dropping the future ends the statement.
    ///
    /// # Errors
    ///
    /// `NotFound` for the instance (`instance_not_found`), a table (`table_not_found`) or a column
    /// (`column_not_found`), naming it. `InvalidInput` for a statement that does not only read
    /// (`not_read_only`), that the database refuses (`sql_error`, with its words), and the refusals above.
    /// `TimedOut` past the statement limit (`statement_timeout`). `Unavailable` if the store does not answer.
    async fn query(&self, app: &AppRef, statement: Statement) -> Result<Rows, Error>;

    /// Runs one writing statement as one transaction, and makes it durable before it returns.
    ///
    /// All of the statement or nothing of it is kept; after any error, nothing. Statements on one app run one after
    /// the other. Not idempotent. Dropping the future before the commit undoes the statement; once the commit has
    /// begun, the statement is kept.
    ///
    /// # Errors
    ///
    /// As [`Database::query`], but a statement that reads is refused (`not_a_write`), so is one that returns rows
    /// (`returning_unsupported`), and one that opens or closes transactions (`sql_blocked`). `Conflict` where a
    /// constraint fails (`constraint_violation`). `Unavailable` past the size limit (`database_full`).
    async fn execute(&self, app: &AppRef, statement: Statement) -> Result<Changes, Error>;
}

/// One statement with its parameters.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Statement {
    /// The text.
    pub sql: String,
    /// The values of `?1`, `?2` …, bound by type and never put into the text. As many as the statement has.
    pub params: Vec<Param>,
}

impl Statement {
    /// A statement without parameters.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new() }
    }

    /// The values of the parameters.
    #[must_use]
    pub fn with_params(mut self, params: Vec<Param>) -> Self {
        self.params = params;
        self
    }
}

/// The value of a parameter: JSON's string, number, boolean or null.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    /// SQL's NULL.
    Null,
    /// Bound as the integer 1 or 0: SQLite has no type for truth.
    Bool(bool),
    /// A number without a fraction that fits 64 bits.
    Integer(i64),
    /// Any other number. A whole number beyond 64 bits becomes the nearest double, as it does when written in SQL.
    Real(f64),
    /// Text.
    Text(String),
}

impl<'de> Deserialize<'de> for Param {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl Visitor<'_> for Scalar {
            type Value = Param;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number, a boolean or null")
            }

            fn visit_unit<E>(self) -> Result<Param, E> {
                Ok(Param::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Param, E> {
                Ok(Param::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Param, E> {
                Ok(Param::Integer(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Param, E> {
                Ok(i64::try_from(value).map_or(Param::Real(value as f64), Param::Integer))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Param, E> {
                Ok(Param::Real(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Param, E> {
                Ok(Param::Text(value.to_owned()))
            }

            fn visit_string<E>(self, value: String) -> Result<Param, E> {
                Ok(Param::Text(value))
            }
        }

        deserializer.deserialize_any(Scalar)
    }
}

impl Serialize for Param {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Real(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
        }
    }
}

impl JsonSchema for Param {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Param".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean", "null"] })
    }
}

/// What a query found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Rows {
    /// The names of the columns, in the order of the cells of a row.
    pub columns: Vec<String>,
    /// The rows, in the statement's order. A cell is a string, a number or null; bytes are a string `x'0a1b'`, as SQL
    /// writes them; integers keep all their digits; infinities are null.
    pub rows: Vec<Vec<Cell>>,
    /// How many rows are here.
    pub row_count: usize,
    /// Whether there are more rows than are here: too many of them, or too many bytes.
    pub truncated: bool,
}

/// One cell of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// SQL's NULL: null.
    Null,
    /// An integer: a JSON integer with all its digits, beyond 2^53 too.
    Integer(i64),
    /// A double: a JSON number; null for infinities, which JSON cannot say (SQLite stores NaN as NULL itself).
    Real(f64),
    /// Text: a string. Bytes that are not UTF-8 are replaced by U+FFFD.
    Text(String),
    /// Bytes: a string `x'0a1b'`, the literal that stands for them in SQL.
    Blob(Vec<u8>),
}

impl Cell {
    /// How many bytes the cell takes as JSON; exact for all but numbers, whose longest form is counted.
    pub fn json_bytes(&self) -> usize {
        match self {
            Self::Null => 4,
            Self::Integer(_) => 20,
            Self::Real(_) => 24,
            Self::Text(text) => json_string_bytes(text),
            Self::Blob(bytes) => bytes.len() * 2 + 5,
        }
    }
}

pub(super) fn json_string_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Real(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Real(_) => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Blob(bytes) => serializer.collect_str(&Hex(bytes)),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("x'")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("'")
    }
}

impl JsonSchema for Cell {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Cell".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "null"] })
    }
}

/// What a writing statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    /// How many rows the statement itself inserted, updated or deleted; those of triggers and cascades are not counted.
    /// 0 for statements such as CREATE.
    pub changes: u64,
    /// The rowid of the last row that the statement itself inserted; none if it inserted none, or into a table without
    /// rowids.
    pub last_insert_id: Option<i64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn params_are_scalars_of_json() {
        let json = r#"[null, true, 3, 3.5, "x", 9223372036854775807, 9223372036854775808, -1]"#;
        let params: Vec<Param> = serde_json::from_str(json).unwrap();
        let want = [
            Param::Null,
            Param::Bool(true),
            Param::Integer(3),
            Param::Real(3.5),
            Param::Text("x".into()),
            Param::Integer(i64::MAX),
            Param::Real(9_223_372_036_854_775_808.0),
            Param::Integer(-1),
        ];
        assert_eq!(params, want);
        let again: Vec<Param> = serde_json::from_value(serde_json::to_value(&params).unwrap()).unwrap();
        assert_eq!(again, want);
        for bad in ["[]", "{}", "[1]"] {
            assert!(serde_json::from_str::<Param>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cells_have_one_form_in_json() {
        let cells = [
            (Cell::Null, "null"),
            (Cell::Integer(9_007_199_254_740_993), "9007199254740993"),
            (Cell::Real(0.5), "0.5"),
            (Cell::Real(f64::INFINITY), "null"),
            (Cell::Text("a\"\u{1}é".into()), "\"a\\\"\\u0001é\""),
            (Cell::Blob(vec![0, 255]), "\"x'00ff'\""),
        ];
        for (cell, json) in cells {
            assert_eq!(serde_json::to_string(&cell).unwrap(), json);
            assert!(cell.json_bytes() >= json.len(), "{json}");
        }
    }
}
