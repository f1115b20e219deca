//! The tables of runs and their steps.

use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::{Run, RunKind, RunState, Step, StepState};
use crate::bext::engine::{AppName, Timestamp};
use crate::bext::node::store::Fault;

/// How many finished runs are kept.
const KEPT: i64 = 1_000;

const COLUMNS: &str = "id, kind, subject, parent, state, data, error, started_at, finished_at";

/// The journal in a store.
#[derive(Debug)]
pub(crate) struct Journal<'c>(pub(crate) &'c Connection);

impl Journal<'_> {
    /// Begins a run at its first step.
    pub(crate) fn begin(
        &self,
        (id, kind, subject): (&str, RunKind, &str),
        parent: Option<&str>,
        data: &Value,
        step: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let sql = "INSERT INTO runs (id, kind, subject, parent, state, data, started_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let state = RunState::Running.name();
        let row = params![id, kind.name(), subject, parent, state, data.to_string(), now.unix_millis()];
        self.0.prepare(sql)?.execute(row)?;
        self.next(id, step, &Value::Null, now)
    }

    /// What the run was asked to do is known better now.
    pub(crate) fn describe(&self, id: &str, data: &Value) -> Result<(), Fault> {
        self.0.prepare("UPDATE runs SET data = ?2 WHERE id = ?1")?.execute([id, &data.to_string()])?;
        Ok(())
    }

    /// Says what came of the step that is under way.
    pub(crate) fn came_of_it(&self, id: &str, data: &Value) -> Result<(), Fault> {
        let sql = "UPDATE steps SET data = ?2 WHERE run = ?1 AND state = ?3";
        self.0.prepare(sql)?.execute([id, &data.to_string(), StepState::Running.name()])?;
        Ok(())
    }

    /// The step that is under way is done, and the next begins.
    pub(crate) fn next(&self, id: &str, step: &str, data: &Value, now: Timestamp) -> Result<(), Fault> {
        self.close_step(id, StepState::Done, now)?;
        let sql = "INSERT INTO steps (run, position, name, state, data, started_at)
            VALUES (?1, (SELECT count(*) FROM steps WHERE run = ?1), ?2, ?3, ?4, ?5)";
        let row = params![id, step, StepState::Running.name(), data.to_string(), now.unix_millis()];
        self.0.prepare(sql)?.execute(row)?;
        Ok(())
    }

    /// The run has made its change, and goes on with clearing away.
    pub(crate) fn turn(&self, id: &str, step: &str, now: Timestamp) -> Result<(), Fault> {
        let sql = "UPDATE runs SET state = ?2 WHERE id = ?1";
        self.0.prepare(sql)?.execute([id, RunState::Finishing.name()])?;
        self.next(id, step, &Value::Null, now)
    }

    /// Nothing is left to do. What is done and older than the last thousand is forgotten.
    pub(crate) fn end(
        &self,
        id: &str,
        state: RunState,
        error: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if state == RunState::Undone {
            let sql = "UPDATE steps SET state = ?2, finished_at = coalesce(finished_at, ?3) WHERE run = ?1";
            self.0.prepare(sql)?.execute(params![id, StepState::Undone.name(), now.unix_millis()])?;
        } else {
            self.close_step(id, StepState::Done, now)?;
        }
        let sql = "UPDATE runs SET state = ?2, error = ?3, finished_at = ?4 WHERE id = ?1";
        self.0.prepare(sql)?.execute(params![id, state.name(), error, now.unix_millis()])?;
        let sql = "DELETE FROM runs WHERE finished_at IS NOT NULL
            AND id < (SELECT id FROM runs ORDER BY id DESC LIMIT 1 OFFSET ?1)";
        self.0.prepare(sql)?.execute([KEPT - 1])?;
        Ok(())
    }

    /// Forgets those of an app, whatever they are at: what is left of them to do does not need them.
    pub(crate) fn forget(&self, app: &AppName) -> Result<(), Fault> {
        self.0.prepare("DELETE FROM runs WHERE subject = ?1")?.execute([app.as_str()])?;
        Ok(())
    }

    /// Those that something is left to do of, the oldest first.
    pub(crate) fn unfinished(&self) -> Result<Vec<Run>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM runs WHERE finished_at IS NULL ORDER BY id");
        self.select(&sql, [])
    }

    /// At most so many with ids before this one, the newest first.
    pub(crate) fn page(&self, before: Option<&str>, limit: usize) -> Result<Vec<Run>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM runs WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2");
        self.select(&sql, params![before, i64::try_from(limit).unwrap_or(i64::MAX)])
    }

    /// Those that are a part of another, the oldest first.
    pub(crate) fn parts_of(&self, parent: &str) -> Result<Vec<Run>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM runs WHERE parent = ?1 ORDER BY id");
        self.select(&sql, [parent])
    }

    fn select(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<Run>, Fault> {
        let mut statement = self.0.prepare(sql)?;
        let rows = statement.query_map(params, |row| Ok(run(row)))?;
        let mut runs: Vec<Run> = rows.map(|row| row?).collect::<Result<_, Fault>>()?;
        for run in &mut runs {
            run.steps = self.steps(&run.id)?;
        }
        Ok(runs)
    }

    fn steps(&self, id: &str) -> Result<Vec<Step>, Fault> {
        let sql =
            "SELECT name, state, data, started_at, finished_at FROM steps WHERE run = ?1 ORDER BY position";
        let mut statement = self.0.prepare(sql)?;
        let rows = statement.query_map([id], |row| Ok(step(row)))?;
        rows.map(|row| row?).collect()
    }

    fn close_step(&self, id: &str, state: StepState, now: Timestamp) -> Result<(), Fault> {
        let sql = "UPDATE steps SET state = ?2, finished_at = ?3 WHERE run = ?1 AND state = ?4";
        let row = params![id, state.name(), now.unix_millis(), StepState::Running.name()];
        self.0.prepare(sql)?.execute(row)?;
        Ok(())
    }
}

fn run(row: &Row<'_>) -> Result<Run, Fault> {
    let kind: String = row.get(1)?;
    let state: String = row.get(4)?;
    let finished_at: Option<i64> = row.get(8)?;
    Ok(Run {
        id: row.get(0)?,
        kind: RunKind::of(&kind).ok_or_else(|| Fault::foreign(format!("a run of the kind {kind:?}")))?,
        subject: row.get(2)?,
        parent: row.get(3)?,
        state: RunState::of(&state).ok_or_else(|| Fault::foreign(format!("a run that is {state:?}")))?,
        data: json(&row.get::<_, String>(5)?)?,
        error: row.get(6)?,
        started_at: Timestamp::from_unix_millis(row.get(7)?),
        finished_at: finished_at.map(Timestamp::from_unix_millis),
        steps: Vec::new(),
    })
}

fn step(row: &Row<'_>) -> Result<Step, Fault> {
    let state: String = row.get(1)?;
    let finished_at: Option<i64> = row.get(4)?;
    Ok(Step {
        name: row.get(0)?,
        state: StepState::of(&state).ok_or_else(|| Fault::foreign(format!("a step that is {state:?}")))?,
        data: json(&row.get::<_, String>(2)?)?,
        started_at: Timestamp::from_unix_millis(row.get(3)?),
        finished_at: finished_at.map(Timestamp::from_unix_millis),
    })
}

fn json(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(Fault::foreign)
}
