//! Promises of [`Database`](crate::bext::engine::Database).

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Harness, app, expect};
use crate::bext::engine::{Cell, Changes, Param, Statement};
use crate::error::{ErrorKind, Retry};

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
const ENDLESS_INSERT: &str = "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT (i + 1) % 10 FROM n) SELECT i FROM n WHERE i < 0";

fn integers(values: &[i64]) -> Vec<Vec<Cell>> {
    values.iter().map(|value| vec![Cell::Integer(*value)]).collect()
}

/// A query of no table works, one of a table that is not there fails, and neither stores anything.
pub async fn an_app_without_data_reads_as_empty(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let rows = engines.query(&app, "SELECT 1 AS one, 'x' AS two").await;
    assert_eq!(rows.columns, ["one", "two"]);
    assert_eq!(rows.rows, [[Cell::Integer(1), Cell::Text("x".into())]]);
    assert_eq!((rows.row_count, rows.truncated), (1, false));
    let error = engines.query_fails(&app, "SELECT * FROM t", ErrorKind::NotFound, "table_not_found").await;
    assert!(error.message().contains('t'));
    engines.execute(&app, "CREATE TABLE t (a INTEGER)").await;
    assert_eq!(engines.query(&app, "SELECT * FROM t").await.row_count, 0);
}

/// Through every engine, with the right counts.
pub async fn a_write_is_seen_by_every_later_read(harness: &dyn Harness) {
    let app = app(harness, "a");
    let (one, two) = (harness.open().await, harness.open().await);
    let none = Changes { changes: 0, last_insert_id: None };
    assert_eq!(one.execute(&app, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)").await, none);
    let inserted = two.execute(&app, "INSERT INTO t (a) VALUES (10), (20)").await;
    assert_eq!(inserted, Changes { changes: 2, last_insert_id: Some(2) });
    assert_eq!(one.query(&app, "SELECT a FROM t ORDER BY id").await.rows, integers(&[10, 20]));
    let updated = one.execute(&app, "UPDATE t SET a = a + 1 WHERE id = 2").await;
    assert_eq!(updated, Changes { changes: 1, last_insert_id: None });
    assert_eq!(two.query(&app, "SELECT a FROM t ORDER BY id DESC").await.rows, integers(&[21, 10]));
    one.execute(&app, "ALTER TABLE t ADD COLUMN b TEXT").await;
    assert_eq!(two.query(&app, "SELECT b FROM t WHERE b IS NULL").await.row_count, 2);
    assert_eq!(two.execute(&app, "DELETE FROM t").await.changes, 2);
    assert_eq!(one.execute(&app, "UPDATE t SET a = 1").await, none);
}

/// A parameter has the type it came with, and its text is never read as SQL.
pub async fn params_are_bound_by_type_and_never_as_text(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a)").await;
    let evil = "'); DELETE FROM t; --";
    for (param, cell) in [
        (Param::Null, Cell::Null),
        (Param::Bool(true), Cell::Integer(1)),
        (Param::Integer(i64::MAX), Cell::Integer(i64::MAX)),
        (Param::Real(0.5), Cell::Real(0.5)),
        (Param::Text("1".into()), Cell::Text("1".into())),
        (Param::Text(evil.into()), Cell::Text(evil.into())),
    ] {
        let insert = Statement::new("INSERT INTO t VALUES (?1)").with_params(vec![param.clone()]);
        engines.database.execute(&app, insert).await.unwrap();
        let select = Statement::new("SELECT a FROM t WHERE a IS ?1").with_params(vec![param]);
        assert_eq!(engines.database.query(&app, select).await.unwrap().rows, [[cell]]);
    }
    assert_eq!(engines.query(&app, "SELECT count(*) FROM t").await.rows, integers(&[6]));
}

/// One too few and one too many are refused.
pub async fn params_are_as_many_as_the_statement_has(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    for count in [0, 1, 3] {
        let statement = Statement::new("SELECT ?1, ?2").with_params(vec![Param::Integer(1); count]);
        let refused = engines.database.query(&app, statement).await;
        expect(refused, ErrorKind::InvalidInput, "params_mismatch", "query");
    }
}

