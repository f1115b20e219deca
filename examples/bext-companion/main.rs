//! `bext-companion`: the tools of bext as a program that an assistant starts from its configuration file.
//!
//! It serves standard input and output (`--mcp`) or HTTP on a loopback address (`--http`), over the embedded engine
//! in a directory of its own. `--demo` shows it at work.

mod args;
#[path = "../support/causes.rs"]
mod causes;
mod client;
mod demo;
mod scratch;

use std::{
    error::Error,
    io::{self, Write},
    net::ToSocketAddrs,
    path::PathBuf,
    process::ExitCode,
};

use tokio::runtime::Builder;
use toolpack::{
    PackOptions, Server,
    bext::{
        self,
        engine::{
            Engines,
            embedded::{Embedded, EmbeddedConfig},
        },
    },
    http::Http,
    stdio,
};

use self::{
    args::{Args, Task},
    causes::with_causes,
};

const NAME: &str = "bext-companion";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What clients put before the model's eyes.
const INSTRUCTIONS: &str = "\
These tools work on the data of bext instances. Begin with list_instances: its ids are the instance_id of every other \
tool. Each app of an instance has an SQL database (SQLite; db_query reads, db_execute writes) and a key-value store \
(kv_get, kv_set, kv_delete, kv_list) of its own; without app, the instance's own store is meant. Look at the tables \
with `SELECT name, sql FROM sqlite_schema` before you write a statement, and put values into params, never into the \
text. A refused call says which argument is wrong and what is allowed: correct it and call again. Writes are on disk \
when they return, and nothing undoes them: ask the user before deleting.";

fn main() -> ExitCode {
    let done = match args::parse(std::env::args_os().skip(1)) {
        Ok(Task::Help) => say(&args::help()),
        Ok(Task::Version) => say(&format!("{NAME} {VERSION}\n")),
        Ok(Task::Demo) => demo::run(&mut io::stdout().lock()),
        Ok(Task::Stdio(args)) => serve_stdio(args),
        Ok(Task::Http(address, args)) => match check_address(&address) {
            Ok(()) => serve_http(&address, args),
            Err(wrong) => return refuse(&wrong),
        },
        Err(wrong) => return refuse(&wrong),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn serve_stdio(args: Args) -> Result<(), Box<dyn Error>> {
    log_to_stderr(args.verbose);
    // One thread: a single client's calls mostly wait for the engine, which has threads of its own.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // The runtime ends with this function: first the calls that were given up on, and with them their statements;
    // what commits by then is waited for.
    runtime.block_on(async {
        stdio::serve(server(args.data).await?).await?;
        Ok(())
    })
}

fn serve_http(address: &str, args: Args) -> Result<(), Box<dyn Error>> {
    log_to_stderr(args.verbose);
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let http = Http::new().without_auth().bind(server(args.data).await?, address).await?;
        tell(&format!("listening on {}", http.url()));
        http.run().await?;
        Ok(())
    })
}

/// The server over the embedded engine in this directory, which is made on first start.
async fn server(data: PathBuf) -> Result<Server, Box<dyn Error>> {
    let opened = Embedded::open(&data, EmbeddedConfig::default()).await;
    let engine = opened.map_err(|error| format!("{}: {}", data.display(), with_causes(&error)))?;
    let server = Server::new(NAME, VERSION)
        .title("bext companion")
        .description("Instances of bext, and the databases and keys of their apps")
        .instructions(INSTRUCTIONS);
    Ok(server.pack(bext::pack(Engines::of(engine)), PackOptions::new()))
}

/// Without keys whoever reaches the server may call every tool, so nobody but this machine reaches it.
fn check_address(address: &str) -> Result<(), String> {
    let found = address.to_socket_addrs().ok().and_then(|mut found| found.next());
    match found {
        Some(found) if found.ip().to_canonical().is_loopback() => Ok(()),
        Some(_) => Err(format!(
            "--http {address}: other machines could reach that, and there are no keys yet; take a loopback address \
             such as 127.0.0.1:8080"
        )),
        None => Err(format!(
            "--http {address}: no address of the form HOST:PORT that this machine knows, such as 127.0.0.1:8080"
        )),
    }
}

fn log_to_stderr(verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::WARN };
    tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level).init();
}

fn refuse(wrong: &str) -> ExitCode {
    tell(&format!("{wrong}\n`{NAME} --help` says what there is"));
    ExitCode::from(2)
}

fn say(text: &str) -> Result<(), Box<dyn Error>> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// A line on standard error, in one write.
fn tell(line: &str) {
    // Nobody is left to be told where that fails.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
