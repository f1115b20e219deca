//! The core of an MCP server, without a transport: tools, resources, prompts, schemas, and one stateless dispatcher.
