//! The server: its tools over an engine, and what clients are told of them.

use std::path::Path;

use toolpack::{
    ConfirmDestructive, Endpoint, IntoEndpoint, PackOptions, Server,
    bext::{self, engine::Engines},
};

use crate::{Failure, NAME, VERSION, args::Flags, audit};

/// What clients put before the model's eyes.
const INSTRUCTIONS: &str = "\
These tools work on bext instances: the apps that they run, and the data of those. Begin with list_instances: its ids \
are the instance_id of every other tool, and it says where the gateway of each answers. A refused call says which \
argument is wrong and what is allowed: correct it and call again.

Apps: add_app registers one from a local directory, a git repository or a .tar.gz; list_apps says what is live. deploy \
puts a version of it live once that has passed its health check; until then, and if it never does, the old one goes on. \
With canary_percent the version gets that part of new visitors: promote_canary makes it the live one, rollback ends it. \
Without a canary, rollback goes back to the version before, without a build. While one release of an app is under way, \
another is refused as busy: wait for the first. fleet_deploy does the same on several instances. Before anything goes to \
production, deploy it where nobody depends on it and look at run_conformance there. An app finds its secrets in its \
environment, and sees a changed one at its next deploy; no tool shows the value of one.

Data: each app has an SQL database (SQLite; db_query reads, db_execute writes) and a key-value store (kv_get, kv_set, \
kv_delete, kv_list) of its own; without app, the instance's own store is meant. Look at the tables with \
`SELECT name, sql FROM sqlite_schema` before you write a statement, and put values into params, never into the text. \
Writes are on disk when they return, and nothing undoes them: ask the user before deleting.";

/// Who calls a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Callers {
    /// Each under a name of its own, or from an address: none can take the share of another.
    Told,
    /// Any number of clients of the user that this runs as, who are one caller by name.
    OneUser,
}

/// The server for clients with these flags.
pub(crate) fn endpoint(
    engines: Engines,
    data: &Path,
    flags: Flags,
    callers: Callers,
) -> Result<Endpoint, Failure> {
    let mut server = Server::new(NAME, VERSION)
        .title("bext companion")
        .description("Instances of bext, their apps, and the databases and keys of those")
        .instructions(INSTRUCTIONS);
    if callers == Callers::OneUser {
        // The share of one caller would be what all have together.
        server = server.limits(|limits| {
            limits.calls_per_caller = limits.concurrent_calls;
            limits.subscriptions_per_caller = limits.subscriptions;
            limits.questions_per_caller = limits.waiting_questions;
        });
    }
    if flags.confirm {
        server = server.confirm(ConfirmDestructive::new());
    }
    if flags.read_only {
        server = server.read_only();
    }
    if let Some(log) = audit::log(data, flags.audit)? {
        server = server.audit(log);
    }
    Ok(server.pack(bext::pack(engines), PackOptions::new()).into_endpoint()?)
}