/// What was stored comes back: all digits of an integer, all bytes of a blob.
pub async fn cells_keep_their_types(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a)").await;
    engines
        .execute(&app, "INSERT INTO t VALUES (NULL), (9007199254740993), (1.5), ('é'), (x'00ff'), (9e999)")
        .await;
    let rows = engines.query(&app, "SELECT a FROM t ORDER BY rowid").await;
    let cells: Vec<Cell> = rows.rows.into_iter().flatten().collect();
    let want = [
        Cell::Null,
        Cell::Integer(9_007_199_254_740_993),
        Cell::Real(1.5),
        Cell::Text("é".into()),
        Cell::Blob(vec![0, 255]),
        Cell::Real(f64::INFINITY),
    ];
    assert_eq!(cells, want);
}

/// Exactly the limit is whole, one more is cut and said to be.
pub async fn rows_past_the_limit_are_cut(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let max = harness.limits().max_rows;
    for (count, truncated) in [(max - 1, false), (max, false), (max + 1, true), (max * 3, true)] {
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n ORDER BY i"
        );
        let rows = engines.query(&app, &sql).await;
        assert_eq!((rows.row_count, rows.truncated), (count.min(max), truncated), "{count}");
        let want: Vec<i64> = (1..).take(count.min(max)).collect();
        assert_eq!(rows.rows, integers(&want));
    }
}

/// Rows are left out from the second on that does not fit; the first alone is a mistake, for it will never fit.
pub async fn bytes_past_the_limit_are_cut(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let half = harness.limits().max_result_bytes / 2;
    engines.execute(&app, "CREATE TABLE t (a)").await;
    let text = vec![Param::Text("x".repeat(half - 100))];
    for _ in 0..3 {
        let insert = Statement::new("INSERT INTO t VALUES (?1)").with_params(text.clone());
        engines.database.execute(&app, insert).await.unwrap();
    }
    let rows = engines.query(&app, "SELECT a FROM t").await;
    assert_eq!((rows.row_count, rows.rows.len(), rows.truncated), (2, 2, true));
    let rows = engines.query(&app, "SELECT a FROM t LIMIT 2").await;
    assert_eq!((rows.row_count, rows.truncated), (2, false));
    engines.query_fails(&app, "SELECT a, a, a FROM t", ErrorKind::InvalidInput, "row_too_large").await;
}

/// Counted in characters, by both methods.
pub async fn a_long_text_is_refused(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let max = harness.limits().max_sql_chars;
    let fits = format!("SELECT '{}'", "ä".repeat(max - 9));
    assert_eq!(engines.query(&app, &fits).await.row_count, 1);
    let long = format!("{fits} ");
    let error = engines.query_fails(&app, &long, ErrorKind::InvalidInput, "sql_too_long").await;
    assert!(error.message().contains(&max.to_string()));
    engines.execute_fails(&app, &long, ErrorKind::InvalidInput, "sql_too_long").await;
}

/// In time, by both methods, and the engine goes on.
pub async fn an_endless_statement_is_ended_and_undone(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let limit = harness.limits().statement_timeout;
    engines.execute(&app, "CREATE TABLE t (a)").await;
    let started = Instant::now();
    let error = engines.query_fails(&app, ENDLESS, ErrorKind::TimedOut, "statement_timeout").await;
    assert_eq!(error.retry(), Retry::Never);
    engines.execute_fails(&app, ENDLESS_INSERT, ErrorKind::TimedOut, "statement_timeout").await;
    let taken = started.elapsed();
    assert!(
        taken >= limit * 2 - Duration::from_millis(50) && taken < limit * 2 + Duration::from_secs(5),
        "{taken:?}"
    );
    engines.execute(&app, "INSERT INTO t VALUES (1)").await;
    assert_eq!(engines.query(&app, "SELECT a FROM t").await.rows, integers(&[1]));
}

