//! What became of each release, newest first.

use rusqlite::{Connection, Row, params};

use super::Fault;
use super::apps::read;
use crate::bext::engine::{AppName, DeployRecord, DeployStatus, InstanceId, Strategy, Timestamp};

/// The table of records.
#[derive(Debug)]
pub(crate) struct RecordsTable<'c>(pub(crate) &'c Connection);

const COLUMNS: &str =
    "id, app, version, previous_version, status, strategy, duration_ms, started_at, finished_at,
    deployed_by, error";

impl RecordsTable<'_> {
    pub(crate) fn insert(&self, record: &DeployRecord) -> Result<(), Fault> {
        let sql =
            format!("INSERT INTO records ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
        self.0.prepare(&sql)?.execute(params![
            record.id,
            record.app.as_str(),
            record.version.as_str(),
            record.previous_version.as_ref().map(|version| version.as_str()),
            status_name(record.status),
            strategy_name(record.strategy),
            i64::try_from(record.duration_ms).unwrap_or(i64::MAX),
            record.started_at.unix_millis(),
            record.finished_at.unix_millis(),
            record.deployed_by,
            record.error,
        ])?;
        Ok(())
    }

    /// At most so many with ids before this one, the newest first; of one app or of all.
    pub(crate) fn page(
        &self,
        instance: &InstanceId,
        app: Option<&AppName>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeployRecord>, Fault> {
        let sql = format!(
            "SELECT {COLUMNS} FROM records WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR app = ?2)
                ORDER BY id DESC LIMIT ?3"
        );
        let mut statement = self.0.prepare(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement
            .query_map(params![before, app.map(AppName::as_str), limit], |row| Ok(record(instance, row)))?;
        rows.map(|row| row?).collect()
    }

    /// Forgets those of an app.
    pub(crate) fn forget(&self, app: &AppName) -> Result<(), Fault> {
        self.0.prepare("DELETE FROM records WHERE app = ?1")?.execute([app.as_str()])?;
        Ok(())
    }

    /// Whether there is one of an app, which may be gone.
    pub(crate) fn has(&self, app: &AppName) -> Result<bool, Fault> {
        let sql = "SELECT EXISTS (SELECT 1 FROM records WHERE app = ?1)";
        Ok(self.0.prepare(sql)?.query_row([app.as_str()], |row| row.get(0))?)
    }
}

fn record(instance: &InstanceId, row: &Row<'_>) -> Result<DeployRecord, Fault> {
    let previous: Option<String> = row.get(3)?;
    Ok(DeployRecord {
        id: row.get(0)?,
        instance_id: instance.clone(),
        app: read(row.get(1)?)?,
        version: read(row.get(2)?)?,
        previous_version: previous.map(read).transpose()?,
        status: match row.get::<_, String>(4)?.as_str() {
            "success" => DeployStatus::Success,
            "failed" => DeployStatus::Failed,
            "rolled_back" => DeployStatus::RolledBack,
            other => return Err(Fault::foreign(format!("the status {other:?}"))),
        },
        strategy: match row.get::<_, String>(5)?.as_str() {
            "full" => Strategy::Full,
            "canary" => Strategy::Canary,
            other => return Err(Fault::foreign(format!("the strategy {other:?}"))),
        },
        duration_ms: u64::try_from(row.get::<_, i64>(6)?).unwrap_or_default(),
        started_at: Timestamp::from_unix_millis(row.get(7)?),
        finished_at: Timestamp::from_unix_millis(row.get(8)?),
        deployed_by: row.get(9)?,
        error: row.get(10)?,
    })
}

fn status_name(status: DeployStatus) -> &'static str {
    match status {
        DeployStatus::Success => "success",
        DeployStatus::Failed => "failed",
        DeployStatus::RolledBack => "rolled_back",
    }
}

fn strategy_name(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Full => "full",
        Strategy::Canary => "canary",
    }
}
