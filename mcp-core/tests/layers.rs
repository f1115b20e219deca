//! Layers of an application's own around every request, and the span that each request gets.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use mcp_core::{
    Annotations, Call, DynTool, Outcome, Request, RpcError, Server, ToolError, ToolReply, testing::Client,
};
use serde_json::{Value, json};
use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer, timeout::TimeoutLayer, util::MapResponseLayer};
use tracing::{field::Visit, span};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::LookupSpan};

use crate::harness::{Gate, Wire, headers_for, modern, post, server};

fn tools() -> Server {
    let quick = DynTool::new("quick", Annotations::read_only(), |_, _| async { Ok(ToolReply::default()) });
    let fail = DynTool::new("fail", Annotations::read_only(), |_, _| async {
        Err::<ToolReply, _>(ToolError::new("no", "No"))
    });
    let wait =
        DynTool::new::<ToolReply, _, _>("wait", Annotations::read_only(), |_, _| std::future::pending());
    server().add(quick).add(fail).add(wait)
}

#[tokio::test]
async fn layers_of_the_tower_ecosystem_fit_and_the_first_is_the_outermost() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = |name: &'static str| {
        let seen = Arc::clone(&seen);
        MapResponseLayer::new(move |outcome: Outcome| {
            seen.lock().unwrap().push(format!("{name} {}", outcome.is_tool_error()));
            outcome
        })
    };
    let request = {
        let seen = Arc::clone(&seen);
        tower::util::MapRequestLayer::new(move |request: Request| {
            let target = request.target().unwrap_or("-").to_owned();
            seen.lock().unwrap().push(format!("{} {target} {:?}", request.method(), request.arguments()));
            request
        })
    };
    let server = tools().layer(note("outer")).layer(
        ServiceBuilder::new().layer(note("inner")).layer(ConcurrencyLimitLayer::new(1)).layer(request),
    );
    let client = Client::new(server).await;
    assert!(client.call("fail", json!({"a": 1})).await.is_error());
    assert_eq!(client.list_tools().await.len(), 3);
    assert_eq!(
        *seen.lock().unwrap(),
        [
            r#"tools/call fail Some({"a": Number(1)})"#,
            "inner true",
            "outer true",
            "tools/list - None",
            "inner false",
            "outer false",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_fails_is_an_internal_error_without_its_words() {
    let client = Client::new(tools().layer(TimeoutLayer::new(Duration::from_secs(1)))).await;
    let reply = client.request("tools/call", json!({"name": "wait"})).await;
    assert_eq!(
        reply.error(),
        &json!({"code": -32603, "message": "Internal error; the server's log has the cause"})
    );
    assert!(!client.call("quick", json!({})).await.is_error());
}

#[tokio::test]
async fn a_layer_may_refuse_or_panic_for_its_request_alone() {
    let layer = tower::layer::layer_fn(|inner: mcp_core::RingService| {
        tower::service_fn(move |request: Request| {
            let mut inner = inner.clone();
            async move {
                assert!(request.target() != Some("fail"), "on purpose");
                if request.target() == Some("wait") {
                    return Ok(Outcome::error(
                        RpcError::new(429, "Not now").with_data(json!({"retryAfterMs": 5})),
                    ));
                }
                tower::Service::call(&mut inner, request).await
            }
        })
    });
    let endpoint = tools().layer(layer).build().unwrap();
    let ask = async |tool: &str| {
        let request = modern(1, "tools/call", json!({ "name": tool }));
        post(&endpoint, &request, headers_for(&request)).await
    };
    let refused = ask("wait").await;
    assert_eq!(refused.status, Some(mcp_core::AnswerStatus::Status(429)));
    assert_eq!(
        refused.answer["error"],
        json!({"code": 429, "message": "Not now", "data": {"retryAfterMs": 5}})
    );
    assert_eq!(ask("fail").await.code(), Some(-32603));
    assert!(ask("quick").await.answer["result"].is_object());
}

#[tokio::test]
async fn a_layer_that_limits_lets_requests_wait_rather_than_lose_them() {
    let gate = Gate::closed();
    let pass = gate.clone();
    let tool = DynTool::new("pass", Annotations::read_only(), move |_, _| {
        let gate = pass.clone();
        async move {
            gate.pass().await;
            Ok(ToolReply::default())
        }
    });
    let endpoint = server().add(tool).layer(ConcurrencyLimitLayer::new(1)).build().unwrap();
    let mut wire = Wire::new(&endpoint);
    for id in 0..4 {
        assert_eq!(wire.send(&modern(id, "tools/call", json!({"name": "pass"}))), [Value::Null; 0]);
    }
    // The second is never served, and the others are.
    wire.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}));
    gate.open(3);
    let said = wire.settled().await;
    let ids: Vec<_> = said.iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!(0), json!(2), json!(3)]);
}

/// Keeps the fields of the spans of requests whose id begins with `span`.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

struct Fields(usize);

struct Visitor<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "mcp"
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        let mut fields = BTreeMap::from([("name".to_owned(), attributes.metadata().name().to_owned())]);
        attributes.record(&mut Visitor(&mut fields));
        if !fields.get("jsonrpc.request.id").is_some_and(|id| id.starts_with("span")) {
            return;
        }
        let mut spans = self.0.lock().unwrap();
        ctx.span(id).unwrap().extensions_mut().insert(Fields(spans.len()));
        spans.push(fields);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        if let Some(Fields(index)) = ctx.span(id).unwrap().extensions().get() {
            values.record(&mut Visitor(&mut self.0.lock().unwrap()[*index]));
        }
    }
}

#[tokio::test]
async fn every_request_has_a_span_with_the_names_of_opentelemetry() {
    let spans = Spans::default();
    // For the whole process: whether a span is wanted at all is decided once for all threads, so that the subscriber
    // of one thread alone would come too late now and then.
    tracing_subscriber::registry().with(spans.clone()).init();
    let in_span = DynTool::new("in_span", Annotations::read_only(), |_, _: Call| async {
        tokio::task::yield_now().await;
        let name = tracing::Span::current().metadata().map(tracing::Metadata::name);
        ToolReply::structured(&json!({ "span": name })).map_err(|_| ToolError::new("internal", ""))
    });
    let endpoint = tools().add(in_span).build().unwrap();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for request in [
        modern("span a", "tools/call", json!({"name": "quick", "_meta": {"traceparent": trace}})),
        modern("span b", "tools/call", json!({"name": "fail"})),
        modern("span c", "tools/call", json!({"name": "none"})),
        modern("span d", "tools/list", json!({})),
        modern(
            "span e",
            "completion/complete",
            json!({
            "ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": ""}}),
        ),
    ] {
        post(&endpoint, &request, headers_for(&request)).await;
    }
    let mut wire = Wire::new(&endpoint);
    wire.send(&modern("span f", "tools/call", json!({"name": "in_span"})));
    assert_eq!(wire.later().await[0]["result"]["structuredContent"], json!({"span": "mcp.server"}));
    insta::assert_json_snapshot!(*spans.0.lock().unwrap());
}
