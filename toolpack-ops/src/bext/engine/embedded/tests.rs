//! What is special to this engine: its files, its walls, its limits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::bext::engine::{
    Cell, Changes, Database, InstanceHealth, Instances, KeyValue, ListInstances, Param, Rows, SetKey,
    Statement,
};

struct Bench {
    engine: Embedded,
    directory: TempDir,
}

async fn bench(config: EmbeddedConfig) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    Bench { engine: Embedded::open(directory.path(), config).await.unwrap(), directory }
}

fn app() -> AppRef {
    AppRef::new("local".parse().unwrap(), "shop".parse().unwrap())
}

impl Bench {
    async fn query(&self, sql: &str) -> Result<Rows, Error> {
        self.engine.query(&app(), Statement::new(sql)).await
    }

    async fn execute(&self, sql: &str) -> Result<Changes, Error> {
        self.engine.execute(&app(), Statement::new(sql)).await
    }

    async fn set(&self, key: &str) {
        let value = SetKey::new("v".parse().unwrap());
        self.engine.set(&app(), &key.parse().unwrap(), value).await.unwrap();
    }

    fn files(&self) -> Vec<String> {
        files(self.directory.path())
    }
}

/// All files below a directory, ordered.
fn files(root: &Path) -> Vec<String> {
    fn walk(directory: &Path, root: &Path, into: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, into);
            } else {
                into.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    let mut files = Vec::new();
    walk(root, root, &mut files);
    files.sort();
    files
}

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

