//! A server that writes a log, and the log as lines that can be edited.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use mcp_audit::{AuditConfig, AuditLog, DamageKind, Report, Sink, verify};
use mcp_core::{Annotations, Empty, Server, Text, testing::Client, tool_fn};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// Every sink that keeps a chain.
pub(crate) const SINKS: [Sink; 2] = [Sink::Files, Sink::Sqlite];

/// What is to be stored.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Store {
    pub(crate) key: String,
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    #[allow(dead_code)]
    value: String,
}

/// A server with this log, a tool that counts how often it ran, and one that only reads.
pub(crate) fn server(log: &AuditLog, runs: &Arc<AtomicUsize>) -> Server {
    let runs = Arc::clone(runs);
    let store = tool_fn("store", Annotations::write(), move |store: Store, _| {
        runs.fetch_add(1, Ordering::SeqCst);
        async move { Ok(Text::new(store.key)) }
    });
    let look = tool_fn("look", Annotations::read_only(), async |_: Empty, _| Ok(Text::new("nothing")));
    Server::new("test", "1").audit(log.clone()).add(store).add(look)
}

/// A log of so many calls that changed something, two records each, and what became of the chain.
pub(crate) async fn written(config: &AuditConfig, calls: usize) -> mcp_audit::Head {
    let log = AuditLog::open(config.clone()).unwrap();
    let client = Client::new(server(&log, &Arc::default())).await;
    for call in 0..calls {
        assert_eq!(client.call("store", json!({"key": format!("k{call}")})).await.text(), format!("k{call}"));
    }
    log.flush().await.unwrap();
    log.head().unwrap()
}

/// The configuration of a log in a directory of its own.
pub(crate) fn config(sink: Sink) -> (tempfile::TempDir, AuditConfig) {
    let directory = tempfile::tempdir().unwrap();
    let config = AuditConfig::new(directory.path().join("audit")).required().sink(sink);
    (directory, config)
}

/// The files of a log, in order.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files
}

/// The lines of a log.
pub(crate) fn lines(config: &AuditConfig) -> Vec<String> {
    if config.sink == Sink::Files {
        let text: String =
            files(&config.directory).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        return text.lines().map(str::to_owned).collect();
    }
    let database = rusqlite::Connection::open(config.directory.join("audit.sqlite")).unwrap();
    let mut lines = database.prepare("SELECT line FROM records ORDER BY id").unwrap();
    lines.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The records of a log.
pub(crate) fn records(config: &AuditConfig) -> Vec<Value> {
    lines(config).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Puts other lines in place of those of a log, of one file.
pub(crate) fn put(config: &AuditConfig, lines: &[String]) {
    if config.sink == Sink::Files {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        return fs::write(&files(&config.directory)[0], text).unwrap();
    }
    let database = rusqlite::Connection::open(config.directory.join("audit.sqlite")).unwrap();
    database.execute("DELETE FROM records", ()).unwrap();
    for (at, line) in lines.iter().enumerate() {
        database.execute("INSERT INTO records (id, line) VALUES (?1, ?2)", (at as i64 + 1, line)).unwrap();
    }
}

/// Looks at a log.
pub(crate) fn report(config: &AuditConfig) -> Report {
    verify(&config.directory).unwrap()
}

/// What is wrong with a log, each with the number of its line.
pub(crate) fn damage(config: &AuditConfig) -> Vec<(Option<u64>, DamageKind)> {
    report(config).damage.into_iter().map(|damage| (damage.place.line, damage.kind)).collect()
}

/// Looks at a log that has to be whole.
pub(crate) fn whole(config: &AuditConfig) -> Report {
    let report = report(config);
    assert!(report.is_whole(), "{report}");
    report
}
