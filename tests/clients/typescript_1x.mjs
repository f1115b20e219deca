// A real client of the handshake era: the official TypeScript SDK 1.x speaks 2025-11-25, over stdio and Streamable
// HTTP.
//
//   node typescript_1x.mjs [--record FILE] (URL | COMMAND [ARG...])
//
// A COMMAND is started as the server. What is checked stands in `typescript_checks.mjs`, what a recording is in
// `typescript_wire.mjs`.

import { runChecks } from "./typescript_checks.mjs";
import { openTransport, parseArguments, requireSdk } from "./typescript_wire.mjs";

const require = requireSdk();
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const schemas = require("@modelcontextprotocol/sdk/types.js");
const transports = {
  ...require("@modelcontextprotocol/sdk/client/stdio.js"),
  ...require("@modelcontextprotocol/sdk/client/streamableHttp.js"),
};

const REQUESTS = {
  "elicitation/create": schemas.ElicitRequestSchema,
  "sampling/createMessage": schemas.CreateMessageRequestSchema,
  "roots/list": schemas.ListRootsRequestSchema,
};
const NOTIFICATIONS = {
  "notifications/message": schemas.LoggingMessageNotificationSchema,
  "notifications/resources/updated": schemas.ResourceUpdatedNotificationSchema,
  "notifications/tools/list_changed": schemas.ToolListChangedNotificationSchema,
};

const target = parseArguments(["handshake"]);
const transport = openTransport(transports, target);
let revision;
const setProtocolVersion = transport.setProtocolVersion?.bind(transport);
transport.setProtocolVersion = (version) => {
  revision = version;
  setProtocolVersion?.(version);
};

await runChecks({
  era: target.era,
  transport,
  createClient: (capabilities) => new Client({ name: "toolpack-typescript-1x", version: "1.0.0" }, { capabilities }),
  revision: () => revision,
  onRequest: (client, method, handler) => client.setRequestHandler(REQUESTS[method], handler),
  onNotification: (client, method, handler) => client.setNotificationHandler(NOTIFICATIONS[method], handler),
  callTool: (client, params, options) => client.callTool(params, undefined, options),
  ProtocolError: schemas.McpError,
  RESOURCE_NOT_FOUND: -32002,
});
