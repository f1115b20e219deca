//! What the benches share: the tools of the example `bench-server`, messages as clients send them, connections.
#![allow(dead_code, reason = "no bench needs all of it")]

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use toolpack::{
    Bucket, CallerRules, Connection, Endpoint, Limits, Principal, PrincipalKind, Rates, Revision, Rules,
    Selection, Server, TransportKind,
};

#[cfg(feature = "http")]
pub(crate) mod http;
#[path = "../../examples/bench-server/tools.rs"]
pub(crate) mod tools;

/// Dummy tools beside the three real ones, as in the comparisons with other servers: a list of 63.
const DUMMIES: u16 = 60;

/// What calls run in. Nothing here waits, so nothing needs a second thread.
pub(crate) fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime needs nothing that could be missing")
}

pub(crate) fn build(server: Server) -> Endpoint {
    server.rates(untiring()).build().expect("the servers of the benches can be built")
}

/// Rates that count every call, as those of any server do, and refuse none.
fn untiring() -> Rates {
    let bucket = Bucket::new(Bucket::MAX_CALLS, u32::MAX);
    Rates::new().per_principal(bucket).per_address(bucket)
}

/// The server that most is measured with.
pub(crate) fn usual() -> Endpoint {
    build(tools::server(DUMMIES))
}

/// The same for everybody: no rates, no shares, and the policy that asks for nothing.
pub(crate) fn open() -> Endpoint {
    tools::server(DUMMIES).build().expect("the servers of the benches can be built")
}

/// The same with all that guards a call: rates and shares, and rules on who may do what.
///
/// Rates count every call and refuse none, and a caller is remembered for a minute after each.
pub(crate) fn guarded() -> Endpoint {
    let bucket = Bucket::new(Bucket::MAX_CALLS, 1);
    let rules = Rules::new()
        .tools(Selection::only(["add", "list_rows", "echo"]))
        .caller(CallerRules::of_kind(PrincipalKind::Anonymous).read_only());
    let server = tools::server(DUMMIES)
        .limits(|limits| {
            let usual = Limits::default();
            limits.calls_per_caller = usual.calls_per_caller;
            limits.subscriptions_per_caller = usual.subscriptions_per_caller;
            limits.questions_per_caller = usual.questions_per_caller;
        })
        .rates(Rates::new().per_principal(bucket).per_address(bucket).remember(1 << 21))
        .policy(rules);
    server.build().expect("the servers of the benches can be built")
}

/// A server of `echo` and others, this many tools in all.
pub(crate) fn of_tools(number: u16) -> Endpoint {
    build(tools::with_dummies(Server::new("bench", "1.0.0").tool::<tools::Echo>(), number - 1))
}

/// The parameters of a small call.
pub(crate) fn echo() -> Value {
    json!({"name": "echo", "arguments": {"message": "hello"}})
}

/// A message as clients of this revision send it.
pub(crate) fn request(revision: Revision, id: u64, method: &str, mut params: Value) -> Vec<u8> {
    if revision.is_modern() {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": revision.as_str(),
            "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0.0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string().into_bytes()
}

/// A connection that is ready for calls.
pub(crate) fn connect(endpoint: &Endpoint, revision: Revision) -> Connection {
    let mut connection = Connection::new(endpoint, Principal::local(), TransportKind::InMemory);
    if !revision.is_modern() {
        let client = json!({"name": "bench", "version": "1.0.0"});
        let params = json!({"protocolVersion": revision.as_str(), "capabilities": {}, "clientInfo": client});
        answer(&mut connection, &request(revision, 0, "initialize", params));
    }
    connection
}

/// The answer to a message, which has to be a result and to be there at once.
pub(crate) fn answer(connection: &mut Connection, message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    connection.receive(message, &mut out);
    assert_result(&out);
    out
}

pub(crate) fn assert_result(answer: &[u8]) {
    let answer: Value = serde_json::from_slice(answer).expect("an answer is one JSON value");
    assert!(answer["result"].is_object() && answer["result"]["isError"].is_null(), "no result: {answer}");
}
