"""A real client of the modern era: the official Python SDK 2.x speaks 2026-07-28 to a server over Streamable HTTP.

    python python_2x.py [--record FILE] URL

The server offers the fixtures of the official conformance suite and the tool `test_slow`. One JSON line a check goes to
stdout, {"check": "call", "ok": true, ...}; the first failure ends the run with status 1. --record FILE keeps every
message of the wire as a line {"dir": "out" | "in", "msg": ...}: the bodies as they went over HTTP, before the SDK parsed
anything.

The interpreter is the one that TOOLPACK_PYTHON names (`cargo xtask tools` prints it).
"""

import argparse
import base64
import json
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TextIO

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from mcp_types import (
    CreateMessageResult,
    ElicitResult,
    InputRequiredResult,
    ListRootsResult,
    PromptReference,
    Root,
    TextContent,
)

REVISION = "2026-07-28"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
# No single answer may take longer than this; the whole run takes about a second on an idle machine.
TIMEOUT_SECONDS = 30
# A call that only cancellation can end within the life of this script.
FOREVER_MS = 600_000


class Checks:
    """The checks in the order they run; each is a method, its docstring says what it shows."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.logged: list[Any] = []
        self.asked: list[Any] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}

    async def connect(self) -> dict[str, Any]:
        """The client found a modern server by server/discover, not by the handshake."""
        capabilities = self.client.server_capabilities
        equal(self.client.protocol_version, REVISION)
        for name in ("tools", "resources", "prompts", "completions"):
            check(getattr(capabilities, name) is not None, f"the server declares no {name}")
        info = self.client.server_info
        check(info is not None, "the server does not say who it is")
        return {"server": {"name": info.name, "version": info.version}}

    async def list(self) -> dict[str, Any]:
        """tools/list, page by page."""
        tools = await every_page(self.client.list_tools, "tools")
        names = [tool.name for tool in tools]
        equal(len(set(names)), len(names), "a tool is listed twice")
        for name in ("test_simple_text", "test_tool_with_progress", "test_slow"):
            check(name in names, f"{name} is not listed")
        return {"tools": len(names)}

    async def call(self) -> None:
        """tools/call with a plain answer."""
        await self._simple_call()

    async def content_kinds(self) -> None:
        """One answer with blocks of several kinds."""
        result = await self.client.call_tool("test_multiple_content_types")
        equal(sorted(block.type for block in result.content), ["image", "resource", "text"])

    async def tool_error(self) -> None:
        """A tool that fails answers with a result marked as an error."""
        result = await self.client.call_tool("test_error_handling")
        check(result.is_error is True and only_text(result) != "", f"not a tool error: {result}")

    async def unknown_tool(self) -> None:
        """A name that no tool has is a protocol error."""
        await refused(self.client.call_tool("no_such_tool"), -32602)

    async def mirrored_parameter(self) -> dict[str, Any] | None:
        """A parameter with `x-mcp-header` is sent in its header too, and the server takes it."""
        for tool in await every_page(self.client.list_tools, "tools"):
            properties = tool.input_schema.get("properties", {})
            mirrored = {name for name, schema in properties.items() if "x-mcp-header" in schema}
            if mirrored:
                # Beyond ASCII, so that the header has to be encoded.
                arguments = {name: "Zürich" for name in properties if properties[name].get("type") == "string"}
                result = await self.client.call_tool(tool.name, arguments)
                check(not result.is_error, f"{tool.name} refused {arguments}: {result}")
                return {"tool": tool.name}
        raise AssertionError("no tool has a parameter with x-mcp-header")

    async def resources(self) -> dict[str, Any]:
        """resources/list and resources/templates/list, page by page."""
        resources = await every_page(self.client.list_resources, "resources")
        templates = await every_page(self.client.list_resource_templates, "resource_templates")
        check("test://static-text" in [str(resource.uri) for resource in resources], "the static text is not listed")
        check("test://template/{id}/data" in [template.uri_template for template in templates], "no template")
        return {"resources": len(resources), "templates": len(templates)}

    async def read(self) -> None:
        """resources/read of a text."""
        contents = (await self.client.read_resource("test://static-text")).contents
        equal([content.text for content in contents], ["This is the content of the static text resource."])
        equal(contents[0].mime_type, "text/plain")

    async def read_binary(self) -> None:
        """resources/read of bytes."""
        (content,) = (await self.client.read_resource("test://static-binary")).contents
        equal(content.mime_type, "image/png")
        equal(base64.b64decode(content.blob, validate=True)[1:4], b"PNG")

    async def read_template(self) -> None:
        """resources/read of a URI that a template covers."""
        uri = "test://template/123/data"
        (content,) = (await self.client.read_resource(uri)).contents
        equal(str(content.uri), uri)
        equal(json.loads(content.text)["id"], "123")

    async def resource_not_found(self) -> None:
        """A URI that nothing covers is a protocol error that names it."""
        uri = "test://no-such-resource"
        error = await refused(self.client.read_resource(uri), -32602)
        equal((error.data or {}).get("uri"), uri)

    async def prompts(self) -> dict[str, Any]:
        """prompts/list, page by page."""
        prompts = await every_page(self.client.list_prompts, "prompts")
        by_name = {prompt.name: prompt for prompt in prompts}
        arguments = by_name["test_prompt_with_arguments"].arguments
        equal([(argument.name, argument.required) for argument in arguments], [("arg1", True), ("arg2", True)])
        return {"prompts": len(prompts)}

    async def prompt(self) -> None:
        """prompts/get with arguments."""
        prompt = await self.client.get_prompt("test_prompt_with_arguments", {"arg1": "hello", "arg2": "world"})
        (message,) = prompt.messages
        equal((message.role, message.content.text), ("user", "Prompt with arguments: arg1='hello', arg2='world'"))

    async def completion(self) -> dict[str, Any]:
        """completion/complete for the argument of a prompt."""
        reference = PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
        result = await self.client.complete(reference, {"name": "arg1", "value": "par"})
        check(len(result.completion.values) <= 100, "more than 100 values")
        return {"values": result.completion.values}

    async def progress(self) -> None:
        """Progress arrives on the stream of its call, in order."""
        steps = []

        async def step(progress: float, total: float | None, message: str | None) -> None:
            steps.append((progress, total))

        await self.client.call_tool("test_tool_with_progress", progress_callback=step)
        equal(steps, [(0, 100), (50, 100), (100, 100)])

    async def cancel(self) -> None:
        """A running call is given up by closing its response; the next call works."""
        with anyio.CancelScope() as scope:

            async def step(progress: float, total: float | None, message: str | None) -> None:
                scope.cancel()

            await self.client.call_tool("test_slow", {"ms": FOREVER_MS}, progress_callback=step)
        check(scope.cancelled_caught, "the call ended without progress")
        await self._simple_call()

    async def concurrent(self) -> None:
        """A slow call does not hold up a quick one."""
        finished = []

        async def run(name: str, arguments: dict[str, Any]) -> None:
            await self.client.call_tool(name, arguments)
            finished.append(name)

        async with anyio.create_task_group() as group:
            group.start_soon(run, "test_slow", {"ms": 300})
            group.start_soon(run, "test_simple_text", {})
        equal(finished, ["test_simple_text", "test_slow"])

    async def logging(self) -> None:
        """Log messages come for the request that asked for them, at its level, and for no other."""
        await self.client.call_tool("test_tool_with_logging", meta={LOG_LEVEL: "info"})
        equal([message.level for message in self.logged], ["info"] * 3)
        await self.client.call_tool("test_tool_with_logging", meta={LOG_LEVEL: "error"})
        await self.client.call_tool("test_tool_with_logging")
        equal(len(self.logged), 3, "messages came that nobody asked for")

    async def elicitation(self) -> None:
        """A form with defaults: accepted, declined and cancelled, and asked again where it does not fit."""
        tool = "test_elicitation_sep1034_defaults"
        filled_in = {"name": "Ada", "age": 36, "score": 99.5, "status": "inactive", "verified": False}
        text = await self._ask(tool, elicitation=lambda form: accept(filled_in))
        equal(text, f"Elicitation completed: action=accept, content={compact(filled_in)}")
        (form,) = self.asked
        equal((form.mode, form.message), ("form", "Please review and update the form fields with defaults"))
        fields = form.requested_schema["properties"]
        equal(
            {name: (field["type"], field["default"]) for name, field in fields.items()},
            {
                "name": ("string", "John Doe"),
                "age": ("integer", 30),
                "score": ("number", 95.5),
                "status": ("string", "active"),
                "verified": ("boolean", True),
            },
        )
        equal(fields["status"]["enum"], ["active", "inactive", "pending"])

        for action in ("decline", "cancel"):
            text = await self._ask(tool, elicitation=lambda form: ElicitResult(action=action))
            equal(text, f"Elicitation completed: action={action}, content={{}}")

        def second_try(form: Any) -> ElicitResult:
            return accept(filled_in if len(self.asked) > 1 else {**filled_in, "status": "asleep"})

        text = await self._ask(tool, elicitation=second_try)
        equal(text, f"Elicitation completed: action=accept, content={compact(filled_in)}")
        equal(len(self.asked), 2, "a form that does not fit is not asked for again")

    async def elicitation_enums(self) -> None:
        """Choices of one and of several, with and without titles."""
        chosen = {
            "untitledSingle": "option1",
            "titledSingle": "value2",
            "legacyEnum": "opt3",
            "untitledMulti": ["option1", "option3"],
            "titledMulti": [],
        }
        text = await self._ask("test_elicitation_sep1330_enums", elicitation=lambda form: accept(chosen))
        equal(text, f"Elicitation completed: action=accept, content={compact(chosen)}")
        fields = self.asked[0].requested_schema["properties"]
        equal(fields["untitledSingle"], {"type": "string", "enum": ["option1", "option2", "option3"]})
        equal(fields["titledSingle"]["oneOf"][0], {"const": "value1", "title": "First Option"})
        equal(fields["legacyEnum"]["enumNames"], ["Option One", "Option Two", "Option Three"])
        equal(fields["untitledMulti"]["items"], {"type": "string", "enum": ["option1", "option2", "option3"]})
        equal(fields["titledMulti"]["items"]["anyOf"][2], {"const": "value3", "title": "Third Choice"})

    async def elicitation_url(self) -> None:
        """A URL to open, which this revision no longer names by an id."""
        for action in ("accept", "decline", "cancel"):
            text = await self._ask("test_elicitation_url", elicitation=lambda visit: ElicitResult(action=action))
            equal(text, f"URL elicitation completed: action={action}")
            (visit,) = self.asked
            equal((visit.mode, visit.url, visit.elicitation_id), ("url", "https://example.com/login", None))

    async def sampling(self) -> None:
        """The client's model is asked."""
        prompt = "What is the capital of France?"
        text = await self._ask("test_sampling", {"prompt": prompt}, sampling=lambda params: say("Paris"))
        equal(text, "LLM response: Paris")
        (params,) = self.asked
        equal([(message.role, message.content.text) for message in params.messages], [("user", prompt)])
        equal(params.max_tokens, 100)

    async def roots(self) -> None:
        """The client's folders are asked for."""
        uris = ["file:///home/ada", "file:///srv"]
        text = await self._ask("test_roots", roots=lambda _: folders(*uris))
        equal(text, "Roots: file:///home/ada, file:///srv")
        equal(await self._ask("test_roots", roots=lambda _: folders()), "Roots: ")

    async def confirm(self) -> None:
        """Consent: given, withheld, and good for once only."""
        what = {"what": "the archive"}
        agreed = "They agreed that the archive may be deleted."
        equal(await self._ask("test_confirm", what, elicitation=lambda form: accept({})), agreed)
        equal([form.message for form in self.asked], ["Delete the archive for good?"])
        for action in ("decline", "cancel"):
            self.answers = {"elicitation": lambda form: ElicitResult(action=action)}
            check((await self.client.call_tool("test_confirm", what)).is_error is True, f"{action} was taken for a yes")

        call = self.client.session.call_tool
        asked = await call("test_confirm", what, allow_input_required=True)
        check(isinstance(asked, InputRequiredResult), f"no question: {asked}")
        consent = {
            "input_responses": {key: accept({}) for key in asked.input_requests},
            "request_state": asked.request_state,
        }
        equal(only_text(await call("test_confirm", what, **consent)), agreed)
        again = await call("test_confirm", what, **consent, allow_input_required=True)
        check(isinstance(again, InputRequiredResult), "consent was taken twice")

    async def several_questions(self) -> dict[str, Any]:
        """Several questions in one round, and one after another in several."""

        def fill_in(form: Any) -> ElicitResult:
            return accept({"color": "blue"} if "color" in form.message else {"name": "Ada"})

        answers = {
            "elicitation": fill_in,
            "sampling": lambda params: say("Good day,"),
            "roots": lambda _: folders("file:///srv"),
        }
        text = await self._ask("test_input_required_result_multiple_inputs", **answers)
        equal(text, "Good day, Ada works in file:///srv")
        equal(len(self.asked), 3)
        equal(await self._ask("test_input_required_result_multi_round", **answers), "Ada likes blue.")
        steps = ["Step 1: What is your name?", "Step 2: What is your favorite color?"]
        equal([form.message for form in self.asked], steps)
        return {"rounds": len(steps)}

    async def prompt_and_resource_questions(self) -> None:
        """prompts/get and resources/read ask as well."""
        self.answers = {"elicitation": lambda form: accept({"context": "a test", "name": "Ada"})}
        prompt = await self.client.get_prompt("test_input_required_result_prompt")
        equal([message.content.text for message in prompt.messages], ["Use this context: a test"])
        (content,) = (await self.client.read_resource("test://your-greeting")).contents
        equal(content.text, "Hello, Ada!")

    async def streamed_question(self) -> None:
        """A question at the end of a stream of progress."""
        steps = []

        async def step(progress: float, total: float | None, message: str | None) -> None:
            steps.append(progress)

        self.answers = {"elicitation": lambda form: accept({"steps": 3})}
        result = await self.client.call_tool("test_streaming_elicitation", progress_callback=step)
        equal(only_text(result), "The user has seen 3 of 3 steps.")
        equal(steps, [1, 2, 3] * 2, "the work runs a second time for its answer")

    async def tampered_state(self) -> None:
        """A state that was changed on its way is a protocol error."""
        call = self.client.session.call_tool
        tool = "test_input_required_result_tampered_state"
        asked = await call(tool, allow_input_required=True)
        answers = {key: accept({"ok": True}) for key in asked.input_requests}
        changed = call(tool, input_responses=answers, request_state=asked.request_state + "A")
        await refused(changed, -32602)
        result = await call(tool, input_responses=answers, request_state=asked.request_state)
        equal(only_text(result), 'action=accept, content={"ok":true}')

    async def listen(self) -> None:
        """subscriptions/listen: acknowledged, told of a change, ended by the client; calls go on beside it."""
        watched = "test://watched-resource"
        async with self.client.listen(tools_list_changed=True, resource_subscriptions=[watched]) as subscription:
            check(subscription.honored.tools_list_changed is True, f"not honoured: {subscription.honored}")
            equal([str(uri) for uri in subscription.honored.resource_subscriptions or []], [watched])
            await self.client.call_tool("test_trigger_tool_change")
            async for event in subscription:
                check(isinstance(event, ToolsListChanged | ResourceUpdated), f"unexpected {event}")
                if isinstance(event, ToolsListChanged):
                    break
            else:
                raise AssertionError("the server ended the subscription before it told of the change")
        await self._simple_call()

    async def _ask(self, tool: str, arguments: dict[str, Any] | None = None, **answers: Callable[[Any], Any]) -> str:
        """Calls a tool and answers what it asks, by kind; what it asked is then in `self.asked`."""
        self.asked, self.answers = [], answers
        result = await self.client.call_tool(tool, arguments)
        check(not result.is_error, f"a tool error: {result}")
        return only_text(result)

    def answer(self, kind: str, params: Any) -> Any:
        self.asked.append(params)
        return self.answers[kind](params)

    async def _simple_call(self) -> None:
        result = await self.client.call_tool("test_simple_text")
        check(not result.is_error, f"a tool error: {result}")
        equal(only_text(result), "This is a simple text response for testing.")


