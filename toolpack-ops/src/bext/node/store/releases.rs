//! What was made of each app, and which of it is live.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Fault;
use super::apps::{read, runtime_name, runtime_of};
use crate::bext::engine::{AppName, Percent, Runtime, Timestamp, Version};
use crate::bext::node::source::ArtifactId;

/// Which row of the releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReleaseId(i64);

/// A version of an app whose artifact was made. A version may have several: a directory changes and says the same version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReleaseRow {
    pub(crate) id: ReleaseId,
    pub(crate) app: AppName,
    pub(crate) version: Version,
    pub(crate) artifact: ArtifactId,
    pub(crate) runtime: Runtime,
}

/// Where the requests for an app go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteRow {
    pub(crate) app: AppName,
    pub(crate) live: ReleaseRow,
    /// What a rollback goes back to.
    pub(crate) previous: Option<ReleaseRow>,
    pub(crate) canary: Option<(Percent, ReleaseRow)>,
}

/// The table of releases.
#[derive(Debug)]
pub(crate) struct ReleasesTable<'c>(pub(crate) &'c Connection);

const COLUMNS: &str = "id, app, version, artifact, runtime";

impl ReleasesTable<'_> {
    /// Notes that a release begins to be used, as the last of all.
    pub(crate) fn put(
        &self,
        app: &AppName,
        version: &Version,
        artifact: &ArtifactId,
        runtime: Runtime,
        now: Timestamp,
    ) -> Result<ReleaseId, Fault> {
        let sql = "INSERT INTO releases (app, version, artifact, runtime, made_at, used)
            VALUES (?1, ?2, ?3, ?4, ?5, (SELECT coalesce(max(used), 0) + 1 FROM releases))
            ON CONFLICT (app, version, artifact) DO UPDATE SET used = excluded.used RETURNING id";
        let row = params![
            app.as_str(),
            version.as_str(),
            artifact.0.as_str(),
            runtime_name(runtime),
            now.unix_millis()
        ];
        Ok(ReleaseId(self.0.prepare(sql)?.query_row(row, |row| row.get(0))?))
    }

    /// Those of an app, the one that was used last first.
    pub(crate) fn of(&self, app: &AppName) -> Result<Vec<ReleaseRow>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM releases WHERE app = ?1 ORDER BY used DESC");
        let mut statement = self.0.prepare(&sql)?;
        let rows = statement.query_map([app.as_str()], |row| Ok(release(row)))?;
        rows.map(|row| row?).collect()
    }

    /// The artifacts of all that there are, each once.
    pub(crate) fn artifacts(&self) -> Result<Vec<ArtifactId>, Fault> {
        let mut statement = self.0.prepare("SELECT DISTINCT artifact FROM releases")?;
        let rows = statement.query_map([], |row| Ok(ArtifactId(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Forgets those of each app that are on no route, but for so many that were used last.
    pub(crate) fn prune(&self, keep: usize) -> Result<(), Fault> {
        let sql = "DELETE FROM releases WHERE id IN (
            SELECT id FROM (
                SELECT id, row_number() OVER (PARTITION BY app ORDER BY used DESC) AS place FROM releases
                WHERE id NOT IN (SELECT live FROM routes)
                    AND id NOT IN (SELECT previous FROM routes WHERE previous IS NOT NULL)
                    AND id NOT IN (SELECT canary FROM routes WHERE canary IS NOT NULL)
            ) WHERE place > ?1)";
        self.0.prepare(sql)?.execute([i64::try_from(keep).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    fn get(&self, id: i64) -> Result<ReleaseRow, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM releases WHERE id = ?1");
        self.0.prepare(&sql)?.query_row([id], |row| Ok(release(row)))?
    }
}

/// The table of routes.
#[derive(Debug)]
pub(crate) struct RoutesTable<'c>(pub(crate) &'c Connection);

impl RoutesTable<'_> {
    pub(crate) fn get(&self, app: &AppName) -> Result<Option<RouteRow>, Fault> {
        let sql = "SELECT live, previous, canary, percent FROM routes WHERE app = ?1";
        let mut statement = self.0.prepare(sql)?;
        let ids = statement
            .query_row([app.as_str()], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, Option<i64>>(1)?,
                    row.get::<_, Option<i64>>(2)?,
                    row.get::<_, Option<i64>>(3)?,
                ))
            })
            .optional()?;
        let Some((live, previous, canary, percent)) = ids else { return Ok(None) };
        let releases = ReleasesTable(self.0);
        let canary = match (percent, canary) {
            (Some(percent), Some(canary)) => {
                let percent = u64::try_from(percent).map_err(Fault::foreign)?;
                Some((Percent::try_from(percent).map_err(Fault::foreign)?, releases.get(canary)?))
            }
            _ => None,
        };
        let previous = previous.map(|previous| releases.get(previous)).transpose()?;
        Ok(Some(RouteRow { app: app.clone(), live: releases.get(live)?, previous, canary }))
    }

    /// All of them, ordered by app.
    pub(crate) fn all(&self) -> Result<Vec<RouteRow>, Fault> {
        let mut statement = self.0.prepare("SELECT app FROM routes ORDER BY app")?;
        let apps = statement.query_map([], |row| row.get::<_, String>(0))?;
        let apps: Vec<AppName> = apps.map(|app| read(app?)).collect::<Result<_, Fault>>()?;
        apps.iter().filter_map(|app| self.get(app).transpose()).collect()
    }

    /// Leads an app's requests there from now on.
    pub(crate) fn set(
        &self,
        app: &AppName,
        live: ReleaseId,
        previous: Option<ReleaseId>,
        canary: Option<(Percent, ReleaseId)>,
    ) -> Result<(), Fault> {
        let sql = "INSERT INTO routes (app, live, previous, canary, percent) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (app) DO UPDATE SET live = excluded.live, previous = excluded.previous,
                canary = excluded.canary, percent = excluded.percent";
        self.0.prepare(sql)?.execute(params![
            app.as_str(),
            live.0,
            previous.map(|previous| previous.0),
            canary.map(|(_, canary)| canary.0),
            canary.map(|(percent, _)| percent.get()),
        ])?;
        Ok(())
    }
}

fn release(row: &Row<'_>) -> Result<ReleaseRow, Fault> {
    Ok(ReleaseRow {
        id: ReleaseId(row.get(0)?),
        app: read(row.get(1)?)?,
        version: read(row.get(2)?)?,
        artifact: ArtifactId(row.get(3)?),
        runtime: runtime_of(&row.get::<_, String>(4)?)?,
    })
}
