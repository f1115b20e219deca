//! Calls that take long: they tell of it, and end when their caller gives up.

use std::sync::Arc;
use std::time::Duration;

use mcp_core::testing::Client;
use mcp_core::{PackOptions, Revision, Server};
use serde_json::{Value, json};
use toolpack_ops::Error;
use toolpack_ops::bext;
use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};
use toolpack_ops::bext::engine::{AppRef, Changes, Database, Engines, Rows, Statement};

use super::Bench;

/// A database that takes three and a half seconds for anything.
#[derive(Debug)]
struct Slow;

#[async_trait::async_trait]
impl Database for Slow {
    async fn query(&self, _: &AppRef, _: Statement) -> Result<Rows, Error> {
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        Ok(Rows { columns: Vec::new(), rows: Vec::new(), row_count: 0, truncated: false })
    }

    async fn execute(&self, _: &AppRef, _: Statement) -> Result<Changes, Error> {
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        Ok(Changes { changes: 1, last_insert_id: None })
    }
}

#[tokio::test]
async fn each_second_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Embedded::open(directory.path(), EmbeddedConfig::default()).await.unwrap();
    let engines = Arc::new(Engines::of(engine).with_database(Arc::new(Slow)));
    // Time stands still, and goes on by itself when there is nothing else to do.
    tokio::time::pause();
    for revision in Revision::NEWEST {
        let server = Server::new("test", "1.0.0").pack(bext::pack(engines.clone()), PackOptions::new());
        let client = Client::with_revision(server, revision).await;
        for tool in ["db_query", "db_execute"] {
            let reply = client.call(tool, json!({ "instance_id": "local", "sql": "" })).await;
            assert!(!reply.is_error(), "{}", reply.text());
            let told: Vec<Value> = reply
                .reply()
                .notifications()
                .iter()
                .map(|note| json!([note["params"]["progress"], note["params"]["message"]]))
                .collect();
            let want = [1, 2, 3].map(|n| json!([f64::from(n), format!("running for {n} s")]));
            assert_eq!(told, want, "{tool}");
        }
    }
}

/// There is one place to run in, and an endless query in it: whoever comes next can run only if it really ends.
#[tokio::test]
async fn a_cancelled_statement_gives_way() {
    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n)";
    for revision in Revision::NEWEST {
        let bench = Bench::with(revision, EmbeddedConfig::default().with_max_running(1)).await;
        bench.get("db_execute", json!({ "sql": "CREATE TABLE t (a)" })).await;
        for (tool, sql) in [
            ("db_query", format!("{ENDLESS} SELECT count(*) FROM n")),
            ("db_execute", format!("INSERT INTO t {ENDLESS} SELECT i FROM n")),
        ] {
            let params = json!({ "name": tool, "arguments": { "instance_id": "local", "sql": sql } });
            let mut endless = bench.client.start("tools/call", params);
            let note = endless.notification().await.expect("it has not ended by itself");
            let id = note["params"]["progressToken"].clone();
            endless.cancel().await;
            let rows = bench.get("db_query", json!({ "sql": "SELECT count(*) FROM t" })).await;
            assert_eq!(rows["rows"], json!([[0]]), "{tool}");
            // A request that was cancelled is not answered.
            let answered = |(sent, message): &(bool, Value)| !sent && message["id"] == id;
            assert!(!bench.client.transcript().iter().any(answered), "{tool}");
        }
    }
}
