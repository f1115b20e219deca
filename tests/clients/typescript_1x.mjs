// A real client of the handshake era: the official TypeScript SDK 1.x speaks 2025-11-25 to a server over stdio.
//
//   node typescript_1x.mjs [--record FILE] COMMAND [ARG...]
//
// COMMAND is started as the server; it offers the fixtures of the official conformance suite and the tool `test_slow`.
// One JSON line a check goes to stdout, {"check":"call","ok":true,...}; the first failure ends the run with status 1.
// --record FILE keeps every message of the wire as a line {"dir":"out"|"in","msg":...}: what went out as it was sent,
// what came in as the server wrote it, before the SDK parsed anything.
//
// The SDK is loaded from the folder that TOOLPACK_NODE_MODULES names (`cargo xtask tools` prints it).

import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const { Client, StdioClientTransport, McpError, schemas } = loadSdk();
const { recordFile, command, args } = parseArguments(process.argv.slice(2));

// No single answer may take longer than this; the whole run takes well under a second on an idle machine.
const TIMEOUT_MS = 30_000;

const transport = new StdioClientTransport({ command, args });
if (recordFile) record(transport, recordFile);
// applyDefaults: what the user leaves out of a form is filled in with its default, by the SDK.
const capabilities = { elicitation: { form: { applyDefaults: true }, url: {} }, sampling: {}, roots: {} };
const client = new Client({ name: "toolpack-typescript-1x", version: "1.0.0" }, { capabilities });

// Whatever the SDK finds odd about the wire (an answer to nothing, a line that does not parse) fails the run at its end.
// Progress that crosses the cancellation on its way is nobody's fault.
const complaints = [];
client.onerror = ({ message }) => {
  if (!message.startsWith("Received a progress notification for an unknown token")) complaints.push(message);
};

// What the server asks goes to the check that runs; see `answering`.
let onQuestion = () => assert.fail("the server asks though nothing was called that does");
for (const schema of ["ElicitRequestSchema", "CreateMessageRequestSchema", "ListRootsRequestSchema"]) {
  client.setRequestHandler(schemas[schema], ({ method, params }) => onQuestion({ method, ...params }));
}

let child;
let revision;
transport.setProtocolVersion = (version) => (revision = version);

await check("connect", async () => {
  await client.connect(transport, { timeout: TIMEOUT_MS });
  child = transport._process;
  const capabilities = client.getServerCapabilities();
  for (const name of ["tools", "resources", "prompts", "completions", "logging"]) {
    assert.ok(capabilities[name], `the server declares no ${name}`);
  }
  assert.equal(revision, "2025-11-25");
  return { server: client.getServerVersion() };
});

await check("ping", () => client.ping(options()));

await check("list", async () => {
  const tools = await everyPage((cursor) => client.listTools({ cursor }, options()), "tools");
  const names = tools.map((tool) => tool.name);
  assert.equal(new Set(names).size, names.length, "a tool is listed twice");
  for (const name of ["test_simple_text", "test_tool_with_progress", "test_slow"]) {
    assert.ok(names.includes(name), `${name} is not listed`);
  }
  return { tools: names.length };
});

await check("call", async () => {
  const result = await call("test_simple_text");
  assert.equal(result.isError ?? false, false);
  assert.equal(onlyText(result), "This is a simple text response for testing.");
});

await check("content_kinds", async () => {
  const { content } = await call("test_multiple_content_types");
  assert.deepEqual(content.map((block) => block.type).sort(), ["image", "resource", "text"]);
});

await check("tool_error", async () => {
  const result = await call("test_error_handling");
  assert.equal(result.isError, true);
  assert.ok(onlyText(result).length > 0);
});

await check("unknown_tool", () => refused(call("no_such_tool"), -32602));

await check("resources", async () => {
  const resources = await everyPage((cursor) => client.listResources({ cursor }, options()), "resources");
  const templates = await everyPage(
    (cursor) => client.listResourceTemplates({ cursor }, options()),
    "resourceTemplates",
  );
  assert.ok(resources.some(({ uri }) => uri === "test://static-text"));
  assert.ok(templates.some(({ uriTemplate }) => uriTemplate === "test://template/{id}/data"));
  return { resources: resources.length, templates: templates.length };
});

await check("read", async () => {
  const uri = "test://static-text";
  const { contents } = await client.readResource({ uri }, options());
  assert.deepEqual(contents, [
    { uri, mimeType: "text/plain", text: "This is the content of the static text resource." },
  ]);
});

