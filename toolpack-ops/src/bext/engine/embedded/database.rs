//! SQL statements of apps.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row};

use super::authorizer::Watch;
use super::connection::Store;
use super::error::{Fault, parameter_count};
use super::guard::{self, Mode, Verb};
use super::job::Job;
use super::place::{Access, StoreFile};
use super::stores::Stores;
use super::{Embedded, EmbeddedConfig, Shared};
use crate::bext::engine::database::json_string_bytes;
use crate::bext::engine::{AppRef, Cell, Changes, Database, Param, Rows, Statement};
use crate::error::{Error, ErrorKind};

#[async_trait]
impl Database for Embedded {
    async fn query(&self, app: &AppRef, statement: Statement) -> Result<Rows, Error> {
        let place = (StoreFile::Data, Access::Read);
        self.on_store("db_query", app, place, move |shared, app, job| query(shared, app, job, &statement))
            .await
    }

    async fn execute(&self, app: &AppRef, statement: Statement) -> Result<Changes, Error> {
        let place = (StoreFile::Data, Access::Write);
        self.on_store("db_execute", app, place, move |shared, app, job| execute(shared, app, job, &statement))
            .await
    }
}

fn query(shared: &Shared, app: &AppRef, job: &Arc<Job>, statement: &Statement) -> Result<Rows, Error> {
    shared.registry.resolve(&app.instance)?;
    let config = shared.stores.config();
    guard::check(&statement.sql, Mode::Query, config.max_sql_chars)?;
    let Some(mut lease) = shared.stores.lease(app, StoreFile::Data, Access::Read)? else {
        return Store::empty(Access::Read, config)?
            .read(job, |connection, watch| read_rows(connection, watch, statement, config));
    };
    let result = lease.store.read(job, |connection, watch| read_rows(connection, watch, statement, config));
    shared.stores.give_back(lease);
    result
}

fn read_rows(
    connection: &Connection,
    watch: &Arc<Watch>,
    statement: &Statement,
    config: &EmbeddedConfig,
) -> Result<Rows, Fault> {
    let _armed = watch.arm();
    let mut prepared = prepare(connection, statement)?;
    if !prepared.readonly() {
        let message = "this statement writes; db_query only reads, db_execute writes";
        return Err(Error::new(ErrorKind::InvalidInput, "not_read_only", message).into());
    }
    let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let mut left = config.max_result_bytes;
    let mut truncated = !columns.iter().all(|name| spend(&mut left, json_string_bytes(name) + 1));
    let mut rows = Vec::new();
    let mut found = prepared.raw_query();
    while !truncated && let Some(row) = found.next()? {
        // One row more than is kept is looked for: only then is it known that there are more.
        match (rows.len() < config.max_rows).then(|| read_row(row, width, &mut left)).transpose()?.flatten() {
            Some(cells) => rows.push(cells),
            // Said as a mistake: whoever took it for a page that is cut would ask for the next one for ever.
            None if rows.is_empty() && config.max_rows > 0 => {
                let limit = config.max_result_bytes;
                let message = format!(
                    "the first row alone is over the limit of {limit} bytes; select fewer columns, or parts of them with substr"
                );
                return Err(Error::new(ErrorKind::InvalidInput, "row_too_large", message).into());
            }
            None => truncated = true,
        }
    }
    Ok(Rows { columns, row_count: rows.len(), rows, truncated })
}

/// The cells of a row, none if there are more bytes than are left.
fn read_row(row: &Row<'_>, width: usize, left: &mut usize) -> Result<Option<Vec<Cell>>, Fault> {
    let mut cells = Vec::with_capacity(width);
    if !spend(left, 3) {
        return Ok(None);
    }
    for column in 0..width {
        let value = row.get_ref(column)?;
        // Looked at before it is copied: a row can be much larger than what is returned.
        let raw = match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
            _ => 0,
        };
        if raw > *left {
            return Ok(None);
        }
        let cell = match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(value) => Cell::Integer(value),
            ValueRef::Real(value) => Cell::Real(value),
            ValueRef::Text(bytes) => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
            ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
        };
        if !spend(left, cell.json_bytes() + 1) {
            return Ok(None);
        }
        cells.push(cell);
    }
    Ok(Some(cells))
}

fn spend(left: &mut usize, bytes: usize) -> bool {
    match left.checked_sub(bytes) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

fn execute(shared: &Shared, app: &AppRef, job: &Arc<Job>, statement: &Statement) -> Result<Changes, Error> {
    shared.registry.resolve(&app.instance)?;
    let stores = &shared.stores;
    let verb = guard::check(&statement.sql, Mode::Execute, stores.config().max_sql_chars)?;
    let mut lease = match stores.lease(app, StoreFile::Data, Access::Write)? {
        Some(lease) => lease,
        None => {
            rehearse(stores, job, statement)?;
            stores.create(app, StoreFile::Data)?;
            stores.lease(app, StoreFile::Data, Access::Write)?.ok_or_else(vanished)?
        }
    };
    let result = lease.store.write(job, |connection, watch| write_rows(connection, watch, statement, verb));
    stores.give_back(lease);
    result
}

/// Compiles the statement against an empty database: what fails there must not make files for the app.
fn rehearse(stores: &Stores, job: &Arc<Job>, statement: &Statement) -> Result<(), Error> {
    Store::empty(Access::Write, stores.config())?.read(job, |connection, watch| {
        let _armed = watch.arm();
        check_write(&prepare(connection, statement)?)
    })
}

fn write_rows(
    connection: &Connection,
    watch: &Arc<Watch>,
    statement: &Statement,
    verb: Verb,
) -> Result<Changes, Fault> {
    let _armed = watch.arm();
    let mut prepared = prepare(connection, statement)?;
    check_write(&prepared)?;
    prepared.raw_execute()?;
    // SQLite's two numbers are of the connection and outlive the statement that set them, so they are asked only
    // where this one did.
    let changes = if verb == Verb::Change { connection.changes() } else { 0 };
    let last_insert_id = watch.inserted().then(|| connection.last_insert_rowid());
    Ok(Changes { changes, last_insert_id })
}

fn check_write(prepared: &rusqlite::Statement<'_>) -> Result<(), Fault> {
    if prepared.column_count() > 0 {
        let message = "db_execute returns counts, no rows: leave RETURNING out and read with db_query";
        return Err(Error::new(ErrorKind::InvalidInput, "returning_unsupported", message).into());
    }
    Ok(())
}

/// Compiles the caller's statement and binds its parameters by type.
fn prepare<'c>(connection: &'c Connection, statement: &Statement) -> Result<rusqlite::Statement<'c>, Fault> {
    let mut prepared = connection.prepare(&statement.sql)?;
    let (given, wanted) = (statement.params.len(), prepared.parameter_count());
    if given != wanted {
        return Err(parameter_count(given, wanted).into());
    }
    for (position, param) in statement.params.iter().enumerate() {
        let value = match param {
            Param::Null => ValueRef::Null,
            Param::Bool(value) => ValueRef::Integer((*value).into()),
            Param::Integer(value) => ValueRef::Integer(*value),
            Param::Real(value) => ValueRef::Real(*value),
            Param::Text(text) => ValueRef::Text(text.as_bytes()),
        };
        prepared.raw_bind_parameter(position + 1, ToSqlOutput::Borrowed(value))?;
    }
    Ok(prepared)
}

pub(super) fn vanished() -> Error {
    Error::new(ErrorKind::Unavailable, "store_unavailable", "the store was removed meanwhile")
}
