"""A real client of the handshake era: the official Python SDK 1.x speaks 2025-11-25, over stdio and Streamable HTTP.

    python python_1x.py [--record FILE] (URL | COMMAND [ARG...])

A COMMAND is started as the server. What is checked stands in `python_checks.py`, what a recording is in
`python_wire.py`.

The interpreter is the one that TOOLPACK_PYTHON_1X names (`cargo xtask tools` prints it).
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import httpx
import mcp.client.stdio
from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl
from python_checks import Json, Progress, Refused, Sdk, run_checks
from python_wire import TIMEOUT_SECONDS, Target, Wire, parse_arguments


class Python1(Sdk):
    """The SDK's `ClientSession`."""

    revision = "2025-11-25"
    modern = False

    def __init__(self, read: Any, write: Any) -> None:
        super().__init__()
        self._changes, self._changed = anyio.create_memory_object_stream[str](100)
        self.server: types.InitializeResult | None = None
        self.session = ClientSession(
            read,
            write,
            read_timeout_seconds=timedelta(seconds=TIMEOUT_SECONDS),
            logging_callback=self._log,
            message_handler=self._notice,
            elicitation_callback=lambda _, params: self._answer("elicitation", params, types.ElicitResult),
            sampling_callback=lambda _, params: self._answer("sampling", params, types.CreateMessageResult),
            list_roots_callback=lambda _: self._answer("roots", None, types.ListRootsResult),
        )

    async def _answer(self, kind: str, params: Any, answer: Any) -> Any:
        return answer.model_validate(self.answer(kind, dump(params) if params else {}))

    async def _log(self, message: Any) -> None:
        self.logged.append(dump(message))

    async def _notice(self, message: Any) -> None:
        match message:
            case types.ServerNotification(root=types.ResourceUpdatedNotification(params=params)):
                self._changes.send_nowait(str(params.uri))
            case types.ServerNotification(root=types.ToolListChangedNotification()):
                self._changes.send_nowait("tools")

    async def about(self) -> Json:
        return dump(self.server)

    async def page(self, what: str, cursor: str | None) -> Json:
        session = self.session
        fetch = {
            "tools": session.list_tools,
            "resources": session.list_resources,
            "resourceTemplates": session.list_resource_templates,
            "prompts": session.list_prompts,
        }[what]
        return await told(fetch(params=types.PaginatedRequestParams(cursor=cursor)))

    async def call(
        self, tool: str, arguments: Json, progress: Progress | None = None, meta: Json | None = None
    ) -> Json:
        return await told(self.session.call_tool(tool, arguments, progress_callback=progress, meta=meta))

    async def give_up(self, tool: str, arguments: Json) -> bool:
        # This SDK tells nobody when a caller stops waiting, and has no way to ask for it; the notification is written
        # by hand, with the id that its next request will have.
        request = self.session._request_id
        params = types.CancelledNotificationParams(requestId=request, reason="the user changed their mind")
        cancelled = types.CancelledNotification(params=params)
        with anyio.CancelScope() as scope:

            async def step(progress: float, total: float | None, message: str | None) -> None:
                await self.session.send_notification(types.ClientNotification(cancelled))
                scope.cancel()

            await self.session.call_tool(tool, arguments, progress_callback=step)
        return scope.cancelled_caught

    async def read(self, uri: str) -> Json:
        return await told(self.session.read_resource(AnyUrl(uri)))

    async def prompt(self, name: str, arguments: dict[str, str] | None = None) -> Json:
        return await told(self.session.get_prompt(name, arguments))

    async def complete(self, prompt: str, argument: str, value: str) -> Json:
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        return await told(self.session.complete(reference, {"name": argument, "value": value}))

    async def set_level(self, level: str) -> None:
        await self.session.set_logging_level(level)

    async def ping(self) -> None:
        await self.session.send_ping()

    @asynccontextmanager
    async def subscribed(self, uri: str | None) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        if uri:
            await self.session.subscribe_resource(AnyUrl(uri))
        yield self._changed.receive
        if uri:
            await self.session.unsubscribe_resource(AnyUrl(uri))


def dump(model: Any) -> Json:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def told(request: Awaitable[Any]) -> Json:
    try:
        return dump(await request)
    except McpError as error:
        raise Refused(error.error.code, error.error.data) from error


@asynccontextmanager
async def connected(target: Target, wire: Wire) -> AsyncIterator[Sdk]:
    async with AsyncExitStack() as stack:
        if target.url is None:
            wire.watch_processes(mcp.client.stdio)
            command, *args = target.command
            transport = mcp.client.stdio.stdio_client(StdioServerParameters(command=command, args=args))
        else:
            http = await stack.enter_async_context(wire.http_client(httpx))
            transport = streamable_http_client(target.url, http_client=http)
        read, write, *_ = await stack.enter_async_context(transport)
        sdk = Python1(read, write)
        await stack.enter_async_context(sdk.session)
        sdk.server = await sdk.session.initialize()
        yield sdk


async def main() -> int:
    target = parse_arguments("Runs the official Python client 1.x against an MCP server.", ["handshake"])
    wire = Wire(target)
    return await run_checks(connected(target, wire), wire)


if __name__ == "__main__":
    sys.exit(anyio.run(main))