await check("read_binary", async () => {
  const { contents } = await client.readResource({ uri: "test://static-binary" }, options());
  assert.equal(contents[0].mimeType, "image/png");
  assert.ok(Buffer.from(contents[0].blob, "base64").subarray(1, 4).equals(Buffer.from("PNG")), "not a PNG");
});

await check("read_template", async () => {
  const uri = "test://template/123/data";
  const { contents } = await client.readResource({ uri }, options());
  assert.equal(contents[0].uri, uri);
  assert.equal(JSON.parse(contents[0].text).id, "123");
});

await check("resource_not_found", () =>
  refused(client.readResource({ uri: "test://no-such-resource" }, options()), -32002));

await check("prompts", async () => {
  const prompts = await everyPage((cursor) => client.listPrompts({ cursor }, options()), "prompts");
  const prompt = prompts.find(({ name }) => name === "test_prompt_with_arguments");
  assert.deepEqual(prompt.arguments.map((argument) => [argument.name, argument.required]), [
    ["arg1", true],
    ["arg2", true],
  ]);
  return { prompts: prompts.length };
});

await check("prompt", async () => {
  const { messages } = await client.getPrompt(
    { name: "test_prompt_with_arguments", arguments: { arg1: "hello", arg2: "world" } },
    options(),
  );
  assert.deepEqual(messages, [
    { role: "user", content: { type: "text", text: "Prompt with arguments: arg1='hello', arg2='world'" } },
  ]);
});

await check("completion", async () => {
  const { completion } = await client.complete(
    { ref: { type: "ref/prompt", name: "test_prompt_with_arguments" }, argument: { name: "arg1", value: "par" } },
    options(),
  );
  assert.ok(completion.values.length <= 100 && completion.values.every((value) => typeof value === "string"));
  return { values: completion.values };
});

await check("progress", async () => {
  const steps = [];
  await call("test_tool_with_progress", {}, { onprogress: (step) => steps.push(step) });
  assert.deepEqual(steps.map(({ progress, total }) => [progress, total]), [[0, 100], [50, 100], [100, 100]]);
});

await check("cancel", async () => {
  // The call would take ten minutes. Its first progress shows that it runs; then it is cancelled.
  const abort = new AbortController();
  const reason = "the user changed their mind";
  let steps = 0;
  const onprogress = () => ((steps += 1), abort.abort(reason));
  const slow = call("test_slow", { ms: 600_000 }, { signal: abort.signal, onprogress, timeout: 600_000 });
  await assert.rejects(slow, (error) => error.message.includes(reason));
  assert.ok(steps > 0, "the call ended without progress");
  assert.equal(onlyText(await call("test_simple_text")), "This is a simple text response for testing.");
});

await check("concurrent", async () => {
  const finished = [];
  const slow = call("test_slow", { ms: 300 }).then(() => finished.push("slow"));
  const quick = call("test_simple_text").then(() => finished.push("quick"));
  await Promise.all([slow, quick]);
  assert.deepEqual(finished, ["quick", "slow"], "a slow call held up a quick one");
});

await check("logging", async () => {
  const logged = [];
  client.setNotificationHandler(schemas.LoggingMessageNotificationSchema, ({ params }) => {
    logged.push(params);
  });
  await client.setLoggingLevel("info", options());
  await call("test_tool_with_logging");
  assert.equal(logged.length, 3, `expected 3 messages, got ${JSON.stringify(logged)}`);
  assert.ok(logged.every(({ level }) => level === "info"));
  // Above the level that is asked for, nothing comes.
  await client.setLoggingLevel("error", options());
  await call("test_tool_with_logging");
  assert.equal(logged.length, 3, "messages below the level asked for were sent");
});

await check("elicitation", async () => {
  const call = (answer) => answering(answer, "test_elicitation_sep1034_defaults");
  // The user leaves all as it is: the SDK fills in the defaults.
  const { text, asked } = await call(() => ({ action: "accept", content: {} }));
  assert.equal(
    text,
    'Elicitation completed: action=accept, ' +
      'content={"name":"John Doe","age":30,"score":95.5,"status":"active","verified":true}',
  );
  assert.deepEqual(asked.map(({ method, mode, message }) => [method, mode, message]), [
    ["elicitation/create", "form", "Please review and update the form fields with defaults"],
  ]);
  const { type, properties } = asked[0].requestedSchema;
  assert.equal(type, "object");
  assert.deepEqual(
    Object.entries(properties).map(([name, field]) => [name, field.type, field.default]).sort(),
    [
      ["age", "integer", 30],
      ["name", "string", "John Doe"],
      ["score", "number", 95.5],
      ["status", "string", "active"],
      ["verified", "boolean", true],
    ],
  );
  assert.deepEqual(properties.status.enum, ["active", "inactive", "pending"]);

  for (const action of ["decline", "cancel"]) {
    assert.equal((await call(() => ({ action }))).text, `Elicitation completed: action=${action}, content={}`);
  }
  // What does not fit the form, and what is no answer at all, are the call's failures.
  const old = await call(() => ({ action: "accept", content: { age: "old" } }));
  assert.ok(old.isError && old.text.includes("age"), old.text);
  const refused = await call(() => assert.fail("the user's screen is off"));
  assert.ok(refused.isError && refused.text.includes("the user's screen is off"), refused.text);
});

