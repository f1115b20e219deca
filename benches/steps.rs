//! What each step of a call costs.
//!
//! Most steps cannot be reached from outside, and need not be: messages that go one step further than others show it as
//! the difference of two lines. The table at the end says which; `docs/performance.md` reads it out.
//!
//! ```sh
//! cargo bench --bench steps
//! cargo bench --bench steps -- arguments   # some of them
//! ```
#![allow(clippy::print_stdout, reason = "measurements are for reading")]
#![allow(missing_docs, clippy::expect_used, reason = "a bench has no users, and fails loudly")]

mod support;

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::Criterion;
use http::Request;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{answer, connect, echo, of_tools, request, tools, usual};
use toolpack::{
    Annotations, Call, DynTool, Endpoint, Revision, Server, Text, Tool, ToolError, ToolReply,
    http::HttpService,
};

const REVISION: Revision = Revision::V2026_07_28;

fn main() {
    let runtime = support::runtime();
    let _entered = runtime.enter();
    let mut steps = Steps::new();
    parse(&mut steps);
    way(&mut steps);
    arguments(&mut steps);
    answers(&mut steps);
    refusals(&mut steps);
    catalog(&mut steps);
    http(&mut steps);
    steps.finish();
}

/// Reading a message: those here are read and then mean nothing, so nothing else is done.
fn parse(steps: &mut Steps) {
    let endpoint = support::build(Server::new("bench", "1.0.0"));
    let silent = |steps: &mut Steps, name, about, message: Vec<u8>| {
        let mut connection = connect(&endpoint, REVISION);
        let mut out = Vec::new();
        steps.time(name, about, || connection.receive(black_box(&message), &mut out));
        assert!(out.is_empty(), "{name} is answered");
    };
    let notification = |params: Value| {
        let mut message: Value =
            serde_json::from_slice(&request(REVISION, 1, "notifications/of_no_meaning", params))
                .expect("a message is JSON");
        message.as_object_mut().expect("a message is an object").remove("id");
        message.to_string().into_bytes()
    };
    let answered = json!({"jsonrpc": "2.0", "id": 1, "result": {}}).to_string().into_bytes();
    silent(steps, "parse/envelope", "the envelope alone", answered);
    silent(steps, "parse/echo", "envelope and parameters of a small call", notification(echo()));
    let six = json!({"name": "six", "arguments": six()});
    silent(steps, "parse/six", "the same with six arguments", notification(six));
    let large = json!({"name": "echo", "arguments": {"message": "x".repeat(64 << 10)}});
    silent(steps, "parse/64_kib", "the same with one argument of 64 KiB", notification(large));
}

/// The way through the core, with ever more at its end.
fn way(steps: &mut Steps) {
    let raw = DynTool::new("raw", Annotations::read_only(), async |_, _| Ok(ToolReply::default()));
    let endpoint = support::build(Server::new("bench", "1.0.0").add(raw).tool::<tools::Echo>());
    in_memory(
        steps,
        "way/discover",
        "a request that is answered with bytes",
        &endpoint,
        "server/discover",
        json!({}),
    );
    let raw = json!({"name": "raw", "arguments": {}});
    in_memory(steps, "way/raw", "a raw tool that returns at once", &endpoint, "tools/call", raw);
    in_memory(steps, "way/echo", "a typed tool with one argument", &endpoint, "tools/call", echo());
}

/// Six arguments that nobody looks at, that are validated, and that are read into a type.
fn arguments(steps: &mut Steps) {
    let typed = toolpack::tool::<Six, ()>(Arc::new(())).expect("the tool can be served");
    let schema = Value::Object(typed.definition().input_schema.clone());
    let raw = |name: &str, schema: Value| {
        let work = async |_, _| Ok(ToolReply::default());
        DynTool::new(name, Annotations::read_only(), work).input_schema(schema)
    };
    let server = Server::new("bench", "1.0.0").add(typed);
    let server = server.add(raw("unchecked", json!({"type": "object"}))).add(raw("checked", schema));
    let endpoint = support::build(server);
    for (name, tool, about) in [
        ("arguments/unchecked", "unchecked", "a raw tool that takes any six arguments"),
        ("arguments/validated", "checked", "a raw tool with a schema of these six"),
        ("arguments/typed", "six", "a typed tool of these six"),
    ] {
        in_memory(steps, name, about, &endpoint, "tools/call", json!({"name": tool, "arguments": six()}));
    }
}

