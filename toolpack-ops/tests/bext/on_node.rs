//! Every promise of engines that run applications, on a node, each as a test of its own.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use toolpack_ops::bext::conformance::Checks;
use toolpack_ops::bext::engine::embedded::EmbeddedConfig;
use toolpack_ops::bext::engine::suite::{Answered, Harness, Limits, NodeHarness};
use toolpack_ops::bext::engine::{AppSource, Clock, Engines, InstanceId, InstanceUrl, SystemClock};
use toolpack_ops::bext::node::{Node, NodeConfig, sample_app};

use super::clock::Hand;

/// A data directory, which one node at a time holds, and sources beside it.
#[derive(Debug)]
pub(super) struct OnNode {
    directory: TempDir,
    clock: Arc<Hand>,
    /// Whether time goes on by itself, as the checks of an instance need it to.
    goes: bool,
    node: tokio::sync::Mutex<Option<Node>>,
}

impl OnNode {
    pub(super) fn for_group(group: &str) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::default(),
            goes: group == "conformance",
            node: Default::default(),
        }
    }

    fn config(&self) -> NodeConfig {
        let clock: Arc<dyn Clock> = if self.goes { Arc::new(SystemClock) } else { self.clock.clone() };
        NodeConfig::default()
            .with_instances(["local", "other"].map(|id| id.parse().unwrap()).to_vec())
            .with_embedded(EmbeddedConfig::default().with_max_kv_value_bytes(100_000))
            .with_clock(clock)
    }

    /// Writes files of a source, in place of what it had under the same names.
    fn source(&self, name: &str, files: &[(&str, &str)]) -> AppSource {
        let source = self.directory.path().join("sources").join(name);
        for (path, text) in files {
            let path = source.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        source.to_str().unwrap().parse().unwrap()
    }

    fn config_file(&self, instance: &InstanceId) -> PathBuf {
        self.directory.path().join(format!("data/instances/{instance}/bext.config.toml"))
    }

    /// Has the checks of limits of time wait for seconds, where they would for half a minute.
    fn shorten_waits(&self) {
        let file = self.config_file(&self.instance());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "[gateway]\nheader_timeout = \"2s\"\n").unwrap();
    }

    /// Ends the node, if one runs.
    async fn end(&self) {
        let node = self.node.lock().await.take();
        if let Some(node) = node {
            node.close().await;
        }
    }
}

/// The command that starts an application of this file.
fn command(test: &str) -> Vec<String> {
    let me = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let test = format!("bext::on_node::{test}");
    [me, "--exact".to_owned(), test, "--ignored".to_owned(), "--nocapture".to_owned()].to_vec()
}

/// The manifest of an app that is started so.
fn process_manifest(version: &str, test: &str) -> String {
    let mut manifest = format!("version = \"{version}\"\n[process]\ncommand = [");
    for word in command(test) {
        write!(manifest, "{word:?}, ").unwrap();
    }
    manifest + "]\n"
}

#[async_trait::async_trait]
impl Harness for OnNode {
    async fn open(&self) -> Engines {
        let mut held = self.node.lock().await;
        if held.is_none() {
            if self.goes {
                self.shorten_waits();
            }
            let node = Node::open(self.directory.path().join("data"), self.config()).await.unwrap();
            *held = Some(node);
        }
        let engines = Engines::of_all(held.clone().unwrap());
        let checks = Checks::new(engines.clone()).with_command(command("is_checked"));
        engines.with_conformance(Arc::new(checks))
    }

    fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn instance(&self) -> InstanceId {
        "local".parse().unwrap()
    }

    fn limits(&self) -> Limits {
        let config = self.config().embedded;
        Limits {
            max_sql_chars: config.max_sql_chars,
            max_rows: config.max_rows,
            max_result_bytes: config.max_result_bytes,
            statement_timeout: Duration::from_millis(config.statement_timeout_ms),
            max_kv_value_bytes: config.max_kv_value_bytes,
        }
    }

