//! A node that is killed with SIGKILL in the midst of something, at each of its stages: afterwards an app serves the old
//! version or the new one, the history says which, and nothing is left over.
//!
//! The node is another process: this test binary, told by variables what to do. It stops by itself at a stage and is
//! killed there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use toolpack_ops::bext::engine::{
    AppStatus, Apps, Deploy, DeployStatus, Deploys, ListApps, PageSize, Percent, Removal, Rollback, Stages,
    Unheard,
};
use toolpack_ops::bext::node::{Node, NodeConfig, RunState};

use super::{Bench, app_ref, local, newest, release, until};

const DIRECTORY: &str = "TOOLPACK_OPS_TEST_DIRECTORY";
const WORK: &str = "TOOLPACK_OPS_TEST_WORK";
const STAGE: &str = "TOOLPACK_OPS_TEST_STAGE";

/// Says that it is there, and goes no further.
#[derive(Debug)]
struct StopAt(u64);

impl Stages for StopAt {
    fn reached(&self, done: u64, _: u64, _: &str) {
        if done == self.0 {
            say("here");
            loop {
                std::thread::park();
            }
        }
    }
}

fn say(word: &str) {
    let mut out = std::io::stdout();
    // The test harness ends no line before a test, so each answer begins one.
    write!(out, "\n{word}\n").unwrap();
    out.flush().unwrap();
}

/// The other process.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the other tests as a process of its own"]
async fn works_until_it_is_killed() {
    let variable = |name| std::env::var(name).unwrap();
    let node = Node::open(variable(DIRECTORY), NodeConfig::default()).await.unwrap();
    let stages: Arc<dyn Stages> = match variable(STAGE).as_str() {
        "none" => Arc::new(Unheard),
        stage => Arc::new(StopAt(stage.parse().unwrap())),
    };
    // What is to be changed runs, as it did before.
    until("it runs", async || {
        let apps = node.list_apps(&local(), ListApps::default()).await.unwrap().apps;
        apps.iter().all(|app| app.status == AppStatus::Running && app.error.is_none())
    })
    .await;
    say("begins");
    match variable(WORK).as_str() {
        "deploy" => drop(node.deploy(newest("api"), stages).await),
        "canary" => {
            let canary = Some(Percent::try_from(50).unwrap());
            drop(node.deploy(Deploy { canary, ..newest("api") }, stages).await);
        }
        "promote" => drop(node.promote_canary(release("api"), stages).await),
        "rollback" => {
            let rollback = Rollback { release: release("api"), version: None };
            drop(node.rollback(rollback, stages).await);
        }
        "remove" => drop(node.remove_app(&app_ref("api"), Removal::KeepData).await),
        other => panic!("{other}"),
    }
    say("done");
    std::future::pending::<()>().await;
}

/// Runs a node in a process of its own, and kills it when it has said this.
fn killed_at(bench: &Bench, work: &str, stage: &str, word: &str) {
    let mut process: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bext::node::kills::works_until_it_is_killed", "--ignored", "--nocapture"])
        .envs([(WORK, work), (STAGE, stage)])
        .env(DIRECTORY, bench.data())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let said = lines.find(|line| line == word || line == "done").is_some_and(|line| line == word);
    // SIGKILL on Unix.
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(said, "{work} did not come to {word} at {stage}");
}

/// A node with two versions of a process, the newer one live; closed, as another process is to have its directory.
async fn prepared() -> Bench {
    let bench = Bench::new().await;
    for version in ["1.0.0", "1.1.0"] {
        bench.process("api", version, "");
        if version == "1.0.0" {
            bench.add("api", bench.process("api", version, "")).await;
        }
        bench.deploy("api").await.unwrap();
    }
    bench.process("api", "2.0.0", "");
    bench.node.close().await;
    bench
}