await check("elicitation_enums", async () => {
  const chosen = {
    untitledSingle: "option1",
    titledSingle: "value2",
    legacyEnum: "opt3",
    untitledMulti: ["option1", "option3"],
    titledMulti: [],
  };
  const answer = () => ({ action: "accept", content: chosen });
  const { text, asked } = await answering(answer, "test_elicitation_sep1330_enums");
  assert.equal(text, `Elicitation completed: action=accept, content=${JSON.stringify(chosen)}`);
  const { untitledSingle, titledSingle, legacyEnum, untitledMulti, titledMulti } = asked[0].requestedSchema.properties;
  assert.deepEqual(untitledSingle, { type: "string", enum: ["option1", "option2", "option3"] });
  assert.deepEqual(titledSingle.oneOf[0], { const: "value1", title: "First Option" });
  assert.deepEqual(legacyEnum.enumNames, ["Option One", "Option Two", "Option Three"]);
  assert.deepEqual(untitledMulti.items, { type: "string", enum: ["option1", "option2", "option3"] });
  assert.deepEqual(titledMulti.items.anyOf[2], { const: "value3", title: "Third Choice" });
});

await check("elicitation_url", async () => {
  for (const action of ["accept", "decline", "cancel"]) {
    const { text, asked } = await answering(() => ({ action }), "test_elicitation_url");
    assert.equal(text, `URL elicitation completed: action=${action}`);
    assert.deepEqual([asked[0].mode, asked[0].url], ["url", "https://example.com/login"]);
    assert.ok(asked[0].elicitationId.length > 0, "required in this revision");
  }
});

await check("sampling", async () => {
  const prompt = "What is the capital of France?";
  const { text, asked } = await answering(() => say("Paris"), "test_sampling", { prompt });
  assert.equal(text, "LLM response: Paris");
  const { method, messages, maxTokens } = asked[0];
  assert.deepEqual({ method, messages, maxTokens }, {
    method: "sampling/createMessage",
    messages: [{ role: "user", content: { type: "text", text: prompt } }],
    maxTokens: 100,
  });
});

await check("roots", async () => {
  const roots = [{ uri: "file:///home/ada", name: "Ada's" }, { uri: "file:///srv" }];
  const { text } = await answering(() => ({ roots }), "test_roots");
  assert.equal(text, "Roots: file:///home/ada, file:///srv");
  assert.equal((await answering(() => ({ roots: [] }), "test_roots")).text, "Roots: ");
});

await check("confirm", async () => {
  const call = (action) => answering(() => ({ action }), "test_confirm", { what: "the archive" });
  const agreed = await call("accept");
  assert.equal(agreed.text, "They agreed that the archive may be deleted.");
  assert.deepEqual(agreed.asked.map(({ message }) => message), ["Delete the archive for good?"]);
  for (const action of ["decline", "cancel"]) assert.equal((await call(action)).isError, true);
});

await check("several_questions", async () => {
  const answer = ({ method, message }) => {
    if (method === "sampling/createMessage") return say("Good day,");
    if (method === "roots/list") return { roots: [{ uri: "file:///srv" }] };
    const content = message.includes("color") ? { color: "blue" } : { name: "Ada" };
    return { action: "accept", content };
  };
  const atOnce = await answering(answer, "test_input_required_result_multiple_inputs");
  assert.equal(atOnce.text, "Good day, Ada works in file:///srv");
  assert.equal(atOnce.asked.length, 3);
  const inTurn = await answering(answer, "test_input_required_result_multi_round");
  assert.equal(inTurn.text, "Ada likes blue.");
  assert.equal(inTurn.asked.length, 2);
});

await check("prompt_and_resource_questions", async () => {
  onQuestion = () => ({ action: "accept", content: { context: "a test", name: "Ada" } });
  const { messages } = await client.getPrompt({ name: "test_input_required_result_prompt" }, options());
  assert.equal(messages[0].content.text, "Use this context: a test");
  const { contents } = await client.readResource({ uri: "test://your-greeting" }, options());
  assert.equal(contents[0].text, "Hello, Ada!");
  onQuestion = () => ({ action: "decline" });
  await refused(client.readResource({ uri: "test://your-greeting" }, options()), -32602);
});