#[tokio::test]
async fn reading_makes_no_files_and_neither_does_a_bad_statement() {
    let bench = bench(EmbeddedConfig::default()).await;
    bench.query("SELECT 1").await.unwrap();
    let key = "k".parse().unwrap();
    assert_eq!(bench.engine.get(&app(), &key).await.unwrap(), None);
    assert!(!bench.engine.delete(&app(), &key).await.unwrap().deleted);
    let error = bench.execute("UPDATE users SET a = 1").await.unwrap_err();
    assert_eq!(error.message(), "no such table: users");
    Instances::list(&bench.engine, ListInstances::default()).await.unwrap();
    assert_eq!(bench.files(), ["instances.toml"]);

    bench.execute("CREATE TABLE t (a)").await.unwrap();
    bench.set("k").await;
    let files = bench.files();
    for file in ["data.sqlite", "kv.sqlite"] {
        assert!(files.contains(&format!("instances/local/apps/shop/{file}")), "{files:?}");
    }
    assert!(!files.iter().any(|file| file.ends_with(".new")), "{files:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn directories_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("a/b");
    let engine = Embedded::open(&root, EmbeddedConfig::default()).await.unwrap();
    engine.execute(&app(), Statement::new("CREATE TABLE t (a)")).await.unwrap();
    for path in ["", "instances", "instances/local", "instances/local/apps", "instances/local/apps/shop"] {
        let mode = fs::metadata(root.join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{path}");
    }
}

#[tokio::test]
async fn a_new_store_keeps_its_journal_mode_and_commits_in_full() {
    let bench = bench(EmbeddedConfig::default()).await;
    bench.execute("CREATE TABLE t (a)").await.unwrap();
    let path = bench.directory.path().join("instances/local/apps/shop/data.sqlite");
    let plain = rusqlite::Connection::open(&path).unwrap();
    let mode: String = plain.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    let mut lease =
        bench.engine.shared.stores.lease(&app(), StoreFile::Data, Access::Write).unwrap().unwrap();
    let job = Job::new(Duration::from_secs(10));
    for (pragma, want) in [("synchronous", 2), ("foreign_keys", 1), ("trusted_schema", 0), ("temp_store", 2)]
    {
        let value: i64 = lease
            .store
            .read(&job, |connection, _| {
                Ok(connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?)
            })
            .unwrap();
        assert_eq!(value, want, "{pragma}");
    }
}

#[tokio::test]
async fn the_authorizer_stands_behind_the_guard() {
    let bench = bench(EmbeddedConfig::default()).await;
    bench.execute("CREATE TABLE t (a)").await.unwrap();
    for sql in [
        "SELECT * FROM pragma_user_version",
        "SELECT * FROM pragma_journal_mode('off')",
        "SELECT * FROM pragma_database_list",
        "SELECT count(*) FROM dbstat",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('simple')",
    ] {
        let error = bench.query(sql).await.unwrap_err();
        assert_eq!(error.code(), "sql_blocked", "{sql}: {error:?}");
    }
    for sql in [
        "CREATE TEMP TABLE x (a)",
        "CREATE TABLE temp.x (a)",
        "CREATE VIRTUAL TABLE x USING fts5(a)",
        "CREATE VIRTUAL TABLE x USING rtree(a, b, c)",
        "INSERT INTO t SELECT load_extension('x')",
        "CREATE TABLE x AS SELECT * FROM dbstat",
    ] {
        let error = bench.execute(sql).await.expect_err(sql);
        assert_eq!(error.code(), "sql_blocked", "{sql}: {error:?}");
    }
    for sql in [
        "UPDATE sqlite_schema SET sql = ''",
        "DELETE FROM sqlite_master",
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 0, 'x')",
        "SELECT readfile('/etc/passwd')",
    ] {
        let error = match sql.starts_with("SELECT") {
            true => bench.query(sql).await.unwrap_err(),
            false => bench.execute(sql).await.unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{sql}: {error:?}");
    }
    let error = bench.query("SELECT \"no_such_column\"").await.unwrap_err();
    assert_eq!(error.code(), "column_not_found", "{error:?}");
    // SQLite's own judgement, the guard left out.
    let mut lease =
        bench.engine.shared.stores.lease(&app(), StoreFile::Data, Access::Write).unwrap().unwrap();
    for sql in [
        "DROP TABLE t",
        "ALTER TABLE t DROP COLUMN a",
        "ATTACH 'x' AS y",
        "PRAGMA writable_schema = 1",
        "PRAGMA synchronous = OFF",
        "VACUUM INTO 'x'",
        "VACUUM",
        "COMMIT",
        "SAVEPOINT a",
    ] {
        let job = Job::new(Duration::from_secs(10));
        let result = lease.store.read(&job, |connection, watch| {
            let _armed = watch.arm();
            Ok(connection.execute_batch(sql)?)
        });
        let error = result.unwrap_err();
        assert!(matches!(error.code(), "sql_blocked" | "sql_error"), "{sql}: {error:?}");
    }
    assert_eq!(bench.query("SELECT name FROM sqlite_schema").await.unwrap().row_count, 1);
}

#[tokio::test]
async fn the_read_only_connection_stands_behind_the_authorizer() {
    let bench = bench(EmbeddedConfig::default()).await;
    bench.execute("CREATE TABLE t (a)").await.unwrap();
    let mut lease = bench.engine.shared.stores.lease(&app(), StoreFile::Data, Access::Read).unwrap().unwrap();
    for sql in ["INSERT INTO t VALUES (1)", "CREATE TABLE u (a)", "PRAGMA user_version = 5"] {
        let job = Job::new(Duration::from_secs(10));
        let error = lease.store.read(&job, |connection, _| Ok(connection.execute_batch(sql)?)).unwrap_err();
        assert_eq!(error.code(), "not_read_only", "{sql}");
    }
}

#[tokio::test]
async fn the_schema_can_be_looked_at() {
    let bench = bench(EmbeddedConfig::default()).await;
    bench.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)").await.unwrap();
    let rows = bench.query("SELECT name FROM pragma_table_info('t') ORDER BY cid").await.unwrap();
    assert_eq!(rows.rows, [[Cell::Text("a".into())], [Cell::Text("b".into())]]);
    bench.query("SELECT * FROM sqlite_schema").await.unwrap();
    bench.query("SELECT * FROM pragma_table_list, json_each('[1]')").await.unwrap();
}

#[tokio::test]
async fn bombs_are_bounded() {
    let config = EmbeddedConfig::default().with_statement_timeout_ms(2_000);
    let bench = bench(config).await;
    bench.execute("CREATE TABLE t (a)").await.unwrap();
    for (sql, code) in [
        ("SELECT length(zeroblob(1000000000))", "too_big"),
        ("SELECT length(randomblob(1000000000))", "too_big"),
        ("SELECT printf('%.*c', 100000000, 'x')", "too_big"),
        (
            "SELECT group_concat(x) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT hex(zeroblob(1000)) x FROM n)",
            "statement_timeout",
        ),
        (ENDLESS, "statement_timeout"),
        (
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT 1 FROM n WHERE i < 0",
            "statement_timeout",
        ),
        ("SELECT ?2000000", "sql_error"),
        ("SELECT 'a' LIKE replace(hex(zeroblob(1000)), '0', '%')", "sql_error"),
    ] {
        let started = Instant::now();
        let error = bench.query(sql).await.unwrap_err();
        assert_eq!(error.code(), code, "{sql}: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{sql}");
    }
    let deep = format!("SELECT {}1{}", "abs(".repeat(1000), ")".repeat(1000));
    assert_eq!(bench.query(&deep).await.unwrap_err().code(), "sql_error");
    let wide = format!("SELECT {}1", "1 UNION ALL SELECT ".repeat(450));
    assert_eq!(bench.query(&wide).await.unwrap_err().code(), "sql_error");
    // And the engine goes on.
    assert_eq!(bench.query("SELECT 1").await.unwrap().row_count, 1);
}

#[tokio::test]
async fn a_call_ends_in_time_even_within_one_long_step() {
    let bench = bench(EmbeddedConfig::default().with_statement_timeout_ms(50)).await;
    // The haystack is compared at every place with all of the needle, within one call of one function.
    let sql = "SELECT instr(zeroblob(300000), CAST(zeroblob(100000) || x'01' AS BLOB))";
    let error = bench.query(sql).await.unwrap_err();
    assert_eq!(error.code(), "statement_timeout");
    assert!(std::error::Error::source(&error).is_none(), "SQLite did not end it: {error:?}");
}

#[tokio::test]
async fn definitions_that_lose_nothing_work() {
    let bench = bench(EmbeddedConfig::default()).await;
    for sql in [
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT COLLATE NOCASE CHECK (length(a) < 10))",
        "CREATE UNIQUE INDEX by_a ON t (a, lower(a)) WHERE a IS NOT NULL",
        "CREATE VIEW v AS SELECT a FROM t",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = upper(a) WHERE id = new.id; SELECT 1; END;",
        "CREATE TRIGGER w INSTEAD OF INSERT ON v BEGIN INSERT INTO t (a) VALUES (new.a); END",
        "INSERT INTO v VALUES ('x')",
        "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 5",
        "ALTER TABLE t RENAME COLUMN b TO c",
        "ALTER TABLE t RENAME TO u",
        "REINDEX",
        "ANALYZE",
        "CREATE TABLE copy AS SELECT * FROM u",
        "CREATE TABLE IF NOT EXISTS copy (a)",
    ] {
        bench.execute(sql).await.expect(sql);
    }
    let rows = bench.query("SELECT a, c FROM copy").await.unwrap();
    assert_eq!(rows.rows, [[Cell::Text("X".into()), Cell::Integer(5)]]);
}

