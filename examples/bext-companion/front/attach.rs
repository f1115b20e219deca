//! Finds the node of a data directory, or starts it; of those who begin at once, one does.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::unlimited;
use crate::{
    Failure,
    args::StartArgs,
    engine::{make_directory, too_open},
    node::{About, Answer, Log, Opening, Record, StartLock, Started, connect},
    tell,
};

/// How long a node may take to start, in which it may have to wait for the end of another, and start apps.
const STARTING_TIME: Duration = Duration::from_secs(90);

/// How long a node may take to answer.
const ANSWERING_TIME: Duration = Duration::from_secs(30);

/// How much of the log is shown of a node that has failed.
const LAST_WORDS: usize = 2_000;

/// A connection on which the node has agreed to what was asked for.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) stream: UnixStream,
    /// What came behind the answer.
    pub(crate) early: Vec<u8>,
    pub(crate) answer: Answer,
}

/// Asks the node for something, and starts it first where none runs.
pub(crate) fn attach(start: &StartArgs, opening: &Opening) -> Result<Attached, Failure> {
    let data = &start.data;
    let named = |error: io::Error| format!("{}: {error}", data.display());
    let deadline = Instant::now() + STARTING_TIME;
    loop {
        if let Some(attached) = ask(start, opening)? {
            return Ok(attached);
        }
        if Instant::now() > deadline {
            return Err(format!(
                "{}: its node does not begin to answer; its log is {}",
                data.display(),
                Log::path(data).display()
            )
            .into());
        }
        make_directory(data).map_err(named)?;
        let Some(_turn) = StartLock::try_take(data).map_err(named)? else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        // Another may have had its turn meanwhile.
        if connect(data).is_err() {
            start_node(start, deadline)?;
        }
    }
}

/// Asks the node for something; nothing if none runs, or it is about to end.
pub(crate) fn ask(start: &StartArgs, opening: &Opening) -> Result<Option<Attached>, Failure> {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
    let data = &start.data;
    let named = |error: io::Error| format!("{}: {error}", data.display());
    let stream = match connect(data) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(None),
        Err(error) => return Err(named(error).into()),
    };
    stream.set_read_timeout(Some(ANSWERING_TIME)).map_err(named)?;
    stream.set_write_timeout(Some(ANSWERING_TIME)).map_err(named)?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(&stream);
    let asked = (&stream).write_all(&opening.line()?).and_then(|()| reader.read_until(b'\n', &mut line));
    match asked {
        Ok(_) if line.ends_with(b"\n") => {}
        // It has hung up, as one does that ends.
        Ok(_) => return Ok(None),
        Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => return Ok(None),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            return Err(unanswered(data).into());
        }
        Err(error) => return Err(named(error).into()),
    }
    let answer: Answer = serde_json::from_slice(&line)
        .map_err(|error| format!("{}: what answers there is no node: {error}", data.display()))?;
    if !answer.ok {
        return Err(answer
            .error
            .unwrap_or_else(|| "the node has refused, and does not say why".to_owned())
            .into());
    }
    let early = reader.buffer().to_vec();
    unlimited(&stream).map_err(named)?;
    Ok(Some(Attached { stream, early, answer }))
}

/// Which node does not answer, and what can be done.
fn unanswered(data: &Path) -> String {
    let shown = data.display();
    match Record::of_holder(data) {
        Some(About { pid, .. }) => format!(
            "{shown}: its node (pid {pid}) does not answer. If it was suspended, `kill -CONT {pid}` has it go on; else \
             `kill -KILL {pid}` ends it, and the next start puts right what was under way. Its log is {}",
            Log::path(data).display()
        ),
        None => format!("{shown}: its node does not answer; its log is {}", Log::path(data).display()),
    }
}

/// Starts a node that outlives this process, and waits until it runs.
fn start_node(start: &StartArgs, deadline: Instant) -> Result<(), Failure> {
    let log = Log::path(&start.data);
    let named = |error: io::Error| format!("{}: {error}", log.display());
    let file = Log::file(&log).map_err(named)?;
    let before = file.metadata().map_err(named)?.len();
    let mut command = Command::new(env::current_exe()?);
    command.args(["node", "run", "--detached", "--data"]).arg(&start.data);
    if !start.instances.is_empty() {
        let ids: Vec<&str> = start.instances.iter().map(|id| id.as_str()).collect();
        command.arg("--instances").arg(ids.join(","));
    }
    if start.verbose {
        command.arg("--verbose");
    }
    // Nothing that this process has open, so that nobody waits for the node where he waits for us.
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn()?;
    let started = hear(&mut child, deadline);
    let pid = child.id();
    // Its end is seen by whoever looks, as long as this process runs; then by the system.
    let reaper = thread::spawn(move || child.wait());
    match started? {
        Some(Started::Ready(_)) => {
            // The node says it to its log alone.
            if let Some(warning) = too_open(&start.data) {
                tell(&warning);
            }
            Ok(())
        }
        Some(Started::RunsAlready) => Ok(()),
        Some(Started::Failed(why)) => Err(why.into()),
        None => {
            let ended = match reaper.join() {
                Ok(Ok(status)) => status.to_string(),
                _ => "an unknown status".to_owned(),
            };
            let words = last_words(&log, before).unwrap_or_default();
            Err(format!(
                "the node (pid {pid}) ended while it started, with {ended}; {}: {words}",
                log.display()
            )
            .into())
        }
    }
}

/// What the node says of its start; nothing if it has ended without a word.
fn hear(child: &mut Child, deadline: Instant) -> Result<Option<Started>, Failure> {
    let output = child.stdout.take().ok_or("the node has no output")?;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("the node (pid {}) is still starting", child.id()).into());
        }
        let left = Timespec { tv_sec: left.as_secs().try_into()?, tv_nsec: 0 };
        let left = Timespec { tv_sec: left.tv_sec + 1, ..left };
        match poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&left)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if line.is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
}

/// What has been logged since.
fn last_words(log: &Path, before: u64) -> io::Result<String> {
    let mut file = std::fs::File::open(log)?;
    file.seek(SeekFrom::Start(before))?;
    let mut words = Vec::new();
    file.read_to_end(&mut words)?;
    let from = words.len().saturating_sub(LAST_WORDS);
    Ok(String::from_utf8_lossy(&words[from..]).trim().to_owned())
}
