//! Which apps are registered, and which domains lead to them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Fault;
use crate::bext::engine::{AppName, AppSource, DomainName, Runtime, Timestamp};

/// An app as it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppRow {
    pub(crate) name: AppName,
    pub(crate) source: AppSource,
    pub(crate) runtime: Runtime,
    /// Whether somebody chose the runtime; else it is what the newest release says.
    pub(crate) runtime_chosen: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// The table of apps.
#[derive(Debug)]
pub(crate) struct AppsTable<'c>(pub(crate) &'c Connection);

const COLUMNS: &str = "name, source, runtime, runtime_chosen, created_at, updated_at";

impl AppsTable<'_> {
    pub(crate) fn get(&self, name: &AppName) -> Result<Option<AppRow>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM apps WHERE name = ?1");
        let mut statement = self.0.prepare(&sql)?;
        let row = statement.query_row([name.as_str()], |row| Ok(app(row))).optional()?;
        row.transpose()
    }

    /// At most so many, ordered by name, after this one.
    pub(crate) fn page(&self, after: &str, limit: usize) -> Result<Vec<AppRow>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM apps WHERE name > ?1 ORDER BY name LIMIT ?2");
        let mut statement = self.0.prepare(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after, limit], |row| Ok(app(row)))?;
        rows.map(|row| row?).collect()
    }

    /// All names, ordered.
    pub(crate) fn names(&self) -> Result<Vec<AppName>, Fault> {
        let mut statement = self.0.prepare("SELECT name FROM apps ORDER BY name")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.map(|name| read(name?)).collect()
    }

    /// Where all of them come from.
    pub(crate) fn sources(&self) -> Result<Vec<AppSource>, Fault> {
        let mut statement = self.0.prepare("SELECT DISTINCT source FROM apps")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.map(|source| read(source?)).collect()
    }

    pub(crate) fn insert(&self, app: &AppRow) -> Result<(), Fault> {
        let sql = format!("INSERT INTO apps ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        self.0.prepare(&sql)?.execute(params![
            app.name.as_str(),
            app.source.as_str(),
            runtime_name(app.runtime),
            app.runtime_chosen,
            app.created_at.unix_millis(),
            app.updated_at.unix_millis(),
        ])?;
        Ok(())
    }

    /// Notes that it has changed, and of which runtime it is.
    pub(crate) fn touch(
        &self,
        name: &AppName,
        runtime: Option<Runtime>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let sql = "UPDATE apps SET updated_at = ?2, runtime = coalesce(?3, runtime) WHERE name = ?1";
        let row = params![name.as_str(), now.unix_millis(), runtime.map(runtime_name)];
        self.0.prepare(sql)?.execute(row)?;
        Ok(())
    }

    /// Removes it and all that is registered of it. Records stay.
    pub(crate) fn remove(&self, name: &AppName) -> Result<(), Fault> {
        for sql in [
            "DELETE FROM routes WHERE app = ?1",
            "DELETE FROM releases WHERE app = ?1",
            "DELETE FROM domains WHERE app = ?1",
            "DELETE FROM apps WHERE name = ?1",
        ] {
            self.0.prepare(sql)?.execute([name.as_str()])?;
        }
        Ok(())
    }
}

/// The table of domains.
#[derive(Debug)]
pub(crate) struct DomainsTable<'c>(pub(crate) &'c Connection);

impl DomainsTable<'_> {
    /// Those of an app, ordered.
    pub(crate) fn of(&self, app: &AppName) -> Result<Vec<DomainName>, Fault> {
        let mut statement = self.0.prepare("SELECT domain FROM domains WHERE app = ?1 ORDER BY domain")?;
        let rows = statement.query_map([app.as_str()], |row| row.get::<_, String>(0))?;
        rows.map(|domain| read(domain?)).collect()
    }

    /// The app that a domain leads to.
    pub(crate) fn app_of(&self, domain: &DomainName) -> Result<Option<AppName>, Fault> {
        let mut statement = self.0.prepare("SELECT app FROM domains WHERE domain = ?1")?;
        let app = statement.query_row([domain.as_str()], |row| row.get::<_, String>(0)).optional()?;
        app.map(read).transpose()
    }

    /// At most so many, ordered, after this one; of one app or of all.
    pub(crate) fn page(
        &self,
        app: Option<&AppName>,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(DomainName, AppName)>, Fault> {
        let sql = "SELECT domain, app FROM domains WHERE domain > ?1 AND (?2 IS NULL OR app = ?2)
            ORDER BY domain LIMIT ?3";
        let mut statement = self.0.prepare(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after, app.map(AppName::as_str), limit], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.map(|row| row.map_err(Fault::from).and_then(|(domain, app)| Ok((read(domain)?, read(app)?))))
            .collect()
    }

    pub(crate) fn insert(&self, domain: &DomainName, app: &AppName) -> Result<(), Fault> {
        let sql = "INSERT INTO domains (domain, app) VALUES (?1, ?2)";
        self.0.prepare(sql)?.execute([domain.as_str(), app.as_str()])?;
        Ok(())
    }

    pub(crate) fn remove(&self, domain: &DomainName) -> Result<(), Fault> {
        self.0.prepare("DELETE FROM domains WHERE domain = ?1")?.execute([domain.as_str()])?;
        Ok(())
    }
}

fn app(row: &Row<'_>) -> Result<AppRow, Fault> {
    Ok(AppRow {
        name: read(row.get(0)?)?,
        source: read(row.get(1)?)?,
        runtime: runtime_of(&row.get::<_, String>(2)?)?,
        runtime_chosen: row.get(3)?,
        created_at: Timestamp::from_unix_millis(row.get(4)?),
        updated_at: Timestamp::from_unix_millis(row.get(5)?),
    })
}

/// What was checked before it was written, read again.
pub(super) fn read<T: TryFrom<String>>(text: String) -> Result<T, Fault>
where
    T::Error: std::fmt::Display,
{
    T::try_from(text).map_err(Fault::foreign)
}

pub(super) fn runtime_name(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Static => "static",
        Runtime::Process => "process",
    }
}

pub(super) fn runtime_of(name: &str) -> Result<Runtime, Fault> {
    match name {
        "static" => Ok(Runtime::Static),
        "process" => Ok(Runtime::Process),
        other => Err(Fault::foreign(format!("the runtime {other:?}"))),
    }
}
