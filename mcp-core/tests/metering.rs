//! Whether what a server does is counted: by what was called and how it ended, and nothing that a client makes up.

use mcp_core::{
    Annotations, CallEnd, Empty, Endpoint, ListRoots, Principal, Refusal, Server, Text, ToolError,
    testing::{Client, Options},
    tool_fn,
};
use serde_json::json;

fn endpoint() -> Endpoint {
    let read_only = Annotations::read_only();
    let server = Server::new("test", "1")
        .add(tool_fn("fine", read_only, async |_: Empty, _| Ok(Text::new("fine"))))
        .add(tool_fn("fails", read_only, async |_: Empty, _| {
            Err::<Text, _>(ToolError::new("failed", "It did"))
        }))
        .add(tool_fn("panics", read_only, async |_: Empty, _| -> Result<Text, ToolError> {
            panic!("as told")
        }))
        .add(tool_fn("asks", read_only, async |_: Empty, call| {
            call.ask("roots", ListRoots).await;
            Ok(Text::new("asked"))
        }))
        .add(tool_fn("guarded", read_only, async |_: Empty, _| Ok(Text::new("seen"))).scopes(["admin"]));
    server.build().unwrap()
}

/// How often calls of this name ended so.
fn count(endpoint: &Endpoint, name: &str, end: CallEnd) -> u64 {
    let calls = endpoint.meter().calls();
    calls.iter().filter(|calls| calls.name == name).map(|calls| calls.ends[end as usize]).sum()
}

fn refused(endpoint: &Endpoint, why: Refusal) -> u64 {
    endpoint.meter().refusals()[why as usize].1
}

#[tokio::test]
async fn calls_are_counted_by_how_they_end() {
    let endpoint = endpoint();
    let client =
        Client::with(&endpoint, Options::new().answering(|_| mcp_core::testing::Reaction::Leave)).await;
    client.call("fine", json!({})).await;
    assert_eq!(count(&endpoint, "fine", CallEnd::Completed), 0, "nobody wanted to know yet");
    for _ in 0..3 {
        client.call("fine", json!({})).await;
    }
    client.call("fails", json!({})).await;
    client.request("tools/call", json!({"name": "panics"})).await;
    client.request("tools/call", json!({"name": "asks"})).await;
    assert_eq!(count(&endpoint, "fine", CallEnd::Completed), 3);
    assert_eq!(count(&endpoint, "fails", CallEnd::ToolError), 1);
    assert_eq!(count(&endpoint, "panics", CallEnd::Error), 1);
    assert_eq!(count(&endpoint, "asks", CallEnd::InputRequired), 1);
    let calls = endpoint.meter().calls();
    assert!(calls.iter().all(|calls| calls.times.iter().sum::<u64>() == calls.ends.iter().sum::<u64>()));
}

#[tokio::test]
async fn what_is_hidden_is_counted_as_what_is_not_there() {
    let writes = tool_fn("writes", Annotations::destructive(), async |_: Empty, _| Ok(Text::new("done")));
    let endpoint = Server::new("test", "1").add(writes).read_only().build().unwrap();
    endpoint.meter();
    let client = Client::new(&endpoint).await;
    client.request("tools/call", json!({"name": "writes"})).await;
    client.request("tools/call", json!({"name": "made up"})).await;
    assert_eq!(count(&endpoint, "writes", CallEnd::Error), 0);
    assert_eq!(count(&endpoint, "", CallEnd::Error), 2);
}

#[tokio::test]
async fn refusals_are_counted_by_reason_and_names_of_clients_are_not() {
    let endpoint = endpoint();
    endpoint.meter();
    let client = Client::with(&endpoint, Options::new().principal(Principal::anonymous())).await;
    client.request("tools/call", json!({"name": "guarded"})).await;
    client.request("tools/call", json!({"name": "made up"})).await;
    assert_eq!(count(&endpoint, "guarded", CallEnd::Error), 1);
    assert_eq!(refused(&endpoint, Refusal::Forbidden), 1);
    assert_eq!(refused(&endpoint, Refusal::Invalid), 1);
    assert!(endpoint.meter().calls().iter().all(|calls| calls.name != "made up"));
}
