//! The command line: what is asked for, and what is wrong with it.

mod audit;
mod keys;
mod words;

use std::{env, ffi::OsString, path::PathBuf};

use self::words::{Words, once};
pub(crate) use self::{
    audit::{AuditCommand, AuditTask},
    keys::{KeysCommand, KeysTask, NewKeyArgs},
};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Version,
    /// Play the dialogue, and draw what visitors saw into this file.
    Demo(Option<PathBuf>),
    /// Serve standard input and output.
    Stdio(Args),
    /// Serve HTTP.
    Http(HttpArgs, Args),
    Keys(KeysTask),
    Audit(AuditTask),
}

/// What both ways of serving take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) data: PathBuf,
    /// Whether the person is asked before something destructive is done.
    pub(crate) confirm: bool,
    pub(crate) audit: AuditArg,
    pub(crate) verbose: bool,
}

/// What serving HTTP takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpArgs {
    pub(crate) address: String,
    /// Whether whoever reaches it may call every tool.
    pub(crate) no_auth: bool,
    /// Where figures for Prometheus are served, beside `/metrics` for keys that may read them.
    pub(crate) metrics: Option<String>,
    /// Proxies that say where requests come from.
    pub(crate) trusted_proxies: Vec<String>,
    /// Names by which it is asked for, beside those of this machine.
    pub(crate) hosts: Vec<String>,
}

/// How a record is kept of what is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AuditArg {
    /// Nothing is changed that is not on record.
    #[default]
    Required,
    /// As well as it goes.
    BestEffort,
    Off,
}

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
  bext-companion --demo [--plot FILE]

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
  --demo       Play an assistant's dialogue with real calls in a scratch directory: releases of an application on
               four instances, with visitors on them all the time, who are counted. Under a minute. Removes what
               it made, but for a drawing of what visitors saw: in FILE, or bext-demo.svg among temporary files.
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

/// Reads the words after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Task, String> {
    let mut words = Words(words.into_iter());
    let mut given = Given::default();
    let mut is_first = true;
    while let Some(word) = words.next() {
        match word.flag.as_str() {
            "keys" if is_first => return help_or(words, |words| keys::parse(words).map(Task::Keys)),
            "audit" if is_first => return help_or(words, |words| audit::parse(words).map(Task::Audit)),
            "--data" => once(&word, &mut given.data, words.value(&word, "a directory")?)?,
            "--http" => once(&word, &mut given.http, words.text(&word, ADDRESS)?)?,
            "--metrics" => once(&word, &mut given.metrics, words.text(&word, ADDRESS)?)?,
            "--trust-proxy" => {
                given.trusted_proxies.push(words.text(&word, "an address or a network such as 10.0.0.0/8")?)
            }
            "--plot" => once(&word, &mut given.plot, words.value(&word, "a file")?)?,
            "--allow-host" => given.hosts.push(words.text(&word, "a name such as mcp.example.com")?),
            "--audit" => {
                let mode = words.text(&word, "required, best-effort or off")?;
                once(&word, &mut given.audit, read_mode(&mode)?)?;
            }
            flag => {
                let place = given.place(flag).ok_or_else(|| word.unknown())?;
                word.alone()?;
                if std::mem::replace(place, true) {
                    return Err(format!("{flag} is there twice"));
                }
            }
        }
        is_first = false;
    }
    given.task()
}

/// What `--http` and `--metrics` want.
const ADDRESS: &str = "an address such as 127.0.0.1:8080";

/// Reads the words of a command, unless help is asked for among them.
fn help_or<I: Iterator<Item = OsString>>(
    words: Words<I>,
    read: impl FnOnce(Words<std::vec::IntoIter<OsString>>) -> Result<Task, String>,
) -> Result<Task, String> {
    let words: Vec<OsString> = words.0.collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Task::Help);
    }
    read(Words(words.into_iter()))
}

