// What both TypeScript clients do with the server, in order. It offers the fixtures of the official conformance suite,
// and `test_slow` with `test_slow_ended`.
//
// One JSON line a check goes to stdout, {"check":"call","ok":true,...}; the first failure ends the run with status 1.

import assert from "node:assert/strict";
import { once } from "node:events";

const REVISIONS = { handshake: "2025-11-25", modern: "2026-07-28" };
const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const WATCHED = "test://watched-resource";
// No single answer may take longer than this; the whole run takes well under a second on an idle machine.
const TIMEOUT_MS = 30_000;

/** Runs all checks over a line of the SDK: its transport, and how it names what the checks need. */
export async function runChecks(sdk) {
  const { era, transport } = sdk;
  const modern = era === "modern";
  // applyDefaults: what the user leaves out of a form is filled in with its default, by the SDK.
  const capabilities = { elicitation: { form: { applyDefaults: true }, url: {} }, sampling: {}, roots: {} };
  const client = sdk.createClient(capabilities);

  // Whatever the SDK finds odd about the wire (an answer to nothing, a line that does not parse) fails the run at its
  // end.
  const complaints = [];
  // Progress that crosses the cancellation on its way is nobody's fault. And where an answer comes in one piece with
  // the progress before it, the SDK looks at the answer first, and no longer knows of the call.
  const lateProgress = [];
  client.onerror = ({ message }) => {
    const late = message.match(/^Received a progress notification for an unknown token: (.*)$/);
    if (late) lateProgress.push(JSON.parse(late[1]).params);
    else complaints.push(message);
  };

  // What the server asks goes to the check that runs; see `answering`.
  let onQuestion = () => assert.fail("the server asks though nothing was called that does");
  for (const method of ["elicitation/create", "sampling/createMessage", "roots/list"]) {
    sdk.onRequest(client, method, ({ method, params }) => onQuestion({ method, ...params }));
  }

  let child;

  await check("connect", async () => {
    await client.connect(transport, { timeout: TIMEOUT_MS });
    child = transport._process;
    const capabilities = client.getServerCapabilities();
    for (const name of ["tools", "resources", "prompts", "completions", ...(modern ? [] : ["logging"])]) {
      assert.ok(capabilities[name], `the server declares no ${name}`);
    }
    assert.equal(sdk.revision(client), REVISIONS[era]);
    return { server: client.getServerVersion() };
  });

  if (!modern) await check("ping", () => client.ping(options()));

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
    refused(client.readResource({ uri: "test://no-such-resource" }, options()), sdk.RESOURCE_NOT_FOUND));

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
    assert.deepEqual(completion.values, ["paris", "park", "party"]);
  });

  await check("progress", async () => {
    const { steps } = await following("test_tool_with_progress");
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
    // It waits for the end of the work there, however long that takes.
    assert.equal(onlyText(await call("test_slow_ended")), "Given up: 1");
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
    sdk.onNotification(client, "notifications/message", ({ params }) => {
      logged.push(params);
    });
    const callAt = async (level) => {
      const _meta = modern ? { [LOG_LEVEL]: level } : undefined;
      if (!modern) await client.setLoggingLevel(level, options());
      await sdk.callTool(client, { name: "test_tool_with_logging", arguments: {}, _meta }, options());
    };
    await callAt("info");
    assert.equal(logged.length, 3, `expected 3 messages, got ${JSON.stringify(logged)}`);
    assert.ok(logged.every(({ level }) => level === "info"));
    // Above the level that is asked for, nothing comes.
    await callAt("error");
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
    // What does not fit the form is asked for again.
    const tries = [{ age: "old" }, {}];
    const again = await call(() => ({ action: "accept", content: tries.shift() }));
    assert.deepEqual([again.text, again.asked.length], [text, 2]);
    if (modern) return;
    // Where the server waits for the answer, it hears of what is no answer at all, and loses patience.
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
    const fields = asked[0].requestedSchema.properties;
    const { untitledSingle, titledSingle, legacyEnum, untitledMulti, titledMulti } = fields;
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
      assert.equal(typeof asked[0].elicitationId, modern ? "undefined" : "string");
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

  await check("streamed_question", async () => {
    onQuestion = () => ({ action: "accept", content: { steps: 3 } });
    const { result, steps } = await following("test_streaming_elicitation");
    assert.equal(onlyText(result), "The user has seen 3 of 3 steps.");
    // In the modern era the work runs a second time for its answer.
    assert.deepEqual(steps.map(({ progress }) => progress).sort(), modern ? [1, 1, 2, 2, 3, 3] : [1, 2, 3]);
  });

  await check("subscribe", async () => {
    const updated = next("notifications/resources/updated");
    let subscription;
    if (modern) {
      subscription = await client.listen({ resourceSubscriptions: [WATCHED] }, options());
      assert.deepEqual(subscription.honoredFilter, { resourceSubscriptions: [WATCHED] });
    } else {
      assert.deepEqual(await client.subscribeResource({ uri: WATCHED }, options()), {});
    }
    await call("test_trigger_resource_update");
    assert.equal((await updated).uri, WATCHED);
    if (modern) await subscription.close();
    else assert.deepEqual(await client.unsubscribeResource({ uri: WATCHED }, options()), {});
  });

  await check("list_changed", async () => {
    const changed = next("notifications/tools/list_changed");
    const subscription = modern ? await client.listen({ toolsListChanged: true }, options()) : undefined;
    await call("test_trigger_tool_change");
    await changed;
    if (!modern) return;
    await subscription.close();
    assert.equal(await subscription.closed, "local");
  });

  await check("close", async () => {
    const exited = child && once(child, "exit");
    if (!child && !modern) await transport.terminateSession();
    await client.close();
    if (child) {
      const [code, signal] = await exited;
      assert.deepEqual([code, signal], [0, null], "the server did not end by itself when its input ended");
    }
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
    return sdk.callTool(client, { name, arguments: toolArguments }, options(more));
  }

  /** Calls a tool; gives its result and all the progress it reported, what the SDK knew too late at the end. */
  async function following(name) {
    lateProgress.length = 0;
    const steps = [];
    // Between two rounds SDK 2.x reports progress of its own, without a total.
    const onprogress = (step) => step.total && steps.push(step);
    const result = await call(name, {}, { onprogress });
    return { result, steps: [...steps, ...lateProgress] };
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

  /** The parameters of the next notification of a method. */
  function next(method) {
    let timer;
    const arrived = new Promise((resolve, reject) => {
      sdk.onNotification(client, method, ({ params }) => resolve(params));
      timer = setTimeout(() => reject(new Error(`no ${method} arrived`)), TIMEOUT_MS);
    });
    return arrived.finally(() => clearTimeout(timer));
  }

  async function refused(promise, code) {
    await assert.rejects(promise, (error) => {
      assert.ok(error instanceof sdk.ProtocolError, `not an answer of the server: ${error.message}`);
      assert.equal(error.code, code, error.message);
      return true;
    });
  }
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
