//! One connection: HTTP/1.1 or HTTP/2, whichever its first bytes ask for, each within its limits and to a good end.

use std::{convert::Infallible, io, net::IpAddr, time::Duration};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_core::Signal;
use tokio::net::TcpStream;

use crate::{
    HttpService, ResponseBody,
    pacing::Paced,
    routes::{Door, route},
    stream::{Patient, Prefix},
    streams::Streams,
};

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; Prefix::MAX] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// What one HTTP/2 connection may cost. Idle connections hold none of it: windows are promises to the client, not memory.

/// How much of one message may be under way: 256 KiB, so that a client 100 ms away sends 2.5 MB/s.
const STREAM_WINDOW: u32 = 256 << 10;
/// How much of all messages of a connection may be under way.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The smallest that the protocol allows: no stream holds up the others for longer than one frame takes.
const MAX_FRAME_BYTES: u32 = 16 << 10;
/// How much of an answer waits in the connection for its client, beside what [`Paced`] still holds.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// How many requests may be taken back before they were looked at, in one go (rapid reset, CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// How many streams of one connection we may have had to reset for what its client did wrong.
const MAX_ERROR_RESETS: usize = 128;

/// Serves one connection until its client is done with it, or the server closes.
pub(crate) async fn serve(stream: TcpStream, from: (IpAddr, Door), service: HttpService, closing: Signal) {
    // Small answers must not wait for the client's acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let mut prefix = Prefix::default();
    let first = tokio::select! {
        first = tokio::time::timeout(service.options().header_time, read_first(&stream, &mut prefix)) => first,
        () = closing.raised() => return,
    };
    let version = match first {
        Ok(Ok(version)) => version,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection was gone at once"),
        Err(_) => return tracing::debug!("a connection said nothing"),
    };
    let stream = TokioIo::new(Patient::new(stream, prefix, service.options().write_time));
    let result = match version {
        Version::Http1 => serve_http1(stream, from, service, closing).await,
        // Apart, so that the connections of HTTP/1.1, the rule, need not be as large.
        Version::Http2 => Box::pin(serve_http2(stream, from, service, closing)).await,
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended");
    }
}

#[derive(Clone, Copy)]
enum Version {
    Http1,
    Http2,
}

/// Reads until it is clear which version this is: mostly one read, since no method but `PRI` begins like the preface
/// for more than a byte. Hyper-util's own way to tell has no limit on the time this takes; here it is that of headers,
/// which then begins anew, so that the first request of a connection may take twice as long as any other.
async fn read_first(stream: &TcpStream, prefix: &mut Prefix) -> io::Result<Version> {
    while PREFACE.starts_with(prefix.bytes()) {
        if prefix.bytes().len() == PREFACE.len() {
            return Ok(Version::Http2);
        }
        // A client that goes away here is one like any other: the parser sees the end, too.
        if prefix.read(stream).await? == 0 {
            break;
        }
    }
    Ok(Version::Http1)
}

async fn serve_http1(
    stream: TokioIo<Patient>,
    from: (IpAddr, Door),
    service: HttpService,
    closing: Signal,
) -> hyper::Result<()> {
    let options = service.options();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_time)
        .max_header_size(options.max_header_bytes)
        // A client that shuts its writing side is taken for one that went away, which cancels its request: the two
        // cannot be told apart, and a request that nobody waits for must not run on.
        .half_close(false)
        // With it the answer to one request waits while half of the next is there.
        .pipeline_flush(false);
    let routes = service_fn(move |request| respond(service.clone(), request, from));
    let mut connection = std::pin::pin!(builder.serve_connection(stream, routes));
    tokio::select! {
        result = connection.as_mut() => return result,
        () = closing.raised() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

async fn serve_http2(
    stream: TokioIo<Patient>,
    from: (IpAddr, Door),
    service: HttpService,
    closing: Signal,
) -> hyper::Result<()> {
    let options = service.options();
    let (header_time, write_time) = (options.header_time, options.write_time);
    let streams = Streams::new(write_time);
    let mut builder = http2::Builder::new(streams.executor());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.max_concurrent_streams)
        // A list as large as its limit is one too large there.
        .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX).saturating_add(1))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        // Tells a client that has nothing to say from one that is not there any more.
        .keep_alive_interval(options.keep_alive)
        .keep_alive_timeout(write_time);
    let routes = service_fn(move |request| respond_paced(service.clone(), request, from));
    let mut connection = std::pin::pin!(builder.serve_connection(stream, routes));
    let mut is_ending = false;
    loop {
        let idle: Duration = if is_ending { write_time } else { header_time };
        tokio::select! {
            // First the connection, so that a request which has just come counts.
            biased;
            result = connection.as_mut() => return result,
            () = closing.raised(), if !is_ending => {}
            () = streams.idle_for(idle) => {
                if is_ending {
                    tracing::debug!("a connection that had nothing to wait for was cut off");
                    return Ok(());
                }
            }
        }
        is_ending = true;
        connection.as_mut().graceful_shutdown();
    }
}

async fn respond(
    service: HttpService,
    request: Request<Incoming>,
    (peer, door): (IpAddr, Door),
) -> Result<Response<ResponseBody>, Infallible> {
    Ok(route(service, request, peer, door).await)
}

async fn respond_paced(
    service: HttpService,
    request: Request<Incoming>,
    (peer, door): (IpAddr, Door),
) -> Result<Response<Paced>, Infallible> {
    Ok(route(service, request, peer, door).await.map(Paced::new))
}
