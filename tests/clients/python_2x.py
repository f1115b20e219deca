"""A real client of both eras: the official Python SDK 2.x, over stdio and Streamable HTTP.

    python python_2x.py [--record FILE] [--era modern|handshake] (URL | COMMAND [ARG...])

A COMMAND is started as the server. In the modern era the SDK finds out by itself that the server speaks 2026-07-28; in
the handshake era it is told to shake hands, and speaks 2025-11-25. What is checked stands in `python_checks.py`, what a
recording is in `python_wire.py`.

The interpreter is the one that TOOLPACK_PYTHON names (`cargo xtask tools` prints it).
"""

import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import mcp.client.stdio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, PromptReference
from python_checks import Json, Progress, Refused, Sdk, check, equal, run_checks
from python_wire import TIMEOUT_SECONDS, Target, Wire, parse_arguments

# What the newest revision has given up is here to be tried, too.
warnings.simplefilter("ignore", MCPDeprecationWarning)


class Python2(Sdk):
    """The SDK's `Client`."""

    def __init__(self, server: Any, era: str) -> None:
        super().__init__()
        self.modern = era == "modern"
        self.revision = "2026-07-28" if self.modern else "2025-11-25"
        self._changes, self._changed = anyio.create_memory_object_stream[str](100)
        self.client = Client(
            server,
            mode="auto" if self.modern else "legacy",
            # Each list is a request.
            cache=None,
            read_timeout_seconds=TIMEOUT_SECONDS,
            logging_callback=self._log,
            message_handler=self._notice,
            elicitation_callback=lambda _, params: self._answer("elicitation", params, ElicitResult),
            sampling_callback=lambda _, params: self._answer("sampling", params, CreateMessageResult),
            list_roots_callback=lambda _: self._answer("roots", None, ListRootsResult),
        )

    async def _answer(self, kind: str, params: Any, answer: Any) -> Any:
        return answer.model_validate(self.answer(kind, dump(params) if params else {}))

    async def _log(self, message: Any) -> None:
        self.logged.append(dump(message))

    async def _notice(self, message: Any) -> None:
        match getattr(message, "method", None):
            case "notifications/resources/updated":
                self._changes.send_nowait(str(message.params.uri))
            case "notifications/tools/list_changed":
                self._changes.send_nowait("tools")

    async def about(self) -> Json:
        client = self.client
        return {
            "protocolVersion": client.protocol_version,
            "capabilities": dump(client.server_capabilities),
            "serverInfo": dump(client.server_info),
        }

    async def page(self, what: str, cursor: str | None) -> Json:
        client = self.client
        fetch = {
            "tools": client.list_tools,
            "resources": client.list_resources,
            "resourceTemplates": client.list_resource_templates,
            "prompts": client.list_prompts,
        }[what]
        return await told(fetch(cursor=cursor))

    async def call(
        self, tool: str, arguments: Json, progress: Progress | None = None, meta: Json | None = None
    ) -> Json:
        return await told(self.client.call_tool(tool, arguments, progress_callback=progress, meta=meta))

    async def give_up(self, tool: str, arguments: Json) -> bool:
        with anyio.CancelScope() as scope:

            async def step(progress: float, total: float | None, message: str | None) -> None:
                scope.cancel()

            await self.client.call_tool(tool, arguments, progress_callback=step)
        return scope.cancelled_caught

    async def read(self, uri: str) -> Json:
        return await told(self.client.read_resource(uri))

    async def prompt(self, name: str, arguments: dict[str, str] | None = None) -> Json:
        return await told(self.client.get_prompt(name, arguments))

    async def complete(self, prompt: str, argument: str, value: str) -> Json:
        reference = PromptReference(type="ref/prompt", name=prompt)
        return await told(self.client.complete(reference, {"name": argument, "value": value}))

    async def set_level(self, level: str) -> None:
        await self.client.set_logging_level(level)

    async def ping(self) -> None:
        await self.client.send_ping()

    @asynccontextmanager
    async def subscribed(self, uri: str | None) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        if not self.modern:
            if uri:
                await self.client.subscribe_resource(uri)
            yield self._changed.receive
            if uri:
                await self.client.unsubscribe_resource(uri)
            return
        uris = [uri] if uri else []
        async with self.client.listen(tools_list_changed=not uri, resource_subscriptions=uris) as subscription:
            honored = subscription.honored
            equal([str(uri) for uri in honored.resource_subscriptions or []], uris)
            equal(bool(honored.tools_list_changed), not uri)

            async def changed() -> str:
                async for event in subscription:
                    check(isinstance(event, ToolsListChanged | ResourceUpdated), f"unexpected {event}")
                    return "tools" if isinstance(event, ToolsListChanged) else str(event.uri)
                raise AssertionError("the server ended the subscription before it told of the change")

            yield changed

    async def round(self, tool: str, arguments: Json, answered: tuple[Json, str] | None = None) -> Json:
        answers, state = answered or (None, None)
        answers = answers and {key: ElicitResult.model_validate(answer) for key, answer in answers.items()}
        call = self.client.session.call_tool
        more = {"input_responses": answers, "request_state": state}
        return await told(call(tool, arguments, **more, allow_input_required=True))


def dump(model: Any) -> Json:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def told(request: Awaitable[Any]) -> Json:
    try:
        return dump(await request)
    except MCPError as error:
        raise Refused(error.code, error.data) from error


@asynccontextmanager
async def connected(target: Target, wire: Wire) -> AsyncIterator[Sdk]:
    if target.url is None:
        wire.watch_processes(mcp.client.stdio)
        command, *args = target.command
        sdk = Python2(StdioServerParameters(command=command, args=args), target.era)
        async with sdk.client:
            yield sdk
        return
    async with wire.http_client(httpx2) as http:
        sdk = Python2(streamable_http_client(target.url, http_client=http), target.era)
        async with sdk.client:
            yield sdk


async def main() -> int:
    target = parse_arguments("Runs the official Python client 2.x against an MCP server.", ["modern", "handshake"])
    wire = Wire(target)
    return await run_checks(connected(target, wire), wire)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
