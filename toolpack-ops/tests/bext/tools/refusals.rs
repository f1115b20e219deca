//! What the tools refuse: the code, the argument at fault, and words from which a model can correct the call.

use mcp_core::Revision;
use serde_json::{Value, json};
use toolpack_ops::bext::engine::embedded::EmbeddedConfig;

use super::Bench;

/// A refused call: tool, arguments, code, pointer, and something that its text says.
type Case = (&'static str, Value, &'static str, Option<&'static str>, &'static str);

fn cases() -> Vec<Case> {
    vec![
        // What the schema refuses.
        ("db_query", json!({}), "invalid_arguments", Some("/sql"), "required"),
        ("db_query", json!({ "sql": 1 }), "invalid_arguments", Some("/sql"), "of type string"),
        (
            "db_query",
            json!({ "sql": "SELECT 1", "params": "a" }),
            "invalid_arguments",
            Some("/params"),
            "array",
        ),
        (
            "db_query",
            json!({ "sql": "SELECT ?1", "params": [[1]] }),
            "invalid_arguments",
            Some("/params/0"),
            "type",
        ),
        (
            "db_query",
            json!({ "sql": "SELECT ?1", "params": [{}] }),
            "invalid_arguments",
            Some("/params/0"),
            "type",
        ),
        (
            "db_query",
            json!({ "query": "SELECT 1", "sql": "" }),
            "invalid_arguments",
            Some("/query"),
            "not known",
        ),
        (
            "db_query",
            json!({ "sqll": "SELECT 1", "sql": "" }),
            "invalid_arguments",
            Some("/sqll"),
            "did you mean `sql`?",
        ),
        (
            "db_query",
            json!({ "sql": "SELECT 1", "app": "../x" }),
            "invalid_arguments",
            Some("/app"),
            "^[a-z0-9_-]",
        ),
        ("kv_get", json!({ "key": "" }), "invalid_arguments", Some("/key"), "at least 1"),
        ("kv_get", json!({ "key": "k".repeat(513) }), "invalid_arguments", Some("/key"), "at most 512"),
        ("kv_get", json!({ "key": 7 }), "invalid_arguments", Some("/key"), "of type string"),
        ("kv_set", json!({ "key": "k" }), "invalid_arguments", Some("/value"), "required"),
        (
            "kv_set",
            json!({ "key": "k", "value": { "a": 1 } }),
            "invalid_arguments",
            Some("/value"),
            "of type string",
        ),
        (
            "kv_set",
            json!({ "key": "k", "value": "x".repeat(1_048_577) }),
            "invalid_arguments",
            Some("/value"),
            "1048576",
        ),
        (
            "kv_set",
            json!({ "key": "k", "value": "v", "ttl": 0 }),
            "invalid_arguments",
            Some("/ttl"),
            "at least 1",
        ),
        (
            "kv_set",
            json!({ "key": "k", "value": "v", "ttl": -5 }),
            "invalid_arguments",
            Some("/ttl"),
            "at least 1",
        ),
        (
            "kv_set",
            json!({ "key": "k", "value": "v", "ttl": 1.5 }),
            "invalid_arguments",
            Some("/ttl"),
            "integer",
        ),
        (
            "kv_set",
            json!({ "key": "k", "value": "v", "ttl": "60" }),
            "invalid_arguments",
            Some("/ttl"),
            "integer",
        ),
        (
            "kv_set",
            json!({ "key": "k", "value": "v", "ttl": 1e18 }),
            "invalid_arguments",
            Some("/ttl"),
            "at most",
        ),
        ("kv_delete", json!({}), "invalid_arguments", Some("/key"), "required"),
        ("kv_list", json!({ "limit": 0 }), "invalid_arguments", Some("/limit"), "at least 1"),
        ("kv_list", json!({ "limit": 1001 }), "invalid_arguments", Some("/limit"), "at most 1000"),
        ("kv_list", json!({ "cursor": "" }), "invalid_arguments", Some("/cursor"), "at least 1"),
        ("list_instances", json!({ "limit": 201 }), "invalid_arguments", Some("/limit"), "at most 200"),
        // What the engine refuses.
        (
            "db_query",
            json!({ "sql": "SELECT * FROM users" }),
            "table_not_found",
            Some("/sql"),
            "no such table: users",
        ),
        (
            "db_query",
            json!({ "sql": "SELECT nope FROM t" }),
            "column_not_found",
            Some("/sql"),
            "no such column: nope",
        ),
        ("db_query", json!({ "sql": "SELEC 1" }), "sql_error", Some("/sql"), "SELEC"),
        ("db_query", json!({ "sql": "" }), "sql_error", Some("/sql"), "no statement"),
        (
            "db_query",
            json!({ "sql": "INSERT INTO t VALUES (1)" }),
            "not_read_only",
            Some("/sql"),
            "db_execute",
        ),
        (
            "db_query",
            json!({ "sql": "SELECT 1; SELECT 2" }),
            "multiple_statements",
            Some("/sql"),
            "one statement",
        ),
        (
            "db_query",
            json!({ "sql": "SELECT 1; DROP TABLE t" }),
            "sql_blocked",
            Some("/sql"),
            "DROP is blocked",
        ),
        ("db_query", json!({ "sql": "PRAGMA user_version" }), "sql_blocked", Some("/sql"), "PRAGMA"),
        (
            "db_query",
            json!({ "sql": "SELECT load_extension('x')" }),
            "sql_blocked",
            Some("/sql"),
            "load_extension",
        ),
        (
            "db_query",
            json!({ "sql": format!("SELECT '{}'", "x".repeat(10_000)) }),
            "sql_too_long",
            Some("/sql"),
            "10000",
        ),
        ("db_query", json!({ "sql": "SELECT ?1" }), "params_mismatch", Some("/params"), "1 parameters"),
        (
            "db_query",
            json!({ "sql": "SELECT 1", "params": [1, 2] }),
            "params_mismatch",
            Some("/params"),
            "2 values",
        ),
        ("db_query", json!({ "sql": "SELECT zeroblob(9000000)" }), "too_big", Some("/sql"), "1 MiB"),
        ("db_execute", json!({ "sql": "dRoP/**/TABLE t" }), "sql_blocked", Some("/sql"), "DROP is blocked"),
        (
            "db_execute",
            json!({ "sql": "TRUNCATE TABLE t" }),
            "sql_blocked",
            Some("/sql"),
            "TRUNCATE is blocked",
        ),
        ("db_execute", json!({ "sql": "ALTER TABLE t DROP COLUMN a" }), "sql_blocked", Some("/sql"), "DROP"),
        ("db_execute", json!({ "sql": "ATTACH 'x' AS y" }), "sql_blocked", Some("/sql"), "ATTACH"),
        ("db_execute", json!({ "sql": "VACUUM INTO '/tmp/x'" }), "sql_blocked", Some("/sql"), "VACUUM"),
        ("db_execute", json!({ "sql": "BEGIN" }), "sql_blocked", Some("/sql"), "transaction"),
        ("db_execute", json!({ "sql": "SELECT 1" }), "not_a_write", Some("/sql"), "db_query"),
        (
            "db_execute",
            json!({ "sql": "INSERT INTO t VALUES (9) RETURNING a" }),
            "returning_unsupported",
            Some("/sql"),
            "RETURNING",
        ),
        ("db_execute", json!({ "sql": "INSERT INTO t VALUES (1)" }), "constraint_violation", None, "UNIQUE"),
        (
            "kv_set",
            json!({ "key": "k", "value": "é".repeat(600_000) }),
            "value_too_large",
            Some("/value"),
            "1200000 bytes",
        ),
        ("kv_list", json!({ "cursor": "nonsense" }), "invalid_cursor", Some("/cursor"), "next_cursor"),
        ("list_instances", json!({ "cursor": "nonsense" }), "invalid_cursor", Some("/cursor"), "next_cursor"),
    ]
}

