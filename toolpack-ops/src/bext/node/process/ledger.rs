//! The ledger: which groups of processes run, noted durably, so that a node that was killed leaves none behind.
//!
//! A group is noted before anything of an app runs in it, and its note is removed after its last process has ended. So a
//! torn note is one of a group in which nothing of an app ever ran.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::run::Run;
use super::system::{self, Listed};

/// How long a group that was left behind may take to end by itself.
const TERM_TIME: Duration = Duration::from_secs(2);

/// What is noted of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The number of the group, and of its first process.
    pub(super) pid: u32,
    /// When that process was started, as the system says it.
    pub(super) since: String,
    /// Variables that are in the environment of its processes, and together in that of no others; and the directory that
    /// they begin to work in. By either a group is known whose first process has ended.
    pub(super) variables: Vec<String>,
    pub(super) directory: PathBuf,
    /// By this those are known that left the group; none in a note of an earlier version.
    #[serde(default)]
    pub(super) run: Option<Run>,
}

/// A note in the ledger.
#[derive(Debug)]
pub(super) struct Entry(PathBuf);

impl Entry {
    /// Notes a group. When this returns, the note outlives a loss of power.
    pub(super) fn write(ledger: &Path, note: &Note) -> io::Result<Self> {
        make_private(ledger)?;
        // One of the same number is of a group that is gone, or the system would not have given the number anew.
        let entry = Self(ledger.join(format!("{}.json", note.pid)));
        let mut file = File::create(&entry.0)?;
        file.write_all(&serde_json::to_vec(note)?)?;
        file.sync_all()?;
        File::open(ledger)?.sync_all()?;
        Ok(entry)
    }

    /// Removes it. One that stays is no harm: the next sweep finds that its group is gone.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.0.display(), "a note of processes could not be removed");
        }
    }
}

/// Makes a directory that only its owner may enter, unless it is there.
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Kills the groups of processes that an earlier node left behind, as the ledger has them. Returns when none is left, and
/// says how many there were. A group is asked to end first, and killed 2 seconds later.
///
/// Only what is certainly such a group is touched: its first process is the one that was noted, or it has ended and
/// another of the group has the noted variables in its environment, or works in the noted directory. (The latter can be
/// told where there is `/proc`.) So are those who left the group, each of which has the noted mark in its environment.
///
/// # Errors
///
/// Those of reading the ledger; and `TimedOut` if something is left 30 seconds after it was killed, with its note.
pub(crate) async fn sweep(ledger: &Path) -> io::Result<usize> {
    let ledger = ledger.to_owned();
    let left = blocking(move || read(&ledger)).await?;
    let mut found = 0;
    let mut left = pass(left, Some(Signal::TERM), &mut found).await?;
    for (limit, signal) in [(TERM_TIME, None), (system::KILL_TIME, Some(Signal::KILL))] {
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(5);
        while !left.is_empty() && Instant::now() < deadline {
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
            left = pass(left, signal, &mut found).await?;
        }
    }
    if !left.is_empty() {
        let message = format!("{} groups of processes are left after they were killed", left.len());
        return Err(io::Error::new(io::ErrorKind::TimedOut, message));
    }
    Ok(found)
}

/// A noted group on its way to its end.
#[derive(Debug)]
struct Noted {
    entry: Entry,
    note: Note,
    /// It was seen to live.
    was_alive: bool,
    /// How many times in a row nothing known was seen of it.
    quiet: u32,
}

/// How many times in a row nothing known has to be seen of a group that is there. Once is too few: while the list is read,
/// a process that is in it may start another and end; and one that becomes another program has no environment meanwhile.
const QUIET_ENOUGH: u32 = 3;

fn read(ledger: &Path) -> io::Result<Vec<Noted>> {
    let mut notes = Vec::new();
    let entries = match fs::read_dir(ledger) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(notes),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = fs::read(&path)?;
        let entry = Entry(path);
        match serde_json::from_slice::<Note>(&bytes) {
            Ok(note) if system::group(note.pid).is_some() => {
                notes.push(Noted { entry, note, was_alive: false, quiet: 0 });
            }
            _ => {
                tracing::warn!(path = %entry.0.display(), "a note of processes that is none was removed");
                entry.remove();
            }
        }
    }
    Ok(notes)
}

