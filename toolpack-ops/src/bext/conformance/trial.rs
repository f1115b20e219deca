//! What a check is, and how checks make up a suite.

use std::pin::Pin;

use super::bench::Bench;
use super::finding::Finding;

/// Checks that belong together.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    /// Whether they ask a process, for which a command is needed.
    pub(super) asks_process: bool,
    pub(super) checks: &'static [Trial],
}

impl Suite {
    /// Its checks that are of this pace, each with its place in the order of all: that of its suite, and its own.
    pub(super) fn trials(
        &'static self,
        place: usize,
        pace: Pace,
    ) -> impl Iterator<Item = ((usize, usize), &'static Suite, &'static Trial)> {
        let numbered = self.checks.iter().enumerate().filter(move |(_, trial)| trial.pace == pace);
        numbered.map(move |(own, trial)| ((place, own), self, trial))
    }
}

/// Whether a check has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It is done as soon as it is asked for.
    Quick,
    /// It waits for some seconds to pass, beside the others: so it leaves the app that they release and crash alone.
    Waits,
}

/// One check.
pub(super) struct Trial {
    /// What is promised.
    pub(super) name: &'static str,
    /// What should be seen.
    pub(super) expected: &'static str,
    pub(super) pace: Pace,
    pub(super) run: for<'b> fn(&'b Bench) -> Running<'b>,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A check under way.
pub(super) type Running<'b> = Pin<Box<dyn Future<Output = Finding> + Send + 'b>>;

/// The checks of a suite: a name, what is expected, and the function that looks.
macro_rules! checks {
    ($($name:literal, $expected:literal => $function:ident $(, $pace:ident)?;)*) => {
        pub(in crate::bext::conformance) const CHECKS: &[$crate::bext::conformance::trial::Trial] = &[
            $($crate::bext::conformance::trial::Trial {
                name: $name,
                expected: $expected,
                pace: checks!(@pace $($pace)?),
                run: |bench| Box::pin($function(bench)),
            },)*
        ];
    };
    (@pace) => { $crate::bext::conformance::trial::Pace::Quick };
    (@pace $pace:ident) => { $crate::bext::conformance::trial::Pace::$pace };
}

pub(super) use checks;