#[tokio::test]
async fn a_refusal_says_what_is_wrong_and_where() {
    for revision in Revision::NEWEST {
        let bench = Bench::new(revision).await;
        bench.get("db_execute", json!({ "sql": "CREATE TABLE t (a UNIQUE)" })).await;
        bench.get("db_execute", json!({ "sql": "INSERT INTO t VALUES (1)" })).await;
        for (name, arguments, code, pointer, says) in cases() {
            let shown: String = format!("{name} {arguments}").chars().take(120).collect();
            let reply = bench.call(name, arguments).await;
            let detail = &reply.reply().result()["_meta"]["toolpack/error"];
            let want = match pointer {
                Some(pointer) => json!({ "code": code, "retry": "never", "pointer": pointer }),
                None => json!({ "code": code, "retry": "never" }),
            };
            assert_eq!(detail, &want, "{shown}: {}", reply.text());
            assert_eq!(reply.error_code(), code, "{shown}");
            let text = reply.text();
            assert!(text.contains(says) && text.ends_with(&format!("[{code}]")), "{shown}: {text}");
            assert_eq!(reply.reply().result().get("structuredContent"), None, "{shown}");
        }
        // None of it left a trace.
        let rows = bench.get("db_query", json!({ "sql": "SELECT a FROM t" })).await;
        assert_eq!(rows["rows"], json!([[1]]));
        assert_eq!(bench.get("kv_list", json!({})).await["count"], 0);
    }
}