/// Large answers, beside what their author's part of them costs.
fn answers(steps: &mut Steps) {
    const ROWS: u32 = 1000;
    let endpoint = usual();
    steps.time("rows_1000/make", "making 1,000 rows", || drop(black_box(tools::rows(ROWS))));
    steps.time("rows_1000/serialize", "making them, and serde_json to a string", || {
        drop(black_box(serde_json::to_string(&tools::rows(ROWS))));
    });
    let rows = json!({"name": "list_rows", "arguments": {"count": ROWS}});
    in_memory(
        steps,
        "rows_1000/call",
        "the call that answers with them, twice",
        &endpoint,
        "tools/call",
        rows,
    );

    let blob = || "x".repeat(64 << 10);
    steps.time("read_64k/make", "making 64 KiB of text", || drop(black_box(blob())));
    let mut out = Vec::new();
    steps.time("read_64k/serialize", "making them, and serde_json into a buffer", || {
        out.clear();
        serde_json::to_writer(&mut out, &blob()).expect("text is JSON");
    });
    let uri = json!({"uri": "bench://blob/64"});
    in_memory(steps, "read_64k/call", "the read that answers with them", &endpoint, "resources/read", uri);

    let list = answer(&mut connect(&endpoint, REVISION), &request(REVISION, 1, "tools/list", json!({})));
    steps.time("list_63/copy", "copying the answer", || {
        out.clear();
        out.extend_from_slice(black_box(&list));
    });
    in_memory(steps, "list_63/call", "listing 63 tools", &endpoint, "tools/list", json!({}));
}

/// What cannot be served must not cost much more than what can.
fn refusals(steps: &mut Steps) {
    let endpoint = usual();
    let call = |name: &str, arguments: Value| {
        request(REVISION, 1, "tools/call", json!({"name": name, "arguments": arguments}))
    };
    refused(
        steps,
        "refusals/not_json",
        "a line that is not JSON",
        &endpoint,
        br#"{"jsonrpc":"2.0","id":1,"method""#,
    );
    let method = request(REVISION, 1, "tools/cal", echo());
    refused(steps, "refusals/method", "a method that is not served", &endpoint, &method);
    let old = String::from_utf8(request(REVISION, 1, "tools/call", echo())).expect("JSON is UTF-8");
    let old = old.replace(REVISION.as_str(), "2031-01-01");
    refused(steps, "refusals/version", "a version that is not served", &endpoint, old.as_bytes());
    let wrong = call("echo", json!({"mesage": 5}));
    refused(steps, "refusals/arguments", "arguments that do not fit, with words for each", &endpoint, &wrong);
    let unknown = call("ecko", json!({}));
    refused(steps, "refusals/tool", "a tool that is not there, with 63 to suggest from", &endpoint, &unknown);
    let many = of_tools(1000);
    refused(steps, "refusals/tool_of_1000", "the same with 1,000 to suggest from", &many, &unknown);
}

/// Times a message that is refused.
fn refused(steps: &mut Steps, name: &'static str, about: &'static str, endpoint: &Endpoint, message: &[u8]) {
    let mut connection = connect(endpoint, REVISION);
    let mut out = Vec::new();
    connection.receive(message, &mut out);
    let answer: Value = serde_json::from_slice(&out).expect("an answer is one JSON value");
    assert!(answer["error"].is_object() || answer["result"]["isError"] == true, "{name} is served: {answer}");
    steps.time(name, about, || {
        out.clear();
        connection.receive(black_box(message), &mut out);
    });
}

/// The number of tools must not show.
fn catalog(steps: &mut Steps) {
    for (name, number) in [("catalog/1", 1), ("catalog/100", 100), ("catalog/1000", 1000)] {
        in_memory(steps, name, "a small call among so many tools", &of_tools(number), "tools/call", echo());
    }
}