await check("subscribe", async () => {
  const uri = "test://watched-resource";
  assert.deepEqual(await client.subscribeResource({ uri }, options()), {});
  assert.deepEqual(await client.unsubscribeResource({ uri }, options()), {});
});

await check("list_changed", async () => {
  const changed = new Promise((resolve) => {
    client.setNotificationHandler(schemas.ToolListChangedNotificationSchema, () => resolve());
  });
  await call("test_trigger_tool_change");
  await within(TIMEOUT_MS, changed, "no notifications/tools/list_changed arrived");
});

await check("close", async () => {
  const exited = once(child, "exit");
  await client.close();
  const [code, signal] = await exited;
  assert.deepEqual([code, signal], [0, null], "the server did not end by itself when its input ended");
  assert.deepEqual(complaints, []);
});

/** Runs one check and prints its line; the first that fails ends the process. */
async function check(name, body) {
  try {
    const details = (await body()) ?? {};
    console.log(JSON.stringify({ check: name, ok: true, ...details }));
  } catch (error) {
    const complaint = complaints.length > 0 ? `; the client complained: ${complaints.join("; ")}` : "";
    console.log(JSON.stringify({ check: name, ok: false, error: `${error.message}${complaint}` }));
    console.error(error.stack);
    child?.kill("SIGKILL");
    process.exit(1);
  }
}

function call(name, toolArguments = {}, more = {}) {
  return client.callTool({ name, arguments: toolArguments }, undefined, options(more));
}

/** Calls a tool and answers whatever it asks; gives what it said and all that it asked. */
async function answering(answer, name, toolArguments = {}) {
  const asked = [];
  onQuestion = (question) => {
    asked.push(question);
    return answer(question);
  };
  const result = await call(name, toolArguments);
  return { text: onlyText(result), isError: result.isError ?? false, asked };
}

/** What a model says. */
function say(text) {
  return { role: "assistant", model: "test", stopReason: "endTurn", content: { type: "text", text } };
}

function options(more = {}) {
  return { timeout: TIMEOUT_MS, ...more };
}

async function everyPage(fetchPage, key) {
  const items = [];
  const seen = new Set();
  let cursor;
  do {
    const page = await fetchPage(cursor);
    items.push(...page[key]);
    cursor = page.nextCursor;
    assert.ok(!seen.has(cursor), `the pages of ${key} go in a circle`);
    seen.add(cursor);
  } while (cursor !== undefined);
  return items;
}

function onlyText({ content }) {
  assert.deepEqual(content.map(({ type }) => type), ["text"]);
  return content[0].text;
}

async function refused(promise, code) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof McpError, `not an answer of the server: ${error.message}`);
    assert.equal(error.code, code, error.message);
    return true;
  });
}

async function within(milliseconds, promise, message) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Copies every message of `transport` to `file`, one a line. */
function record(transport, file) {
  writeFileSync(file, "");
  const write = (dir, text) => appendFileSync(file, `${JSON.stringify({ dir, msg: JSON.parse(text) })}\n`);

  const send = transport.send.bind(transport);
  transport.send = (message, sendOptions) => {
    write("out", JSON.stringify(message));
    return send(message, sendOptions);
  };

  // The SDK drops what its types do not know (extra keys of an error, for one), so the lines are read beside it.
  const start = transport.start.bind(transport);
  transport.start = async () => {
    await start();
    let rest = "";
    const decoder = new TextDecoder();
    transport._process.stdout.prependListener("data", (chunk) => {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.trim() !== "") write("in", line);
    });
  };
}

function loadSdk() {
  const folder = process.env.TOOLPACK_NODE_MODULES;
  if (!folder) fail("TOOLPACK_NODE_MODULES is not set: run `cargo xtask tools` and take its lines into the environment");
  const require = createRequire(path.join(folder, "from-here.js"));
  return {
    ...require("@modelcontextprotocol/sdk/client/index.js"),
    ...require("@modelcontextprotocol/sdk/client/stdio.js"),
    McpError: require("@modelcontextprotocol/sdk/types.js").McpError,
    schemas: require("@modelcontextprotocol/sdk/types.js"),
  };
}

function parseArguments(given) {
  let recordFile;
  if (given[0] === "--record") [, recordFile] = given.splice(0, 2);
  const [command, ...args] = given;
  if (!command || command.startsWith("-")) fail("usage: node typescript_1x.mjs [--record FILE] COMMAND [ARG...]");
  return { recordFile, command, args };
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
