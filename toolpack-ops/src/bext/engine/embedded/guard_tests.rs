//! The guard against a list of tricks, and against SQLite itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use proptest::prelude::*;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection};

use super::*;

fn query(sql: &str) -> Result<Verb, Error> {
    check(sql, Mode::Query, 10_000)
}

fn execute(sql: &str) -> Result<Verb, Error> {
    check(sql, Mode::Execute, 10_000)
}

#[test]
fn queries_that_only_read_pass() {
    for sql in [
        "SELECT 1",
        "select 1;",
        "SELECT 1 ; -- done\n /* really */ ",
        "/* first */ SELECT 1",
        "-- first\nSELECT 1",
        "VALUES (1), (2)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "WITH RECURSIVE a(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM a) SELECT n FROM a LIMIT 3",
        "EXPLAIN SELECT 1",
        "explain query plan select 1",
        "SELECT 'DROP TABLE t; DELETE FROM t'",
        "SELECT \"drop\", `truncate`, [drop] FROM t",
        "SELECT 'it''s; DROP' -- ; DROP TABLE t",
        "SELECT a /* ; DROP */ FROM t",
        "SELECT dropped, truncated_at, drop_off, undrop FROM t",
        "SELECT ';' || \";\" || `;` || [;]",
        "SELECT :a, @b, $c, ?1, ?",
        "SELECT x'00'",
        "SELECT replace(a, 'b', 'c') FROM t",
    ] {
        assert_eq!(query(sql).unwrap(), Verb::Read, "{sql}");
    }
}

#[test]
fn writes_pass_to_execute_only() {
    for (sql, verb) in [
        ("INSERT INTO t VALUES (1)", Verb::Change),
        ("insert or replace into t values ('; DROP')", Verb::Change),
        ("REPLACE INTO t VALUES (1)", Verb::Change),
        ("UPDATE t SET a = 1;", Verb::Change),
        ("DELETE FROM t -- all", Verb::Change),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", Verb::Change),
        ("WITH a AS (SELECT 1) DELETE FROM t", Verb::Change),
        ("CREATE TABLE t (a, b)", Verb::Define),
        ("CREATE UNIQUE INDEX i ON t (a)", Verb::Define),
        ("ALTER TABLE t ADD COLUMN c", Verb::Define),
        ("ANALYZE", Verb::Define),
        ("REINDEX t", Verb::Define),
    ] {
        assert_eq!(execute(sql).unwrap(), verb, "{sql}");
        assert_eq!(query(sql).unwrap_err().code(), "not_read_only", "{sql}");
    }
    for sql in [
        "SELECT 1",
        "VALUES (1)",
        "EXPLAIN SELECT 1",
        "EXPLAIN DELETE FROM t",
        "WITH a AS (SELECT 1) SELECT 1",
    ] {
        assert_eq!(execute(sql).unwrap_err().code(), "not_a_write", "{sql}");
    }
}

#[test]
fn drop_and_truncate_are_refused_however_they_are_written() {
    for sql in [
        "DROP TABLE t",
        "drop table t",
        "DrOp/**/TABLE t",
        "/* x */DROP TABLE t",
        "-- x\nDROP TABLE t",
        "TRUNCATE t",
        "TRUNCATE TABLE t",
        "ALTER TABLE t DROP COLUMN a",
        "ALTER TABLE t\tdrop\na",
        "SELECT 1 FROM t WHERE drop = 1",
        "SELECT truncate(1.5)",
        "EXPLAIN DROP TABLE t",
        "WITH a AS (SELECT 1) DROP TABLE t",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN DROP TABLE t; END",
        "'a' DROP",
        "SELECT 'a\\'; DROP TABLE t; --'",
        "SELECT 1/*/ */DROP TABLE t",
    ] {
        assert_eq!(query(sql).unwrap_err().code(), "sql_blocked", "{sql}");
        assert_eq!(execute(sql).unwrap_err().code(), "sql_blocked", "{sql}");
    }
}

#[test]
fn a_second_statement_is_refused_however_it_is_hidden() {
    for sql in [
        "SELECT 1; SELECT 2",
        "SELECT 1;;",
        "SELECT 1; ;",
        "SELECT 1; 2",
        "SELECT 1; 'x'",
        "SELECT 1; --\nDELETE FROM t",
        "SELECT 1 /* ; */; DELETE FROM t",
        "SELECT 'a'';'; DELETE FROM t",
        "SELECT \"a\"\";\"; DELETE FROM t",
        "SELECT [a];DELETE FROM t",
        "SELECT 1 --;\r; DELETE FROM t\n; DELETE FROM t",
        "INSERT INTO t VALUES (1); DELETE FROM t",
        "CREATE TABLE trigger_ (a); DELETE FROM t",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; DELETE FROM t",
        "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; DELETE FROM t",
    ] {
        let codes = [query(sql).unwrap_err().code(), execute(sql).unwrap_err().code()];
        assert_eq!(codes, ["multiple_statements"; 2], "{sql}");
    }
}

