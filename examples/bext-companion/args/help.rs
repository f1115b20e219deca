//! What `--help` prints.

use super::data_directory;

/// What `--help` prints.
pub(crate) fn help() -> String {
    let data = data_directory().map_or_else(|| "none here".to_owned(), |path| path.display().to_string());
    format!(
        r#"bext-companion lets an AI assistant work with bext instances: it serves their apps, databases and keys
as tools over MCP, the Model Context Protocol.

Usage:
  bext-companion --mcp [--confirm] [--read-only] [--audit MODE] [--data DIR] [--instances A,B] [--in-process]
                 [--verbose]
  bext-companion --http ADDR [--no-auth] [--metrics ADDR] [--allow-host NAME] [--trust-proxy NET] [--confirm]
                 [--read-only] [--audit MODE] [--data DIR] [--instances A,B] [--in-process] [--verbose]
  bext-companion node start [--instances A,B] [--verbose] | node stop | node status [--json] [--data DIR]
  bext-companion keys create --name NAME --scopes A,B [--expires 30d] [--data DIR]
  bext-companion keys list | keys revoke ID [--data DIR]
  bext-companion secrets rotate [--data DIR]
  bext-companion audit verify [--head SEQ:HASH] | audit tail [--records N] [--short] [--data DIR]
  bext-companion --demo [--plot FILE]
  bext-companion demo-app

An assistant starts it by itself. Put this into its configuration file:

  {{"mcpServers":{{"bext":{{"command":"bext-companion","args":["--mcp"]}}}}}}

Flags:
  --mcp        Serve the client that started this program, on standard input and output. What it asks for is
               done by the node of the data directory, which is started where none runs and goes on when the
               client has gone; several clients share it.
  --http ADDR  Serve clients of this machine at http://ADDR/mcp, such as --http 127.0.0.1:8080; port 0
               takes a free one. Who calls shows a key: a first start makes one, and prints it with the
               configuration of a client. "listening on URL" on standard error says when it is served,
               /health whether. The node listens, as long as this program runs.
  --no-auth    Serve HTTP without keys: whoever has an account on this machine may call every tool.
  --metrics ADDR
               Also serve figures for Prometheus at http://ADDR/metrics, to whoever reaches it; without
               this flag /metrics stands beside /mcp, for keys with the scope bext:admin.
  --allow-host NAME
               Also answer requests for this name, as a proxy with TLS in front passes them on. May be
               there several times.
  --trust-proxy NET
               Believe this proxy, an address or a network, about where requests come from. May be there
               several times. Without it, all that come through a proxy count as one address.
  --confirm    Have the person agree before something destructive is done. A client that cannot ask is
               refused then.
  --read-only  Leave out the tools that change something.
  --audit MODE required (the default): nothing is changed that is not on record; best-effort: a call
               does not wait for the record, nor fail with it; off.
  --data DIR   Where everything is kept; made on first start.
               Default: {data}
  --instances A,B
               The instances that a first start makes, by their ids; without it, one that is called local.
               A later start of the node with others is refused: then instances.toml says which there are.
  --in-process Have the engine in this process, and no node: what it runs ends with it. The data directory
               is then its alone, so it fails where a node runs.
  --demo       Play an assistant's dialogue with real calls in a scratch directory: releases of an
               application on four instances, with visitors on them all the time, who are counted. Under a
               minute. Removes what it made, but for a drawing of what visitors saw: in FILE, or in
               bext-demo.svg among the temporary files.
  demo-app     Be the application of the demo and of run_conformance, at the port in PORT.
  --verbose    Log all that happens, and not only warnings: this program to standard error, and a node that
               it starts to node.log.
  --version    Print the version.
  --help       Print this.

The node, one for each data directory. It logs to node.log there, which is bounded (two files of 4 MiB), and ends by
itself when the directory is gone.
  node start   Start it, if it does not run, and say which process it is. It belongs to no terminal.
  node stop    Have it end, with all that it runs; returns when no process is left. Clients are disconnected once
               their calls are done, or after 5 seconds (10 over HTTP).
  node status  Say how it is, and its instances. --json: as one object, with running, pid, version, build,
               started_at, data, socket, instances (id, url, status, apps) and clients.

Keys, for --http. A key is shown once, when it is made; a running server knows of changes at once.
  keys create  Make one with these scopes (bext:read, bext:write, bext:admin; * for all) and print it.
               --expires takes a number and a unit: 12h, 30d, 8w. Without it, it is good until revoked.
  keys list    Print the id, the name and the rest of each, but not what it was made of.
  keys revoke  Take one back, by its id. Its open connections to tools end, too.

Secrets, which apps find in their environment. They are encrypted under the key in secret.key of the data directory,
or in the variable BEXT_SECRET_KEY; tools set them, and nothing shows them again.
  secrets rotate
               Encrypt them under a new key, and drop the old one from secret.key. No node may run meanwhile. Says
               which secrets no key opens, by their names. A key in BEXT_SECRET_KEY is changed there.

The audit log, in audit/ of the data directory: who did what, in a chain in which a record that was
removed, changed or moved shows.
  audit verify Say whether it is whole, or where it breaks. --head: one that was printed earlier, and
               kept where nobody who can write to the log can; it must still be part of the chain.
  audit tail   Print the last records, as they are kept, one object of JSON a line; 20 without
               --records. --short: as lines for people.

In the data directory, instances.toml lists the instances and may say where the gateway of each listens
(listen = "127.0.0.1:8000"; a free port is chosen once without it). What an instance has lies in instances/ID/: its
configuration, apps and releases, secrets (encrypted), logs of its apps, and in apps/APP/ the data of an app as SQLite
files. Keys are in keys.db, as hashes. Apps are given their own artifact's folder to run in; nothing else on this
machine is touched.

Exit status: 0 when the client has gone, a signal came or the node was stopped, 1 when something failed, the
node has ended unexpectedly or the audit log is not whole, 2 for a wrong flag, 3 from node status when no node
runs.
"#
    )
}