ORDER = [
    Checks.connect,
    Checks.list,
    Checks.call,
    Checks.content_kinds,
    Checks.tool_error,
    Checks.unknown_tool,
    Checks.mirrored_parameter,
    Checks.resources,
    Checks.read,
    Checks.read_binary,
    Checks.read_template,
    Checks.resource_not_found,
    Checks.prompts,
    Checks.prompt,
    Checks.completion,
    Checks.progress,
    Checks.cancel,
    Checks.concurrent,
    Checks.logging,
    Checks.elicitation,
    Checks.elicitation_enums,
    Checks.elicitation_url,
    Checks.sampling,
    Checks.roots,
    Checks.confirm,
    Checks.several_questions,
    Checks.prompt_and_resource_questions,
    Checks.streamed_question,
    Checks.tampered_state,
    Checks.listen,
]


async def every_page(fetch: Callable[..., Awaitable[Any]], key: str) -> list[Any]:
    """All items of a list; the client's own cache is passed by, so that each list is a request."""
    items: list[Any] = []
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        page = await fetch(cursor=cursor, cache_mode="bypass")
        items += getattr(page, key)
        cursor = page.next_cursor
        if cursor is None:
            return items
        check(cursor not in seen, f"the pages of {key} go in a circle")
        seen.add(cursor)


