//! `bext-companion`: the tools of bext as a program that an assistant starts from its configuration file.
//!
//! It serves standard input and output (`--mcp`) or HTTP on a loopback address (`--http`), over the embedded engine
//! in a directory of its own. `--demo` shows it at work.

mod args;
mod audit;
#[path = "../support/causes.rs"]
mod causes;
mod client;
mod demo;
mod keys;
mod scratch;

use std::{
    error::Error,
    io::{self, Write},
    net::ToSocketAddrs,
    process::ExitCode,
};

use serde_json::json;
use tokio::runtime::Builder;
use toolpack::{
    ConfirmDestructive, PackOptions, Server,
    bext::{
        self,
        engine::{
            Engines,
            embedded::{Embedded, EmbeddedConfig},
        },
    },
    http::{ApiKeys, Http},
    stdio,
};

use self::{
    args::{Args, HttpArgs, Task},
    causes::with_causes,
    keys::Beginning,
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
        Ok(Task::Demo(plot)) => demo::run(&mut io::stdout().lock(), plot),
        Ok(Task::Stdio(args)) => serve_stdio(&args),
        Ok(Task::Http(http, args)) => match check(&http) {
            Ok(()) => serve_http(http, &args),
            Err(wrong) => return refuse(&wrong),
        },
        Ok(Task::Keys(task)) => block_on(keys::run(task, &mut io::stdout(), &mut io::stderr())),
        Ok(Task::Audit(task)) => audit::run(&task, &mut io::stdout()),
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

fn serve_stdio(args: &Args) -> Result<(), Box<dyn Error>> {
    log_to_stderr(args.verbose);
    // One thread: a single client's calls mostly wait for the engine, which has threads of its own. The runtime ends with
    // this: first the calls that were given up on, and with them their statements; what commits by then is waited for.
    block_on(async {
        stdio::serve(server(args).await?).await?;
        Ok(())
    })
}

fn serve_http(http: HttpArgs, args: &Args) -> Result<(), Box<dyn Error>> {
    log_to_stderr(args.verbose);
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = server(args).await?;
        let keys = if http.no_auth { None } else { Some(keys::open(&args.data)?) };
        let server = options(&http, keys.clone())?.bind(server, &http.address).await?;
        let mut said = String::new();
        // Once it is sure that there will be a server for the key.
        if let Some(keys) = keys {
            match keys::begin(&keys, &args.data).await? {
                Beginning::FirstKey(key) => said = welcome(&server.url(), key.expose()),
                Beginning::Keys => {}
                Beginning::NoneGood => {
                    said = format!(
                        "No key is good any more, so nobody is let in; `{NAME} keys create` makes one.\n"
                    );
                }
            }
        }
        if let Some(url) = server.metrics_url() {
            said.push_str(&format!("figures at {url}\n"));
        }
        tell(&format!("{said}listening on {}", server.url()));
        server.run().await?;
        Ok(())
    })
}

/// How HTTP is served.
fn options(args: &HttpArgs, keys: Option<ApiKeys>) -> Result<Http, Box<dyn Error>> {
    let mut options = match keys {
        Some(keys) => Http::new().keys(keys),
        None => Http::new().without_auth(),
    };
    for network in &args.trusted_proxies {
        options = options.trust_proxy(network)?;
    }
    for host in &args.hosts {
        options = options.allow_host(host);
    }
    Ok(match &args.metrics {
        Some(address) => options.metrics_at(address),
        None => options.metrics(bext::scopes::ADMIN),
    })
}

/// What is said of the key that a first start makes.
fn welcome(url: &str, key: &str) -> String {
    let header = json!({ "Authorization": format!("Bearer {key}") });
    let configuration =
        json!({ "mcpServers": { "bext": { "type": "http", "url": url, "headers": header } } });
    format!(
        "There was no key yet, so here is one that may do everything. It is not shown again:\n\n  {key}\n\n\
         A client's configuration with it:\n\n  {configuration}\n\n\
         `{NAME} keys` makes others, lists them, and takes them back.\n"
    )
}

/// The server over the embedded engine in this directory, which is made on first start.
async fn server(args: &Args) -> Result<Server, Box<dyn Error>> {
    let opened = Embedded::open(&args.data, EmbeddedConfig::default()).await;
    let engine = opened.map_err(|error| format!("{}: {}", args.data.display(), with_causes(&error)))?;
    let mut server = Server::new(NAME, VERSION)
        .title("bext companion")
        .description("Instances of bext, and the databases and keys of their apps")
        .instructions(INSTRUCTIONS);
    if args.confirm {
        server = server.confirm(ConfirmDestructive::new());
    }
    if let Some(log) = audit::log(&args.data, args.audit)? {
        server = server.audit(log);
    }
    Ok(server.pack(bext::pack(Engines::of(engine)), PackOptions::new()))
}

/// Nothing is encrypted, so nobody but this machine reaches the server.
fn check(http: &HttpArgs) -> Result<(), String> {
    check_address("--http", &http.address)?;
    for network in &http.trusted_proxies {
        Http::new().trust_proxy(network).map_err(|error| format!("--trust-proxy {network}: {error}"))?;
    }
    http.metrics.as_ref().map_or(Ok(()), |address| check_address("--metrics", address))
}

fn check_address(flag: &str, address: &str) -> Result<(), String> {
    let found = address.to_socket_addrs().ok().and_then(|mut found| found.next());
    match found {
        Some(found) if found.ip().to_canonical().is_loopback() => Ok(()),
        Some(_) => Err(format!(
            "{flag} {address}: other machines could reach that, and nothing is encrypted; take a loopback address \
             such as 127.0.0.1:8080, and put a proxy with TLS in front"
        )),
        None => Err(format!(
            "{flag} {address}: no address of the form HOST:PORT that this machine knows, such as 127.0.0.1:8080"
        )),
    }
}

/// Runs to the end on this thread.
fn block_on(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
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
