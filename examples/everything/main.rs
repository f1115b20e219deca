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

use std::process::ExitCode;

use serving::Transport;
use toolpack::Server;

const HELP: &str = "\
A server with one of everything that MCP has: every kind of content, progress, logging, cancellation, questions to
the user and the model, lists that change, resources to watch, schemas of every sort. It offers the fixtures of the official conformance suite, and is
good to try a client on.

usage: everything --stdio
       everything --http ADDR
       everything --tcp ADDR
       everything --unix PATH

  --stdio      serves standard input and output
  --http ADDR  serves http://ADDR/mcp; port 0 picks a free one, and standard error says which.
               Nobody is asked who they are, so keep to a loopback address such as 127.0.0.1:8080
  --tcp ADDR   serves what --stdio does, over TCP
  --unix PATH  serves what --stdio does, to clients of the same user, over a Unix socket at PATH

The suite, against `everything --http 127.0.0.1:8080`:
  npx -y -p node@22 -p @modelcontextprotocol/conformance conformance server --url http://127.0.0.1:8080/mcp";

fn main() -> ExitCode {
    match Transport::from_command_line(HELP, |_, _| Ok(false)) {
        Ok(transport) => transport.serve(server(), None),
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
