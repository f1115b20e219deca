//! Counting: the program that makes the calls, built and run under callgrind.
//!
//! Each case runs twice, with different numbers of calls, and a call costs the difference divided by the difference of
//! the numbers. What goes before the calls is the same in both runs, and so is not in it.

use std::collections::HashMap;
use std::path::PathBuf;

use super::valgrind::Valgrind;
use super::{Case, Cost};
use crate::step::Log;
use crate::{Problem, built, workspace};

/// How many calls the first run makes; the second makes twice as many.
pub(super) const CALLS: u64 = 100;

/// How the C library calls what hands out memory. Rust's own allocator ends there, whatever it is called.
const ALLOCATORS: &[&str] =
    &["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign", "reallocarray"];

/// `benches/budget.rs`, built.
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) valgrind: Valgrind,
    pub(super) cases: Vec<Case>,
}

impl Program {
    /// Builds it and asks it for its cases.
    pub(super) fn build(valgrind: Valgrind, log: &mut Log) -> Result<Self, Problem> {
        // Without the packs: what they need to be built takes longer than all the rest.
        let options =
            ["--profile", "budget", "--bench", "budget", "--no-default-features", "--features", "http"];
        let path = built::program("budget", &options, log)?;
        let listed = workspace::output(&mut std::process::Command::new(&path))?;
        let cases: Vec<Case> = listed
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, about)| Case { name: name.to_owned(), about: about.to_owned() })
            .collect();
        if cases.is_empty() {
            Err("benches/budget.rs names no cases".into())
        } else {
            Ok(Self { path, valgrind, cases })
        }
    }
}

/// What one call of each case costs, in their order.
pub(super) fn all(program: &Program, log: &mut Log) -> Result<Vec<Cost>, Problem> {
    program.cases.iter().map(|case| one(program, &case.name, log)).collect()
}

fn one(program: &Program, case: &str, log: &mut Log) -> Result<Cost, Problem> {
    let fewer = totals(program, case, CALLS, log)?;
    let more = totals(program, case, 2 * CALLS, log)?;
    let per_call = |fewer: u64, more: u64| more.saturating_sub(fewer).saturating_add(CALLS / 2) / CALLS;
    let cost = Cost {
        allocations: per_call(fewer.allocations, more.allocations),
        instructions: per_call(fewer.instructions, more.instructions),
    };
    log.say(format_args!("{case}: {cost:?} from {fewer:?} and {more:?}"));
    if cost.instructions == 0 {
        return Err(format!("no instruction was counted in {case}: is its function `measured` still there?"));
    }
    Ok(cost)
}

/// Of a run. The instructions are those of the calls; the allocations are those of the whole run, since callgrind
/// counts calls of functions all the time.
fn totals(program: &Program, case: &str, calls: u64, log: &mut Log) -> Result<Cost, Problem> {
    let options = ["--collect-atstart=no", "--toggle-collect=budget::measured*"];
    let profile = program.valgrind.watch("callgrind", &options, &program.path, (case, calls), log)?;
    read_profile(&profile).ok_or_else(|| format!("callgrind left a file of {case} that has no `summary`"))
}

/// Reads callgrind's format (<https://valgrind.org/docs/manual/cl-format.html>), as far as it says what we ask for.
fn read_profile(profile: &str) -> Option<Cost> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut callee = "";
    let mut allocations = 0;
    let mut instructions = None;
    for line in profile.lines() {
        let Some((key, value)) = line.split_once('=') else {
            if let Some(number) = line.strip_prefix("summary: ") {
                instructions = number.trim().parse().ok();
            }
            continue;
        };
        match key {
            // A name stands there in full once, and as its number from then on: `(12) malloc`, `(12)`.
            "fn" | "cfn" => {
                let (number, name) = value.split_once(' ').unwrap_or((value, ""));
                if !name.is_empty() {
                    names.insert(number, name);
                }
                if key == "cfn" {
                    callee = names.get(number).copied().unwrap_or_default();
                }
            }
            "calls" if ALLOCATORS.contains(&callee) => {
                allocations += value.split(' ').next()?.parse::<u64>().ok()?;
            }
            _ => {}
        }
    }
    Some(Cost { allocations, instructions: instructions? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_with_names_that_stand_there_once() {
        let profile = "\
version: 1
events: Ir
summary: 1634913

fn=(1) grow
cfn=(2) malloc
calls=3 0
12 30
cfn=(3) memcpy
calls=100 0
12 30

fn=(2)
12 30

fn=(4) again
cfn=(2)
calls=4 0
12 30
cfn=(5) realloc
calls=1 0
12 30
";
        assert_eq!(read_profile(profile), Some(Cost { allocations: 8, instructions: 1_634_913 }));
        assert_eq!(read_profile("version: 1\n"), None);
    }
}
