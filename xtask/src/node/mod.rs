//! What the node of bext costs: CPU of its gateway, beside nginx where that is installed; its memory; a deploy, a swap.

mod cpu;
mod dialogue;
mod nginx;
mod table;
mod visitors;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use self::cpu::Memory;
use self::dialogue::Dialogue;
use self::nginx::Nginx;
use self::table::Table;
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
/// What the companion needs besides the default features.
const FEATURES: &str = "bext-node,bext-git";

/// The step that measures, and prints: this companion, or a release that it builds.
pub(crate) fn step(program: Option<PathBuf>) -> Step {
    Step::new("node", "what the node of bext costs", |log| measure(program, log))
}

fn measure(program: Option<PathBuf>, log: &mut Log) -> Result<Outcome, Problem> {
    let program = match program {
        Some(program) => {
            fs::canonicalize(&program).map_err(|error| format!("{}: {error}", program.display()))?
        }
        None => {
            let options = ["--release", "--example", "bext-companion", "--features", FEATURES];
            built::program("bext-companion", &options, log)?
        }
    };
    let scratch = std::env::temp_dir().join(format!("toolpack-node-{}", std::process::id()));
    fs::create_dir(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let before = cpu::load()?;
    let measured = in_directory(&program, &scratch);
    let stop = Command::new(&program).args(["node", "stop", "--data"]).arg(scratch.join("data")).output();
    let _ = fs::remove_dir_all(&scratch);
    let table = measured?;
    match stop {
        Ok(stop) if stop.status.success() => {}
        Ok(stop) => return Err(format!("the node did not stop: {}", String::from_utf8_lossy(&stop.stderr))),
        Err(error) => return Err(error.to_string()),
    }
    println!("\n{table}\nLoad of the machine over the last minute: {before} before, {} after.", cpu::load()?);
    Ok(Outcome::Passed(String::new()))
}

fn in_directory(program: &Path, scratch: &Path) -> Result<Table, Problem> {
    let mut table = Table::new();
    let mut dialogue = Dialogue::start(program, &scratch.join("data"))?;
    let (gateway, pid) = dialogue.node(program)?;

    // First of all: memory is never given back as it was.
    let site = scratch.join("site");
    write_site(&site, 0)?;
    dialogue.call("add_app", json!({ "instance_id": "local", "name": "site", "source": site }))?;
    dialogue.deploy("site")?;
    let target = Target { address: gateway.clone(), host: "site.localhost".to_owned(), path: "/" };
    visitors::wait_for(&target, Duration::from_secs(10))?;
    let memory = Memory::of(pid)?;
    table.row(
        "resident memory of a node with one static app",
        format!(
            "{:.1} MiB, {:.1} MiB of it not the program itself",
            memory.resident_mib, memory.anonymous_mib
        ),
        "`VmRSS` and `RssAnon` after its first deploy and request",
    );

    let mut seen = Vec::new();
    let mut recorded = Vec::new();
    for number in 1..=DEPLOYS {
        write_site(&site, number)?;
        let began = Instant::now();
        let record = dialogue.deploy("site")?;
        seen.push(millis(began.elapsed()));
        recorded.push(record["duration_ms"].as_f64().ok_or_else(|| format!("no duration: {record}"))?);
    }
    table.row(
        "deploy of a static site",
        format!("{:.0} ms; as its record has it, {:.0} ms", median(&seen), median(&recorded)),
        format!("median of {DEPLOYS}, {FILES} files of which one has changed"),
    );

    let app = scratch.join("app");
    fs::create_dir(&app).map_err(|error| error.to_string())?;
    let command = json!([program, "demo-app"]);
    let manifest =
        format!("version = \"1.0.0\"\n[process]\ncommand = {command}\n[health]\npath = \"/health\"\n");
    fs::write(app.join("bext.app.toml"), manifest).map_err(|error| error.to_string())?;
    dialogue.call("add_app", json!({ "instance_id": "local", "name": "app", "source": app }))?;
    dialogue.deploy("app")?;

    let ours = Target { address: gateway, host: "app.localhost".to_owned(), path: "/version" };
    let mut seen = Vec::new();
    let mut waits = Vec::new();
    for number in 1..=DEPLOYS {
        // Another artifact, so that nothing of the last one is taken again.
        fs::write(app.join("number"), number.to_string()).map_err(|error| error.to_string())?;
        let wait = visitors::longest_while(&ours, || {
            let began = Instant::now();
            dialogue.deploy("app")?;
            seen.push(millis(began.elapsed()));
            Ok(())
        })?;
        waits.push(millis(wait));
    }
    table.row(
        "deploy of a process",
        format!("{:.0} ms", median(&seen)),
        format!("median of {DEPLOYS}, from the call until the old process is drained and ended"),
    );
    table.row(
        "longest wait of a visitor meanwhile",
        format!("{:.1} ms, {:.1} ms at worst", median(&waits), waits.iter().copied().fold(0.0, f64::max)),
        format!("the longest of each of these {DEPLOYS} deploys, of one visitor that asks all the time"),
    );

    let upstream = Upstream::start(program, scratch)?;
    let nginx = Nginx::start(scratch, &upstream.address)?;
    for clients in [CLIENTS, 1] {
        let [ours, theirs] = gateways(&ours, pid, nginx.as_ref(), clients)?;
        let beside = match nginx {
            Some(_) => format!("nginx {theirs:.1} µs"),
            None => "nginx is not installed".to_owned(),
        };
        table.row(
            format!("CPU of the gateway for a small proxied request, {clients} at a time"),
            format!("{ours:.1} µs; {beside}"),
            format!("median of {ROUNDS} turns of {REQUESTS} requests over kept connections"),
        );
    }
    Ok(table)
}

/// CPU per request of our gateway, and of nginx in turns with it, in microseconds.
fn gateways(ours: &Target, pid: u32, nginx: Option<&Nginx>, clients: usize) -> Result<[f64; 2], Problem> {
    let mut micros = [const { Vec::new() }; 2];
    for round in 0..=ROUNDS {
        let mut turn = |place: usize, target: &Target, processes: &[u32]| {
            let before = cpu::nanos(processes)?;
            visitors::ask_all(target, clients, REQUESTS / clients)?;
            let spent = cpu::nanos(processes)?.saturating_sub(before) as f64 / 1000.0 / REQUESTS as f64;
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
    Ok(micros.map(|micros| median(&micros)))
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
            .stdout(Stdio::null())
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

/// Files of the site.
const FILES: usize = 21;

/// A site of a few files, another one for each number.
fn write_site(path: &Path, number: usize) -> Result<(), Problem> {
    let write = || {
        fs::create_dir_all(path)?;
        fs::write(path.join("index.html"), format!("<!doctype html><title>{number}</title>"))?;
        (1..FILES).try_for_each(|file| {
            fs::write(path.join(format!("{file}.css")), "body { margin: 0 }\n".repeat(50))
        })
    };
    write().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