def only_text(result: Any) -> str:
    (block,) = result.content
    equal(block.type, "text")
    return block.text


def accept(content: dict[str, Any]) -> ElicitResult:
    return ElicitResult(action="accept", content=content)


def say(text: str) -> CreateMessageResult:
    content = TextContent(type="text", text=text)
    return CreateMessageResult(role="assistant", model="test", stop_reason="endTurn", content=content)


def folders(*uris: str) -> ListRootsResult:
    return ListRootsResult(roots=[Root(uri=uri) for uri in uris])


def compact(value: Any) -> str:
    """JSON as the server writes it."""
    return json.dumps(value, separators=(",", ":"))


async def refused(request: Awaitable[Any], code: int) -> MCPError:
    try:
        answer = await request
    except MCPError as error:
        equal(error.code, code, error.message)
        return error
    raise AssertionError(f"expected error {code}, got {answer}")


def check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def equal(actual: Any, expected: Any, message: str = "") -> None:
    check(actual == expected, f"{message + ': ' if message else ''}expected {expected!r}, got {actual!r}")


class RecordingTransport(httpx2.AsyncHTTPTransport):
    """The SDK's own HTTP, with a copy of each message of either direction in a file."""

    def __init__(self, file: TextIO) -> None:
        super().__init__()
        self._file = file

    def write(self, direction: str, text: str) -> None:
        line = json.dumps({"dir": direction, "msg": json.loads(text)}, ensure_ascii=False)
        print(line, file=self._file, flush=True)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.content:
            self.write("out", request.content.decode())
        response = await super().handle_async_request(request)
        kind = response.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            response.stream = RecordedEvents(response.stream, self)
        elif kind.startswith("application/json"):
            response.stream = RecordedBody(response.stream, self)
        return response


