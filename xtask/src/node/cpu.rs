//! What processes take, as Linux counts it.

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

/// The memory of a process that is resident, in KiB.
pub(super) fn resident_kib(process: u32) -> Result<u64, Problem> {
    let file = format!("/proc/{process}/status");
    let status = fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("{file} has no VmRSS"))
}
