//! A small application that the node can run: to show deploys, and to check what lies between a client and an application.
//!
//! A binary gives it a subcommand (`demo-app`) that calls [`run_from_environment`]. It listens on `127.0.0.1` at the port
//! in `PORT`, serves HTTP/1.1 until it is told to end (SIGTERM or SIGINT), answers what is under way, for 10 s at most, and
//! exits with 0. Its version is the `version` of `bext.app.toml` in the current directory; without that `BEXT_VERSION`; else
//! `unknown`.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use toolpack_ops::bext::node::sample_app;
//!
//! fn main() -> ExitCode {
//!     match std::env::args().nth(1).as_deref() {
//!         Some("demo-app") => sample_app::run_from_environment(),
//!         _ => ExitCode::SUCCESS, // What the binary is for.
//!     }
//! }
//! ```
//!
//! An application of one's own can stand in for it in the checks of a node, if it has the same paths. Any method will do:
//!
//! | path | answer |
//! |---|---|
//! | `/` | a page that says the version |
//! | `/version` | the version, as text and nothing else |
//! | `/health` | 200; 500 while the file `unhealthy` is in the current directory |
//! | `/pid` | the id of the process |
//! | `/headers` | the headers of the request, as a JSON array of pairs of a name (in lower case) and a value; in order, those of one name together |
//! | `/echo` | the body of the request as it comes, with its `Content-Type` |
//! | `/count` | `{"bytes": 3, "blake3": "…"}`: of the body of the request |
//! | `/chunks?n=3&ms=100` | `n` lines (1 to 1000), each sent by itself, with `ms` (up to 60000) between them |
//! | `/bytes?n=1024` | `n` bytes (up to 1 GiB), with a `Content-Length`: the alphabet in small letters, over and over |
//! | `/slow?ms=1000` | 200 after `ms` (up to 60000) |
//! | `/status?code=200` | this status (200 to 599) |
//! | `/crash` | 200, after which the process exits with 1 |
//! | `/hang` | never any |
//! | `/ws` | a WebSocket that sends each message back (up to 1 MiB), with the first subprotocol that was offered |
//! | `/env?name=TOKEN` | `{"name": "TOKEN", "set": true, "blake3": "…"}`: the hash of `TOKEN=value`, and never the value |
//! | `/print?text=hello` | prints the text (up to 4096 bytes) as a line on standard output |
//! | `/trailers` | a body, and after it a trailer `x-blake3` with its hash, if the request says `TE: trailers` |
//!
//! Some files in the current directory make it fail at its start: with `crashes` it exits with 1 at once, and with
//! `never-listens` it runs and does not listen.

mod answers;
mod query;
mod server;
mod stopping;
#[cfg(test)]
mod tests;
mod web_socket;

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The file whose `version` is the application's.
const MANIFEST: &str = "bext.app.toml";

/// The application of a directory.
#[derive(Clone, Debug)]
pub struct SampleApp {
    version: String,
    directory: PathBuf,
}

/// Why an application ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ending {
    /// It was told to, and has answered what was under way.
    Stopped,
    /// It was asked to crash: the process should exit with an error now.
    Crashed,
}

impl SampleApp {
    /// The application of this directory. `version` is its version where the manifest has none.
    ///
    /// # Errors
    ///
    /// The manifest cannot be read, or is no TOML with a text as its `version`.
    pub fn open(directory: impl Into<PathBuf>, version: Option<String>) -> io::Result<Self> {
        let directory = directory.into();
        let version = manifest_version(&directory)?.or(version).unwrap_or_else(|| "unknown".to_owned());
        Ok(Self { version, directory })
    }

    /// What it says as its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Serves until `stop` is ready, and then answers what is under way, for 10 s at most.
    ///
    /// # Errors
    ///
    /// The listener cannot be used.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) -> io::Result<Ending> {
        server::serve(self, listener, stop).await
    }
}

/// Runs the application of the current directory until it is told to end; what the process should exit with.
///
/// It has threads of its own, so that it can be called from anywhere. What is wrong is said on standard error: a `PORT`
/// that is missing or is no port gives 2, whatever else hinders it 1.
pub fn run_from_environment() -> ExitCode {
    ExitCode::from(exit_code())
}

fn exit_code() -> u8 {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ending = runtime.block_on(run());
        // A thread that is busy with a full pipe does not keep the process.
        runtime.shutdown_background();
        ending
    };
    let thread = std::thread::Builder::new().name("sample-app".to_owned()).spawn(run);
    match thread.map(|thread| thread.join()) {
        Ok(Ok(Ok(Ending::Stopped))) => 0,
        Ok(Ok(Ok(Ending::Crashed))) => 1,
        Ok(Ok(Err(failure))) => failure.say(),
        Err(error) => Failure::from(error).say(),
        // A panic has said itself what it was.
        Ok(Err(_)) => 1,
    }
}

/// Why the application could not run.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn say(self) -> u8 {
        // Where nobody hears it, nothing can be done about it.
        let _ = writeln!(io::stderr(), "sample application: {}", self.message);
        self.code
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { code: 1, message: error.to_string() }
    }
}

async fn run() -> Result<Ending, Failure> {
    // First of all, so that nothing is lost that comes early.
    let to_end =
        ToEnd { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
    let directory = std::env::current_dir()?;
    if directory.join("crashes").try_exists()? {
        return Err(Failure {
            code: 1,
            message: "there is a file `crashes` in the current directory".to_owned(),
        });
    }
    let app = SampleApp::open(&directory, std::env::var("BEXT_VERSION").ok())?;
    let port = port(std::env::var("PORT").ok().as_deref())?;
    if directory.join("never-listens").try_exists()? {
        say("sample application: there is a file `never-listens` in the current directory").await;
        to_end.wait().await;
        return Ok(Ending::Stopped);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| Failure {
        code: 1,
        message: format!("port {port} on 127.0.0.1 cannot be listened on: {error}"),
    })?;
    let address = listener.local_addr()?;
    say(&format!("sample application: version {} listens on {address}", app.version())).await;
    Ok(app.serve(listener, to_end.wait()).await?)
}

/// The signals that tell it to end.
#[derive(Debug)]
struct ToEnd {
    terminate: Signal,
    interrupt: Signal,
}

impl ToEnd {
    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn port(value: Option<&str>) -> Result<u16, Failure> {
    let wrong = |seen: String| Failure {
        code: 2,
        message: format!("PORT has to be a number from 0 to 65535, 0 for any free port; {seen}"),
    };
    let value = value.ok_or_else(|| wrong("it is not set".to_owned()))?;
    value.parse().map_err(|_| wrong(format!("it is {value:?}")))
}

/// Prints a line. On a thread that may wait, as whoever reads it may be slow.
async fn say(line: &str) {
    let line = format!("{line}\n");
    let print = move || {
        let mut output = io::stdout().lock();
        output.write_all(line.as_bytes()).and_then(|()| output.flush())
    };
    // An application whose output nobody reads any more goes on serving.
    let _ = tokio::task::spawn_blocking(print).await;
}

fn manifest_version(directory: &Path) -> io::Result<Option<String>> {
    /// The one thing of the manifest that concerns the application itself.
    #[derive(serde::Deserialize)]
    struct Manifest {
        version: Option<String>,
    }

    let text = match std::fs::read_to_string(directory.join(MANIFEST)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(io::Error::new(error.kind(), format!("{MANIFEST} cannot be read: {error}")));
        }
    };
    match toml::from_str::<Manifest>(&text) {
        Ok(manifest) => Ok(manifest.version),
        Err(error) => {
            let message = format!("{MANIFEST} is not right: {}", error.message());
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
    }
}
