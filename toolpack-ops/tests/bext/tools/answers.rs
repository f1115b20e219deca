//! What the tools answer when all is well: the exact members, in both eras.

use std::time::Duration;

use mcp_core::Revision;
use serde_json::{Value, json};
use toolpack_ops::bext::engine::embedded::EmbeddedConfig;

use super::Bench;

#[tokio::test]
async fn instances_are_listed_with_their_health() {
    for revision in Revision::NEWEST {
        let bench = Bench::new(revision).await;
        let instance = json!({
            "id": "local",
            "name": "local",
            "url": "",
            "status": "healthy",
            "last_checked_at": "2026-01-01T00:00:00Z",
            "version": env!("CARGO_PKG_VERSION"),
        });
        let want = json!({ "instances": [instance], "count": 1 });
        assert_eq!(bench.get("list_instances", json!({})).await, want);
        assert_eq!(bench.get("list_instances", json!({ "limit": 1, "cursor": null })).await, want);
    }
}

#[tokio::test]
async fn instances_come_in_pages() {
    let bench = Bench::new(Revision::V2026_07_28).await;
    let row = |id| format!("[[instance]]\nid = \"{id}\"\nurl = \"http://{id}.example:3000\"\n");
    let rows = ["c", "a", "b"].map(row).concat();
    std::fs::write(bench.directory.path().join("instances.toml"), rows).unwrap();
    let mut seen = Vec::new();
    let mut arguments = json!({ "limit": 2 });
    loop {
        let page = bench.get("list_instances", arguments.clone()).await;
        assert_eq!(page["count"], page["instances"].as_array().unwrap().len());
        seen.extend(page["instances"].as_array().unwrap().iter().map(|instance| instance["url"].clone()));
        match page.get("next_cursor") {
            Some(cursor) => arguments["cursor"] = cursor.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c"].map(|id| format!("http://{id}.example:3000")));
}

#[tokio::test]
async fn a_table_is_made_filled_and_read() {
    for revision in Revision::NEWEST {
        let bench = Bench::new(revision).await;
        let app = "shop";
        let create =
            json!({ "app": app, "sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name, age, vip, note)" });
        assert_eq!(bench.get("db_execute", create).await, json!({ "changes": 0, "last_insert_id": 0 }));

        let sql = "INSERT INTO users (name, age, vip, note) VALUES (?1, ?2, ?3, ?4), (?5, 2.5, 0, x'00ff')";
        let params = json!([
            "Robert'); DROP TABLE users;--",
            9_007_199_254_740_993_i64,
            true,
            null,
            "ä\u{0}\u{1f600}"
        ]);
        let insert = json!({ "app": app, "sql": sql, "params": params });
        assert_eq!(bench.get("db_execute", insert).await, json!({ "changes": 2, "last_insert_id": 2 }));

        let query = json!({
            "app": app,
            "sql": "SELECT name, age, vip, note FROM users WHERE id <= ?1 ORDER BY id",
            "params": [2],
        });
        let want = json!({
            "columns": ["name", "age", "vip", "note"],
            "rows": [
                ["Robert'); DROP TABLE users;--", 9_007_199_254_740_993_i64, 1, null],
                ["ä\u{0}\u{1f600}", 2.5, 0, "x'00ff'"],
            ],
            "row_count": 2,
            "truncated": false,
        });
        assert_eq!(bench.get("db_query", query).await, want);

        // What the descriptions tell the model to ask.
        let tables = json!({ "app": app, "sql": "SELECT name FROM sqlite_schema WHERE type = 'table'" });
        assert_eq!(bench.get("db_query", tables).await["rows"], json!([["users"]]));
        let columns = json!({ "app": app, "sql": "SELECT name FROM pragma_table_info('users')" });
        assert_eq!(bench.get("db_query", columns).await["row_count"], 5);
    }
}

#[tokio::test]
async fn an_app_that_stored_nothing_reads_as_empty() {
    let bench = Bench::new(Revision::V2026_07_28).await;
    let query = json!({ "app": "nobody", "sql": "SELECT name FROM sqlite_schema" });
    let want = json!({ "columns": ["name"], "rows": [], "row_count": 0, "truncated": false });
    assert_eq!(bench.get("db_query", query).await, want);
    let get = json!({ "app": "nobody", "key": "k" });
    assert_eq!(bench.get("kv_get", get.clone()).await, json!({ "key": "k", "found": false }));
    assert_eq!(bench.get("kv_list", json!({ "app": "nobody" })).await, json!({ "keys": [], "count": 0 }));
    assert_eq!(bench.get("kv_delete", get).await, json!({ "deleted": false }));
    // Reading has made nothing.
    assert!(!bench.directory.path().join("instances").exists());
}

#[tokio::test]
async fn the_app_default_is_the_one_that_is_meant_without_a_name() {
    let bench = Bench::new(Revision::V2026_07_28).await;
    bench.get("kv_set", json!({ "key": "k", "value": "v" })).await;
    for app in [json!("default"), Value::Null] {
        assert_eq!(bench.get("kv_get", json!({ "app": app, "key": "k" })).await["value"], "v");
    }
    assert_eq!(bench.get("kv_get", json!({ "app": "other", "key": "k" })).await["found"], false);
}

#[tokio::test]
async fn rows_past_the_limit_are_cut_and_said_to_be() {
    let config = EmbeddedConfig::default().with_max_rows(3).with_max_result_bytes(1_000);
    let bench = Bench::with(Revision::V2026_07_28, config).await;
    let numbers =
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT ?1) SELECT i FROM n";
    for (limit, want) in [
        (3, json!({ "columns": ["i"], "rows": [[1], [2], [3]], "row_count": 3, "truncated": false })),
        (4, json!({ "columns": ["i"], "rows": [[1], [2], [3]], "row_count": 3, "truncated": true })),
    ] {
        assert_eq!(bench.get("db_query", json!({ "sql": numbers, "params": [limit] })).await, want);
    }
    let wide = json!({ "sql": "VALUES (hex(zeroblob(300))), (hex(zeroblob(300)))" });
    let rows = bench.get("db_query", wide).await;
    assert_eq!((&rows["row_count"], &rows["truncated"]), (&json!(1), &json!(true)));
}

#[tokio::test]
async fn keys_live_as_long_as_they_should() {
    for revision in Revision::NEWEST {
        let bench = Bench::new(revision).await;
        let set = json!({ "key": "session:ä", "value": "{\"a\":1}\u{0}", "ttl": 60 });
        let at = "2026-01-01T00:01:00Z";
        let want = json!({ "key": "session:ä", "set": true, "expires_at": at });
        assert_eq!(bench.get("kv_set", set.clone()).await, want);
        let get = json!({ "key": "session:ä" });
        let want = json!({ "key": "session:ä", "found": true, "value": "{\"a\":1}\u{0}", "expires_at": at });
        assert_eq!(bench.get("kv_get", get.clone()).await, want);

        bench.clock.advance(Duration::from_secs(59));
        assert_eq!(bench.get("kv_get", get.clone()).await["found"], true);
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(bench.get("kv_get", get.clone()).await, json!({ "key": "session:ä", "found": false }));
        assert_eq!(bench.get("kv_list", json!({})).await, json!({ "keys": [], "count": 0 }));
        assert_eq!(bench.get("kv_delete", get.clone()).await, json!({ "deleted": false }));

        // Without a lifetime the earlier one is gone.
        bench.get("kv_set", set).await;
        let again = json!({ "key": "session:ä", "value": "" });
        assert_eq!(bench.get("kv_set", again).await, json!({ "key": "session:ä", "set": true }));
        bench.clock.advance(Duration::from_secs(1_000_000));
        assert_eq!(
            bench.get("kv_get", get.clone()).await,
            json!({ "key": "session:ä", "found": true, "value": "" })
        );
        assert_eq!(bench.get("kv_delete", get.clone()).await, json!({ "deleted": true }));
        assert_eq!(bench.get("kv_delete", get).await, json!({ "deleted": false }));
    }
}

#[tokio::test]
async fn keys_come_in_pages_by_prefix() {
    let bench = Bench::new(Revision::V2026_07_28).await;
    for key in ["a", "b:3", "b:1", "b:2", "b:4", "b:5", "c"] {
        bench.get("kv_set", json!({ "key": key, "value": key })).await;
    }
    let mut pages = Vec::new();
    let mut arguments = json!({ "prefix": "b:", "limit": 2 });
    loop {
        let page = bench.get("kv_list", arguments.clone()).await;
        pages.push(page["keys"].clone());
        assert_eq!(page["count"], page["keys"].as_array().unwrap().len());
        match page.get("next_cursor") {
            Some(cursor) => arguments["cursor"] = cursor.clone(),
            None => break,
        }
    }
    assert_eq!(pages, [json!(["b:1", "b:2"]), json!(["b:3", "b:4"]), json!(["b:5"])]);
    let all = bench.get("kv_list", json!({})).await;
    assert_eq!((&all["count"], all.get("next_cursor")), (&json!(7), None));
}