    async fn clean_up(self: Box<Self>) {
        self.end().await;
        self.directory.close().unwrap();
    }
}

#[async_trait::async_trait]
impl NodeHarness for OnNode {
    async fn close(&self, engines: Engines) {
        drop(engines);
        self.end().await;
    }

    fn other_instance(&self) -> InstanceId {
        "other".parse().unwrap()
    }

    async fn site(&self, name: &str, version: &str) -> AppSource {
        let manifest = format!("version = \"{version}\"\n");
        let page = format!("{name} {version}\n");
        self.source(name, &[("bext.app.toml", &manifest), ("public/index.html", &page)])
    }

    async fn unhealthy(&self, name: &str, version: &str) -> AppSource {
        let manifest = process_manifest(version, "never_listens") + "[health]\ntimeout = \"2s\"\n";
        self.source(name, &[("bext.app.toml", &manifest)])
    }

    async fn process(&self, name: &str, variable: &str) -> AppSource {
        let manifest = process_manifest("1.0.0", "tells");
        self.source(name, &[("bext.app.toml", &manifest), ("variable", variable)])
    }

    async fn get(&self, gateway: &InstanceUrl, host: &str, path: &str) -> Answered {
        let address = gateway.as_str().strip_prefix("http://").unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answered { status, body: body.to_owned() }
    }

    async fn spoil_config(&self, instance: &InstanceId) {
        let file = self.config_file(instance);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(file, format!("no_such_setting = 1\n{text}")).unwrap();
    }

    async fn mend_config(&self, instance: &InstanceId) {
        let file = self.config_file(instance);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, text.strip_prefix("no_such_setting = 1\n").unwrap()).unwrap();
    }
}

/// An application that answers everything with the value of the variable that its file `variable` names.
#[test]
#[ignore = "run by the other tests as an application"]
fn tells() {
    let variable = std::fs::read_to_string("variable").unwrap();
    let value = std::env::var(variable.trim()).unwrap_or_default();
    let port: u16 = std::env::var("PORT").unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    for stream in listener.incoming() {
        let value = value.clone();
        std::thread::spawn(move || tell(&stream.unwrap(), &value));
    }
}

/// An application that never comes up.
#[test]
#[ignore = "run by the other tests as an application"]
fn never_listens() {
    loop {
        std::thread::park();
    }
}

/// The application that the checks of an instance ask.
#[test]
#[ignore = "run by the other tests as an application"]
fn is_checked() {
    assert_eq!(sample_app::run_from_environment(), std::process::ExitCode::SUCCESS);
}

/// Answers every request of a connection; whatever cannot be read or written ends it.
fn tell(stream: &TcpStream, value: &str) {
    let (mut lines, mut stream) = (BufReader::new(stream), stream);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line == "\r\n" {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{value}", value.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        line.clear();
    }
}

macro_rules! tests {
    ($($group:ident { $($promise:ident)* })*) => {
        $(mod $group {
            use toolpack_ops::bext::engine::suite::{Harness, $group as promises};

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let harness = Box::new(super::OnNode::for_group(stringify!($group)));
                promises::$promise(&*harness).await;
                harness.clean_up().await;
            })*
        })*
    };
}

toolpack_ops::bext_node_promises!(tests);

/// What every engine promises of its instances.
mod instances {
    use toolpack_ops::bext::engine::suite::{Harness, instances as promises};

    macro_rules! tests {
        ($($promise:ident)*) => {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let harness = Box::new(super::OnNode::for_group("instances"));
                promises::$promise(&*harness).await;
                harness.clean_up().await;
            })*
        };
    }

    tests! {
        the_first_start_has_a_healthy_instance
        an_unknown_instance_is_refused_before_anything_else
        pages_have_limits_and_cursors
        checks_store_nothing
        a_check_is_made_now
    }
}