/// Whatever a query says, nothing changes.
pub async fn a_query_never_writes(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a)").await;
    engines.execute(&app, "INSERT INTO t VALUES (1)").await;
    for sql in [
        "INSERT INTO t VALUES (2)",
        "insert into t values (2) returning a",
        "/* SELECT */ UPDATE t SET a = 2",
        "DELETE FROM t",
        "REPLACE INTO t VALUES (2)",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "WITH x AS (SELECT 2) INSERT INTO t SELECT * FROM x",
        "CREATE TABLE u (a)",
        "ALTER TABLE t ADD COLUMN b",
        "EXPLAIN DELETE FROM t",
    ] {
        let error = engines.query_fails(&app, sql, ErrorKind::InvalidInput, "not_read_only").await;
        assert!(error.message().contains("db_execute"), "{error}");
    }
    assert!(engines.query(&app, "EXPLAIN SELECT a FROM t").await.row_count > 0);
    assert_eq!(engines.query(&app, "SELECT a FROM t").await.rows, integers(&[1]));
}

/// Reading statements are pointed to the query; RETURNING is refused before it writes.
pub async fn execute_returns_no_rows(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a)").await;
    for sql in ["SELECT 1", "VALUES (1)", "WITH x AS (SELECT 1) SELECT * FROM x", "EXPLAIN SELECT 1"] {
        let error = engines.execute_fails(&app, sql, ErrorKind::InvalidInput, "not_a_write").await;
        assert!(error.message().contains("db_query"), "{error}");
    }
    let returning = "INSERT INTO t VALUES (1) RETURNING a";
    engines.execute_fails(&app, returning, ErrorKind::InvalidInput, "returning_unsupported").await;
    assert_eq!(engines.query(&app, "SELECT count(*) FROM t").await.rows, integers(&[0]));
}

/// A closing semicolon, blanks and comments may follow; a second statement may not, and then the first does not run.
pub async fn one_statement_and_nothing_after_it(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a); -- made").await;
    engines.execute(&app, " /* ; */ INSERT INTO t VALUES (';') ; \n -- ; \n").await;
    assert_eq!(engines.query(&app, "SELECT ';' FROM t;").await.row_count, 1);
    for sql in ["DELETE FROM t; SELECT 1", "DELETE FROM t;;", "DELETE FROM t; --\n DELETE FROM t"] {
        engines.execute_fails(&app, sql, ErrorKind::InvalidInput, "multiple_statements").await;
    }
    for sql in ["SELECT 1; DELETE FROM t", "SELECT ''';'; DELETE FROM t"] {
        engines.query_fails(&app, sql, ErrorKind::InvalidInput, "multiple_statements").await;
    }
    for sql in ["", " ; ", "-- nothing"] {
        assert!(engines.database.query(&app, Statement::new(sql)).await.is_err());
        assert!(engines.database.execute(&app, Statement::new(sql)).await.is_err());
    }
    assert_eq!(engines.query(&app, "SELECT count(*) FROM t").await.rows, integers(&[1]));
}

/// As words of the statement, in any case and around any comment; not in literals, comments or quoted names.
pub async fn drop_and_truncate_are_blocked(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a, \"drop\")").await;
    for sql in [
        "DROP TABLE t",
        "dRoP/**/TABLE t",
        "-- x\ndrop table t",
        "TRUNCATE TABLE t",
        "truncate t",
        "ALTER TABLE t DROP COLUMN a",
        "SELECT 1; DROP TABLE t",
    ] {
        engines.execute_fails(&app, sql, ErrorKind::InvalidInput, "sql_blocked").await;
        engines.query_fails(&app, sql, ErrorKind::InvalidInput, "sql_blocked").await;
    }
    engines.execute(&app, "INSERT INTO t (a, \"drop\") VALUES ('DROP TABLE t', 'truncate') -- DROP").await;
    assert_eq!(
        engines.query(&app, "SELECT a /* TRUNCATE */ FROM t WHERE \"drop\" = 'truncate'").await.row_count,
        1
    );
}

/// No other file, no setting, no code.
pub async fn nothing_leaves_the_database(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a)").await;
    for sql in [
        "ATTACH DATABASE 'x.db' AS x",
        "DETACH DATABASE main",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA table_info(t)",
        "VACUUM",
        "VACUUM INTO 'x.db'",
    ] {
        engines.execute_fails(&app, sql, ErrorKind::InvalidInput, "sql_blocked").await;
        engines.query_fails(&app, sql, ErrorKind::InvalidInput, "sql_blocked").await;
    }
    let load = "SELECT load_extension('x')";
    engines.query_fails(&app, load, ErrorKind::InvalidInput, "sql_blocked").await;
    let load = "INSERT INTO t SELECT load_extension('x')";
    engines.execute_fails(&app, load, ErrorKind::InvalidInput, "sql_blocked").await;
    engines.execute_fails(&app, "CREATE TEMP TABLE x (a)", ErrorKind::InvalidInput, "sql_blocked").await;
}

