//! `--demo`: an assistant's dialogue, played with real calls on real applications, while others use them.
//!
//! The program is its own client, its own application and its own visitors: it makes a repository with releases of an
//! application, has a node run it on four instances, and says what an assistant would say, while visitors ask all the time
//! and are counted.

mod dialogue;
mod plot;
mod repository;
mod visitors;

use std::{
    error::Error,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::{
    dialogue::Dialogue,
    repository::Repository,
    visitors::{Counted, Visitors},
};
use crate::{client::Client, scratch::Scratch};

const APP: &str = "shop";
const STAGING: &str = "staging-1";
const PRODUCTION: [&str; 3] = ["prod-1", "prod-2", "prod-3"];
/// What a release has to reach on staging.
const WANTED_SCORE: f64 = 95.0;

/// Plays it. An answer that differs from what is expected is an error, and so is a visitor who was not served.
pub(crate) fn run(out: &mut impl Write, plot: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    let plot = plot.unwrap_or_else(|| std::env::temp_dir().join("bext-demo.svg"));
    let scratch = Scratch::new("bext-companion-demo")?;
    let data = scratch.path().join("data");
    let node = StopNode(&data);
    let played = play(out, scratch.path(), &data);
    // Whatever came of it, nothing goes on running.
    let stopped = node.stop();
    let counted = played?;
    stopped?;
    scratch.remove()?;
    let failures = report(out, &counted, &plot)?;
    if failures > 0 {
        return Err(format!("{failures} requests of visitors failed").into());
    }
    Ok(writeln!(out, "{}", own())?)
}

fn play(out: &mut impl Write, scratch: &Path, data: &Path) -> Result<Counted, Box<dyn Error>> {
    let repository = Repository::make(&scratch.join(APP))?;
    repository.release("1.2.3", "Sell things", Health::Good)?;
    writeln!(out, "A repository with an application: {}", repository.path().display())?;
    let instances = [&[STAGING], &PRODUCTION[..]].concat();
    let client = Client::start(&[
        "--mcp".as_ref(),
        "--data".as_ref(),
        data.as_os_str(),
        "--instances".as_ref(),
        instances.join(",").as_ref(),
    ])?;
    writeln!(out, "An assistant starts `bext-companion --mcp`, which starts a node.")?;
    let mut dialogue = Dialogue::new(client, out);

    dialogue.person("Which instances are there?")?;
    let listed = dialogue.call("list_instances", json!({}))?;
    let gateways = gateways(&listed)?;

    dialogue.person("Run my application on all of them, and let visitors in.")?;
    for instance in &instances {
        let app = json!({ "instance_id": instance, "name": APP, "source": repository.path() });
        dialogue.call("add_app", app)?;
    }
    dialogue.call("fleet_deploy", json!({ "instance_ids": instances }))?;
    let visitors = Visitors::start(APP, &gateways);

    dialogue.aside("Somebody writes version 1.2.4.")?;
    repository.release("1.2.4", "Sell more things", Health::Good)?;
    dialogue.person(
        "Deploy the latest version to staging, run the conformance tests, and if the score is above 95 %, promote to \
         production.",
    )?;
    visitors.mark("deploy to staging");
    dialogue.call("deploy", json!({ "instance_id": STAGING, "app": APP }))?;
    let report = dialogue.call("run_conformance", json!({ "instance_id": STAGING }))?;
    let score = report["score"].as_f64().unwrap_or_default();
    if score <= WANTED_SCORE {
        return Err(format!("the score is {score}: {}", report["failures"]).into());
    }
    dialogue.assistant(&format!("{score:.1} % is above 95 %: to production."))?;
    visitors.mark("production");
    let fleet = json!({ "instance_ids": PRODUCTION, "app": APP, "version": "1.2.4" });
    dialogue.call("fleet_deploy", fleet)?;

    dialogue.aside("Somebody writes version 1.3.0.")?;
    repository.release("1.3.0", "Sell everything", Health::Good)?;
    dialogue.person(
        "Try the new version on a quarter of the visitors of prod-1, and promote it if all is well.",
    )?;
    visitors.mark("canary");
    dialogue.call("deploy", json!({ "instance_id": "prod-1", "app": APP, "canary_percent": 25 }))?;
    visitors.watch(Duration::from_secs(2));
    dialogue.call("instance_health", json!({ "instance_id": "prod-1" }))?;
    visitors.mark("promotion");
    dialogue.call("promote_canary", json!({ "instance_id": "prod-1", "app": APP }))?;
    visitors.watch(Duration::from_secs(1));

    dialogue.aside("Somebody writes version 1.3.1, which does not pass its health check.")?;
    repository.release("1.3.1", "Sell the shop", Health::Bad)?;
    dialogue.person("Deploy the latest version to prod-1.")?;
    visitors.mark("a bad release");
    dialogue.refused("deploy", json!({ "instance_id": "prod-1", "app": APP }), "deploy_failed")?;
    dialogue.assistant("It stays out: visitors still get 1.3.0.")?;

    dialogue.person("Go back to 1.2.4 all the same.")?;
    visitors.mark("rollback");
    dialogue.call("rollback", json!({ "instance_id": "prod-1", "app": APP, "version": "1.2.4" }))?;
    visitors.watch(Duration::from_secs(1));

    dialogue.person("What was all that?")?;
    dialogue.call("deploy_history", json!({ "instance_id": "prod-1", "limit": 5 }))?;
    let counted = visitors.stop();
    dialogue.end()?;
    Ok(counted)
}

/// Whether a release passes its health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    Bad,
}

