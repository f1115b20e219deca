//! Several processes at one directory, and one that is killed.
//!
//! The other process is this test binary, told by a variable what to do.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use toolpack_ops::bext::engine::embedded::{Embedded, EmbeddedConfig};
use toolpack_ops::bext::engine::{
    AppRef, Cell, Database, KeyValue, ListKeys, PageSize, Param, SetKey, Statement,
};

const DIRECTORY: &str = "TOOLPACK_OPS_TEST_DIRECTORY";
const NAME: &str = "TOOLPACK_OPS_TEST_NAME";
const COUNT: &str = "TOOLPACK_OPS_TEST_COUNT";

fn app() -> AppRef {
    AppRef::new("local".parse().unwrap(), "shop".parse().unwrap())
}

/// A process that writes; killed when dropped.
struct Writer {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Writer {
    fn start(directory: &Path, name: &str, count: usize) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bext::processes::writes_until_it_is_done", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(NAME, name)
            .env(COUNT, count.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, answers }
    }

    /// The next write it has been told to be done; none when it has ended.
    fn next_done(&mut self) -> Option<usize> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.answers.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // A line cut short by the kill is no answer.
            if let Some(done) = line.strip_prefix("done ").and_then(|rest| rest.strip_suffix('\n')) {
                return Some(done.parse().unwrap());
            }
        }
    }

    fn kill(&mut self) {
        // SIGKILL on Unix. It fails only where the process has ended.
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The other process: writes rows and keys, and says of each when it is done.
#[tokio::test]
#[ignore = "run by the other tests as a process of its own"]
async fn writes_until_it_is_done() {
    let variable = |name| std::env::var(name).unwrap();
    let (name, count) = (variable(NAME), variable(COUNT).parse::<usize>().unwrap());
    let engine = Embedded::open(variable(DIRECTORY), EmbeddedConfig::default()).await.unwrap();
    let create = Statement::new("CREATE TABLE IF NOT EXISTS t (writer TEXT, n INTEGER)");
    engine.execute(&app(), create).await.unwrap();
    for n in 0..count {
        let params = vec![Param::Text(name.clone()), Param::Integer(n as i64)];
        let insert = Statement::new("INSERT INTO t VALUES (?1, ?2)").with_params(params);
        engine.execute(&app(), insert).await.unwrap();
        let key = format!("{name}-{n:06}").parse().unwrap();
        engine.set(&app(), &key, SetKey::new(n.to_string().parse().unwrap())).await.unwrap();
        let mut out = std::io::stdout();
        // The test harness ends no line before a test, so each answer begins one.
        write!(out, "\ndone {n}\n").unwrap();
        out.flush().unwrap();
    }
}

/// Another process, as its limit holds for all SQLite in a process: here, all other tests.
#[tokio::test]
#[ignore = "run by another test as a process of its own"]
async fn memory_in_a_process_of_its_own() {
    let config = EmbeddedConfig::default().with_process_heap_bytes(64 << 20);
    let engine = Embedded::open(std::env::var(DIRECTORY).unwrap(), config).await.unwrap();
    let bomb = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 500)
        SELECT length(x) FROM (SELECT randomblob(1000000) x FROM n ORDER BY x)";
    let error = engine.query(&app(), Statement::new(bomb)).await.unwrap_err();
    assert_eq!(error.code(), "out_of_memory");
    assert_eq!(engine.query(&app(), Statement::new("SELECT 1")).await.unwrap().row_count, 1);
}

#[test]
fn memory_has_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bext::processes::memory_in_a_process_of_its_own", "--ignored"])
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

async fn rows_of(engine: &Embedded, writer: &str) -> usize {
    let sql = "SELECT count(DISTINCT n), coalesce(max(n) + 1, 0) FROM t WHERE writer = ?1";
    let statement = Statement::new(sql).with_params(vec![Param::Text(writer.to_owned())]);
    let rows = engine.query(&app(), statement).await.unwrap();
    let [Cell::Integer(count), Cell::Integer(end)] = rows.rows[0][..] else { panic!("{rows:?}") };
    assert_eq!(count, end, "rows without gaps");
    usize::try_from(count).unwrap()
}

async fn keys_of(engine: &Embedded, writer: &str) -> usize {
    let mut count = 0;
    let mut cursor = None;
    loop {
        let options = ListKeys::default()
            .with_prefix(format!("{writer}-").parse().unwrap())
            .with_limit(PageSize::try_from(1000).unwrap())
            .with_cursor(cursor);
        let page = engine.list(&app(), options).await.unwrap();
        count += page.keys.len();
        cursor = page.next_cursor;
        if cursor.is_none() {
            return count;
        }
    }
}

#[tokio::test]
async fn what_was_done_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    // From the first write on, and in the midst of many.
    for (name, kill_after) in [("early", 1), ("late", 60)] {
        let mut writer = Writer::start(directory.path(), name, usize::MAX);
        let mut done = 0;
        while done < kill_after {
            done = writer.next_done().unwrap() + 1;
        }
        writer.kill();
        // What it said between our last look and the kill counts too.
        while let Some(n) = writer.next_done() {
            done = n + 1;
        }
        let engine = Embedded::open(directory.path(), EmbeddedConfig::default()).await.unwrap();
        let (rows, keys) = (rows_of(&engine, name).await, keys_of(&engine, name).await);
        // One write may have been kept and not been answered any more.
        assert!((done..=done + 1).contains(&rows), "{name}: {rows} rows of {done}");
        assert!((done..=done + 1).contains(&keys), "{name}: {keys} keys of {done}");
        let insert = Statement::new("INSERT INTO t VALUES ('after', 0)");
        engine.execute(&app(), insert).await.unwrap();
    }
}

#[tokio::test]
async fn processes_share_a_directory_from_its_first_start() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["one", "two", "three"];
    let mut writers = names.map(|name| Writer::start(directory.path(), name, 20));
    let engine = Embedded::open(directory.path(), EmbeddedConfig::default()).await.unwrap();
    for writer in &mut writers {
        while writer.next_done().is_some() {}
        assert!(writer.process.wait().unwrap().success());
    }
    for name in names {
        assert_eq!((rows_of(&engine, name).await, keys_of(&engine, name).await), (20, 20), "{name}");
    }
    assert!(
        std::fs::read_to_string(directory.path().join("instances.toml")).unwrap().contains("id = \"local\"")
    );
}
