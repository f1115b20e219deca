//! The committed figures: `benches/budget.toml`, and the table that repeats them in `docs/performance.md`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use toml::{Table, Value};

use super::count::Program;
use super::{Case, Cost};
use crate::{Problem, workspace};

const FIGURES: &str = "benches/budget.toml";
const DOCUMENT: &str = "docs/performance.md";

/// Where the table stands in the document.
const BEGIN: &str = "<!-- begin: written by `cargo xtask budget --bless` -->";
const END: &str = "<!-- end -->";

/// What the file says.
pub(super) struct Committed {
    costs: Vec<(String, Cost)>,
    /// With what it was counted.
    made_with: Vec<(String, String)>,
}

/// Reads the file.
pub(super) fn read() -> Result<Committed, Problem> {
    parse(&read_text(FIGURES)?).ok_or_else(|| {
        format!("{FIGURES} is not as `cargo xtask budget --bless` writes it, which would write it anew")
    })
}

/// Replaces the figures, in the file and in the document.
pub(super) fn write(program: &Program, costs: &[Cost]) -> Result<(), Problem> {
    let document = read_text(DOCUMENT)?;
    let (before, _, after) = around_table(&document)?;
    let document = format!("{before}{}{after}", table(&program.cases, costs));
    write_text(FIGURES, &render(&program.cases, costs, &made_with(program)?))?;
    write_text(DOCUMENT, &document)
}

/// Holds the table in the document against the figures in the file.
pub(super) fn check_documented(cases: &[Case], costs: &[Cost]) -> Result<(), Problem> {
    let document = read_text(DOCUMENT)?;
    let (_, shown, _) = around_table(&document)?;
    if shown == table(cases, costs) {
        Ok(())
    } else {
        Err(format!(
            "{DOCUMENT} shows other figures than {FIGURES}: `cargo xtask budget --bless` writes both"
        ))
    }
}

impl Committed {
    /// The figures of these cases, in their order; there must be none of others.
    pub(super) fn costs_of(&self, cases: &[Case]) -> Result<Vec<Cost>, Problem> {
        let known = |name: &str| cases.iter().any(|case| case.name == name);
        if let Some((name, _)) = self.costs.iter().find(|(name, _)| !known(name)) {
            return Err(format!("{FIGURES} has figures of {name}, which is no case; take the line out"));
        }
        let cost = |case: &Case| {
            let found = self.costs.iter().find(|(name, _)| *name == case.name);
            found.map(|(_, cost)| *cost).ok_or_else(|| {
                format!("{FIGURES} has no figures of {}: `cargo xtask budget --bless` adds them", case.name)
            })
        };
        cases.iter().map(cost).collect()
    }

    /// A remark where the figures were counted with other tools, which may be all that is wrong.
    pub(super) fn counted_elsewhere(&self, program: &Program) -> Option<String> {
        let here = made_with(program).ok()?;
        let other = self.made_with.iter().zip(&here).find(|(committed, here)| committed != here);
        other.map(|((_, committed), (_, here))| {
            format!("the committed figures were counted with {committed}, these with {here}: that may be the reason")
        })
    }
}

/// What moves the figures beside our own code.
fn made_with(program: &Program) -> Result<Vec<(String, String)>, Problem> {
    let rustc = workspace::output(Command::new("rustc").arg("--version").current_dir(workspace::root()))?;
    let machine = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let versions = [
        ("rustc", rustc.trim()),
        ("valgrind", program.valgrind.version.as_str()),
        ("machine", machine.as_str()),
    ];
    Ok(versions.map(|(tool, version)| (tool.to_owned(), version.to_owned())).into())
}

fn parse(text: &str) -> Option<Committed> {
    let file: Table = text.parse().ok()?;
    let costs = file.get("call")?.as_table()?.iter().map(|(name, cost)| {
        let figure = |key: &str| cost.get(key)?.as_integer()?.try_into().ok();
        let cost = Cost { allocations: figure("allocations")?, instructions: figure("instructions")? };
        Some((name.clone(), cost))
    });
    let made_with = file.get("made_with")?.as_table()?;
    let version =
        |tool: &str| Some((tool.to_owned(), made_with.get(tool).and_then(Value::as_str)?.to_owned()));
    Some(Committed {
        costs: costs.collect::<Option<_>>()?,
        made_with: ["rustc", "valgrind", "machine"].into_iter().map(version).collect::<Option<_>>()?,
    })
}

