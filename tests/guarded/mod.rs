//! Who may do what over real transports: several callers at one server, over HTTP with keys and over lines.

mod consent;
mod door;
mod lines;
mod matrix;
mod others;
#[path = "../../mcp-core/tests/policy/table.rs"]
mod table;
mod unseen;
#[path = "../../mcp-core/tests/policy/walk.rs"]
mod walk;

use mcp_core::Revision;
use serde_json::{Value, json};

const ERAS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

/// A request as a client of this revision writes it, whose user can be asked.
fn request(revision: Revision, id: u64, method: &str, mut params: Value) -> Value {
    if revision.is_modern() {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(revision.as_str());
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {}});
    }
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// What opens a session of this revision, for a client whose user can be asked.
fn initialize(revision: Revision) -> Value {
    let client = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": revision.as_str(), "capabilities": {"elicitation": {}}, "clientInfo": client});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

/// What says that a session was opened.
fn initialized() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}
