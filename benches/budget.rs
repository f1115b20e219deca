//! The cases that `cargo xtask budget` counts the instructions and allocations of, under valgrind.
//!
//! No bench by itself: it names its cases, or makes so many calls of one of them. What goes before the calls (the
//! server, the connection, the requests, some calls to warm up) is none of the budget's business, and so the calls are
//! made in a function of their own, whose name valgrind is told.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]
#![allow(missing_docs, clippy::expect_used, reason = "a bench has no users, and fails loudly")]

mod support;

use std::process::ExitCode;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use support::{echo, guarded, of_tools, open, usual};
use toolpack::{Endpoint, Revision, http::HttpService};

/// Calls before those that count: what is made on first use is there by then.
const WARM_UP: usize = 20;

/// As many calls as there can be. What goes before them must not depend on their number: allocations are counted as
/// the difference between two runs.
const MOST_CALLS: usize = 500;

/// One call of a case, everything it needs being ready.
type Call = Box<dyn FnMut()>;

/// A case: its name, what one call of it is, and what makes its calls ready.
type Case = (&'static str, &'static str, fn() -> Call);

const CASES: &[Case] = &[
    ("echo", "a small tool, in memory", || in_memory(&usual(), "tools/call", echo())),
    ("echo_http", "the same tool, over HTTP without a socket", || over_http(Revision::V2026_07_28)),
    ("echo_http_key", "the same with one of 10,000 API keys", over_http_with_a_key),
    ("echo_http_open", "the same for everybody: no key, no limits per caller, no rules", over_http_open),
    (
        "echo_http_guarded",
        "the same with a key of 10,000, rules, and a million addresses to count",
        over_http_guarded,
    ),
    ("echo_http_session", "the same in a session of 2025-11-25", || over_http(Revision::V2025_11_25)),
    ("list_63", "the list of 63 tools", || in_memory(&usual(), "tools/list", json!({}))),
    ("rows_1000", "a tool that answers with 1,000 rows", || {
        let params = json!({"name": "list_rows", "arguments": {"count": 1000}});
        in_memory(&usual(), "tools/call", params)
    }),
    ("read_64k", "a resource of 64 KiB of text", || {
        in_memory(&usual(), "resources/read", json!({"uri": "bench://blob/64"}))
    }),
    ("echo_of_1", "the small tool alone", || in_memory(&of_tools(1), "tools/call", echo())),
    ("echo_of_100", "the small tool among 100", || in_memory(&of_tools(100), "tools/call", echo())),
    ("echo_of_1000", "the small tool among 1,000", || in_memory(&of_tools(1000), "tools/call", echo())),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {
            CASES.iter().for_each(|(name, about, _)| println!("{name}: {about}"));
            ExitCode::SUCCESS
        }
        [name, calls] => {
            let case = CASES.iter().find(|case| case.0 == *name).expect("a case of that name");
            let calls: usize = calls.parse().expect("a number of calls");
            assert!(calls <= MOST_CALLS, "more than {MOST_CALLS} calls are not prepared for");
            let runtime = support::runtime();
            let _entered = runtime.enter();
            let mut call = (case.2)();
            (0..WARM_UP).for_each(|_| call());
            measured(&mut call, calls);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: budget [CASE CALLS]; `cargo xtask budget` runs it");
            ExitCode::from(2)
        }
    }
}

/// What counts. `cargo xtask budget` knows it by its name.
#[inline(never)]
fn measured(call: &mut Call, calls: usize) {
    for _ in 0..calls {
        call();
    }
}

/// A message on a standing connection, whose output buffer is used again, as transports do.
fn in_memory(endpoint: &Endpoint, method: &str, params: Value) -> Call {
    let revision = Revision::V2026_07_28;
    let mut connection = support::connect(endpoint, revision);
    let message = support::request(revision, 1, method, params);
    let mut out = support::answer(&mut connection, &message);
    Box::new(move || {
        out.clear();
        connection.receive(&message, &mut out);
    })
}

/// A request to the HTTP service.
fn over_http(revision: Revision) -> Call {
    let mut service = support::http::service(&usual());
    let session = support::http::open(&mut service, revision);
    requests(service, || support::http::echo(revision, session.as_ref()))
}

/// The same where whoever calls has to be known.
fn over_http_with_a_key() -> Call {
    with_a_key(&usual())
}

/// The same where all that can be switched off is.
fn over_http_open() -> Call {
    requests(support::http::service(&open()), || support::http::echo(Revision::V2026_07_28, None))
}

/// The same where nothing is.
fn over_http_guarded() -> Call {
    let endpoint = guarded();
    // Before the caller that is measured comes: it has to find its place among them.
    support::http::remember_addresses(&endpoint, 1_000_000);
    with_a_key(&endpoint)
}

fn with_a_key(endpoint: &Endpoint) -> Call {
    let (service, key) = support::http::service_with_keys(endpoint, 10_000);
    requests(service, || {
        let mut request = support::http::echo(Revision::V2026_07_28, None);
        request.headers_mut().insert("authorization", key.clone());
        request
    })
}

/// Requests are made beforehand: they come from the HTTP library.
fn requests(mut service: HttpService, echo: impl Fn() -> Request<Full<Bytes>>) -> Call {
    let answer = support::http::exchange(&mut service, echo());
    support::assert_result(&answer);
    let mut requests: Vec<_> = std::iter::repeat_with(echo).take(WARM_UP + MOST_CALLS).collect();
    Box::new(move || {
        let request = requests.pop().expect("no more calls than requests");
        support::http::exchange(&mut service, request);
    })
}
