// A real client of both eras: the official TypeScript SDK 2.x, over stdio and Streamable HTTP.
//
//   node typescript_2x.mjs [--record FILE] [--era modern|handshake] (URL | COMMAND [ARG...])
//
// A COMMAND is started as the server. In the modern era the SDK finds out by itself that the server speaks 2026-07-28
// (over stdio with a second process that it starts for that alone and that is not recorded); in the handshake era it is
// as it comes, and speaks 2025-11-25. What is checked stands in `typescript_checks.mjs`, what a recording is in
// `typescript_wire.mjs`.

import { runChecks } from "./typescript_checks.mjs";
import { openTransport, parseArguments, requireSdk } from "./typescript_wire.mjs";

const require = requireSdk();
const sdk = require("@modelcontextprotocol/client");
const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");

const target = parseArguments(["modern", "handshake"]);
const versionNegotiation = { mode: target.era === "modern" ? "auto" : "legacy" };

await runChecks({
  era: target.era,
  transport: openTransport({ ...sdk, StdioClientTransport }, target),
  createClient: (capabilities) =>
    new sdk.Client({ name: "toolpack-typescript-2x", version: "1.0.0" }, { capabilities, versionNegotiation }),
  revision: (client) => client.getNegotiatedProtocolVersion(),
  onRequest: (client, method, handler) => client.setRequestHandler(method, handler),
  onNotification: (client, method, handler) => client.setNotificationHandler(method, handler),
  callTool: (client, params, options) => client.callTool(params, options),
  ProtocolError: sdk.ProtocolError,
  // In the handshake era the server says -32002, and the SDK tells it as it is said from 2026-07-28 on.
  RESOURCE_NOT_FOUND: -32602,
});
