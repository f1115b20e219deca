//! A server with one of everything that the protocol has: the fixtures that the official conformance suite asks for.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program talks to its terminal")]

mod changes;
mod content;
mod forms;
mod printing;
mod prompts;
mod questions;
mod reports;
mod resources;
mod rounds;
mod schemas;
#[path = "../support/serving.rs"]
mod serving;

use std::{process::ExitCode, time::Duration};

use serving::{Serving, Transport};
use toolpack::Server;

const HELP: &str = "\
A server with one of everything that MCP has: every kind of content, progress, logging, cancellation, questions to
the user and the model, lists that change, resources to watch, schemas of every sort. It offers the fixtures of the official conformance suite, and is
good to try a client on.

usage: everything --stdio [OPTIONS]
       everything --http ADDR [OPTIONS]

  --stdio      serves standard input and output
  --http ADDR  serves http://ADDR/mcp; port 0 picks a free one, and standard error says which.
               Nobody is asked who they are, so keep to a loopback address such as 127.0.0.1:8080

  --session-idle-seconds N  with --http: how long a session may be idle before it is ended; 1800 by default
  --figures                 at SIGUSR1, says on standard error how many tasks there are: what `cargo xtask soak` asks

The suite, against `everything --http 127.0.0.1:8080`:
  npx -y -p node@22 -p @modelcontextprotocol/conformance conformance server --url http://127.0.0.1:8080/mcp";

fn main() -> ExitCode {
    let mut serving = Serving::default();
    let transport = Transport::from_command_line(HELP, |flag, values| {
        match flag {
            "--session-idle-seconds" => {
                let time = Duration::from_secs(values.number(flag)?);
                serving.http = std::mem::take(&mut serving.http).session_idle_time(time);
            }
            "--figures" => serving.tells_figures = true,
            _ => return Ok(false),
        }
        Ok(true)
    });
    match transport {
        Ok(transport) => transport.serve(server(), serving),
        Err(code) => code,
    }
}

fn server() -> Server<changes::Watched> {
    let server = Server::new("everything", env!("CARGO_PKG_VERSION"))
        .title("Everything")
        .description("One of everything that the protocol has.")
        .instructions(
            "A server for tests. Call any tool: none of them touches anything outside this process. Some ask the user, \
             the model or the client first, with made-up questions.",
        );
    let server = content::add_to(server);
    let server = printing::add_to(server);
    let server = reports::add_to(server);
    let server = schemas::add_to(server);
    let server = questions::add_to(server);
    let server = forms::add_to(server);
    let server = rounds::add_to(server);
    let server = prompts::add_to(server);
    let server = resources::add_to(server);
    changes::add_to(server)
}
