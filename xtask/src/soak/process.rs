//! What a process holds, seen from outside.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Problem;

/// How long a server may take to say its figures, busy as it may be.
const PATIENCE: Duration = Duration::from_secs(10);

/// The example as it is measured, still to be told over what to serve.
///
/// After the first large message that it frees, glibc takes later ones of that size from its heap, and gives that back
/// or not as it comes: what is resident when all is quiet then goes up and down by some 8 MiB. Setting the thresholds
/// keeps them where they start, so that what is resident is what is in use. Other allocators do not look at these.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("--figures").env("MALLOC_MMAP_THRESHOLD_", "131072").env("MALLOC_TRIM_THRESHOLD_", "131072");
    command
}

/// A running `everything --figures`.
#[derive(Debug)]
pub(super) struct Watched {
    id: u32,
    stderr: Receiver<String>,
    /// What else it said; it has no reason to say anything.
    said: Vec<String>,
}

/// What it holds at one moment; what cannot be measured here is `None`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) tasks: u64,
    pub(super) descriptors: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) resident_kib: Option<u64>,
}

impl Figures {
    /// Whether there is no more of anything than there was, memory apart.
    pub(super) fn is_back_to(&self, before: &Self) -> bool {
        self.tasks <= before.tasks && self.descriptors <= before.descriptors && self.threads <= before.threads
    }
}

impl Watched {
    /// The process of this id, with the lines that it writes to standard error.
    pub(super) fn new(id: u32, stderr: Receiver<String>) -> Self {
        Self { id, stderr, said: Vec::new() }
    }

    /// What it holds now.
    pub(super) fn figures(&mut self) -> Result<Figures, Problem> {
        let process = i32::try_from(self.id).ok().and_then(Pid::from_raw).ok_or("no process")?;
        kill_process(process, Signal::USR1).map_err(|error| format!("no figures: {error}"))?;
        let asked = Instant::now();
        let tasks = loop {
            let left = PATIENCE.saturating_sub(asked.elapsed());
            let line = self.stderr.recv_timeout(left).map_err(|_| "the server does not say its figures")?;
            match line.strip_prefix("figures: ").and_then(|line| line.strip_suffix(" tasks")?.parse().ok()) {
                Some(tasks) => break tasks,
                None => self.said.push(line),
            }
        };
        Ok(Figures {
            tasks,
            descriptors: descriptors(self.id),
            threads: status(self.id, "Threads:"),
            resident_kib: status(self.id, "VmRSS:"),
        })
    }

    /// What it holds once that is no more than before, or after this time.
    pub(super) fn settled(&mut self, before: &Figures, limit: Duration) -> Result<Figures, Problem> {
        let began = Instant::now();
        loop {
            let figures = self.figures()?;
            if figures.is_back_to(before) || began.elapsed() > limit {
                return Ok(figures);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it said on standard error beside its figures.
    pub(super) fn said(&mut self) -> &[String] {
        self.said.extend(self.stderr.try_iter());
        &self.said
    }
}

/// How many descriptors a process has open; `/proc` is Linux's.
fn descriptors(id: u32) -> Option<u64> {
    Some(std::fs::read_dir(format!("/proc/{id}/fd")).ok()?.count() as u64)
}

/// A number out of `/proc/ID/status`.
fn status(id: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
