//! What `--help` prints.

use super::data_directory;

/// What `--help` prints.
pub(crate) fn help() -> String {
    let data = data_directory().map_or_else(|| "none here".to_owned(), |path| path.display().to_string());
    format!(
        r#"bext-companion lets an AI assistant work with bext instances: it serves their databases and keys
as tools over MCP, the Model Context Protocol.

Usage:
  bext-companion --mcp [--confirm] [--audit MODE] [--data DIR] [--verbose]
  bext-companion --http ADDR [--no-auth] [--metrics ADDR] [--allow-host NAME] [--trust-proxy NET] [--confirm]
                 [--audit MODE] [--data DIR] [--verbose]
  bext-companion keys create --name NAME --scopes A,B [--expires 30d] [--data DIR]
  bext-companion keys list | keys revoke ID [--data DIR]
  bext-companion audit verify [--head SEQ:HASH] | audit tail [--records N] [--short] [--data DIR]
  bext-companion --demo

An assistant starts it by itself. Put this into its configuration file:

  {{"mcpServers":{{"bext":{{"command":"bext-companion","args":["--mcp"]}}}}}}

Flags:
  --mcp        Serve the client that started this program, on standard input and output.
  --http ADDR  Serve clients of this machine at http://ADDR/mcp, such as --http 127.0.0.1:8080; port 0
               takes a free one. Who calls shows a key: a first start makes one, and prints it with the
               configuration of a client. "listening on URL" on standard error says when it is served,
               /health whether.
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
  --audit MODE required (the default): nothing is changed that is not on record; best-effort: a call
               does not wait for the record, nor fail with it; off.
  --data DIR   Where everything is kept; made on first start. Several processes may share it.
               Default: {data}
  --demo       Play a dialogue of real calls in a scratch directory and print it. Removes what it made.
  --verbose    Log what happens, to standard error; only warnings by default.
  --version    Print the version.
  --help       Print this.

Keys, for --http. A key is shown once, when it is made; a running server knows of changes at once.
  keys create  Make one with these scopes (bext:read, bext:write, bext:admin; * for all) and print it.
               --expires takes a number and a unit: 12h, 30d, 8w. Without it, it is good until revoked.
  keys list    Print the id, the name and the rest of each, but not what it was made of.
  keys revoke  Take one back, by its id. Its open connections to tools end, too.

The audit log, in audit/ of the data directory: who did what, in a chain in which a record that was
removed, changed or moved shows.
  audit verify Say whether it is whole, or where it breaks. --head: one that was printed earlier, and
               kept where nobody who can write to the log can; it must still be part of the chain.
  audit tail   Print the last records, as they are kept, one object of JSON a line; 20 without
               --records. --short: as lines for people.

In the data directory, instances.toml lists the instances; the data of an app lies in
instances/ID/apps/APP/ as SQLite files; keys are in keys.db, as hashes. Nothing else on this machine is
touched.

Exit status: 0 when the client has gone or a signal came, 1 when something failed or the audit log is
not whole, 2 for a wrong flag.
"#
    )
}