/// Sends a signal to each noted group that is still alive, removes the notes of all others, and returns what is left.
/// Counts those that are seen alive for the first time.
async fn pass(notes: Vec<Noted>, signal: Option<Signal>, found: &mut usize) -> io::Result<Vec<Noted>> {
    if notes.is_empty() {
        return Ok(notes);
    }
    let (left, new) = blocking(move || {
        let processes = system::processes()?;
        let mut left = Vec::new();
        let mut new = 0;
        let runs: Vec<&Run> = notes.iter().filter_map(|noted| noted.note.run.as_ref()).collect();
        let marked = Run::find_all(&runs);
        // In the order of the notes that have one.
        let strays: Vec<Vec<u32>> = (0..runs.len())
            .map(|place| marked.iter().filter(|found| found.1 == place).map(|found| found.0).collect())
            .collect();
        let mut strays = strays.into_iter();
        for mut noted in notes {
            let mut strays = noted.note.run.as_ref().and_then(|_| strays.next()).unwrap_or_default();
            let Some(group) = system::group(noted.note.pid) else { continue };
            let mut seen = look(&noted.note, &processes, is_known);
            // Asked last, so that nothing was started since: a group that is not there has no list to be missing from.
            let is_there = system::is_there(group);
            if is_there && seen == Seen::Alive {
                let is_member =
                    |pid: u32| processes.iter().any(|it| it.pid == pid && it.group == noted.note.pid);
                strays.retain(|pid| !is_member(*pid));
                if let Some(signal) = signal {
                    system::signal(group, signal);
                }
            } else if !strays.is_empty() {
                seen = Seen::Alive;
            } else if !is_there {
                seen = Seen::Others;
            }
            if let (Some(signal), Some(run)) = (signal, &noted.note.run) {
                strays.iter().for_each(|pid| run.signal_one(*pid, signal));
            }
            match seen {
                Seen::Alive => {
                    new += usize::from(!noted.was_alive);
                    (noted.was_alive, noted.quiet) = (true, 0);
                    left.push(noted);
                }
                // A group that is gone may have been left by a process that was just starting.
                Seen::Others if noted.was_alive && noted.note.run.is_some() && noted.quiet < QUIET_ENOUGH => {
                    noted.quiet += 1;
                    left.push(noted);
                }
                Seen::Nothing | Seen::Unknown if noted.quiet < QUIET_ENOUGH => {
                    noted.quiet += 1;
                    left.push(noted);
                }
                Seen::Nothing | Seen::Others => noted.entry.remove(),
                Seen::Unknown => {
                    tracing::warn!(
                        ?group,
                        "processes are left alone that may be of an app, and may be others"
                    );
                    noted.entry.remove();
                }
            }
        }
        Ok((left, new))
    })
    .await?;
    *found += new;
    Ok(left)
}

/// What is seen of a group that was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// It lives.
    Alive,
    /// None of it lives.
    Nothing,
    /// Its number belongs to others now.
    Others,
    /// Those who live in it cannot be told from others.
    Unknown,
}

/// The system gives a number to no new process while there is a group of that number, so one member that is known stands
/// for all.
fn look(note: &Note, processes: &[Listed], is_known: fn(u32, &Note) -> bool) -> Seen {
    let first = processes.iter().find(|process| process.pid == note.pid);
    if first.is_some_and(|first| first.since != note.since) {
        return Seen::Others;
    }
    let mut members =
        processes.iter().filter(|process| process.group == note.pid && !process.is_dead).peekable();
    if members.peek().is_none() {
        return Seen::Nothing;
    }
    if first.is_some() || members.any(|member| is_known(member.pid, note)) {
        return Seen::Alive;
    }
    Seen::Unknown
}

/// Whether a process other than the first is of the group that was noted.
fn is_known(pid: u32, note: &Note) -> bool {
    system::has_variables(pid, &note.variables) || system::works_in(pid, &note.directory)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(pid: u32, group: u32, since: &str, is_dead: bool) -> Listed {
        Listed { pid, group, since: since.to_owned(), is_dead }
    }

    #[test]
    fn only_what_was_noted_counts_as_alive() {
        let note = Note {
            pid: 10,
            since: "b/1".to_owned(),
            variables: Vec::new(),
            directory: PathBuf::new(),
            run: None,
        };
        let known: fn(u32, &Note) -> bool = |pid, _| pid == 12;
        let look = |processes: &[Listed]| look(&note, processes, known);
        assert_eq!(look(&[]), Seen::Nothing);
        assert_eq!(look(&[listed(10, 10, "b/1", false)]), Seen::Alive);
        // Used again, after this or after another start of the machine.
        assert_eq!(look(&[listed(10, 10, "b/2", false)]), Seen::Others);
        assert_eq!(look(&[listed(10, 9, "b/2", false)]), Seen::Others);
        assert_eq!(look(&[listed(10, 10, "c/1", false), listed(12, 10, "c/2", false)]), Seen::Others);
        // It is in another group.
        assert_eq!(look(&[listed(10, 9, "b/1", false)]), Seen::Nothing);
        // Ended; with children that live.
        assert_eq!(look(&[listed(10, 10, "b/1", true)]), Seen::Nothing);
        assert_eq!(look(&[listed(10, 10, "b/1", true), listed(11, 10, "b/2", false)]), Seen::Alive);
        // Gone; with a child that is known, with one that is not.
        assert_eq!(look(&[listed(11, 10, "b/2", false), listed(12, 10, "b/2", false)]), Seen::Alive);
        assert_eq!(look(&[listed(11, 10, "b/2", false)]), Seen::Unknown);
        assert_eq!(look(&[listed(12, 10, "b/2", true)]), Seen::Nothing);
    }
}
