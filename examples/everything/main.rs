//! A server with one of everything that the protocol has: the fixtures that the official conformance suite asks for.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program talks to its terminal")]

// By its path, as the tests have it too: so its own files are found beside it.
#[path = "server.rs"]
mod server;
#[path = "../support/serving.rs"]
mod serving;

use std::process::ExitCode;

use server::server;
use serving::Transport;

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
