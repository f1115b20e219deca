//! `bext-companion`: the tools of bext as a program that an assistant starts from its configuration file.
//!
//! It serves standard input and output (`--mcp`) or HTTP on a loopback address (`--http`). The engine is in a node, a
//! process of its own for each data directory, which it starts where none runs. `--demo` shows it at work.

mod args;
mod audit;
#[path = "../support/causes.rs"]
mod causes;
mod client;
mod demo;
mod engine;
mod front;
mod in_process;
mod keys;
mod listening;
mod node;
mod scratch;
mod secrets;
mod serving;
mod signals;

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use tokio::runtime::Builder;
use toolpack::bext::node::sample_app::run_from_environment;

use self::{args::Task, causes::with_causes};

const NAME: &str = "bext-companion";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why something did not work, for a person to read.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let task = match args::parse(std::env::args_os().skip(1)) {
        Ok(Task::Http(http, args)) => listening::check(&http).map(|()| Task::Http(http, args)),
        task => task,
    };
    match task.map(run) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            tell(&with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
        Err(wrong) => {
            tell(&format!("{wrong}\n`{NAME} --help` says what there is"));
            ExitCode::from(2)
        }
    }
}

fn run(task: Task) -> Result<ExitCode, Failure> {
    let done = match task {
        Task::Help => say_bytes(args::help().as_bytes()),
        Task::Version => say_bytes(format!("{NAME} {VERSION}\n").as_bytes()),
        Task::Demo(plot) => {
            demo::run(&mut io::stdout().lock(), plot).map_err(|error| with_causes(error.as_ref()).into())
        }
        Task::Stdio(args) if args.in_process => in_process::serve_stdio(&args),
        Task::Stdio(args) => front::serve_stdio(&args),
        Task::Http(http, args) if args.in_process => in_process::serve_http(&http, &args),
        Task::Http(http, args) => front::serve_http(http, &args),
        Task::DemoApp => return Ok(run_from_environment()),
        // Whose end says more than whether it failed.
        Task::Node(task) => return node::run(&task, &mut io::stdout()),
        Task::Keys(task) => Builder::new_current_thread().enable_all().build()?.block_on(keys::run(
            task,
            &mut io::stdout(),
            &mut io::stderr(),
        )),
        Task::Secrets(task) => Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(secrets::run(&task, &mut io::stdout())),
        Task::Audit(task) => audit::run(&task, &mut io::stdout()),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn log_to_stderr(verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::WARN };
    // What cannot be written is lost; that it is would be said on standard error, by a macro that panics where that fails.
    tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level).log_internal_errors(false).init();
}

fn say_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// A line on standard error, in one write.
fn tell(line: &str) {
    // Nobody is left to be told where that fails.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
