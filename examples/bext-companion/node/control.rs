//! `node start`, `stop` and `status`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use tokio::runtime::Builder;
use toolpack::bext::node::Node;

use super::{About, Log, Opening, Record, StartLock, Want, opening::Status, process};
use crate::{
    Failure, NAME,
    args::{Flags, NodeTask, StartArgs},
    causes::with_causes,
    front::{Attached, ask, attach, note},
};

/// How long a node that was told to end may take: requests and apps have their time for it.
const ENDING_TIME: Duration = Duration::from_secs(120);

/// How long the entry of a process that has ended may stay in the list of processes, before nobody waits for that any more.
const LISTED_TIME: Duration = Duration::from_secs(3);

/// How long a node may take to see that its socket is gone, and to make it again.
const SOCKET_TIME: Duration = Duration::from_secs(4);

/// The exit status of `node status` where none runs.
const NOT_RUNNING: u8 = 3;

/// Does what the command line says.
pub(crate) fn run(task: &NodeTask, out: &mut impl Write) -> Result<ExitCode, Failure> {
    match task {
        NodeTask::Start(start) => begin(start, out)?,
        NodeTask::Stop { data } => stop(data, out)?,
        NodeTask::Status { data, is_json } => return status(data, *is_json, out),
        NodeTask::Run { start, is_detached } => process::run(start, *is_detached)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn begin(start: &StartArgs, out: &mut impl Write) -> Result<(), Failure> {
    let opening = Opening::new(Want::Status, Flags::default());
    let data = start.data.display();
    if let Some(about) = ask(start, &opening)?.and_then(|attached| attached.answer.about) {
        writeln!(out, "the node of {data} runs already (pid {})", about.pid)?;
        note(start, Some(&about));
        return Ok(());
    }
    let about = attach(start, &opening)?.answer.about.ok_or("the node does not say who it is")?;
    writeln!(
        out,
        "the node of {data} runs (pid {}); its log is {}",
        about.pid,
        Log::path(&start.data).display()
    )?;
    Ok(())
}

fn stop(data: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let shown = data.display();
    if !data.exists() {
        writeln!(out, "no node runs in {shown}")?;
        return Ok(());
    }
    // One that is being started is waited for.
    let _turn = StartLock::take(data).map_err(|error| format!("{shown}: {error}"))?;
    let about = match ask_holder(data, &Opening::new(Want::Stop, Flags::default()))? {
        Ok(attached) => attached.answer.about.ok_or("the node does not say who it is")?,
        Err(holder) => match holder {
            // One that nobody can connect to is ending already.
            Some(about) if !about.in_process => about,
            Some(About { pid, .. }) => {
                writeln!(out, "no node runs in {shown}; a process with --in-process has it (pid {pid})")?;
                return Ok(());
            }
            None => {
                let swept = match sweep(data)? {
                    0 => String::new(),
                    1 => "; 1 app process that an earlier one left behind was ended".to_owned(),
                    more => format!("; {more} app processes that an earlier one left behind were ended"),
                };
                writeln!(out, "no node runs in {shown}{swept}")?;
                return Ok(());
            }
        },
    };
    wait_for_end(&about)?;
    writeln!(out, "the node of {shown} has ended (pid {})", about.pid)?;
    Ok(())
}

/// Asks the node; if that cannot be, gives who has the directory. One whose socket was removed makes it again, and is waited
/// for.
fn ask_holder(data: &Path, opening: &Opening) -> Result<Result<Attached, Option<About>>, Failure> {
    let began = Instant::now();
    loop {
        if let Some(attached) = ask(&anything_in(data), opening)? {
            return Ok(Ok(attached));
        }
        match Record::of_holder(data) {
            Some(about) if !about.in_process && began.elapsed() < SOCKET_TIME => {
                thread::sleep(Duration::from_millis(20));
            }
            holder => return Ok(Err(holder)),
        }
    }
}

/// Ends what a node that was killed has left running.
fn sweep(data: &Path) -> Result<usize, Failure> {
    let began = Instant::now();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    loop {
        match runtime.block_on(Node::sweep(data)) {
            // One that was killed a moment ago may have its locks still.
            Err(error) if error.code() == "node_running" && began.elapsed() < LISTED_TIME => {
                thread::sleep(Duration::from_millis(20));
            }
            swept => {
                return swept.map_err(|error| format!("{}: {}", data.display(), with_causes(&error)).into());
            }
        }
    }
}

/// Waits until the process is no more.
fn wait_for_end(about: &About) -> Result<(), Failure> {
    let Some(pid) = i32::try_from(about.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    if !within(ENDING_TIME, || Ok(!is_alive(pid)?))? {
        return Err(format!(
            "the node (pid {}) was told to end, and does not; its log is {}",
            about.pid,
            Log::path(Path::new(&about.data)).display()
        )
        .into());
    }
    // It is still listed until its parent has asked how it ended; whoever that is may take its time, or never ask.
    within(LISTED_TIME, || Ok(test_kill_process(pid).is_err()))?;
    Ok(())
}

/// Whether something comes about in time.
fn within(time: Duration, is_so: impl Fn() -> io::Result<bool>) -> io::Result<bool> {
    let began = Instant::now();
    while !is_so()? {
        if began.elapsed() > time {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(true)
}

/// Whether a process runs. One that has ended, and whose parent has not asked how, does not.
fn is_alive(pid: Pid) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use rustix::process::{PidfdFlags, pidfd_open};

        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&at_once))? == 0)
    }
    #[cfg(not(target_os = "linux"))]
    Ok(test_kill_process(pid).is_ok())
}