class RecordedBody(httpx2.AsyncByteStream):
    """A JSON body: one message, written down when it is complete."""

    def __init__(self, stream: httpx2.AsyncByteStream, transport: RecordingTransport) -> None:
        self._stream = stream
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = b""
        async for chunk in self._stream:
            body += chunk
            yield chunk
        self._transport.write("in", body.decode())

    async def aclose(self) -> None:
        await self._stream.aclose()


class RecordedEvents(RecordedBody):
    """A stream of server-sent events: one message an event, written down before the SDK sees its last byte."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        rest = b""
        data: list[str] = []
        async for chunk in self._stream:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                text = line.decode().removesuffix("\r")
                if text.startswith("data:"):
                    data.append(text.removeprefix("data:").removeprefix(" "))
                elif text == "" and data:
                    self._transport.write("in", "\n".join(data))
                    data = []
            yield chunk


async def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the official Python client against an MCP server.")
    parser.add_argument("--record", metavar="FILE", help="keep every message of the wire in FILE, one a line")
    parser.add_argument("url", help="the MCP endpoint, for example http://127.0.0.1:8080/mcp")
    arguments = parser.parse_args()

    if arguments.record is None:
        return await run(arguments.url, None)
    with open(arguments.record, "w", encoding="utf-8") as file:
        return await run(arguments.url, RecordingTransport(file))


async def run(url: str, transport: httpx2.AsyncBaseTransport | None) -> int:
    name = "connect"
    try:
        # trust_env: a proxy that the environment names has no part in a test on this machine.
        async with httpx2.AsyncClient(transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False) as http:
            client = Client(
                streamable_http_client(url, http_client=http),
                mode="auto",
                read_timeout_seconds=TIMEOUT_SECONDS,
                logging_callback=lambda message: log(checks, message),
                elicitation_callback=lambda context, params: answer(checks, "elicitation", params),
                sampling_callback=lambda context, params: answer(checks, "sampling", params),
                list_roots_callback=lambda context: answer(checks, "roots", None),
            )
            checks = Checks(client)
            async with client:
                for method in ORDER:
                    name = method.__name__
                    with anyio.fail_after(TIMEOUT_SECONDS):
                        details = await method(checks) or {}
                    report(name, True, details)
            name = "close"
        report(name, True, {})
        return 0
    except Exception as error:
        report(name, False, {"error": innermost(error)})
        traceback.print_exc()
        return 1


async def log(checks: Checks, message: Any) -> None:
    checks.logged.append(message)


async def answer(checks: Checks, kind: str, params: Any) -> Any:
    return checks.answer(kind, params)


def report(name: str, ok: bool, details: dict[str, Any]) -> None:
    print(json.dumps({"check": name, "ok": ok, **details}, ensure_ascii=False), flush=True)


def innermost(error: BaseException) -> str:
    """The text of the cause: task groups wrap what failed in them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(anyio.run(main))