#[tokio::test]
async fn a_store_does_not_outgrow_its_limit() {
    let bench = bench(EmbeddedConfig::default().with_max_store_bytes(1 << 20)).await;
    bench.execute("CREATE TABLE t (a)").await.unwrap();
    let sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n)
        INSERT INTO t SELECT zeroblob(100000) FROM n";
    assert_eq!(bench.execute(sql).await.unwrap_err().code(), "database_full");
    let rows = bench.query("SELECT count(*) FROM t").await.unwrap();
    assert_eq!(rows.rows, [[Cell::Integer(0)]]);
    bench.execute("INSERT INTO t VALUES (1)").await.unwrap();
}

#[tokio::test]
async fn rows_are_cut_at_rows_and_at_bytes() {
    let bench = bench(EmbeddedConfig::default().with_max_rows(3).with_max_result_bytes(1000)).await;
    let exact = bench.query("VALUES (1), (2), (3)").await.unwrap();
    assert_eq!((exact.row_count, exact.truncated), (3, false));
    let more = bench.query("VALUES (1), (2), (3), (4)").await.unwrap();
    assert_eq!((more.row_count, more.rows.len(), more.truncated), (3, 3, true));
    let wide =
        bench.query("VALUES (hex(zeroblob(200))), (hex(zeroblob(200))), (hex(zeroblob(200)))").await.unwrap();
    assert_eq!((wide.row_count, wide.truncated), (2, true));
    assert!(serde_json::to_string(&wide.rows).unwrap().len() <= 1000);
    // A row that alone is too much is no page that is cut: asking for the next one would never end.
    let escaped = bench.query("SELECT replace(hex(zeroblob(100)), '0', char(1))").await.unwrap_err();
    assert_eq!(escaped.code(), "row_too_large");
    assert!(escaped.message().contains("1000 bytes"), "{escaped}");
}

#[tokio::test]
async fn a_file_put_in_the_place_of_another_is_the_one_that_counts() {
    let bench = bench(EmbeddedConfig::default()).await;
    bench.execute("CREATE TABLE t (a)").await.unwrap();
    bench.query("SELECT * FROM t").await.unwrap();
    fs::remove_dir_all(bench.directory.path().join("instances")).unwrap();
    assert_eq!(bench.query("SELECT * FROM t").await.unwrap_err().message(), "no such table: t");
    bench.execute("CREATE TABLE u (a)").await.unwrap();
    bench.query("SELECT * FROM u").await.unwrap();
}

#[tokio::test]
async fn idle_connections_are_bounded() {
    let bench = bench(EmbeddedConfig::default().with_max_idle_connections(3)).await;
    for n in 0..8 {
        let app = AppRef::new("local".parse().unwrap(), format!("app{n}").parse().unwrap());
        bench.engine.execute(&app, Statement::new("CREATE TABLE t (a)")).await.unwrap();
        bench.engine.query(&app, Statement::new("SELECT * FROM t")).await.unwrap();
        assert!(bench.engine.shared.stores.idle_connections() <= 3);
    }
    assert_eq!(bench.engine.shared.stores.idle_connections(), 3);
}

