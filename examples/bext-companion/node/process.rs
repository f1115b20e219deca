//! The process of the node, from its first moment to its last.

use std::{env, fs::File, io, path::Path, pin::pin, sync::Arc, time::Duration};

use tokio::{
    runtime::Builder,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};
use toolpack::Signal;

use super::{
    About, Log, Record, Started,
    clients::Clients,
    directory::{Change, Directory},
    socket::{self, Socket},
};
use crate::{
    Failure,
    args::StartArgs,
    causes::with_causes,
    engine::{Engine, OpenError, make_directory, too_open},
    say_bytes,
    signals::Signals,
    tell,
};

/// How long a node may take to let go of a directory that another wants to start in.
const HANDOVER: Duration = Duration::from_secs(75);

/// How long work that cannot be cancelled may hold up the end, such as waiting for a disk or a network.
const LAST_WORK: Duration = Duration::from_secs(5);

/// How many may be connected at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 512;

/// Is the node until it is stopped. Whether it runs is said in one line on standard output.
pub(super) fn run(start: &StartArgs, is_detached: bool) -> Result<(), Failure> {
    match begin(start, is_detached) {
        Ok(()) => Ok(()),
        Err(NotStarted::RunsAlready) => say_bytes(&Started::RunsAlready.line()?),
        Err(NotStarted::Failed(error)) => {
            say_bytes(&Started::Failed(with_causes(error.as_ref())).line()?)?;
            Err(error)
        }
        Err(NotStarted::Ended(error)) => Err(error),
    }
}

/// Why there is no node, or none any more.
enum NotStarted {
    RunsAlready,
    Failed(Failure),
    /// It had started.
    Ended(Failure),
}

