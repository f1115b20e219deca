//! The front: the process that a client starts. It finds the node or starts it, says what the client is to be served, and
//! then copies bytes.

mod attach;
mod copy;

use std::{
    io,
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Builder;

pub(crate) use self::attach::{Attached, ask, attach};
use self::copy::{Ended, Parting};
use crate::{
    Failure, NAME,
    args::{Args, HttpArgs, StartArgs},
    listening, log_to_stderr,
    node::{About, Log, Opening, Record, Want, build},
    signals::Signals,
    tell,
};

/// How long a process that is being killed may have its locks after its connections are gone.
const DYING_TIME: Duration = Duration::from_secs(1);

/// Serves standard input and output.
pub(crate) fn serve_stdio(args: &Args) -> Result<(), Failure> {
    log_to_stderr(args.start.verbose);
    let Attached { stream, early, answer } = attach(&args.start, &Opening::new(Want::Mcp, args.flags))?;
    note(&args.start, answer.about.as_ref());
    one_thread(async move {
        let mut signals = Signals::listen()?;
        let mut copying = copy::start(stream.try_clone()?, early)?;
        let mut may_end = false;
        loop {
            tokio::select! {
                ended = copying.next() => match ended? {
                    Ended::Input => may_end = true,
                    Ended::Client => return Ok(()),
                    Ended::Node(_) if may_end => return Ok(()),
                    Ended::Node(parting) => return node_ended(args, answer.about.as_ref(), parting),
                },
                // As the end of input: what runs may finish, subscriptions are ended. A second cuts the waiting short.
                () = signals.next() => match may_end {
                    true => return Ok(()),
                    false => {
                        may_end = true;
                        stream.shutdown(Shutdown::Write)?;
                    }
                }
            }
        }
    })
}

/// Has HTTP served as long as this process runs.
pub(crate) fn serve_http(http: HttpArgs, args: &Args) -> Result<(), Failure> {
    log_to_stderr(args.start.verbose);
    let opening = Opening::new(Want::Http, args.flags).with_http(http);
    let Attached { stream, answer, .. } = attach(&args.start, &opening)?;
    note(&args.start, answer.about.as_ref());
    one_thread(async move {
        // Before it is said that there is something that could be ended.
        let mut signals = Signals::listen()?;
        let of_keys = match &answer.keys_for {
            Some(url) => listening::said_of_keys(url, &args.start.data).await?,
            None => String::new(),
        };
        tell(&format!("{of_keys}{}", answer.said.as_deref().unwrap_or_default()));
        let mut gone = copy::end_of(stream.try_clone()?)?;
        tokio::select! {
            gone = &mut gone => {
                return node_ended(args, answer.about.as_ref(), gone?);
            }
            () = signals.next() => stream.shutdown(Shutdown::Write)?,
        }
        tokio::select! {
            _ = gone => {}
            () = signals.next() => {}
        }
        Ok(())
    })
}

/// Runs to the end on this thread.
fn one_thread(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// What is to be known of the node that was found, said on standard error.
pub(crate) fn note(start: &StartArgs, node: Option<&About>) {
    let Some(About { pid, version, started_at, .. }) = node else { return };
    let data = start.data.display();
    if node.is_some_and(|node| node.build != build()) {
        tell(&format!(
            "the node that runs (pid {pid}, version {version}, started {started_at}) is of another build than this \
             program; `{NAME} node stop --data {data}` ends it and the apps that it runs, and the next start takes \
             this one"
        ));
    }
    if start.verbose && node.is_some_and(|node| !node.verbose) {
        tell(&format!(
            "the node that runs (pid {pid}) was started without --verbose, and logs little to {}",
            Log::path(&start.data).display()
        ));
    }
}

/// The node has ended before its client, or this connection has. If the node was told to, that is no failure.
fn node_ended(args: &Args, node: Option<&About>, parting: Parting) -> Result<(), Failure> {
    let data = &args.start.data;
    // One that ends in good order removes its socket first, so even where its parting was not seen.
    let is_removed =
        || crate::node::connect(data).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if parting == Parting::Orderly || is_removed() {
        tell("the node was stopped");
        return Ok(());
    }
    if let Some(About { pid, .. }) = node.filter(|node| goes_on(data, node)) {
        return Err(format!(
            "the connection to the node (pid {pid}) was lost, though it goes on; start this program anew. Its log is {}",
            Log::path(data).display()
        )
        .into());
    }
    Err(format!("the node has ended unexpectedly; its log is {}", Log::path(data).display()).into())
}

/// Whether a node that has cut the connection runs all the same.
fn goes_on(data: &Path, node: &About) -> bool {
    let began = Instant::now();
    while Record::of_holder(data).is_some_and(|holder| holder.pid == node.pid) {
        if began.elapsed() > DYING_TIME {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Reads from a stream without the time limit that it had.
fn unlimited(stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)
}
