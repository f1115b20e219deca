//! Notifications in bytes.

use serde::Serialize;

/// A notification in bytes, on one line. Empty where the parameters cannot be serialized (a map whose keys are no
/// strings); nothing is sent then.
pub(crate) fn notification(method: &'static str, params: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Notification<'a, T> {
        jsonrpc: &'static str,
        method: &'static str,
        params: &'a T,
    }

    let mut bytes =
        serde_json::to_vec(&Notification { jsonrpc: "2.0", method, params }).unwrap_or_else(|error| {
            tracing::warn!(%error, method, "a notification could not be serialized");
            Vec::new()
        });
    // Raw JSON of an author's may have line breaks between its tokens, which newline framing cannot bear.
    for byte in bytes.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    bytes
}
