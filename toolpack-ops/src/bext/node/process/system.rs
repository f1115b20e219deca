//! What the system says of its processes: which there are, in which group, since when; and signals to a whole group.
//!
//! A number alone does not name a process, for numbers are used again: with its time of start it does.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgrp, kill_process_group, test_kill_process_group};

/// How long the system may take to end what was killed, before that is given up.
pub(super) const KILL_TIME: Duration = Duration::from_secs(30);

/// A process as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) pid: u32,
    pub(super) group: u32,
    /// When it was started: text that is only compared with other such text.
    pub(super) since: String,
    /// It has ended, and nobody has asked how yet. There is nothing left of it to end.
    pub(super) is_dead: bool,
}

/// All processes.
pub(super) fn processes() -> io::Result<Vec<Listed>> {
    if has_proc() { proc_processes() } else { ps_processes(&["-A"]) }
}

/// One process; none if there is none of that number.
pub(super) fn process(pid: u32) -> io::Result<Option<Listed>> {
    if has_proc() {
        return Ok(proc_process(pid, &boot()));
    }
    Ok(ps_processes(&["-p", &pid.to_string()])?.pop())
}

/// Whether there is a process in the group, be it one that has ended and was not asked how.
pub(super) fn is_there(group: Pid) -> bool {
    test_kill_process_group(group) != Err(rustix::io::Errno::SRCH)
}

/// Whether a process of the group is still alive. While they are listed, one of them may start another and end, which is
/// then not seen: this is certain only of a group that was killed before.
pub(super) fn has_living(group: Pid) -> io::Result<bool> {
    let group = group.as_raw_pid().unsigned_abs();
    Ok(processes()?.iter().any(|process| process.group == group && !process.is_dead))
}

/// Whether the environment that a process was started with has all these variables. False where the system does not say.
pub(super) fn has_variables(pid: u32, variables: &[String]) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let is_there = |wanted: &String| environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes());
    variables.iter().all(is_there)
}

/// The group of this number; none if it cannot be that of an app: 0 and 1 stand for others to `kill`, and this process
/// does not end itself.
pub(super) fn group(number: u32) -> Option<Pid> {
    let number = i32::try_from(number).ok().filter(|number| *number > 1)?;
    Pid::from_raw(number).filter(|group| *group != getpgrp())
}

/// Sends a signal to each process of a group. One that has ended meanwhile is no error.
pub(super) fn signal(group: Pid, signal: Signal) {
    match kill_process_group(group, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        // Some systems refuse it too when nothing of the group lives any more.
        Err(error) => {
            tracing::debug!(%error, ?group, ?signal, "a group of processes could not be sent a signal")
        }
    }
}

/// The processes whose environment has one of these variables, and which of them; none where the system does not say. Not
/// those of others: their environment is not shown.
pub(super) fn processes_with(variables: &[&str]) -> io::Result<Vec<(u32, usize)>> {
    let mut found = Vec::new();
    if variables.is_empty() || !has_proc() {
        return Ok(found);
    }
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { continue };
        let mut entries = environment.split(|byte| *byte == 0);
        let which = |entry: &[u8]| variables.iter().position(|variable| variable.as_bytes() == entry);
        found.extend(entries.find_map(which).map(|which| (pid, which)));
    }
    Ok(found)
}

/// Sends a signal to a process if its environment has this variable. What became of its number
/// since it was found is of no matter: it is held while that is looked at again.
pub(super) fn signal_with(variable: &str, pid: u32, signal: Signal) {
    let Some(number) = group(pid).filter(|_| pid != std::process::id()) else { return };
    let has_it = || has_variables(pid, &[variable.to_owned()]);
    if let Err(error) = signal_if(number, signal, has_it) {
        tracing::debug!(%error, pid, ?signal, "a process could not be sent a signal");
    }
}

