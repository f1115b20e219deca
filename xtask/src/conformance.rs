//! The official conformance suite against the example `everything`, judged by the files it leaves.
//!
//! Its exit code cannot be the judge: it is 0 with warnings, and 1 for scenarios that we know about. So every check of
//! every scenario is read from the `checks.json` files, and anything that fails or warns must be covered by an
//! [`Allowance`] with its reason.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::server::Server;
use crate::step::{Log, Outcome};
use crate::tools::{Npm, Tools};
use crate::{Problem, workspace};

/// The revision that is checked unless another is named.
pub(crate) const NEWEST: &str = "2026-07-28";

/// The revisions that the suite has requirements of: the newest of each era.
pub(crate) const REVISIONS: [&str; 2] = [NEWEST, "2025-11-25"];

/// Which scenarios run.
#[derive(Debug)]
pub(crate) enum Selection {
    /// Those that a revision of the specification requires. What fails is a failure.
    Requirements(String),
    /// A suite of the tool's own. What fails is only told.
    Suite(String),
}

/// Scenarios that may fail for now.
struct Allowance {
    /// The revision it is for.
    revision: &'static str,
    /// How the names of the scenarios begin.
    begins: &'static str,
    /// Why.
    reason: &'static str,
}

const ALLOWANCES: &[Allowance] = &[Allowance {
    revision: NEWEST,
    begins: "tasks-",
    reason: "an optional extension, which the suite runs but does not score",
}];

/// Runs the suite and judges it, scenario by scenario.
pub(crate) fn run(selection: &Selection, tools: &Tools, log: &mut Log) -> Result<Outcome, Problem> {
    let npm = match &tools.npm {
        Ok(npm) => npm,
        Err(why) => return Ok(Outcome::LeftOut(why.clone())),
    };
    let (option, value) = match selection {
        Selection::Requirements(revision) => ("--requirements", revision),
        Selection::Suite(suite) => ("--suite", suite),
    };
    let folder = fresh_folder(value)?;
    let announced = {
        let server = Server::start(log)?;
        run_suite(npm, &server.url, [option, value], &folder, log)?
    };
    let scenarios = read_scenarios(&folder)?;
    if scenarios.len() != announced {
        return Err(format!(
            "the suite announced {announced} scenarios and left results of {}: it did not run to its end",
            scenarios.len()
        ));
    }

    let judged: Vec<(&Scenario, Verdict)> =
        scenarios.iter().map(|scenario| (scenario, verdict(scenario, selection))).collect();
    log.show(table(&judged));

    let bad = |wanted: fn(&Verdict) -> bool| judged.iter().filter(|(_, verdict)| wanted(verdict)).count();
    let failed = bad(|verdict| matches!(verdict, Verdict::Failed));
    let excused = bad(|verdict| matches!(verdict, Verdict::Excused(_)));
    if failed > 0 {
        return Err(format!("{failed} of {announced} scenarios fail or warn\n{}", details(&judged)));
    }
    if let Some(unused) = unused_allowance(&judged, selection) {
        return Err(format!("no scenario `{unused}*` fails any more: take its allowance out of {}", file!()));
    }
    Ok(Outcome::Passed(format!("{} scenarios pass, {excused} do not and are excused", announced - excused)))
}

/// Runs the command-line tool; answers how many scenarios it said it would run.
fn run_suite(
    npm: &Npm,
    url: &str,
    selection: [&str; 2],
    folder: &Path,
    log: &mut Log,
) -> Result<usize, Problem> {
    let script = npm.modules.join("@modelcontextprotocol/conformance/dist/index.js");
    let mut command = Command::new(&npm.node);
    command.arg(script).args(["server", "--url", url]).args(selection).arg("-o").arg(folder);
    // Its status says less than its files; see the top of this file.
    log.status(&mut command)?;
    // "Running requirements 2026-07-28 (50 scenarios) against URL"
    let text = log.text();
    let announced = text.lines().filter(|line| line.starts_with("Running ")).find_map(|line| {
        let (before, _) = line.split_once(" scenarios) against ")?;
        before.rsplit('(').next()?.parse().ok()
    });
    announced.ok_or_else(|| "the conformance suite did not start".into())
}

fn fresh_folder(name: &str) -> Result<PathBuf, Problem> {
    let folder = workspace::tools_folder().join("conformance").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// What one scenario came to.
#[derive(Debug, Default)]
struct Scenario {
    name: String,
    passed: usize,
    failed: usize,
    warned: usize,
    skipped: usize,
    /// Of each check that failed or warned: its status, name and message.
    complaints: Vec<String>,
}

fn read_scenarios(folder: &Path) -> Result<Vec<Scenario>, Problem> {
    let problem = |error| format!("cannot read {}: {error}", folder.display());
    let mut scenarios = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(problem)? {
        let entry = entry.map_err(problem)?;
        let path = entry.path().join("checks.json");
        let checks = std::fs::read_to_string(&path)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string()));
        let name = scenario_name(&entry.file_name().to_string_lossy());
        scenarios.push(match checks {
            Ok(checks) => scenario(name, workspace::array(&checks)),
            // The suite gave this scenario up; that is a failure of its own.
            Err(error) => Scenario {
                name,
                failed: 1,
                complaints: vec![format!("FAILURE no result: {}: {error}", path.display())],
                ..Scenario::default()
            },
        });
    }
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(scenarios)
}