impl<E: Into<Failure>> From<E> for NotStarted {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn begin(start: &StartArgs, is_detached: bool) -> Result<(), NotStarted> {
    // Before the file of this program may be replaced.
    let about = About::of_this_process(start, false);
    if is_detached {
        // A terminal that closes, and a client that ends all that it started, are no longer about us.
        rustix::process::setsid().map_err(io::Error::from)?;
        env::set_current_dir("/")?;
    }
    let named = |error| format!("{}: {error}", start.data.display());
    make_directory(&start.data).map_err(named)?;
    let level = if start.verbose { tracing::Level::DEBUG } else { tracing::Level::INFO };
    let log = Log::open(&start.data, is_detached).map_err(named)?;
    let lines = tracing_subscriber::fmt().with_writer(log).with_ansi(false).with_max_level(level);
    // On a full disk lines are lost, and nothing else. That they are would be said on standard error, which is on the same
    // disk, by a macro that panics where that fails: in the midst of a connection.
    lines.log_internal_errors(false).init();
    if let Some(warning) = too_open(&start.data) {
        tracing::warn!("{warning}");
        if !is_detached {
            tell(&warning);
        }
    }
    // What the engine runs, and HTTP, have a thread for each core. Those who are connected here share this one: it is
    // cheaper for small calls, and keeps those of a client in their order until they reach the engine.
    let many = Builder::new_multi_thread().enable_all().build()?;
    let one = Builder::new_current_thread().enable_all().build()?;
    let record = one.block_on(async {
        let mut signals = Signals::listen()?;
        let opening = many.spawn(open_engine(start.clone()));
        let engine = tokio::select! {
            engine = opening => Arc::new(engine??),
            () = signals.next() => return Err("it was told to end before it had started".into()),
        };
        let place = || {
            let directory = Directory::of(&start.data)?;
            let socket = Socket::bind(&start.data)?;
            io::Result::Ok((directory, socket, Record::write(&start.data, &about)?))
        };
        let (directory, socket, record) = match place() {
            Ok(place) => place,
            Err(error) => {
                engine.close().await;
                return Err(named(error).into());
            }
        };
        tracing::info!(pid = about.pid, build = about.build, "started");
        let ending = Signal::new();
        let engines = engine.engines.clone();
        let clients =
            Clients::new(about.clone(), start.data.clone(), (engines, many.handle().clone()), ending.clone());
        // From here on it is known to run, so why it ends is nobody's but the log's. Whoever has started it may be gone.
        if let Err(error) = say_bytes(&Started::Ready(about).line()?) {
            tracing::debug!(%error, "nobody waits for the start");
        }
        if is_detached {
            point_stdout_nowhere().map_err(|error| NotStarted::Ended(error.into()))?;
        }
        let serving = async {
            serve(socket, Arc::new(clients), &ending, &directory, &start.data).await;
            let engine = Arc::clone(&engine);
            if let Err(error) = many.spawn(async move { engine.close().await }).await {
                tracing::error!(%error, "the engine could not be closed");
            }
        };
        let cut_short = async {
            tokio::select! {
                () = signals.next() => ending.raise(),
                () = ending.raised() => {}
            }
            signals.next().await;
        };
        tokio::select! {
            () = serving => tracing::info!("ended"),
            () = cut_short => tracing::warn!("ended at once, by a signal"),
        }
        Ok::<_, NotStarted>(record)
    })?;
    one.shutdown_timeout(LAST_WORK);
    many.shutdown_timeout(LAST_WORK);
    // Last of all: until then it says which process has to be waited for.
    drop(record);
    Ok(())
}

/// Serves whoever connects, until the node is to end and all have gone.
async fn serve(
    mut socket: Socket,
    clients: Arc<Clients>,
    ending: &Signal,
    directory: &Directory,
    data: &Path,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut change = pin!(directory.change(socket.identity()));
    loop {
        let accepting = async {
            // A connection beyond the limit waits in the kernel's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (socket.listener.accept().await, place)
        };
        tokio::select! {
            () = ending.raised() => break,
            changed = &mut change => {
                match changed {
                    Change::Gone => {
                        tracing::warn!("the data directory is gone, or another is in its place");
                        ending.raise();
                        break;
                    }
                    Change::SocketGone => match Socket::bind(data) {
                        Ok(another) => {
                            tracing::warn!("the socket was gone, and is made again");
                            socket = another;
                        }
                        Err(error) => tracing::error!(%error, "the socket is gone, and cannot be made again"),
                    },
                }
                change.set(directory.change(socket.identity()));
            }
            (accepted, place) = accepting => match accepted {
                Ok((stream, _)) => {
                    let clients = Arc::clone(&clients);
                    connections.spawn(async move {
                        clients.serve(stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "a connection could not be accepted");
                    // Most likely for want of descriptors, which others may give back.
                    sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
        // All that have ended, and not one for each that comes: what has ended must not pile up.
        while connections.try_join_next().is_some() {}
    }
    // Whoever comes now starts the next node, which waits for the end of this one. And whoever is connected sees by the
    // missing file that this is no accident.
    drop(socket);
    clients.close();
    // Each keeps to the time that it has for draining.
    while connections.join_next().await.is_some() {}
}

/// Lets go of the pipe to whoever started this.
fn point_stdout_nowhere() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(&null)?)
}

async fn open_engine(start: StartArgs) -> Result<Engine, NotStarted> {
    let deadline = Instant::now() + HANDOVER;
    loop {
        match Engine::open(&start).await {
            Ok(engine) => return Ok(engine),
            Err(OpenError::Failed(error)) => return Err(NotStarted::Failed(error)),
            Err(OpenError::Held) => {}
        }
        if socket::connect(&start.data).is_ok() {
            return Err(NotStarted::RunsAlready);
        }
        let holder = Record::of_holder(&start.data);
        let named = holder.as_ref().map_or_else(String::new, |about| format!(" (pid {})", about.pid));
        if holder.is_some_and(|about| about.in_process) {
            let why = "has this directory with --in-process, and shares it with nobody";
            return Err(format!("{}: another process{named} {why}", start.data.display()).into());
        }
        // One that is ending, most likely.
        if Instant::now() > deadline {
            let why = "has this directory, and neither answers nor ends";
            return Err(format!("{}: another process{named} {why}", start.data.display()).into());
        }
        sleep(Duration::from_millis(20)).await;
    }
}