#[cfg(target_os = "linux")]
fn signal_if(pid: Pid, signal: Signal, is_it: impl Fn() -> bool) -> rustix::io::Result<()> {
    use rustix::io::Errno;
    use rustix::process::{PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) if is_it() => pidfd_send_signal(process, signal),
        // It has ended.
        Ok(_) | Err(Errno::SRCH) => Ok(()),
        // Before Linux 5.3, or where a filter of calls does not know it.
        Err(Errno::NOSYS | Errno::PERM) if is_it() => kill_process(pid, signal),
        Err(error) => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn signal_if(_: Pid, _: Signal, _: impl Fn() -> bool) -> rustix::io::Result<()> {
    Ok(())
}

/// Whether a process works in this directory. False where the system does not say.
pub(super) fn works_in(pid: u32, directory: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|place| place.starts_with(directory))
}

fn has_proc() -> bool {
    Path::new("/proc/self/stat").exists()
}

/// Which start of the machine this is: times in `/proc` count from there.
fn boot() -> String {
    // Where it is hidden, the time alone has to do.
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn proc_processes() -> io::Result<Vec<Listed>> {
    let boot = boot();
    let mut processes = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since it was listed.
        processes.extend(proc_process(pid, &boot));
    }
    Ok(processes)
}

fn proc_process(pid: u32, boot: &str) -> Option<Listed> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(pid, &String::from_utf8_lossy(&stat), boot)
}

/// proc_pid_stat(5). The second field is a name in parentheses, which may itself hold blanks and parentheses.
fn parse_stat(pid: u32, stat: &str, boot: &str) -> Option<Listed> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let since = fields.nth(16)?;
    Some(Listed { pid, group, since: format!("{boot}/{since}"), is_dead: matches!(state, "Z" | "X") })
}

fn ps_processes(which: &[&str]) -> io::Result<Vec<Listed>> {
    let columns = ["-o", "pid=", "-o", "pgid=", "-o", "stat=", "-o", "lstart="];
    let output = Command::new("ps").args(which).args(columns).env("LC_ALL", "C").env("TZ", "UTC").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(parse_ps).collect())
}

fn parse_ps(line: &str) -> Option<Listed> {
    let mut columns = line.split_ascii_whitespace();
    let pid = columns.next()?.parse().ok()?;
    let group = columns.next()?.parse().ok()?;
    let state = columns.next()?;
    let since = columns.collect::<Vec<_>>().join(" ");
    Some(Listed { pid, group, since, is_dead: state.starts_with('Z') })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use super::*;

    #[test]
    fn both_sources_say_the_same_of_this_process() {
        let own = std::process::id();
        let one = process(own).unwrap().unwrap();
        assert!(processes().unwrap().contains(&one));
        let by_ps = ps_processes(&["-p", &own.to_string()]).unwrap();
        assert_eq!(by_ps.len(), 1, "{by_ps:?}");
        assert_eq!((by_ps[0].pid, by_ps[0].group, by_ps[0].is_dead), (own, one.group, false));
        assert_eq!(by_ps[0].since.split(' ').count(), 5, "{by_ps:?}");
        assert!(ps_processes(&["-A"]).unwrap().iter().any(|listed| listed.pid == own));
    }

    #[test]
    fn a_name_with_parentheses_and_blanks_is_no_trap() {
        let stat = "7 (a) b (c) S 1 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 9876 1 1";
        let expected = Listed { pid: 7, group: 42, since: "boot/9876".to_owned(), is_dead: false };
        assert_eq!(parse_stat(7, stat, "boot"), Some(expected));
        for bad in ["", "7 (a", "7 (a) S 1", "7 (a) S 1 x 42 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 9 1"] {
            assert_eq!(parse_stat(7, bad, "boot"), None, "{bad}");
        }
    }

    #[test]
    fn groups_that_stand_for_others_are_none() {
        for number in [0, 1, u32::MAX, 1 << 31, getpgrp().as_raw_pid().unsigned_abs()] {
            assert_eq!(group(number), None, "{number}");
        }
        assert!(group(2).is_some());
    }
}