/// Each statement is a transaction of its own.
pub async fn transactions_cannot_be_held_open(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a)").await;
    for sql in ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT a", "RELEASE a"] {
        engines.execute_fails(&app, sql, ErrorKind::InvalidInput, "sql_blocked").await;
        engines.query_fails(&app, sql, ErrorKind::InvalidInput, "sql_blocked").await;
    }
    engines.execute(&app, "INSERT INTO t VALUES (1)").await;
    assert_eq!(harness.open().await.query(&app, "SELECT a FROM t").await.row_count, 1);
}

/// Not even its first rows, and it is a conflict where a constraint fails.
pub async fn a_failed_statement_changes_nothing(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a INTEGER UNIQUE)").await;
    engines.execute(&app, "INSERT INTO t VALUES (3)").await;
    for or in ["", "OR FAIL", "OR ABORT", "OR ROLLBACK"] {
        let sql = format!("INSERT {or} INTO t VALUES (1), (2), (3)");
        let error = engines.execute_fails(&app, &sql, ErrorKind::Conflict, "constraint_violation").await;
        assert!(error.message().contains("t.a"), "{error}");
    }
    engines
        .execute(&app, "CREATE TABLE child (a INTEGER REFERENCES t (a) DEFERRABLE INITIALLY DEFERRED)")
        .await;
    let orphan = "INSERT INTO child VALUES (9)";
    engines.execute_fails(&app, orphan, ErrorKind::Conflict, "constraint_violation").await;
    assert_eq!(engines.query(&app, "SELECT count(*) FROM child").await.rows, integers(&[0]));
    assert_eq!(engines.query(&app, "SELECT a FROM t").await.rows, integers(&[3]));
}

/// So that the caller can correct the statement.
pub async fn errors_name_the_fault(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a)").await;
    for (sql, code, named) in [
        ("SELECT * FROM users", "table_not_found", "users"),
        ("SELECT missing FROM t", "column_not_found", "missing"),
    ] {
        let error = engines.query_fails(&app, sql, ErrorKind::NotFound, code).await;
        assert!(error.message().contains(named), "{sql}: {error}");
    }
    let error =
        engines.execute_fails(&app, "DELETE FROM users", ErrorKind::NotFound, "table_not_found").await;
    assert!(error.message().contains("users"), "{error}");
    for (sql, named) in [
        ("SELECT a FROM t WHERE", "incomplete"),
        ("SELECT nope(a) FROM t", "nope"),
        ("SELECT a FROM t ORDER WITH", "WITH"),
    ] {
        let error = engines.query_fails(&app, sql, ErrorKind::InvalidInput, "sql_error").await;
        assert!(error.message().contains(named), "{sql}: {error}");
        assert_eq!(error.retry(), Retry::Never);
    }
    let error = engines.execute_fails(&app, "CREATE TABLE t (a)", ErrorKind::InvalidInput, "sql_error").await;
    assert!(error.message().contains('t'), "{error}");
}

/// One app's tables are out of another's reach.
pub async fn apps_share_no_data(harness: &dyn Harness) {
    let engines = harness.open().await;
    let (one, two) = (app(harness, "one"), app(harness, "two"));
    engines.execute(&one, "CREATE TABLE t (a)").await;
    engines.query_fails(&two, "SELECT * FROM t", ErrorKind::NotFound, "table_not_found").await;
    engines.execute(&two, "CREATE TABLE t (a)").await;
    engines.execute(&two, "INSERT INTO t VALUES (1)").await;
    assert_eq!(engines.query(&one, "SELECT * FROM t").await.row_count, 0);
}

/// Many first writes at once, through two engines.
pub async fn first_writes_race_to_one_database(harness: &dyn Harness) {
    let app = app(harness, "a");
    let engines = [harness.open().await, harness.open().await];
    let mut creates = JoinSet::new();
    for n in 0..16 {
        let (engine, app) = (engines[n % 2].clone(), app.clone());
        creates.spawn(async move { engine.execute(&app, &format!("CREATE TABLE t{n} (a)")).await });
    }
    creates.join_all().await;
    for n in 0..16 {
        assert_eq!(engines[(n + 1) % 2].query(&app, &format!("SELECT * FROM t{n}")).await.row_count, 0);
    }
}