#[tokio::test]
async fn a_store_that_does_not_open_makes_an_instance_unreachable() {
    let bench = bench(EmbeddedConfig::default()).await;
    let healthy = Instances::list(&bench.engine, ListInstances::default()).await.unwrap();
    assert_eq!(healthy.instances[0].status, InstanceHealth::Healthy);
    let store = bench.directory.path().join("instances/local/apps/default");
    fs::create_dir_all(&store).unwrap();
    fs::write(store.join("kv.sqlite"), vec![b'x'; 8192]).unwrap();
    let degraded = Instances::list(&bench.engine, ListInstances::default()).await.unwrap();
    assert_eq!(degraded.instances[0].status, InstanceHealth::Degraded);
    fs::write(store.join("data.sqlite"), vec![b'x'; 8192]).unwrap();
    let unreachable = Instances::list(&bench.engine, ListInstances::default()).await.unwrap();
    assert_eq!(unreachable.instances[0].status, InstanceHealth::Unreachable);
    let app = AppRef::new("local".parse().unwrap(), "default".parse().unwrap());
    let error = bench.engine.query(&app, Statement::new("SELECT 1 FROM t")).await.unwrap_err();
    assert_eq!(error.code(), "store_unavailable");
    assert!(!error.to_string().contains(&*bench.directory.path().to_string_lossy()), "{error}");
}

#[tokio::test]
async fn last_insert_id_is_of_this_very_statement() {
    let bench = bench(EmbeddedConfig::default()).await;
    for sql in [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, k UNIQUE, v)",
        "CREATE TABLE log (id INTEGER PRIMARY KEY, v)",
        "CREATE TABLE bare (k PRIMARY KEY) WITHOUT ROWID",
        "CREATE TRIGGER tell AFTER UPDATE ON t BEGIN INSERT INTO log (v) VALUES (new.v); END",
    ] {
        assert_eq!(bench.execute(sql).await.unwrap(), Changes { changes: 0, last_insert_id: None }, "{sql}");
    }
    let upsert = "INSERT INTO t (id, k, v) VALUES (7, 'a', 1) ON CONFLICT (k) DO UPDATE SET v = v + 1";
    for (sql, changes, last_insert_id) in [
        (upsert, 1, Some(7)),
        (upsert, 1, None),
        ("UPDATE t SET v = 0", 1, None),
        ("INSERT INTO bare VALUES ('x'), ('y')", 2, None),
        ("INSERT INTO t (k) SELECT 'b' WHERE 0", 0, None),
        ("WITH x(k) AS (VALUES ('c'), ('d')) INSERT INTO t (k) SELECT k FROM x", 2, Some(9)),
        ("INSERT OR IGNORE INTO t (k) VALUES ('c')", 0, None),
        ("DELETE FROM t", 3, None),
        ("CREATE TABLE copy AS SELECT * FROM log", 0, None),
    ] {
        assert_eq!(bench.execute(sql).await.unwrap(), Changes { changes, last_insert_id }, "{sql}");
    }
}

#[tokio::test]
async fn errors_hold_the_callers_mistake_and_not_its_text() {
    let bench = bench(EmbeddedConfig::default()).await;
    let error = bench.query("SELECT 'secret' FROM nowhere").await.unwrap_err();
    assert_eq!(error.to_string(), "db_query local/shop: no such table: nowhere");
    let params = vec![Param::Integer(1)];
    let error =
        bench.engine.query(&app(), Statement::new("SELECT ?1, ?2").with_params(params)).await.unwrap_err();
    assert_eq!(error.code(), "params_mismatch");
    assert_eq!(error.message(), "the statement has 2 parameters, but params has 1 values");
}

#[tokio::test]
async fn an_engine_that_ends_well_leaves_whole_files() {
    let bench = bench(EmbeddedConfig::default()).await;
    bench.execute("CREATE TABLE t (a)").await.unwrap();
    bench.query("SELECT * FROM t").await.unwrap();
    bench.set("k").await;
    bench.engine.get(&app(), &"k".parse().unwrap()).await.unwrap();
    let store = |name: &str| format!("instances/local/apps/shop/{name}");
    assert!(bench.files().contains(&store("data.sqlite-wal")), "{:?}", bench.files());
    let Bench { engine, directory } = bench;
    drop(engine);
    let want = ["instances.toml".to_owned(), store("data.sqlite"), store("kv.sqlite")];
    assert_eq!(files(directory.path()), want);
}
