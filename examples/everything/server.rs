//! The server itself, whatever it is served over: the example does, and so do the tests that replay transcripts in memory.

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

use toolpack::{Limits, Server};

/// One of everything.
pub(crate) fn server() -> Server<changes::Watched> {
    let server = Server::new("everything", env!("CARGO_PKG_VERSION"))
        // Whoever tries a client on it, or loads it, has it to themselves.
        .limits(Limits::for_one_caller)
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
