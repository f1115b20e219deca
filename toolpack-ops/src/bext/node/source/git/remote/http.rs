//! Fetching over HTTP and HTTPS: time limits, TLS over rustls with ring, and what its errors mean.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gix::protocol::transport::client::blocking_io::http;

use super::{denied, failed, whole_text};
use crate::error::{Error, ErrorKind};

/// A server that says nothing for so long is given up. While it packs, git's says something every 5 seconds.
const SILENCE: Duration = Duration::from_secs(20);

/// How requests are made.
pub(super) fn options(limit: Duration) -> http::Options {
    // It stays with whoever was first in this process; an embedder that chose another provider keeps that.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let backend = http::reqwest::Options {
        // Of this client the time limit is one for each step: the answer, and every piece of its body.
        configure_client: Some(Box::new(move |client| {
            Ok(client.connect_timeout(SILENCE.min(limit)).timeout(SILENCE.min(limit)))
        })),
        configure_request: None,
    };
    http::Options { backend: Some(Arc::new(Mutex::new(backend))), ..http::Options::default() }
}

/// What the caller can do about it. Addresses and causes are for the log.
pub(super) fn explain(error: gix::Error) -> Error {
    let text = whole_text(&error);
    let says = |status: &str| text.contains(&format!("HTTP status {status}"));
    if says("404") || says("410") {
        let message = "there is no repository of git at this address";
        return Error::new(ErrorKind::InvalidInput, "source_not_found", message).with_source(error);
    }
    // Without credentials to give, gix ends at the wish for them.
    if says("401") || says("403") || text.to_ascii_lowercase().contains("credentials") {
        return denied(
            "the repository asks for credentials, and none are sent over http; for a private repository use ssh with a key \
             that the node's user has",
        )
        .with_source(error);
    }
    failed(error)
}
