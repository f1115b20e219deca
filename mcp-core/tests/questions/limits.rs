//! Time, places and cancellation while a client of a session is asked.

use std::time::Duration;

use mcp_core::{
    Annotations, Call, DynTool, ListRoots, Revision, Server, ToolError, ToolReply,
    testing::{Client, Options, Reaction},
};
use serde_json::json;

use super::server;

fn asked(revision: Revision) -> Options {
    Options::new().revision(revision).answering(|_| Reaction::Leave)
}

fn session() -> Options {
    asked(Revision::V2025_11_25)
}

/// The question that is left open, once it has come.
async fn question(client: &Client) -> serde_json::Value {
    let question = client.notification().await;
    assert_eq!(question["method"], "elicitation/create");
    question
}

fn answer(client: &Client, question: &serde_json::Value) {
    let result = json!({"action": "accept", "content": {"name": "Ada"}});
    client.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": result}));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_call_stands_still_while_its_client_is_asked() {
    let server = server().limits(|limits| limits.call_time = Duration::from_secs(2));
    let client = Client::with(server, session()).await;
    let call = client.start("tools/call", json!({"name": "greet", "arguments": {}}));
    let question = question(&client).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    answer(&client, &question);
    assert_eq!(call.answer().await.result()["content"][0]["text"], "Hello, Ada!");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_given_up_and_taken_back() {
    let client = Client::with(server(), session()).await;
    let call = client.start("tools/call", json!({"name": "greet", "arguments": {}}));
    let question = question(&client).await;
    let reply = call.answer().await;
    assert_eq!(reply.result()["_meta"]["toolpack/error"], json!({"code": "not_answered", "retry": "later"}));
    let cancelled = client.notification().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], question["id"]);
    // An answer that comes too late is for nobody.
    answer(&client, &question);
    client.list_tools().await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_takes_its_question_back() {
    let client = Client::with(server(), session()).await;
    let call = client.start("tools/call", json!({"name": "greet", "arguments": {}}));
    let question = question(&client).await;
    call.cancel().await;
    let cancelled = client.notification().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], question["id"]);
}

#[tokio::test]
async fn a_waiting_question_gives_its_place_to_others() {
    let quick =
        DynTool::new("quick", Annotations::read_only(), |_, _: Call| async { Ok(ToolReply::default()) });
    let server = server().add(quick).limits(|limits| limits.concurrent_calls = 1);
    let client = Client::with(server, session()).await;
    let call = client.start("tools/call", json!({"name": "greet", "arguments": {}}));
    let question = question(&client).await;
    assert!(!client.call("quick", json!({})).await.is_error());
    answer(&client, &question);
    assert_eq!(call.answer().await.result()["content"][0]["text"], "Hello, Ada!");
    assert!(!client.call("quick", json!({})).await.is_error());
}

#[tokio::test]
async fn so_many_questions_wait_and_no_more() {
    let server = server().limits(|limits| limits.waiting_questions = 2);
    let client = Client::with(server, session()).await;
    let ask = || client.start("tools/call", json!({"name": "greet", "arguments": {}}));
    let (first, second) = (ask(), ask());
    let (one, other) = (question(&client).await, question(&client).await);
    let refused = ask().answer().await;
    assert_eq!(refused.error()["code"], 503);
    assert!(refused.error()["message"].as_str().unwrap().contains("2 questions are waiting"));
    answer(&client, &one);
    answer(&client, &other);
    for call in [first, second] {
        assert_eq!(call.answer().await.result()["content"][0]["text"], "Hello, Ada!");
    }
    let third = ask();
    answer(&client, &question(&client).await);
    third.answer().await.result();
}

#[tokio::test]
async fn a_question_of_a_task_of_its_own_is_taken_back_with_its_call() {
    let spawned = DynTool::new("spawned", Annotations::read_only(), |_, call: Call| async move {
        let asking = tokio::spawn(async move { call.ask("roots", ListRoots).await });
        asking.await.map_err(|error| ToolError::new("lost", "lost").caused_by(error))?;
        Ok(ToolReply::default())
    });
    let endpoint = server().add(spawned).limits(|limits| limits.waiting_questions = 1).build().unwrap();
    for cancels in [true, false, true] {
        let client = Client::with(&endpoint, session()).await;
        let call = client.start("tools/call", json!({"name": "spawned"}));
        let question = client.notification().await;
        assert_eq!(question["method"], "roots/list", "the place of the one before was not given back");
        if cancels {
            call.cancel().await;
            let cancelled = client.notification().await;
            assert_eq!(cancelled["params"]["requestId"], question["id"]);
        } else {
            drop((call, client));
        }
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn answers_to_nothing_are_ignored() {
    let client = Client::with(server(), session()).await;
    for id in [json!(1), json!(99), json!("a"), json!(null)] {
        client.send(json!({"jsonrpc": "2.0", "id": id, "result": {}}));
        client.send(json!({"jsonrpc": "2.0", "id": id, "error": {"code": 1, "message": "no"}}));
    }
    assert_eq!(client.list_tools().await.len(), 1);
}

#[tokio::test]
async fn a_round_ends_the_request_and_frees_its_place() {
    let server = || Server::new("test", "1").tool::<super::Greet>();
    let server = server().limits(|limits| limits.concurrent_calls = 1);
    let client = Client::with(server, asked(Revision::V2026_07_28)).await;
    for _ in 0..3 {
        let asked = client.request("tools/call", json!({"name": "greet"})).await;
        assert_eq!(asked.questions()[0].key, "who");
    }
}

#[tokio::test]
async fn questions_are_no_larger_than_answers_may_be() {
    let wordy = DynTool::new("wordy", Annotations::read_only(), |_, call: Call| async move {
        call.confirm(&"x".repeat(10_000)).await?;
        Ok(ToolReply::default())
    });
    let server = server().add(wordy).limits(|limits| limits.result_bytes = 5_000);
    let client = Client::with(server, asked(Revision::V2026_07_28)).await;
    let refused = client.request("tools/call", json!({"name": "wordy"})).await;
    assert_eq!(refused.error()["code"], -32603);
    assert!(refused.error()["message"].as_str().unwrap().contains("over the limit of 5000"));
}
