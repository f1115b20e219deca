//! MCP for Rust services.