fn status(data: &Path, is_json: bool, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let opening = Opening::new(Want::Status, Flags::default());
    let asked = if data.exists() { ask_holder(data, &opening)? } else { Err(None) };
    let answer = match asked {
        Ok(Attached { answer, .. }) => answer,
        Err(holder) => {
            let shown = data.display();
            match holder {
                _ if is_json => writeln!(out, "{}", json!({ "running": false, "data": shown.to_string() }))?,
                Some(About { pid, in_process: true, .. }) => {
                    writeln!(out, "no node runs in {shown}; a process with --in-process has it (pid {pid})")?;
                }
                Some(About { pid, .. }) => writeln!(out, "the node of {shown} is ending (pid {pid})")?,
                None => writeln!(out, "no node runs in {shown}; `{NAME} node start` starts one")?,
            }
            return Ok(ExitCode::from(NOT_RUNNING));
        }
    };
    let about = answer.about.ok_or("the node does not say who it is")?;
    let status = answer.status.ok_or("the node does not say how it is")?;
    if is_json {
        let About { pid, version, build, started_at, data, socket, .. } = about;
        let Status { instances, trouble, clients } = status;
        let mut shown = json!({
            "running": true, "pid": pid, "version": version, "build": build, "started_at": started_at,
            "data": data, "socket": socket, "instances": instances, "clients": clients,
        });
        if let Some(trouble) = trouble {
            shown["trouble"] = trouble.into();
        }
        writeln!(out, "{shown}")?;
    } else {
        write!(out, "{}", for_people(&about, &status))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn for_people(about: &About, status: &Status) -> String {
    let About { pid, version, started_at, data, .. } = about;
    let fronts = if status.clients == 1 { "1 client" } else { &format!("{} clients", status.clients) };
    let mut text =
        format!("the node of {data} runs: pid {pid}, version {version}, since {started_at}, {fronts}\n");
    if let Some(trouble) = &status.trouble {
        text.push_str(&format!("its instances are not known: {trouble}\n"));
    }
    for instance in &status.instances {
        let apps = match instance.apps {
            None => String::new(),
            Some(1) => ", 1 app".to_owned(),
            Some(apps) => format!(", {apps} apps"),
        };
        let url = instance.url.as_ref().map(|url| format!(", {url}")).unwrap_or_default();
        text.push_str(&format!("  {}: {}{apps}{url}\n", instance.id, instance.status));
    }
    text
}

/// For whom nothing is started.
fn anything_in(data: &Path) -> StartArgs {
    StartArgs { data: PathBuf::from(data), instances: Vec::new(), verbose: false }
}
