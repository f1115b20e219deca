//! The allocations of one call, one by one, each with its place: what valgrind's `dhat` knows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::count::{CALLS, Program};
use crate::step::Log;
use crate::{Problem, workspace};

/// How long a line of a stack may be; the types of futures have no end.
const LINE: usize = 150;

/// How many places of ours are shown of a stack, from the innermost.
const PLACES: usize = 3;

/// Allocations with the same stack: how many, and of how many bytes in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Blocks {
    number: u64,
    bytes: u64,
}

/// From the innermost frame outwards, as `function (file:line)`.
type Stack = Vec<String>;

/// Lists them. As with the counts, what goes before the calls is taken away by a second run with more of them.
pub(super) fn list(program: &Program, case: &str, log: &mut Log) -> Result<String, Problem> {
    if !program.cases.iter().any(|known| known.name == case) {
        let names: Vec<&str> = program.cases.iter().map(|case| case.name.as_str()).collect();
        return Err(format!("no case is named `{case}`; there are {}", names.join(", ")));
    }
    let fewer = blocks(program, case, CALLS, log)?;
    let more = blocks(program, case, 2 * CALLS, log)?;
    let mut sites: Vec<(Stack, Blocks)> = more
        .into_iter()
        .filter_map(|(stack, more)| {
            let fewer = fewer.get(&stack).copied().unwrap_or_default();
            let of_calls = Blocks {
                number: more.number.saturating_sub(fewer.number),
                bytes: more.bytes.saturating_sub(fewer.bytes),
            };
            (of_calls.number >= CALLS).then_some((stack, of_calls))
        })
        .collect();
    // The order of time is not known; by place, what belongs together stands together.
    sites.sort_by_cached_key(|(stack, _)| places(stack).first().map(|place| place.to_string()));

    let total: u64 = sites.iter().map(|(_, blocks)| blocks.number).sum();
    let mut text = format!("{} allocations in one call of {case}\n", total / CALLS);
    for (stack, blocks) in &sites {
        let (number, size) = (blocks.number / CALLS, blocks.bytes / blocks.number);
        text += &format!("\n{number} × {size} bytes  {}\n", cut(reason(stack)));
        for place in places(stack) {
            text += &format!("    {}\n", cut(place));
        }
    }
    Ok(text)
}

fn blocks(
    program: &Program,
    case: &str,
    calls: u64,
    log: &mut Log,
) -> Result<BTreeMap<Stack, Blocks>, Problem> {
    // Paths of our files are shown from the workspace on, all others in full.
    let ours = format!("--fullpath-after={}/", workspace::root().display());
    let profile =
        program.valgrind.watch("dhat", &["--num-callers=40", &ours], &program.path, (case, calls), log)?;
    let profile: Value =
        serde_json::from_str(&profile).map_err(|error| format!("dhat left no JSON: {error}"))?;
    Ok(by_stack(&profile))
}

/// Reads dhat's format: `ftbl` has the frames, and each of `pps` a stack of them (`fs`), its blocks and bytes.
fn by_stack(profile: &Value) -> BTreeMap<Stack, Blocks> {
    let frames = workspace::array(&profile["ftbl"]);
    let mut all: BTreeMap<Stack, Blocks> = BTreeMap::new();
    for point in workspace::array(&profile["pps"]) {
        let stack = workspace::array(&point["fs"]).iter().map(|index| {
            let frame = index.as_u64().and_then(|index| frames.get(usize::try_from(index).ok()?));
            let frame = frame.map(workspace::text).unwrap_or_default();
            // `0x3F97F2: alloc (…)`: an address says nothing to people.
            frame.split_once(": ").map(|(_, frame)| frame.to_owned()).unwrap_or(frame)
        });
        let blocks = all.entry(stack.collect()).or_default();
        blocks.number += point["tbk"].as_u64().unwrap_or_default();
        blocks.bytes += point["tb"].as_u64().unwrap_or_default();
    }
    all
}

/// The innermost frames that are in this workspace.
fn places(stack: &Stack) -> Vec<&str> {
    stack.iter().map(String::as_str).filter(|frame| is_ours(frame)).take(PLACES).collect()
}

/// What we called that allocates: the outermost function of the libraries before the first of ours.
fn reason(stack: &Stack) -> &str {
    let frame = stack.iter().take_while(|frame| !is_ours(frame)).last().map_or("", String::as_str);
    frame.rsplit_once(" (").map_or(frame, |(function, _)| function)
}

fn is_ours(frame: &str) -> bool {
    // Of a system library it is `malloc (in /usr/…)`, of another crate or the standard library `(/path/file.rs:1)`.
    frame.rsplit_once(" (").is_some_and(|(_, place)| !place.starts_with('/') && !place.starts_with("in "))
}

/// Types are long: the file and line at the end are what must be seen.
fn cut(frame: &str) -> String {
    if frame.chars().count() <= LINE {
        return frame.to_owned();
    }
    let place = frame.rfind(" (").unwrap_or(frame.len());
    let (function, place) = frame.split_at(place);
    let kept: String = function.chars().take(LINE.saturating_sub(place.chars().count() + 1)).collect();
    format!("{kept}…{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_read_and_ours_is_told_from_the_libraries() {
        let profile = serde_json::json!({
            "pps": [{"tb": 30, "tbk": 2, "fs": [1, 2, 3]}, {"tb": 10, "tbk": 1, "fs": [1, 4, 3]}],
            "ftbl": [
                "[root]",
                "0x1: malloc (in /usr/lib/vgpreload_dhat.so)",
                "0x2: new<call::Inner> (/rustc/5980/library/alloc/src/sync.rs:422)",
                "0x3: mcp_core::call::Call::new (mcp-core/src/call.rs:99)",
                "0x4: new<call::Inner> (/rustc/5980/library/alloc/src/sync.rs:422)",
            ],
        });
        let read = by_stack(&profile);
        assert_eq!(read.len(), 1);
        let (stack, blocks) = read.first_key_value().expect("there is one");
        assert_eq!(*blocks, Blocks { number: 3, bytes: 40 });
        assert_eq!(places(stack), ["mcp_core::call::Call::new (mcp-core/src/call.rs:99)"]);
        assert_eq!(reason(stack), "new<call::Inner>");
    }

    #[test]
    fn a_long_line_keeps_its_place() {
        let frame = format!("{} (mcp-core/src/call.rs:99)", "x".repeat(500));
        let shown = cut(&frame);
        assert!(shown.ends_with("… (mcp-core/src/call.rs:99)"), "{shown}");
        assert_eq!(shown.chars().count(), LINE);
    }
}
