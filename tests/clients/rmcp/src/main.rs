//! A real client in Rust: rmcp speaks either era to a server, over stdio and Streamable HTTP.
//!
//! ```text
//! toolpack-rmcp-client [--era modern|handshake] (URL | COMMAND [ARG...])
//! ```
//!
//! A COMMAND is started as the server. In the modern era rmcp asks the server what it speaks and takes 2026-07-28; in the
//! handshake era it offers 2025-11-25. One JSON line a check goes to standard output; the first failure ends the run with
//! status 1. Nothing is recorded: what rmcp hands out of its transports it has parsed already.

mod checks;
mod ears;

use std::{env, process::ExitCode, sync::Arc};

use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::ProtocolVersion,
    service::{ClientInitializeError, RoleClient, RunningService},
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use tokio::process::Command;

use crate::{checks::Session, ears::Ears};

const USAGE: &str = "usage: toolpack-rmcp-client [--era modern|handshake] (URL | COMMAND [ARG...])";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words = env::args().skip(1).peekable();
    let mut modern = true;
    if words.next_if(|word| word == "--era").is_some() {
        match words.next().as_deref() {
            Some("modern") => {}
            Some("handshake") => modern = false,
            _ => return usage(),
        }
    }
    let Some(target) = words.next() else { return usage() };
    let ears = Arc::new(Ears::default());
    let client = match connect(&target, words.collect(), modern, Arc::clone(&ears)).await {
        Ok(client) => client,
        Err(error) => {
            checks::report("connect", Err(error.into()));
            return ExitCode::FAILURE;
        }
    };
    match (Session { client, ears, modern }).run().await {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn connect(
    target: &str,
    args: Vec<String>,
    modern: bool,
    ears: Arc<Ears>,
) -> Result<RunningService<RoleClient, Arc<Ears>>, ClientInitializeError> {
    let lifecycle = match modern {
        true => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
        false => ClientLifecycleMode::Initialize,
    };
    if target.starts_with("http://") {
        return ears.serve_with_lifecycle(StreamableHttpClientTransport::from_uri(target), lifecycle).await;
    }
    let mut command = Command::new(target);
    command.args(args);
    let transport = TokioChildProcess::new(command).map_err(|error| {
        ClientInitializeError::ConnectionClosed(format!("cannot start {target}: {error}"))
    })?;
    ears.serve_with_lifecycle(transport, lifecycle).await
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}
