//! The two plans: `test`, which every change has to pass, and `long`, for what takes longer than one likes to wait.
//!
//! Cheap steps come first. Lints, docs, tests and the server for the conformance suite are built with the same packages,
//! features and profile, so that the world is built once for checking and once for running.

use std::cell::OnceCell;
use std::process::Command;
use std::rc::Rc;

use crate::conformance::{self, Selection};
use crate::soak::{self, Load};
use crate::step::{Log, Outcome, Step};
use crate::tools::{self, Tools};
use crate::workspace::cargo;
use crate::{Problem, arrows, budget, features, files};

/// How many cases each property test runs in `long`; the usual number is 256.
const MANY_CASES: &str = "20000";

/// How often a server that keeps an audit is killed in `long`; the usual number is a few.
const MANY_KILLS: &str = "50";

/// Everything that a change has to pass.
pub(crate) fn test() -> Result<Vec<Step>, Problem> {
    let installed = Installed::default();
    let mut steps = vec![
        tools_step(&installed),
        Step::command("fmt", cargo(&["fmt", "--all", "--check", "--", "--color", "never"])),
        Step::command("fmt/rmcp-client", {
            let mut command = cargo(&["fmt", "--check", "--manifest-path"]);
            command.arg(tools::rmcp_manifest()).args(["--", "--color", "never"]);
            command
        }),
        Step::new("files", "source files: their first line, their length", files::check),
        Step::new("arrows", "who depends on whom, and what mcp-core may not know", arrows::check),
        Step::command(
            "clippy",
            cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]),
        ),
        Step::command("doc", {
            let mut command = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
            command.env("RUSTDOCFLAGS", "-D warnings");
            command
        }),
    ];
    steps.extend(features::steps()?);
    steps.push(with_tools(&installed, "test", cargo(&["test", "--workspace", "--all-features"])));
    steps.push(soak::step(Load::BRIEF));
    for revision in conformance::REVISIONS {
        let name = format!("conformance {revision}");
        steps.push(conformance_step(&name, Selection::Requirements(revision.into()), &installed));
    }
    steps.push(conformance_step("conformance all", Selection::Suite("all".into()), &installed));
    Ok(steps)
}

/// What takes long.
pub(crate) fn long() -> Vec<Step> {
    let installed = Installed::default();
    let mut proptest = cargo(&["test", "--workspace", "--all-features"]);
    proptest.env("PROPTEST_CASES", MANY_CASES);
    proptest.env("TOOLPACK_KILL_ROUNDS", MANY_KILLS);
    vec![
        tools_step(&installed),
        with_tools(&installed, "proptest", proptest),
        budget::step(budget::Task::Check),
        soak::step(Load::default()),
    ]
}

/// The conformance suite by itself.
pub(crate) fn conformance(selection: Selection) -> Step {
    conformance_step("conformance", selection, &Installed::default())
}

/// The tools, installed by the first step that needs them.
#[derive(Clone, Default)]
struct Installed(Rc<OnceCell<Result<Tools, Problem>>>);

impl Installed {
    fn get(&self, log: &mut Log) -> Result<&Tools, Problem> {
        self.0.get_or_init(|| tools::ensure(log)).as_ref().map_err(Clone::clone)
    }
}

fn tools_step(installed: &Installed) -> Step {
    let installed = installed.clone();
    Step::new("tools", "installs Node, Python and the clients into .tools/", move |log| {
        let left_out = installed.get(log)?.left_out();
        Ok(if left_out.is_empty() {
            Outcome::Passed(String::new())
        } else {
            Outcome::LeftOut(left_out.join("; "))
        })
    })
}

fn with_tools(installed: &Installed, name: &str, mut command: Command) -> Step {
    let (installed, about) = (installed.clone(), crate::workspace::describe(&command));
    Step::new(name, about, move |log| {
        installed.get(log)?.hand_to(&mut command);
        log.run(&mut command)?;
        Ok(Outcome::Passed(String::new()))
    })
}

fn conformance_step(name: &str, selection: Selection, installed: &Installed) -> Step {
    let installed = installed.clone();
    let about = match &selection {
        Selection::Requirements(revision) => format!("what the conformance suite requires of {revision}"),
        Selection::Suite(suite) => format!("the conformance suite `{suite}`, reported only"),
    };
    Step::new(name, about, move |log| conformance::run(&selection, installed.get(log)?, log))
}
