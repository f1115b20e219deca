//! A span around every request, named as OpenTelemetry's conventions for MCP have it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field::Empty};

use crate::{
    protocol::{error::shorten, method},
    request::{Outcome, Request},
};

#[derive(Clone, Copy, Debug)]
pub(super) struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace(inner)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Trace<S>(S);

impl<S> Service<Request> for Trace<S>
where
    S: Service<Request, Response = Outcome>,
    S::Future: Unpin,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Traced<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let span = span(&request);
        let inner = span.in_scope(|| self.0.call(request));
        Traced { span, inner }
    }
}

/// The span of a request (<https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/>); nothing where nobody listens.
fn span(request: &Request) -> Span {
    let call = request.call();
    let span = tracing::info_span!(
        target: "mcp",
        "mcp.server",
        otel.name = Empty,
        otel.kind = "server",
        mcp.method.name = request.method(),
        mcp.protocol.version = call.revision().as_str(),
        jsonrpc.request.id = %call.id(),
        network.transport = call.transport().as_str(),
        gen_ai.operation.name = Empty,
        gen_ai.tool.name = Empty,
        gen_ai.prompt.name = Empty,
        mcp.resource.uri = Empty,
        rpc.response.status_code = Empty,
        error.type = Empty,
        traceparent = call.trace_context().and_then(|trace| trace.traceparent.as_deref()),
    );
    if span.is_disabled() {
        return span;
    }
    // A name that no tool has can be of any length.
    let target = request.target().map(shorten);
    match &target {
        // A URI differs from call to call and would make a bad span name.
        Some(target) if request.method() != method::RESOURCES_READ => {
            span.record("otel.name", format!("{} {target}", request.method()));
        }
        _ => {
            span.record("otel.name", request.method());
        }
    }
    if let Some(target) = target.as_deref() {
        match request.method() {
            method::TOOLS_CALL => {
                span.record("gen_ai.operation.name", "execute_tool");
                span.record("gen_ai.tool.name", target)
            }
            method::PROMPTS_GET => span.record("gen_ai.prompt.name", target),
            _ => span.record("mcp.resource.uri", target),
        };
    }
    span
}

pub(super) struct Traced<F> {
    span: Span,
    inner: F,
}

impl<F: Future<Output = Result<Outcome, E>> + Unpin, E> Future for Traced<F> {
    type Output = Result<Outcome, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { span, inner } = &mut *self;
        let _entered = span.enter();
        let done = std::task::ready!(Pin::new(inner).poll(cx));
        if let Ok(outcome) = &done
            && !span.is_disabled()
        {
            if let Some(error) = outcome.rpc_error() {
                span.record("rpc.response.status_code", tracing::field::display(error.code));
                span.record("error.type", tracing::field::display(error.code));
            } else if outcome.is_tool_error() {
                span.record("error.type", "tool_error");
            }
        }
        Poll::Ready(done)
    }
}