/// Increments through two engines at once add up.
pub async fn concurrent_writers_lose_nothing(harness: &dyn Harness) {
    let app = app(harness, "a");
    let engines = [harness.open().await, harness.open().await];
    engines[0].execute(&app, "CREATE TABLE t (a INTEGER)").await;
    engines[0].execute(&app, "INSERT INTO t VALUES (0)").await;
    let mut writers = JoinSet::new();
    for n in 0..10 {
        let (engine, app) = (engines[n % 2].clone(), app.clone());
        writers.spawn(async move {
            for _ in 0..5 {
                assert_eq!(engine.execute(&app, "UPDATE t SET a = a + 1").await.changes, 1);
            }
        });
    }
    writers.join_all().await;
    assert_eq!(engines[0].query(&app, "SELECT a FROM t").await.rows, integers(&[50]));
}

/// While money moves between two rows, their sum stands still for every reader.
pub async fn a_reader_sees_whole_statements(harness: &dyn Harness) {
    let app = app(harness, "a");
    let (writer, reader) = (harness.open().await, harness.open().await);
    writer.execute(&app, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)").await;
    writer.execute(&app, "INSERT INTO t VALUES (1, 100), (2, 0)").await;
    let writing = {
        let app = app.clone();
        tokio::spawn(async move {
            for _ in 0..30 {
                writer.execute(&app, "UPDATE t SET a = CASE id WHEN 1 THEN a - 1 ELSE a + 1 END").await;
            }
        })
    };
    while !writing.is_finished() {
        assert_eq!(reader.query(&app, "SELECT sum(a) FROM t").await.rows, integers(&[100]));
    }
    writing.await.unwrap();
    assert_eq!(reader.query(&app, "SELECT a FROM t ORDER BY id").await.rows, integers(&[70, 30]));
}

/// The caller goes away: the statement ends, leaves nothing, and the next write does not wait for its time to be over.
pub async fn a_dropped_write_is_undone(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    engines.execute(&app, "CREATE TABLE t (a)").await;
    let insert =
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let endless = engines.database.execute(&app, Statement::new(insert));
    let started = Instant::now();
    assert!(tokio::time::timeout(Duration::from_millis(50), endless).await.is_err());
    engines.execute(&app, "INSERT INTO t VALUES (-1)").await;
    let taken = started.elapsed();
    assert!(taken < harness.limits().statement_timeout, "{taken:?}");
    assert_eq!(engines.query(&app, "SELECT a FROM t").await.rows, integers(&[-1]));
}

/// Many callers go away: those who come after do not wait until the time of those is over.
pub async fn dropped_queries_give_way(harness: &dyn Harness) {
    let (engines, app) = (harness.open().await, app(harness, "a"));
    let started = Instant::now();
    let mut queries = JoinSet::new();
    for _ in 0..8 {
        let (engines, app) = (engines.clone(), app.clone());
        queries.spawn(async move {
            let endless = engines.database.query(&app, Statement::new(ENDLESS));
            assert!(tokio::time::timeout(Duration::from_millis(50), endless).await.is_err());
        });
    }
    queries.join_all().await;
    for _ in 0..8 {
        assert_eq!(engines.query(&app, "SELECT 1").await.row_count, 1);
    }
    let taken = started.elapsed();
    assert!(taken < harness.limits().statement_timeout, "{taken:?}");
}

/// Tables and rows are there after all engines are closed and another is opened.
pub async fn writes_survive_a_restart(harness: &dyn Harness) {
    let app = app(harness, "a");
    for round in 0..3 {
        let engines = harness.open().await;
        engines.execute(&app, "CREATE TABLE IF NOT EXISTS t (a INTEGER)").await;
        engines.execute(&app, &format!("INSERT INTO t VALUES ({round})")).await;
        drop(engines);
        let want: Vec<i64> = (0..=round).collect();
        let rows = harness.open().await.query(&app, "SELECT a FROM t ORDER BY a").await;
        assert_eq!(rows.rows, integers(&want));
    }
}
