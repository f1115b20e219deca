//! Steps with a name and a log: they run one after the other, each is timed, and a table sums them up.
//!
//! A failing step does not stop the ones after it. What a step and its commands say goes to `.tools/logs/STEP.log`; of
//! the first step that fails, the end of it is shown before the table.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Problem, workspace};

/// How many lines of a failed step are shown; its log has them all.
const SHOWN_LINES: usize = 400;

/// What a step came to, if it did not fail.
pub(crate) enum Outcome {
    /// All is well, with a remark for the table (may be empty).
    Passed(String),
    /// It could not be tried, for this reason. In continuous integration that counts as a failure.
    LeftOut(String),
}

type Action = Box<dyn FnOnce(&mut Log) -> Result<Outcome, Problem>>;

/// One named check. A name with a slash belongs to the group before it.
pub(crate) struct Step {
    name: String,
    about: String,
    action: Action,
}

impl Step {
    /// A step of its own making.
    pub(crate) fn new(
        name: impl Into<String>,
        about: impl Into<String>,
        action: impl FnOnce(&mut Log) -> Result<Outcome, Problem> + 'static,
    ) -> Self {
        Self { name: name.into(), about: about.into(), action: Box::new(action) }
    }

    /// A step that is one command; it passes if the command succeeds.
    pub(crate) fn command(name: impl Into<String>, mut command: Command) -> Self {
        let about = workspace::describe(&command);
        Self::new(name, about, move |log| {
            log.run(&mut command)?;
            Ok(Outcome::Passed(String::new()))
        })
    }

