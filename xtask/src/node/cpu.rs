//! What processes take, and how busy the machine is, as Linux counts it.

use std::fs;

use crate::Problem;

/// How long the threads of some processes have run, in nanoseconds.
pub(super) fn nanos(processes: &[u32]) -> Result<u64, Problem> {
    let mut nanos = 0;
    for process in processes {
        let folder = format!("/proc/{process}/task");
        for task in fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))? {
            let task = task.map_err(|error| error.to_string())?;
            // A thread that ended meanwhile has taken next to nothing.
            let counted = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            nanos += counted.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(nanos)
}

/// How many tasks wanted to run at a time, over the last minute.
pub(super) fn load() -> Result<String, Problem> {
    let file = "/proc/loadavg";
    let load = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    load.split(' ').next().map(str::to_owned).ok_or_else(|| format!("{file} is empty"))
}

/// The memory of a process that is resident, in MiB.
pub(super) struct Memory {
    pub(super) resident_mib: f64,
    /// What of it is no part of a file.
    pub(super) anonymous_mib: f64,
}

impl Memory {
    pub(super) fn of(process: u32) -> Result<Self, Problem> {
        let file = format!("/proc/{process}/status");
        let status = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        let mebibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            kibibytes.map(|kibibytes| kibibytes / 1024.0).ok_or_else(|| format!("{file} has no {name}"))
        };
        Ok(Self { resident_mib: mebibytes("VmRSS")?, anonymous_mib: mebibytes("RssAnon")? })
    }
}