fn read_mode(mode: &str) -> Result<AuditArg, String> {
    match mode {
        "required" => Ok(AuditArg::Required),
        "best-effort" => Ok(AuditArg::BestEffort),
        "off" => Ok(AuditArg::Off),
        _ => Err(format!("--audit {mode}: it is required, best-effort or off")),
    }
}

/// The flags as they were given.
#[derive(Debug, Default)]
struct Given {
    mcp: bool,
    http: Option<String>,
    no_auth: bool,
    metrics: Option<String>,
    trusted_proxies: Vec<String>,
    hosts: Vec<String>,
    confirm: bool,
    audit: Option<AuditArg>,
    data: Option<OsString>,
    demo: bool,
    plot: Option<OsString>,
    verbose: bool,
    version: bool,
    help: bool,
}

impl Given {
    /// Where a flag without a value is noted.
    fn place(&mut self, flag: &str) -> Option<&mut bool> {
        Some(match flag {
            "--mcp" => &mut self.mcp,
            "--no-auth" => &mut self.no_auth,
            "--confirm" => &mut self.confirm,
            "--demo" => &mut self.demo,
            "--verbose" => &mut self.verbose,
            "--version" | "-V" => &mut self.version,
            "--help" | "-h" => &mut self.help,
            _ => return None,
        })
    }

    fn task(self) -> Result<Task, String> {
        if self.help {
            return Ok(Task::Help);
        }
        if self.version {
            return Ok(Task::Version);
        }
        let tasks = [("--mcp", self.mcp), ("--http", self.http.is_some()), ("--demo", self.demo)];
        let named: Vec<&str> = tasks.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
        if named.is_empty() {
            return Err("say what to do: --mcp, --http ADDR or --demo, or keys or audit first".to_owned());
        }
        if let [first, second, ..] = named[..] {
            return Err(format!("{first} and {second} go one at a time"));
        }
        let serves = [
            ("--data", "plays in a directory of its own", self.data.is_some()),
            ("--verbose", "prints every call by itself", self.verbose),
            ("--confirm", "has nobody to ask", self.confirm),
            ("--audit", "leaves nothing behind", self.audit.is_some()),
        ];
        if let Some((flag, why, _)) = serves.into_iter().find(|(_, _, given)| self.demo && *given) {
            return Err(format!("--demo {why} and takes no {flag}"));
        }
        let over_http = [
            ("--no-auth", self.no_auth),
            ("--metrics", self.metrics.is_some()),
            ("--trust-proxy", !self.trusted_proxies.is_empty()),
            ("--allow-host", !self.hosts.is_empty()),
        ];
        if let Some((flag, _)) = over_http.into_iter().find(|(_, given)| self.http.is_none() && *given) {
            return Err(format!("{flag} is about --http, which is not there"));
        }
        if self.plot.is_some() && !self.demo {
            return Err("--plot is about --demo, which is not there".to_owned());
        }
        if self.demo {
            return Ok(Task::Demo(self.plot.map(PathBuf::from)));
        }
        let args = Args {
            data: data_or_default(self.data)?,
            confirm: self.confirm,
            audit: self.audit.unwrap_or_default(),
            verbose: self.verbose,
        };
        Ok(match self.http {
            Some(address) => {
                let http = HttpArgs {
                    address,
                    no_auth: self.no_auth,
                    metrics: self.metrics,
                    trusted_proxies: self.trusted_proxies,
                    hosts: self.hosts,
                };
                Task::Http(http, args)
            }
            None => Task::Stdio(args),
        })
    }
}

/// The data directory that was given, or the platform's.
fn data_or_default(given: Option<OsString>) -> Result<PathBuf, String> {
    let known = given.map(PathBuf::from).or_else(data_directory);
    known.ok_or_else(|| "no home directory is known: say --data DIR".to_owned())
}

/// Where programs of this platform keep the data of their user.
fn data_directory() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("HOME");
    let base = if cfg!(target_os = "macos") {
        home?.join("Library/Application Support")
    } else {
        // The XDG specification has relative paths ignored.
        absolute("XDG_DATA_HOME").or_else(|| Some(home?.join(".local/share")))?
    };
    Some(base.join("bext"))
}
