//! A server with one of everything that the protocol has: the fixtures that the official conformance suite asks for.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program talks to its terminal")]

// By its path, as the tests have it too: so its own files are found beside it.
#[path = "server.rs"]
mod server;
#[path = "../support/serving.rs"]
mod serving;

use std::{process::ExitCode, time::Duration};

use server::server;
use serving::{Serving, Transport};

const HELP: &str = "\
A server with one of everything that MCP has: every kind of content, progress, logging, cancellation, questions to
the user and the model, lists that change, resources to watch, schemas of every sort. It offers the fixtures of the official conformance suite, and is
good to try a client on.

usage: everything --stdio [OPTIONS]
       everything --http ADDR [OPTIONS]
       everything --tcp ADDR [OPTIONS]
       everything --unix PATH [OPTIONS]

  --stdio      serves standard input and output
  --http ADDR  serves http://ADDR/mcp; port 0 picks a free one, and standard error says which.
               Nobody is asked who they are, so keep to a loopback address such as 127.0.0.1:8080
  --tcp ADDR   serves what --stdio does, over TCP
  --unix PATH  serves what --stdio does, to clients of the same user, over a Unix socket at PATH

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