fn render(cases: &[Case], costs: &[Cost], made_with: &[(String, String)]) -> String {
    let mut text = String::from(
        "# What one call may cost, held by `cargo xtask budget`: allocations exactly, instructions within a few per\n\
         # cent. Written by `cargo xtask budget --bless`; whoever commits a change of it says why.\n\n[call]\n",
    );
    let width = cases.iter().map(|case| case.name.len()).max().unwrap_or(0);
    // Writing to a string cannot fail.
    for (case, cost) in cases.iter().zip(costs) {
        let Cost { allocations, instructions } = cost;
        let figures =
            format!("{{ allocations = {allocations}, instructions = {} }}", grouped(*instructions, '_'));
        let _ = writeln!(text, "{:width$} = {figures}", case.name);
    }
    let _ = writeln!(text, "\n[made_with]");
    for (tool, version) in made_with {
        let _ = writeln!(text, "{tool} = {version:?}");
    }
    text
}

/// The table for the document, with an empty line on each side.
fn table(cases: &[Case], costs: &[Cost]) -> String {
    let mut text =
        String::from("\n\n| case | one call | allocations | instructions |\n|---|---|---:|---:|\n");
    for (case, cost) in cases.iter().zip(costs) {
        let Cost { allocations, instructions } = cost;
        let (allocations, instructions) = (grouped(*allocations, ','), grouped(*instructions, ','));
        let _ = writeln!(text, "| `{}` | {} | {allocations} | {instructions} |", case.name, case.about);
    }
    text + "\n"
}

/// A number in groups of three digits.
fn grouped(number: u64, separator: char) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// What stands before the table of the document, the table, and what stands after it.
fn around_table(document: &str) -> Result<(&str, &str, &str), Problem> {
    let place = document.find(BEGIN).map(|at| at + BEGIN.len());
    let place = place.and_then(|start| Some((start, start + document[start..].find(END)?)));
    let (start, end) = place.ok_or_else(|| format!("{DOCUMENT} has lost the comments around its table"))?;
    Ok((&document[..start], &document[start..end], &document[end..]))
}

fn path(file: &str) -> PathBuf {
    workspace::root().join(file)
}

fn read_text(file: &str) -> Result<String, Problem> {
    std::fs::read_to_string(path(file)).map_err(|error| format!("cannot read {file}: {error}"))
}

fn write_text(file: &str, text: &str) -> Result<(), Problem> {
    std::fs::write(path(file), text).map_err(|error| format!("cannot write {file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let cases = ["echo", "rows_1000"].map(|name| Case { name: name.into(), about: "a call".into() });
        let costs = [
            Cost { allocations: 12, instructions: 9_876 },
            Cost { allocations: 2_024, instructions: 7_890_470 },
        ];
        let tools =
            ["rustc", "valgrind", "machine"].map(|tool| (tool.to_owned(), format!("{tool} 1.0 (a \"b\")")));
        let text = render(&cases, &costs, &tools);
        let read = parse(&text).expect("our own text can be read");
        assert_eq!(read.costs_of(&cases).as_deref(), Ok(costs.as_slice()));
        assert_eq!(read.made_with, tools);
        assert!(text.contains("instructions = 7_890_470"), "{text}");
        assert!(read.costs_of(&cases[..1]).is_err_and(|why| why.contains("rows_1000")));
        assert!(table(&cases, &costs).contains("| `rows_1000` | a call | 2,024 | 7,890,470 |"));
    }

    #[test]
    fn the_table_is_found_between_its_comments() {
        let document = format!("Before.\n\n{BEGIN}\n\n| a |\n\n{END}\n\nAfter.\n");
        let (before, shown, after) = around_table(&document).expect("both comments are there");
        assert_eq!(shown, "\n\n| a |\n\n");
        assert_eq!(format!("{before}{shown}{after}"), document);
        assert!(around_table("nothing").is_err());
    }
}
