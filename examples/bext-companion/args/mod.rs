//! The command line: what is asked for, and what is wrong with it.

mod audit;
mod help;
mod keys;
mod node;
mod secrets;
mod serving;
mod words;

use std::{env, ffi::OsString, path::PathBuf};

use toolpack::bext::engine::InstanceId;

pub(crate) use self::{
    audit::{AuditCommand, AuditTask},
    help::help,
    keys::{KeysCommand, KeysTask, NewKeyArgs},
    node::NodeTask,
    secrets::SecretsTask,
    serving::{Args, AuditArg, Flags, HttpArgs, StartArgs},
};
use self::{
    serving::{read_instances, read_mode},
    words::{Words, once},
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
    Node(NodeTask),
    Keys(KeysTask),
    Secrets(SecretsTask),
    Audit(AuditTask),
    /// Be the application of the demo and of the checks.
    DemoApp,
}

/// Reads the words after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Task, String> {
    let mut words = Words(words.into_iter());
    let mut given = Given::default();
    let mut is_first = true;
    while let Some(word) = words.next() {
        match word.flag.as_str() {
            "node" if is_first => return help_or(words, |words| node::parse(words).map(Task::Node)),
            "demo-app" if is_first => {
                return help_or(words, |mut words| match words.next() {
                    None => Ok(Task::DemoApp),
                    Some(word) => Err(word.unknown()),
                });
            }
            "keys" if is_first => return help_or(words, |words| keys::parse(words).map(Task::Keys)),
            "secrets" if is_first => return help_or(words, |words| secrets::parse(words).map(Task::Secrets)),
            "audit" if is_first => return help_or(words, |words| audit::parse(words).map(Task::Audit)),
            "--data" => once(&word, &mut given.data, words.value(&word, "a directory")?)?,
            "--http" => once(&word, &mut given.http, words.text(&word, ADDRESS)?)?,
            "--metrics" => once(&word, &mut given.metrics, words.text(&word, ADDRESS)?)?,
            "--trust-proxy" => {
                given.trusted_proxies.push(words.text(&word, "an address or a network such as 10.0.0.0/8")?)
            }
            "--plot" => once(&word, &mut given.plot, words.value(&word, "a file")?)?,
            "--allow-host" => given.hosts.push(words.text(&word, "a name such as mcp.example.com")?),
            "--instances" => {
                let ids = words.text(&word, "ids such as staging-1,prod-1")?;
                once(&word, &mut given.instances, read_instances(&ids)?)?;
            }
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
    read_only: bool,
    audit: Option<AuditArg>,
    data: Option<OsString>,
    instances: Option<Vec<InstanceId>>,
    in_process: bool,
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
            "--read-only" => &mut self.read_only,
            "--in-process" => &mut self.in_process,
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
            return Err(
                "say what to do: --mcp, --http ADDR or --demo, or node, keys, secrets or audit first"
                    .to_owned(),
            );
        }
        if let [first, second, ..] = named[..] {
            return Err(format!("{first} and {second} go one at a time"));
        }
        let serves = [
            ("--data", "plays in a directory of its own", self.data.is_some()),
            ("--verbose", "prints every call by itself", self.verbose),
            ("--confirm", "has nobody to ask", self.confirm),
            ("--read-only", "shows what is written, too,", self.read_only),
            ("--instances", "plays in a directory of its own", self.instances.is_some()),
            ("--in-process", "says by itself where the engine is", self.in_process),
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
            flags: Flags {
                confirm: self.confirm,
                read_only: self.read_only,
                audit: self.audit.unwrap_or_default(),
            },
            start: StartArgs {
                data: data_or_default(self.data)?,
                instances: self.instances.unwrap_or_default(),
                verbose: self.verbose,
            },
            in_process: self.in_process,
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

/// The data directory that was given, or the platform's; absolute.
fn data_or_default(given: Option<OsString>) -> Result<PathBuf, String> {
    let known = given.map(PathBuf::from).or_else(data_directory);
    let known = known.ok_or("no home directory is known: say --data DIR")?;
    // A node is not where the one is who starts it.
    std::path::absolute(&known).map_err(|error| format!("--data {}: {error}", known.display()))
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
