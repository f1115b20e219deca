//! MCP over Streamable HTTP, as a tower service and as a server of its own.