/// `server-tools-list-2026-11-22T01-20-30-123Z` is the scenario `tools-list`.
fn scenario_name(folder: &str) -> String {
    const TIME: usize = "-2026-11-22T01-20-30-123Z".len();
    let name = folder.len().checked_sub(TIME).and_then(|end| folder.get(..end)).unwrap_or(folder);
    name.strip_prefix("server-").unwrap_or(name).to_owned()
}

fn scenario(name: String, checks: &[Value]) -> Scenario {
    let mut scenario = Scenario { name, ..Scenario::default() };
    for check in checks {
        let status = workspace::text(&check["status"]);
        match status.as_str() {
            "SUCCESS" => scenario.passed += 1,
            "WARNING" => scenario.warned += 1,
            "SKIPPED" | "INFO" => scenario.skipped += 1,
            // FAILURE, and any word that is new to us.
            _ => scenario.failed += 1,
        }
        if !matches!(status.as_str(), "SUCCESS" | "SKIPPED" | "INFO") {
            let (id, message) = (workspace::text(&check["id"]), workspace::text(&check["errorMessage"]));
            scenario.complaints.push(format!("{status} {id}: {message}"));
        }
    }
    scenario
}

enum Verdict {
    Passed,
    /// It fails, or warns, and may, for this reason.
    Excused(&'static str),
    Failed,
}

fn verdict(scenario: &Scenario, selection: &Selection) -> Verdict {
    if scenario.failed == 0 && scenario.warned == 0 {
        return Verdict::Passed;
    }
    match selection {
        Selection::Suite(_) => Verdict::Excused("only reported"),
        Selection::Requirements(revision) => allowances(revision)
            .find(|allowance| scenario.name.starts_with(allowance.begins))
            .map_or(Verdict::Failed, |allowance| Verdict::Excused(allowance.reason)),
    }
}

fn allowances(revision: &str) -> impl Iterator<Item = &'static Allowance> {
    ALLOWANCES.iter().filter(move |allowance| allowance.revision == revision)
}

/// An allowance that nothing needs would excuse the next mistake.
fn unused_allowance(judged: &[(&Scenario, Verdict)], selection: &Selection) -> Option<&'static str> {
    let Selection::Requirements(revision) = selection else { return None };
    allowances(revision).map(|allowance| allowance.begins).find(|begins| {
        !judged.iter().any(|(scenario, verdict)| {
            matches!(verdict, Verdict::Excused(_)) && scenario.name.starts_with(begins)
        })
    })
}

fn table(judged: &[(&Scenario, Verdict)]) -> String {
    let width = judged.iter().map(|(scenario, _)| scenario.name.len()).max().unwrap_or(0);
    let mut text = format!("{:width$}  passed  failed  warned  skipped\n", "scenario");
    for (scenario, verdict) in judged {
        let Scenario { name, passed, failed, warned, skipped, .. } = scenario;
        let remark = match verdict {
            Verdict::Passed => String::new(),
            Verdict::Excused(reason) => format!("excused: {reason}"),
            Verdict::Failed => "FAILED".into(),
        };
        let line = format!("{name:width$}  {passed:>6}  {failed:>6}  {warned:>6}  {skipped:>7}  {remark}");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

fn details(judged: &[(&Scenario, Verdict)]) -> String {
    let mut text = String::new();
    for (scenario, verdict) in judged {
        if matches!(verdict, Verdict::Failed) {
            for complaint in &scenario.complaints {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}: {complaint}", scenario.name);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(name: &str) -> Scenario {
        let checks = serde_json::json!([
            {"id": "a", "status": "SUCCESS"},
            {"id": "b", "status": "WARNING", "errorMessage": "should"},
            {"id": "c", "status": "INFO"},
        ]);
        scenario(name.into(), workspace::array(&checks))
    }

    #[test]
    fn the_folder_names_the_scenario() {
        assert_eq!(scenario_name("server-tools-list-2026-11-22T01-20-30-123Z"), "tools-list");
        assert_eq!(scenario_name("odd"), "odd");
    }

    #[test]
    fn a_warning_fails_unless_it_is_excused() {
        let required = Selection::Requirements(NEWEST.into());
        let list = warned("tools-list");
        assert_eq!((list.passed, list.failed, list.warned, list.skipped), (1, 0, 1, 1));
        assert_eq!(list.complaints, ["WARNING b: should"]);
        assert!(matches!(verdict(&list, &required), Verdict::Failed));
        assert!(matches!(verdict(&list, &Selection::Suite("all".into())), Verdict::Excused(_)));
        assert!(matches!(verdict(&warned("tasks-lifecycle"), &required), Verdict::Excused(_)));
        assert!(matches!(
            verdict(&warned("tasks-lifecycle"), &Selection::Requirements("2025-11-25".into())),
            Verdict::Failed
        ));
    }

    #[test]
    fn an_allowance_that_nothing_needs_is_found() {
        let required = Selection::Requirements(NEWEST.into());
        let (list, tasks) = (warned("tools-list"), warned("tasks-lifecycle"));
        let judge = |scenarios: &[&Scenario]| {
            let judged: Vec<_> = scenarios.iter().map(|s| (*s, verdict(s, &required))).collect();
            unused_allowance(&judged, &required)
        };
        assert_eq!(judge(&[&list, &tasks]), None);
        assert_eq!(judge(&[&list]), Some("tasks-"));
    }
}
