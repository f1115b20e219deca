//! Figures for operators, in the text format of Prometheus, and who may read them.

use std::{fmt, net::IpAddr};

use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use mcp_core::{Access, CALL_SECONDS, CallCounts, CallEnd, EncodedAnswer, Meter, Refusal, Revision};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, prometheus_text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use crate::{
    HttpService, ResponseBody, auth,
    figures::Figures,
    guard,
    responses::{json_answer, refuse, with_allow},
};

/// The media type of what is written.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl HttpService {
    /// The figures, for a server of one's own to serve where it likes, in the text format of Prometheus (media type
    /// `text/plain; version=0.0.4`). What is counted is counted from the first call of this on, unless
    /// [`Http::metrics`](crate::Http::metrics) was said.
    pub fn metrics(&self) -> String {
        encode(self.endpoint().meter(), self.figures(), self.sessions())
    }

    /// Answers whoever asks for figures: everybody where `is_open`, and else who was granted their scope.
    pub(crate) async fn measured(&self, head: Parts, peer: IpAddr, is_open: bool) -> Response<ResponseBody> {
        if let Err(refusal) = guard::check(self.options(), &head.uri, &head.headers) {
            return refuse(refusal.status(), refusal.message());
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            let refused = refuse(StatusCode::METHOD_NOT_ALLOWED, "Only GET is served here");
            return with_allow(refused, "GET, HEAD");
        }
        if !is_open {
            let peer = self.options().proxies.origin(peer, &head.headers);
            let principal = match auth::admit(self.options(), &head).await {
                Ok(principal) => principal,
                Err(response) => return self.turn_away(*response, Some(peer)),
            };
            // What they cost is paid also by whoever may not have them.
            if let Err(error) = self.endpoint().charge(&principal, Some(peer)) {
                return json_answer(EncodedAnswer::refusal(None, &error, Revision::V2026_07_28));
            }
            let scope = self.options().metrics_scope.clone().unwrap_or_default();
            if let Err(error) = self.endpoint().check_access(&principal, &Access::scope(scope)) {
                let is_known = principal.is_valid();
                self.endpoint().refused(if is_known { Refusal::Forbidden } else { Refusal::Unauthorized });
                return json_answer(EncodedAnswer::refusal(None, &error, Revision::V2026_07_28));
            }
        }
        let mut response = Response::new(ResponseBody::whole(self.metrics()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}

/// All that there is to say of a server at one moment.
#[derive(Debug)]
struct Snapshot {
    calls: Vec<CallCounts>,
    refusals: Vec<(&'static str, u64)>,
    responses: Vec<(String, u64)>,
    sessions: usize,
    streams: usize,
    connections: usize,
}

/// The figures of a server, as text.
fn encode(meter: &Meter, figures: &Figures, sessions: usize) -> String {
    let (streams, connections) = figures.open();
    let snapshot = Snapshot {
        calls: meter.calls(),
        refusals: meter.refusals().into_iter().map(|(why, count)| (why.as_str(), count)).collect(),
        responses: figures.responses().collect(),
        sessions,
        streams,
        connections,
    };
    let mut registry = Registry::with_prefix("mcp_server");
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    // Writing to a string does not fail.
    _ = prometheus_text::encode(&mut text, &registry);
    text
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let about = "Calls by method, name of the tool, prompt or resource, and how they ended";
        let mut calls = encoder.encode_descriptor("calls", about, None, MetricType::Counter)?;
        for counts in &self.calls {
            for (end, count) in CallEnd::ALL.into_iter().zip(counts.ends).filter(|(_, count)| *count > 0) {
                let labels = [("method", counts.method), ("name", &*counts.name), ("end", end.as_str())];
                count_as(&mut calls, &labels, count)?;
            }
        }

        let about =
            "Time that calls took, with the time that a client took to answer questions over a session";
        let unit = Unit::Seconds;
        let mut times =
            encoder.encode_descriptor("call_duration", about, Some(&unit), MetricType::Histogram)?;
        for counts in &self.calls {
            let labels = [("method", counts.method), ("name", &*counts.name)];
            // The encoder adds the bucket without a bound.
            let buckets: Vec<(f64, u64)> = CALL_SECONDS.into_iter().zip(counts.times).collect();
            let calls = counts.times.iter().sum();
            let mut series = times.encode_family(&labels)?;
            series.encode_histogram::<NoLabelSet>(counts.seconds, calls, &buckets, None)?;
        }

        let about = "Requests that were refused, by reason";
        let mut refusals = encoder.encode_descriptor("refusals", about, None, MetricType::Counter)?;
        for &(reason, count) in &self.refusals {
            count_as(&mut refusals, &[("reason", reason)], count)?;
        }

        let about = "Responses over HTTP, by status";
        let mut responses = encoder.encode_descriptor("http_responses", about, None, MetricType::Counter)?;
        for (status, count) in &self.responses {
            count_as(&mut responses, &[("status", status)], *count)?;
        }

        for (name, about, count) in [
            ("sessions", "Sessions that are open", self.sessions),
            ("streams", "Event streams that are open", self.streams),
            ("connections", "Connections that are open", self.connections),
        ] {
            let mut gauge = encoder.encode_descriptor(name, about, None, MetricType::Gauge)?;
            gauge.encode_gauge(&i64::try_from(count).unwrap_or(i64::MAX))?;
        }
        Ok(())
    }
}

/// Writes one count of a family.
fn count_as(family: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, u64, u64>(&count, None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]
mod tests {
    use http::StatusCode;
    use mcp_core::{Annotations, Empty, IntoEndpoint as _, Server, Text, testing::Client, tool_fn};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_was_done_can_be_read() {
        let tool = tool_fn("look", Annotations::read_only(), async |_: Empty, _| Ok(Text::new("seen")));
        let endpoint = Server::new("test", "0").add(tool).into_endpoint().unwrap();
        endpoint.meter();
        let client = Client::new(&endpoint).await;
        client.call("look", json!({})).await;
        client.request("tools/call", json!({"name": "\"made up\"\n"})).await;
        let figures = Figures::default();
        figures.responded(StatusCode::OK);
        figures.responded(StatusCode::UNAUTHORIZED);
        let _stream = figures.stream();
        drop(figures.connection());

        let text = encode(endpoint.meter(), &figures, 3);
        for line in [
            r#"mcp_server_calls_total{method="tools/call",name="look",end="completed"} 1"#,
            r#"mcp_server_calls_total{method="tools/call",name="",end="error"} 1"#,
            r#"mcp_server_call_duration_seconds_count{method="tools/call",name="look"} 1"#,
            r#"mcp_server_call_duration_seconds_bucket{method="tools/call",name="look",le="+Inf"} 1"#,
            r#"mcp_server_refusals_total{reason="invalid"} 1"#,
            r#"mcp_server_http_responses_total{status="401"} 1"#,
            "mcp_server_sessions 3",
            "mcp_server_streams 1",
            "mcp_server_connections 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("made up"));
    }
}
