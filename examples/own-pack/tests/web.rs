//! The axum application over real sockets: its own route, and MCP beside it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::support::{Program, request};

struct App {
    _program: Program,
    address: String,
    _folder: TempDir,
}

impl App {
    fn start() -> Self {
        let folder = tempdir().unwrap();
        let arguments = [folder.path().to_owned(), "127.0.0.1:0".into()];
        let mut program = Program::start(env!("CARGO_BIN_EXE_reading-web"), &arguments);
        let mut line = String::new();
        BufReader::new(program.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { _program: program, address, _folder: folder }
    }

    /// One request; the status and the body of its answer.
    fn send(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, body.len());
        write!(stream, "{head}Host: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Calls a tool over MCP.
    fn call(&self, token: Option<&str>, tool: &str, arguments: Value) -> (u16, Value) {
        let message = request("tools/call", json!({"name": tool, "arguments": arguments}));
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n{token}"
        );
        let (status, body) = self.send(&head, &message.to_string());
        (status, serde_json::from_str(&body).unwrap_or_default())
    }
}

#[test]
fn mcp_stands_beside_the_routes_of_the_application() {
    let app = App::start();
    assert_eq!(app.send("GET /count HTTP/1.1\r\n", ""), (200, "0".to_owned()));
    let emma = json!({"title": "Emma", "topic": "novels", "words": 160_000});
    let (status, added) = app.call(Some("secret"), "add_item", emma);
    assert_eq!((status, &added["result"]["structuredContent"]["added_by"]), (200, &json!("ada")));
    assert_eq!(app.send("GET /count HTTP/1.1\r\n", ""), (200, "1".to_owned()));
}

#[test]
fn the_request_of_the_guide_is_answered() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/packs.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let (_, curl) = guide.split_once("curl http://127.0.0.1:8080/mcp").unwrap();
    let (curl, _) = curl.split_once("```").unwrap();
    // What stands in quotes is headers, and at the end the body.
    let mut quoted: Vec<_> = curl.split('\'').skip(1).step_by(2).collect();
    let body = quoted.pop().unwrap();
    let headers: String = quoted.iter().map(|header| format!("{header}\r\n")).collect();
    let (status, answer) = App::start().send(&format!("POST /mcp HTTP/1.1\r\n{headers}"), body);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, &answer["result"]["structuredContent"]), (200, &json!({"minutes": 6})));
}

#[test]
fn a_client_that_opens_a_session_is_served_as_well() {
    let app = App::start();
    let open = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}});
    let open = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": open}).to_string();
    let head = "POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    let (status, answer) = app.send(head, &open);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, &answer["result"]["protocolVersion"]), (200, &json!("2025-11-25")));
}

#[test]
fn a_stranger_may_look_and_no_more() {
    let app = App::start();
    let (status, listed) = app.call(None, "list_items", json!({}));
    assert_eq!((status, &listed["result"]["structuredContent"]["items"]), (200, &json!([])));
    let (status, refused) = app.call(None, "add_item", json!({"title": "Emma", "topic": "novels"}));
    assert_eq!((status, &refused["error"]["data"]["requiredScopes"]), (403, &json!(["reading:write"])));
    let (status, _) = app.call(Some("wrong"), "list_items", json!({}));
    assert_eq!(status, 401);
}