impl Bench {
    /// Opens the node again after it was killed, and looks at what has to be so whatever it was doing.
    async fn recovered(&mut self) -> String {
        self.node = Node::open(self.data(), NodeConfig::default()).await.unwrap();
        let runs = self.node.runs(&local(), None, PageSize::default()).await.unwrap();
        assert!(
            runs.iter().all(|run| matches!(run.state, RunState::Done | RunState::Undone)),
            "nothing is left to do: {runs:?}"
        );
        let live = self.app("api").await.current_version.unwrap();
        let served = self.get("api", "/").await.body;
        until("it runs", async || self.app("api").await.status == AppStatus::Running).await;
        let last = self.history("api").await.into_iter().find(|record| record.status != DeployStatus::Failed);
        assert_eq!(last.unwrap().version, live, "the history says what is live");
        if self.app("api").await.canary.is_none() {
            assert_eq!(served, live.as_str(), "what is live is served");
        }
        live.as_str().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_was_killed_is_undone_before_its_switch_and_finished_after_it() {
    for stage in ["0", "1", "2", "3", "4"] {
        let mut bench = prepared().await;
        killed_at(&bench, "deploy", stage, "here");
        let expected = if stage == "4" { "2.0.0" } else { "1.1.0" };
        assert_eq!(bench.recovered().await, expected, "killed at stage {stage}");
        let record = &bench.history("api").await[0];
        if stage == "4" {
            assert_eq!(record.status, DeployStatus::Success);
            assert_eq!(bench.artifacts(), 3);
        } else {
            assert_eq!(record.status, DeployStatus::Failed);
            assert_eq!(record.error.as_deref(), Some("the node was stopped in the middle"));
            assert_eq!(bench.artifacts(), 2, "killed at stage {stage}");
        }
        // And the next deploy works as if nothing had been.
        assert_eq!(bench.deploy("api").await.unwrap().version.as_str(), "2.0.0");
        assert_eq!(bench.get("api", "/").await.body, "2.0.0");
        bench.node.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_a_canary_and_its_promotion_that_were_killed_are_one_or_the_other() {
    let mut bench = prepared().await;
    killed_at(&bench, "rollback", "2", "here");
    assert_eq!(bench.recovered().await, "1.1.0");
    bench.node.close().await;
    killed_at(&bench, "rollback", "4", "here");
    assert_eq!(bench.recovered().await, "1.0.0");
    bench.node.close().await;

    killed_at(&bench, "canary", "3", "here");
    assert_eq!(bench.recovered().await, "1.0.0");
    assert_eq!(bench.app("api").await.canary, None);
    bench.canary("api", 50).await.unwrap();
    bench.node.close().await;
    killed_at(&bench, "promote", "3", "here");
    bench.node = Node::open(bench.data(), NodeConfig::default()).await.unwrap();
    let shown = bench.app("api").await;
    assert_eq!(shown.current_version.unwrap().as_str(), "1.0.0");
    assert_eq!(shown.canary.unwrap().version.as_str(), "2.0.0");
    until("the canary runs", async || bench.app("api").await.error.is_none()).await;
    bench.node.close().await;
    bench.node = Node::open(bench.data(), NodeConfig::default()).await.unwrap();
    until("it runs", async || bench.app("api").await.status == AppStatus::Running).await;
    bench.node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_killed_is_finished() {
    for round in 0..4 {
        let mut bench = prepared().await;
        // It begins at once, so the kill comes before, in, or after it.
        killed_at(&bench, "remove", "none", if round == 0 { "done" } else { "begins" });
        bench.node = Node::open(bench.data(), NodeConfig::default()).await.unwrap();
        let apps = bench.node.list_apps(&local(), Default::default()).await.unwrap().apps;
        let runs = bench.node.runs(&local(), None, PageSize::default()).await.unwrap();
        let removed = runs.iter().any(|run| run.kind == toolpack_ops::bext::node::RunKind::Removal);
        assert_eq!(apps.is_empty(), removed, "{runs:?}");
        assert_eq!(bench.get("api", "/").await.status == 404, removed);
        if removed {
            assert_eq!(bench.artifacts(), 0);
        }
        bench.node.close().await;
    }
}