/// An instance that is not known is refused before the tool looks at anything else, however wrong the rest is.
#[tokio::test]
async fn an_unknown_instance_comes_first() {
    let bench = Bench::new(Revision::V2026_07_28).await;
    for (name, arguments) in [
        ("db_query", json!({ "sql": "DROP TABLE t; SELECT" })),
        ("db_execute", json!({ "sql": "x".repeat(50_000), "params": [1] })),
        ("kv_get", json!({ "key": "k" })),
        ("kv_set", json!({ "key": "k", "value": "é".repeat(600_000) })),
        ("kv_delete", json!({ "key": "k" })),
        ("kv_list", json!({ "cursor": "nonsense" })),
    ] {
        let mut arguments = arguments;
        arguments["instance_id"] = json!("elsewhere");
        let reply = bench.call(name, arguments).await;
        let detail = &reply.reply().result()["_meta"]["toolpack/error"];
        let want = json!({ "code": "instance_not_found", "retry": "never", "pointer": "/instance_id" });
        assert_eq!(detail, &want, "{name}");
        assert_eq!(
            reply.text(),
            "there is no instance \"elsewhere\"; known: local [instance_not_found]",
            "{name}"
        );
    }
}

/// The cursor of one list, app or prefix is none of another.
#[tokio::test]
async fn a_cursor_is_of_one_list() {
    let bench = Bench::new(Revision::V2026_07_28).await;
    for key in ["a:1", "a:2", "b:1"] {
        bench.get("kv_set", json!({ "key": key, "value": "" })).await;
    }
    let page = bench.get("kv_list", json!({ "prefix": "a:", "limit": 1 })).await;
    let cursor = page["next_cursor"].clone();
    for (name, arguments) in [
        ("list_instances", json!({ "cursor": cursor })),
        ("kv_list", json!({ "prefix": "b:", "cursor": cursor })),
    ] {
        assert_eq!(bench.call(name, arguments).await.error_code(), "invalid_cursor", "{name}");
    }
}

#[tokio::test]
async fn a_statement_past_its_time_is_ended() {
    let config = EmbeddedConfig::default().with_statement_timeout_ms(200);
    let bench = Bench::with(Revision::V2026_07_28, config).await;
    let endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let reply = bench.call("db_query", json!({ "sql": endless })).await;
    assert_eq!(
        reply.text(),
        "the statement was ended after its limit of 0.2 s; nothing was changed [statement_timeout]"
    );
}

/// The cause of a failure is for the log, never for the caller.
#[tokio::test]
async fn a_broken_store_does_not_show_where_it_lies() {
    let bench = Bench::new(Revision::V2026_07_28).await;
    bench.get("kv_set", json!({ "app": "shop", "key": "k", "value": "v" })).await;
    let files = bench.directory.path().join("instances/local/apps/broken");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("kv.sqlite"), "no database").unwrap();
    let reply = bench.call("kv_get", json!({ "app": "broken", "key": "k" })).await;
    assert_eq!(reply.text(), "the store does not open or answer [store_unavailable]");
    assert_eq!(
        reply.reply().result()["_meta"]["toolpack/error"],
        json!({ "code": "store_unavailable", "retry": "later" })
    );
    assert_eq!(bench.get("kv_get", json!({ "app": "shop", "key": "k" })).await["value"], "v");
}
