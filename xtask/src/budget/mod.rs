//! What a call costs, counted and held against what it may cost: `cargo xtask budget`.
//!
//! Time depends on the machine and on who else uses it; counts hardly do, and so they can be committed. The cases are in `benches/budget.rs`, what they may cost in `benches/budget.toml`, and the table of it is
//! repeated in `docs/performance.md`.

mod committed;
mod compare;
mod count;
mod sites;
mod valgrind;

use crate::Problem;
use crate::step::{Log, Outcome, Step};

/// What to do with what is counted.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// Holds it against the committed figures.
    Check,
    /// Makes it the committed figures.
    Bless,
    /// Shows every allocation of one call of this case.
    Sites(String),
}

/// One case of `benches/budget.rs`.
#[derive(Debug)]
struct Case {
    name: String,
    /// What one call of it is, for people.
    about: String,
}

/// What one call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    /// Calls of the allocator that hand out memory; growing counts as one.
    allocations: u64,
    /// Executed, in the profile `budget`.
    instructions: u64,
}

/// The step `budget`.
pub(crate) fn step(task: Task) -> Step {
    Step::new("budget", "allocations and instructions of a call, against benches/budget.toml", move |log| {
        run(&task, log)
    })
}

fn run(task: &Task, log: &mut Log) -> Result<Outcome, Problem> {
    let tool = valgrind::Valgrind::find()?;
    let program = count::Program::build(tool, log)?;
    match task {
        Task::Sites(case) => {
            let list = sites::list(&program, case, log)?;
            log.show(list);
            Ok(Outcome::Passed(String::new()))
        }
        Task::Check => check(&program, log),
        Task::Bless => {
            let costs = count::all(&program, log)?;
            compare::same_for_any_catalog(&program.cases, &costs)?;
            compare::sessions_cost_little(&program.cases, &costs)?;
            compare::guards_cost_little(&program.cases, &costs)?;
            committed::write(&program, &costs)?;
            log.show(compare::table(&program.cases, &costs, &costs));
            Ok(Outcome::Passed("committed: look at the difference before you do".into()))
        }
    }
}

fn check(program: &count::Program, log: &mut Log) -> Result<Outcome, Problem> {
    let committed = committed::read()?;
    let allowed = committed.costs_of(&program.cases)?;
    let costs = count::all(program, log)?;
    log.show(compare::table(&program.cases, &costs, &allowed));
    let mut wrong = compare::beyond(&program.cases, &costs, &allowed);
    wrong.extend(compare::same_for_any_catalog(&program.cases, &costs).err());
    wrong.extend(compare::sessions_cost_little(&program.cases, &costs).err());
    wrong.extend(compare::guards_cost_little(&program.cases, &costs).err());
    wrong.extend(committed::check_documented(&program.cases, &allowed).err());
    if wrong.is_empty() {
        return Ok(Outcome::Passed(format!("{} cases", costs.len())));
    }
    wrong.extend(committed.counted_elsewhere(program));
    Err(wrong.join("\n"))
}
