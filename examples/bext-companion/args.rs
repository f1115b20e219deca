//! The command line: what is asked for, and what is wrong with it.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Version,
    Demo,
    /// Serve standard input and output.
    Stdio(Args),
    /// Serve HTTP on this address.
    Http(String, Args),
}

/// What both ways of serving take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) data: PathBuf,
    pub(crate) verbose: bool,
}

/// What `--help` prints.
pub(crate) fn help() -> String {
    let data = data_directory().map_or_else(|| "none here".to_owned(), |path| path.display().to_string());
    format!(
        r#"bext-companion lets an AI assistant work with bext instances: it serves their databases and keys
as tools over MCP, the Model Context Protocol.

Usage:
  bext-companion --mcp [--data DIR] [--verbose]
  bext-companion --http ADDR --no-auth [--data DIR] [--verbose]
  bext-companion --demo

An assistant starts it by itself. Put this into its configuration file:

  {{"mcpServers":{{"bext":{{"command":"bext-companion","args":["--mcp"]}}}}}}

Flags:
  --mcp        Serve the client that started this program, on standard input and output.
  --http ADDR  Serve clients of this machine at http://ADDR/mcp, such as --http 127.0.0.1:8080; port 0
               takes a free one. "listening on URL" on standard error says when, /health whether.
  --no-auth    Serve HTTP without keys: whoever has an account on this machine may call every tool.
               There are no keys yet, so --http needs it.
  --data DIR   Where everything is kept; made on first start. Several processes may share it.
               Default: {data}
  --demo       Play a dialogue of real calls in a scratch directory and print it. Removes what it made.
  --verbose    Log what happens, to standard error; only warnings by default.
  --version    Print the version.
  --help       Print this.

In the data directory, instances.toml lists the instances; the data of an app lies in
instances/ID/apps/APP/ as SQLite files. Nothing else on this machine is touched.

Exit status: 0 when the client has gone or a signal came, 1 when something failed, 2 for a wrong flag.
"#
    )
}

/// Reads the words after the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Task, String> {
    let mut words = words.into_iter();
    let mut given = Given::default();
    while let Some(word) = words.next() {
        let (flag, joined) = split(&word);
        let mut value = |what: &str| {
            let next = joined.clone().or_else(|| words.next());
            next.filter(|value| !value.is_empty() && !value.to_string_lossy().starts_with("--"))
                .ok_or_else(|| format!("{flag} wants {what} after it"))
        };
        match flag.as_str() {
            "--data" => once(&flag, &mut given.data, value("a directory")?)?,
            "--http" => {
                let address = value("an address such as 127.0.0.1:8080")?;
                let address = address.into_string().map_err(|word| unknown(&word))?;
                once(&flag, &mut given.http, address)?;
            }
            _ if joined.is_some() && given.place(&flag).is_some() => {
                return Err(format!("{flag} takes no value"));
            }
            _ => {
                let place = given.place(&flag).ok_or_else(|| unknown(&word))?;
                if std::mem::replace(place, true) {
                    return Err(format!("{flag} is there twice"));
                }
            }
        }
    }
    given.task()
}

/// The flags as they were given.
#[derive(Debug, Default)]
struct Given {
    mcp: bool,
    http: Option<String>,
    no_auth: bool,
    data: Option<OsString>,
    demo: bool,
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
            return Err("say what to do: --mcp, --http ADDR or --demo".to_owned());
        }
        if let [first, second, ..] = named[..] {
            return Err(format!("{first} and {second} go one at a time"));
        }
        if self.demo && self.data.is_some() {
            return Err("--demo plays in a directory of its own and takes no --data".to_owned());
        }
        if self.demo && self.verbose {
            return Err("--demo prints every call by itself and takes no --verbose".to_owned());
        }
        if self.no_auth && self.http.is_none() {
            return Err("--no-auth is about --http, which is not there".to_owned());
        }
        if self.demo {
            return Ok(Task::Demo);
        }
        if self.http.is_some() && !self.no_auth {
            return Err(
                "--http needs --no-auth beside it: there are no keys yet, and whoever has an account \
                        on this machine could call every tool"
                    .to_owned(),
            );
        }
        let data = match self.data {
            Some(data) => PathBuf::from(data),
            None => data_directory().ok_or("no home directory is known: say --data DIR")?,
        };
        let args = Args { data, verbose: self.verbose };
        Ok(match self.http {
            Some(address) => Task::Http(address, args),
            None => Task::Stdio(args),
        })
    }
}

/// A flag, and the value that stands behind its `=`.
fn split(word: &OsStr) -> (String, Option<OsString>) {
    let text = word.to_string_lossy();
    match word.to_str().and_then(|word| word.split_once('=')) {
        Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.into())),
        _ => (text.into_owned(), None),
    }
}

fn once<T>(flag: &str, place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{flag} is there twice")),
    }
}

fn unknown(word: &OsStr) -> String {
    format!("there is no flag {}", word.display())
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
