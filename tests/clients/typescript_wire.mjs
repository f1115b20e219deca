// How both TypeScript clients reach a server and keep what goes over the wire.
//
// A recording has a line {"dir":"out"|"in","msg":...} a message: what went out as it was sent, what came in as the
// server wrote it, before the SDK parsed anything. It drops what its types do not know (extra keys of an error, for one).

import { appendFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** The SDK's packages lie where TOOLPACK_NODE_MODULES says (`cargo xtask tools` prints it). */
export function requireSdk() {
  const folder = process.env.TOOLPACK_NODE_MODULES;
  if (!folder) fail("TOOLPACK_NODE_MODULES is not set: take the lines of `cargo xtask tools` into the environment");
  return createRequire(path.join(folder, "from-here.js"));
}

/** Reads [--record FILE] [--era ERA] (URL | COMMAND [ARG...]); the first era is the default. */
export function parseArguments(eras) {
  const given = process.argv.slice(2);
  const parsed = { recordFile: undefined, era: eras[0] };
  while (given[0]?.startsWith("--")) {
    const [flag, value] = given.splice(0, 2);
    if (flag === "--record" && value) parsed.recordFile = value;
    else if (flag === "--era" && eras.includes(value)) parsed.era = value;
    else usage(eras);
  }
  const [target, ...args] = given;
  if (!target) usage(eras);
  return /^https?:/.test(target) ? { ...parsed, url: target } : { ...parsed, command: target, args };
}

/** The SDK's own transport to a URL or a command; recorded, if a file for it is given. */
export function openTransport(sdk, { url, command, args, recordFile }) {
  const record = recordFile ? recorder(recordFile) : undefined;
  if (url) {
    return new sdk.StreamableHTTPClientTransport(new URL(url), record && { fetch: recordedFetch(record) });
  }
  const transport = new sdk.StdioClientTransport({ command, args });
  if (record) recordLines(transport, record);
  return transport;
}

function recorder(file) {
  writeFileSync(file, "");
  return (dir, text) => appendFileSync(file, `${JSON.stringify({ dir, msg: JSON.parse(text) })}\n`);
}

function recordLines(transport, record) {
  const send = transport.send.bind(transport);
  transport.send = (message, options) => {
    record("out", JSON.stringify(message));
    return send(message, options);
  };
  const start = transport.start.bind(transport);
  transport.start = async () => {
    await start();
    const lines = splitter(/\n/, (line) => line.trim() !== "" && record("in", line));
    transport._process.stdout.prependListener("data", lines);
  };
}

function recordedFetch(record) {
  return async (url, init) => {
    if (init?.body) record("out", init.body);
    const response = await fetch(url, init);
    const kind = response.headers.get("content-type") ?? "";
    if (kind.startsWith("application/json")) {
      const text = await response.text();
      if (text !== "") record("in", text);
      return new Response(text, response);
    }
    if (!kind.startsWith("text/event-stream") || !response.body) return response;
    const lines = splitter(/\r?\n/, (line) => {
      // Our server writes an event's data as one line; an event without any is there to be resumed from.
      const data = line.match(/^data: ?(.+)$/);
      if (data) record("in", data[1]);
    });
    // Written down before the SDK sees it.
    const tap = new TransformStream({
      transform(chunk, controller) {
        lines(chunk);
        controller.enqueue(chunk);
      },
    });
    return new Response(response.body.pipeThrough(tap), response);
  };
}

/** Gives each whole line of a stream of bytes to `take`. */
function splitter(end, take) {
  const decoder = new TextDecoder();
  let rest = "";
  return (chunk) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(end);
    rest = lines.pop();
    lines.forEach(take);
  };
}

function usage(eras) {
  const script = path.basename(process.argv[1]);
  fail(`usage: node ${script} [--record FILE] [--era ${eras.join("|")}] (URL | COMMAND [ARG...])`);
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
