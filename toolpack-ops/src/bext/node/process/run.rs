//! The mark of one start of an app: a variable in the environment of all its processes, which a process keeps that leaves
//! its group (`setsid`, a daemon), so that it is found and ended with the others.
//!
//! It is looked for in `/proc`; without that nothing is found. A process that was started without the variable is not found.

use std::fmt::Write as _;
use std::io;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::system;

const NAME: &str = "BEXT_RUN";
const BYTES: usize = 16;

/// The mark of one start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Run {
    /// The variable as it stands in an environment: its value is 32 hexadecimal digits that nobody else has.
    variable: String,
}

impl Run {
    /// A new one.
    pub(super) fn new() -> io::Result<Self> {
        let mut id = [0_u8; BYTES];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let mut variable = format!("{NAME}=");
        for byte in id {
            let _ = write!(variable, "{byte:02x}");
        }
        Ok(Self { variable })
    }

    /// The name and the value of the variable.
    pub(super) fn variable(&self) -> (&str, &str) {
        self.variable.split_once('=').unwrap_or((NAME, ""))
    }

    /// How many processes of this start there are. Blocks: it looks at each process of the machine.
    pub(super) fn count(&self) -> usize {
        self.find().len()
    }

    /// Sends a signal to all processes of this start, but to those of one group; and says how many there are. Blocks as
    /// [`count`](Self::count) does.
    pub(super) fn signal(&self, signal: Signal, but: Option<Pid>) -> usize {
        let but = but.map(|group| group.as_raw_pid().unsigned_abs());
        let is_meant = |pid: &u32| {
            but.is_none() || system::process(*pid).is_ok_and(|it| it.is_some_and(|it| Some(it.group) != but))
        };
        let found: Vec<u32> = self.find().into_iter().filter(is_meant).collect();
        found.iter().for_each(|pid| self.signal_one(*pid, signal));
        found.len()
    }

    /// Sends a signal to this process if it is of this start.
    pub(super) fn signal_one(&self, pid: u32, signal: Signal) {
        system::signal_with(&self.variable, pid, signal);
    }

    fn find(&self) -> Vec<u32> {
        Self::find_all(&[self]).into_iter().map(|(pid, _)| pid).collect()
    }

    /// The processes of these starts, each with the place of its start among them. Blocks as [`count`](Self::count) does.
    pub(super) fn find_all(runs: &[&Self]) -> Vec<(u32, usize)> {
        let variables: Vec<&str> = runs.iter().map(|run| run.variable.as_str()).collect();
        system::processes_with(&variables).unwrap_or_else(|error| {
            tracing::warn!(%error, "the processes of the machine could not be listed");
            Vec::new()
        })
    }
}

/// What was noted may have been changed: no other variable may stand for processes that are to end.
impl TryFrom<String> for Run {
    type Error = &'static str;

    fn try_from(variable: String) -> Result<Self, Self::Error> {
        let id = variable.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('='));
        if id.is_some_and(|id| id.len() == 2 * BYTES && id.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Ok(Self { variable })
        } else {
            Err("no mark of a start")
        }
    }
}

impl From<Run> for String {
    fn from(run: Run) -> Self {
        run.variable
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    #[cfg(target_os = "linux")]
    use super::super::fixture::until;
    use super::*;

    #[test]
    fn nothing_else_is_a_mark() {
        let run = Run::new().unwrap();
        assert_ne!(run, Run::new().unwrap());
        assert_eq!(Run::try_from(String::from(run.clone())), Ok(run));
        for bad in ["", "BEXT_RUN", "BEXT_RUN=", "BEXT_RUN=1", "PATH=0123456789abcdef0123456789abcdef"] {
            assert!(Run::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(Run::try_from(format!("BEXT_RUN={}", "g".repeat(32))).is_err());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_number_that_another_has_now_is_not_hit() {
        let (run, other) = (Run::new().unwrap(), Run::new().unwrap());
        let (name, id) = run.variable();
        let mut child = std::process::Command::new("sleep").arg("1000").env(name, id).spawn().unwrap();
        // It has no environment while it becomes another program.
        until("it is seen", || run.count() == 1).await;
        other.signal_one(child.id(), Signal::KILL);
        assert_eq!((run.count(), other.count()), (1, 0));
        assert_eq!(child.try_wait().unwrap(), None);
        run.signal_one(child.id(), Signal::KILL);
        assert!(!child.wait().unwrap().success());
        assert_eq!(run.count(), 0);
    }
}
