//! What the node of bext costs: CPU of its gateway, beside nginx where that is installed; its memory; a deploy, a swap.

mod cpu;
mod dialogue;
mod nginx;
mod visitors;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use self::dialogue::Dialogue;
use self::nginx::Nginx;
use self::visitors::Target;
use crate::step::{Log, Outcome, Step};
use crate::{Problem, built};

/// How often the gateways take turns: what else runs on the machine meets both.
const ROUNDS: usize = 20;
/// Requests of a turn.
const REQUESTS: usize = 2_000;
/// Clients, each with one connection that it keeps and one request at a time.
const CLIENTS: usize = 16;
/// Deploys that are timed.
const DEPLOYS: usize = 20;

/// The step that measures, and prints.
pub(crate) fn step() -> Step {
    Step::new("node", "what the node of bext costs", measure)
}

fn measure(log: &mut Log) -> Result<Outcome, Problem> {
    let program = built::program(
        "bext-companion",
        &["--release", "--example", "bext-companion", "--features", FEATURES],
        log,
    )?;
    let scratch = std::env::temp_dir().join(format!("toolpack-node-{}", std::process::id()));
    fs::create_dir(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let measured = in_directory(&program, &scratch);
    let _ = Command::new(&program).args(["node", "stop", "--data"]).arg(scratch.join("data")).output();
    let _ = fs::remove_dir_all(&scratch);
    let told = measured?;
    println!("\n{told}");
    Ok(Outcome::Passed(String::new()))
}

fn in_directory(program: &Path, scratch: &Path) -> Result<String, Problem> {
    let mut told = String::new();
    let mut dialogue = Dialogue::start(program, &scratch.join("data"))?;
    let (gateway, pid) = dialogue.node(program)?;

    // First of all: memory is never given back as it was.
    let site = scratch.join("site");
    write_site(&site, 0)?;
    dialogue.call("add_app", json!({ "instance_id": "local", "name": "site", "source": site }))?;
    dialogue.call("deploy", json!({ "instance_id": "local", "app": "site" }))?;
    let memory = cpu::resident_kib(pid)?;
    put(&mut told, format_args!("memory of a node with one static app: {:.1} MB", memory as f64 / 1024.0));

    let mut whole = Vec::new();
    let mut recorded = Vec::new();
    for number in 1..=DEPLOYS {
        write_site(&site, number)?;
        let began = Instant::now();
        let record = dialogue.call("deploy", json!({ "instance_id": "local", "app": "site" }))?;
        whole.push(began.elapsed().as_secs_f64() * 1000.0);
        recorded.push(record["duration_ms"].as_f64().unwrap_or(f64::NAN));
    }
    put(
        &mut told,
        format_args!(
            "a deploy of a static site: {:.0} ms as its client sees it, {:.0} ms as its record has it",
            median(whole),
            median(recorded)
        ),
    );

    let app = scratch.join("app");
    fs::create_dir(&app).map_err(|error| error.to_string())?;
    let command = json!([program, "demo-app"]);
    let manifest =
        format!("version = \"1.0.0\"\n[process]\ncommand = {command}\n[health]\npath = \"/health\"\n");
    fs::write(app.join("bext.app.toml"), manifest).map_err(|error| error.to_string())?;
    dialogue.call("add_app", json!({ "instance_id": "local", "name": "app", "source": app }))?;
    dialogue.call("deploy", json!({ "instance_id": "local", "app": "app" }))?;

    let ours = Target { address: gateway, host: "app.localhost".to_owned(), path: "/version" };
    let mut spans = Vec::new();
    for _ in 0..DEPLOYS {
        spans.push(visitors::longest_while(&ours, || {
            dialogue.call("deploy", json!({ "instance_id": "local", "app": "app" })).map(drop)
        })?);
    }
    put(
        &mut told,
        format_args!("the longest wait of a visitor while a process is released: {:.1} ms", median(spans)),
    );

    let upstream = Upstream::start(program, scratch)?;
    let nginx = Nginx::start(scratch, &upstream.address)?;
    put(&mut told, format_args!("{}", gateways(&ours, pid, nginx.as_ref())?));
    Ok(told)
}

/// CPU per request of our gateway, and of nginx in turns with it.
fn gateways(ours: &Target, pid: u32, nginx: Option<&Nginx>) -> Result<String, Problem> {
    let mut micros = [const { Vec::new() }; 2];
    for round in 0..=ROUNDS {
        let mut turn = |place: usize, target: &Target, processes: &[u32]| {
            let before = cpu::nanos(processes)?;
            visitors::ask_all(target, CLIENTS, REQUESTS / CLIENTS)?;
            let spent = (cpu::nanos(processes)? - before) as f64 / 1000.0 / REQUESTS as f64;
            // The first turn fills pools and caches.
            if round > 0 {
                micros[place].push(spent);
            }
            Ok::<(), Problem>(())
        };
        turn(0, ours, &[pid])?;
        if let Some(nginx) = nginx {
            turn(1, &nginx.target(), &nginx.processes()?)?;
        }
    }
    let [ours, theirs] = micros.map(median);
    let ours = format!("CPU of the gateway for a small proxied request: {ours:.1} µs");
    Ok(match nginx {
        Some(_) => format!("{ours}, of nginx in the same run {theirs:.1} µs"),
        None => format!("{ours} (nginx is not installed, `apt-get install nginx-light` does that)"),
    })
}

/// An application of its own for nginx, of the same kind.
struct Upstream {
    process: Child,
    address: String,
}

impl Upstream {
    fn start(program: &Path, scratch: &Path) -> Result<Self, Problem> {
        let port = free_port()?;
        let process = Command::new(program)
            .arg("demo-app")
            .current_dir(scratch)
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("the application does not start: {error}"))?;
        let upstream = Self { process, address: format!("127.0.0.1:{port}") };
        let target =
            Target { address: upstream.address.clone(), host: "app.localhost".to_owned(), path: "/version" };
        visitors::wait_for(&target, Duration::from_secs(10))?;
        Ok(upstream)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nothing listens on now.
fn free_port() -> Result<u16, Problem> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}

/// A site of a few files, another one for each number.
fn write_site(path: &Path, number: usize) -> Result<(), Problem> {
    let write = || {
        fs::create_dir_all(path)?;
        fs::write(path.join("index.html"), format!("<!doctype html><title>{number}</title>"))?;
        (0..20).try_for_each(|file| {
            fs::write(path.join(format!("{file}.css")), "body { margin: 0 }\n".repeat(50))
        })
    };
    write().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn put(told: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(told, "{line}");
}
