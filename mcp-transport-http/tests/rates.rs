//! Callers that call more often than they may, and whom they are told apart by.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use mcp_core::{
    Annotations, Bucket, DynTool, Empty, Endpoint, Principal, PrincipalKind, Rates, Server, ToolReply,
    tool_fn,
};
use mcp_transport_http::{Http, HttpService, PeerAddress};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tower_service::Service;

use crate::client::{Response, TestServer, call, events, post};

/// Three at once, and hardly any more: what a test takes of time fills nothing up.
const SMALL: Bucket = Bucket::new(3, 1);

fn tools(rates: Rates) -> Server {
    let tool = DynTool::new("quick", Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) });
    let told = tool_fn("report", Annotations::read_only(), async |_: Empty, call| {
        call.progress(1.0, None, "at once");
        Ok(mcp_core::Text::new("done"))
    });
    Server::new("test", "1.0.0").add(tool).add(told).rates(rates)
}

async fn serve(rates: Rates, options: Http) -> TestServer {
    of(tools(rates).build().unwrap(), options).await
}

async fn of(endpoint: Endpoint, options: Http) -> TestServer {
    TestServer::of(endpoint, Arc::new(Notify::new()), options).await
}

/// Calls as if this header had come with it.
async fn quick(server: &TestServer, header: Option<(&str, &str)>) -> Response {
    let headers: Vec<_> = header.iter().map(|(name, value)| (*name, Some(*value))).collect();
    server.raw(&post(&call("quick", json!({})), &headers)).await
}

/// After how many seconds to come again, of an answer that has to say so.
fn refused(response: &Response) -> u64 {
    assert_eq!(response.refusal(), (429, 429), "{response:?}");
    let millis = response.json()["error"]["data"]["retryAfterMs"].as_u64().unwrap();
    let seconds = response.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(seconds, millis.div_ceil(1_000));
    seconds
}

#[tokio::test]
async fn past_its_rate_a_caller_is_told_when_to_come_again() {
    let server = serve(Rates::off().per_principal(SMALL), Http::new()).await;
    for _ in 0..3 {
        let served = quick(&server, None).await;
        assert_eq!((served.status, served.header("retry-after")), (200, None));
    }
    let first = quick(&server, None).await;
    assert!((30..=60).contains(&refused(&first)));
    assert_eq!(first.json()["id"], 1);
    let message = first.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("one caller may make 3 at once, and 1 a minute"), "{message}");
    // A message that is large is not read for that, and then has no id that could be repeated.
    let large = server.post(&call("quick", json!({"x": "x".repeat(100_000)}))).await;
    assert!((30..=60).contains(&refused(&large)));
    assert_eq!(large.json().get("id"), None);
}

#[tokio::test]
async fn whoever_lacks_calls_is_refused_before_the_message_is_there() {
    let server = serve(Rates::off().per_principal(SMALL), Http::new()).await;
    for _ in 0..4 {
        quick(&server, None).await;
    }
    let message = call("quick", json!({"much": "x".repeat(1 << 20)}));
    let request = post(&message, &[]);
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let mut client = server.connect().await;
    client.send(&format!("{head}\r\n\r\n")).await;
    refused(&client.response().await);
    // What is free is taken all the same.
    let note = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {
        "requestId": 7, "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"},
    }});
    assert_eq!(server.raw(&post(&note, &[])).await.status, 202);
}