/// The same call with what HTTP adds, but for the socket.
fn http(steps: &mut Steps) {
    let echo = || support::http::echo(REVISION, None);
    let usual = support::http::service(&usual());
    over_http(steps, "http/echo", "a small call, over HTTP without a socket", usual, echo);
    let open = support::http::open_to_all();
    over_http(steps, "http/open", "the same without a key, limits per caller, or rules", open, echo);
    let (guarded, key) = support::http::guarded();
    let about = "the same with a key of 10,000, rules, and a million callers";
    over_http(steps, "http/guarded", about, guarded, || support::http::echo_with_key(REVISION, &key));
}

fn over_http(
    steps: &mut Steps,
    name: &'static str,
    about: &'static str,
    mut service: HttpService,
    echo: impl Fn() -> Request<Full<Bytes>>,
) {
    support::assert_result(&support::http::exchange(&mut service, echo()));
    steps.measure(name, about, |rounds| {
        // Requests come from the HTTP library; some at a time, so that there is memory for any number of rounds.
        const AT_ONCE: u64 = 100;
        let mut elapsed = Duration::ZERO;
        let mut left = rounds;
        while left > 0 {
            let now = left.min(AT_ONCE);
            let requests: Vec<_> = (0..now).map(|_| echo()).collect();
            let began = Instant::now();
            for request in requests {
                black_box(support::http::exchange(&mut service, request));
            }
            elapsed += began.elapsed();
            left -= now;
        }
        elapsed
    });
}

fn six() -> Value {
    json!({"name": "Ada", "count": 3, "share": 0.5, "force": true, "tags": ["new", "large"], "mode": "careful"})
}

/// Takes arguments of six kinds.
#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "they are read, and that is all")]
struct Six {
    /// Whom it concerns.
    name: String,
    /// How many of them.
    #[schemars(range(min = 0, max = 100))]
    count: i64,
    /// How much of each, from 0 to 1.
    share: f64,
    /// Whether to go ahead without asking.
    force: bool,
    /// Words to find it by.
    tags: Vec<String>,
    /// How to go about it.
    mode: Mode,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Fast,
    Careful,
    Thorough,
}

impl Tool for Six {
    const NAME: &'static str = "six";
    const ANNOTATIONS: Annotations = Annotations::read_only();
    type Output = Text;

    async fn call(self, (): &(), _: &Call) -> Result<Text, ToolError> {
        Ok(Text(String::new()))
    }
}

/// Times a request on a standing connection, whose output buffer is used again.
fn in_memory(
    steps: &mut Steps,
    name: &'static str,
    about: &'static str,
    endpoint: &Endpoint,
    method: &str,
    params: Value,
) {
    let mut connection = connect(endpoint, REVISION);
    let message = request(REVISION, 1, method, params);
    let mut out = answer(&mut connection, &message);
    steps.time(name, about, || {
        out.clear();
        connection.receive(black_box(&message), &mut out);
    });
}

/// Criterion, and what it measured as a table for the documentation.
struct Steps {
    criterion: Criterion,
    measured: Vec<Measured>,
}

struct Measured {
    name: &'static str,
    about: &'static str,
    /// For one round, the middle of all samples.
    seconds: f64,
}

impl Steps {
    fn new() -> Self {
        let criterion = Criterion::default()
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .sample_size(50)
            .configure_from_args();
        Self { criterion, measured: Vec::new() }
    }

    fn time(&mut self, name: &'static str, about: &'static str, mut work: impl FnMut()) {
        self.measure(name, about, |rounds| {
            let began = Instant::now();
            (0..rounds).for_each(|_| work());
            began.elapsed()
        });
    }

    fn measure(&mut self, name: &'static str, about: &'static str, mut rounds: impl FnMut(u64) -> Duration) {
        let mut samples = Vec::new();
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|number| {
                let elapsed = rounds(number);
                samples.push(elapsed.as_secs_f64() / number as f64);
                elapsed
            });
        });
        samples.sort_by(f64::total_cmp);
        // None where the command line left it out; the one there is with `--test` says nothing.
        if let Some(&seconds) = samples.get(samples.len() / 2).filter(|_| samples.len() > 1) {
            self.measured.push(Measured { name, about, seconds });
        }
    }

    fn finish(self) {
        self.criterion.final_summary();
        println!("| step | what | µs |\n|---|---|---:|");
        for Measured { name, about, seconds } in self.measured {
            println!("| `{name}` | {about} | {:.2} |", seconds * 1e6);
        }
    }
}
