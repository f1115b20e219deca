//! `db_query` and `db_execute`: one statement on an app's SQL database.

use mcp_core::{About, Annotations, Call, Tool, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::progress::with_progress;
use crate::bext::engine::{AppName, AppRef, Engines, InstanceId, Param, Rows, Statement};
use crate::bext::scopes;

/// Runs one read-only SQL statement on an app's SQLite database and returns its rows.
///
/// The statement is one SELECT, WITH … SELECT, VALUES or EXPLAIN; db_execute writes.
/// `SELECT name, sql FROM sqlite_schema` lists the tables, `SELECT * FROM pragma_table_info('users')` the columns of
/// one. By default at most 1,000 rows and 1 MiB come back, with `truncated: true` if there are more: then ask for
/// less, or page with WHERE, ORDER BY and LIMIT. A statement is ended after 30 seconds. An app that has stored nothing
/// reads as an empty database.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DbQuery {
    /// Instance to read from, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose database is meant, such as `shop`; `default`, the instance's own, when absent.
    #[serde(default)]
    pub app: AppName,
    /// The statement in SQLite's dialect, at most 10,000 characters by default, such as
    /// `SELECT id, name FROM users WHERE age >= ?1 ORDER BY id LIMIT 50`. Values belong in `params`, not in the text.
    pub sql: String,
    /// The values of `?1`, `?2` …, in order: exactly as many as the statement has, none by default. Free JSON
    /// scalars, bound by their type and never put into the text: a string, a number, null, or a boolean, which is 1
    /// or 0 in SQLite. Such as `[18, "Ada"]`.
    #[serde(default)]
    pub params: Vec<Param>,
}

impl Tool<Engines> for DbQuery {
    const NAME: &'static str = "db_query";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    const SCOPES: &'static [&'static str] = &[scopes::READ];
    type Output = Rows;

    fn about(about: About) -> About {
        about.title("Query a database")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Rows, ToolError> {
        let app = AppRef::new(self.instance_id, self.app);
        let statement = Statement::new(self.sql).with_params(self.params);
        with_progress(call, engines.database.query(&app, statement)).await
    }
}

/// Runs one writing SQL statement on an app's SQLite database, as a transaction of its own.
///
/// The statement is one INSERT, REPLACE, UPDATE, DELETE, WITH … INSERT and the like, CREATE, ALTER … ADD or RENAME,
/// ANALYZE or REINDEX. It returns counts and no rows: no RETURNING; db_query reads. DROP, TRUNCATE, PRAGMA, ATTACH,
/// VACUUM and transactions held open are refused. After an error, or when the call is cancelled, nothing of it is
/// kept; after success it is on disk. A statement is ended after 30 seconds. The first write to an app makes its
/// database.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DbExecute {
    /// Instance to write to, as `list_instances` has it, such as `local`.
    pub instance_id: InstanceId,
    /// App whose database is meant, such as `shop`; `default`, the instance's own, when absent.
    #[serde(default)]
    pub app: AppName,
    /// The statement in SQLite's dialect, at most 10,000 characters by default, such as
    /// `INSERT INTO users (name, age) VALUES (?1, ?2)`. Values belong in `params`, not in the text.
    pub sql: String,
    /// The values of `?1`, `?2` …, in order: exactly as many as the statement has, none by default. Free JSON
    /// scalars, bound by their type and never put into the text: a string, a number, null, or a boolean, which is 1
    /// or 0 in SQLite. Such as `["Ada", 36]`.
    #[serde(default)]
    pub params: Vec<Param>,
}

/// What a writing statement did.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Executed {
    /// How many rows the statement itself inserted, updated or deleted; those of triggers and cascades are not counted.
    /// 0 for statements such as CREATE.
    pub changes: u64,
    /// The rowid of the last row that the statement itself inserted; 0 if it inserted none, or into a table without
    /// rowids.
    // Callers rely on it being there; 0 is SQLite's own word for none.
    pub last_insert_id: i64,
}

impl Tool<Engines> for DbExecute {
    const NAME: &'static str = "db_execute";
    const ANNOTATIONS: Annotations = Annotations::destructive();
    const SCOPES: &'static [&'static str] = &[scopes::WRITE];
    type Output = Executed;

    fn about(about: About) -> About {
        about.title("Change a database")
    }

    async fn call(self, engines: &Engines, call: &Call) -> Result<Executed, ToolError> {
        let app = AppRef::new(self.instance_id, self.app);
        let statement = Statement::new(self.sql).with_params(self.params);
        let done = with_progress(call, engines.database.execute(&app, statement)).await?;
        Ok(Executed { changes: done.changes, last_insert_id: done.last_insert_id.unwrap_or(0) })
    }
}