fn initialize() -> Value {
    let client = json!({"name": "test", "version": "0"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

#[tokio::test]
async fn sessions_cost_as_well_and_what_is_free_in_them_is_served() {
    let server = serve(Rates::off().per_address(SMALL), Http::new()).await;
    let old = Some("2025-11-25");
    let opened = server.raw(&post(&initialize(), &[("MCP-Protocol-Version", None)])).await;
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let send = async |method: &str, name: Option<&str>| {
        let message = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": {"name": name, "_meta": {"progressToken": 1}}});
        let headers = [
            ("MCP-Protocol-Version", old),
            ("Mcp-Session-Id", Some(id.as_str())),
            ("Mcp-Method", None),
            ("Mcp-Name", None),
        ];
        server.raw(&post(&message, &headers)).await
    };
    assert_eq!(send("tools/call", Some("quick")).await.status, 200);
    // A refusal is never part of a stream: it comes before anything is said.
    let told = send("tools/call", Some("report")).await;
    assert_eq!((told.status, events(&told.body).len()), (200, 2));
    for name in ["quick", "report"] {
        let response = send("tools/call", Some(name)).await;
        refused(&response);
        // Whoever might as well have sent what is free is read, and told which request it was.
        assert_eq!(response.json()["id"], 5);
    }
    assert_eq!(send("ping", None).await.status, 200);
    let again = server.raw(&post(&initialize(), &[("MCP-Protocol-Version", None)])).await;
    refused(&again);
    let end = format!("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {id}\r\n\r\n");
    assert_eq!(server.raw(&end).await.status, 204);
}

#[tokio::test]
async fn health_answers_whatever_the_load() {
    let rates = Rates::off().per_principal(SMALL).per_address(SMALL);
    let server =
        of(tools(rates).limits(|limits| limits.concurrent_calls = 0).build().unwrap(), Http::new()).await;
    for _ in 0..50 {
        assert!(quick(&server, None).await.header("retry-after").is_some());
    }
    refused(&quick(&server, None).await);
    let health = server.raw("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
}

#[tokio::test]
async fn a_forwarding_header_of_whoever_is_changes_nothing() {
    let server = serve(Rates::off().per_principal(SMALL).per_address(SMALL), Http::new()).await;
    let mut served = 0;
    for host in 0..20 {
        let (plain, standard) = (format!("192.0.2.{host}"), format!("for=192.0.2.{host}"));
        for header in [("X-Forwarded-For", plain.as_str()), ("Forwarded", standard.as_str())] {
            served += usize::from(quick(&server, Some(header)).await.status == 200);
        }
    }
    assert_eq!(served, 3);
}

#[tokio::test]
async fn that_of_a_proxy_which_was_named_says_who_calls() {
    let options = Http::new().trust_proxy("127.0.0.0/8").unwrap();
    let server = serve(Rates::off().per_address(SMALL), options).await;
    for header in ["X-Forwarded-For", "Forwarded"] {
        let from =
            |address: &str| if header == "Forwarded" { format!("for={address}") } else { address.to_owned() };
        for client in ["192.0.2", "198.51.100"] {
            let mut served = 0;
            for spoofed in 0..10 {
                // What a client says of itself stands before what the proxy adds.
                let host = if header == "Forwarded" { 1 } else { 2 };
                let said = format!(
                    "{}, {}",
                    from(&format!("203.0.113.{spoofed}")),
                    from(&format!("{client}.{host}"))
                );
                served += usize::from(quick(&server, Some((header, &said))).await.status == 200);
            }
            assert_eq!(served, 3, "{header} {client}");
        }
    }
    // What cannot be read counts as the proxy's own.
    let mut served = 0;
    for nonsense in ["unknown", "192.0.2.9, nonsense", "", ","] {
        served += usize::from(quick(&server, Some(("X-Forwarded-For", nonsense))).await.status == 200);
    }
    assert_eq!(served, 3);
}

#[tokio::test]
async fn tools_are_told_the_address_that_counts() {
    let from = tool_fn("from", Annotations::read_only(), async |_: Empty, call| {
        Ok(mcp_core::Text::new(call.peer().map_or_else(String::new, |peer| peer.to_string())))
    });
    let endpoint = Server::new("test", "1.0.0").add(from).build().unwrap();
    let trusting = Http::new().trust_proxy("127.0.0.1").unwrap();
    for (options, expected) in [(Http::new(), "127.0.0.1"), (trusting, "192.0.2.7")] {
        let server = of(endpoint.clone(), options).await;
        let headers = [("X-Forwarded-For", Some("192.0.2.7"))];
        let response = server.raw(&post(&call("from", json!({})), &headers)).await;
        assert_eq!(response.json()["result"]["content"][0]["text"], expected);
    }
}

#[tokio::test]
async fn a_flood_from_many_addresses_keeps_nobody_else_out() {
    let rates = Rates::off().per_principal(SMALL).per_address(SMALL).remember(256);
    let mut service = HttpService::new(tools(rates)).unwrap();
    let mut quick = async |address: [u8; 4], principal: &Principal| {
        let message = call("quick", json!({}));
        let request = http::Request::post("/mcp")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "quick")
            .extension(principal.clone())
            .extension(PeerAddress(address.into()))
            .body(Full::new(Bytes::from(message.to_string())))
            .unwrap();
        let response = service.call(request).await.unwrap();
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    };
    let (ada, nobody) = (Principal::new(PrincipalKind::User, "ada"), Principal::anonymous());
    assert_eq!(quick([192, 0, 2, 1], &ada).await.0, 200);
    for number in 0..5_000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        quick([10, b, c, d], &nobody).await;
    }
    // She still has what she had, and no more.
    assert_eq!((quick([192, 0, 2, 1], &ada).await.0, quick([192, 0, 2, 1], &ada).await.0), (200, 200));
    assert_eq!(quick([192, 0, 2, 1], &ada).await.0, 429);
}

#[tokio::test]
async fn a_slow_handler_that_eats_all_places_of_one_caller_leaves_others_served() {
    let gate = Arc::new(Semaphore::new(0));
    let begun = Arc::new(Semaphore::new(0));
    let (waiting, telling) = (Arc::clone(&gate), Arc::clone(&begun));
    let wait = tool_fn("wait", Annotations::read_only(), move |_: Empty, _| {
        let (gate, begun) = (Arc::clone(&waiting), Arc::clone(&telling));
        async move {
            begun.add_permits(1);
            let passed = gate.acquire().await.map_err(|_| mcp_core::ToolError::new("closed", "closed"))?;
            passed.forget();
            Ok(mcp_core::Text::new("waited"))
        }
    });
    let endpoint =
        tools(Rates::off()).add(wait).limits(|limits| limits.calls_per_caller = 2).build().unwrap();
    let server = of(endpoint, Http::new().trust_proxy("127.0.0.1").unwrap()).await;
    let here = ("X-Forwarded-For", Some("192.0.2.1"));
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.send(&post(&call("wait", json!({})), &[here])).await;
        begun.acquire().await.unwrap().forget();
        slow.push(client);
    }
    let full = quick(&server, Some(("X-Forwarded-For", "192.0.2.1"))).await;
    assert_eq!((refused(&full), &full.json()["id"]), (1, &json!(1)));
    assert_eq!(quick(&server, Some(("X-Forwarded-For", "192.0.2.2"))).await.status, 200);
    gate.add_permits(2);
    for mut client in slow {
        assert_eq!(client.response().await.status, 200);
    }
    assert_eq!(quick(&server, Some(("X-Forwarded-For", "192.0.2.1"))).await.status, 200);
}

#[tokio::test]
async fn who_lacks_scopes_is_told_so_in_a_header_that_nothing_can_be_slipped_into() {
    for (scopes, expected) in [
        (vec!["db:read", "db:write"], Some(r#"Bearer error="insufficient_scope", scope="db:read db:write""#)),
        (vec!["a b"], None),
        (vec!["db:read", "a\", realm=\"x"], None),
        (vec!["a\r\nSet-Cookie: x=y"], None),
        (vec!["a\\"], None),
        (vec!["ä"], None),
        (vec![""], None),
    ] {
        let owned: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let guarded = tool_fn("guarded", Annotations::read_only(), move |_: Empty, call: mcp_core::Call| {
            let access = mcp_core::Access::scopes_of(owned.clone());
            async move {
                call.require(access)?;
                Ok(mcp_core::Text::new("done"))
            }
        });
        let endpoint = tools(Rates::default()).add(guarded).build().unwrap();
        let options = Http::new().strangers_are(Principal::anonymous());
        let server = TestServer::bound(endpoint, Arc::new(Notify::new()), options).await;
        let response = server.post(&call("guarded", json!({}))).await;
        assert_eq!(
            (response.refusal(), response.header("www-authenticate")),
            ((403, 403), expected),
            "{scopes:?}"
        );
        assert_eq!(response.header("set-cookie"), None);
        assert_eq!(response.json()["error"]["data"]["requiredScopes"], json!(scopes));
    }
}

#[tokio::test]
async fn whoever_tries_keys_is_counted_by_address_and_told_to_wait() {
    let endpoint = tools(Rates::off().per_address(SMALL)).build().unwrap();
    let keys = mcp_transport_http::ApiKeys::new(mcp_transport_http::MemoryKeys::new());
    let server = TestServer::bound(endpoint, Arc::new(Notify::new()), Http::new().keys(keys)).await;
    let mut statuses = Vec::new();
    for number in 0..5 {
        let guess = format!("Bearer key_{number}.guess");
        statuses.push(quick(&server, Some(("Authorization", &guess))).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
}

#[tokio::test]
async fn whoever_tries_keys_is_in_the_way_of_nobody_with_a_good_one() {
    let endpoint = tools(Rates::off().per_address(SMALL)).build().unwrap();
    let keys = mcp_transport_http::ApiKeys::new(mcp_transport_http::MemoryKeys::new());
    let (_, key) = keys.create(mcp_transport_http::NewKey::named("ci")).await.unwrap();
    let good = format!("Bearer {}", key.expose());
    let server = TestServer::bound(endpoint, Arc::new(Notify::new()), Http::new().keys(keys)).await;
    for _ in 0..10 {
        quick(&server, None).await;
        quick(&server, Some(("Authorization", "Bearer key_1.guess"))).await;
    }
    let large = call("quick", json!({"x": "x".repeat(100_000)}));
    assert_eq!(server.raw(&post(&large, &[("Authorization", Some(&good))])).await.status, 200);
    for _ in 0..2 {
        assert_eq!(quick(&server, Some(("Authorization", &good))).await.status, 200);
    }
    // And what is good takes nothing from those who have yet to find theirs.
    assert_eq!(quick(&server, Some(("Authorization", &good))).await.status, 429);
}

#[tokio::test]
async fn streams_and_figures_cost_as_calls_do() {
    for (path, status) in [("/mcp", 400), ("/metrics", 403)] {
        let endpoint = tools(Rates::off().per_principal(SMALL)).build().unwrap();
        let options = Http::new().strangers_are(Principal::anonymous());
        #[cfg(feature = "metrics")]
        let options = options.metrics("figures");
        if path == "/metrics" && !cfg!(feature = "metrics") {
            continue;
        }
        let server = TestServer::bound(endpoint.clone(), Arc::new(Notify::new()), options).await;
        let get = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
        for _ in 0..3 {
            assert_eq!(server.raw(&get).await.status, status, "{path}");
        }
        refused(&server.raw(&get).await);
        let forbidden = endpoint.meter().refusals().into_iter().find(|(why, _)| why.as_str() == "forbidden");
        assert_eq!(forbidden.unwrap().1, if path == "/metrics" { 3 } else { 0 });
    }
}

#[tokio::test]
async fn what_a_page_of_another_site_embeds_costs_nobody_anything() {
    let endpoint = tools(Rates::off().per_address(SMALL)).build().unwrap();
    let keys = mcp_transport_http::ApiKeys::new(mcp_transport_http::MemoryKeys::new());
    let server = TestServer::bound(endpoint, Arc::new(Notify::new()), Http::new().keys(keys)).await;
    for _ in 0..10 {
        for site in ["cross-site", "same-site"] {
            let get = format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: {site}\r\n\r\n");
            assert_eq!(server.raw(&get).await.status, 403);
        }
    }
    // Attempts are counted only from here on.
    assert_eq!(quick(&server, Some(("Authorization", "Bearer key_1.guess"))).await.status, 401);
}