#[test]
fn a_trigger_holds_statements_of_its_own() {
    for sql in [
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; UPDATE v SET a = 1; END",
        "create temporary trigger x after insert on t begin select case when 1 then 2 end; end ;",
        "CREATE TRIGGER IF NOT EXISTS x AFTER INSERT ON t BEGIN SELECT 'END;'; END; -- end\n",
        // No END of the trigger: not the first of its statement. SQLite says what is wrong with it.
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; (END); SELECT 2; END",
    ] {
        assert_eq!(execute(sql).unwrap(), Verb::Define, "{sql}");
    }
}

#[test]
fn what_leaves_the_database_or_changes_the_engine_is_refused() {
    for sql in [
        "ATTACH 'x' AS y",
        "DETACH y",
        "PRAGMA journal_mode = OFF",
        "pragma/**/writable_schema=1",
        "VACUUM",
        "VACUUM INTO 'x'",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT a",
        "RELEASE a",
        "EXPLAIN PRAGMA user_version = 1",
        "EXPLAIN QUERY PLAN VACUUM",
    ] {
        assert_eq!(query(sql).unwrap_err().code(), "sql_blocked", "{sql}");
        assert_eq!(execute(sql).unwrap_err().code(), "sql_blocked", "{sql}");
    }
}

#[test]
fn text_that_is_no_statement_is_refused() {
    for sql in ["", " ", "-- x", "/* x", "SELEC 1", "'a'", "1", "SELECT 'a", "SELECT 1\0; DROP", "é", "$a(')"]
    {
        assert_eq!(query(sql).unwrap_err().code(), "sql_error", "{sql:?}");
        assert_eq!(execute(sql).unwrap_err().code(), "sql_error", "{sql:?}");
    }
    assert_eq!(query(";").unwrap_err().code(), "sql_blocked");
    assert_eq!(
        query("SELEC 1").unwrap_err().message(),
        "near \"SELEC\": a statement here begins with SELECT, WITH, VALUES or EXPLAIN"
    );
}

#[test]
fn length_is_counted_in_characters() {
    assert!(check(&format!("SELECT '{}'", "ä".repeat(91)), Mode::Query, 100).is_ok());
    let error = check(&format!("SELECT '{}'", "ä".repeat(92)), Mode::Query, 100).unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        ("sql_too_long", "the statement is longer than 100 characters")
    );
}

/// How many statements SQLite finds in a text, as far as they compile.
fn statements(sql: &str) -> usize {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE t (a, b); CREATE TABLE u (a, b)").unwrap();
    let mut batch = Batch::new(&connection, sql);
    let mut count = 0;
    while let Ok(Some(_)) = batch.next() {
        count += 1;
    }
    count
}

/// Pieces that have a meaning to a lexer of SQL, so that random texts are near to statements.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "SELECT",
        "1",
        "a",
        "FROM",
        "t",
        "u",
        ";",
        ";",
        "'",
        "''",
        "\"",
        "`",
        "[",
        "]",
        "--",
        "\n",
        "/*",
        "*/",
        "/",
        "*",
        "-",
        "(",
        ")",
        ",",
        " ",
        " ",
        "DROP TABLE t",
        "TRUNCATE",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1,2)",
        "WITH",
        "AS",
        "EXPLAIN",
        "BEGIN",
        "END",
        "END;",
        "CREATE",
        "TRIGGER",
        "TEMP",
        "x AFTER INSERT ON t",
        "$a",
        ":",
        "::",
        "@",
        "#",
        "?1",
        "x'",
        "00",
        "\\",
        "\r",
        "\u{b}",
        "\u{c}",
        "\0",
        "\u{feff}",
        "é",
        "1e",
        ".",
        "|",
        "||",
        "PRAGMA",
        "SELECT 1",
        "SELECT 1;",
        "CASE",
        "WHEN 1 THEN 2",
        "VALUES(1)",
        "\u{a0}",
        "$a(",
        "->",
        "!=",
        "_",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_guard_panic(sql in ".*") {
        let _ = (query(&sql), execute(&sql));
    }

    #[test]
    fn sqlite_finds_one_statement_in_what_the_guard_passes(sql in pieces()) {
        if query(&sql).is_ok() || execute(&sql).is_ok() {
            prop_assert!(statements(&sql) <= 1, "{sql:?}");
        }
    }

    #[test]
    fn a_passed_query_never_drops(head in "[ a-z0-9'\"`\\[\\]/*;$(-]{0,12}", tail in "[ a-z0-9'\"`\\[\\]/*;$)-]{0,12}") {
        let sql = format!("SELECT {head} DROP TABLE t {tail}");
        if execute(&sql).is_ok() || query(&sql).is_ok() {
            // Passed, so the words stood in a literal or a comment: at most the SELECT is there to run.
            prop_assert!(statements(&sql) <= 1, "{sql:?}");
        }
    }
}