    fn is_in(&self, wanted: &str) -> bool {
        self.name == wanted || self.name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Where a step writes; its commands write there too.
pub(crate) struct Log {
    file: File,
    path: PathBuf,
    /// What the terminal shows too, however the step ends.
    shown: String,
}

impl Log {
    /// Starts the log of the named step anew.
    pub(crate) fn create(step: &str) -> Result<Self, Problem> {
        let folder = workspace::tools_folder().join("logs");
        let path = folder.join(format!("{}.log", step.replace('/', "-")));
        std::fs::create_dir_all(&folder)
            .and_then(|()| File::create(&path))
            .map(|file| Self { file, path: path.clone(), shown: String::new() })
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// Writes a line.
    pub(crate) fn say(&mut self, line: impl std::fmt::Display) {
        // A log that cannot be written is no reason to stop: the outcome is told on the terminal.
        let _ = writeln!(self.file, "{line}");
    }

    /// Keeps a text for the terminal, to stand below the step's result.
    pub(crate) fn show(&mut self, text: String) {
        self.shown += &text;
    }

    /// Runs a command to its end with both its outputs going to the log.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<(), Problem> {
        let line = workspace::describe(command);
        let status = self.status(command)?;
        if status.success() { Ok(()) } else { Err(format!("`{line}` failed ({status})")) }
    }

    /// Like [`Log::run`], for a caller who judges the status.
    pub(crate) fn status(&mut self, command: &mut Command) -> Result<std::process::ExitStatus, Problem> {
        let line = workspace::describe(command);
        self.say(format_args!("$ {line}"));
        let copy = || self.file.try_clone().map_err(|error| format!("cannot share the log: {error}"));
        let (out, err) = (copy()?, copy()?);
        command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .status()
            .map_err(|error| format!("cannot run `{line}`: {error}"))
    }

    /// What the log holds so far.
    pub(crate) fn text(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Shows the names of the steps and what each does.
pub(crate) fn list(steps: &[Step]) {
    let width = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    for step in steps {
        println!("{:width$}  {}", step.name, step.about);
    }
}

/// The steps with this name, or in this group.
pub(crate) fn only(steps: Vec<Step>, wanted: &str) -> Result<Vec<Step>, Problem> {
    let chosen: Vec<Step> = steps.into_iter().filter(|step| step.is_in(wanted)).collect();
    if chosen.is_empty() {
        Err(format!("no step is named `{wanted}`; --list shows them"))
    } else {
        Ok(chosen)
    }
}

/// Runs the steps, shows how each ends and sums them up; `false` if any failed.
pub(crate) fn run_all(steps: Vec<Step>) -> Result<bool, Problem> {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    let mut results = Vec::new();
    let mut first_failure = None;
    for step in steps {
        print!("{} ... ", step.name);
        flush();
        let mut log = Log::create(&step.name)?;
        let started = Instant::now();
        let mut outcome = (step.action)(&mut log);
        if in_ci && let Ok(Outcome::LeftOut(reason)) = outcome {
            outcome = Err(format!("left out, and CI=true: {reason}"));
        }
        let result = Row { name: step.name, took: started.elapsed(), outcome };
        println!("{} ({:.1} s)", result.word(), result.took.as_secs_f64());
        print!("{}", log.shown);
        if result.outcome.is_err() && first_failure.is_none() {
            first_failure = Some(failure_report(&result, &log));
        }
        results.push(result);
    }
    if let Some(report) = first_failure {
        println!("\n{report}");
    }
    print_table(&results);
    Ok(results.iter().all(|result| result.outcome.is_ok()))
}

struct Row {
    name: String,
    took: Duration,
    outcome: Result<Outcome, Problem>,
}

impl Row {
    fn word(&self) -> &'static str {
        match self.outcome {
            Ok(Outcome::Passed(_)) => "ok",
            Ok(Outcome::LeftOut(_)) => "left out",
            Err(_) => "FAILED",
        }
    }

    fn remark(&self) -> &str {
        match &self.outcome {
            Ok(Outcome::Passed(remark) | Outcome::LeftOut(remark)) => remark,
            // The first line says what; the lines after it say why, and stand in the report.
            Err(problem) => problem.lines().next().unwrap_or_default(),
        }
    }
}

fn failure_report(result: &Row, log: &Log) -> String {
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(SHOWN_LINES);
    let mut report = format!("==== {} failed; its output:\n", result.name);
    if skipped > 0 {
        report += &format!("     ({skipped} lines before these are in {})\n", log.path.display());
    }
    for line in &lines[skipped..] {
        report += line;
        report.push('\n');
    }
    if let Err(problem) = &result.outcome {
        report += problem;
        report.push('\n');
    }
    report + &format!("==== end of {} ({})", result.name, log.path.display())
}

fn print_table(results: &[Row]) {
    let width = results.iter().map(|result| result.name.len()).max().unwrap_or(0);
    println!();
    for result in results {
        let line =
            format!("{:width$}  {:>8}  {:>7.1} s", result.name, result.word(), result.took.as_secs_f64());
        println!("{}", format!("{line}  {}", result.remark()).trim_end());
    }
    let total: Duration = results.iter().map(|result| result.took).sum();
    let named = |word: &str| {
        let names: Vec<&str> =
            results.iter().filter(|row| row.word() == word).map(|row| row.name.as_str()).collect();
        names.join(", ")
    };
    let verdict = match (named("FAILED"), named("left out")) {
        (failed, _) if !failed.is_empty() => format!("failed: {failed}"),
        (_, left_out) if !left_out.is_empty() => format!("nothing failed; left out: {left_out}"),
        _ => "all is well".to_owned(),
    };
    println!("\n{} steps in {:.0} s; {verdict}", results.len(), total.as_secs_f64());
}

fn flush() {
    // Only so that the name stands there while the step runs.
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Step {
        Step::new(name, "", |_| Ok(Outcome::Passed(String::new())))
    }

    #[test]
    fn only_takes_a_name_or_a_whole_group() {
        let names = |wanted| {
            let steps = ["test", "features/a", "features/b", "features-x"].map(named).into();
            only(steps, wanted).map(|steps| steps.into_iter().map(|step| step.name).collect::<Vec<_>>())
        };
        assert_eq!(names("features").expect("a group"), ["features/a", "features/b"]);
        assert_eq!(names("features/b").expect("a name"), ["features/b"]);
        assert!(names("tes").is_err_and(|problem| problem.contains("tes")));
    }
}
