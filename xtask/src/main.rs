//! The project's own chores, run as `cargo xtask`: every check that a change has to pass, and the tools they need.
//!
//! Nothing here is part of what users build. The only requirement is Rust; what the tests need beyond it (a Node,
//! Python environments, real clients) is installed at exact versions into the ignored folder `.tools/`, see [`tools`].
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its terminal")]

mod arrows;
mod budget;
mod built;
mod conformance;
mod features;
mod files;
mod node;
mod plan;
mod server;
mod soak;
mod step;
mod tools;
mod workspace;

use std::process::ExitCode;

use budget::Task;
use conformance::Selection;
use soak::Load;

/// What a chore fails with: text for the person at the terminal, complete in itself.
type Problem = String;

const USAGE: &str = "\
Chores of the toolpack workspace.

usage: cargo xtask COMMAND

  test [--only STEP] [--list]
      Installs what the tests need into .tools/ and runs every check: formatting, lints, docs, each feature
      alone, dependency arrows, all tests, real clients, the official conformance suite. --list names the steps;
      --only runs those named STEP, or in the group STEP (`--only features`).
  long [--only STEP] [--list]
      What takes long: property tests with many more cases, every scenario of the conformance suite, the budget, the
      soak.
  conformance [--requirements REVISION] [--suite SUITE]
      Only the conformance suite, against the example `everything`. Either the scenarios that REVISION requires
      (default 2026-07-28; what fails or warns without an allowance fails), or a SUITE (active, all, draft,
      pending), which is reported and never fails.
  budget [--bless | --sites CASE]
      Counts what one call allocates and how many instructions it takes, case by case, under valgrind, and holds
      that against benches/budget.toml. --bless makes what is counted the new measure, there and in
      docs/performance.md. --sites lists the allocations of one call of CASE, each with its place.
  soak [--seconds N] [--seed N]
      Puts the example `everything` under a random mix of calls, cancellations, disconnections, sessions,
      subscriptions, and oversized and broken input, over HTTP and stdio at once, for N seconds (default 120). Every
      accepted call has to be answered exactly once, and no task, session, descriptor or memory may be left over.
      The seed is printed; the same one makes the same choices.
  node [--program FILE]
      Measures the node of bext, with a release of the companion: the CPU that its gateway takes for a request, beside
      nginx where that is installed, its memory, a deploy, a swap. Linux. With --program, the companion is this one and
      nothing is built, so that two can be compared.
  tools
      Only installs; prints the environment that the client tests look for, as shell lines:
      TOOLPACK_NODE, TOOLPACK_NODE_MODULES, TOOLPACK_PYTHON, TOOLPACK_PYTHON_1X, TOOLPACK_RMCP_CLIENT.

Without npm (or Python 3.11) the checks that need it are left out, and the summary says so; where the environment
has CI=true, that is a failure.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Runs the command; `false` means that it ran and that something in it failed, which it has shown.
fn run(arguments: &[&str]) -> Result<bool, Problem> {
    match arguments {
        [] | ["help" | "--help" | "-h", ..] => {
            print!("{USAGE}");
            Ok(true)
        }
        ["test", options @ ..] => run_plan(plan::test()?, options),
        ["long", options @ ..] => run_plan(plan::long(), options),
        ["conformance", options @ ..] => {
            let selection = parse_selection(options)?;
            let step = plan::conformance(selection);
            step::run_all(vec![step])
        }
        ["budget", options @ ..] => step::run_all(vec![budget::step(parse_task(options)?)]),
        ["soak", options @ ..] => step::run_all(vec![soak::step(parse_load(options)?)]),
        ["node"] => step::run_all(vec![node::step(None)]),
        ["node", "--program", file] => step::run_all(vec![node::step(Some(file.into()))]),
        ["tools"] => {
            let mut log = step::Log::create("tools")?;
            let tools = tools::ensure(&mut log).map_err(|problem| format!("{problem}\n{}", log.text()))?;
            for reason in tools.left_out() {
                eprintln!("left out: {reason}");
            }
            for (name, value) in tools.environment() {
                if let Some(value) = value {
                    println!("export {name}='{}'", value.display());
                }
            }
            Ok(true)
        }
        [other, ..] => Err(format!("no such command or option: `{other}`\n\n{USAGE}")),
    }
}

fn run_plan(steps: Vec<step::Step>, options: &[&str]) -> Result<bool, Problem> {
    match options {
        [] => step::run_all(steps),
        ["--list"] => {
            step::list(&steps);
            Ok(true)
        }
        ["--only", wanted] => step::run_all(step::only(steps, wanted)?),
        ["--only"] => Err("--only needs the name of a step; --list shows them".into()),
        [other, ..] => Err(format!("no such option here: `{other}`\n\n{USAGE}")),
    }
}

fn parse_task(options: &[&str]) -> Result<Task, Problem> {
    match options {
        [] => Ok(Task::Check),
        ["--bless"] => Ok(Task::Bless),
        ["--sites", case] => Ok(Task::Sites((*case).into())),
        ["--sites"] => {
            Err("--sites needs the name of a case; the table of `cargo xtask budget` has them".into())
        }
        [other, ..] => Err(format!("no such option here: `{other}`\n\n{USAGE}")),
    }
}

fn parse_load(mut options: &[&str]) -> Result<Load, Problem> {
    let mut load = Load::default();
    while let [option, rest @ ..] = options {
        let place = match *option {
            "--seconds" => &mut load.seconds,
            "--seed" => &mut load.seed,
            other => return Err(format!("no such option here: `{other}`\n\n{USAGE}")),
        };
        let [value, rest @ ..] = rest else { return Err(format!("{option} needs a number")) };
        *place = value.parse().map_err(|_| format!("{option} needs a number, and {value} is none"))?;
        options = rest;
    }
    if load.seconds == 0 { Err("--seconds needs one at least".into()) } else { Ok(load) }
}

fn parse_selection(options: &[&str]) -> Result<Selection, Problem> {
    match options {
        [] => Ok(Selection::Requirements(conformance::NEWEST.into())),
        ["--requirements", revision] => Ok(Selection::Requirements((*revision).into())),
        ["--suite", suite] => Ok(Selection::Suite((*suite).into())),
        [option @ ("--requirements" | "--suite")] => Err(format!("{option} needs a value")),
        [other, ..] => Err(format!("no such option here: `{other}`\n\n{USAGE}")),
    }
}
