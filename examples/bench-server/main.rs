//! A server for measurements: tools and a resource whose work costs next to nothing, so that what is measured is MCP.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program talks to its terminal")]

#[path = "../support/serving.rs"]
mod serving;
mod tools;

use std::process::ExitCode;

use serving::{Serving, Transport};

const HELP: &str = "\
A server for measurements.

usage: bench-server --stdio [--tools N] [--threads N]
       bench-server --http ADDR [--tools N] [--threads N]
       bench-server --tcp ADDR [--tools N] [--threads N]
       bench-server --unix PATH [--tools N] [--threads N]

  --stdio      serves standard input and output
  --http ADDR  serves http://ADDR/mcp; port 0 picks a free one, and standard error says which
  --tcp ADDR   serves what --stdio does, over TCP
  --unix PATH  serves what --stdio does, over a Unix socket at PATH
  --tools N    lists N tools more, of six parameters each, all on one page (default 0)
  --threads N  runs calls on N threads (default: 1 with --stdio, else one a core)

  tool      echo {message}       the message as one block of text
  tool      add {a, b}           {sum}, structured and as text
  tool      list_rows {count}    {rows: [{id, name, email, created_at, score}]}, structured and as text
  resource  bench://blob/{kb}    kb * 1024 times the letter x

Build it with --release before you measure anything.";

fn main() -> ExitCode {
    let (mut dummies, mut threads) = (0, None);
    let transport = Transport::from_command_line(HELP, |flag, values| {
        match flag {
            "--tools" => dummies = values.number(flag)?,
            "--threads" => threads = Some(values.number(flag)?),
            _ => return Ok(false),
        }
        Ok(true)
    });
    match transport {
        Ok(transport) => transport.serve(tools::server(dummies), Serving { threads, ..Serving::default() }),
        Err(code) => code,
    }
}
