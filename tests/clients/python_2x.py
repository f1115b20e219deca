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
from mcp_types import PromptReference

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


def report(name: str, ok: bool, details: dict[str, Any]) -> None:
    print(json.dumps({"check": name, "ok": ok, **details}, ensure_ascii=False), flush=True)


def innermost(error: BaseException) -> str:
    """The text of the cause: task groups wrap what failed in them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(anyio.run(main))
