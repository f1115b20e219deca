"""How both Python clients reach a server and keep what goes over the wire.

A recording has a line {"dir": "out" | "in", "msg": ...} a message: the lines over a pipe, the bodies and events over
HTTP, as they went and before the SDK parsed anything.
"""

import argparse
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TextIO

from anyio.abc import ByteReceiveStream, ByteSendStream

# No single answer may take longer than this; the whole run takes about a second on an idle machine.
TIMEOUT_SECONDS = 30


@dataclass
class Target:
    """What the command line says: the server's URL or its command, the era to speak, where to keep the wire."""

    url: str | None
    command: list[str]
    era: str
    record: TextIO | None


def parse_arguments(description: str, eras: list[str]) -> Target:
    """Reads [--record FILE] [--era ERA] (URL | COMMAND [ARG...]); the first era is the default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--record", metavar="FILE", help="keep every message of the wire in FILE, one a line")
    parser.add_argument("--era", choices=eras, default=eras[0])
    parser.add_argument("target", help="the MCP endpoint, such as http://127.0.0.1:8080/mcp, or a command to start")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="what to give to the command")
    given = parser.parse_args()
    # The process ends with the run, and the file with it.
    record = open(given.record, "w", encoding="utf-8") if given.record else None
    is_url = given.target.startswith(("http://", "https://"))
    return Target(given.target if is_url else None, [given.target, *given.args], given.era, record)


class Wire:
    """The way to the server of a `Target`, with a copy of each message of either direction in its file, if any."""

    def __init__(self, target: Target) -> None:
        self._file = target.record
        # The processes that the SDK started as servers.
        self.servers: list[Any] = []

    def write(self, direction: str, text: str) -> None:
        if self._file is not None and text.strip():
            line = json.dumps({"dir": direction, "msg": json.loads(text)}, ensure_ascii=False)
            print(line, file=self._file, flush=True)

    def watch_processes(self, stdio: ModuleType) -> None:
        """Has the SDK's module for stdio hand over each process that it starts, with both its pipes tapped."""
        create = stdio._create_platform_compatible_process

        async def create_tapped(*args: Any, **kwargs: Any) -> Any:
            process = await create(*args, **kwargs)
            process._stdin = Tap(process._stdin, self._lines("out"))
            process._stdout = Tap(process._stdout, self._lines("in"))
            self.servers.append(process)
            return process

        stdio._create_platform_compatible_process = create_tapped

    def http_client(self, httpx: ModuleType) -> Any:
        """A client of the HTTP library that the SDK uses; `httpx` and `httpx2` look the same from here."""
        wire = self

        class Transport(httpx.AsyncHTTPTransport):
            async def handle_async_request(self, request: Any) -> Any:
                wire.write("out", request.content.decode())
                response = await super().handle_async_request(request)
                kind = response.headers.get("content-type", "")
                if kind.startswith("text/event-stream"):
                    response.stream = Body(response.stream, wire._events())
                elif kind.startswith("application/json"):
                    response.stream = Body(response.stream, wire._whole())
                return response

        class Body(httpx.AsyncByteStream):
            """Written down before the SDK sees it."""

            def __init__(self, stream: Any, take: Callable[[bytes], None]) -> None:
                self._stream = stream
                self._take = take

            async def __aiter__(self) -> AsyncIterator[bytes]:
                async for chunk in self._stream:
                    self._take(chunk)
                    yield chunk
                self._take(b"")

            async def aclose(self) -> None:
                await self._stream.aclose()

        # trust_env: a proxy that the environment names has no part in a test on this machine.
        return httpx.AsyncClient(transport=Transport(), timeout=TIMEOUT_SECONDS, trust_env=False)

    def _lines(self, direction: str) -> Callable[[bytes], None]:
        return splitter(lambda line: self.write(direction, line))

    def _events(self) -> Callable[[bytes], None]:
        # Our server writes an event's data as one line; an event without any is there to be resumed from.
        def take(line: str) -> None:
            if line.startswith("data:"):
                self.write("in", line.removeprefix("data:"))

        return splitter(take)

    def _whole(self) -> Callable[[bytes], None]:
        body = bytearray()

        def take(chunk: bytes) -> None:
            body.extend(chunk)
            if not chunk:
                self.write("in", body.decode())

        return take


def splitter(take: Callable[[str], None]) -> Callable[[bytes], None]:
    """Gives each whole line of a stream of bytes to `take`."""
    rest = b""

    def feed(chunk: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            take(line.decode().removesuffix("\r"))

    return feed


class Tap(ByteReceiveStream, ByteSendStream):
    """One end of a pipe; what passes is shown to `take`."""

    def __init__(self, pipe: Any, take: Callable[[bytes], None]) -> None:
        self._pipe = pipe
        self._take = take

    async def receive(self, max_bytes: int = 65536) -> bytes:
        chunk = await self._pipe.receive(max_bytes)
        self._take(chunk)
        return chunk

    async def send(self, item: bytes) -> None:
        self._take(item)
        await self._pipe.send(item)

    async def aclose(self) -> None:
        await self._pipe.aclose()
