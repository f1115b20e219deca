//! What servers among the examples share: a command line that says over what to serve, and serving so.

use std::{
    error::Error, ffi::OsString, fmt::Display, num::NonZero, path::PathBuf, process::ExitCode, str::FromStr,
};

use tokio::runtime::{Builder, Runtime};
use toolpack::{
    IntoEndpoint,
    http::Http,
    stdio::{self, SocketServer, Sockets},
};

#[path = "causes.rs"]
mod causes;
#[path = "figures.rs"]
mod figures;
use causes::with_causes;

/// What the flags want that listen on a port.
const ADDRESS: &str = "an address such as 127.0.0.1:8080";

/// Over what a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Its own standard input and output.
    Stdio,
    /// HTTP on this address.
    Http(String),
    /// Lines over TCP on this address.
    Tcp(String),
    /// Lines over a Unix socket at this path.
    Unix(PathBuf),
}

/// How it is served, beyond over what.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    /// How many threads calls run on; see [`Transport::serve`] for what is chosen without.
    pub(crate) threads: Option<NonZero<usize>>,
    /// Options of HTTP, of no use to stdio.
    pub(crate) http: Http,
    /// Whether SIGUSR1 has figures written to standard error.
    pub(crate) tells_figures: bool,
}

impl Transport {
    /// Reads a command line: `--stdio`, `--http ADDR`, `--tcp ADDR` or `--unix PATH`, `--help`, and whatever else `own`
    /// knows. It is given the flag and the place to take a value from, and says whether the flag is one of its own.
    ///
    /// The other result is what to exit with: help was asked for and shown, or something is wrong and was said.
    pub(crate) fn from_command_line(
        help: &str,
        own: impl FnMut(&str, &mut Values) -> Result<bool, String>,
    ) -> Result<Self, ExitCode> {
        match read(std::env::args_os().skip(1).collect(), own) {
            Ok(Asked::Serve(transport)) => Ok(transport),
            Ok(Asked::Help) => {
                println!("{help}");
                Err(ExitCode::SUCCESS)
            }
            Err(problem) => {
                eprintln!("{problem}; --help says what there is");
                Err(ExitCode::from(2))
            }
        }
    }

    /// Serves over it until the client leaves or a signal comes; what goes wrong is said on standard error.
    ///
    /// Calls run on one thread with stdio: its one reader and one writer gain nothing from a second. With the others they
    /// run on a thread a core, so that large answers to many clients use the whole machine. That is a trade: where calls
    /// are tiny, waking another thread is a fifth of what a call costs, and one thread is cheaper. `threads` overrules
    /// both.
    pub(crate) fn serve(self, server: impl IntoEndpoint, serving: Serving) -> ExitCode {
        let served = self
            .runtime(serving.threads)
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(self.serve_until_the_end(server, serving)));
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}", with_causes(error.as_ref()));
                ExitCode::FAILURE
            }
        }
    }

    async fn serve_until_the_end(
        &self,
        server: impl IntoEndpoint,
        serving: Serving,
    ) -> Result<(), Box<dyn Error>> {
        let serve = async {
            match self {
                Self::Stdio => stdio::serve(server).await?,
                Self::Http(address) => {
                    let http = serving.http.without_auth().max_sessions_per_caller(usize::MAX);
                    let server = http.bind(server, address).await?;
                    eprintln!("listening on {}", server.url());
                    server.run().await?;
                }
                Self::Tcp(address) => {
                    run(Sockets::new().without_auth().bind_tcp(server, address).await?).await?;
                }
                Self::Unix(path) => run(SocketServer::bind_unix(server, path).await?).await?,
            }
            Ok(())
        };
        if !serving.tells_figures {
            return serve.await;
        }
        tokio::select! {
            // The first: it listens for the signal before there is a client who could send one.
            biased;
            told = figures::tell() => match told? {},
            served = serve => served,
        }
    }

    fn runtime(&self, threads: Option<NonZero<usize>>) -> std::io::Result<Runtime> {
        let mut builder = match (self, threads.map(NonZero::get)) {
            (Self::Stdio, None) | (_, Some(1)) => Builder::new_current_thread(),
            (Self::Http(_) | Self::Tcp(_) | Self::Unix(_), None) => Builder::new_multi_thread(),
            (_, Some(threads)) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(threads);
                builder
            }
        };
        builder.enable_all().build()
    }
}

async fn run(server: SocketServer) -> Result<(), stdio::ServeError> {
    eprintln!("listening on {}", server.local_addr());
    server.run().await
}

/// The words of a command line that are not read yet.
pub(crate) struct Values(std::vec::IntoIter<OsString>);

impl Values {
    /// The value of a flag: the word after it.
    pub(crate) fn value(&mut self, flag: &str, meaning: &str) -> Result<String, String> {
        self.word(flag, meaning)?
            .into_string()
            .map_err(|value| format!("{flag} {} is not Unicode", value.display()))
    }

    /// The value of a flag that need not be Unicode, such as a path.
    fn word(&mut self, flag: &str, meaning: &str) -> Result<OsString, String> {
        self.0.next().ok_or_else(|| format!("{flag} wants {meaning} after it"))
    }

    /// The value of a flag that takes a number.
    #[allow(dead_code, reason = "not every example has such a flag")]
    pub(crate) fn number<N: FromStr<Err: Display>>(&mut self, flag: &str) -> Result<N, String> {
        let value = self.value(flag, "a number")?;
        value.parse().map_err(|error| format!("{flag} {value}: {error}"))
    }
}

enum Asked {
    Help,
    Serve(Transport),
}

fn read(
    words: Vec<OsString>,
    mut own: impl FnMut(&str, &mut Values) -> Result<bool, String>,
) -> Result<Asked, String> {
    let mut values = Values(words.into_iter());
    let mut transport = None;
    while let Some(word) = values.0.next() {
        let flag = word.to_string_lossy();
        let named = match flag.as_ref() {
            "--help" | "-h" => return Ok(Asked::Help),
            "--stdio" => Transport::Stdio,
            "--http" => Transport::Http(values.value("--http", ADDRESS)?),
            "--tcp" => Transport::Tcp(values.value("--tcp", ADDRESS)?),
            "--unix" => Transport::Unix(values.word("--unix", "a path for its socket")?.into()),
            flag if own(flag, &mut values)? => continue,
            flag => return Err(format!("there is no flag {flag}")),
        };
        if transport.replace(named).is_some() {
            return Err("--stdio, --http, --tcp and --unix go one at a time".to_owned());
        }
    }
    transport
        .map(Asked::Serve)
        .ok_or_else(|| "say --stdio, --http ADDR, --tcp ADDR or --unix PATH".to_owned())
}
