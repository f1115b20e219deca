//! What the whole way of a call costs, from the bytes of the message to the bytes of the answer, without a transport.
//!
//! Beside each case stands its limit, in the same run: what a program without MCP would have to do, which is to parse
//! the message once into a `Value`, do the work, and write the same bytes. The last lines put the two in proportion,
//! from rounds that take turns, so that a busy machine slows both alike.
//!
//! ```sh
//! cargo bench --bench call
//! cargo bench --bench call -- 2026-07-28/echo   # one case
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "measurements are for reading")]
#![allow(missing_docs, clippy::expect_used, reason = "a bench has no users, and fails loudly")]

mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;
use serde_json::{Value, json};
use support::{answer, connect, request, tools};
use toolpack::{Connection, Revision};

fn main() {
    let runtime = support::runtime();
    let _entered = runtime.enter();
    let endpoint = support::usual();

    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .configure_from_args();
    let mut comparisons = Vec::new();
    for revision in [Revision::V2026_07_28, Revision::V2025_11_25] {
        let mut connection = connect(&endpoint, revision);
        for case in cases(revision) {
            comparisons.extend(compare(&mut criterion, &mut connection, case));
        }
    }
    criterion.final_summary();
    for Comparison { name, seconds, ratio } in comparisons {
        println!("{name:<24} {:>9.2} µs, {ratio:.2} × the limit", seconds * 1e6);
    }
}

/// One message, and what else than copying its answer costs somebody without MCP.
struct Case {
    /// `REVISION/CASE`.
    name: String,
    message: Vec<u8>,
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    /// None: the answer is there.
    Copy,
    /// Makes rows and writes them twice, as JSON and as JSON in a string.
    Rows(u32),
}

/// What came of a case, typically.
struct Comparison {
    name: String,
    /// For one call.
    seconds: f64,
    /// Of its time to that of the limit.
    ratio: f64,
}

fn cases(revision: Revision) -> Vec<Case> {
    const ROWS: u32 = 1000;
    let case = |name, method, params, work| {
        let name = format!("{}/{name}", revision.as_str());
        Case { name, message: request(revision, 1, method, params), work }
    };
    let call = |name, arguments: Value, work| {
        case(name, "tools/call", json!({"name": name, "arguments": arguments}), work)
    };
    vec![
        call("echo", json!({"message": "hello"}), Work::Copy),
        call("add", json!({"a": 2, "b": 3}), Work::Copy),
        call("list_rows", json!({"count": ROWS}), Work::Rows(ROWS)),
        case("tools_list", "tools/list", json!({}), Work::Copy),
    ]
}

/// Measures a case and its limit; `None` where the command line leaves the case out.
fn compare(criterion: &mut Criterion, connection: &mut Connection, case: Case) -> Option<Comparison> {
    let Case { name, message, work } = case;
    let mut group = criterion.benchmark_group(&name);
    let expected = answer(connection, &message);
    let mut out = Vec::with_capacity(2 * expected.len());

    let write = Limit::new(work, &expected);
    write.answer(&message, &mut out);
    assert!(out == expected, "the limit writes another answer to {name}");

    let mut pairs = Vec::new();
    group.bench_function("toolpack", |bencher| {
        bencher.iter_custom(|rounds| {
            let ours = time(rounds, || {
                out.clear();
                connection.receive(black_box(&message), &mut out);
            });
            let limit = time(rounds, || write.answer(black_box(&message), &mut out));
            pairs.push((ours.as_secs_f64() / rounds as f64, ours.as_secs_f64() / limit.as_secs_f64()));
            ours
        });
    });
    group.bench_function("limit", |bencher| {
        bencher.iter_custom(|rounds| time(rounds, || write.answer(black_box(&message), &mut out)));
    });
    let (times, ratios): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    Some(Comparison { name, seconds: median(times)?, ratio: median(ratios)? })
}

fn time(rounds: u64, mut work: impl FnMut()) -> Duration {
    let began = Instant::now();
    for _ in 0..rounds {
        work();
    }
    began.elapsed()
}

/// The middle of several values; the only one there is with `--test` says nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().filter(|_| values.len() > 1)
}

/// What has to be done without MCP.
struct Limit<'a> {
    work: Work,
    /// The answer; where there are rows, what stands before, between and after them.
    parts: [&'a [u8]; 3],
}

impl<'a> Limit<'a> {
    fn new(work: Work, answer: &'a [u8]) -> Self {
        let Work::Rows(count) = work else { return Self { work, parts: [answer, b"", b""] } };
        let text = serde_json::to_string(&tools::rows(count)).expect("rows are JSON");
        let quoted = serde_json::to_string(&text).expect("text is JSON");
        let (before, rest) = split_at(answer, quoted.as_bytes());
        let (between, after) = split_at(rest, text.as_bytes());
        Self { work, parts: [before, between, after] }
    }

    fn answer(&self, message: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let message: Value = serde_json::from_slice(message).expect("a message is JSON");
        black_box(&message["id"]);
        let [before, between, after] = self.parts;
        out.extend_from_slice(before);
        if let Work::Rows(count) = self.work {
            let text = serde_json::to_string(&tools::rows(count)).expect("rows are JSON");
            serde_json::to_writer(&mut *out, &text).expect("text is JSON");
            out.extend_from_slice(between);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(after);
        }
    }
}

/// What stands before and after a part.
fn split_at<'a>(whole: &'a [u8], part: &[u8]) -> (&'a [u8], &'a [u8]) {
    let start = whole.windows(part.len()).position(|window| window == part);
    let start = start.expect("the answer has the rows as serde_json writes them");
    (&whole[..start], &whole[start + part.len()..])
}