/// Where the gateway of each instance answers, as `list_instances` says.
fn gateways(listed: &Value) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let instances = listed["instances"].as_array().ok_or("no instances are listed")?;
    let gateway = |instance: &Value| {
        let address = instance["url"].as_str()?.strip_prefix("http://")?;
        Some((instance["id"].as_str()?.to_owned(), address.to_owned()))
    };
    let gateways: Option<Vec<_>> = instances.iter().map(gateway).collect();
    Ok(gateways.ok_or("an instance has no gateway")?)
}

/// Prints what visitors saw, and draws it. Says how many requests failed.
fn report(out: &mut impl Write, counted: &Counted, plot: &Path) -> Result<usize, Box<dyn Error>> {
    writeln!(out, "\nWhat visitors saw meanwhile:\n\n{}", counted.table())?;
    std::fs::write(plot, plot::draw(counted))?;
    writeln!(out, "The versions they saw over time are drawn in {}", plot.display())?;
    Ok(counted.failures())
}

/// What to type to do the same.
fn own() -> String {
    let configuration =
        json!({ "mcpServers": { "bext": { "command": "bext-companion", "args": ["--mcp"] } } });
    format!(
        "\nThe node has ended, and all that was made is gone but the drawing. For an application of your own:\n\n  \
         1. In its repository, say in bext.app.toml how it starts, at the port in $PORT:\n\n       \
         [process]\n       command = [\"python3\", \"server.py\"]\n\n     \
         (without that file it is a static site), and tag a version: git tag v1.0.0\n  \
         2. Put this into your assistant's configuration:\n\n       {configuration}\n\n  \
         3. Say: \"Add the app in /path/to/repository to the instance local, and deploy it.\"\n"
    )
}

/// Has the node of a directory end.
struct StopNode<'a>(&'a Path);

impl StopNode<'_> {
    fn stop(&self) -> Result<(), Box<dyn Error>> {
        let mut stop = std::process::Command::new(std::env::current_exe()?);
        stop.args(["node", "stop", "--data"]).arg(self.0);
        let began = Instant::now();
        let done = stop.output()?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        Err(format!("the node did not end within {:?}: {}", began.elapsed(), said.trim()).into())
    }
}
